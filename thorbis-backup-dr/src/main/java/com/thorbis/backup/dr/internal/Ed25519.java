package com.thorbis.backup.dr.internal;

import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.util.HexFormat;

/** Checks signatures with nothing but the JDK. */
public final class Ed25519 {
  /** Bytes of a public key. */
  public static final int KEY = 32;

  /** Bytes of a signature. */
  public static final int SIGNATURE = 64;

  /** What comes before the 32 bytes of such a key in the form that the JDK reads (RFC 8410). */
  private static final byte[] LEAD = HexFormat.of().parseHex("302a300506032b6570032100");

  private Ed25519() {}

  /** Whether the other half of this key signed the message; false too if it is no key. */
  public static boolean verifies(byte[] key, byte[] message, byte[] signature) {
    if (key.length != KEY || signature.length != SIGNATURE) {
      return false;
    }
    byte[] encoded = new byte[LEAD.length + KEY];
    System.arraycopy(LEAD, 0, encoded, 0, LEAD.length);
    System.arraycopy(key, 0, encoded, LEAD.length, KEY);
    try {
      Signature check = Signature.getInstance("Ed25519");
      check.initVerify(
          KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(encoded)));
      check.update(message);
      return check.verify(signature);
    } catch (GeneralSecurityException e) {
      return false;
    }
  }
}
