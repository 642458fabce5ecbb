package com.thorbis.backup.storage.internal.lease;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Names this process for people. */
final class Holder {
  private static final Path HOST = Path.of("/proc/sys/kernel/hostname");

  private Holder() {}

  static String name() {
    long process = ProcessHandle.current().pid();
    try {
      return "process " + process + " on " + Files.readString(HOST).strip();
    } catch (IOException e) {
      return "process " + process; // asking the network for a name could take long
    }
  }
}
