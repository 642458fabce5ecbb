package com.thorbis.backup.crypto.pkcs11;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyContext;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.KeyState;
import com.thorbis.backup.spi.crypto.WrappedKey;
import java.security.Provider;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Objects;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A recipient whose AES key is kept by a token that speaks PKCS#11 and never leaves it. One key
 * wraps; every AES key of the token opens what it wrapped, so a new one can take over while the old
 * one stays. The token is opened when it is first needed, and stays logged in until the process
 * ends: PKCS#11 knows one login for all of a process.
 */
public final class Pkcs11KeyProvider implements KeyProvider {
  /** The scheme of its URIs. */
  public static final String SCHEME = "pkcs11";

  private static final int MOST_KEY_BYTES = 128;
  private static final byte FORM = 1;
  private static final int NONCE = 12;
  private static final int OVERHEAD = 1 + NONCE + Token.TAG;

  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._/ -]{1,200}");

  private final String name;
  private final String place;
  private final Token token;
  private final Failures failures;
  private final SecureRandom random = new SecureRandom();

  private Pkcs11KeyProvider(String name, Token.Source source, SecretValue pin) {
    if (!NAME.matcher(name).matches() || name.endsWith("/")) {
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              SCHEME + ": \"" + name + "\" does not name a key")
          .remedy(
              "Write pkcs11:KEY with the key's label, or pkcs11:TOKEN/KEY to tell tokens apart.")
          .build();
    }
    this.name = name;
    this.place = name.substring(0, name.lastIndexOf('/') + 1);
    this.failures = new Failures(SCHEME + " " + name);
    this.token = new Token(source, pin.useBytes(SecretValue::copyOf), failures);
  }

  /** Over a provider of the host's own. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects what a recipient needs. */
  public static final class Builder {
    private Token.@Nullable Source source;
    private @Nullable SecretValue pin;
    private @Nullable String key;

    private Builder() {}

    /** A provider that was configured for one slot; it stays its owner's. */
    public Builder provider(Provider provider) {
      this.source = () -> provider;
      return this;
    }

    /** A provider that is made when first needed. */
    Builder source(Token.Source source) {
      this.source = source;
      return this;
    }

    /** The user's PIN; copied. */
    public Builder pin(SecretValue pin) {
      this.pin = pin;
      return this;
    }

    /**
     * The label of an AES key. What stands before a slash is no part of it: it tells keys of
     * several tokens apart, and is kept with every wrap.
     */
    public Builder key(String name) {
      this.key = name;
      return this;
    }

    /**
     * Checks what can be checked without asking the token.
     *
     * @throws BackupException of kind CONFIGURATION if the name cannot be one
     */
    public Pkcs11KeyProvider build() {
      return new Pkcs11KeyProvider(
          Objects.requireNonNull(key, "key"),
          Objects.requireNonNull(source, "provider"),
          Objects.requireNonNull(pin, "pin"));
    }
  }

  @Override
  public String scheme() {
    return SCHEME;
  }

  @Override
  public String keyId() {
    return name;
  }

  @Override
  public String describe() {
    return failures.recipient();
  }

  @Override
  public boolean canUnwrap() {
    return true;
  }

  @Override
  public WrappedKey wrap(DataKey wrapped, KeyContext context) throws KeyException {
    if (wrapped.length() < 1 || wrapped.length() > MOST_KEY_BYTES) {
      throw new IllegalArgumentException(
          "A key to wrap has 1 to " + MOST_KEY_BYTES + " bytes, not " + wrapped.length());
    }
    byte[] nonce = new byte[NONCE];
    random.nextBytes(nonce);
    byte[] sealed = token.seal(label(name), nonce, context.encoded(), wrapped);
    byte[] ciphertext = new byte[1 + NONCE + sealed.length];
    ciphertext[0] = FORM;
    System.arraycopy(nonce, 0, ciphertext, 1, NONCE);
    System.arraycopy(sealed, 0, ciphertext, 1 + NONCE, sealed.length);
    return WrappedKey.of(SCHEME, name, ciphertext);
  }

  @Override
  public DataKey unwrap(WrappedKey wrapped, KeyContext context) throws KeyException {
    String by = wrapped.keyId();
    if (!wrapped.scheme().equals(SCHEME)
        || !by.substring(0, by.lastIndexOf('/') + 1).equals(place)) {
      throw strange(wrapped, null);
    }
    byte[] ciphertext = wrapped.ciphertext();
    int length = ciphertext.length - OVERHEAD;
    if (length < 1 || length > MOST_KEY_BYTES || ciphertext[0] != FORM) {
      throw failures.refused(
          "the wrap is of another form or length than ours", "Read it from another copy.", null);
    }
    byte[] plain;
    try {
      plain =
          token.open(
              label(by),
              Arrays.copyOfRange(ciphertext, 1, 1 + NONCE),
              context.encoded(),
              Arrays.copyOfRange(ciphertext, 1 + NONCE, ciphertext.length));
    } catch (KeyException e) {
      throw e.kind() == FailureKind.NOT_FOUND && !by.equals(name) ? strange(wrapped, e) : e;
    }
    try {
      return DataKey.copyOf(plain);
    } finally {
      Arrays.fill(plain, (byte) 0);
    }
  }

  private KeyException strange(WrappedKey wrapped, @Nullable KeyException cause) {
    return failures.refused(
        "the key was wrapped by "
            + wrapped.scheme()
            + " "
            + wrapped.keyId()
            + ", which this token does not hold",
        "Offer that recipient.",
        cause);
  }

  private static String label(String name) {
    return name.substring(name.lastIndexOf('/') + 1);
  }

  /** Looks whether the token is there, takes the PIN, and holds the key. */
  @Override
  public KeyState state() throws KeyException {
    token.require(label(name));
    return new KeyState.Usable();
  }

  @Override
  public void close() {
    token.close();
  }

  /** Names the key. */
  @Override
  public String toString() {
    return describe();
  }
}
