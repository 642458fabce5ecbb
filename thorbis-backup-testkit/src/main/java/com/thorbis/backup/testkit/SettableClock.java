package com.thorbis.backup.testkit;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;

/** A clock in UTC that stands still until it is told otherwise. Safe for several threads. */
public final class SettableClock extends Clock {
  private volatile Instant now;

  private SettableClock(Instant start) {
    now = start;
  }

  /** A clock that shows {@code start}. */
  public static SettableClock at(Instant start) {
    return new SettableClock(start);
  }

  /** Shows another time, which may be earlier. */
  public synchronized void set(Instant instant) {
    now = instant;
  }

  /** Moves on. */
  public synchronized void advance(Duration duration) {
    now = now.plus(duration);
  }

  @Override
  public Instant instant() {
    return now;
  }

  @Override
  public ZoneId getZone() {
    return ZoneOffset.UTC;
  }

  /** Clocks of other zones show this one's time when asked. */
  @Override
  public Clock withZone(ZoneId zone) {
    Clock here = this;
    return new Clock() {
      @Override
      public ZoneId getZone() {
        return zone;
      }

      @Override
      public Clock withZone(ZoneId other) {
        return here.withZone(other);
      }

      @Override
      public Instant instant() {
        return here.instant();
      }
    };
  }
}
