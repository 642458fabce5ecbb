package com.thorbis.backup.crypto;

import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.Signer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Base64;
import org.bouncycastle.math.ec.rfc8032.Ed25519;

/**
 * What a host signs its commits with, in a file of its own. It opens nothing; whoever has it can
 * write in the host's name. Erased on {@link #close}. Safe for several threads.
 */
public final class SigningKey implements Signer, AutoCloseable {
  private static final String NAME = "signing key";
  private static final byte[] LEAD = "THORBIS-SIGNING-KEY-".getBytes(StandardCharsets.US_ASCII);
  private static final int SEED = Ed25519.SECRET_KEY_SIZE;
  private static final int CHECK = 4;

  private final DataKey seed;
  private final SigningPublicKey publicKey;

  private SigningKey(DataKey seed) {
    this.seed = seed;
    this.publicKey =
        seed.use(
            bytes -> {
              byte[] encoded = new byte[SigningPublicKey.LENGTH];
              Ed25519.generatePublicKey(bytes, 0, encoded, 0);
              return SigningPublicKey.of(encoded);
            });
  }

  /** Draws a new key. The text of its public half does not begin with a hyphen. */
  public static SigningKey generate(SecureRandom random) {
    while (true) {
      SigningKey drawn = new SigningKey(DataKey.generate(random, SEED));
      // Commands would take such a text for an option. One draw of 64 begins so, which costs the
      // key a fortieth of a bit.
      if (!drawn.publicKey.text().startsWith("-")) {
        return drawn;
      }
      drawn.close();
    }
  }

  /**
   * Reads a key from its file.
   *
   * @throws IOException of a stable code if there is none, or others may read it
   */
  public static SigningKey read(Path file) throws IOException {
    byte[] content = KeyFiles.read(file, NAME);
    byte[] bytes = new byte[0];
    byte[] drawn = new byte[0];
    try {
      KeyFiles.requirePrivate(file, false, NAME);
      int end = content.length;
      while (end > 0 && Character.isWhitespace(content[end - 1])) {
        end--;
      }
      if (end < LEAD.length || !Arrays.equals(content, 0, LEAD.length, LEAD, 0, LEAD.length)) {
        throw unusable(file, "holds no signing key");
      }
      try {
        bytes = Base64.getUrlDecoder().decode(Arrays.copyOfRange(content, LEAD.length, end));
      } catch (IllegalArgumentException e) {
        throw unusable(file, "holds a damaged signing key");
      }
      drawn = Arrays.copyOf(bytes, SEED);
      if (bytes.length != SEED + CHECK
          || !MessageDigest.isEqual(check(drawn), Arrays.copyOfRange(bytes, SEED, SEED + CHECK))) {
        throw unusable(file, "holds a damaged signing key: its check bytes do not agree");
      }
      return new SigningKey(DataKey.copyOf(drawn));
    } finally {
      Arrays.fill(content, (byte) 0);
      Arrays.fill(bytes, (byte) 0);
      Arrays.fill(drawn, (byte) 0);
    }
  }

  /**
   * Writes the key into a new file that its owner alone can read, durably.
   *
   * @throws java.nio.file.FileAlreadyExistsException if the name is taken; nothing is overwritten
   */
  public void writeTo(Path file) throws IOException {
    byte[] line =
        seed.use(
            bytes -> {
              byte[] all = Arrays.copyOf(bytes, SEED + CHECK);
              System.arraycopy(check(bytes), 0, all, SEED, CHECK);
              byte[] text = Base64.getUrlEncoder().withoutPadding().encode(all);
              byte[] whole = Arrays.copyOf(LEAD, LEAD.length + text.length + 1);
              System.arraycopy(text, 0, whole, LEAD.length, text.length);
              whole[whole.length - 1] = '\n';
              Arrays.fill(all, (byte) 0);
              Arrays.fill(text, (byte) 0);
              return whole;
            });
    try {
      KeyFiles.create(file, line);
    } finally {
      Arrays.fill(line, (byte) 0);
    }
  }

  /** The half that a repository names. */
  public SigningPublicKey verifier() {
    return publicKey;
  }

  @Override
  public byte[] publicKey() {
    return publicKey.encoded();
  }

  @Override
  public byte[] sign(byte[] message) {
    return seed.use(
        bytes -> {
          byte[] signature = new byte[SigningPublicKey.SIGNATURE];
          Ed25519.sign(bytes, 0, message, 0, message.length, signature, 0);
          return signature;
        });
  }

  @Override
  public void close() {
    seed.close();
  }

  /** Says only which key it is. */
  @Override
  public String toString() {
    return "signing key " + publicKey;
  }

  private static IOException unusable(Path file, String problem) {
    return Wraps.configuration(
        "key.file-unusable",
        NAME,
        file + " " + problem,
        "Name a file that keys signing-key has made, or bring it back from where it is kept safe.");
  }

  private static byte[] check(byte[] seed) {
    MessageDigest digest = Jca.digest("SHA-256");
    digest.update("thorbis/v1/signing-key".getBytes(StandardCharsets.US_ASCII));
    digest.update(seed);
    return Arrays.copyOf(digest.digest(), CHECK);
  }
}
