package com.thorbis.backup.crypto;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.crypto.Vectors.Vector;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import javax.crypto.Cipher;
import javax.crypto.Mac;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.crypto.SecretWithEncapsulation;
import org.bouncycastle.crypto.agreement.X25519Agreement;
import org.bouncycastle.crypto.kems.MLKEMExtractor;
import org.bouncycastle.crypto.params.MLKEMParameters;
import org.bouncycastle.crypto.params.MLKEMPrivateKeyParameters;
import org.bouncycastle.crypto.params.X25519PrivateKeyParameters;
import org.bouncycastle.crypto.params.X25519PublicKeyParameters;
import org.bouncycastle.pqc.crypto.xwing.XWingKEMGenerator;
import org.bouncycastle.pqc.crypto.xwing.XWingPublicKeyParameters;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Published vectors through the classes that the product uses. */
class VectorsTest {
  private static final byte[] NO_HEADER = new byte[0];

  /** HPKE with X-Wing, HKDF-SHA-256 and AES-256-GCM. */
  private static final byte[] SUITE = HexFormat.of().parseHex("48504b45647a00010002");

  @Test
  void chunkedEncryption() throws Exception {
    for (Vector vector : Vectors.read("c2sp_chunked_encryption_aes_256_gcm_test.json", 35)) {
      byte[] key = vector.bytes("key");
      byte[] context = vector.bytes("ctx");
      byte[] sealed = inflate(vector.bytes("ct"));
      if (vector.valid()) {
        byte[] plain = open(key, context, sealed);
        assertThat(plain).describedAs(vector.toString()).hasSize(vector.number("msgLength"));
        assertThat(sha512(plain)).isEqualTo(vector.text("msgSha512"));
        byte[] salt = Arrays.copyOf(sealed, 24);
        ByteArrayOutputStream again = new ByteArrayOutputStream();
        try (SealedWriter writer =
            new SealedWriter(again, NO_HEADER, salt, new Cobblestone(key, salt, context))) {
          writer.write(plain);
        }
        assertThat(again.toByteArray()).describedAs(vector.toString()).isEqualTo(sealed);
      } else {
        ByteArrayOutputStream before = new ByteArrayOutputStream();
        assertThatThrownBy(() -> open(key, context, sealed, before))
            .describedAs(vector.toString())
            .isInstanceOfAny(MalformedObjectException.class, IllegalArgumentException.class);
        // What came before the failure is exactly the authentic beginning.
        assertThat(before.size())
            .describedAs(vector.toString())
            .isEqualTo(vector.has("msgLength") ? vector.number("msgLength") : 0);
        if (before.size() > 0) {
          assertThat(sha512(before.toByteArray())).isEqualTo(vector.text("msgSha512"));
        }
      }
    }
  }

  @Test
  void aShortSealedStream() throws Exception {
    byte[] key = "YELLOW SUBMARINE YELLOW SUBMARIN".getBytes(StandardCharsets.US_ASCII);
    byte[] salt = HexFormat.of().parseHex("43a2e39431cbae0389d3fc86adf46f7c3a24de88d9311617");
    ByteArrayOutputStream sealed = new ByteArrayOutputStream();
    new SealedWriter(sealed, NO_HEADER, salt, new Cobblestone(key, salt, NO_HEADER)).close();
    assertThat(HexFormat.of().formatHex(sealed.toByteArray()))
        .isEqualTo(
            "43a2e39431cbae0389d3fc86adf46f7c3a24de88d9311617"
                + "e53f3164cc1d5dc738a66b97f0bf786565c31799c2f463d50a7e10046011dc6f"
                + "c3c939e3a5db7affb6191551669554fb");
  }

  @Test
  void keyDerivation() throws IOException {
    for (int hash : new int[] {256, 512}) {
      Hkdf hkdf = hash == 256 ? Hkdf.SHA256 : Hkdf.SHA512;
      for (Vector vector : Vectors.read("hkdf_sha" + hash + "_test.json", hash == 256 ? 86 : 83)) {
        byte[] key = hkdf.extract(vector.bytes("salt"), vector.bytes("ikm"));
        if (vector.valid()) {
          assertThat(hkdf.expand(key, vector.bytes("info"), vector.number("size")))
              .describedAs(vector.toString())
              .isEqualTo(vector.bytes("okm"));
        } else {
          assertThatThrownBy(() -> hkdf.expand(key, vector.bytes("info"), vector.number("size")))
              .describedAs(vector.toString())
              .isInstanceOf(IllegalArgumentException.class);
        }
      }
    }
  }

