package com.thorbis.backup.crypto;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;

/** The public half of a recovery key: wraps keys that only the recovery key opens. Immutable. */
public final class RecoveryPublicKey {
  static final int LENGTH = Hpke.PUBLIC_KEY;

  private static final int CHECK = 4;
  private static final int FINGERPRINT = 16;

  private final byte[] encoded;
  private final String fingerprint;

  private RecoveryPublicKey(byte[] encoded) {
    this.encoded = encoded;
    this.fingerprint =
        HexFormat.of().formatHex(Jca.digest("SHA-256").digest(encoded), 0, FINGERPRINT);
  }

  static RecoveryPublicKey of(byte[] encoded) {
    if (encoded.length != LENGTH) {
      throw new IllegalArgumentException(
          "A recovery public key has " + LENGTH + " bytes, not " + encoded.length);
    }
    return new RecoveryPublicKey(encoded.clone());
  }

  /**
   * Parses {@link #text}.
   *
   * @throws IllegalArgumentException if it is not a recovery public key
   */
  public static RecoveryPublicKey parse(String text) {
    byte[] bytes;
    try {
      bytes = Base64.getUrlDecoder().decode(text.strip());
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("Not a recovery public key: not in base64url", e);
    }
    if (bytes.length != LENGTH + CHECK) {
      throw new IllegalArgumentException(
          "Not a recovery public key: " + bytes.length + " bytes instead of " + (LENGTH + CHECK));
    }
    byte[] encoded = Arrays.copyOf(bytes, LENGTH);
    if (!Arrays.equals(check(encoded), 0, CHECK, bytes, LENGTH, LENGTH + CHECK)) {
      throw new IllegalArgumentException(
          "This recovery public key is damaged: its check bytes do not agree");
    }
    return new RecoveryPublicKey(encoded);
  }

  /** The key as text: one word of 1627 letters and digits, with a checksum. */
  public String text() {
    byte[] bytes = Arrays.copyOf(encoded, LENGTH + CHECK);
    System.arraycopy(check(encoded), 0, bytes, LENGTH, CHECK);
    return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
  }

  /** What names the key and no other: 32 hexadecimal digits. */
  public String fingerprint() {
    return fingerprint;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof RecoveryPublicKey key && Arrays.equals(encoded, key.encoded);
  }

  @Override
  public int hashCode() {
    return fingerprint.hashCode();
  }

  /** Its fingerprint. */
  @Override
  public String toString() {
    return fingerprint;
  }

  byte[] encoded() {
    return encoded.clone();
  }

  private static byte[] check(byte[] encoded) {
    MessageDigest digest = Jca.digest("SHA-256");
    digest.update("thorbis/v1/recovery-public-key".getBytes(StandardCharsets.US_ASCII));
    digest.update(encoded);
    return Arrays.copyOf(digest.digest(), CHECK);
  }
}
