package com.thorbis.backup.storage.filesystem;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;

/** A disk for tests in which no power fails: nothing waits until it is durable. */
class UnforcedDisk extends Disk {
  @Override
  void force(Path file, FileChannel channel) throws IOException {
    // Nothing is lost here.
  }

  @Override
  void forceDirectory(Path directory) throws IOException {
    // Nothing is lost here.
  }
}
