package com.thorbis.backup.crypto;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.spi.crypto.KeyException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SigningKeyTest {
  private static final byte[] MESSAGE = "a commit".getBytes(StandardCharsets.UTF_8);

  @TempDir Path folder;

  private final SigningKey key = SigningKey.generate(new SecureRandom());

  @Test
  void thePlatformAgreesOnWhatIsSigned() throws GeneralSecurityException {
    byte[] lead = HexFormat.of().parseHex("302a300506032b6570032100");
    byte[] encoded = new byte[lead.length + SigningPublicKey.LENGTH];
    System.arraycopy(lead, 0, encoded, 0, lead.length);
    System.arraycopy(key.publicKey(), 0, encoded, lead.length, SigningPublicKey.LENGTH);
    Signature platform = Signature.getInstance("Ed25519");
    platform.initVerify(
        KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(encoded)));
    platform.update(MESSAGE);
    assertThat(platform.verify(key.sign(MESSAGE))).isTrue();
  }

  @Test
  void noPublicHalfLooksLikeAnOptionOfACommand() {
    SecureRandom random = new SecureRandom();
    for (int i = 0; i < 2000; i++) {
      try (SigningKey drawn = SigningKey.generate(random)) {
        assertThat(drawn.verifier().text()).doesNotStartWith("-");
      }
    }
  }

  @Test
  void whateverIsChangedIsNotSigned() {
    byte[] signature = key.sign(MESSAGE);
    assertThat(signature).hasSize(SigningPublicKey.SIGNATURE);
    assertThat(key.verifier().verifies(MESSAGE, signature)).isTrue();
    for (int i = 0; i < 8 * MESSAGE.length; i++) {
      byte[] other = MESSAGE.clone();
      other[i / 8] ^= (byte) (1 << i % 8);
      assertThat(key.verifier().verifies(other, signature)).isFalse();
    }
    for (int i = 0; i < 8 * signature.length; i++) {
      byte[] other = signature.clone();
      other[i / 8] ^= (byte) (1 << i % 8);
      assertThat(key.verifier().verifies(MESSAGE, other)).isFalse();
    }
    assertThat(key.verifier().verifies(MESSAGE, new byte[63])).isFalse();
    assertThat(SigningKey.generate(new SecureRandom()).verifier().verifies(MESSAGE, signature))
        .isFalse();
  }

  @Test
  void aKeyComesBackFromItsFileThatNobodyElseCanRead() throws IOException {
    Path file = folder.resolve("host.key");
    key.writeTo(file);
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
        .isEqualTo("rw-------");
    try (SigningKey read = SigningKey.read(file)) {
      assertThat(read.verifier()).isEqualTo(key.verifier());
      assertThat(read.sign(MESSAGE)).isEqualTo(key.sign(MESSAGE));
    }
    assertThatThrownBy(() -> SigningKey.generate(new SecureRandom()).writeTo(file))
        .isInstanceOf(FileAlreadyExistsException.class);
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-----"));
    assertFails(file, "key.file-exposed");
  }

  @Test
  void whatIsNoKeyIsRefusedAndNeverRepeated() throws IOException {
    Path file = folder.resolve("host.key");
    assertFails(file, "key.file-missing");
    key.writeTo(file);
    String text = Files.readString(file).strip();
    String[] others = {
      "",
      key.verifier().text(),
      "THORBIS-SIGNING-KEY-",
      "THORBIS-SIGNING-KEY-?",
      text.substring(0, text.length() - 4),
      text + "AAAA",
      text.substring(0, 25) + (text.charAt(25) == 'A' ? 'B' : 'A') + text.substring(26)
    };
    for (String other : others) {
      Files.writeString(file, other);
      assertFails(file, "key.file-unusable");
    }
  }

  @Test
  void aPublicKeyIsText() {
    String text = key.verifier().text();
    assertThat(text).hasSize(48);
    assertThat(SigningPublicKey.parse(" " + text + "\n")).isEqualTo(key.verifier());
    for (int i = 0; i < text.length(); i++) {
      String other =
          text.substring(0, i) + (text.charAt(i) == 'A' ? 'B' : 'A') + text.substring(i + 1);
      assertThatThrownBy(() -> SigningPublicKey.parse(other))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageNotContaining(other);
    }
    assertThatThrownBy(() -> SigningPublicKey.of(new byte[32]))
        .as("a point of small order, for which anybody signs")
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aKeyThatWasErasedSignsNothing() {
    SigningKey erased = SigningKey.generate(new SecureRandom());
    erased.close();
    assertThatThrownBy(() -> erased.sign(MESSAGE)).isInstanceOf(IllegalStateException.class);
    assertThat(erased.toString()).doesNotContain("THORBIS");
  }

  private static void assertFails(Path file, String code) {
    assertThatThrownBy(() -> SigningKey.read(file))
        .isInstanceOfSatisfying(
            KeyException.class,
            e -> {
              assertThat(e.code()).isEqualTo(code);
              assertThat(e.getMessage()).doesNotContain("THORBIS-SIGNING");
            });
  }
}
