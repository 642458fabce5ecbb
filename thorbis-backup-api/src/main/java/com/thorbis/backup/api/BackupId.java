package com.thorbis.backup.api;

import java.util.regex.Pattern;

/**
 * Names one backup in its repository for ever.
 *
 * @param value {@code yyyyMMdd'T'HHmmss'Z'-} and eight hexadecimal digits drawn at random
 */
public record BackupId(String value) {
  private static final Pattern FORM = Pattern.compile("[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}");

  /** Checks the form. */
  public BackupId {
    if (!FORM.matcher(value).matches()) {
      throw new IllegalArgumentException(
          "Not a backup id: \"" + value + "\" (such as 20260102T030405Z-0a1b2c3d)");
    }
  }

  @Override
  public String toString() {
    return value;
  }
}
