package com.thorbis.backup.storage.internal.pack;

import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import java.io.IOException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The packs that one backup writes: content into some, maps and tables into others, so that what a
 * restore reads first lies together. Used by one thread, but for {@link #sealedLength}.
 */
public final class PackSet implements AutoCloseable {
  private final ObjectStore store;
  private final EpochKey key;
  private final SecureRandom random;
  private final List<PackRef> finished = new ArrayList<>();
  private final Series content = new Series();
  private final Series maps = new Series();
  private long finishedLength;
  private volatile long sealedLength;

  /** Writes under one key. */
  public PackSet(ObjectStore store, EpochKey key, SecureRandom random) {
    this.store = store;
    this.key = key;
    this.random = random;
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
    return List.copyOf(finished);
  }

  /** Sealed bytes so far. */
  public long sealedLength() {
    return sealedLength;
  }

  /** Discards what was not finished. */
  @Override
  public void close() throws IOException {
    try {
      content.discard();
    } finally {
      maps.discard();
    }
  }

  private void count() {
    sealedLength = finishedLength + content.length() + maps.length();
  }

  private final class Series {
    private @Nullable PackWriter open;

    PieceRef add(Piece piece) throws IOException {
      if (open != null && !open.hasRoom(piece.storedLength())) {
        finish();
      }
      if (open == null) {
        open = new PackWriter(store, key, random);
      }
      PieceRef ref = open.add(piece);
      count();
      return ref;
    }

    long length() {
      return open == null ? 0 : open.sealedLength();
    }

    void finish() throws IOException {
      if (open == null) {
        return;
      }
      PackRef pack;
      try (PackWriter ending = open) {
        pack = ending.finish();
      }
      open = null;
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
