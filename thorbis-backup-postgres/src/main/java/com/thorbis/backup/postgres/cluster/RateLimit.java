package com.thorbis.backup.postgres.cluster;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.postgres.capture.Pause;
import java.io.IOException;
import java.time.Duration;

/** Lets so many bytes a second pass, whichever of several threads they are for. */
public final class RateLimit {
  private static final double NANOS = 1e9;

  private final long bytesPerSecond;
  private final Cancellation cancellation;
  private long free = System.nanoTime();

  /**
   * A limit.
   *
   * @param bytesPerSecond 0 for none
   */
  public RateLimit(long bytesPerSecond, Cancellation cancellation) {
    this.bytesPerSecond = bytesPerSecond;
    this.cancellation = cancellation;
  }

  /** Returns when the bytes may be read; fails when cancelled. */
  void take(long bytes) throws IOException {
    cancellation.check();
    if (bytesPerSecond <= 0) {
      return;
    }
    long wait;
    synchronized (this) {
      long now = System.nanoTime();
      wait = Math.max(0, free - now);
      free = now + wait + (long) (bytes * NANOS / bytesPerSecond);
    }
    if (wait > 0) {
      Pause.of(Duration.ofNanos(wait), cancellation);
      cancellation.check();
    }
  }
}
