package com.thorbis.backup.storage.internal.backup;

import java.nio.ByteBuffer;
import java.util.zip.CRC32C;

/**
 * CRC-32C of content of which some stretches are known to be zero. Those cost no time that grows
 * with their length. Used by one thread.
 */
final class ContentCrc {
  /** Castagnoli's, reflected: bit 31 is the coefficient of 1. */
  private static final int POLYNOMIAL = 0x82F63B78;

  private static final int ONE = 1 << 31;

  /** The powers 1, 2, 4... of x, as far as the bits of a length in bytes can ask for them. */
  private static final int[] POWERS = powers();

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
    head = ~shifted(~value(), length);
    tail.reset();
    tailLength = 0;
  }

  int value() {
    return shifted(head, tailLength) ^ (int) tail.getValue();
  }

  void reset() {
    head = 0;
    tail.reset();
    tailLength = 0;
  }

  /** What becomes of a remainder when so many zero bytes follow. */
  private static int shifted(int remainder, long bytes) {
    int factor = ONE;
    int power = 3;
    for (long left = bytes; left != 0; left >>>= 1) {
      if ((left & 1) != 0) {
        factor = product(POWERS[power], factor);
      }
      power++;
    }
    return product(factor, remainder);
  }

  private static int[] powers() {
    int[] powers = new int[3 + Long.SIZE];
    powers[0] = ONE >>> 1;
    for (int i = 1; i < powers.length; i++) {
      powers[i] = product(powers[i - 1], powers[i - 1]);
    }
    return powers;
  }

  /** The product of two polynomials, modulo the one. */
  private static int product(int a, int b) {
    int product = 0;
    int multiple = b;
    for (int bit = ONE; bit != 0; bit >>>= 1) {
      if ((a & bit) != 0) {
        product ^= multiple;
      }
      multiple = (multiple & 1) == 0 ? multiple >>> 1 : multiple >>> 1 ^ POLYNOMIAL;
    }
    return product;
  }
}
