package com.thorbis.backup.storage.gcs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectStoreFactory;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.testkit.cloud.FakeGcs;
import com.thorbis.backup.testkit.cloud.FakeGoogleKms;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.HashMap;
import java.util.Map;
import java.util.ServiceLoader;
import org.assertj.core.util.Throwables;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GcsObjectStoreFactoryTest {
  @TempDir Path folder;

  @Test
  void classPathOffersIt() {
    assertThat(ServiceLoader.load(ObjectStoreFactory.class))
        .extracting(ObjectStoreFactory::scheme)
        .containsExactly("gs");
  }

  @Test
  void bucketIsOpenedByItsAddress() throws IOException {
    try (FakeGcs gcs = new FakeGcs()) {
      gcs.createBucket("acme_backups.prod");
      ObjectStore store =
          open(
              "gs://acme_backups.prod/orders/",
              Map.of("endpoint", gcs.endpoint().toString(), "anonymous", true));
      assertThat(store.describe()).isEqualTo("gs://acme_backups.prod/orders");
      store.put(new ObjectKey("k"), ObjectSource.of(new byte[3]));
      assertThat(gcs.facts("acme_backups.prod", "orders/k")).containsEntry("size", "3");
    }
  }

  @Test
  void serviceAccountLogsInWithItsKeyInASecretOrAFile() throws IOException {
    try (FakeGcs gcs = new FakeGcs();
        FakeGoogleKms tokens = new FakeGoogleKms()) {
      gcs.createBucket("acme");
      String json = tokens.serviceAccount();
      Path file = Files.writeString(folder.resolve("key.json"), json);
      Map<String, Object> settings = new HashMap<>();
      settings.put("endpoint", gcs.endpoint().toString());
      settings.put("credentials", SecretValue.ofText(json));
      open("gs://acme", settings).put(new ObjectKey("a"), ObjectSource.of(new byte[1]));
      settings.remove("credentials");
      settings.put("credentials-file", file.toString());
      open("gs://acme", settings).put(new ObjectKey("b"), ObjectSource.of(new byte[1]));
      assertThat(tokens.calls("token")).isEqualTo(2);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "gs:bucket",
        "gs:///bucket",
        "gs://user@bucket/",
        "gs://bucket:80/a",
        "gs://b/x?y=z",
        "gs://bucket/#f",
        "gs://bucket/a b",
        "gs://bucket/../other",
        "gs://B/a"
      })
  void addressThatIsNoBucketIsRefused(String address) {
    assertRefused(address.replace(" ", "%20"), Map.of("anonymous", true));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://storage.acme.example",
        "http://10.0.0.1:4443",
        "http://127.0.0.1.acme.example",
        "ftp://127.0.0.1",
        "storage.acme.example",
        "http://user:secret@127.0.0.1",
        "http://user:secret^127.0.0.1"
      })
  void credentialsDoNotTravelUnprotected(String endpoint) {
    assertRefused("gs://bucket", Map.of("anonymous", true, "endpoint", endpoint));
  }

  @Test
  void plainHttpToOthersNeedsToBeCalledDangerous() {
    // Nobody listens there: that is found out only by asking, which was therefore allowed.
    assertThatThrownBy(
            () ->
                open(
                    "gs://bucket",
                    Map.of(
                        "anonymous",
                        true,
                        "endpoint",
                        "http://gcs.invalid:1",
                        "dangerous-plain-http",
                        true,
                        "retry-for",
                        "1ms")))
        .isInstanceOf(StorageException.Unavailable.class);
  }

  @Test
  void settingThatNobodyReadsIsRefusedBeforeAnythingIsAsked() {
    assertThatThrownBy(() -> open("gs://bucket", Map.of("anonymous", true, "pice-size", "8MiB")))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.getMessage()).contains("gs.pice-size");
              assertThat(e.remedy()).contains("gs.piece-size");
            });
    assertRefused("gs://bucket", Map.of("anonymous", true, "piece-size", "100KiB"));
    assertRefused("gs://bucket", Map.of("anonymous", true, "lock-mode", "governance"));
    assertRefused("gs://bucket", Map.of("anonymous", true, "credentials", "x"));
  }

  @Test
  void messagesDoNotShowCredentials() {
    String secret = "{\"type\":\"service_account\",\"private_key\":\"MIIEvQ-very-secret\"}";
    assertThatThrownBy(() -> open("gs://bucket", Map.of("credentials", SecretValue.ofText(secret))))
        .isInstanceOf(StorageException.class)
        .satisfies(
            e ->
                assertThat(Throwables.getStackTrace(e))
                    .contains("gs.credentials")
                    .doesNotContain("very-secret"));
  }

  private static void assertRefused(String address, Map<String, ?> settings) {
    assertThatThrownBy(() -> open(address, settings))
        .isInstanceOfSatisfying(
            StorageException.class,
            e -> {
              assertThat(e.kind()).isEqualTo(FailureKind.CONFIGURATION);
              assertThat(e.remedy()).isNotBlank();
              assertThat(e.getMessage()).doesNotContain("secret");
            });
  }

  private static ObjectStore open(String location, Map<String, ?> settings) throws IOException {
    return new GcsObjectStoreFactory()
        .open(
            URI.create(location),
            new ProviderContext() {
              @Override
              public Settings settings() {
                return Settings.of("gs", settings);
              }

              @Override
              public Clock clock() {
                return Clock.systemUTC();
              }

              @Override
              public Path stateDirectory() {
                throw new AssertionError("A bucket needs no folder");
              }
            });
  }
}
