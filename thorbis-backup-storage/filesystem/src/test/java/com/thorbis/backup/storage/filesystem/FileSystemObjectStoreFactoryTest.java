package com.thorbis.backup.storage.filesystem;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectStoreFactory;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.module.ModuleDescriptor;
import java.net.URI;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.ServiceLoader;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FileSystemObjectStoreFactoryTest {
  @TempDir Path folder;

  @Test
  void classPathAndModulePathFindTheSame() throws IOException {
    List<String> onClassPath =
        ServiceLoader.load(ObjectStoreFactory.class).stream()
            .map(provider -> provider.type().getName())
            .toList();
    ModuleDescriptor module;
    try (InputStream in =
        new URL(
                FileSystemObjectStoreFactory.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation(),
                "module-info.class")
            .openStream()) {
      module = ModuleDescriptor.read(in);
    }
    assertThat(onClassPath).containsExactly(FileSystemObjectStoreFactory.class.getName());
    assertThat(
            module.provides().stream()
                .collect(
                    Collectors.toMap(
                        ModuleDescriptor.Provides::service, ModuleDescriptor.Provides::providers)))
        .containsOnlyKeys(ObjectStoreFactory.class.getName())
        .containsEntry(ObjectStoreFactory.class.getName(), onClassPath);
  }

  @Test
  void folderIsOpenedByItsAddress() throws IOException {
    Path spaced = Files.createDirectory(folder.resolve("with space#1"));
    try (ObjectStore store = open(spaced.toUri())) {
      assertThat(store.describe()).isEqualTo("file:" + spaced);
      store.put(new ObjectKey("k"), ObjectSource.of(new byte[1]));
    }
    assertThat(spaced.resolve("k")).isRegularFile();
    try (ObjectStore store = open(URI.create("file:" + spaced.toUri().getRawPath()))) {
      assertThat(store.head(new ObjectKey("k"))).isPresent();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "file:relative",
        "file:./here",
        "file://var/lib/backups",
        "file://host/var",
        "file:///a?b=c",
        "file:///a#b"
      })
  void addressThatIsNoAbsolutePathIsRefused(String address) {
    assertThatThrownBy(() -> open(URI.create(address)))
        .isInstanceOfSatisfying(
            StorageException.class,
            e -> {
              assertThat(e.kind()).isEqualTo(FailureKind.CONFIGURATION);
              assertThat(e.remedy()).contains("file:///");
            });
  }

  private static ObjectStore open(URI location) throws IOException {
    return new FileSystemObjectStoreFactory()
        .open(
            location,
            new ProviderContext() {
              @Override
              public Settings settings() {
                return Settings.none();
              }

              @Override
              public Clock clock() {
                return Clock.systemUTC();
              }

              @Override
              public Path stateDirectory() {
                throw new AssertionError("A folder needs no other folder");
              }
            });
  }
}
