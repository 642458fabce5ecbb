package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A stopped cluster of the same source in the folder that a restore is to fill, or what an
 * interrupted restore of it left there.
 *
 * @param root the data directory
 * @param tablespaces where it has tablespaces outside, by object id
 */
record ExistingCluster(Path root, Map<Long, Path> tablespaces) {
  private static final Path PROCESSES = Path.of("/proc");
  private static final String PID_FILE = "postmaster.pid";

  /**
   * Looks, and changes nothing.
   *
   * @throws BackupException of kind REFUSED if it is anything else, or a server may work on it
   */
  static ExistingCluster check(Path place, BackupDescriptor backup) throws IOException {
    Path root = place.toRealPath();
    Optional<Unfinished> unfinished = Unfinished.find(root);
    String wanted = backup.cluster().systemIdText();
    Optional<String> found = systemId(root).or(() -> unfinished.map(Unfinished::systemId));
    if (found.isEmpty()) {
      throw refused(
          "restore.target-not-a-cluster",
          root + " is not empty, and nothing in it says that it is a cluster of this source",
          "Name its data directory, or a folder that is new or empty.",
          root);
    }
    if (!found.get().equals(wanted)) {
      throw refused(
          "restore.target-other-cluster",
          root + " holds cluster " + found.get() + ", and the backup is of " + wanted,
          "Name the data directory of this source, or a folder that is new or empty.",
          root);
    }
    requireStopped(root);
    Map<Long, Path> tablespaces =
        new LinkedHashMap<>(unfinished.map(Unfinished::tablespaces).orElse(Map.of()));
    tablespaces.putAll(links(root));
    return new ExistingCluster(root, tablespaces);
  }

  private static Optional<String> systemId(Path root) throws IOException {
    Path file = root.resolve(ControlFile.PATH);
    if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
      return Optional.empty();
    }
    try (InputStream in = Files.newInputStream(file, LinkOption.NOFOLLOW_LINKS)) {
      byte[] first = in.readNBytes(Long.BYTES);
      if (first.length < Long.BYTES) {
        return Optional.empty();
      }
      long id = ByteBuffer.wrap(first).order(ByteOrder.LITTLE_ENDIAN).getLong();
      return Optional.of(Long.toUnsignedString(id));
    }
  }

  private static void requireStopped(Path root) throws IOException {
    Path file = root.resolve(PID_FILE);
    if (Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
      String first =
          Files.readString(file, StandardCharsets.ISO_8859_1).lines().findFirst().orElse("");
      long pid;
      try {
        pid = Math.abs(Long.parseLong(first.strip())); // negative: a server without postmaster
      } catch (NumberFormatException e) {
        pid = 0; // cut off by a crash, after which nobody runs
      }
      if (pid != 0 && ProcessHandle.of(pid).isPresent()) {
        throw running(root, PID_FILE + " names process " + pid + ", which runs");
      }
    }
    for (Map.Entry<Long, Path> process : workingDirectories().entrySet()) {
      if (process.getValue().equals(root)) {
        throw running(root, "process " + process.getKey() + " works in it");
      }
    }
  }

  private static BackupException running(Path root, String why) {
    return refused(
        "restore.target-running",
        "A server may run on " + root + ": " + why,
        "Stop it. If that process is none of its server, remove " + root.resolve(PID_FILE) + ".",
        root);
  }

  /**
   * Whether a server on another data directory has one of its tablespaces here: a cluster that was
   * copied file by file has links to the places that the original works in.
   */
  boolean usedElsewhere(Path tablespace) throws IOException {
    Set<Path> others = new LinkedHashSet<>(workingDirectories().values());
    others.remove(root);
    for (Path other : others) {
      if (Files.isRegularFile(other.resolve(ControlFile.PATH))
          && links(other).containsValue(tablespace)) {
        return true;
      }
    }
    return false;
  }

  /** Where processes work, as far as that can be seen: a server's all do in its data directory. */
  private static Map<Long, Path> workingDirectories() throws IOException {
    Map<Long, Path> found = new LinkedHashMap<>();
    if (!Files.isDirectory(PROCESSES)) {
      return found;
    }
    long self = ProcessHandle.current().pid();
    try (DirectoryStream<Path> processes =
        Files.newDirectoryStream(PROCESSES, entry -> named(entry).matches("[0-9]+"))) {
      for (Path process : processes) {
        long pid = Long.parseLong(named(process));
        if (pid != self) {
          try {
            found.put(pid, Files.readSymbolicLink(process.resolve("cwd")));
          } catch (IOException e) {
            // It ended, or is another account's.
          }
        }
      }
    }
    return found;
  }

  private static Map<Long, Path> links(Path root) throws IOException {
    Map<Long, Path> links = new LinkedHashMap<>();
    Path folder = root.resolve("pg_tblspc");
    if (!Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)) {
      return links;
    }
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
      for (Path entry : entries) {
        Optional<Long> oid = Tablespaces.oid(named(entry));
        if (oid.isPresent() && Files.isSymbolicLink(entry) && Files.isDirectory(entry)) {
          links.put(oid.get(), entry.toRealPath());
        }
      }
    }
    return links;
  }

  private static String named(Path path) {
    Path name = path.getFileName();
    return name == null ? "" : name.toString();
  }

  private static BackupException refused(String code, String message, String remedy, Path path) {
    return BackupException.of(code, FailureKind.REFUSED, message)
        .remedy(remedy)
        .detail("path", path.toString())
        .build();
  }
}
