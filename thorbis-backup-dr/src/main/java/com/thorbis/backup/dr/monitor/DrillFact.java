package com.thorbis.backup.dr.monitor;

import java.time.Instant;

/**
 * A drill that was done.
 *
 * @param source what was restored
 * @param at when it ended
 * @param passed whether everything that was required of it held
 * @param outcome for people: what was proven, or what failed
 */
public record DrillFact(String source, Instant at, boolean passed, String outcome) {}
