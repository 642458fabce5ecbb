package com.thorbis.backup.spi.crypto;

/** A key that only its provider can open. Stored field by field. Immutable. */
public final class WrappedKey {
  private final String scheme;
  private final String keyId;
  private final byte[] ciphertext;

  private WrappedKey(String scheme, String keyId, byte[] ciphertext) {
    this.scheme = scheme;
    this.keyId = keyId;
    this.ciphertext = ciphertext;
  }

  /**
   * A wrap.
   *
   * @param scheme the provider's scheme
   * @param keyId which of the provider's keys, in a form that holds no secret; up to 512 characters
   * @param ciphertext copied; up to 4096 bytes
   */
  public static WrappedKey of(String scheme, String keyId, byte[] ciphertext) {
    if (scheme.length() > 64 || keyId.length() > 512 || ciphertext.length > 4096) {
      throw new IllegalArgumentException("A wrapped key is out of bounds");
    }
    return new WrappedKey(scheme, keyId, ciphertext.clone());
  }

  /** The scheme of the provider that made it. */
  public String scheme() {
    return scheme;
  }

  /** Which of the provider's keys opens it. */
  public String keyId() {
    return keyId;
  }

  /** A copy of the sealed key. */
  public byte[] ciphertext() {
    return ciphertext.clone();
  }
}
