package com.thorbis.backup.dr.plan;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Optional;

/** The text of a public signing key: 32 bytes and a checksum of 4, in the alphabet of URLs. */
final class PublicKeyText {
  private static final int KEY = 32;
  private static final int CHECK = 4;
  private static final byte[] LABEL =
      "thorbis/v1/signing-public-key".getBytes(StandardCharsets.US_ASCII);

  private PublicKeyText() {}

  /** The key in hexadecimal; empty if the text is none, or mistyped. */
  static Optional<String> hex(String text) {
    byte[] bytes;
    try {
      bytes = Base64.getUrlDecoder().decode(text);
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
    if (bytes.length != KEY + CHECK
        || !Arrays.equals(check(bytes), 0, CHECK, bytes, KEY, KEY + CHECK)) {
      return Optional.empty();
    }
    return Optional.of(HexFormat.of().formatHex(bytes, 0, KEY));
  }

  private static byte[] check(byte[] bytes) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      digest.update(LABEL);
      digest.update(bytes, 0, KEY);
      return digest.digest();
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java has it
    }
  }
}
