package com.thorbis.backup.crypto.azure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.azure.core.http.HttpClient;
import com.azure.core.http.jdk.httpclient.JdkHttpClientBuilder;
import com.azure.core.http.policy.FixedDelayOptions;
import com.azure.core.http.policy.RetryOptions;
import com.azure.identity.ClientSecretCredentialBuilder;
import com.azure.security.keyvault.keys.KeyClient;
import com.azure.security.keyvault.keys.KeyClientBuilder;
import com.azure.security.keyvault.keys.cryptography.models.KeyWrapAlgorithm;
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
import com.thorbis.backup.testkit.cloud.FakeKeyVault;
import com.thorbis.backup.testkit.cloud.FakeService.Fault;
import com.thorbis.backup.testkit.cloud.LoopbackTls;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceLoader;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AzureKeyVaultKeyProviderTest {
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final Instant NOW = Instant.parse("2026-11-26T00:00:00Z");
  private static final KeyContext CONTEXT =
      KeyContext.of(Map.of("repository", "r1", "tree", "t1", "epoch", "1"));
  private static final KeyContext ELSEWHERE =
      KeyContext.of(Map.of("repository", "r2", "tree", "t1", "epoch", "1"));

  private static LoopbackTls tls;

  private final FakeKeyVault vault;

  AzureKeyVaultKeyProviderTest() throws IOException {
    vault = new FakeKeyVault(tls);
    vault.createKey("own", 2048);
  }

  @BeforeAll
  static void makeCertificate() throws IOException {
    tls = LoopbackTls.create();
  }

  @AfterEach
  void stop() {
    vault.close();
  }

  @Nested
  class Contract extends KeyProviderContract {
    private final KeyClient client = client(FakeKeyVault.CLIENT_SECRET, 3);

    @Override
    protected KeyProvider openProvider() {
      return provider(client, "own");
    }

    @Override
    protected KeyProvider openStranger() {
      vault.createKey("strange", 2048);
      return provider(client, "strange");
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {2048, 3072, 4096})
  void theLongestKeyFitsWithItsFacts(int bits) throws IOException {
    vault.createKey("other", bits);
    try (KeyProvider provider = open("other");
        DataKey key = DataKey.generate(RANDOM, 128)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      assertThat(wrapped.ciphertext()).hasSize(1 + 32 + bits / 8);
      assertOpens(provider, wrapped, key);
      assertFails("key.refused", FailureKind.PERMANENT, provider, wrapped, ELSEWHERE);
    }
  }

  @Test
  void aWrapIsMadeAsTheFormatSays() throws Exception {
    KeyClient client = client(FakeKeyVault.CLIENT_SECRET, 3);
    String version = client.getKey("own").getProperties().getVersion();
    byte[] material = new byte[64];
    RANDOM.nextBytes(material);
    byte[] payload =
        ByteBuffer.allocate(1 + 32 + 64)
            .put((byte) 1)
            .put(MessageDigest.getInstance("SHA-256").digest(CONTEXT.encoded()))
            .put(material)
            .array();
    byte[] block =
        client
            .getCryptographyClient("own", version)
            .wrapKey(KeyWrapAlgorithm.RSA_OAEP_256, payload)
            .getEncryptedKey();
    byte[] wrapped =
        ByteBuffer.allocate(1 + 32 + block.length)
            .put((byte) 32)
            .put(version.getBytes(StandardCharsets.US_ASCII))
            .put(block)
            .array();
    try (KeyProvider provider = provider(client, "own");
        DataKey expected = DataKey.copyOf(material)) {
      assertOpens(provider, WrappedKey.of("azure-keyvault", provider.keyId(), wrapped), expected);
    }
  }

  @Test
  void whatAnOlderVersionWrappedStillOpensAfterRotation() throws IOException {
    try (KeyProvider provider = open("own");
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey before = provider.wrap(key, CONTEXT);
      vault.rotate("own");
      WrappedKey after = provider.wrap(key, CONTEXT);
      assertThat(after.keyId()).isEqualTo(before.keyId());
      assertOpens(provider, before, key);
      assertOpens(provider, after, key);
    }
  }

  @Test
  void aDisabledKeyIsRefusedAndSaysSo() throws IOException {
    try (KeyProvider provider = open("own");
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      vault.enable("own", false);
      assertThat(provider.state()).isEqualTo(new KeyState.Disabled("it is disabled"));
      assertFails("key.refused", FailureKind.PERMANENT, provider, wrapped, CONTEXT);
      vault.enable("own", true);
      assertThat(provider.state()).isEqualTo(new KeyState.Usable());
      assertOpens(provider, wrapped, key);
    }
  }

  @Test
  void anExpiredKeyIsNotUsable() throws IOException {
    try (KeyProvider provider = open("own")) {
      vault.expire("own", NOW.plusSeconds(60));
      assertThat(provider.state()).isEqualTo(new KeyState.Usable());
      vault.expire("own", NOW.minusSeconds(60));
      assertThat(provider.state())
          .isInstanceOfSatisfying(
              KeyState.Disabled.class,
              state -> assertThat(state.reason()).contains(NOW.minusSeconds(60).toString()));
    }
  }

  @Test
  void aDeletedKeySaysUntilWhenItCanBeRecovered() throws IOException {
    Instant at = Instant.parse("2026-12-24T18:00:00Z");
    try (KeyProvider provider = open("own");
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      vault.delete("own", at);
      assertThat(provider.state()).isEqualTo(new KeyState.PendingDeletion(Optional.of(at)));
      assertThatThrownBy(() -> provider.unwrap(wrapped, CONTEXT).close())
          .isInstanceOfSatisfying(
              KeyException.class, e -> assertThat(e.code()).isEqualTo("key.refused"))
          .hasMessageContaining(at.toString());
      vault.recover("own");
      assertOpens(provider, wrapped, key);
    }
  }

  @Test
  void aPurgedKeyIsLost() throws IOException {
    try (KeyProvider provider = open("own");
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      vault.purge("own");
      assertFails("key.lost", FailureKind.NOT_FOUND, provider, wrapped, CONTEXT);
      assertThatThrownBy(provider::state)
          .isInstanceOfSatisfying(
              KeyException.class, e -> assertThat(e.code()).isEqualTo("key.lost"));
      assertThatThrownBy(() -> provider.wrap(key, CONTEXT))
          .isInstanceOfSatisfying(
              KeyException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.NOT_FOUND));
    }
  }

  @Test
  void aVaultThatThrottlesIsAskedAgain() throws IOException {
    try (KeyProvider provider = open("own");
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      vault.strike(Fault.THROTTLED, 2);
      assertOpens(provider, wrapped, key);
      vault.strike(Fault.UNAVAILABLE, 1);
      vault.strike(Fault.CUT, 1);
      assertOpens(provider, wrapped, key);
    }
  }

  @Test
  void aVaultThatThrottlesForEverIsAskedABoundedNumberOfTimes() throws IOException {
    try (KeyProvider provider = provider(client(FakeKeyVault.CLIENT_SECRET, 2), "own")) {
      assertThat(provider.state()).isEqualTo(new KeyState.Usable());
      int before = vault.calls("get");
      vault.strike(Fault.THROTTLED, 10);
      assertThatThrownBy(provider::state)
          .isInstanceOfSatisfying(
              KeyException.class, e -> assertThat(e.code()).isEqualTo("key.unreachable"));
      assertThat(vault.calls("get") - before).isEqualTo(2);
    }
  }

  @Test
  void aVaultThatAsksForAnHourIsNotWaitedFor() throws IOException {
    try (KeyProvider provider =
        AzureKeyVaultKeyProvider.builder()
            .client(client(FakeKeyVault.CLIENT_SECRET, 4))
            .key("own")
            .longest(Duration.ofMillis(200))
            .build()) {
      vault.retryAfter(Duration.ofHours(1));
      vault.strike(Fault.THROTTLED, 1);
      assertThatThrownBy(provider::state)
          .isInstanceOfSatisfying(
              KeyException.class, e -> assertThat(e.code()).isEqualTo("key.unreachable"));
    }
  }

  @Test
  void aVaultThatIsDownIsNotTakenForOneThatRefuses() throws IOException {
    try (KeyProvider provider = open("own");
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      vault.close();
      assertFails("key.unreachable", FailureKind.TRANSIENT, provider, wrapped, CONTEXT);
      assertThatThrownBy(provider::state)
          .isInstanceOfSatisfying(
              KeyException.class, e -> assertThat(e.code()).isEqualTo("key.unreachable"));
    }
  }

  @Test
  void anInterruptEndsTheWaiting() throws IOException {
    try (KeyProvider provider = open("own");
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      vault.strike(Fault.THROTTLED, 100);
      Thread.currentThread().interrupt();
      assertThatThrownBy(() -> provider.unwrap(wrapped, CONTEXT).close())
          .isInstanceOf(InterruptedIOException.class);
      assertThat(Thread.interrupted()).isTrue();
    }
  }

  @Test
  void aWrongSecretIsRefusedAndNothingTellsIt() throws IOException {
    String secret = "the-secret-of-somebody-else";
    String material = "the very key material that is wrapped";
    try (KeyProvider provider = provider(client(secret, 2), "own");
        DataKey key = DataKey.copyOf(material.getBytes(StandardCharsets.UTF_8))) {
      assertThatThrownBy(() -> provider.wrap(key, CONTEXT))
          .isInstanceOfSatisfying(
              KeyException.class,
              e -> {
                assertThat(e.code()).isEqualTo("key.refused");
                StringWriter all = new StringWriter();
                e.printStackTrace(new PrintWriter(all));
                assertThat(all.toString() + e.details() + e.remedy())
                    .doesNotContain(secret)
                    .doesNotContain(material);
              });
      assertThat(provider + provider.describe()).doesNotContain(secret);
    }
  }

  @Test
  void byNameItKnowsItsVaultAndAsksNobodyYet() throws IOException {
    String secret = "a-client-secret";
    try (KeyProvider provider =
        byName(
            "azure-keyvault://acme.vault.azure.net/keys/orders",
            Map.of(
                "tenant-id",
                "11111111-2222-3333-4444-555555555555",
                "client-id",
                "c",
                "client-secret",
                SecretValue.ofText(secret)))) {
      assertThat(provider.keyId()).isEqualTo("https://acme.vault.azure.net/keys/orders");
      assertThat(provider + provider.describe()).doesNotContain(secret);
    }
    try (KeyProvider provider =
        byName("azure-keyvault://acme.vault.azure.net/keys/orders", Map.of())) {
      assertThat(provider.describe()).isEqualTo("azure-keyvault " + provider.keyId());
    }
  }

  @Test
  void byNameItSaysWhenItsVaultIsDown() throws IOException {
    String address = vault.endpoint().getAuthority();
    vault.close();
    try (KeyProvider provider =
        byName(
            "azure-keyvault://" + address + "/keys/own",
            Map.of(
                "tenant-id",
                "t",
                "client-id",
                "c",
                "client-secret",
                SecretValue.ofText("s"),
                "authority-host",
                "https://" + address,
                "attempts",
                "2"))) {
      assertThatThrownBy(provider::state)
          .isInstanceOfSatisfying(
              KeyException.class, e -> assertThat(e.code()).isEqualTo("key.unreachable"));
    }
  }

  @Test
  void aNameThatIsNoKeysIsRefusedBeforeAnyoneIsAsked() {
    for (String wrong :
        new String[] {
          "azure-keyvault:orders",
          "azure-keyvault://acme.vault.azure.net/orders",
          "azure-keyvault://acme.vault.azure.net/keys/orders/0123456789abcdef0123456789abcdef",
          "azure-keyvault://acme.vault.azure.net/keys/no_key"
        }) {
      assertThatThrownBy(() -> byName(wrong, Map.of()))
          .isInstanceOf(BackupException.class)
          .hasMessageContaining("does not name a key");
    }
  }

  @Test
  void someOfTheCredentialsIsAMistake() {
    assertThatThrownBy(
            () ->
                byName(
                    "azure-keyvault://acme.vault.azure.net/keys/orders", Map.of("client-id", "c")))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("client-secret");
  }

  @Test
  void plainHttpToAnotherHostIsRefused() {
    KeyClient plain =
        new KeyClientBuilder()
            .vaultUrl("http://vault.example.com")
            .credential(
                new ClientSecretCredentialBuilder()
                    .tenantId("t")
                    .clientId("c")
                    .clientSecret("s")
                    .build())
            .httpClient(http())
            .buildClient();
    assertThatThrownBy(() -> provider(plain, "own"))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("without TLS");
    assertThatThrownBy(
            () ->
                byName(
                    "azure-keyvault://acme.vault.azure.net/keys/orders",
                    Map.of("authority-host", "http://login.example.com")))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("authority-host");
  }

  @Test
  void itIsFoundWhereItsVendorIsNotThere() throws Exception {
    URL[] ownJars = {
      AzureKeyVaultKeyProviderFactory.class.getProtectionDomain().getCodeSource().getLocation(),
      KeyProviderFactory.class.getProtectionDomain().getCodeSource().getLocation()
    };
    try (URLClassLoader alone = new URLClassLoader(ownJars, ClassLoader.getPlatformClassLoader())) {
      Class<?> type = alone.loadClass(KeyProviderFactory.class.getName());
      Object found = ServiceLoader.load(type, alone).iterator().next();
      assertThat(type.getMethod("scheme").invoke(found)).isEqualTo(AzureKeyVaultKeyProvider.SCHEME);
    }
  }

  private KeyProvider open(String name) {
    return provider(client(FakeKeyVault.CLIENT_SECRET, 4), name);
  }

  private static KeyProvider provider(KeyClient client, String name) {
    return AzureKeyVaultKeyProvider.builder()
        .client(client)
        .key(name)
        .clock(Clock.fixed(NOW, ZoneOffset.UTC))
        .build();
  }

  /** The vendor's own client, which trusts this vault's certificate and its name. */
  private KeyClient client(String secret, int attempts) {
    RetryOptions retries =
        new RetryOptions(new FixedDelayOptions(attempts - 1, Duration.ofMillis(10)));
    return new KeyClientBuilder()
        .vaultUrl(vault.endpoint().toString())
        .httpClient(http())
        .retryOptions(retries)
        .disableChallengeResourceVerification()
        .credential(
            new ClientSecretCredentialBuilder()
                .httpClient(http())
                .retryOptions(retries)
                .authorityHost(vault.endpoint().toString())
                .disableInstanceDiscovery()
                .tenantId("tenant")
                .clientId("client")
                .clientSecret(secret)
                .build())
        .buildClient();
  }

  private static HttpClient http() {
    return new JdkHttpClientBuilder(java.net.http.HttpClient.newBuilder().sslContext(tls.client()))
        .build();
  }

  private static KeyProvider byName(String uri, Map<String, ?> values) {
    Settings settings = Settings.of("recipient azure-keyvault", values);
    KeyProvider provider =
        new AzureKeyVaultKeyProviderFactory().open(URI.create(uri), new Context(settings));
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
