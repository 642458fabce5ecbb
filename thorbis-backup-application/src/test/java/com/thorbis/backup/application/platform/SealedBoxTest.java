package com.thorbis.backup.application.platform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.KeyFactory;
import java.security.KeyPairGenerator;
import java.security.SecureRandom;
import java.security.interfaces.XECPublicKey;
import java.security.spec.NamedParameterSpec;
import java.security.spec.XECPrivateKeySpec;
import java.security.spec.XECPublicKeySpec;
import java.util.Arrays;
import java.util.HexFormat;
import javax.crypto.KeyAgreement;
import org.junit.jupiter.api.Test;

/** Against the vectors of NaCl, and an opener that shares nothing with the sealing code. */
class SealedBoxTest {
  private static final HexFormat HEX = HexFormat.of();

  // NaCl: "Cryptography in NaCl", and tests/box.c
  private static final byte[] ALICE_SECRET =
      HEX.parseHex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  private static final byte[] BOB_PUBLIC =
      HEX.parseHex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  private static final byte[] SHARED =
      HEX.parseHex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
  private static final byte[] FIRST_KEY =
      HEX.parseHex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389");
  private static final byte[] NONCE =
      HEX.parseHex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37");
  private static final byte[] MESSAGE =
      HEX.parseHex(
          "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffc"
              + "e5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb31"
              + "0e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde"
              + "048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f93776384864"
              + "5e0705");
  private static final byte[] BOXED =
      HEX.parseHex(
          "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce"
              + "48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c972"
              + "71d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae"
              + "90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b3"
              + "7973f622a43d14a6599b1f654cb45a74e355a5");

  @Test
  void theKeyOfABoxIsThatOfNaCl() {
    assertThat(SealedBox.hsalsa20(SHARED)).isEqualTo(FIRST_KEY);
    assertThat(SealedBox.boxKey(ALICE_SECRET, BOB_PUBLIC)).isEqualTo(FIRST_KEY);
  }

  @Test
  void aSecretBoxIsThatOfNaCl() {
    assertThat(SealedBox.secretBox(FIRST_KEY, NONCE, MESSAGE)).isEqualTo(BOXED);
  }

  @Test
  void whatIsSealedOpensWithTheOtherKeyAlone() throws Exception {
    Keys keys = Keys.generate();
    SecureRandom random = new SecureRandom();
    for (int length : new int[] {0, 1, 31, 32, 63, 64, 65, 48 * 1024}) {
      byte[] plain = new byte[length];
      random.nextBytes(plain);
      byte[] sealed = SealedBox.seal(keys.publicKey(), plain, random);
      assertThat(sealed).hasSize(length + SealedBox.OVERHEAD);
      assertThat(keys.open(sealed)).describedAs("%d bytes", length).isEqualTo(plain);
      sealed[sealed.length - 1] ^= 1;
      assertThatThrownBy(() -> keys.open(sealed)).hasMessageContaining("tag");
    }
    byte[] one = SealedBox.seal(keys.publicKey(), new byte[8], random);
    assertThat(SealedBox.seal(keys.publicKey(), new byte[8], random)).isNotEqualTo(one);
  }

  @Test
  void aKeyThatIsNoneIsRefused() {
    for (byte[] bad : new byte[][] {new byte[32], new byte[31]}) {
      assertThatThrownBy(() -> SealedBox.seal(bad, new byte[8], new SecureRandom()))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("Not a public key");
    }
  }

  /** The opening side, from the papers: X25519 of the JDK, Salsa20 and Poly1305 by hand. */
  record Keys(byte[] secret, byte[] publicKey) {
    static Keys generate() throws Exception {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("X25519");
      java.security.KeyPair pair = generator.generateKeyPair();
      byte[] secret =
          ((java.security.interfaces.XECPrivateKey) pair.getPrivate()).getScalar().orElseThrow();
      return new Keys(secret, little(((XECPublicKey) pair.getPublic()).getU()));
    }

