package com.thorbis.backup.postgres.support;

import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;

/** Lays a backup without tablespaces into a folder. */
public final class LaidDown {
  private LaidDown() {}

  /** Writes every file of the cluster. */
  public static Path of(MemoryRepository.StoredBackup backup, Path folder) throws IOException {
    Files.createDirectory(
        folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    for (MemoryRepository.Entry entry : backup.entries().values()) {
      if (entry.file().area() != StoredFile.Area.DATA) {
        continue;
      }
      Path path = folder.resolve(entry.file().path());
      if (entry.file().kind() == StoredFile.Kind.DIRECTORY) {
        Files.createDirectories(path);
      } else {
        Files.createDirectories(path.getParent());
        Files.write(path, entry.content());
      }
    }
    return folder;
  }
}
