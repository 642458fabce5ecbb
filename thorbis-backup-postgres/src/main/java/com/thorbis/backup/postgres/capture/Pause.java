package com.thorbis.backup.postgres.capture;

import com.thorbis.backup.api.Cancellation;
import java.io.InterruptedIOException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Waits that a cancellation ends. */
public final class Pause {
  private Pause() {}

  /** Returns after {@code duration}, or at once when cancelled. */
  public static void of(Duration duration, Cancellation cancellation)
      throws InterruptedIOException {
    CountDownLatch cancelled = new CountDownLatch(1);
    Cancellation.Registration registration = cancellation.onCancel(cancelled::countDown);
    try {
      boolean early = cancelled.await(duration.toNanos(), TimeUnit.NANOSECONDS);
      if (early) {
        return;
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      InterruptedIOException interrupted = new InterruptedIOException("Interrupted while waiting");
      interrupted.initCause(e);
      throw interrupted;
    } finally {
      registration.close();
    }
  }

  /** Twice as long, and never longer than {@code longest}. */
  public static Duration longer(Duration pause, Duration longest) {
    Duration twice = pause.multipliedBy(2);
    return twice.compareTo(longest) < 0 ? twice : longest;
  }
}
