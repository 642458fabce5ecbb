package com.thorbis.backup.storage.internal.format;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** SHA-256 of stored bytes. */
public final class Digests {
  private Digests() {}

  /** A new digest. */
  public static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every Java runtime has SHA-256", e);
    }
  }

  /** 64 lower-case hexadecimal digits. */
  public static String sha256(byte[] bytes) {
    return text(sha256().digest(bytes));
  }

  /** 64 lower-case hexadecimal digits. */
  public static String text(byte[] digest) {
    return HexFormat.of().formatHex(digest);
  }
}
