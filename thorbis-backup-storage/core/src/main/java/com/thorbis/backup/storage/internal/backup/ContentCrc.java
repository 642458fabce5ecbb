package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.storage.internal.pack.Crc;
import java.nio.ByteBuffer;
import java.util.zip.CRC32C;

/**
 * CRC-32C of content of which some stretches are known to be zero. Those cost no time that grows
 * with their length. Used by one thread.
 */
final class ContentCrc {
  private final CRC32C tail = new CRC32C();
  private long tailLength;

  /** Of all that came before the tail. */
  private int head;

  void update(byte[] bytes, int offset, int length) {
    tail.update(bytes, offset, length);
    tailLength += length;
  }

  void update(ByteBuffer bytes) {
    tailLength += bytes.remaining();
    tail.update(bytes);
  }

  /** Adds zeros. */
  void zeros(long length) {
    head = ~Crc.joined(~value(), 0, length);
    tail.reset();
    tailLength = 0;
  }

  /** Adds content of which the checksum is known. */
  void append(int crc, long length) {
    head = Crc.joined(value(), crc, length);
    tail.reset();
    tailLength = 0;
  }

  int value() {
    return Crc.joined(head, (int) tail.getValue(), tailLength);
  }

  void reset() {
    head = 0;
    tail.reset();
    tailLength = 0;
  }
}
