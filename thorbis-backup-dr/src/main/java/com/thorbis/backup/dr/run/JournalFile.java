package com.thorbis.backup.dr.run;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.internal.StateFile;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The half of a journal that lies in a local folder. What was appended has reached the disk. */
interface JournalFile extends AutoCloseable {
  /** All of it; nothing if there is none yet. */
  byte[] content() throws IOException;

  /** Appends and syncs. */
  void append(byte[] bytes) throws IOException;

  /** Removes what follows a length, and syncs. */
  void cut(long length) throws IOException;

  @Override
  void close() throws IOException;

  /** Opens the halves of runs. */
  @FunctionalInterface
  interface Opener {
    /** For the one process that writes. */
    JournalFile open(Path folder) throws IOException;
  }

  /**
   * In a folder of its own, which nobody else can read.
   *
   * @throws BackupException code {@code run.busy} if another process has it open
   */
  static JournalFile onDisk(Path folder) throws IOException {
    StateFile.createFolder(folder);
    FileChannel lock =
        FileChannel.open(
            folder.resolve("lock"),
            Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE),
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    try {
      FileLock held = tryLock(lock);
      if (held == null) {
        throw BackupException.of(
                "run.busy", FailureKind.REFUSED, "Another process carries out the run in " + folder)
            .remedy("Let it end, or stop it.")
            .detail("folder", folder.toString())
            .build();
      }
      Path file = folder.resolve(NAME);
      FileChannel.open(
              file,
              Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE),
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")))
          .close();
      // A channel would be closed under whoever is interrupted while it writes.
      RandomAccessFile content = new RandomAccessFile(file.toFile(), "rw");
      StateFile.sync(folder);
      return new OnDisk(content, lock);
    } catch (IOException | RuntimeException e) {
      lock.close();
      throw e;
    }
  }

  /** What it is called. */
  String NAME = "journal.jsonl";

  /** Reads what is there, as it is, without a lock. */
  static byte[] look(Path folder) throws IOException {
    try {
      return Files.readAllBytes(folder.resolve(NAME));
    } catch (NoSuchFileException e) {
      return new byte[0];
    }
  }

  private static @Nullable FileLock tryLock(FileChannel file) throws IOException {
    try {
      return file.tryLock();
    } catch (OverlappingFileLockException e) {
      return null;
    }
  }

  /** Stands for a folder that cannot be used: the store alone keeps the journal. */
  static JournalFile absent(IOException reason) {
    return new JournalFile() {
      @Override
      public byte[] content() throws IOException {
        throw reason;
      }

      @Override
      public void append(byte[] bytes) throws IOException {
        throw reason;
      }

      @Override
      public void cut(long length) throws IOException {
        throw reason;
      }

      @Override
      public void close() {}
    };
  }

  /** A file and the lock on its folder. */
  final class OnDisk implements JournalFile {
    private final RandomAccessFile content;
    private final FileChannel lock;

    private OnDisk(RandomAccessFile content, FileChannel lock) {
      this.content = content;
      this.lock = lock;
    }

    @Override
    public byte[] content() throws IOException {
      byte[] bytes = new byte[Math.toIntExact(content.length())];
      content.seek(0);
      content.readFully(bytes);
      return bytes;
    }

    @Override
    public void append(byte[] bytes) throws IOException {
      content.seek(content.length());
      content.write(bytes);
      content.getFD().sync();
    }

    @Override
    public void cut(long length) throws IOException {
      content.setLength(length);
      content.getFD().sync();
    }

    @Override
    public void close() throws IOException {
      try {
        content.close();
      } finally {
        lock.close();
      }
    }
  }
}
