package com.thorbis.backup.storage.azure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectStoreFactory;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.testkit.cloud.AzuriteServer;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Clock;
import java.util.HashMap;
import java.util.Map;
import java.util.ServiceLoader;
import org.assertj.core.util.Throwables;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AzureBlobObjectStoreFactoryTest {
  private static final Map<String, Object> LOGIN =
      Map.of("account", "acmebackups", "account-key", SecretValue.ofText("c2VjcmV0"));

  @Test
  void classPathOffersIt() {
    assertThat(ServiceLoader.load(ObjectStoreFactory.class))
        .extracting(ObjectStoreFactory::scheme)
        .containsExactly("azblob");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "azblob:container",
        "azblob:///container",
        "azblob://user@container/",
        "azblob://container:80/a",
        "azblob://container/x?sig=secret",
        "azblob://container/#f",
        "azblob://container/a%20b",
        "azblob://container/../other",
        "azblob://Container/a",
        "azblob://a--b/c"
      })
  void addressThatIsNoContainerIsRefused(String address) {
    assertRefused(address, LOGIN);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://acme.blob.example",
        "http://10.0.0.1:10000/devstoreaccount1",
        "http://127.0.0.1.acme.example",
        "ftp://127.0.0.1",
        "acme.blob.example",
        "https://acme.blob.example?sig=secret",
        "http://user:secret@127.0.0.1",
        "http://user:secret^127.0.0.1"
      })
  void credentialsDoNotTravelUnprotected(String endpoint) {
    assertRefused("azblob://backups", with("endpoint", endpoint));
    if (endpoint.startsWith("http://") && !endpoint.contains("secret")) {
      assertRefused(
          "azblob://backups",
          Map.of(
              "connection-string",
              SecretValue.ofText(AzuriteServer.connectionString(URI.create(endpoint)))));
    }
  }

  @Test
  void tokenNeverTravelsUnprotected() {
    assertRefused("azblob://backups", Map.of("endpoint", "http://127.0.0.1:1"));
    assertRefused(
        "azblob://backups",
        Map.of("endpoint", "http://acme.example", "dangerous-plain-http", true));
  }

  @Test
  void plainHttpToOthersNeedsToBeCalledDangerous() {
    Map<String, Object> settings = with("endpoint", "http://azblob.invalid:1");
    settings.put("dangerous-plain-http", true);
    settings.put("retry-for", "1ms");
    // Nobody listens there: that is found out only by asking, which was therefore allowed.
    assertThatThrownBy(() -> open("azblob://backups", settings))
        .isInstanceOf(StorageException.Unavailable.class);
  }

  @Test
  void signaturesAreInNoMessage() {
    String secret = "sv=2024-11-04&ss=b&sig=very-secret";
    assertThatThrownBy(
            () ->
                open(
                    "azblob://backups",
                    Map.of(
                        "endpoint",
                        "http://127.0.0.1:1",
                        "sas",
                        SecretValue.ofText("?" + secret),
                        "retry-for",
                        "1ms")))
        .isInstanceOf(StorageException.Unavailable.class)
        .satisfies(
            e ->
                assertThat(Throwables.getStackTrace(e))
                    .contains("backups")
                    .doesNotContain("very-secret"));
  }

  @Test
  void settingsThatCannotBeMeantAreRefused() {
    assertThatThrownBy(() -> open("azblob://backups", with("acount", "x")))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.getMessage()).contains("azblob.acount");
              assertThat(e.remedy()).contains("azblob.account");
            });
    assertRefused("azblob://backups", Map.of());
    assertRefused("azblob://backups", Map.of("account", "Acme"));
    assertRefused("azblob://backups", with("sas", "sig=secret"));
    assertRefused("azblob://backups", with("connection-string", "secret"));
    assertRefused("azblob://backups", Map.of("connection-string", "secret"));
    assertRefused(
        "azblob://backups", Map.of("account", "acme", "account-key", "not base64: secret"));
    assertRefused("azblob://backups", with("block-size", "100KiB"));
    assertRefused("azblob://backups", with("lock-mode", "governance"));
  }

  private static Map<String, Object> with(String key, Object value) {
    Map<String, Object> settings = new HashMap<>(LOGIN);
    settings.put(key, value);
    return settings;
  }

  private static void assertRefused(String address, Map<String, ?> settings) {
    assertThatThrownBy(() -> open(address, settings))
        .isInstanceOfSatisfying(
            StorageException.class,
            e -> {
              assertThat(e.kind()).isEqualTo(FailureKind.CONFIGURATION);
              assertThat(e.remedy()).isNotBlank();
              assertThat(Throwables.getStackTrace(e)).doesNotContain("secret");
            });
  }

  private static ObjectStore open(String location, Map<String, ?> settings) throws IOException {
    return new AzureBlobObjectStoreFactory()
        .open(
            URI.create(location),
            new ProviderContext() {
              @Override
              public Settings settings() {
                return Settings.of("azblob", settings);
              }

              @Override
              public Clock clock() {
                return Clock.systemUTC();
              }

              @Override
              public Path stateDirectory() {
                throw new AssertionError("A container needs no folder");
              }
            });
  }
}
