package com.thorbis.backup.storage.internal.pack;

import java.nio.ByteBuffer;

/**
 * Says where content is cut: where the bytes before a place have a certain look, whatever lies in
 * front of them. A gear hash rolls over them; its table is secret, so that the lengths of chunks
 * tell nobody which file it is. Cuts are rarer before the usual length than behind it. Used by one
 * thread.
 */
public final class Chunker {
  /** How long a chunk is at least, but the last of a file. */
  public static final int LEAST = 256 << 10;

  /** How long it is at most. */
  public static final int MOST = PieceCodec.MAX_PIECE;

  /** Behind this length cuts are frequent; with the two masks chunks have 490 KiB on average. */
  static final int USUAL = 384 << 10;

  private static final long RARE = -1L << Long.SIZE - 20;
  private static final long FREQUENT = -1L << Long.SIZE - 17;

  /** How many bytes the hash depends on: each byte is shifted out after so many more. */
  private static final int WINDOW = Long.SIZE;

  private final long[] gear = new long[256];
  private long hash;
  private int length;

  /**
   * With a tree's table.
   *
   * @param table 256 words, big-endian; stays the caller's
   */
  public Chunker(byte[] table) {
    ByteBuffer.wrap(table).asLongBuffer().get(gear);
  }

  /**
   * Goes on with the present chunk.
   *
   * @return how many of the bytes belong to it, if it ends among them; else -1, and all do
   */
  public int cut(byte[] bytes, int offset, int count) {
    int end = offset + count;
    int at = offset + Math.min(count, Math.max(0, LEAST - WINDOW - length));
    long[] words = gear;
    long sum = hash;
    int to = end(offset, end, LEAST);
    while (at < to) {
      sum = (sum << 1) + words[bytes[at++] & 0xff];
    }
    to = end(offset, end, USUAL);
    while (at < to) {
      sum = (sum << 1) + words[bytes[at++] & 0xff];
      if ((sum & RARE) == 0) {
        return ended(at - offset);
      }
    }
    to = end(offset, end, MOST);
    while (at < to) {
      sum = (sum << 1) + words[bytes[at++] & 0xff];
      if ((sum & FREQUENT) == 0) {
        return ended(at - offset);
      }
    }
    length += at - offset;
    if (length == MOST) {
      return ended(at - offset);
    }
    hash = sum;
    return -1;
  }

  /** Begins a chunk. */
  public void reset() {
    hash = 0;
    length = 0;
  }

  /** Where the chunk will have a length, if that lies among the bytes. */
  private int end(int offset, int end, int reached) {
    return (int) Math.min(end, offset + (long) reached - length);
  }

  private int ended(int count) {
    reset();
    return count;
  }
}
