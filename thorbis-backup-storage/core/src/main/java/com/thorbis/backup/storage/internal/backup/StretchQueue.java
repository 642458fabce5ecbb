package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.storage.internal.Parallel;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Compares stretches on several threads and hands them on in the order they came, on the caller's.
 * A fixed number of buffers goes round, which bounds memory.
 */
final class StretchQueue implements AutoCloseable {
  private static final int MOST_WORKERS = 8;

  private final ExecutorService threads;
  private final BlockingQueue<PageDiff> idle = new LinkedBlockingQueue<>();
  private final List<PageDiff> workers;
  private final Deque<Waiting> waiting = new ArrayDeque<>();
  private final Deque<byte[]> free = new ArrayDeque<>();
  private final Taker taker;
  private @Nullable Throwable failure;

  /** Takes stretches that have their parts. */
  interface Taker {
    /** The next in order; its bytes are not kept after return. */
    void take(Stretch stretch) throws IOException;
  }

  private record Waiting(Stretch stretch, Future<?> compared) {}

  /** Starts no thread before the first stretch. */
  StretchQueue(String name, int parallelism, Supplier<PageDiff> diffs, Taker taker) {
    int count = Math.min(parallelism, MOST_WORKERS);
    this.taker = taker;
    this.workers = Stream.generate(diffs).limit(count).toList();
    this.idle.addAll(workers);
    this.threads =
        Executors.newFixedThreadPool(
            count,
            work -> {
              Thread thread = new Thread(work, name + "-compare");
              thread.setDaemon(true);
              return thread;
            });
    for (int i = 0; i < count + 2; i++) {
      free.add(new byte[Stretch.LENGTH]);
    }
  }

  /** A buffer for a stretch; waits for one. */
  byte[] buffer() throws IOException {
    while (free.isEmpty()) {
      handOn();
    }
    return free.remove();
  }

  /** Takes back what was not submitted. */
  void giveBack(byte[] buffer) {
    free.add(buffer);
  }

  /** Sends a stretch with bytes on its way. */
  void submit(Stretch stretch) throws IOException {
    waiting.add(new Waiting(stretch, threads.submit(() -> compare(stretch))));
    handOnReady();
  }

  /** Lets one pass that needs no comparison. */
  void pass(Stretch stretch) throws IOException {
    waiting.add(new Waiting(stretch, CompletableFuture.completedFuture(null)));
    handOnReady();
  }

  /** Waits until all were handed on; after a failure there is no going on. */
  void drain() throws IOException {
    requireHealthy();
    while (!waiting.isEmpty()) {
      handOn();
    }
  }

  @Override
  public void close() {
    threads.shutdownNow();
    Parallel.awaitEnd(threads);
    workers.forEach(PageDiff::close);
  }

  private void handOnReady() throws IOException {
    while (!waiting.isEmpty() && waiting.element().compared().isDone()) {
      handOn();
    }
  }

  private void handOn() throws IOException {
    requireHealthy();
    Waiting next = waiting.remove();
    try {
      next.compared().get();
    } catch (ExecutionException e) {
      failure = e.getCause();
      throw Parallel.thrown(failure);
    } catch (InterruptedException e) {
      failure = e;
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while pages were being compared");
    }
    taker.take(next.stretch());
    if (next.stretch().bytes != null) {
      free.add(next.stretch().bytes);
    }
  }

  private void requireHealthy() throws IOException {
    if (failure != null) {
      throw Parallel.thrown(failure);
    }
  }

  private Void compare(Stretch stretch) throws IOException, InterruptedException {
    PageDiff diff = idle.take();
    try {
      diff.work(stretch);
      return null;
    } finally {
      idle.add(diff);
    }
  }
}
