package com.thorbis.backup.application.platform;

import com.thorbis.backup.spi.SecretValue;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.HexFormat;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Versions of values whose place has none: a digest under a key that only this object has, as a
 * plain digest of a short value would tell it to whoever guesses.
 */
final class KeyedVersion implements AutoCloseable {
  private final byte[] key = new byte[32];

  KeyedVersion() {
    new SecureRandom().nextBytes(key);
  }

  String of(SecretValue value) {
    return value.useBytes(this::of);
  }

  String of(byte[] value) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(key, "HmacSHA256"));
      return HexFormat.of().formatHex(mac.doFinal(value), 0, 16);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("This Java runtime lacks HmacSHA256", e);
    }
  }

  @Override
  public void close() {
    Arrays.fill(key, (byte) 0);
  }
}
