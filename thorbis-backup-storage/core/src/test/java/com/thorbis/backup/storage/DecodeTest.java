package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.spi.repository.ObjectDescription;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DecodeTest {
  private static final Map<String, String> KINDS =
      Map.of(
          "repository", "repository",
          "keys", "key-slot",
          "commits", "commit",
          "packs", "pack",
          "manifests", "manifest",
          "wal", "wal");

  @TempDir Path state;

  private final MemoryObjectStore store = MemoryObjectStore.create();

  @Test
  void everyObjectIsDescribedWithoutAKey() throws IOException {
    String id;
    try (Repository repository = TestRepository.create(store, state)) {
      id = repository.id();
      repository
          .wal("orders")
          .storeSegment(
              TestRepository.segment(1, 1),
              ByteBuffer.wrap(TestRepository.wal(TestRepository.segment(1, 1), 1)),
              WalMarks.NONE);
      TestRepository.backUp(repository, TestRepository.fewFiles(1));
    }
    for (Map.Entry<String, byte[]> object : store.contents().entrySet()) {
      ObjectDescription found =
          TestRepository.FACTORY.decode(new ByteArrayInputStream(object.getValue()));
      String folder = object.getKey().split("/", 2)[0];
      assertThat(found.kind()).as(object.getKey()).isEqualTo(KINDS.get(folder));
      assertThat(found.fields())
          .containsEntry("version", "1")
          .containsEntry("length", Integer.toString(object.getValue().length))
          .containsKey("sha256")
          .containsEntry(folder.equals("repository") ? "id" : "repository", id);
    }
  }

  @Test
  void whatIsNotAnObjectIsRefused() {
    Random random = new Random(1);
    for (int length : new int[] {0, 1, 71, 72, 200, 100_000}) {
      byte[] bytes = TestRepository.bytes(random, length);
      assertThatThrownBy(() -> TestRepository.FACTORY.decode(new ByteArrayInputStream(bytes)))
          .isInstanceOf(RepositoryException.class);
    }
    assertThatThrownBy(
            () -> TestRepository.FACTORY.decode(new ByteArrayInputStream(new byte[] {'{', '}'})))
        .isInstanceOf(RepositoryException.class);
  }
}
