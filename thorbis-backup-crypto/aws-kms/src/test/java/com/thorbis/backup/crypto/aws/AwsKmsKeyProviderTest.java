package com.thorbis.backup.crypto.aws;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyContext;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.KeyProviderFactory;
import com.thorbis.backup.spi.crypto.KeyState;
import com.thorbis.backup.spi.crypto.WrappedKey;
import com.thorbis.backup.testkit.KeyProviderContract;
import com.thorbis.backup.testkit.cloud.FakeAwsKms;
import com.thorbis.backup.testkit.cloud.FakeService.Fault;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceLoader;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.apache5.Apache5HttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kms.KmsClient;

class AwsKmsKeyProviderTest {
  private static final String SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY";
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final KeyContext CONTEXT =
      KeyContext.of(Map.of("repository", "r1", "tree", "t1", "epoch", "1"));
  private static final KeyContext ELSEWHERE =
      KeyContext.of(Map.of("repository", "r2", "tree", "t1", "epoch", "1"));

  private final FakeAwsKms kms;

  AwsKmsKeyProviderTest() throws IOException {
    kms = new FakeAwsKms();
  }

  @AfterEach
  void stop() {
    kms.close();
  }

  @Nested
  class OverAClientOfTheHost extends KeyProviderContract {
    private final String own = kms.createKey();
    private final String strange = kms.createKey();
    private final KmsClient client =
        KmsClient.builder()
            .region(Region.of(FakeAwsKms.REGION))
            .endpointOverride(kms.endpoint())
            .httpClientBuilder(Apache5HttpClient.builder())
            .credentialsProvider(
                StaticCredentialsProvider.create(
                    AwsBasicCredentials.create(FakeAwsKms.ACCESS_KEY, SECRET)))
            .build();

    @Override
    protected KeyProvider openProvider() {
      return AwsKmsKeyProvider.builder().client(client).key(own).build();
    }

    @Override
    protected KeyProvider openStranger() {
      return AwsKmsKeyProvider.builder().client(client).key(strange).build();
    }

    @Test
    void closingARecipientLeavesTheHostItsClient() throws IOException {
      openProvider().close();
      assertThat(openProvider().state()).isEqualTo(new KeyState.Usable());
    }

    @AfterEach
    void closeClient() {
      client.close();
    }
  }

  @Nested
  class ByName extends KeyProviderContract {
    private final String own = kms.createKey();
    private final String strange = kms.createKey();

    @Override
    protected KeyProvider openProvider() {
      return open(own);
    }

    @Override
    protected KeyProvider openStranger() {
      return open(strange);
    }
  }

  @Test
  void theFactsAreTheEncryptionContext() throws IOException {
    try (KeyProvider provider = open(kms.createKey());
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      assertFails("key.refused", FailureKind.PERMANENT, provider, wrapped, ELSEWHERE);
      assertOpens(provider, wrapped, key);
    }
  }

  @Test
  void whatAnOlderVersionWrappedStillOpensAfterRotation() throws IOException {
    String arn = kms.createKey();
    try (KeyProvider provider = open(arn);
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey before = provider.wrap(key, CONTEXT);
      kms.rotate(arn);
      WrappedKey after = provider.wrap(key, CONTEXT);
      assertThat(after.keyId()).isEqualTo(before.keyId());
      assertOpens(provider, before, key);
      assertOpens(provider, after, key);
    }
  }

  @Test
  void whatAnAliasWrappedStillOpensAfterItPointsElsewhere() throws IOException {
    String old = kms.createKey();
    try (KeyProvider provider = open(kms.alias("backup", old));
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey before = provider.wrap(key, CONTEXT);
      kms.alias("backup", kms.createKey());
      WrappedKey after = provider.wrap(key, CONTEXT);
      kms.delete(old);
      assertOpens(provider, after, key);
      assertFails("key.refused", FailureKind.PERMANENT, provider, before, CONTEXT);
    }
  }

  @Test
  void aReplicaInAnotherRegionOpens() throws IOException {
    String first = kms.createMultiRegionKey();
    String replica = kms.replica(first, "eu-west-1");
    try (KeyProvider there = open(first);
        KeyProvider here = open(replica);
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = there.wrap(key, CONTEXT);
      assertOpens(here, wrapped, key);
    }
  }

