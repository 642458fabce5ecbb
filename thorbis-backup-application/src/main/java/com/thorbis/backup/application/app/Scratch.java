package com.thorbis.backup.application.app;

import java.io.Closeable;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A folder for a while, this account's alone. Holds a lock for as long as its process lives, so
 * that what a killed one left can be told and removed by the next.
 */
final class Scratch implements Closeable {
  private static final Logger LOG = LoggerFactory.getLogger(Scratch.class);
  private static final String PREFIX = "application-";
  private static final String LOCK = "in-use";
  private static final FileAttribute<Set<PosixFilePermission>> PRIVATE =
      PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));

  /** Looking at a lock of our own process would end it, as POSIX has it. */
  private static final Set<Path> OURS = ConcurrentHashMap.newKeySet();

  private final Path folder;
  private final FileChannel lock;

  private Scratch(Path folder, FileChannel lock) {
    this.folder = folder;
    this.lock = lock;
  }

  /** A new one; those that nobody uses any more go. */
  static Scratch below(Path parent) throws IOException {
    Folders.make(parent);
    sweep(parent);
    Path folder =
        Files.createTempDirectory(
                parent,
                PREFIX,
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")))
            .toRealPath();
    OURS.add(folder);
    FileChannel lock = null;
    try {
      lock =
          FileChannel.open(
              folder.resolve(LOCK),
              Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
              PRIVATE);
      lock.lock();
      return new Scratch(folder, lock);
    } catch (IOException | RuntimeException e) {
      if (lock != null) {
        lock.close();
      }
      OURS.remove(folder);
      Folders.remove(folder);
      throw e;
    }
  }

  private static void sweep(Path parent) throws IOException {
    try (DirectoryStream<Path> left = Files.newDirectoryStream(parent, PREFIX + "*")) {
      for (Path each : left) {
        if (Files.isDirectory(each, LinkOption.NOFOLLOW_LINKS)
            && !OURS.contains(each.toRealPath())
            && isAbandoned(each)) {
          LOG.info("Removing {}, which a run that was killed left", each);
          Folders.remove(each);
        }
      }
    }
  }

  /** One without a lock is just being made, and holds nothing. */
  private static boolean isAbandoned(Path folder) throws IOException {
    Path file = folder.resolve(LOCK);
    if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
      return false;
    }
    try (FileChannel lock =
        FileChannel.open(file, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS)) {
      return lock.tryLock() != null;
    }
  }

  Path path() {
    return folder;
  }

  /** Removes it with all that it holds. */
  @Override
  public void close() throws IOException {
    try {
      Folders.remove(folder);
    } finally {
      OURS.remove(folder);
      lock.close();
    }
  }
}
