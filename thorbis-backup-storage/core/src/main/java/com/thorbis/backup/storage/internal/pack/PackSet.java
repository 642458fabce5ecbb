package com.thorbis.backup.storage.internal.pack;

import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.storage.internal.Parallel;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.security.SecureRandom;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The packs that one backup writes: content into some, maps and tables into others, so that what a
 * restore reads first lies together. A full pack becomes durable on another thread, while the next
 * one grows. Used by one thread, but for {@link #sealedLength}.
 */
public final class PackSet implements AutoCloseable {
  /** How many packs may wait to become durable; more wait for the store anyway. */
  private static final int MOST_WAITING = 2;

  private final ObjectStore store;
  private final EpochKey key;
  private final SecureRandom random;
  private final @Nullable ExecutorService publisher;
  private final Supplier<ObjectId> ids;
  private final List<PackRef> finished = new ArrayList<>();
  private final Deque<Future<?>> waiting = new ArrayDeque<>();
  private final Series content = new Series(UnaryOperator.identity());
  private final Series maps = new Series(ObjectNames::ofMaps);
  private long finishedLength;
  private volatile long publishedLength;
  private volatile long sealedLength;

  /**
   * Writes under one key.
   *
   * @param ids gives one that nobody else has, each time
   * @param name begins the name of its thread
   * @param parallel false to do everything on the caller's thread
   */
  public PackSet(
      ObjectStore store,
      EpochKey key,
      SecureRandom random,
      Supplier<ObjectId> ids,
      String name,
      boolean parallel) {
    this.store = store;
    this.key = key;
    this.random = random;
    this.ids = ids;
    this.publisher =
        parallel
            ? Executors.newSingleThreadExecutor(
                work -> {
                  Thread thread = new Thread(work, name + "-publish");
                  thread.setDaemon(true);
                  return thread;
                })
            : null;
  }

  /** Adds a piece of file content. */
  public PieceRef addContent(Piece piece) throws IOException {
    return content.add(piece);
  }

  /** Adds a piece of a map or table. */
  public PieceRef addMap(Piece piece) throws IOException {
    return maps.add(piece);
  }

  /** Publishes what is still open; all packs in the order they were finished. */
  public List<PackRef> finish() throws IOException {
    content.finish();
    maps.finish();
    await(0);
    return List.copyOf(finished);
  }

  /** Sealed bytes so far. */
  public long sealedLength() {
    return sealedLength;
  }

  /** Sealed bytes of the packs that were published so far, or are about to be. */
  public long publishedLength() {
    return publishedLength;
  }

  /** Discards what was not finished. */
  @Override
  public void close() throws IOException {
    try {
      stopPublisher();
    } finally {
      try {
        content.discard();
      } finally {
        maps.discard();
      }
    }
  }

  private void count() {
    publishedLength = finishedLength;
    sealedLength = finishedLength + content.length() + maps.length();
  }

  /** Becomes the owner of the writer. */
  private void publish(PackWriter sealed, PackRef ref) throws IOException {
    if (publisher == null) {
      publishAndClose(sealed, ref);
      return;
    }
    boolean handedOn = false;
    try {
      await(MOST_WAITING - 1);
      waiting.add(
          publisher.submit(
              () -> {
                publishAndClose(sealed, ref);
                return null;
              }));
      handedOn = true;
    } finally {
      if (!handedOn) {
        sealed.close();
      }
    }
  }

  private static void publishAndClose(PackWriter sealed, PackRef ref) throws IOException {
    try (sealed) {
      sealed.publish(ref);
    }
  }

  /** Waits until at most so many packs are on their way; a failure of one ends all. */
  private void await(int most) throws IOException {
    while (waiting.size() > most || !waiting.isEmpty() && waiting.element().isDone()) {
      try {
        waiting.remove().get();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("Interrupted while packs were being stored");
      } catch (ExecutionException e) {
        throw Parallel.thrown(e.getCause());
      }
    }
  }

  /** Nobody may ask the store any more when this returns. */
  private void stopPublisher() {
    if (publisher != null) {
      publisher.shutdown();
      Parallel.awaitEnd(publisher);
    }
  }

  private final class Series {
    private final UnaryOperator<ObjectId> marked;
    private @Nullable PackWriter open;

    Series(UnaryOperator<ObjectId> marked) {
      this.marked = marked;
    }

    PieceRef add(Piece piece) throws IOException {
      if (open != null && !open.hasRoom(piece.storedLength())) {
        finish();
      }
      if (open == null) {
        open = new PackWriter(store, key, random, marked.apply(ids.get()));
      }
      PieceRef ref = open.add(piece);
      count();
      return ref;
    }

    long length() {
      return open == null ? 0 : open.sealedLength();
    }

    void finish() throws IOException {
      PackWriter ending = open;
      if (ending == null) {
        return;
      }
      PackRef pack = ending.seal();
      open = null;
      publish(ending, pack);
      finished.add(pack);
      finishedLength += pack.sealedLength();
      count();
    }

    void discard() throws IOException {
      PackWriter discarded = open;
      open = null;
      if (discarded != null) {
        discarded.close();
      }
    }
  }
}
