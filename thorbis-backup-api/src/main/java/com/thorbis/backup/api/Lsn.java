package com.thorbis.backup.api;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A write-ahead log position: a byte offset in the log. Compares as PostgreSQL does: unsigned.
 *
 * @param value the position in bytes, unsigned
 */
public record Lsn(long value) implements Comparable<Lsn> {
  private static final Pattern FORM = Pattern.compile("([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})");

  /**
   * Parses {@code 16/3002D50} (PostgreSQL 8.20, {@code pg_lsn}).
   *
   * @throws IllegalArgumentException if the text is not a log position
   */
  public static Lsn parse(String text) {
    Matcher form = FORM.matcher(text);
    if (!form.matches()) {
      throw new IllegalArgumentException("Not a log position: \"" + text + "\"");
    }
    return new Lsn(Long.parseLong(form.group(1), 16) << 32 | Long.parseLong(form.group(2), 16));
  }

  /** The position this many bytes further on. */
  public Lsn plus(long bytes) {
    return new Lsn(value + bytes);
  }

  @Override
  public int compareTo(Lsn other) {
    return Long.compareUnsigned(value, other.value);
  }

  /** The form PostgreSQL prints, such as {@code 16/3002D50}. */
  @Override
  public String toString() {
    return "%X/%X".formatted(value >>> 32, value & 0xFFFFFFFFL);
  }
}
