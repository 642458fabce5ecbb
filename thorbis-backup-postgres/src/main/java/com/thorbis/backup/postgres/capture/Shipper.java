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
import java.util.Queue;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Stores WAL on a thread of its own, in order, so that reading goes on meanwhile. What waits is
 * bounded. After a failure nothing more is stored, and every call throws it.
 */
final class Shipper implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Shipper.class);
  private static final int MOST_WAITING = 4;

  private final WalArchive archive;
  private final Consumer<Lsn> stored;
  private final BlockingQueue<Shipment> waiting = new ArrayBlockingQueue<>(MOST_WAITING);
  private final Thread thread = new Thread(this::run, "thorbis-wal-shipper");
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

  private void run() {
    try {
      while (!closing) {
        Shipment shipment = waiting.poll(100, TimeUnit.MILLISECONDS);
        if (shipment == null) {
          continue;
        }
        Lsn end = shipment.end();
        if (shipment.whole()) {
          archive.storeSegment(shipment.segment(), shipment.content(), shipment.marks());
        } else {
          archive.storePart(
              shipment.segment(), shipment.offset(), shipment.content(), shipment.marks());
        }
        shipment.done().run();
        stored.accept(end);
        storeSummaries(end);
        synchronized (this) {
          unfinished--;
          notifyAll();
        }
      }
    } catch (InterruptedException | IOException | RuntimeException | Error e) {
      synchronized (this) {
        failure = e;
        notifyAll();
      }
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
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
