package com.thorbis.backup.storage.internal.lease;

import com.thorbis.backup.storage.internal.format.Digests;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** Names this process: for people, and so that another one beside it can tell whether it runs. */
public final class Holder {
  private static final Path HOST = Path.of("/proc/sys/kernel/hostname");
  private static final Path BOOT = Path.of("/proc/sys/kernel/random/boot_id");
  private static final Path SELF = Path.of("/proc/self");
  private static final int STARTED = 19; // of what follows the name in stat
  private static final int PLACE = 16;

  private Holder() {}

  static String name() {
    long process = ProcessHandle.current().pid();
    try {
      return "process " + process + " on " + Files.readString(HOST).strip();
    } catch (IOException e) {
      return "process " + process; // asking the network for a name could take long
    }
  }

  /** Names this process for {@link #isDead}; empty where that cannot be told. */
  public static String process() {
    try {
      String stat = Files.readString(SELF.resolve("stat"), StandardCharsets.ISO_8859_1);
      return place() + ":" + stat.substring(0, stat.indexOf(' ')) + ":" + state(stat)[STARTED];
    } catch (IOException | UnsupportedOperationException | IndexOutOfBoundsException e) {
      return "";
    }
  }

  /**
   * Whether a process has ended for certain: it ran since this machine was started, where and as
   * whom this one does, so that it would be seen.
   */
  public static boolean isDead(String process) {
    String[] parts = process.split(":", -1);
    if (parts.length != 3 || !parts[1].matches("[0-9]{1,10}")) {
      return false;
    }
    try {
      if (!parts[0].equals(place())) {
        return false;
      }
      Path stat = Path.of("/proc", parts[1], "stat");
      String[] there = state(Files.readString(stat, StandardCharsets.ISO_8859_1));
      return !there[STARTED].equals(parts[2]) || there[0].equals("Z") || there[0].equals("X");
    } catch (NoSuchFileException e) {
      return true;
    } catch (IOException | UnsupportedOperationException | IndexOutOfBoundsException e) {
      return false;
    }
  }

  private static String[] state(String stat) {
    return stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
  }

  /** Other users' processes may be hidden, and those of another namespace have other numbers. */
  private static String place() throws IOException {
    String place =
        Files.readString(BOOT).strip()
            + Files.readSymbolicLink(SELF.resolve("ns/pid"))
            + Files.getAttribute(SELF, "unix:uid");
    return Digests.text(Digests.sha256().digest(place.getBytes(StandardCharsets.UTF_8)))
        .substring(0, PLACE);
  }
}
