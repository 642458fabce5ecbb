package com.thorbis.backup.application.platform;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;

/** What makes a file and its name durable; tests let it fail. */
class Disk {
  void force(FileChannel file) throws IOException {
    file.force(true);
  }

  void forceFolder(Path folder) throws IOException {
    try (FileChannel directory = FileChannel.open(folder)) {
      directory.force(true);
    }
  }
}
