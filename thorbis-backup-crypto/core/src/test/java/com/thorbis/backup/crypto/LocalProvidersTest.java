package com.thorbis.backup.crypto;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.ProviderLoader;
import com.thorbis.backup.spi.Providers;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyContext;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.KeyProviderFactory;
import com.thorbis.backup.spi.crypto.WrappedKey;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.KeyStore;
import java.security.SecureRandom;
import java.time.Clock;
import java.util.HexFormat;
import java.util.Map;
import javax.crypto.spec.SecretKeySpec;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The recipients as a configuration opens them. */
class LocalProvidersTest {
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final KeyContext CONTEXT = KeyContext.of(Map.of("tree", "t"));
  private static final SecretValue PASSWORD = SecretValue.ofText("correct horse");

  @TempDir private Path folder;

  @Test
  void aKeystoreOpensByItsUri() throws IOException {
    Path file = keystore();
    URI uri = URI.create("keystore://" + file);
    Map<String, Object> settings = Map.of("password", PASSWORD, "alias", "Backup");
    WrappedKey wrapped;
    try (DataKey key = DataKey.generate(RANDOM, 64);
        KeyProvider provider = open(uri, settings)) {
      wrapped = provider.wrap(key, CONTEXT);
      try (KeyProvider later = open(uri, settings);
          DataKey again = later.unwrap(wrapped, CONTEXT)) {
        assertThat(hex(again)).isEqualTo(hex(key));
      }
    }
    assertThat(wrapped.keyId()).startsWith("backup:").hasSize("backup:".length() + 16);
  }

  @Test
  void aNewKeystoreIsItsOwnersOnlyAndReplacesNothing() throws IOException {
    Path file = keystore();
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
        .isEqualTo("rw-------");
    byte[] before = Files.readAllBytes(file);
    assertThatThrownBy(() -> KeystoreKeyProvider.create(file, PASSWORD, "backup"))
        .isInstanceOf(FileAlreadyExistsException.class);
    assertThat(Files.readAllBytes(file)).isEqualTo(before);
    try (var files = Files.list(folder)) {
      assertThat(files).containsExactly(file);
    }
  }

  @Test
  void anOlderAliasStillOpens() throws Exception {
    Path file = keystore();
    WrappedKey wrapped;
    try (DataKey key = DataKey.generate(RANDOM, 64);
        KeyProvider provider = KeystoreKeyProvider.open(file, PASSWORD, "backup")) {
      wrapped = provider.wrap(key, CONTEXT);
    }
    char[] password = "correct horse".toCharArray();
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(new ByteArrayInputStream(Files.readAllBytes(file)), password);
    store.setEntry(
        "next",
        new KeyStore.SecretKeyEntry(new SecretKeySpec(new byte[32], "AES")),
        new KeyStore.PasswordProtection(password));
    store.setEntry(
        "short",
        new KeyStore.SecretKeyEntry(new SecretKeySpec(new byte[16], "AES")),
        new KeyStore.PasswordProtection(password));
    ByteArrayOutputStream content = new ByteArrayOutputStream();
    store.store(content, password);
    Files.write(file, content.toByteArray());
    try (KeyProvider provider = KeystoreKeyProvider.open(file, PASSWORD, "next")) {
      assertThat(provider.keyId()).startsWith("next:");
      provider.unwrap(wrapped, CONTEXT).close();
    }
    assertCode("key.alias-missing", () -> KeystoreKeyProvider.open(file, PASSWORD, "short"));
  }

  @Test
  void whatIsWrongWithAKeystoreIsSaid() throws IOException {
    Path file = keystore();
    assertCode(
        "key.refused", () -> KeystoreKeyProvider.open(file, SecretValue.ofText("x"), "backup"));
    assertCode("key.alias-missing", () -> KeystoreKeyProvider.open(file, PASSWORD, "other"));
    assertCode(
        "key.file-missing",
        () -> KeystoreKeyProvider.open(folder.resolve("none.p12"), PASSWORD, "backup"));
    Path text = Files.writeString(folder.resolve("text"), "not a keystore");
    Files.setPosixFilePermissions(text, PosixFilePermissions.fromString("rw-------"));
    assertCode("key.file-unusable", () -> KeystoreKeyProvider.open(text, PASSWORD, "backup"));
    assertCode("key.file-unusable", () -> KeystoreKeyProvider.open(privateFolder(), PASSWORD, "b"));
    assertThatThrownBy(() -> open(URI.create("keystore://" + file), Map.of("alias", "backup")))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("password is missing");
    assertThatThrownBy(
            () ->
                open(
                    URI.create("keystore://host/keys.p12"),
                    Map.of("alias", "backup", "password", PASSWORD)))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("keystore:///path");
  }

