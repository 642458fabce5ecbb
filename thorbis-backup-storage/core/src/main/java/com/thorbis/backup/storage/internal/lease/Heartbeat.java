package com.thorbis.backup.storage.internal.lease;

import java.time.Duration;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** Runs something again and again, independently of the work that depends on it. */
@FunctionalInterface
public interface Heartbeat {
  /** A thread of its own for each. */
  Heartbeat DAEMON =
      (period, beat) -> {
        ScheduledThreadPoolExecutor pool =
            new ScheduledThreadPoolExecutor(
                1,
                task -> {
                  Thread thread = new Thread(task, "thorbis-lease");
                  thread.setDaemon(true);
                  return thread;
                });
        pool.setKeepAliveTime(1, TimeUnit.SECONDS);
        pool.allowCoreThreadTimeOut(true);
        ScheduledFuture<?> beating =
            pool.scheduleAtFixedRate(
                beat, period.toMillis(), period.toMillis(), TimeUnit.MILLISECONDS);
        return () -> {
          beating.cancel(false); // lets a beat end; interrupting it could break its write
          pool.shutdown();
        };
      };

  /** Begins; the first beat comes after one period. One that throws is the last. */
  Beating every(Duration period, Runnable beat);

  /** Ends it. */
  @FunctionalInterface
  interface Beating extends AutoCloseable {
    @Override
    void close();
  }
}
