package com.thorbis.backup.storage.internal.wal;

import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.storage.internal.format.Digests;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.SequenceInputStream;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * A sealed object in memory. Grows without being copied: several segments that do not compress wait
 * for a store at a time, in a small heap.
 */
final class SealedContent extends OutputStream implements ObjectSource {
  /** Far below what some collectors give regions of their own. */
  private static final int MOST_CHUNK = 1 << 18;

  private static final int LEAST_CHUNK = 1 << 12;

  private final int chunkLength;
  private final List<byte[]> chunks = new ArrayList<>();
  private int used;

  /** One that will be some {@code expected} bytes long, or more. */
  SealedContent(int expected) {
    this.chunkLength = Math.max(LEAST_CHUNK, Math.min(expected, MOST_CHUNK));
    this.used = chunkLength;
  }

  @Override
  public void write(int value) {
    write(new byte[] {(byte) value}, 0, 1);
  }

  @Override
  public void write(byte[] bytes, int offset, int length) {
    int at = offset;
    for (int left = length; left > 0; ) {
      if (used == chunkLength) {
        chunks.add(new byte[chunkLength]);
        used = 0;
      }
      int count = Math.min(left, chunkLength - used);
      System.arraycopy(bytes, at, chunks.get(chunks.size() - 1), used, count);
      used += count;
      at += count;
      left -= count;
    }
  }

  @Override
  public long length() {
    return (long) chunks.size() * chunkLength - (chunkLength - used);
  }

  @Override
  public InputStream open() {
    List<InputStream> parts = new ArrayList<>();
    for (int i = 0; i < chunks.size(); i++) {
      parts.add(new ByteArrayInputStream(chunks.get(i), 0, lengthOf(i)));
    }
    return new SequenceInputStream(Collections.enumeration(parts));
  }

  private int lengthOf(int chunk) {
    return chunk == chunks.size() - 1 ? used : chunkLength;
  }

  /** Of all of it. */
  String sha256() {
    MessageDigest digest = Digests.sha256();
    for (int i = 0; i < chunks.size(); i++) {
      digest.update(chunks.get(i), 0, lengthOf(i));
    }
    return Digests.text(digest.digest());
  }
}
