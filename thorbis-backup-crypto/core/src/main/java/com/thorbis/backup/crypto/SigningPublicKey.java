package com.thorbis.backup.crypto;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Base64;
import org.bouncycastle.math.ec.rfc8032.Ed25519;

/** The public half of a signing key: tells what the other half signed. Immutable. */
public final class SigningPublicKey {
  /** Bytes of one. */
  public static final int LENGTH = Ed25519.PUBLIC_KEY_SIZE;

  /** Bytes of a signature. */
  public static final int SIGNATURE = Ed25519.SIGNATURE_SIZE;

  private static final int CHECK = 4;

  private final byte[] encoded;

  private SigningPublicKey(byte[] encoded) {
    this.encoded = encoded;
  }

  /**
   * From the 32 bytes of RFC 8032.
   *
   * @throws IllegalArgumentException if they are no key
   */
  public static SigningPublicKey of(byte[] encoded) {
    if (encoded.length != LENGTH || !Ed25519.validatePublicKeyFull(encoded, 0)) {
      throw new IllegalArgumentException("Not an Ed25519 public key");
    }
    return new SigningPublicKey(encoded.clone());
  }

  /**
   * Parses {@link #text}.
   *
   * @throws IllegalArgumentException if it is not a public key; never repeats it
   */
  public static SigningPublicKey parse(String text) {
    byte[] bytes;
    try {
      bytes = Base64.getUrlDecoder().decode(text.strip());
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("Not the public half of a signing key", e);
    }
    if (bytes.length != LENGTH + CHECK) {
      throw new IllegalArgumentException(
          "Not the public half of a signing key: "
              + bytes.length
              + " bytes instead of "
              + (LENGTH + CHECK));
    }
    byte[] encoded = Arrays.copyOf(bytes, LENGTH);
    if (!Arrays.equals(check(encoded), 0, CHECK, bytes, LENGTH, LENGTH + CHECK)) {
      throw new IllegalArgumentException(
          "This public half of a signing key is mistyped: its check bytes do not agree");
    }
    return of(encoded);
  }

  /** The key as text: 48 letters, digits, hyphens and underscores, with a checksum. */
  public String text() {
    byte[] bytes = Arrays.copyOf(encoded, LENGTH + CHECK);
    System.arraycopy(check(encoded), 0, bytes, LENGTH, CHECK);
    return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
  }

  /** The 32 bytes of RFC 8032. */
  public byte[] encoded() {
    return encoded.clone();
  }

  /** Whether the other half signed this message. */
  public boolean verifies(byte[] message, byte[] signature) {
    return signature.length == SIGNATURE
        && Ed25519.verify(signature, 0, encoded, 0, message, 0, message.length);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof SigningPublicKey key && Arrays.equals(encoded, key.encoded);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(encoded);
  }

  /** Its text. */
  @Override
  public String toString() {
    return text();
  }

  private static byte[] check(byte[] encoded) {
    MessageDigest digest = Jca.digest("SHA-256");
    digest.update("thorbis/v1/signing-public-key".getBytes(StandardCharsets.US_ASCII));
    digest.update(encoded);
    return Arrays.copyOf(digest.digest(), CHECK);
  }
}
