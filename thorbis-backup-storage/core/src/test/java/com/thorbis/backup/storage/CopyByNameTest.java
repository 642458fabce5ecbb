package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.ProviderLoader;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.InitReport;
import com.thorbis.backup.spi.repository.ObjectDescription;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryFactory;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectStoreFactory;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Copies that are named by URI, with what is said of them. */
class CopyByNameTest {
  private static final ObjectKey KEY = new ObjectKey("some/object");

  @TempDir Path state;

  private final Places places = new Places();
  private final Captured captured = new Captured();

  @Test
  void factsStandBesideTheSettingsOfTheAdapter() {
    try (ThorbisBackup backup =
        builder()
            .writePolicy(WritePolicy.QUORUM)
            .copy(
                URI.create("memory://one"),
                Map.of(
                    "size", "7",
                    "medium", "disk",
                    "domain", "host-a",
                    "location", "Ghent",
                    "offsite", "true",
                    "immutable", true))
            .copy(URI.create("memory://two"), Map.of())
            .build()) {
      backup.init();
    }
    assertThat(captured.setup.writePolicy()).isEqualTo(WritePolicy.QUORUM);
    Copy one = captured.setup.copies().get(0);
    assertThat(one.name()).isEqualTo("memory://one");
    assertThat(one.medium()).contains("disk");
    assertThat(one.domain()).contains("host-a");
    assertThat(one.location()).contains("Ghent");
    assertThat(one.offsite()).isTrue();
    assertThat(one.immutable()).isTrue();
    Copy two = captured.setup.copies().get(1);
    assertThat(two.medium()).isEmpty();
    assertThat(two.domain()).isEmpty();
    assertThat(two.offsite()).isFalse();
    assertThat(places.sizes).containsExactly(7, 1);
  }

  @Test
  void aSettingThatNobodyKnowsIsStillRefused() {
    assertThatThrownBy(
            () -> builder().copy(URI.create("memory://one"), Map.of("medum", "disk")).build())
        .isInstanceOfSatisfying(
            BackupException.class,
            failure -> assertThat(failure.kind()).isEqualTo(FailureKind.CONFIGURATION));
  }

  @Test
  void aCopyThatCannotBeOpenedIsTriedAgainWhenItIsAsked() throws IOException {
    places.down = true;
    try (ThorbisBackup backup =
        builder()
            .copy(URI.create("memory://one"), Map.of())
            .copy(URI.create("memory://two"), Map.of())
            .build()) {
      backup.init();
      ObjectStore store = captured.setup.copies().get(0).store();
      assertThatThrownBy(() -> store.head(KEY)).isInstanceOf(StorageException.Unavailable.class);
      places.down = false;
      assertThat(store.head(KEY)).isEmpty();
    }
  }

  @Test
  void theOnlyCopyMustOpen() {
    places.down = true;
    assertThatThrownBy(() -> builder().copy(URI.create("memory://one"), Map.of()).build())
        .isInstanceOfSatisfying(
            BackupException.class,
            failure -> assertThat(failure.kind()).isEqualTo(FailureKind.TRANSIENT));
  }

  private ThorbisBackup.Builder builder() {
    return ThorbisBackup.builder()
        .stateDirectory(state)
        .repositories(captured)
        .providers(
            new ProviderLoader() {
              @Override
              public <T> List<T> load(Class<T> type, Consumer<Throwable> problems) {
                return type == ObjectStoreFactory.class ? List.of(type.cast(places)) : List.of();
              }
            });
  }

  private static final class Places implements ObjectStoreFactory {
    final List<Integer> sizes = new ArrayList<>();
    boolean down;

    @Override
    public String scheme() {
      return "memory";
    }

    @Override
    public ObjectStore open(URI location, ProviderContext context) throws IOException {
      if (down) {
        throw new StorageException.Unavailable("Open", location.toString(), null);
      }
      sizes.add(context.settings().integer("size", 1, 1, 10));
      return MemoryObjectStore.create();
    }
  }

  private static final class Captured implements RepositoryFactory {
    @SuppressWarnings("NullAway.Init") // set by init
    RepositorySetup setup;

    @Override
    public InitReport init(RepositorySetup given) {
      setup = given;
      return new InitReport("0".repeat(32), true, List.of(), List.of());
    }

    @Override
    public Repository open(RepositorySetup given) {
      throw new UnsupportedOperationException("open");
    }

    @Override
    public ObjectDescription decode(InputStream object) {
      throw new UnsupportedOperationException("decode");
    }
  }
}
