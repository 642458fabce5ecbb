package com.thorbis.backup.storage.internal.pack;

/**
 * CRC-32C of bytes that were not seen in one go: polynomials over two elements modulo the
 * Castagnoli polynomial (RFC 3720, appendix B.4), bits reversed as in the checksum itself.
 */
public final class Crc {
  private static final int POLYNOMIAL = 0x82F63B78;
  private static final int ONE = 1 << 31;

  /** x to the power of 2 to the power of the index. */
  private static final int[] POWERS = new int[Long.SIZE + 3];

  static {
    POWERS[0] = 1 << 30;
    for (int i = 1; i < POWERS.length; i++) {
      POWERS[i] = product(POWERS[i - 1], POWERS[i - 1]);
    }
  }

  private Crc() {}

  /** The checksum of one stretch of bytes and another behind it. */
  public static int joined(int first, int second, long secondLength) {
    return product(shift(secondLength), first) ^ second;
  }

  /** x to the power of eight times the length. */
  private static int shift(long length) {
    int power = ONE;
    int bit = 3;
    for (long left = length; left != 0; left >>>= 1, bit++) {
      if ((left & 1) != 0) {
        power = product(POWERS[bit], power);
      }
    }
    return power;
  }

  private static int product(int a, int b) {
    int sum = 0;
    int shifted = b;
    for (int bit = ONE; bit != 0; bit >>>= 1) {
      if ((a & bit) != 0) {
        sum ^= shifted;
      }
      shifted = (shifted & 1) != 0 ? shifted >>> 1 ^ POLYNOMIAL : shifted >>> 1;
    }
    return sum;
  }
}
