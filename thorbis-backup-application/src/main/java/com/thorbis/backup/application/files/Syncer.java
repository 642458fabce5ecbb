package com.thorbis.backup.application.files;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.channels.FileChannel;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Makes files durable behind the threads that write them: a file system commits many of these
 * requests at once when they come together, and one after the other when they come one by one.
 */
final class Syncer implements AutoCloseable {
  private static final int THREADS = 8;
  private static final int WAITING = 256;

  private final ExecutorService pool =
      new ThreadPoolExecutor(
          THREADS,
          THREADS,
          0,
          TimeUnit.SECONDS,
          new ArrayBlockingQueue<>(WAITING),
          task -> {
            Thread thread = new Thread(task, "restore-sync");
            thread.setDaemon(true);
            return thread;
          },
          new ThreadPoolExecutor.CallerRunsPolicy());
  private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();

  /** Takes an open file over: forces and closes it. Throws what an earlier one met. */
  void submit(FileChannel channel) throws IOException {
    pool.execute(
        () -> {
          try (channel) {
            channel.force(true);
          } catch (Throwable e) { // whatever it is, the file is not proven
            failure.compareAndSet(null, e);
          }
        });
    check();
  }

  /** Returns when all that was taken is durable. */
  void finish() throws IOException {
    pool.shutdown();
    try {
      while (!pool.awaitTermination(1, TimeUnit.MINUTES)) {
        check();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while files were made durable");
    }
    check();
  }

  private void check() throws IOException {
    Throwable met = failure.get();
    if (met != null) {
      throw new IOException("A restored file could not be made durable", met);
    }
  }

  @Override
  public void close() {
    pool.shutdown();
  }
}
