package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.storage.internal.pack.Chunker;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import java.io.IOException;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * What the files of a backup that are cut by their content have in common. One of them is written
 * at a time, on one thread.
 */
final class ChunkedContent {
  private final EpochKey key;
  final Fingerprint.Function fingerprints;
  final PieceFeed feed;
  final OwnContent own;
  private final @Nullable KnownContent known;
  private byte @Nullable [] buffer;
  private @Nullable Chunker chunker;
  private long bytesRead;
  private long bytesChanged;

  ChunkedContent(
      EpochKey key,
      Fingerprint.Function fingerprints,
      PieceFeed feed,
      OwnContent own,
      @Nullable Base base) {
    this.key = key;
    this.fingerprints = fingerprints;
    this.feed = feed;
    this.own = own;
    this.known = base == null ? null : new KnownContent(base);
  }

  /** What the base holds; null without one. */
  KnownContent.@Nullable Nearby nearby(StoredFile file) throws IOException {
    return known == null ? null : known.nearby(file);
  }

  /** Where the present chunk is collected. */
  byte[] buffer() {
    byte[] now = buffer;
    if (now == null) {
      now = new byte[PieceCodec.MAX_PIECE];
      buffer = now;
    }
    return now;
  }

  /** Cuts the next file. */
  Chunker chunker() {
    Chunker now = chunker;
    if (now == null) {
      byte[] table = key.cutTable();
      now = new Chunker(table);
      Arrays.fill(table, (byte) 0);
      chunker = now;
    }
    now.reset();
    return now;
  }

  void countRead(long bytes) {
    bytesRead += bytes;
  }

  void countChanged(long bytes) {
    bytesChanged += bytes;
  }

  /** Plain bytes that came. */
  long bytesRead() {
    return bytesRead;
  }

  /** Of those, what was neither known nor zero. */
  long bytesChanged() {
    return bytesChanged;
  }
}
