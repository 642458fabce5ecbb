package com.thorbis.backup.postgres.capture;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.postgres.wal.BlockSummarizer;
import com.thorbis.backup.postgres.wal.BlockSummary;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Queue;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Stores WAL on threads of its own, so that reading goes on meanwhile: whole segments two at a
 * time, parts one after the other. What is stored is told in order. What waits is bounded. After a
 * failure nothing more is begun, nothing behind it is told, and every call throws it.
 */
final class Shipper implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Shipper.class);
  private static final int MOST_WAITING = 4;
  private static final int MOST_AT_ONCE = 2;

  private final WalArchive archive;
  private final Consumer<Lsn> stored;
  private final BlockingQueue<Shipment> waiting = new ArrayBlockingQueue<>(MOST_WAITING);
  private final Thread thread = new Thread(this::run, "thorbis-wal-shipper");
  private final ExecutorService storing =
      Executors.newFixedThreadPool(
          MOST_AT_ONCE,
          task -> {
            Thread one = new Thread(task, "thorbis-wal-storing");
            one.setDaemon(true);
            return one;
          });
  private final Deque<Begun> begun = new ArrayDeque<>();
  private volatile @Nullable Throwable failure;
  private volatile boolean closing;
  private final Queue<BlockSummarizer.Span> summaries = new ConcurrentLinkedQueue<>();
  private int unfinished;

  /**
   * Starts.
   *
   * @param stored told, on the shipper's thread, up to where the log is durable now
   */
  Shipper(WalArchive archive, Consumer<Lsn> stored) {
    this.archive = archive;
    this.stored = stored;
    thread.setDaemon(true);
    thread.start();
  }

  /**
   * Something to store.
   *
   * @param segment the segment it belongs to
   * @param offset where it starts in its segment
   * @param content its bytes, which nobody changes any more
   * @param whole whether it is the whole segment
   * @param marks what it says about recovery targets
   * @param done run when it is stored
   */
  record Shipment(
      WalSegment segment,
      int offset,
      ByteBuffer content,
      boolean whole,
      WalMarks marks,
      Runnable done) {
    /** The position after its last byte; before it is stored. */
    Lsn end() {
      return segment.start().plus(offset + content.remaining());
    }
  }

  /** Hands something over; waits while too much is waiting. */
  void submit(Shipment shipment) throws IOException {
    check();
    synchronized (this) {
      unfinished++;
    }
    try {
      while (!waiting.offer(shipment, 200, TimeUnit.MILLISECONDS)) {
        check();
      }
    } catch (InterruptedException e) {
      throw interrupted();
    }
  }

  /**
   * Hands over what a stretch of the log changes; it is stored when that log is. At the end what
   * still waits is dropped.
   */
  void summarize(BlockSummarizer.Span span) {
    if (span.whole()) {
      summaries.add(span);
    }
  }

  /** A summary that is not stored is made again by the backup that needs it. */
  private void storeSummaries(Lsn end) {
    BlockSummarizer.Span next = summaries.peek();
    while (next != null && next.needed().compareTo(end) <= 0) {
      summaries.remove();
      BlockSummary summary = next.summary();
      try {
        archive.storeSummary(summary.timeline(), summary.start(), summary.encode());
      } catch (IOException | IllegalArgumentException e) { // too long is not kept
        LOG.warn("The summary of the log from {} is not stored: {}", summary.start(), e.toString());
      }
      next = summaries.peek();
    }
  }

  /** Returns when all that was handed over is durable. */
  void await() throws IOException {
    synchronized (this) {
      try {
        while (unfinished > 0 && failure == null) {
          wait();
        }
      } catch (InterruptedException e) {
        throw interrupted();
      }
    }
    check();
  }

  /** Throws what went wrong, if something did. */
  void check() throws IOException {
    Throwable problem = failure;
    if (problem instanceof IOException io) {
      throw io;
    }
    if (problem instanceof RuntimeException unchecked) {
      throw unchecked;
    }
    if (problem != null) {
      throw new IOException("Storing WAL failed", problem);
    }
  }

  /** Something whose storing has begun. */
  private record Begun(Shipment shipment, Lsn end, Future<?> storing) {}

  private void run() {
    try {
      while (!closing) {
        Shipment shipment = waiting.poll(begun.isEmpty() ? 100 : 1, TimeUnit.MILLISECONDS);
        if (shipment != null) {
          begin(shipment);
        }
        while (!begun.isEmpty() && begun.getFirst().storing().isDone()) {
          finish();
        }
      }
    } catch (InterruptedException | IOException | RuntimeException | Error e) {
      synchronized (this) {
        failure = e;
        notifyAll();
      }
    }
  }

  private void begin(Shipment shipment) throws IOException, InterruptedException {
    while (begun.size() >= MOST_AT_ONCE || !shipment.whole() && !begun.isEmpty()) {
      finish();
    }
    Lsn end = shipment.end();
    begun.add(
        new Begun(
            shipment,
            end,
            storing.submit(
                () -> {
                  store(shipment);
                  return end;
                })));
    if (!shipment.whole()) {
      finish(); // the next part follows it
    }
  }

  private void store(Shipment shipment) throws IOException {
    if (shipment.whole()) {
      archive.storeSegment(shipment.segment(), shipment.content(), shipment.marks());
    } else {
      archive.storePart(
          shipment.segment(), shipment.offset(), shipment.content(), shipment.marks());
    }
  }

  /** Waits for what was begun first, and tells of it. */
  private void finish() throws IOException, InterruptedException {
    Begun first = begun.getFirst();
    try {
      first.storing().get();
    } catch (ExecutionException e) {
      Throwable cause = e.getCause();
      if (cause instanceof IOException io) {
        throw io;
      }
      if (cause instanceof RuntimeException unchecked) {
        throw unchecked;
      }
      throw new IOException("Storing WAL failed", cause);
    }
    begun.removeFirst();
    first.shipment().done().run();
    stored.accept(first.end());
    storeSummaries(first.end());
    synchronized (this) {
      unfinished--;
      notifyAll();
    }
  }

  private static InterruptedIOException interrupted() {
    Thread.currentThread().interrupt();
    return new InterruptedIOException("Interrupted while storing WAL");
  }

  /** Drops what waits; returns when nothing is being stored any more. */
  @Override
  public void close() {
    // Not by an interrupt: that would close files under the store's hands.
    closing = true;
    boolean interrupted = false;
    boolean over = false;
    while (!over) {
      try {
        thread.join();
        storing.shutdown();
        over = storing.awaitTermination(1, TimeUnit.MINUTES);
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
