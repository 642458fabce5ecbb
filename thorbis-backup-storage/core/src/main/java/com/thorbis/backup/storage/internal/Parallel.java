package com.thorbis.backup.storage.internal;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Works through a list with a few threads. */
public final class Parallel {
  private static final int MOST_THREADS = 8;

  private Parallel() {}

  /** What a thread works with. */
  public interface Worker extends AutoCloseable {
    @Override
    void close();
  }

  /** Works on one item. */
  @FunctionalInterface
  public interface Work<W, T> {
    /** The item. */
    void on(W worker, T item) throws IOException;
  }

  /**
   * Returns when all items are done, or throws the first failure when all threads have stopped.
   *
   * @param workers makes what each thread works with; closed at its end
   */
  public static <W extends Worker, T> void forEach(
      List<T> items, int parallelism, Supplier<W> workers, Work<W, T> work) throws IOException {
    Iterator<T> next = items.iterator();
    int threads = Math.max(1, Math.min(Math.min(parallelism, MOST_THREADS), items.size()));
    ExecutorService pool =
        Executors.newFixedThreadPool(
            threads,
            task -> {
              Thread thread = new Thread(task, "thorbis-parallel");
              thread.setDaemon(true);
              return thread;
            });
    Throwable failure = null;
    try {
      List<Future<?>> running = new ArrayList<>();
      for (int i = 0; i < threads; i++) {
        running.add(
            pool.submit(
                () -> {
                  try (W worker = workers.get()) {
                    for (T item = take(next); item != null; item = take(next)) {
                      work.on(worker, item);
                    }
                    return null;
                  } catch (Throwable e) {
                    drain(next);
                    throw e;
                  }
                }));
      }
      for (Future<?> one : running) {
        try {
          one.get();
        } catch (ExecutionException e) {
          failure = failure == null ? e.getCause() : failure;
        }
      }
    } catch (InterruptedException e) {
      drain(next);
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while working through a list");
    } finally {
      pool.shutdownNow();
      awaitEnd(pool);
    }
    if (failure != null) {
      throw thrown(failure);
    }
  }

  /** What another thread met, as an IOException to throw; what is none is thrown here. */
  public static IOException thrown(@Nullable Throwable failure) {
    if (failure instanceof IOException e) {
      return e;
    }
    if (failure instanceof RuntimeException e) {
      throw e;
    }
    if (failure instanceof Error e) {
      throw e;
    }
    return new IOException(failure);
  }

  /**
   * Returns when a pool that was shut down does nothing any more, however often it is interrupted:
   * nobody may ask the store when the caller closes it.
   */
  public static void awaitEnd(ExecutorService pool) {
    boolean interrupted = false;
    while (!pool.isTerminated()) {
      try {
        pool.awaitTermination(1, TimeUnit.MINUTES);
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private static <T> @Nullable T take(Iterator<T> items) {
    synchronized (items) {
      return items.hasNext() ? items.next() : null;
    }
  }

  private static void drain(Iterator<?> items) {
    synchronized (items) {
      while (items.hasNext()) {
        items.next();
      }
    }
  }
}
