package com.thorbis.backup.dr.notify;

import com.thorbis.backup.dr.monitor.Severity;
import java.time.Instant;
import java.util.Optional;

/**
 * Somebody knows of an alarm, and sees to it.
 *
 * @param id of the alarm
 * @param by who
 * @param at when
 * @param until when it has to be over; empty: as long as it lasts
 * @param severity how urgent it was: one that gets worse is raised again
 */
public record Acknowledgement(
    String id, String by, Instant at, Optional<Instant> until, Severity severity) {}
