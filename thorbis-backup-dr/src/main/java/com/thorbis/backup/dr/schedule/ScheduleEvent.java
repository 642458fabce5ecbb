package com.thorbis.backup.dr.schedule;

import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/**
 * What became of a job that was due.
 *
 * @param kind what happened
 * @param job the job's name
 * @param due when it was due
 * @param at when it happened
 * @param reason in words; empty where the kind says all
 * @param took how long it ran, if it did
 * @param retryAt when it is tried again; empty: not before it is due again
 * @param failure what it threw
 */
public record ScheduleEvent(
    Kind kind,
    String job,
    Instant due,
    Instant at,
    String reason,
    Optional<Duration> took,
    Optional<Instant> retryAt,
    Optional<Throwable> failure) {

  /** What can happen. Constants may be added. */
  public enum Kind {
    /** It began. */
    STARTED("started"),
    /** It is done. */
    FINISHED("finished"),
    /** It threw, was cancelled, or nobody could tell whether it was to be done. */
    FAILED("failed"),
    /** Its window is over, and it was not done. */
    MISSED("missed"),
    /** There was no need to start it, or a blackout holds it up. */
    SKIPPED("skipped"),
    /** Log that is captured all the time is further behind than it may be. */
    LATE("late"),
    /** It is not any more. */
    CAUGHT_UP("caught-up");

    private final String label;

    Kind(String label) {
      this.label = label;
    }

    /** The name for scripts; never changes. */
    public String label() {
      return label;
    }
  }
}
