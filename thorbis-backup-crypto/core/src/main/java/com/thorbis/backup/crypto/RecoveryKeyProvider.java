package com.thorbis.backup.crypto;

import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyContext;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.WrappedKey;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import org.bouncycastle.crypto.InvalidCipherTextException;
import org.jspecify.annotations.Nullable;

/**
 * The recipient whose private half lies in a safe. Wraps with the public half alone, which every
 * wrap carries: one who knows the key's fingerprint finds it in the repository.
 */
public final class RecoveryKeyProvider implements KeyProvider {
  /** The scheme of its URIs. */
  public static final String SCHEME = "recovery";

  /** Longer than any label that somebody would choose. */
  private static final int SHORTEST_KEY_TEXT = 256;

  private final String fingerprint;
  private final @Nullable RecoveryKey recoveryKey;
  private volatile @Nullable RecoveryPublicKey publicKey;

  private RecoveryKeyProvider(
      String fingerprint,
      @Nullable RecoveryPublicKey publicKey,
      @Nullable RecoveryKey recoveryKey) {
    this.fingerprint = fingerprint;
    this.publicKey = publicKey;
    this.recoveryKey = recoveryKey;
  }

  /** A recipient that wraps and cannot open. */
  public static RecoveryKeyProvider ofPublicKey(RecoveryPublicKey publicKey) {
    return new RecoveryKeyProvider(publicKey.fingerprint(), publicKey, null);
  }

  /**
   * A recipient that wraps once it has seen one of its wraps.
   *
   * @param fingerprint {@link RecoveryPublicKey#fingerprint}
   */
  public static RecoveryKeyProvider ofFingerprint(String fingerprint) {
    if (!isFingerprint(fingerprint)) {
      throw new IllegalArgumentException("Not a fingerprint: \"" + fingerprint + "\"");
    }
    return new RecoveryKeyProvider(fingerprint, null, null);
  }

  /**
   * A recipient that wraps and opens.
   *
   * @param key copied; stays the caller's
   */
  public static RecoveryKeyProvider ofRecoveryKey(RecoveryKey key) {
    return new RecoveryKeyProvider(key.publicKey().fingerprint(), key.publicKey(), key.copy());
  }

  /**
   * A recipient from what a configuration says.
   *
   * @param named a public key's text or fingerprint; any label if a file is given
   * @param publicKeyFile holds a public key's text
   * @param keyFile holds a recovery key's text; closed to other accounts
   */
  public static RecoveryKeyProvider open(
      String named, Optional<Path> publicKeyFile, Optional<Path> keyFile) throws IOException {
    RecoveryPublicKey given = null;
    String expected = isFingerprint(named) ? named : null;
    if (named.length() >= SHORTEST_KEY_TEXT) {
      given = parsePublicKey(named, SCHEME);
      expected = given.fingerprint();
    }
    RecoveryKeyProvider opened;
    if (keyFile.isPresent()) {
      opened = readRecoveryKey(keyFile.get());
    } else if (publicKeyFile.isPresent()) {
      String recipient = SCHEME + " " + publicKeyFile.get();
      byte[] text = KeyFiles.read(publicKeyFile.get(), recipient);
      opened = ofPublicKey(parsePublicKey(new String(text, StandardCharsets.US_ASCII), recipient));
    } else if (given != null) {
      opened = ofPublicKey(given);
    } else if (expected != null) {
      opened = ofFingerprint(expected);
    } else {
      throw Wraps.configuration(
          "key.public-key-invalid",
          SCHEME + ":" + named,
          "is neither a recovery public key nor the fingerprint of one",
          "Write the public key that came with the recovery key, its fingerprint, or set"
              + " public-key-file.");
    }
    if (expected != null && !opened.fingerprint.equals(expected)) {
      opened.close();
      throw Wraps.configuration(
          "key.public-key-invalid",
          SCHEME + ":" + expected,
          "the file holds another key, " + opened.fingerprint,
          "Name the file of this key, or correct the fingerprint.");
    }
    return opened;
  }

  private static RecoveryKeyProvider readRecoveryKey(Path file) throws IOException {
    String recipient = SCHEME + " " + file;
    KeyFiles.requirePrivate(file, false, recipient);
    byte[] bytes = KeyFiles.read(file, recipient);
    char[] text = new char[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      text[i] = (char) (bytes[i] & 0xff);
    }
    try (RecoveryKey key = RecoveryKey.parse(text)) {
      return ofRecoveryKey(key);
    } catch (IllegalArgumentException e) {
      throw Wraps.configuration(
          "key.file-unusable",
          recipient,
          String.valueOf(e.getMessage()),
          "Copy the recovery key again, as it was printed.");
    } finally {
      Arrays.fill(bytes, (byte) 0);
      Arrays.fill(text, '\0');
    }
  }

