package com.thorbis.backup.storage.internal;

import com.thorbis.backup.api.Cancellation;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Waits for something that nobody tells of. */
@FunctionalInterface
public interface Pause {
  /** Real time. */
  Pause REAL =
      (time, cancellation) -> {
        CountDownLatch cancelled = new CountDownLatch(1);
        try (Cancellation.Registration watching = cancellation.onCancel(cancelled::countDown)) {
          boolean early = cancelled.await(time.toMillis(), TimeUnit.MILLISECONDS);
          if (early) {
            cancellation.check();
          }
        }
      };

  /** Returns when so much time has passed, or earlier with what a cancellation throws. */
  void last(Duration time, Cancellation cancellation) throws InterruptedException;
}
