package com.thorbis.backup.dr.schedule;

import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/** A time in which nothing is started. What runs already goes on. */
public sealed interface Blackout {
  /** Until when it lasts, if it covers a moment. */
  Optional<Instant> until(Instant moment);

  /**
   * One that comes again and again.
   *
   * @param from when it begins
   * @param length how long it lasts
   */
  record Recurring(Schedule from, Duration length) implements Blackout {
    /** Refuses one that never begins. */
    public Recurring {
      if (length.isNegative() || length.isZero()) {
        throw new IllegalArgumentException("A blackout of " + length);
      }
    }

    @Override
    public Optional<Instant> until(Instant moment) {
      return Optional.of(from.previous(moment).plus(length)).filter(end -> end.isAfter(moment));
    }
  }

  /**
   * One that comes once.
   *
   * @param from the first moment
   * @param to the first moment after it
   */
  record Once(Instant from, Instant to) implements Blackout {
    /** Refuses one that never begins. */
    public Once {
      if (!from.isBefore(to)) {
        throw new IllegalArgumentException("A blackout from " + from + " to " + to);
      }
    }

    @Override
    public Optional<Instant> until(Instant moment) {
      return moment.isBefore(from) || !moment.isBefore(to) ? Optional.empty() : Optional.of(to);
    }
  }
}
