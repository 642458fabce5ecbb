package com.thorbis.backup.testkit.cloud;

import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.crypto.AEADBadTagException;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/** A symmetric key of several versions; the last one seals. */
final class FakeKey {
  private static final int IV = 12;
  private static final int TAG = 16;

  boolean enabled = true;
  @Nullable Instant deletion;

  private final List<SecretKeySpec> versions = new ArrayList<>();

  FakeKey(SecureRandom random) {
    rotate(random);
  }

  void rotate(SecureRandom random) {
    byte[] bytes = new byte[32];
    random.nextBytes(bytes);
    versions.add(new SecretKeySpec(bytes, "AES"));
  }

  /** The number of the version that seals, from 1. */
  int current() {
    return versions.size();
  }

  byte[] seal(SecureRandom random, byte[] plain, byte[] context) {
    byte[] iv = new byte[IV];
    random.nextBytes(iv);
    try {
      Cipher cipher = cipher(Cipher.ENCRYPT_MODE, current(), iv, context);
      byte[] sealed = cipher.doFinal(plain);
      return ByteBuffer.allocate(Integer.BYTES + IV + sealed.length)
          .putInt(current())
          .put(iv)
          .put(sealed)
          .array();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The version that sealed; 0 if that is none. */
  int version(byte[] sealed) {
    int version = sealed.length < Integer.BYTES + IV + TAG ? 0 : ByteBuffer.wrap(sealed).getInt();
    return version > versions.size() ? 0 : Math.max(version, 0);
  }

  byte @Nullable [] open(byte[] sealed, byte[] context) {
    int version = version(sealed);
    if (version == 0) {
      return null;
    }
    try {
      byte[] iv = Arrays.copyOfRange(sealed, Integer.BYTES, Integer.BYTES + IV);
      return cipher(Cipher.DECRYPT_MODE, version, iv, context)
          .doFinal(sealed, Integer.BYTES + IV, sealed.length - Integer.BYTES - IV);
    } catch (AEADBadTagException e) {
      return null;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  private Cipher cipher(int mode, int version, byte[] iv, byte[] context)
      throws GeneralSecurityException {
    Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
    cipher.init(mode, versions.get(version - 1), new GCMParameterSpec(TAG * 8, iv));
    cipher.updateAAD(context);
    return cipher;
  }
}