  @ParameterizedTest
  @ValueSource(strings = {"rw----r--", "rw-rw----", "rw-----w-", "rw-r--r--"})
  void aKeystoreOpenToOthersIsRefused(String permissions) throws IOException {
    Path file = keystore();
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(permissions));
    assertThatThrownBy(() -> KeystoreKeyProvider.open(file, PASSWORD, "backup"))
        .isInstanceOfSatisfying(
            KeyException.class,
            e -> {
              assertThat(e.code()).isEqualTo("key.file-exposed");
              assertThat(e.remedy()).isEqualTo("chmod 600 " + file);
            });
  }

  @Test
  void aGroupMayReadAKeystoreButNotARecoveryKey() throws IOException {
    Path file = keystore();
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("r--r-----"));
    KeystoreKeyProvider.open(file, PASSWORD, "backup").close();
    try (RecoveryKey key = RecoveryKey.generate(RANDOM)) {
      Path paper = keyFile(key);
      Files.setPosixFilePermissions(paper, PosixFilePermissions.fromString("rw-r-----"));
      assertCode(
          "key.file-exposed",
          () -> open(URI.create("recovery:kit"), Map.of("key-file", paper.toString())));
    }
  }

  @Test
  void aPassphraseOpensByItsUri() throws IOException {
    Map<String, Object> settings = Map.of("passphrase", "correct horse");
    try (DataKey key = DataKey.generate(RANDOM, 64);
        KeyProvider provider = open(URI.create("passphrase:team"), settings);
        KeyProvider later = open(URI.create("passphrase:renamed"), settings)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      assertThat(wrapped.keyId()).startsWith("argon2id:m=65536,t=3,p=1,salt=");
      try (DataKey again = later.unwrap(wrapped, CONTEXT)) {
        assertThat(hex(again)).isEqualTo(hex(key));
      }
      assertThat(provider.describe()).isEqualTo("passphrase team");
    }
    assertCode(
        "key.password-missing",
        () -> open(URI.create("passphrase:team"), Map.of("passphrase", "")));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "argon2id:m=1048577,t=3,p=1",
        "argon2id:m=65536,t=17,p=1",
        "argon2id:m=65536,t=3,p=17",
        "argon2id:m=7,t=3,p=1",
        "argon2id:m=9999999999,t=3,p=1",
        "argon2id:m=-1,t=3,p=1",
        "argon2id:m=0,t=0,p=0",
        "argon2i:m=65536,t=3,p=1",
        "scrypt:n=1"
      })
  void c10DerivationsBeyondBoundsAreRefusedBeforeTheyRun(String claimed) throws IOException {
    try (KeyProvider provider = PassphraseKeyProvider.of("p", PASSWORD)) {
      WrappedKey hostile =
          WrappedKey.of("passphrase", claimed + ",salt=" + "00".repeat(16), new byte[136]);
      assertThatThrownBy(() -> provider.unwrap(hostile, CONTEXT))
          .isInstanceOfSatisfying(
              KeyException.class, e -> assertThat(e.code()).isEqualTo("key.refused"));
    }
  }

  @Test
  void c15PassphrasesOfEveryLengthWork() throws IOException {
    PassphraseKeyProvider.Cost cheap = new PassphraseKeyProvider.Cost(8, 1, 1);
    for (int length : new int[] {1, 2, 15, 16, 17, 63, 64, 65, 127, 129, 4096, 1 << 20}) {
      SecretValue secret = SecretValue.copyOf("é".repeat(length).getBytes(StandardCharsets.UTF_8));
      try (DataKey key = DataKey.generate(RANDOM, 64);
          KeyProvider provider = PassphraseKeyProvider.of("p", secret, cheap);
          DataKey again = provider.unwrap(provider.wrap(key, CONTEXT), CONTEXT)) {
        assertThat(hex(again)).isEqualTo(hex(key));
      }
    }
  }

  @Test
  void aRecoveryKeyOpensByItsUri() throws IOException {
    try (RecoveryKey key = RecoveryKey.generate(RANDOM);
        DataKey data = DataKey.generate(RANDOM, 64)) {
      RecoveryPublicKey publicKey = key.publicKey();
      Path publicFile = Files.writeString(folder.resolve("public"), publicKey.text() + "\n");
      Path paper = keyFile(key);
      WrappedKey wrapped;
      try (KeyProvider provider = open(URI.create("recovery:" + publicKey.text()), Map.of())) {
        assertThat(provider.canUnwrap()).isFalse();
        wrapped = provider.wrap(data, CONTEXT);
        assertThatThrownBy(() -> provider.unwrap(wrapped, CONTEXT))
            .isInstanceOf(KeyException.class)
            .hasMessageContaining("public half");
      }
      assertThat(wrapped.ciphertext()).hasSize(2416);
      try (KeyProvider provider =
          open(URI.create("recovery:kit"), Map.of("public-key-file", publicFile.toString()))) {
        assertThat(provider.keyId()).isEqualTo(publicKey.fingerprint());
      }
      for (String named : new String[] {"kit", publicKey.fingerprint(), publicKey.text()}) {
        try (KeyProvider provider =
                open(URI.create("recovery:" + named), Map.of("key-file", paper.toString()));
            DataKey again = provider.unwrap(wrapped, CONTEXT)) {
          assertThat(hex(again)).isEqualTo(hex(data));
        }
      }
      String other = RecoveryKey.generate(RANDOM).publicKey().fingerprint();
      assertCode(
          "key.public-key-invalid",
          () -> open(URI.create("recovery:" + other), Map.of("key-file", paper.toString())));
    }
  }

  @Test
  void whatIsWrongWithARecoveryKeyIsSaid() throws IOException {
    assertCode(
        "key.public-key-invalid", () -> open(URI.create("recovery:RECOVERY-PUBLIC-KEY"), Map.of()));
    assertCode(
        "key.public-key-invalid", () -> open(URI.create("recovery:" + "A".repeat(1627)), Map.of()));
    assertCode(
        "key.file-missing",
        () ->
            open(
                URI.create("recovery:kit"), Map.of("key-file", folder.resolve("none").toString())));
    Path wrong = folder.resolve("wrong");
    Files.createFile(
        wrong, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    Files.writeString(wrong, "THORBIS-RECOVERY-AAAAA");
    assertThatThrownBy(() -> open(URI.create("recovery:kit"), Map.of("key-file", wrong.toString())))
        .isInstanceOf(KeyException.class)
        .hasMessageContaining("60 letters and digits")
        .hasMessageNotContaining("AAAAA");
  }

  private Path keystore() throws IOException {
    Path file = folder.resolve("keys.p12");
    KeystoreKeyProvider.create(file, PASSWORD, "backup");
    return file;
  }

  private Path keyFile(RecoveryKey key) throws IOException {
    Path paper = folder.resolve("paper");
    Files.createFile(
        paper, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    return Files.writeString(paper, new String(key.text()) + "\n");
  }

  private Path privateFolder() throws IOException {
    return Files.createDirectory(
        folder.resolve("folder"),
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
  }

  private KeyProvider open(URI uri, Map<String, Object> values) throws IOException {
    Settings settings = Settings.of("recipient", values);
    KeyProvider provider =
        Providers.load(
                KeyProviderFactory.class,
                "recipient",
                KeyProviderFactory::scheme,
                ProviderLoader.serviceLoader(LocalProvidersTest.class.getClassLoader()))
            .require(uri.getScheme())
            .open(
                uri,
                new ProviderContext() {
                  @Override
                  public Settings settings() {
                    return settings;
                  }

                  @Override
                  public Clock clock() {
                    return Clock.systemUTC();
                  }

                  @Override
                  public Path stateDirectory() {
                    return folder;
                  }
                });
    settings.requireAllRead();
    return provider;
  }

  private static void assertCode(String code, ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            KeyException.class,
            e -> {
              assertThat(e.code()).isEqualTo(code);
              assertThat(e.remedy()).isNotBlank();
              assertThat(e).hasMessageNotContaining("correct horse");
            });
  }

  private static String hex(DataKey key) {
    return key.use(HexFormat.of()::formatHex);
  }
}
