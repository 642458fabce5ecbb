package com.thorbis.backup.api;

import java.util.regex.Pattern;

/**
 * A branch of a cluster's history. A promotion or a recovery to an earlier moment starts the next
 * one.
 *
 * @param number 1 or more, unsigned 32 bits
 */
public record Timeline(int number) implements Comparable<Timeline> {
  private static final Pattern HEX = Pattern.compile("[0-9A-F]{8}");

  /** Checks that the number is not zero, which PostgreSQL never assigns. */
  public Timeline {
    if (number == 0) {
      throw new IllegalArgumentException("Timeline 0 does not exist");
    }
  }

  /**
   * Parses the eight upper-case hexadecimal digits that start a WAL file name.
   *
   * @throws IllegalArgumentException if the text has another form
   */
  public static Timeline parseHex(String text) {
    if (!HEX.matcher(text).matches()) {
      throw new IllegalArgumentException("Not a timeline in hexadecimal: \"" + text + "\"");
    }
    return new Timeline(Integer.parseUnsignedInt(text, 16));
  }

  /** The eight hexadecimal digits that WAL file names use. */
  public String hex() {
    return "%08X".formatted(number);
  }

  /** The name of this timeline's history file, such as {@code 00000002.history}. */
  public String historyFileName() {
    return hex() + ".history";
  }

  @Override
  public int compareTo(Timeline other) {
    return Integer.compareUnsigned(number, other.number);
  }

  /** The number in decimal, as PostgreSQL prints it. */
  @Override
  public String toString() {
    return Integer.toUnsignedString(number);
  }
}
