package com.thorbis.backup.spi.storage;

/**
 * A part of an object.
 *
 * @param offset the first byte, 0 or more
 * @param length how many bytes, 1 or more
 */
public record ByteRange(long offset, long length) {
  /** Checks the range. */
  public ByteRange {
    if (offset < 0 || length < 1 || offset + length < 0) {
      throw new IllegalArgumentException("Not a byte range: " + offset + "+" + length);
    }
  }
}
