package com.thorbis.backup.storage.internal.pack;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Encodes pieces on several threads and hands them on in the order they were submitted, on one. A
 * fixed set of pieces goes round, which bounds memory: two buffers of a piece's length each.
 */
public final class PiecePipeline implements AutoCloseable {
  private static final int MOST_WORKERS = 16;
  private static final long LOOK_AROUND_MILLIS = 100;

  private final BlockingQueue<Piece> free;
  private final BlockingQueue<Piece> toEncode;
  private final BlockingQueue<Piece> inOrder;
  private final Piece end = new Piece();
  private final List<Thread> threads = new ArrayList<>();
  private final CountDownLatch ended = new CountDownLatch(1);
  private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
  private final Sink sink;
  private final int pieces;
  private volatile boolean closed;

  /** Takes encoded pieces, all on one thread. */
  public interface Sink {
    /** The next piece in order; not kept after return. */
    void accept(Piece piece) throws IOException;

    /** All pieces have come. */
    void end() throws IOException;

    /** Called last, on the same thread, whatever happened. */
    void release() throws IOException;
  }

  /**
   * Starts the threads.
   *
   * @param name begins their names
   */
  public PiecePipeline(String name, int parallelism, Supplier<PieceEncoder> encoders, Sink sink) {
    int workers = Math.min(parallelism, MOST_WORKERS);
    this.pieces = 2 * workers + 4;
    this.sink = sink;
    this.free = new ArrayBlockingQueue<>(pieces);
    this.toEncode = new ArrayBlockingQueue<>(pieces);
    this.inOrder = new ArrayBlockingQueue<>(pieces + 1);
    for (int i = 0; i < pieces; i++) {
      free.add(new Piece());
    }
    for (int i = 0; i < workers; i++) {
      PieceEncoder encoder = encoders.get();
      threads.add(new Thread(() -> encode(encoder), name + "-encode-" + i));
    }
    threads.add(new Thread(this::handOn, name + "-pack"));
    for (Thread thread : threads) {
      thread.setDaemon(true);
      thread.start();
    }
  }

  /** An empty piece; waits for one. */
  public Piece take() throws IOException {
    try {
      while (true) {
        requireHealthy();
        Piece piece = free.poll(LOOK_AROUND_MILLIS, TimeUnit.MILLISECONDS);
        if (piece != null) {
          return piece;
        }
      }
    } catch (InterruptedException e) {
      throw interrupted();
    }
  }

  /** Sends a piece on its way. */
  public void submit(Piece piece) throws IOException {
    requireHealthy();
    // The queues have room for every piece there is.
    inOrder.add(piece);
    toEncode.add(piece);
  }

  /** Waits until the sink has taken all that was submitted. Whoever calls holds no piece. */
  public void drain() throws IOException {
    List<Piece> all = new ArrayList<>();
    while (all.size() < pieces) {
      all.add(take());
    }
    free.addAll(all);
  }

  /** Waits until the sink has taken all and ended. */
  public void finish() throws IOException {
    requireHealthy();
    end.markEncoded();
    inOrder.add(end);
    try {
      while (!ended.await(LOOK_AROUND_MILLIS, TimeUnit.MILLISECONDS)) {
        requireHealthy();
      }
    } catch (InterruptedException e) {
      throw interrupted();
    }
    requireHealthy();
  }

  /** Throws what went wrong on another thread. */
  public void requireHealthy() throws IOException {
    Throwable cause = failure.get();
    if (cause instanceof IOException e) {
      throw e;
    }
    if (cause instanceof RuntimeException e) {
      throw e;
    }
    if (cause instanceof Error e) {
      throw e;
    }
  }

  /** Stops the threads and waits for them. */
  @Override
  public void close() {
    closed = true;
    threads.forEach(Thread::interrupt);
    boolean interrupted = false;
    for (Thread thread : threads) {
      while (thread.isAlive()) {
        try {
          thread.join();
        } catch (InterruptedException e) {
          // Whoever closes must be able to rely on nothing being written any more.
          interrupted = true;
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private void encode(PieceEncoder encoder) {
    try (encoder) {
      while (true) {
        Piece piece = toEncode.take();
        encoder.encode(piece);
        piece.markEncoded();
      }
    } catch (InterruptedException e) {
      stopped();
    } catch (Throwable e) {
      fail(e);
    }
  }

  /** Only closing, or what went wrong before, may end a thread; all else would lose pieces. */
  private void stopped() {
    if (!closed && failure.get() == null) {
      fail(new InterruptedIOException("A thread that stores pieces was interrupted"));
    }
  }

  private void handOn() {
    try {
      while (true) {
        Piece piece = inOrder.take();
        piece.awaitEncoded();
        if (piece == end) {
          sink.end();
          return;
        }
        sink.accept(piece);
        piece.clear();
        free.add(piece);
      }
    } catch (InterruptedException e) {
      stopped();
    } catch (Throwable e) {
      fail(e);
    } finally {
      Thread.interrupted(); // releasing may need channels that a pending interrupt would close
      try {
        sink.release();
      } catch (Throwable e) {
        fail(e);
      }
      ended.countDown();
    }
  }

  private void fail(Throwable e) {
    if (!failure.compareAndSet(null, e)) {
      Throwable first = failure.get();
      if (first != null && first != e) {
        first.addSuppressed(e);
      }
    }
    threads.forEach(Thread::interrupt);
  }

  private static InterruptedIOException interrupted() {
    Thread.currentThread().interrupt();
    return new InterruptedIOException("Interrupted while pieces were being stored");
  }
}
