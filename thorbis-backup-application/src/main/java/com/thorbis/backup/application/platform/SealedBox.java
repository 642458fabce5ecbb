package com.thorbis.backup.application.platform;

import java.security.SecureRandom;
import java.util.Arrays;
import org.bouncycastle.crypto.digests.Blake2bDigest;
import org.bouncycastle.crypto.engines.Salsa20Engine;
import org.bouncycastle.crypto.engines.XSalsa20Engine;
import org.bouncycastle.crypto.macs.Poly1305;
import org.bouncycastle.crypto.params.KeyParameter;
import org.bouncycastle.crypto.params.ParametersWithIV;
import org.bouncycastle.math.ec.rfc7748.X25519;
import org.bouncycastle.util.Pack;

/**
 * The sealed boxes of libsodium, {@code crypto_box_seal}: X25519 with a key of its own for every
 * box, XSalsa20-Poly1305, and a nonce that is the BLAKE2b of both public keys. Whoever seals cannot
 * open.
 */
final class SealedBox {
  static final int KEY = 32;

  /** How much longer a box is than what it holds. */
  static final int OVERHEAD = KEY + 16;

  private static final int NONCE = 24;
  private static final int TAG = 16;
  // "expand 32-byte k", as four little-endian words.
  private static final int[] SIGMA = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

  private SealedBox() {}

  static byte[] seal(byte[] publicKey, byte[] plain, SecureRandom random) {
    byte[] secret = new byte[KEY];
    try {
      X25519.generatePrivateKey(random, secret);
      return seal(publicKey, plain, secret);
    } finally {
      Arrays.fill(secret, (byte) 0);
    }
  }

  /** With a given key of the box: for tests against what other implementations made. */
  static byte[] seal(byte[] publicKey, byte[] plain, byte[] secret) {
    byte[] ephemeral = new byte[KEY];
    X25519.scalarMultBase(secret, 0, ephemeral, 0);
    byte[] key = boxKey(secret, publicKey);
    try {
      byte[] boxed = secretBox(key, nonce(ephemeral, publicKey), plain);
      byte[] sealed = Arrays.copyOf(ephemeral, KEY + boxed.length);
      System.arraycopy(boxed, 0, sealed, KEY, boxed.length);
      return sealed;
    } finally {
      Arrays.fill(key, (byte) 0);
    }
  }

  /** {@code crypto_box_beforenm}. */
  static byte[] boxKey(byte[] secret, byte[] publicKey) {
    byte[] shared = new byte[KEY];
    try {
      if (publicKey.length != KEY
          || !X25519.calculateAgreement(secret, 0, publicKey, 0, shared, 0)) {
        throw new IllegalArgumentException("Not a public key that a box can be sealed to");
      }
      return hsalsa20(shared);
    } finally {
      Arrays.fill(shared, (byte) 0);
    }
  }

  /** {@code crypto_secretbox_easy}: the tag, and what it protects. */
  static byte[] secretBox(byte[] key, byte[] nonce, byte[] plain) {
    XSalsa20Engine stream = new XSalsa20Engine();
    stream.init(true, new ParametersWithIV(new KeyParameter(key), nonce));
    byte[] macKey = new byte[KEY];
    stream.processBytes(macKey, 0, KEY, macKey, 0);
    byte[] boxed = new byte[TAG + plain.length];
    stream.processBytes(plain, 0, plain.length, boxed, TAG);
    Poly1305 mac = new Poly1305();
    mac.init(new KeyParameter(macKey));
    mac.update(boxed, TAG, plain.length);
    mac.doFinal(boxed, 0);
    Arrays.fill(macKey, (byte) 0);
    return boxed;
  }

  static byte[] nonce(byte[] ephemeral, byte[] publicKey) {
    Blake2bDigest digest = new Blake2bDigest(8 * NONCE);
    digest.update(ephemeral, 0, KEY);
    digest.update(publicKey, 0, KEY);
    byte[] nonce = new byte[NONCE];
    digest.doFinal(nonce, 0);
    return nonce;
  }

  /** HSalsa20 of a key and sixteen zeros: the core of Salsa20 without its last addition. */
  static byte[] hsalsa20(byte[] key) {
    int[] words = new int[8];
    Pack.littleEndianToInt(key, 0, words);
    int[] state = new int[16];
    for (int i = 0; i < 4; i++) {
      state[5 * i] = SIGMA[i];
      state[1 + i] = words[i];
      state[11 + i] = words[4 + i];
    }
    int[] mixed = new int[16];
    Salsa20Engine.salsaCore(20, state, mixed);
    int[] out = new int[8];
    for (int i = 0; i < 4; i++) {
      out[i] = mixed[5 * i] - state[5 * i];
      out[4 + i] = mixed[6 + i] - state[6 + i];
    }
    byte[] derived = Pack.intToLittleEndian(out);
    Arrays.fill(words, 0);
    Arrays.fill(state, 0);
    Arrays.fill(mixed, 0);
    Arrays.fill(out, 0);
    return derived;
  }
}
