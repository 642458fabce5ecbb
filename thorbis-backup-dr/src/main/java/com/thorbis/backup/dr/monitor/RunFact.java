package com.thorbis.backup.dr.monitor;

import java.time.Instant;

/**
 * A backup that was tried, by the record of whoever tried it.
 *
 * @param source of what
 * @param endedAt when it ended
 * @param succeeded whether it made a backup
 * @param outcome for people: why it failed
 */
public record RunFact(String source, Instant endedAt, boolean succeeded, String outcome) {}
