package com.thorbis.backup.crypto;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Arrays;
import javax.crypto.AEADBadTagException;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * The chunk cipher of one object: C2SP chunked encryption with AES-256-GCM and chunks of 16 KiB.
 * Used by one thread.
 */
final class Cobblestone {
  static final int CHUNK = 16 * 1024;
  static final int TAG = 16;
  static final int SEALED_CHUNK = CHUNK + TAG;
  static final int SALT = 24;
  static final int COMMITMENT = 32;

  /** What stands before the first chunk. */
  static final int PREFIX = SALT + COMMITMENT;

  private static final byte[] LABEL =
      "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] FORMAT = "thorbis/v1".getBytes(StandardCharsets.US_ASCII);
  private static final int KEY = 32;
  private static final int NONCE = 12;

  private final Cipher cipher = Jca.gcm();
  private final SecretKeySpec key;
  private final byte[] baseNonce;
  private final byte[] nonce = new byte[NONCE];
  private final byte[] commitment;

  /** The cipher of a named object. */
  static Cobblestone of(EpochKey key, ObjectHeader header, String logicalName, byte[] salt) {
    if (!header.slot().equals(key.slot())) {
      throw new IllegalArgumentException(
          "The object belongs to " + header.slot() + ", the key to " + key.slot());
    }
    byte[] inputKey = key.sealKey(header.type());
    try {
      return new Cobblestone(inputKey, salt, context(header, logicalName));
    } finally {
      Arrays.fill(inputKey, (byte) 0);
    }
  }

  Cobblestone(byte[] inputKey, byte[] salt, byte[] context) {
    if (inputKey.length != KEY || salt.length != SALT) {
      throw new IllegalArgumentException(
          "Not a key of 32 and a salt of 24 bytes: " + inputKey.length + ", " + salt.length);
    }
    byte[] info =
        ByteBuffer.allocate(LABEL.length + SALT + context.length)
            .put(LABEL)
            .put(salt)
            .put(context)
            .array();
    byte[] derived = Hkdf.SHA512.expand(inputKey, info, KEY + NONCE + COMMITMENT);
    key = new SecretKeySpec(derived, 0, KEY, "AES");
    baseNonce = Arrays.copyOfRange(derived, KEY, KEY + NONCE);
    commitment = Arrays.copyOfRange(derived, KEY + NONCE, derived.length);
    Arrays.fill(derived, (byte) 0);
  }

  private static byte[] context(ObjectHeader header, String logicalName) {
    MessageDigest digest = Jca.digest("SHA-512");
    for (byte[] part :
        new byte[][] {FORMAT, header.encode(), logicalName.getBytes(StandardCharsets.UTF_8)}) {
      digest.update(ByteBuffer.allocate(Integer.BYTES).putInt(part.length).array());
      digest.update(part);
    }
    return digest.digest();
  }

  /** What proves, before anything is opened, that key, header and name are the right ones. */
  byte[] commitment() {
    return commitment.clone();
  }

  void requireCommitment(byte[] found, String object) throws MalformedObjectException {
    if (!MessageDigest.isEqual(commitment, found)) {
      throw new MalformedObjectException(
          MalformedObjectException.WRONG_KEY_OR_NAME,
          object,
          "was sealed with another key, for another repository, as another object or under"
              + " another name",
          null);
    }
  }

  /** Seals up to a chunk; returns the length written. */
  int seal(long chunk, byte[] plain, int offset, int length, byte[] sealed, int sealedOffset) {
    try {
      cipher.init(Cipher.ENCRYPT_MODE, key, nonce(chunk));
      return cipher.doFinal(plain, offset, length, sealed, sealedOffset);
    } catch (GeneralSecurityException e) {
      throw Jca.unavailable(e);
    }
  }

  /** Opens a sealed chunk; returns the length of its plain text. */
  int open(
      long chunk,
      byte[] sealed,
      int offset,
      int length,
      byte[] plain,
      int plainOffset,
      String object)
      throws MalformedObjectException {
    try {
      cipher.init(Cipher.DECRYPT_MODE, key, nonce(chunk));
      return cipher.doFinal(sealed, offset, length, plain, plainOffset);
    } catch (AEADBadTagException e) {
      throw new MalformedObjectException(
          MalformedObjectException.ALTERED,
          object,
          "was altered or cut in the "
              + CHUNK / 1024
              + " KiB of content from byte "
              + chunk * CHUNK,
          e);
    } catch (GeneralSecurityException e) {
      throw Jca.unavailable(e);
    }
  }

  private GCMParameterSpec nonce(long chunk) {
    System.arraycopy(baseNonce, 0, nonce, 0, NONCE);
    for (int i = NONCE - 1, shift = 0; shift < Long.SIZE; i--, shift += Byte.SIZE) {
      nonce[i] ^= (byte) (chunk >>> shift);
    }
    return new GCMParameterSpec(8 * TAG, nonce);
  }
}
