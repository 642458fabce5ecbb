package com.thorbis.backup.postgres.cluster;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.postgres.capture.Pause;
import java.io.IOException;
import java.time.Duration;
import java.util.function.LongSupplier;

/** Lets so many bytes a second pass, whichever of several threads they are for. */
public final class RateLimit {
  private static final double NANOS = 1e9;

  private final long bytesPerSecond;
  private final Cancellation cancellation;
  private final LongSupplier clock;
  private final Sleeper sleeper;
  private long free;

  /** Waits. */
  @FunctionalInterface
  interface Sleeper {
    void sleep(Duration duration) throws IOException;
  }

  /**
   * A limit.
   *
   * @param bytesPerSecond 0 for none
   */
  public RateLimit(long bytesPerSecond, Cancellation cancellation) {
    this(bytesPerSecond, cancellation, System::nanoTime, time -> Pause.of(time, cancellation));
  }

  RateLimit(long bytesPerSecond, Cancellation cancellation, LongSupplier clock, Sleeper sleeper) {
    this.bytesPerSecond = bytesPerSecond;
    this.cancellation = cancellation;
    this.clock = clock;
    this.sleeper = sleeper;
    this.free = clock.getAsLong();
  }

  /** Returns when the bytes may be read; fails when cancelled. */
  public void take(long bytes) throws IOException {
    cancellation.check();
    if (bytesPerSecond <= 0) {
      return;
    }
    long wait;
    synchronized (this) {
      long now = clock.getAsLong();
      wait = Math.max(0, free - now);
      free = now + wait + (long) (bytes * NANOS / bytesPerSecond);
    }
    if (wait > 0) {
      sleeper.sleep(Duration.ofNanos(wait));
      cancellation.check();
    }
  }
}
