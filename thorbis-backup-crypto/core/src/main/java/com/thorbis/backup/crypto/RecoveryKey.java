package com.thorbis.backup.crypto;

import com.thorbis.backup.spi.crypto.DataKey;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Arrays;
import org.bouncycastle.crypto.InvalidCipherTextException;

/**
 * The break-glass key: a seed that a person keeps on paper, and the key pair that follows from it.
 * Repositories hold the public half only. Erased on {@link #close}.
 */
public final class RecoveryKey implements AutoCloseable {
  static final int SEED = 32;

  // Without the letters that are read as digits.
  private static final String ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  private static final char[] LEAD = "THORBIS-RECOVERY".toCharArray();
  private static final int CHECK = 5;
  private static final int DIGITS = 60;
  private static final int GROUP = 5;

  private final DataKey seed;
  private final RecoveryPublicKey publicKey;

  private RecoveryKey(DataKey seed) {
    this.seed = seed;
    this.publicKey = seed.use(bytes -> RecoveryPublicKey.of(Hpke.publicKey(bytes)));
  }

  /** Draws a new key. */
  public static RecoveryKey generate(SecureRandom random) {
    return new RecoveryKey(DataKey.generate(random, SEED));
  }

  /**
   * Reads a key as it was written down. Case, spaces and hyphens do not matter, nor whether O is
   * written for 0 or I for 1.
   *
   * @param text stays the caller's, who erases it
   * @throws IllegalArgumentException if it is not a recovery key, or mistyped; never repeats it
   */
  public static RecoveryKey parse(char[] text) {
    byte[] digits = new byte[text.length];
    byte[] bytes = new byte[SEED + CHECK];
    byte[] check = new byte[0];
    try {
      int count = digits(text, digits);
      if (count != DIGITS) {
        throw new IllegalArgumentException(
            "A recovery key has "
                + DIGITS
                + " letters and digits after its first words, this has "
                + count);
      }
      long bits = 0;
      int held = 0;
      int at = 0;
      for (int i = 0; i < DIGITS; i++) {
        bits = (bits << 5) | digits[i];
        held += 5;
        if (held >= 8 && at < bytes.length) {
          held -= 8;
          bytes[at++] = (byte) (bits >>> held);
        }
      }
      boolean padded = (bits & ((1L << held) - 1)) == 0;
      byte[] seed = Arrays.copyOf(bytes, SEED);
      check = check(seed);
      try {
        if (!padded
            || !MessageDigest.isEqual(check, Arrays.copyOfRange(bytes, SEED, bytes.length))) {
          throw new IllegalArgumentException(
              "This recovery key is mistyped: its check digits do not agree");
        }
        return new RecoveryKey(DataKey.copyOf(seed));
      } finally {
        Arrays.fill(seed, (byte) 0);
      }
    } finally {
      Arrays.fill(digits, (byte) 0);
      Arrays.fill(bytes, (byte) 0);
      Arrays.fill(check, (byte) 0);
    }
  }

  /** The key as a person writes it down: groups of five with check digits. */
  public char[] text() {
    return seed.use(
        bytes -> {
          byte[] all = Arrays.copyOf(bytes, SEED + CHECK);
          System.arraycopy(check(bytes), 0, all, SEED, CHECK);
          char[] text = new char[LEAD.length + DIGITS + DIGITS / GROUP];
          System.arraycopy(LEAD, 0, text, 0, LEAD.length);
          int at = LEAD.length;
          for (int i = 0; i < DIGITS; i++) {
            if (i % GROUP == 0) {
              text[at++] = '-';
            }
            text[at++] = ALPHABET.charAt(digit(all, 5 * i));
          }
          Arrays.fill(all, (byte) 0);
          return text;
        });
  }

  /** The half that repositories hold. */
  public RecoveryPublicKey publicKey() {
    return publicKey;
  }

  @Override
  public void close() {
    seed.close();
  }

  /** Says only which key it is. */
  @Override
  public String toString() {
    return "recovery key " + publicKey.fingerprint();
  }

  RecoveryKey copy() {
    return new RecoveryKey(seed.use(DataKey::copyOf));
  }

  byte[] open(byte[] info, byte[] sealed) throws InvalidCipherTextException {
    byte[] lent = seed.use(byte[]::clone);
    try {
      return Hpke.open(lent, info, sealed);
    } finally {
      Arrays.fill(lent, (byte) 0);
    }
  }

  private static int digits(char[] text, byte[] digits) {
    int at = 0;
    for (int i = afterLead(text); i < text.length; i++) {
      char c = Character.toUpperCase(text[i]);
      if (separates(c)) {
        continue;
      }
      int digit = ALPHABET.indexOf(c == 'O' ? '0' : c == 'I' || c == 'L' ? '1' : c);
      if (digit < 0) {
        throw new IllegalArgumentException(
            "A recovery key has no such character as the one at position " + (i + 1));
      }
      digits[at++] = (byte) digit;
    }
    return at;
  }

  /** Where the digits begin: behind the words that each key starts with, if they are there. */
  private static int afterLead(char[] text) {
    int at = 0;
    for (char expected : LEAD) {
      if (separates(expected)) {
        continue;
      }
      while (at < text.length && separates(text[at])) {
        at++;
      }
      if (at == text.length || Character.toUpperCase(text[at++]) != expected) {
        return 0;
      }
    }
    return at;
  }

  private static boolean separates(char c) {
    return c == '-' || Character.isWhitespace(c);
  }

  private static int digit(byte[] bytes, int bit) {
    int digit = 0;
    for (int i = bit; i < bit + 5; i++) {
      int one = i / 8 < bytes.length ? (bytes[i / 8] >>> (7 - i % 8)) & 1 : 0;
      digit = (digit << 1) | one;
    }
    return digit;
  }

  private static byte[] check(byte[] seed) {
    MessageDigest digest = Jca.digest("SHA-256");
    digest.update("thorbis/v1/recovery-key".getBytes(StandardCharsets.US_ASCII));
    digest.update(seed);
    return Arrays.copyOf(digest.digest(), CHECK);
  }
}
