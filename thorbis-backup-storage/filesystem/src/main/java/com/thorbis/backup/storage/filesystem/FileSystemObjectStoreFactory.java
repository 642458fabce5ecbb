package com.thorbis.backup.storage.filesystem;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectStoreFactory;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;

/** Opens folders under {@code file:///absolute/path}. Has no settings. */
public final class FileSystemObjectStoreFactory implements ObjectStoreFactory {
  /** For the service loader. */
  public FileSystemObjectStoreFactory() {}

  @Override
  public String scheme() {
    return "file";
  }

  @Override
  public ObjectStore open(URI location, ProviderContext context) throws IOException {
    if (location.isOpaque() || location.getRawAuthority() != null) {
      throw refused(location, "is not an absolute path on this machine");
    }
    if (location.getRawQuery() != null || location.getRawFragment() != null) {
      throw refused(location, "has a part after the path; write ? as %3F and # as %23");
    }
    return FileSystemObjectStore.builder()
        .root(Path.of(location.getPath()))
        .clock(context.clock())
        .build();
  }

  private static StorageException refused(URI location, String problem) {
    return new StorageException(
        "storage.location",
        FailureKind.CONFIGURATION,
        location + " " + problem,
        location.toString(),
        "Write the path after file:// and start it with a slash, as in file:///var/lib/backups.",
        null);
  }
}
