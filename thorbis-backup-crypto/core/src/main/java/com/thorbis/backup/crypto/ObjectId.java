package com.thorbis.backup.crypto;

import java.nio.ByteBuffer;
import java.security.SecureRandom;
import java.util.HexFormat;

/** A random id of 128 bits. Compares as its text does. */
public record ObjectId(long high, long low) implements Comparable<ObjectId> {
  /** The length in bytes. */
  public static final int LENGTH = 16;

  /** Draws a new id. */
  public static ObjectId random(SecureRandom random) {
    return new ObjectId(random.nextLong(), random.nextLong());
  }

  /** Parses 32 lower-case hexadecimal digits. */
  public static ObjectId parse(String text) {
    if (text.length() != 2 * LENGTH) {
      throw new IllegalArgumentException("Not an id of 32 hexadecimal digits: \"" + text + "\"");
    }
    for (int i = 0; i < text.length(); i++) {
      char digit = text.charAt(i);
      if ((digit < '0' || digit > '9') && (digit < 'a' || digit > 'f')) {
        throw new IllegalArgumentException("Not an id of 32 hexadecimal digits: \"" + text + "\"");
      }
    }
    return new ObjectId(
        HexFormat.fromHexDigitsToLong(text, 0, 16), HexFormat.fromHexDigitsToLong(text, 16, 32));
  }

  /** Reads the next 16 bytes. */
  public static ObjectId read(ByteBuffer from) {
    return new ObjectId(from.getLong(), from.getLong());
  }

  /** Writes 16 bytes. */
  public void write(ByteBuffer to) {
    to.putLong(high).putLong(low);
  }

  /** The 16 bytes. */
  public byte[] bytes() {
    byte[] bytes = new byte[LENGTH];
    write(ByteBuffer.wrap(bytes));
    return bytes;
  }

  @Override
  public int compareTo(ObjectId other) {
    int order = Long.compareUnsigned(high, other.high);
    return order != 0 ? order : Long.compareUnsigned(low, other.low);
  }

  /** 32 lower-case hexadecimal digits. */
  @Override
  public String toString() {
    HexFormat hex = HexFormat.of();
    return hex.toHexDigits(high) + hex.toHexDigits(low);
  }
}
