package com.thorbis.backup.crypto.gcp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.auth.oauth2.AccessToken;
import com.google.auth.oauth2.GoogleCredentials;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyContext;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.KeyProviderFactory;
import com.thorbis.backup.spi.crypto.KeyState;
import com.thorbis.backup.spi.crypto.WrappedKey;
import com.thorbis.backup.testkit.KeyProviderContract;
import com.thorbis.backup.testkit.cloud.FakeGoogleKms;
import com.thorbis.backup.testkit.cloud.FakeService.Fault;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.net.http.HttpClient;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Instant;
import java.util.Date;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceLoader;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GcpKmsKeyProviderTest {
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final KeyContext CONTEXT =
      KeyContext.of(Map.of("repository", "r1", "tree", "t1", "epoch", "1"));
  private static final KeyContext ELSEWHERE =
      KeyContext.of(Map.of("repository", "r2", "tree", "t1", "epoch", "1"));

  private final FakeGoogleKms kms;

  GcpKmsKeyProviderTest() throws IOException {
    kms = new FakeGoogleKms();
  }

  @AfterEach
  void stop() {
    kms.close();
  }

  @Nested
  class Contract extends KeyProviderContract {
    private final String own = kms.createKey("own");
    private final String strange = kms.createKey("strange");

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
  void byNameItAsksForItsTokenOnce(@TempDir Path folder) throws IOException {
    String name = kms.createKey("own");
    Path file = folder.resolve("account.json");
    Files.writeString(file, kms.serviceAccount());
    try (KeyProvider provider = byName(name, Map.of("credentials-file", file.toString()));
        DataKey key = DataKey.generate(RANDOM, 64)) {
      assertThat(kms.calls("token")).isZero();
      assertOpens(provider, provider.wrap(key, CONTEXT), key);
      assertThat(kms.calls("token")).isEqualTo(1);
      assertThat(provider + provider.describe() + provider.keyId()).doesNotContain("PRIVATE");
    }
  }

  @Test
  void theFactsAreAuthenticated() throws IOException {
    try (KeyProvider provider = open(kms.createKey("own"));
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      assertFails("key.refused", FailureKind.PERMANENT, provider, wrapped, ELSEWHERE);
      assertOpens(provider, wrapped, key);
    }
  }

  @Test
  void whatAnOlderVersionWrappedStillOpensAfterRotation() throws IOException {
    String name = kms.createKey("own");
    try (KeyProvider provider = open(name);
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey before = provider.wrap(key, CONTEXT);
      kms.rotate(name);
      WrappedKey after = provider.wrap(key, CONTEXT);
      assertOpens(provider, before, key);
      assertOpens(provider, after, key);
      assertThat(provider.state()).isEqualTo(new KeyState.Usable());
    }
  }

  @Test
  void aDisabledKeyIsRefusedAndSaysSo() throws IOException {
    String name = kms.createKey("own");
    try (KeyProvider provider = open(name);
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      kms.enable(name, 1, false);
      assertThat(provider.state())
          .isEqualTo(new KeyState.Disabled(name + "/cryptoKeyVersions/1 is DISABLED"));
      assertFails("key.refused", FailureKind.PERMANENT, provider, wrapped, CONTEXT);
      kms.enable(name, 1, true);
      assertThat(provider.state()).isEqualTo(new KeyState.Usable());
      assertOpens(provider, wrapped, key);
    }
  }

  @Test
  void aVersionThatAwaitsDestructionSaysUntilWhenItCanBeCalledOff() throws IOException {
    String name = kms.createKey("own");
    Instant at = Instant.parse("2026-12-24T18:00:00Z");
    try (KeyProvider provider = open(name);
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      kms.rotate(name);
      kms.rotate(name);
      kms.scheduleDestruction(name, 2, at.plusSeconds(60));
      kms.scheduleDestruction(name, 1, at);
      assertThat(provider.state()).isEqualTo(new KeyState.PendingDeletion(Optional.of(at)));
      assertFails("key.refused", FailureKind.PERMANENT, provider, wrapped, CONTEXT);
    }
  }

  @Test
  void aKeyThatIsNotThereIsLost() throws IOException {
    String name = kms.createKey("own").replace("own", "other");
    try (KeyProvider provider = open(name);
        DataKey key = DataKey.generate(RANDOM, 64)) {
      assertThatThrownBy(provider::state)
          .isInstanceOfSatisfying(
              KeyException.class, e -> assertThat(e.code()).isEqualTo("key.lost"));
      assertThatThrownBy(() -> provider.wrap(key, CONTEXT))
          .isInstanceOfSatisfying(
              KeyException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.NOT_FOUND));
    }
  }

  @Test
  void aServiceThatThrottlesIsAskedAgain() throws IOException {
    try (KeyProvider provider = open(kms.createKey("own"));
        DataKey key = DataKey.generate(RANDOM, 64)) {
      kms.strike(Fault.THROTTLED, 2);
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      assertThat(kms.calls("encrypt")).isEqualTo(3);
      kms.strike(Fault.UNAVAILABLE, 1);
      kms.strike(Fault.CUT, 1);
      assertOpens(provider, wrapped, key);
      assertThat(kms.calls("decrypt")).isEqualTo(3);
    }
  }

  @Test
  void aServiceThatThrottlesForEverIsAskedABoundedNumberOfTimes() throws IOException {
    try (KeyProvider provider = builder(kms.createKey("own")).attempts(2).build();
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      kms.strike(Fault.THROTTLED, 10);
      assertFails("key.unreachable", FailureKind.TRANSIENT, provider, wrapped, CONTEXT);
      assertThat(kms.calls("decrypt")).isEqualTo(2);
    }
  }

  @Test
  void whatChangesOnTheWayIsNeitherTakenNorStored() throws IOException {
    try (KeyProvider provider = builder(kms.createKey("own")).attempts(2).build();
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      kms.corruptAnswers(true);
      assertFails("key.unreachable", FailureKind.TRANSIENT, provider, wrapped, CONTEXT);
      assertThat(kms.calls("decrypt")).isEqualTo(2);
      assertThatThrownBy(() -> provider.wrap(key, CONTEXT))
          .isInstanceOfSatisfying(
              KeyException.class, e -> assertThat(e.code()).isEqualTo("key.unreachable"))
          .hasMessageContaining("ciphertext");
      kms.corruptAnswers(false);
      assertOpens(provider, wrapped, key);
    }
  }

  @Test
  void aWrapOfWhichTheServiceDidNotCheckWhatItGotIsNotTaken() throws IOException {
    try (KeyProvider provider = builder(kms.createKey("own")).attempts(1).build();
        DataKey key = DataKey.generate(RANDOM, 64)) {
      kms.ignoreChecksums(true);
      assertThatThrownBy(() -> provider.wrap(key, CONTEXT))
          .isInstanceOf(KeyException.class)
          .hasMessageContaining("verifiedPlaintextCrc32c");
    }
  }

  @Test
  void aServiceThatIsDownIsNotTakenForOneThatRefuses() throws IOException {
    try (KeyProvider provider = builder(kms.createKey("own")).attempts(2).build();
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
    try (KeyProvider provider = builder(kms.createKey("own")).attempts(20).build();
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
    String token = "ya29.somebody-elses";
    String secret = "the very key material that is wrapped";
    try (KeyProvider provider =
            builder(kms.createKey("own")).credentials(credentials(token)).build();
        DataKey key = DataKey.copyOf(secret.getBytes(StandardCharsets.UTF_8))) {
      assertThatThrownBy(() -> provider.wrap(key, CONTEXT))
          .isInstanceOfSatisfying(
              KeyException.class,
              e -> {
                assertThat(e.code()).isEqualTo("key.refused");
                StringWriter all = new StringWriter();
                e.printStackTrace(new PrintWriter(all));
                assertThat(all.toString() + e.details() + e.remedy())
                    .contains("UNAUTHENTICATED")
                    .doesNotContain(token)
                    .doesNotContain(secret);
              });
      assertThat(provider + provider.describe()).doesNotContain(token);
    }
  }

  @Test
  void aFileThatIsNotThereIsNamed() throws IOException {
    try (KeyProvider provider =
            byName(
                kms.createKey("own"),
                Map.of("credentials-file", "/nowhere/account.json", "attempts", "1"));
        DataKey key = DataKey.generate(RANDOM, 64)) {
      assertThatThrownBy(() -> provider.wrap(key, CONTEXT))
          .isInstanceOf(KeyException.class)
          .hasMessageContaining("/nowhere/account.json");
    }
  }

  @Test
  void aNameThatIsNoKeysIsRefusedBeforeAnyoneIsAsked() {
    String name = kms.createKey("own");
    for (String wrong :
        new String[] {"own", name + "/cryptoKeyVersions/1", name + "?x", "a/" + name}) {
      assertThatThrownBy(() -> open(wrong))
          .isInstanceOf(BackupException.class)
          .hasMessageContaining(wrong);
    }
  }

  @Test
  void plainHttpToAnotherHostIsRefused() {
    String name = kms.createKey("own");
    assertThatThrownBy(() -> byName(name, Map.of("endpoint", "http://kms.example.com")))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("endpoint");
    assertThatThrownBy(() -> builder(name).endpoint(URI.create("http://kms.example.com")))
        .isInstanceOf(BackupException.class);
  }

  @Test
  void itIsFoundWhereItsVendorIsNotThere() throws Exception {
    URL[] ownJars = {
      GcpKmsKeyProviderFactory.class.getProtectionDomain().getCodeSource().getLocation(),
      KeyProviderFactory.class.getProtectionDomain().getCodeSource().getLocation()
    };
    try (URLClassLoader alone = new URLClassLoader(ownJars, ClassLoader.getPlatformClassLoader())) {
      Class<?> type = alone.loadClass(KeyProviderFactory.class.getName());
      Object found = ServiceLoader.load(type, alone).iterator().next();
      assertThat(type.getMethod("scheme").invoke(found)).isEqualTo(GcpKmsKeyProvider.SCHEME);
    }
  }

  private KeyProvider open(String name) {
    return builder(name).build();
  }

  private GcpKmsKeyProvider.Builder builder(String name) {
    return GcpKmsKeyProvider.builder()
        .client(HttpClient.newHttpClient())
        .credentials(credentials(kms.accessToken()))
        .endpoint(kms.endpoint())
        .key(name);
  }

  private static GoogleCredentials credentials(String token) {
    return GoogleCredentials.create(
        new AccessToken(token, Date.from(Instant.now().plusSeconds(3600))));
  }

  private KeyProvider byName(String name, Map<String, ?> more) {
    Map<String, Object> values = new HashMap<>();
    values.put("endpoint", kms.endpoint().toString());
    values.putAll(more);
    Settings settings = Settings.of("recipient gcp-kms", values);
    KeyProvider provider =
        new GcpKmsKeyProviderFactory().open(URI.create("gcp-kms:" + name), new Context(settings));
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
