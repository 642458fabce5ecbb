package com.thorbis.backup.storage.filesystem;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;

/** Every change of the disk: the steps whose order and failures decide what is durable. */
class Disk {
  private static final Set<StandardOpenOption> NEW =
      Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
  private static final FileAttribute<Set<PosixFilePermission>> PRIVATE_FILE =
      PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
  private static final FileAttribute<Set<PosixFilePermission>> PRIVATE_DIRECTORY =
      PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));

  /** Makes a folder, if the name is free. */
  void createDirectory(Path directory) throws IOException {
    Files.createDirectory(directory, PRIVATE_DIRECTORY);
  }

  /** Makes a file, if the name is free. */
  FileChannel create(Path file) throws IOException {
    return FileChannel.open(file, NEW, PRIVATE_FILE);
  }

  /** Adds content to a file that {@link #create} made. */
  void write(Path file, FileChannel to, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      to.write(bytes);
    }
  }

  /** Makes a file's content durable. */
  void force(Path file, FileChannel channel) throws IOException {
    channel.force(true);
  }

  /** Makes the names in a folder durable. */
  void forceDirectory(Path directory) throws IOException {
    try (FileChannel channel = FileChannel.open(directory)) {
      channel.force(true);
    }
  }

  /** Gives a file a second name, if that name is free. */
  void link(Path target, Path existing) throws IOException {
    Files.createLink(target, existing);
  }

  /** Removes a name, if it is there. */
  void delete(Path file) throws IOException {
    Files.deleteIfExists(file);
  }
}
