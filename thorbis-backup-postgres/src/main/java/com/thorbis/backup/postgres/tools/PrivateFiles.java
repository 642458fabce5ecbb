package com.thorbis.backup.postgres.tools;

import com.thorbis.backup.postgres.settings.OwnerOnly;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;

/**
 * Files that a program reads while it runs and that nobody else may read: made 0600, removed on
 * {@link #close}. What a process that was killed left behind goes when the next one is made.
 */
final class PrivateFiles implements AutoCloseable {
  private static final String SUFFIX = ".private";
  private static final SecureRandom RANDOM = new SecureRandom();

  private final Path folder;
  private final List<Path> files = new ArrayList<>();
  private final List<FileChannel> open = new ArrayList<>();

  private PrivateFiles(Path folder) {
    this.folder = folder;
  }

  /** Makes the folder, and removes what nobody uses any more. */
  static PrivateFiles in(Path folder) throws IOException {
    Files.createDirectories(folder, OwnerOnly.FOLDER);
    removeLeftovers(folder);
    return new PrivateFiles(folder);
  }

  /** Where they lie. */
  Path folder() {
    return folder;
  }

  /** Writes one. */
  Path write(byte[] content) throws IOException {
    byte[] random = new byte[8];
    RANDOM.nextBytes(random);
    Path file = folder.resolve(process() + "-" + HexFormat.of().formatHex(random) + SUFFIX);
    // Whoever removes leftovers finds it once it is locked.
    Path fresh = folder.resolve("." + file.getFileName() + ".new");
    files.add(fresh);
    FileChannel channel =
        FileChannel.open(
            fresh, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), OwnerOnly.FILE);
    open.add(channel);
    channel.lock();
    files.add(file);
    Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE);
    ByteBuffer rest = ByteBuffer.wrap(content);
    while (rest.hasRemaining()) {
      channel.write(rest);
    }
    return file;
  }

  @Override
  public void close() throws IOException {
    for (Path file : files) {
      Files.deleteIfExists(file);
    }
    files.clear();
    for (FileChannel channel : open) {
      channel.close();
    }
    open.clear();
  }

  private static void removeLeftovers(Path folder) throws IOException {
    try (DirectoryStream<Path> found = Files.newDirectoryStream(folder, "*" + SUFFIX)) {
      for (Path file : found) {
        // A process that opened and closed its own file again would lose the lock on it.
        boolean ours = String.valueOf(file.getFileName()).startsWith(process() + "-");
        if (!ours && Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS) && !used(file)) {
          Files.deleteIfExists(file);
        }
      }
    }
  }

  private static boolean used(Path file) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE);
        FileLock lock = channel.tryLock()) {
      return lock == null;
    } catch (NoSuchFileException e) {
      return false;
    } catch (OverlappingFileLockException e) {
      return true;
    }
  }

  /** This process among all that this machine had, in the words of a file's name. */
  private static String process() {
    ProcessHandle self = ProcessHandle.current();
    return self.pid() + "-" + self.info().startInstant().map(Instant::toEpochMilli).orElse(0L);
  }
}
