package com.thorbis.backup.storage.internal.format;

import com.thorbis.backup.crypto.ObjectId;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Collects bytes: variable-length numbers, big-endian words. */
public final class BinaryOutput {
  private byte[] bytes;
  private int length;

  /** Starts with room for {@code capacity} bytes. */
  public BinaryOutput(int capacity) {
    this.bytes = new byte[capacity];
  }

  /** How many bytes there are. */
  public int length() {
    return length;
  }

  /** Empties it. */
  public void reset() {
    length = 0;
  }

  /** One byte. */
  public void put(int value) {
    require(1);
    bytes[length++] = (byte) value;
  }

  /** Bytes as they are. */
  public void put(byte[] from, int offset, int count) {
    require(count);
    System.arraycopy(from, offset, bytes, length, count);
    length += count;
  }

  /** Four bytes. */
  public void putInt(int value) {
    require(Integer.BYTES);
    ByteBuffer.wrap(bytes, length, Integer.BYTES).putInt(value);
    length += Integer.BYTES;
  }

  /** Eight bytes. */
  public void putLong(long value) {
    require(Long.BYTES);
    ByteBuffer.wrap(bytes, length, Long.BYTES).putLong(value);
    length += Long.BYTES;
  }

  /** Sixteen bytes. */
  public void putId(ObjectId id) {
    putLong(id.high());
    putLong(id.low());
  }

  /** A number of 0 or more: seven bits a byte, lowest first. */
  public void putVarint(long value) {
    if (value < 0) {
      throw new IllegalArgumentException("Negative: " + value);
    }
    require(9);
    long rest = value;
    while (rest > 0x7f) {
      bytes[length++] = (byte) (rest | 0x80);
      rest >>>= 7;
    }
    bytes[length++] = (byte) rest;
  }

  /** Any number but the least. */
  public void putSigned(long value) {
    putVarint((value << 1 ^ value >> 63) & Long.MAX_VALUE);
  }

  /** A text in UTF-8 after its length. */
  public void putText(String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    putVarint(utf8.length);
    put(utf8, 0, utf8.length);
  }

  /** The array behind it, valid to {@link #length}. */
  public byte[] array() {
    return bytes;
  }

  private void require(int more) {
    if (bytes.length - length < more) {
      bytes = Arrays.copyOf(bytes, Math.max(bytes.length * 2, length + more));
    }
  }
}
