package com.thorbis.backup.crypto;

import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.Provider;
import java.security.Security;
import javax.crypto.Cipher;
import javax.crypto.Mac;

/** The platform's primitives. */
final class Jca {
  private Jca() {}

  /** AES in Galois/Counter Mode. */
  static Cipher gcm() {
    // A host may have put another provider in front, some of which are fifty times slower.
    Provider fastest = Security.getProvider("SunJCE");
    try {
      return fastest == null
          ? Cipher.getInstance("AES/GCM/NoPadding")
          : Cipher.getInstance("AES/GCM/NoPadding", fastest);
    } catch (GeneralSecurityException e) {
      throw unavailable(e);
    }
  }

  static Mac mac(String algorithm) {
    try {
      return Mac.getInstance(algorithm);
    } catch (GeneralSecurityException e) {
      throw unavailable(e);
    }
  }

  static MessageDigest digest(String algorithm) {
    try {
      return MessageDigest.getInstance(algorithm);
    } catch (GeneralSecurityException e) {
      throw unavailable(e);
    }
  }

  static IllegalStateException unavailable(GeneralSecurityException e) {
    return new IllegalStateException("This Java runtime lacks a cryptographic primitive", e);
  }
}
