package com.thorbis.backup.storage.filesystem;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;

/** The steps whose order and failures decide whether an object is durable. */
class Disk {
  /** Makes a file's content durable. */
  void force(FileChannel file) throws IOException {
    file.force(true);
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
}
