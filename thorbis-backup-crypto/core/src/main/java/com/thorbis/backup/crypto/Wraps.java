package com.thorbis.backup.crypto;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyContext;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.WrappedKey;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.Arrays;

/**
 * Wraps keys under a symmetric key, in the form of a sealed stream: a salt gives every wrap its own
 * key, and the commitment lets one wrap open under one key only.
 */
final class Wraps {
  /** The longest key that is wrapped. */
  static final int MAX_KEY = 128;

  private static final String LABEL = "thorbis/v1/wrap";
  private static final int OVERHEAD = Cobblestone.PREFIX + Cobblestone.TAG;

  private Wraps() {}

  static WrappedKey wrap(
      DataKey wrapping,
      String scheme,
      String keyId,
      DataKey key,
      KeyContext context,
      SecureRandom random) {
    requireLength(key);
    byte[] salt = new byte[Cobblestone.SALT];
    random.nextBytes(salt);
    Cobblestone cipher = cipher(wrapping, scheme, keyId, context, salt);
    byte[] sealed = new byte[key.length() + OVERHEAD];
    System.arraycopy(salt, 0, sealed, 0, Cobblestone.SALT);
    System.arraycopy(cipher.commitment(), 0, sealed, Cobblestone.SALT, Cobblestone.COMMITMENT);
    int unused =
        key.use(plain -> cipher.seal(0, plain, 0, plain.length, sealed, Cobblestone.PREFIX));
    return WrappedKey.of(scheme, keyId, sealed);
  }

  static DataKey unwrap(
      DataKey wrapping, WrappedKey wrapped, KeyContext context, String recipient, String remedy)
      throws KeyException {
    byte[] sealed = wrapped.ciphertext();
    int length = sealed.length - OVERHEAD;
    if (length < 1 || length > MAX_KEY) {
      throw refused(
          recipient, "the wrap has " + sealed.length + " bytes, which none of ours has", remedy);
    }
    Cobblestone cipher =
        cipher(
            wrapping,
            wrapped.scheme(),
            wrapped.keyId(),
            context,
            Arrays.copyOf(sealed, Cobblestone.SALT));
    byte[] plain = new byte[length];
    try {
      cipher.requireCommitment(
          Arrays.copyOfRange(sealed, Cobblestone.SALT, Cobblestone.PREFIX), recipient);
      int unused =
          cipher.open(0, sealed, Cobblestone.PREFIX, length + Cobblestone.TAG, plain, 0, recipient);
      return DataKey.copyOf(plain);
    } catch (MalformedObjectException e) {
      // The cause says nothing that the message does not, and repeats the recipient.
      throw refused(
          recipient,
          "the wrap does not open: another key or passphrase, another place in the repository, or"
              + " damaged",
          remedy);
    } finally {
      Arrays.fill(plain, (byte) 0);
    }
  }

  static void requireLength(DataKey key) {
    if (key.length() < 1 || key.length() > MAX_KEY) {
      throw new IllegalArgumentException(
          "A key to wrap has 1 to " + MAX_KEY + " bytes, not " + key.length());
    }
  }

  /** What a wrap is bound to, in one form for all recipients. */
  static byte[] binding(String scheme, String keyId, KeyContext context) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    put(out, LABEL);
    put(out, scheme);
    put(out, keyId);
    out.writeBytes(context.encoded());
    return out.toByteArray();
  }

  static KeyException refused(String recipient, String problem, String remedy) {
    return new KeyException(
        "key.refused", FailureKind.PERMANENT, recipient + ": " + problem, recipient, remedy, null);
  }

  static KeyException configuration(String code, String recipient, String problem, String remedy) {
    return new KeyException(
        code, FailureKind.CONFIGURATION, recipient + ": " + problem, recipient, remedy, null);
  }

  private static Cobblestone cipher(
      DataKey wrapping, String scheme, String keyId, KeyContext context, byte[] salt) {
    return wrapping.use(
        bytes -> {
          byte[] inputKey =
              Hkdf.SHA512.expand(bytes, LABEL.getBytes(StandardCharsets.US_ASCII), 32);
          try {
            return new Cobblestone(
                inputKey, salt, Jca.digest("SHA-512").digest(binding(scheme, keyId, context)));
          } finally {
            Arrays.fill(inputKey, (byte) 0);
          }
        });
  }

  private static void put(ByteArrayOutputStream out, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    out.writeBytes(ByteBuffer.allocate(Integer.BYTES).putInt(bytes.length).array());
    out.writeBytes(bytes);
  }
}