  private static RecoveryPublicKey parsePublicKey(String text, String recipient)
      throws KeyException {
    try {
      return RecoveryPublicKey.parse(text);
    } catch (IllegalArgumentException e) {
      throw Wraps.configuration(
          "key.public-key-invalid",
          recipient,
          String.valueOf(e.getMessage()),
          "Copy the public key again, whole.");
    }
  }

  /** Whether a text has the form of a fingerprint. */
  static boolean isFingerprint(String text) {
    return text.matches("[0-9a-f]{32}");
  }

  /** The public half, if it is known already. */
  public Optional<RecoveryPublicKey> publicKey() {
    return Optional.ofNullable(publicKey);
  }

  /** Takes the public half from one of its own wraps, if this is one. */
  void learnFrom(WrappedKey wrapped) {
    if (publicKey == null
        && wrapped.scheme().equals(SCHEME)
        && wrapped.keyId().equals(fingerprint)) {
      byte[] sealed = wrapped.ciphertext();
      if (sealed.length > Hpke.PUBLIC_KEY) {
        RecoveryPublicKey found = RecoveryPublicKey.of(Arrays.copyOf(sealed, Hpke.PUBLIC_KEY));
        if (found.fingerprint().equals(fingerprint)) {
          publicKey = found;
        }
      }
    }
  }

  @Override
  public String scheme() {
    return SCHEME;
  }

  @Override
  public String keyId() {
    return fingerprint;
  }

  @Override
  public String describe() {
    return SCHEME + " key " + fingerprint;
  }

  @Override
  public boolean canUnwrap() {
    return recoveryKey != null;
  }

  @Override
  public WrappedKey wrap(DataKey key, KeyContext context) throws KeyException {
    Wraps.requireLength(key);
    RecoveryPublicKey recipient = publicKey;
    if (recipient == null) {
      throw Wraps.configuration(
          "key.public-key-missing",
          describe(),
          "only the fingerprint of the public key is known, and no wrap of it was seen",
          "Write the public key itself, or set public-key-file.");
    }
    byte[] encoded = recipient.encoded();
    byte[] info = Wraps.binding(SCHEME, fingerprint, context);
    byte[] sealed = key.use(plain -> Hpke.seal(encoded, info, plain));
    byte[] all = Arrays.copyOf(encoded, encoded.length + sealed.length);
    System.arraycopy(sealed, 0, all, encoded.length, sealed.length);
    return WrappedKey.of(SCHEME, fingerprint, all);
  }

  @Override
  public DataKey unwrap(WrappedKey wrapped, KeyContext context) throws KeyException {
    RecoveryKey key = recoveryKey;
    if (key == null) {
      throw Wraps.refused(
          describe(),
          "the public half cannot open what it wrapped",
          "Set key-file to a file (mode 600) that holds the recovery key from the safe.");
    }
    if (!wrapped.scheme().equals(SCHEME) || !wrapped.keyId().equals(fingerprint)) {
      throw Wraps.refused(
          describe(),
          "the key was wrapped by " + wrapped.scheme() + " " + wrapped.keyId(),
          "Use the recovery key of that fingerprint.");
    }
    byte[] all = wrapped.ciphertext();
    int length = all.length - Hpke.PUBLIC_KEY - Hpke.ENCAPSULATED - Hpke.TAG;
    if (length < 1 || length > Wraps.MAX_KEY) {
      throw Wraps.refused(
          describe(),
          "the wrap has " + all.length + " bytes, which none of ours has",
          "Read it from another copy.");
    }
    if (!Arrays.equals(key.publicKey().encoded(), Arrays.copyOf(all, Hpke.PUBLIC_KEY))) {
      throw Wraps.refused(
          describe(),
          "the wrap carries another public key than its name says",
          "Read it from another copy.");
    }
    byte[] plain = new byte[0];
    try {
      plain =
          key.open(
              Wraps.binding(SCHEME, fingerprint, context),
              Arrays.copyOfRange(all, Hpke.PUBLIC_KEY, all.length));
      return DataKey.copyOf(plain);
    } catch (InvalidCipherTextException | IllegalArgumentException e) {
      throw Wraps.refused(
          describe(),
          "the wrap does not open: from another place in the repository, or damaged",
          "Read it from another copy.");
    } finally {
      Arrays.fill(plain, (byte) 0);
    }
  }

  @Override
  public void close() {
    if (recoveryKey != null) {
      recoveryKey.close();
    }
  }
}
