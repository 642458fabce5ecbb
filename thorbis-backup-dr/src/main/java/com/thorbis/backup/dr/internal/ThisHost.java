package com.thorbis.backup.dr.internal;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What this machine is called, and what runs it. */
public final class ThisHost {
  private static final Path NAME = Path.of("/proc/sys/kernel/hostname");

  private ThisHost() {}

  /** Its name; {@code unknown} if it cannot be told. */
  public static String name() {
    try {
      return Files.readString(NAME).strip();
    } catch (IOException e) {
      return "unknown";
    }
  }

  /** Such as {@code db2 (Linux, amd64)}. */
  public static String words() {
    return name()
        + " ("
        + System.getProperty("os.name")
        + ", "
        + System.getProperty("os.arch")
        + ")";
  }
}
