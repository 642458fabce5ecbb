package com.thorbis.backup.crypto.pkcs11;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyContext;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.KeyState;
import com.thorbis.backup.spi.crypto.WrappedKey;
import com.thorbis.backup.testkit.KeyProviderContract;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.Provider;
import java.security.SecureRandom;
import java.security.Security;
import java.time.Clock;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class Pkcs11KeyProviderIT {
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final KeyContext CONTEXT =
      KeyContext.of(Map.of("repository", "r1", "tree", "t1", "epoch", "1"));
  private static final KeyContext ELSEWHERE =
      KeyContext.of(Map.of("repository", "r2", "tree", "t1", "epoch", "1"));

  private static final int MAIN;
  private static final int STRANGE;
  private static final int LOCKED;

  static {
    try {
      SoftHsm.reset();
      MAIN = SoftHsm.token("main");
      STRANGE = SoftHsm.token("strange");
      LOCKED = SoftHsm.token("locked");
      SoftHsm.key("main", "AES:32", "backup-2025");
      SoftHsm.key("main", "AES:32", "backup-2026");
      SoftHsm.key("strange", "AES:32", "backup-2025");
      SoftHsm.key("locked", "AES:32", "backup-2025");
    } catch (IOException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  @Nested
  class ByName extends KeyProviderContract {
    @Override
    protected KeyProvider openProvider() {
      return open("backup-2025", MAIN);
    }

    @Override
    protected KeyProvider openStranger() {
      return open("backup-2025", STRANGE);
    }
  }

  @Nested
  class OverAProviderOfTheHost extends KeyProviderContract {
    private final Provider main = slot(MAIN);
    private final Provider strange = slot(STRANGE);

    @Override
    protected KeyProvider openProvider() {
      return provider(main);
    }

    @Override
    protected KeyProvider openStranger() {
      return provider(strange);
    }

    private KeyProvider provider(Provider token) {
      return Pkcs11KeyProvider.builder()
          .provider(token)
          .pin(SecretValue.ofText(SoftHsm.PIN))
          .key("hsm-1/backup-2025")
          .build();
    }

    private Provider slot(int slot) {
      return Security.getProvider("SunPKCS11")
          .configure(
              "--name = host" + slot + "\nlibrary = " + SoftHsm.LIBRARY + "\nslot = " + slot);
    }
  }

  @Test
  void theKeyItselfNeverLeavesTheToken() throws Exception {
    Provider token =
        Security.getProvider("SunPKCS11")
            .configure("--name = look\nlibrary = " + SoftHsm.LIBRARY + "\nslot = " + MAIN);
    KeyStore keys = KeyStore.getInstance("PKCS11", token);
    keys.load(null, SoftHsm.PIN.toCharArray());
    assertThat(keys.getKey("backup-2025", null).getEncoded()).isNull();
  }

  @Test
  void aWrapIsMadeAsTheFormatSays() throws Exception {
    Provider token =
        Security.getProvider("SunPKCS11")
            .configure("--name = book\nlibrary = " + SoftHsm.LIBRARY + "\nslot = " + MAIN);
    KeyStore keys = KeyStore.getInstance("PKCS11", token);
    keys.load(null, SoftHsm.PIN.toCharArray());
    byte[] nonce = new byte[12];
    byte[] material = new byte[64];
    RANDOM.nextBytes(nonce);
    RANDOM.nextBytes(material);
    Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding", token);
    cipher.init(
        Cipher.ENCRYPT_MODE, keys.getKey("backup-2025", null), new GCMParameterSpec(128, nonce));
    cipher.updateAAD(CONTEXT.encoded());
    byte[] wrapped =
        ByteBuffer.allocate(1 + 12 + 64 + 16)
            .put((byte) 1)
            .put(nonce)
            .put(cipher.doFinal(material))
            .array();
    try (KeyProvider provider = open("hsm-1/backup-2026", MAIN);
        DataKey expected = DataKey.copyOf(material)) {
      assertOpens(provider, WrappedKey.of("pkcs11", "hsm-1/backup-2025", wrapped), expected);
    }
  }

  @Test
  void theFactsAreAuthenticatedInTheToken() throws IOException {
    try (KeyProvider provider = open("backup-2025", MAIN);
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      assertFails("key.refused", FailureKind.PERMANENT, provider, wrapped, ELSEWHERE);
      assertOpens(provider, wrapped, key);
      assertThat(provider.state()).isEqualTo(new KeyState.Usable());
    }
  }

  @Test
  void whatAnOlderKeyWrappedStillOpensAfterRotation() throws IOException {
    try (KeyProvider before = open("hsm-1/backup-2025", MAIN);
        KeyProvider after = open("hsm-1/backup-2026", MAIN);
        DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = before.wrap(key, CONTEXT);
      assertOpens(after, wrapped, key);
      assertThat(after.wrap(key, CONTEXT).keyId()).isEqualTo("hsm-1/backup-2026");
    }
  }

  @Test
  void tokensOfAnotherNameAreNotTriedThoughTheirLabelsAreTheSame() throws IOException {
    try (KeyProvider one = open("hsm-1/backup-2025", MAIN);
        KeyProvider other = open("hsm-2/backup-2025", MAIN);
        DataKey key = DataKey.generate(RANDOM, 64)) {
      assertFails("key.refused", FailureKind.PERMANENT, other, one.wrap(key, CONTEXT), CONTEXT);
    }
  }

  @Test
  void aKeyThatIsNotThereIsLostAndThoseThatAreThereAreNamed() throws IOException {
    try (KeyProvider provider = open("backup-2027", MAIN)) {
      assertThatThrownBy(provider::state)
          .isInstanceOfSatisfying(
              KeyException.class,
              e -> {
                assertThat(e.code()).isEqualTo("key.lost");
                assertThat(e.kind()).isEqualTo(FailureKind.NOT_FOUND);
              })
          .hasMessageContaining("backup-2025")
          .hasMessageContaining("backup-2026");
    }
  }

  @Test
  void aSlotWithoutATokenIsNotTakenForALostKey() throws IOException {
    try (KeyProvider provider = open("backup-2025", 7);
        DataKey key = DataKey.generate(RANDOM, 64)) {
      assertThatThrownBy(() -> provider.wrap(key, CONTEXT))
          .isInstanceOfSatisfying(
              KeyException.class, e -> assertThat(e.code()).isEqualTo("key.unreachable"));
    }
  }

  @Test
  void aWrongPinIsTriedOnceAndNeverTold() throws IOException {
    String wrong = "98765432";
    try (KeyProvider provider =
        open("backup-2025", LOCKED, Map.of("pin", SecretValue.ofText(wrong)))) {
      Throwable first = catchThrowable(provider::state);
      for (int i = 0; i < 3; i++) {
        assertThatThrownBy(provider::state)
            .isSameAs(first)
            .isInstanceOfSatisfying(
                KeyException.class,
                e -> {
                  assertThat(e.code()).isEqualTo("key.refused");
                  StringWriter all = new StringWriter();
                  e.printStackTrace(new PrintWriter(all));
                  assertThat(all.toString() + e.details() + e.remedy()).doesNotContain(wrong);
                })
            .hasMessageContaining("PIN");
      }
      assertThat(provider + provider.describe() + provider.keyId()).doesNotContain(wrong);
    }
    try (KeyProvider provider = open("backup-2025", LOCKED)) {
      assertThat(provider.state()).isEqualTo(new KeyState.Usable());
    }
  }

  @Test
  void aLibraryThatIsNotThereIsAMistakeThatIsNamed() throws IOException {
    try (KeyProvider provider =
        open("backup-2025", MAIN, Map.of("library", "/usr/lib/no-such-token.so"))) {
      assertThatThrownBy(provider::state)
          .isInstanceOfSatisfying(
              KeyException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.CONFIGURATION))
          .hasMessageContaining("/usr/lib/no-such-token.so");
    }
  }

  @Test
  void aPathThatWouldSayMoreThanAPathIsRefused() {
    for (String path :
        new String[] {"libsofthsm2.so", "/lib/x.so\nslot = 3", "/lib/${user.home}.so"}) {
      assertThatThrownBy(() -> open("backup-2025", MAIN, Map.of("library", path)))
          .isInstanceOf(BackupException.class)
          .hasMessageContaining("library");
    }
  }

  private static KeyProvider open(String name, int slot) {
    return open(name, slot, Map.of());
  }

  private static KeyProvider open(String name, int slot, Map<String, ?> more) {
    Map<String, Object> values = new HashMap<>();
    values.put("library", SoftHsm.LIBRARY.toString());
    values.put("slot", Integer.toString(slot));
    values.put("pin", SecretValue.ofText(SoftHsm.PIN));
    values.putAll(more);
    Settings settings = Settings.of("recipient pkcs11", values);
    KeyProvider provider =
        new Pkcs11KeyProviderFactory().open(URI.create("pkcs11:" + name), new Context(settings));
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
