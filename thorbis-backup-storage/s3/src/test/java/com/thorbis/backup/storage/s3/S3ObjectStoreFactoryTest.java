package com.thorbis.backup.storage.s3;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.storage.ObjectStoreFactory;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.ServiceLoader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import software.amazon.awssdk.regions.Region;

class S3ObjectStoreFactoryTest {
  private static final String SECRET = "wJalrXUtnFEMI";

  @Test
  void theServiceLoaderFindsIt() {
    assertThat(ServiceLoader.load(ObjectStoreFactory.class))
        .extracting(ObjectStoreFactory::scheme)
        .containsExactly("s3");
  }

  @Test
  void everySettingIsTakenAndNobodyIsAsked() throws IOException {
    Map<String, Object> settings = new HashMap<>();
    settings.put("region", "eu-central-1");
    settings.put("endpoint", "https://s3.example.com");
    settings.put("path-style", "false");
    settings.put("access-key-id", "AKIAIOSFODNN7EXAMPLE");
    settings.put("secret-access-key", SecretValue.ofText(SECRET));
    settings.put("session-token", SecretValue.ofText("token"));
    settings.put("role-arn", "arn:aws:iam::111122223333:role/backup");
    settings.put("checksums", "none");
    settings.put("tiers", "true");
    settings.put("archive-class", "glacier");
    settings.put("lock-mode", "compliance");
    settings.put("part-size", "16MiB");
    settings.put("parts-in-flight", "2");
    settings.put("retries", "3");
    settings.put("connect-timeout", "1s");
    settings.put("read-timeout", "5s");
    settings.put("max-connections", "8");
    settings.put("dangerous-plain-http", "true");
    try (S3ObjectStore store = TestServers.open("s3://acme-backups/some/prefix/", settings)) {
      assertThat(store.describe()).isEqualTo("s3://acme-backups/some/prefix");
      assertThat(store.client().serviceClientConfiguration().region())
          .isEqualTo(Region.EU_CENTRAL_1);
      assertThat(store.partSizes().of(1)).isEqualTo(16 << 20);
      assertThat(store.sendsMd5()).isTrue();
      assertThat(store.lockMode()).hasToString("COMPLIANCE");
    }
    settings.put("web-identity-token-file", "/var/run/token");
    settings.keySet().removeIf(key -> key.contains("key") || key.contains("session"));
    TestServers.open("s3://acme-backups", settings).close();
    TestServers.open("s3://acme-backups", Map.of("region", "eu-central-1")).close();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "s3:bucket",
        "s3:///prefix",
        "s3://key:secret@bucket/prefix",
        "s3://bucket:9000/prefix",
        "s3://bucket/prefix?region=x",
        "s3://bucket/prefix#x",
        "s3://bucket/a//b",
        "s3://bucket/../b",
        "s3://bucket/%20"
      })
  void anAddressThatIsNotABucketAndAPrefixIsRefusedWithoutRepeatingIt(String address) {
    assertThatThrownBy(() -> TestServers.open(address, Map.of("region", "eu-central-1")))
        .isInstanceOfSatisfying(
            StorageException.class,
            e -> {
              assertThat(e.kind()).isEqualTo(FailureKind.CONFIGURATION);
              assertThat(e.getMessage()).doesNotContain("secret@");
              assertThat(e.remedy()).contains("s3://bucket/prefix");
            });
  }

  @ParameterizedTest
  @CsvSource({
    "regoin, eu-central-1, region",
    "retrys, 3, s3.retries",
    "checksums, md5, when-required",
    "lock-mode, none, governance",
    "part-size, 4MiB, 5MiB",
    "endpoint, http://s3.example.com, dangerous-plain-http",
    "endpoint, http://127.0.0.1.example.com, dangerous-plain-http",
    "endpoint, https://user@s3.example.com, https://",
    "endpoint, s3.example.com, https://",
    "session-token, x, access-key-id",
    "secret-access-key, wJalrXUtnFEMI, access-key-id",
    "web-identity-token-file, /token, role-arn"
  })
  void aWrongSettingIsNamedWithTheWayOut(String key, String value, String hint) {
    Map<String, Object> settings = new HashMap<>(Map.of(key, value));
    if (!key.equals("regoin")) {
      settings.put("region", "eu-central-1");
    }
    assertThatThrownBy(() -> TestServers.open("s3://bucket", settings))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("configuration.invalid");
              assertThat(e.getMessage() + e.remedy()).contains(hint).doesNotContain(SECRET);
            });
  }

  @Test
  void plainHttpIsTakenOnThisMachineOrWhereItIsAskedFor() throws IOException {
    for (String endpoint :
        new String[] {"http://localhost:9000", "http://127.0.0.1:9000", "http://[::1]:9000"}) {
      TestServers.open("s3://bucket", Map.of("endpoint", endpoint)).close();
    }
    TestServers.open(
            "s3://bucket",
            Map.of("endpoint", "http://minio.internal:9000", "dangerous-plain-http", "true"))
        .close();
  }
}
