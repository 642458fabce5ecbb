package com.thorbis.backup.application.app;

import java.io.IOException;
import java.io.InputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * Which bytes are meant.
 *
 * @param length how many
 * @param sha256 their SHA-256, in hexadecimal digits
 */
public record Reference(long length, String sha256) {
  /** Of these bytes. */
  public static Reference of(byte[] bytes) {
    return new Reference(bytes.length, HexFormat.of().formatHex(digest().digest(bytes)));
  }

  /** Of all that a stream gives. */
  public static Reference of(InputStream in) throws IOException {
    MessageDigest digest = digest();
    byte[] buffer = new byte[1 << 16];
    long length = 0;
    for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
      digest.update(buffer, 0, read);
      length += read;
    }
    return new Reference(length, HexFormat.of().formatHex(digest.digest()));
  }

  static MessageDigest digest() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every Java has SHA-256", e);
    }
  }
}
