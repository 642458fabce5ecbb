package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.storage.filesystem.FileSystemObjectStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FolderRepositoryTest {
  @TempDir Path folder;
  @TempDir Path state;

  @Test
  void creatingTheRepositoryMakesItsFolderAndOpeningDoesNot() throws IOException {
    Path root = folder.resolve("repo");
    assertThatThrownBy(
            () -> TestRepository.FACTORY.open(TestRepository.setup(open(root), state).build()))
        .isInstanceOfSatisfying(
            ClassifiedFailure.class, e -> assertThat(e.code()).isEqualTo("storage.place-missing"));
    assertThat(root).doesNotExist();

    Map<String, byte[]> files = TestRepository.fewFiles(1);
    BackupDescriptor made;
    try (Repository repository = TestRepository.create(open(root), state)) {
      made = TestRepository.backUp(repository, files);
    }
    assertThat(Files.isDirectory(root)).isTrue();
    try (Repository again =
        TestRepository.FACTORY.open(TestRepository.setup(open(root), state).build())) {
      TestRepository.assertReads(again, made.id(), files);
    }
  }

  private static ObjectStore open(Path root) throws IOException {
    return FileSystemObjectStore.builder().root(root).build();
  }
}
