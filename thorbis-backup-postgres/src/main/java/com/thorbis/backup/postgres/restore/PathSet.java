package com.thorbis.backup.postgres.restore;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * Paths, each remembered by 64 bits of its SHA-256, so that a million cost 16 MiB. That two of a
 * million have the same bits happens once in 30 million times; a file that should go would stay
 * then. Used by one thread.
 */
final class PathSet {
  private static final int FIRST_CAPACITY = 1 << 10;

  private final MessageDigest digest;
  private long[] slots = new long[FIRST_CAPACITY];
  private int count;

  PathSet() {
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Adds one; false if it was there. */
  boolean add(String path) {
    if (2L * (count + 1) > slots.length) {
      grow();
    }
    long mark = mark(path);
    int at = find(mark);
    if (slots[at] != 0) {
      return false;
    }
    slots[at] = mark;
    count++;
    return true;
  }

  boolean contains(String path) {
    return slots[find(mark(path))] != 0;
  }

  private int find(long mark) {
    int at = (int) mark & slots.length - 1;
    while (slots[at] != 0 && slots[at] != mark) {
      at = at + 1 & slots.length - 1;
    }
    return at;
  }

  private void grow() {
    long[] before = slots;
    slots = new long[2 * before.length];
    for (long mark : before) {
      if (mark != 0) {
        slots[find(mark)] = mark;
      }
    }
  }

  /** Never 0, which marks a free slot. */
  private long mark(String path) {
    long mark = ByteBuffer.wrap(digest.digest(path.getBytes(StandardCharsets.UTF_8))).getLong();
    return mark == 0 ? 1 : mark;
  }
}
