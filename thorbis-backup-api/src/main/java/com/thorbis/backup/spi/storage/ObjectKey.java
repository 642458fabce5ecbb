package com.thorbis.backup.spi.storage;

import java.util.regex.Pattern;

/**
 * The name of an object: segments of {@code [A-Za-z0-9._=-]} divided by slashes, so that it is
 * legal, sorts alike and cannot escape on every store. Sorts by its ASCII bytes.
 *
 * @param value 1 to 900 characters
 */
public record ObjectKey(String value) implements Comparable<ObjectKey> {
  private static final Pattern FORM = Pattern.compile("[A-Za-z0-9._=-]+(/[A-Za-z0-9._=-]+)*");
  private static final Pattern DOTS = Pattern.compile("(^|/)\\.\\.?(/|$)");

  /** Checks the form. */
  public ObjectKey {
    if (value.length() > 900 || !FORM.matcher(value).matches() || DOTS.matcher(value).find()) {
      throw new IllegalArgumentException("Not an object key: \"" + value + "\"");
    }
  }

  /** The key under this one. */
  public ObjectKey child(String segment) {
    return new ObjectKey(value + "/" + segment);
  }

  /** What comes after the last slash. */
  public String name() {
    return value.substring(value.lastIndexOf('/') + 1);
  }

  @Override
  public int compareTo(ObjectKey other) {
    return value.compareTo(other.value);
  }

  @Override
  public String toString() {
    return value;
  }
}