  @Test
  void keyDerivationOfRfc5869() {
    byte[] key =
        Hkdf.SHA256.extract(
            HexFormat.of().parseHex("000102030405060708090a0b0c"),
            HexFormat.of().parseHex("0b".repeat(22)));
    assertThat(
            HexFormat.of()
                .formatHex(
                    Hkdf.SHA256.expand(key, HexFormat.of().parseHex("f0f1f2f3f4f5f6f7f8f9"), 42)))
        .isEqualTo(
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
                + "34007208d5b887185865");
  }

  @Test
  void addressesAreHmacs() throws IOException, GeneralSecurityException {
    int compared = 0;
    for (Vector vector : Vectors.read("hmac_sha256_test.json", 174)) {
      byte[] message = vector.bytes("msg");
      byte[] tag = vector.bytes("tag");
      byte[] key = vector.bytes("key");
      // An address always covers a codec; the empty message only goes through what is below it.
      byte[] address =
          message.length == 0
              ? emptyHmac(key)
              : Address.of(key, message[0], ByteBuffer.wrap(message, 1, message.length - 1))
                  .bytes();
      if (vector.valid()) {
        assertThat(Arrays.copyOf(address, tag.length))
            .describedAs(vector.toString())
            .isEqualTo(tag);
      } else {
        assertThat(Arrays.copyOf(address, tag.length))
            .describedAs(vector.toString())
            .isNotEqualTo(tag);
      }
      compared++;
    }
    assertThat(compared).isEqualTo(174);
  }

