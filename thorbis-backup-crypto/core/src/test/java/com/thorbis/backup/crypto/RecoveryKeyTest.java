package com.thorbis.backup.crypto;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Locale;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.bouncycastle.crypto.agreement.X25519Agreement;
import org.bouncycastle.crypto.digests.SHA3Digest;
import org.bouncycastle.crypto.digests.SHAKEDigest;
import org.bouncycastle.crypto.kems.MLKEMExtractor;
import org.bouncycastle.crypto.params.MLKEMParameters;
import org.bouncycastle.crypto.params.MLKEMPrivateKeyParameters;
import org.bouncycastle.crypto.params.X25519PrivateKeyParameters;
import org.bouncycastle.crypto.params.X25519PublicKeyParameters;

class RecoveryKeyTest {
  private static final SecureRandom RANDOM = new SecureRandom();

  @Example
  void whatWasWrittenDownIsReadBack() {
    for (int i = 0; i < 50; i++) {
      readBack();
    }
  }

  @Property(tries = 300)
  void everyWrongCharacterIsFound(
      @ForAll @IntRange(max = 59) int at, @ForAll @IntRange(min = 1, max = 31) int shift) {
    String alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    char[] typed = digits();
    typed[at] = alphabet.charAt((alphabet.indexOf(typed[at]) + shift) % 32);
    assertMistyped(typed);
  }

  @Property(tries = 100)
  void everySwappedPairIsFound(@ForAll @IntRange(max = 58) int at) {
    char[] typed = digits();
    if (typed[at] != typed[at + 1]) {
      char first = typed[at];
      typed[at] = typed[at + 1];
      typed[at + 1] = first;
      assertMistyped(typed);
    }
  }

  @Example
  void c15TextsOfEveryLengthAreRefusedWithoutRepeatingThem() {
    for (int length : new int[] {0, 1, 59, 61, 1 << 20}) {
      char[] text = new char[length];
      Arrays.fill(text, 'Q');
      assertThatThrownBy(() -> RecoveryKey.parse(text))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageNotContaining("QQ");
    }
    char[] odd = digits();
    odd[7] = 'U';
    assertThatThrownBy(() -> RecoveryKey.parse(odd))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("position 8");
  }

  @Example
  void aPublicKeyIsReadBackAndItsDamageFound() {
    try (RecoveryKey key = RecoveryKey.generate(RANDOM)) {
      String text = key.publicKey().text();
      assertThat(text).hasSize(1627);
      assertThat(RecoveryPublicKey.parse(" " + text + "\n")).isEqualTo(key.publicKey());
      assertThat(key.publicKey().fingerprint()).matches("[0-9a-f]{32}");
      for (String wrong :
          new String[] {
            "",
            "?",
            text.substring(4),
            text + "AAAA",
            (text.charAt(0) == 'A' ? 'B' : 'A') + text.substring(1)
          }) {
        assertThatThrownBy(() -> RecoveryPublicKey.parse(wrong))
            .isInstanceOf(IllegalArgumentException.class);
      }
    }
  }

  /** X-Wing composed by hand from its two halves agrees with the suite in use. */
  @Example
  void theSuiteIsXWingOverBothHalves() throws Exception {
    for (int i = 0; i < 10; i++) {
      byte[] seed = new byte[32];
      RANDOM.nextBytes(seed);
      byte[] expanded = new byte[96];
      SHAKEDigest shake = new SHAKEDigest(256);
      shake.update(seed, 0, seed.length);
      shake.doFinal(expanded, 0, expanded.length);
      MLKEMPrivateKeyParameters lattice =
          new MLKEMPrivateKeyParameters(MLKEMParameters.ml_kem_768, Arrays.copyOf(expanded, 64));
      X25519PrivateKeyParameters curve = new X25519PrivateKeyParameters(expanded, 64);
      byte[] curvePublic = curve.generatePublicKey().getEncoded();
      byte[] publicKey = concat(lattice.getPublicKeyParameters().getEncoded(), curvePublic);
      assertThat(Hpke.publicKey(seed)).isEqualTo(publicKey);

      byte[] info = "info".getBytes(StandardCharsets.US_ASCII);
      byte[] plain = new byte[64];
      byte[] sealed = Hpke.seal(publicKey, info, plain);
      byte[] latticeSecret = new MLKEMExtractor(lattice).extractSecret(Arrays.copyOf(sealed, 1088));
      byte[] curveCipher = Arrays.copyOfRange(sealed, 1088, 1120);
      byte[] curveSecret = new byte[32];
      X25519Agreement agreement = new X25519Agreement();
      agreement.init(curve);
      agreement.calculateAgreement(new X25519PublicKeyParameters(curveCipher, 0), curveSecret, 0);
      byte[] shared = new byte[32];
      SHA3Digest digest = new SHA3Digest(256);
      for (byte[] part :
          new byte[][] {
            latticeSecret,
            curveSecret,
            curveCipher,
            curvePublic,
            "\\.//^\\".getBytes(StandardCharsets.US_ASCII)
          }) {
        digest.update(part, 0, part.length);
      }
      digest.doFinal(shared, 0);
      assertThat(hpkeOpen(shared, info, Arrays.copyOfRange(sealed, 1120, sealed.length)))
          .isEqualTo(plain);
      assertThat(Hpke.open(seed, info, sealed)).isEqualTo(plain);
    }
  }

