package com.thorbis.backup.crypto;

import java.security.GeneralSecurityException;
import java.util.Arrays;
import javax.crypto.Mac;
import javax.crypto.ShortBufferException;
import javax.crypto.spec.SecretKeySpec;

/** Key derivation of RFC 5869. */
final class Hkdf {
  static final Hkdf SHA256 = new Hkdf("HmacSHA256", 32);
  static final Hkdf SHA512 = new Hkdf("HmacSHA512", 64);

  private final String algorithm;
  private final int hashLength;

  private Hkdf(String algorithm, int hashLength) {
    this.algorithm = algorithm;
    this.hashLength = hashLength;
  }

  byte[] extract(byte[] salt, byte[] inputKey) {
    return keyed(salt.length == 0 ? new byte[hashLength] : salt).doFinal(inputKey);
  }

  byte[] expand(byte[] key, byte[] info, int length) {
    if (length < 0 || length > 255 * hashLength) {
      throw new IllegalArgumentException("Cannot derive " + length + " bytes");
    }
    Mac mac = keyed(key);
    byte[] block = new byte[hashLength];
    byte[] out = new byte[length];
    try {
      for (int done = 0, number = 1; done < length; done += hashLength, number++) {
        if (number > 1) {
          mac.update(block);
        }
        mac.update(info);
        mac.update((byte) number);
        mac.doFinal(block, 0);
        System.arraycopy(block, 0, out, done, Math.min(hashLength, length - done));
      }
    } catch (ShortBufferException e) {
      throw Jca.unavailable(e);
    } finally {
      Arrays.fill(block, (byte) 0);
    }
    return out;
  }

  private Mac keyed(byte[] key) {
    Mac mac = Jca.mac(algorithm);
    try {
      mac.init(new SecretKeySpec(key, algorithm));
    } catch (GeneralSecurityException e) {
      throw Jca.unavailable(e);
    }
    return mac;
  }
}