  @Test
  void theAddressOfRfc4231() {
    byte[] message = "what do ya want for nothing?".getBytes(StandardCharsets.US_ASCII);
    byte[] key = "Jefe".getBytes(StandardCharsets.US_ASCII);
    assertThat(
            Address.of(key, message[0], ByteBuffer.wrap(message, 1, message.length - 1)).toString())
        .isEqualTo("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  }

  @Test
  void theChunkCipher() throws IOException, GeneralSecurityException {
    for (Vector vector : Vectors.read("aes_gcm_test.json", 316)) {
      SecretKeySpec key = new SecretKeySpec(vector.bytes("key"), "AES");
      byte[] sealed = HexFormat.of().parseHex(vector.text("ct") + vector.text("tag"));
      if (vector.valid()) {
        Cipher cipher = gcm(Cipher.ENCRYPT_MODE, key, vector);
        assertThat(cipher.doFinal(vector.bytes("msg")))
            .describedAs(vector.toString())
            .isEqualTo(sealed);
        assertThat(gcm(Cipher.DECRYPT_MODE, key, vector).doFinal(sealed))
            .describedAs(vector.toString())
            .isEqualTo(vector.bytes("msg"));
      } else {
        assertThatThrownBy(() -> gcm(Cipher.DECRYPT_MODE, key, vector).doFinal(sealed))
            .describedAs(vector.toString())
            .isInstanceOf(GeneralSecurityException.class);
      }
    }
  }

  @Test
  void theClassicalHalfOfTheRecoveryKey() throws IOException {
    for (Vector vector : Vectors.read("x25519_test.json", 518)) {
      X25519Agreement agreement = new X25519Agreement();
      agreement.init(new X25519PrivateKeyParameters(vector.bytes("private"), 0));
      X25519PublicKeyParameters other = new X25519PublicKeyParameters(vector.bytes("public"), 0);
      byte[] shared = new byte[32];
      if (vector.text("shared").matches("0+")) {
        assertThatThrownBy(() -> agreement.calculateAgreement(other, shared, 0))
            .describedAs(vector.toString())
            .isInstanceOf(IllegalStateException.class);
      } else {
        agreement.calculateAgreement(other, shared, 0);
        assertThat(shared).describedAs(vector.toString()).isEqualTo(vector.bytes("shared"));
      }
    }
  }

  @Test
  void thePostQuantumHalfOfTheRecoveryKey() throws IOException {
    for (Vector vector : Vectors.read("mlkem_768_test.json", 193)) {
      if (vector.valid()) {
        MLKEMPrivateKeyParameters key =
            new MLKEMPrivateKeyParameters(MLKEMParameters.ml_kem_768, vector.bytes("seed"));
        assertThat(key.getPublicKeyParameters().getEncoded())
            .describedAs(vector.toString())
            .isEqualTo(vector.bytes("ek"));
        assertThat(new MLKEMExtractor(key).extractSecret(vector.bytes("c")))
            .describedAs(vector.toString())
            .isEqualTo(vector.bytes("K"));
      } else {
        assertThatThrownBy(
                () ->
                    new MLKEMExtractor(
                            new MLKEMPrivateKeyParameters(
                                MLKEMParameters.ml_kem_768, vector.bytes("seed")))
                        .extractSecret(vector.bytes("c")))
            .describedAs(vector.toString())
            .isInstanceOf(RuntimeException.class);
      }
    }
  }

  @Test
  void whatASignatureIs() throws IOException {
    int valid = 0;
    for (Vector vector : Vectors.read("ed25519_test.json", 151)) {
      SigningPublicKey key = SigningPublicKey.of(vector.bytes("publicKey", "pk"));
      assertThat(key.verifies(vector.bytes("msg"), vector.bytes("sig")))
          .describedAs(vector.toString())
          .isEqualTo(vector.valid());
      valid += vector.valid() ? 1 : 0;
    }
    assertThat(valid).isEqualTo(88);
  }

  @ParameterizedTest
  @CsvSource({
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60,"
        + "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a,'',"
        + "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        + "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb,"
        + "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c,72,"
        + "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7,"
        + "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025,af82,"
        + "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        + "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
  })
  void theSignaturesOfRfc8032(String seed, String publicKey, String message, String signature) {
    byte[] drawn = HexFormat.of().parseHex(seed);
    try (SigningKey key = SigningKey.generate(new Dealt(drawn))) {
      assertThat(HexFormat.of().formatHex(key.publicKey())).isEqualTo(publicKey);
      assertThat(HexFormat.of().formatHex(key.sign(HexFormat.of().parseHex(message))))
          .isEqualTo(signature);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26,"
        + "3cb1eea988004b93103cfb0aeefd2a686e01fa4a58e8a3639ca8a1e3f9ae57e2"
        + "35b8cc873c23dc62b8d260169afa2f75ab916a58d974918835d25e6a435085b2,"
        + "d2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384,"
        + "2e816deebcd76c5c80d0cd2d174478871658e8e2ff42bc9d4a6e486372e856bb,"
        + "17cd532d657e44c897ca6583e548a5424fc70bf54f99515a4d2bcf99e3469f33",
    "badfd6dfaac359a5efbb7bcc4b59d538df9a04302e10c8bc1cbf1a0b3a5120ea,"
        + "17cda7cfad765f5623474d368ccca8af0007cd9f5e4c849f167a580b14aabdef"
        + "aee7eef47cb0fca9767be1fda69419dfb927e9df07348b196691abaeb580b32d,"
        + "f2e86241c64d60f6649fbc6c5b7d17180b780a3f34355e64a85749949c45f150,"
        + "c42ba5f8430d7d2c83739338203819f090e8303ce9c8b02107c272bfa5376916,"
        + "1661ea86d608a1924ba30840cb0a65f13ae051e3aec9cf0f064efc0bc92f2154",
    "ef58538b8d23f87732ea63b02b4fa0f4873360e2841928cd60dd4cee8cc0d4c9,"
        + "22a96188d032675c8ac850933c7aff1533b94c834adbb69c6115bad4692d8619"
        + "f90b0cdf8a7b9c264029ac185b70b83f2801f2f4b3f70c593ea3aeeb613a7f1b,"
        + "953f7f4e8c5b5049bdc771d1dffada0dd961477d1a2ae0988baa7ea6898d893f,"
        + "6b080d6b84f095342092fa7a22423e58bd681397ad0ef00eac92bd254db4fa95,"
        + "d3ca5578500344b5896cffc4fd740c9311946b82951df155e6fd86a7966b43c6"
  })
  void theRecoveryKeyOpensWhatTheSharedSecretOfXWingSealed(
      String seed, String drawn, String shared, String publicKey, String encapsulated)
      throws Exception {
    byte[] key = HexFormat.of().parseHex(seed);
    byte[] known = Hpke.publicKey(key);
    assertThat(sha256(known)).isEqualTo(publicKey);
    SecretWithEncapsulation made =
        new XWingKEMGenerator(new Dealt(HexFormat.of().parseHex(drawn)))
            .generateEncapsulated(new XWingPublicKeyParameters(known));
    assertThat(sha256(made.getEncapsulation())).isEqualTo(encapsulated);
    byte[] info = "some slot".getBytes(StandardCharsets.US_ASCII);
    byte[] plain = "a key of 32 bytes, as it were...".getBytes(StandardCharsets.US_ASCII);
    byte[] sealed = sealedOfRfc9180(HexFormat.of().parseHex(shared), info, plain);
    byte[] whole = Arrays.copyOf(made.getEncapsulation(), Hpke.ENCAPSULATED + sealed.length);
    System.arraycopy(sealed, 0, whole, Hpke.ENCAPSULATED, sealed.length);
    assertThat(Hpke.open(key, info, whole)).isEqualTo(plain);
  }

  /** Section 5.1 of RFC 9180 in base mode, for the first message. */
  private static byte[] sealedOfRfc9180(byte[] shared, byte[] info, byte[] plain)
      throws GeneralSecurityException {
    byte[] context =
        join(
            new byte[1],
            labeledExtract(NO_HEADER, "psk_id_hash", NO_HEADER),
            labeledExtract(NO_HEADER, "info_hash", info));
    byte[] secret = labeledExtract(shared, "secret", NO_HEADER);
    Cipher cipher = Jca.gcm();
    cipher.init(
        Cipher.ENCRYPT_MODE,
        new SecretKeySpec(labeledExpand(secret, "key", context, 32), "AES"),
        new GCMParameterSpec(128, labeledExpand(secret, "base_nonce", context, 12)));
    return cipher.doFinal(plain);
  }

  private static byte[] labeledExtract(byte[] salt, String label, byte[] material) {
    return Hkdf.SHA256.extract(salt, join(ascii("HPKE-v1"), SUITE, ascii(label), material));
  }

  private static byte[] labeledExpand(byte[] secret, String label, byte[] info, int length) {
    return Hkdf.SHA256.expand(
        secret,
        join(new byte[] {0, (byte) length}, ascii("HPKE-v1"), SUITE, ascii(label), info),
        length);
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static byte[] join(byte[]... parts) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      all.writeBytes(part);
    }
    return all.toByteArray();
  }

  private static String sha256(byte[] bytes) {
    return HexFormat.of().formatHex(Jca.digest("SHA-256").digest(bytes));
  }

  /** Deals out these bytes, in order. */
  private static final class Dealt extends SecureRandom {
    private static final long serialVersionUID = 1;
    private final byte[] bytes;
    private int next;

    Dealt(byte[] bytes) {
      this.bytes = bytes;
    }

    @Override
    public void nextBytes(byte[] into) {
      System.arraycopy(bytes, next, into, 0, into.length);
      next += into.length;
    }
  }

  private static byte[] open(byte[] key, byte[] context, byte[] sealed) throws IOException {
    ByteArrayOutputStream plain = new ByteArrayOutputStream();
    open(key, context, sealed, plain);
    return plain.toByteArray();
  }

  private static void open(byte[] key, byte[] context, byte[] sealed, ByteArrayOutputStream plain)
      throws IOException {
    try (SealedReader reader =
        new SealedReader(
            new ByteArrayInputStream(sealed),
            "vector",
            salt -> new Cobblestone(key, salt, context))) {
      byte[] buffer = new byte[5000];
      for (int count = reader.read(buffer); count >= 0; count = reader.read(buffer)) {
        plain.write(buffer, 0, count);
      }
    }
  }

  private static Cipher gcm(int mode, SecretKeySpec key, Vector vector)
      throws GeneralSecurityException {
    Cipher cipher = Jca.gcm();
    cipher.init(mode, key, new GCMParameterSpec(128, vector.bytes("iv")));
    cipher.updateAAD(vector.bytes("aad"));
    return cipher;
  }

  private static byte[] emptyHmac(byte[] key) throws GeneralSecurityException {
    Mac mac = Jca.mac("HmacSHA256");
    mac.init(new SecretKeySpec(key, "HmacSHA256"));
    return mac.doFinal();
  }

  private static byte[] inflate(byte[] compressed) throws DataFormatException {
    Inflater inflater = new Inflater();
    try {
      inflater.setInput(compressed);
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      byte[] buffer = new byte[65536];
      while (!inflater.finished()) {
        int count = inflater.inflate(buffer);
        assertThat(count > 0 || inflater.finished()).isTrue();
        out.write(buffer, 0, count);
      }
      return out.toByteArray();
    } finally {
      inflater.end();
    }
  }

  private static String sha512(byte[] bytes) {
    return HexFormat.of().formatHex(Jca.digest("SHA-512").digest(bytes));
  }
}
