package com.thorbis.backup.storage.filesystem;

import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.testkit.ObjectStoreContract;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;

class FileSystemObjectStoreContractTest extends ObjectStoreContract {
  @TempDir Path folder;

  @Override
  protected ObjectStore openStore() throws IOException {
    return FileSystemObjectStore.builder().root(folder).build();
  }

  @Override
  protected ObjectStore openUnreachableStore() throws IOException {
    Path mounted = Files.createDirectory(folder.resolve("mounted"));
    ObjectStore store = FileSystemObjectStore.builder().root(mounted).build();
    Files.delete(mounted);
    return store;
  }
}