  @Test
  void aDisabledKeyIsRefusedAndSaysSo() throws IOException {
    String arn = kms.createKey();
    try (KeyProvider provider = open(arn);
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      kms.enable(arn, false);
      assertThat(provider.state()).isEqualTo(new KeyState.Disabled("it is disabled"));
      assertFails("key.refused", FailureKind.PERMANENT, provider, wrapped, CONTEXT);
      kms.enable(arn, true);
      assertThat(provider.state()).isEqualTo(new KeyState.Usable());
      assertOpens(provider, wrapped, key);
    }
  }

  @Test
  void aKeyThatAwaitsDeletionSaysUntilWhenItCanBeCalledOff() throws IOException {
    String arn = kms.createKey();
    Instant at = Instant.parse("2026-12-24T18:00:00Z");
    try (KeyProvider provider = open(arn);
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      kms.scheduleDeletion(arn, at);
      assertThat(provider.state()).isEqualTo(new KeyState.PendingDeletion(Optional.of(at)));
      assertFails("key.refused", FailureKind.PERMANENT, provider, wrapped, CONTEXT);
    }
  }

  @Test
  void aDeletedKeyIsLost() throws IOException {
    String arn = kms.createKey();
    try (KeyProvider provider = open(arn);
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      kms.delete(arn);
      assertThatThrownBy(provider::state)
          .isInstanceOfSatisfying(
              KeyException.class, e -> assertThat(e.code()).isEqualTo("key.lost"));
      assertThatThrownBy(() -> provider.wrap(key, CONTEXT))
          .isInstanceOfSatisfying(
              KeyException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.NOT_FOUND));
      assertThat(wrapped.keyId()).isEqualTo(arn);
    }
  }

  @Test
  void aServiceThatThrottlesIsAskedAgain() throws IOException {
    try (KeyProvider provider = open(kms.createKey());
        DataKey key = DataKey.generate(RANDOM, 64)) {
      kms.strike(Fault.THROTTLED, 2);
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      assertThat(kms.calls("Encrypt")).isEqualTo(3);
      kms.strike(Fault.UNAVAILABLE, 1);
      kms.strike(Fault.CUT, 1);
      assertOpens(provider, wrapped, key);
      assertThat(kms.calls("Decrypt")).isEqualTo(3);
    }
  }

  @Test
  void aServiceThatThrottlesForEverIsAskedABoundedNumberOfTimes() throws IOException {
    try (KeyProvider provider = open(kms.createKey(), Map.of("attempts", "2"));
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      kms.strike(Fault.THROTTLED, 10);
      assertFails("key.unreachable", FailureKind.TRANSIENT, provider, wrapped, CONTEXT);
      assertThat(kms.calls("Decrypt")).isEqualTo(2);
    }
  }

  @Test
  void aServiceThatIsDownIsNotTakenForOneThatRefuses() throws IOException {
    try (KeyProvider provider = open(kms.createKey(), Map.of("attempts", "2"));
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      kms.close();
      assertFails("key.unreachable", FailureKind.TRANSIENT, provider, wrapped, CONTEXT);
      assertThatThrownBy(provider::state)
          .isInstanceOfSatisfying(
              KeyException.class, e -> assertThat(e.code()).isEqualTo("key.unreachable"));
    }
  }

  @Test
  void anInterruptEndsTheWaiting() throws IOException {
    try (KeyProvider provider = open(kms.createKey());
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      kms.strike(Fault.THROTTLED, 100);
      Thread.currentThread().interrupt();
      assertThatThrownBy(() -> provider.unwrap(wrapped, CONTEXT).close())
          .isInstanceOf(InterruptedIOException.class);
      assertThat(Thread.interrupted()).isTrue();
    }
  }

  @Test
  void wrongCredentialsAreRefusedAndNothingTellsThem() throws IOException {
    String arn = kms.createKey();
    try (KeyProvider provider = open(arn, Map.of("access-key-id", "AKIDOTHER"));
        DataKey key = DataKey.copyOf(SECRET.getBytes(StandardCharsets.UTF_8))) {
      assertThatThrownBy(() -> provider.wrap(key, CONTEXT))
          .isInstanceOfSatisfying(
              KeyException.class,
              e -> {
                assertThat(e.code()).isEqualTo("key.refused");
                StringWriter all = new StringWriter();
                e.printStackTrace(new PrintWriter(all));
                assertThat(all.toString() + e.details() + e.remedy())
                    .contains("UnrecognizedClientException")
                    .doesNotContain(SECRET)
                    .doesNotContain(
                        HexFormat.of().formatHex(SECRET.getBytes(StandardCharsets.UTF_8)));
              });
      assertThat(provider + provider.describe() + provider.keyId()).doesNotContain(SECRET);
    }
  }

  @Test
  void aNameThatIsNoArnIsRefusedBeforeAnyoneIsAsked() {
    for (String name :
        new String[] {"alias/backup", "1234abcd-12ab-34cd-56ef-1234567890ab", "arn:aws:s3:::x"}) {
      assertThatThrownBy(() -> open(name))
          .isInstanceOf(BackupException.class)
          .hasMessageContaining(name);
    }
  }

  @Test
  void plainHttpToAnotherHostIsRefused() {
    for (String endpoint :
        new String[] {"http://kms.example.com", "http://10.0.0.1:8080", "ftp://localhost"}) {
      assertThatThrownBy(() -> open(kms.createKey(), Map.of("endpoint", endpoint)))
          .isInstanceOf(BackupException.class)
          .hasMessageContaining("endpoint");
    }
  }

  @Test
  void halfOfTheCredentialsIsAMistake() {
    Settings half = Settings.of("recipient aws-kms", Map.of("access-key-id", "AKID"));
    assertThatThrownBy(() -> open(kms.createKey(), half))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("secret-access-key");
  }

  @Test
  void aRegionThatIsNotTheKeysIsAMistake() {
    assertThatThrownBy(() -> open(kms.createKey(), Map.of("region", "us-east-1")))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("us-east-1");
  }

  @Test
  void itIsFoundWhereItsVendorIsNotThere() throws Exception {
    URL[] ownJars = {
      AwsKmsKeyProviderFactory.class.getProtectionDomain().getCodeSource().getLocation(),
      KeyProviderFactory.class.getProtectionDomain().getCodeSource().getLocation()
    };
    try (URLClassLoader alone = new URLClassLoader(ownJars, ClassLoader.getPlatformClassLoader())) {
      Class<?> type = alone.loadClass(KeyProviderFactory.class.getName());
      Object found = ServiceLoader.load(type, alone).iterator().next();
      assertThat(type.getMethod("scheme").invoke(found)).isEqualTo(AwsKmsKeyProvider.SCHEME);
    }
  }

  private KeyProvider open(String arn) {
    return open(arn, Map.of());
  }

  private KeyProvider open(String arn, Map<String, ?> more) {
    Map<String, Object> values = new HashMap<>();
    values.put("endpoint", kms.endpoint().toString());
    values.put("access-key-id", FakeAwsKms.ACCESS_KEY);
    values.put("secret-access-key", SecretValue.ofText(SECRET));
    values.put("timeout", Duration.ofSeconds(20).toString());
    values.putAll(more);
    return open(arn, Settings.of("recipient aws-kms", values));
  }

  private static KeyProvider open(String arn, Settings settings) {
    KeyProvider provider =
        new AwsKmsKeyProviderFactory().open(URI.create("aws-kms:" + arn), new Context(settings));
    settings.requireAllRead();
    return provider;
  }

  private static void assertOpens(KeyProvider provider, WrappedKey wrapped, DataKey expected)
      throws IOException {
    try (DataKey opened = provider.unwrap(wrapped, CONTEXT)) {
      assertThat(hex(opened)).isEqualTo(hex(expected));
    }
  }

  private static void assertFails(
      String code, FailureKind kind, KeyProvider provider, WrappedKey wrapped, KeyContext context) {
    assertThatThrownBy(() -> provider.unwrap(wrapped, context).close())
        .isInstanceOfSatisfying(
            KeyException.class,
            e -> {
              assertThat(e.code()).isEqualTo(code);
              assertThat(e.kind()).isEqualTo(kind);
              assertThat(e).hasMessageContaining(provider.describe());
            });
  }

  private static String hex(DataKey key) {
    return key.use(HexFormat.of()::formatHex);
  }

  private record Context(Settings settings) implements ProviderContext {
    @Override
    public Clock clock() {
      return Clock.systemUTC();
    }

    @Override
    public Path stateDirectory() {
      return Path.of(".");
    }
  }
}