  @Example
  void theKeyOfTheXWingDraft() {
    byte[] seed =
        HexFormat.of().parseHex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26");
    assertThat(HexFormat.of().formatHex(Hpke.publicKey(seed)))
        .startsWith("e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5b19cfc3d");
  }

  /** RFC 9180 in base mode, written from its text: X-Wing 0x647a, HKDF-SHA-256, AES-256-GCM. */
  private static byte[] hpkeOpen(byte[] shared, byte[] info, byte[] sealed) throws Exception {
    byte[] suite =
        concat("HPKE".getBytes(StandardCharsets.US_ASCII), HexFormat.of().parseHex("647a00010002"));
    byte[] none = new byte[0];
    byte[] context =
        concat(
            new byte[1],
            labeledExtract(suite, none, "psk_id_hash", none),
            labeledExtract(suite, none, "info_hash", info));
    byte[] secret = labeledExtract(suite, shared, "secret", none);
    Cipher cipher = Jca.gcm();
    cipher.init(
        Cipher.DECRYPT_MODE,
        new SecretKeySpec(labeledExpand(suite, secret, "key", context, 32), "AES"),
        new GCMParameterSpec(128, labeledExpand(suite, secret, "base_nonce", context, 12)));
    return cipher.doFinal(sealed);
  }

  private static byte[] labeledExtract(byte[] suite, byte[] salt, String label, byte[] key) {
    return Hkdf.SHA256.extract(
        salt,
        concat(
            "HPKE-v1".getBytes(StandardCharsets.US_ASCII),
            suite,
            label.getBytes(StandardCharsets.US_ASCII),
            key));
  }

  private static byte[] labeledExpand(
      byte[] suite, byte[] key, String label, byte[] info, int length) {
    return Hkdf.SHA256.expand(
        key,
        concat(
            ByteBuffer.allocate(2).putShort((short) length).array(),
            "HPKE-v1".getBytes(StandardCharsets.US_ASCII),
            suite,
            label.getBytes(StandardCharsets.US_ASCII),
            info),
        length);
  }

  private static byte[] concat(byte[]... parts) {
    ByteBuffer all = ByteBuffer.allocate(Arrays.stream(parts).mapToInt(part -> part.length).sum());
    for (byte[] part : parts) {
      all.put(part);
    }
    return all.array();
  }

  private static void readBack() {
    try (RecoveryKey key = RecoveryKey.generate(RANDOM)) {
      String text = new String(key.text());
      assertThat(text).matches("THORBIS-RECOVERY(-[0-9A-HJKMNP-TV-Z]{5}){12}");
      String digits = text.substring("THORBIS-RECOVERY-".length());
      for (String typed :
          new String[] {
            text,
            text.toLowerCase(Locale.ROOT),
            text.replace("-", ""),
            text.replace('-', ' ') + "\n",
            digits,
            digits.replace("-", "\t").replace('0', 'o').replace('1', 'l'),
            digits.replace('1', 'I')
          }) {
        try (RecoveryKey again = RecoveryKey.parse(typed.toCharArray())) {
          assertThat(again.publicKey()).isEqualTo(key.publicKey());
        }
      }
    }
  }

  private static char[] digits() {
    try (RecoveryKey key = RecoveryKey.generate(RANDOM)) {
      return new String(key.text())
          .substring("THORBIS-RECOVERY-".length())
          .replace("-", "")
          .toCharArray();
    }
  }

  private static void assertMistyped(char[] typed) {
    assertThatThrownBy(() -> RecoveryKey.parse(typed))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("mistyped");
  }
}
