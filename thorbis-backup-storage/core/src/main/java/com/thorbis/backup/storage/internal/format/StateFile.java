package com.thorbis.backup.storage.internal.format;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.EnumSet;
import java.util.Objects;

/** A small file of local state that may be lost, and is read whole or not at all. */
public final class StateFile {
  private StateFile() {}

  /** Puts a file in place of whatever was there; its owner alone can read it. */
  public static void replace(Path file, byte[] content) throws IOException {
    Path folder = Objects.requireNonNull(file.getParent());
    Files.createDirectories(folder, permissions(folder, "rwx------"));
    Path fresh = folder.resolve(file.getFileName() + "." + Long.toHexString(System.nanoTime()));
    try {
      try (SeekableByteChannel out =
          Files.newByteChannel(
              fresh,
              EnumSet.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
              permissions(folder, "rw-------"))) {
        ByteBuffer bytes = ByteBuffer.wrap(content);
        while (bytes.hasRemaining()) {
          out.write(bytes);
        }
      }
      Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(fresh);
    }
  }

  private static FileAttribute<?>[] permissions(Path at, String text) {
    return at.getFileSystem().supportedFileAttributeViews().contains("posix")
        ? new FileAttribute<?>[] {
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(text))
        }
        : new FileAttribute<?>[0];
  }
}
