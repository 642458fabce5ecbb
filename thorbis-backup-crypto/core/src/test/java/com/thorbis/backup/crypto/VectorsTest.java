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
import java.util.Arrays;
import java.util.HexFormat;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import javax.crypto.Cipher;
import javax.crypto.Mac;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.crypto.agreement.X25519Agreement;
import org.bouncycastle.crypto.kems.MLKEMExtractor;
import org.bouncycastle.crypto.params.MLKEMParameters;
import org.bouncycastle.crypto.params.MLKEMPrivateKeyParameters;
import org.bouncycastle.crypto.params.X25519PrivateKeyParameters;
import org.bouncycastle.crypto.params.X25519PublicKeyParameters;
import org.junit.jupiter.api.Test;

/** Published vectors through the classes that the product uses. */
class VectorsTest {
  private static final byte[] NO_HEADER = new byte[0];

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
