package com.thorbis.backup.dr.monitor;

import java.time.Instant;
import java.util.Optional;

/**
 * A recovery that is or was carried out.
 *
 * @param run its name
 * @param scenario what it recovers from
 * @param startedAt when it was asked for
 * @param state how far it is
 * @param since since when it is so
 * @param detail why, for people
 */
public record RecoveryFact(
    String run,
    String scenario,
    Instant startedAt,
    State state,
    Optional<Instant> since,
    String detail) {
  /** How far it is. */
  public enum State {
    /** It goes on, or waits for what is due later. */
    GOING_ON,
    /** It does not go on by itself, and nobody sees to it: what it waits for is overdue. */
    BLOCKED,
    /** It recovered what it had to. */
    SUCCEEDED,
    /** It did not. */
    FAILED,
    /** Somebody ended it, or it was taken back. */
    STOPPED
  }
}
