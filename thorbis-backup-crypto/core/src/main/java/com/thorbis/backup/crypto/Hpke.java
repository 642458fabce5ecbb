package com.thorbis.backup.crypto;

import java.util.Arrays;
import org.bouncycastle.crypto.InvalidCipherTextException;
import org.bouncycastle.crypto.hpke.HPKE;
import org.bouncycastle.crypto.hpke.HPKEContextWithEncapsulation;

/** HPKE in base mode: X-Wing (ML-KEM-768 with X25519), HKDF-SHA-256, AES-256-GCM. */
final class Hpke {
  static final int PUBLIC_KEY = 1216;
  static final int ENCAPSULATED = 1120;
  static final int TAG = 16;

  private static final byte[] NO_DATA = new byte[0];

  private Hpke() {}

  static byte[] publicKey(byte[] seed) {
    HPKE suite = suite();
    return suite.serializePublicKey(suite.deserializePrivateKey(seed, null).getPublic());
  }

  /** The encapsulated key, followed by the ciphertext. */
  static byte[] seal(byte[] publicKey, byte[] info, byte[] plain) {
    HPKE suite = suite();
    HPKEContextWithEncapsulation context =
        suite.setupBaseS(suite.deserializePublicKey(publicKey), info);
    try {
      byte[] encapsulated = context.getEncapsulation();
      byte[] ciphertext = context.seal(NO_DATA, plain);
      byte[] sealed = Arrays.copyOf(encapsulated, encapsulated.length + ciphertext.length);
      System.arraycopy(ciphertext, 0, sealed, encapsulated.length, ciphertext.length);
      return sealed;
    } catch (InvalidCipherTextException e) {
      throw new IllegalStateException("A key could not be sealed", e);
    }
  }

  static byte[] open(byte[] seed, byte[] info, byte[] sealed) throws InvalidCipherTextException {
    HPKE suite = suite();
    return suite
        .setupBaseR(
            Arrays.copyOf(sealed, ENCAPSULATED), suite.deserializePrivateKey(seed, null), info)
        .open(NO_DATA, Arrays.copyOfRange(sealed, ENCAPSULATED, sealed.length));
  }

  private static HPKE suite() {
    return new HPKE(HPKE.mode_base, HPKE.kem_X_WING, HPKE.kdf_HKDF_SHA256, HPKE.aead_AES_GCM256);
  }
}