    byte[] open(byte[] sealed) throws Exception {
      byte[] ephemeral = Arrays.copyOf(sealed, 32);
      KeyFactory factory = KeyFactory.getInstance("X25519");
      KeyAgreement agreement = KeyAgreement.getInstance("X25519");
      agreement.init(
          factory.generatePrivate(new XECPrivateKeySpec(NamedParameterSpec.X25519, secret)));
      agreement.doPhase(
          factory.generatePublic(
              new XECPublicKeySpec(NamedParameterSpec.X25519, number(ephemeral))),
          true);
      int[] first = core(agreement.generateSecret(), new byte[16], false);
      byte[] nonce = SealedBox.nonce(ephemeral, publicKey);
      byte[] inner = bytes(core(hashed(first), Arrays.copyOf(nonce, 16), false), true);
      byte[] boxed = Arrays.copyOfRange(sealed, 32, sealed.length);
      byte[] stream = new byte[32 + boxed.length - 16];
      for (int block = 0; block * 64 < stream.length; block++) {
        byte[] input = new byte[16];
        System.arraycopy(nonce, 16, input, 0, 8);
        input[8] = (byte) block;
        input[9] = (byte) (block >> 8);
        byte[] out = bytes(core(inner, input, true), false);
        System.arraycopy(out, 0, stream, block * 64, Math.min(64, stream.length - block * 64));
      }
      byte[] cipher = Arrays.copyOfRange(boxed, 16, boxed.length);
      if (!Arrays.equals(poly1305(Arrays.copyOf(stream, 32), cipher), Arrays.copyOf(boxed, 16))) {
        throw new IllegalStateException("The tag is another");
      }
      byte[] plain = new byte[cipher.length];
      for (int i = 0; i < plain.length; i++) {
        plain[i] = (byte) (cipher[i] ^ stream[32 + i]);
      }
      return plain;
    }

    private static byte[] hashed(int[] words) {
      return bytes(words, true);
    }

    /** The bytes of all words, or of those that HSalsa20 takes. */
    private static byte[] bytes(int[] words, boolean hash) {
      int[] of =
          hash
              ? new int[] {
                words[0], words[5], words[10], words[15], words[6], words[7], words[8], words[9]
              }
              : words;
      byte[] out = new byte[4 * of.length];
      for (int i = 0; i < out.length; i++) {
        out[i] = (byte) (of[i / 4] >>> 8 * (i % 4));
      }
      return out;
    }

    private static int word(byte[] from, int at) {
      return from[at] & 0xff
          | (from[at + 1] & 0xff) << 8
          | (from[at + 2] & 0xff) << 16
          | (from[at + 3] & 0xff) << 24;
    }

    private static int[] core(byte[] key, byte[] input, boolean add) {
      byte[] sigma = "expand 32-byte k".getBytes(StandardCharsets.US_ASCII);
      int[] in = new int[16];
      for (int i = 0; i < 4; i++) {
        in[5 * i] = word(sigma, 4 * i);
        in[1 + i] = word(key, 4 * i);
        in[6 + i] = word(input, 4 * i);
        in[11 + i] = word(key, 16 + 4 * i);
      }
      int[] x = in.clone();
      for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 4; i++) {
          quarter(x, 5 * i % 16, (5 * i + 4) % 16, (5 * i + 8) % 16, (5 * i + 12) % 16);
        }
        for (int i = 0; i < 4; i++) {
          quarter(x, 4 * i + i, 4 * i + (i + 1) % 4, 4 * i + (i + 2) % 4, 4 * i + (i + 3) % 4);
        }
      }
      for (int i = 0; add && i < 16; i++) {
        x[i] += in[i];
      }
      return x;
    }

    private static void quarter(int[] x, int a, int b, int c, int d) {
      x[b] ^= Integer.rotateLeft(x[a] + x[d], 7);
      x[c] ^= Integer.rotateLeft(x[b] + x[a], 9);
      x[d] ^= Integer.rotateLeft(x[c] + x[b], 13);
      x[a] ^= Integer.rotateLeft(x[d] + x[c], 18);
    }

    private static byte[] poly1305(byte[] key, byte[] message) {
      BigInteger p = BigInteger.ONE.shiftLeft(130).subtract(BigInteger.valueOf(5));
      BigInteger clamp = new BigInteger("0ffffffc0ffffffc0ffffffc0fffffff", 16);
      BigInteger r = number(Arrays.copyOf(key, 16)).and(clamp);
      BigInteger sum = BigInteger.ZERO;
      for (int at = 0; at < message.length; at += 16) {
        byte[] block = Arrays.copyOfRange(message, at, Math.min(message.length, at + 16));
        byte[] longer = Arrays.copyOf(block, block.length + 1);
        longer[block.length] = 1;
        sum = sum.add(number(longer)).multiply(r).mod(p);
      }
      BigInteger tag =
          sum.add(number(Arrays.copyOfRange(key, 16, 32))).mod(BigInteger.ONE.shiftLeft(128));
      return Arrays.copyOf(little(tag), 16);
    }

    private static BigInteger number(byte[] little) {
      byte[] big = new byte[little.length];
      for (int i = 0; i < big.length; i++) {
        big[i] = little[big.length - 1 - i];
      }
      return new BigInteger(1, big);
    }

    private static byte[] little(BigInteger number) {
      byte[] big = number.toByteArray();
      byte[] little = new byte[32];
      for (int i = 0; i < Math.min(32, big.length); i++) {
        little[i] = big[big.length - 1 - i];
      }
      return little;
    }
  }
}
