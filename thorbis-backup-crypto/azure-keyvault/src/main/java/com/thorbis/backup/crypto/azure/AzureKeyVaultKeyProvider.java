package com.thorbis.backup.crypto.azure;

import com.azure.security.keyvault.keys.KeyClient;
import com.azure.security.keyvault.keys.cryptography.models.KeyWrapAlgorithm;
import com.azure.security.keyvault.keys.cryptography.models.WrapResult;
import com.azure.security.keyvault.keys.models.DeletedKey;
import com.azure.security.keyvault.keys.models.KeyProperties;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.Endpoints;
import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyContext;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.KeyState;
import com.thorbis.backup.spi.crypto.WrappedKey;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Clock;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A recipient whose RSA key is kept by Azure Key Vault; its private half never leaves it. A wrap
 * remembers which version of the key made it, so it stays good when the key is rotated.
 */
public final class AzureKeyVaultKeyProvider implements KeyProvider {
  /** The scheme of its URIs. */
  public static final String SCHEME = "azure-keyvault";

  private static final int MOST_KEY_BYTES = 128;
  private static final byte FORM = 1;
  private static final int DIGEST = 32;
  private static final int SHORTEST_BLOCK = 256;
  private static final int LONGEST_BLOCK = 512;

  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9-]{1,127}");
  private static final Pattern VERSION = Pattern.compile("[A-Za-z0-9]{1,64}");

  private final KeyClient client;
  private final String name;
  private final String keyId;
  private final Clock clock;
  private final Duration longest;
  private final Failures failures;

  private AzureKeyVaultKeyProvider(KeyClient client, String name, Clock clock, Duration longest) {
    if (!NAME.matcher(name).matches()) {
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              SCHEME + ": \"" + name + "\" does not name a key")
          .remedy("Write azure-keyvault://VAULT.vault.azure.net/keys/KEY, without a version.")
          .build();
    }
    String vault = Endpoints.parse(SCHEME + " vault", client.getVaultUrl()).toString();
    this.client = client;
    this.name = name;
    this.keyId = vault.replaceFirst("/+$", "") + "/keys/" + name;
    this.clock = clock;
    this.longest = longest;
    this.failures = new Failures(SCHEME + " " + keyId);
  }

  /** Over a client of the host's own. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects what a recipient needs. */
  public static final class Builder {
    private @Nullable KeyClient client;
    private @Nullable String key;
    private Clock clock = Clock.systemUTC();
    private Duration longest = Duration.ofMinutes(2);

    private Builder() {}

    /** Asks through this client, which knows the vault. */
    public Builder client(KeyClient client) {
      this.client = client;
      return this;
    }

    /** The name of an RSA key of the vault, without a version. */
    public Builder key(String name) {
      this.key = name;
      return this;
    }

    /** Tells whether the key has expired; the system's if not given. */
    public Builder clock(Clock clock) {
      this.clock = clock;
      return this;
    }

    /** How long one call may take with all its attempts and pauses; 2 minutes if not given. */
    public Builder longest(Duration longest) {
      this.longest = longest;
      return this;
    }

    /**
     * Checks what can be checked without asking the vault.
     *
     * @throws BackupException of kind CONFIGURATION if the name is not a key's, or the vault is on
     *     another host and reached without TLS
     */
    public AzureKeyVaultKeyProvider build() {
      return new AzureKeyVaultKeyProvider(
          Objects.requireNonNull(client, "client"),
          Objects.requireNonNull(key, "key"),
          clock,
          longest);
    }
  }

  @Override
  public String scheme() {
    return SCHEME;
  }

  @Override
  public String keyId() {
    return keyId;
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
  public WrappedKey wrap(DataKey wrapped, KeyContext context) throws IOException {
    if (wrapped.length() < 1 || wrapped.length() > MOST_KEY_BYTES) {
      throw new IllegalArgumentException(
          "A key to wrap has 1 to " + MOST_KEY_BYTES + " bytes, not " + wrapped.length());
    }
    byte[] payload = new byte[1 + DIGEST + wrapped.length()];
    payload[0] = FORM;
    System.arraycopy(digest(context), 0, payload, 1, DIGEST);
    wrapped.use(
        key -> {
          System.arraycopy(key, 0, payload, 1 + DIGEST, key.length);
          return key.length;
        });
    WrapResult result;
    try {
      result =
          ask(
              "wrap a key",
              () ->
                  client
                      .getCryptographyClient(name)
                      .wrapKey(KeyWrapAlgorithm.RSA_OAEP_256, payload));
    } finally {
      Arrays.fill(payload, (byte) 0);
    }
    byte[] version =
        result
            .getKeyId()
            .substring(result.getKeyId().lastIndexOf('/') + 1)
            .getBytes(StandardCharsets.US_ASCII);
    byte[] block = result.getEncryptedKey();
    byte[] ciphertext = new byte[1 + version.length + block.length];
    ciphertext[0] = (byte) version.length;
    System.arraycopy(version, 0, ciphertext, 1, version.length);
    System.arraycopy(block, 0, ciphertext, 1 + version.length, block.length);
    return WrappedKey.of(SCHEME, keyId, ciphertext);
  }

  @Override
  public DataKey unwrap(WrappedKey wrapped, KeyContext context) throws IOException {
    if (!wrapped.scheme().equals(SCHEME) || !wrapped.keyId().equals(keyId)) {
      throw failures.refused(
          "the key was wrapped by " + wrapped.scheme() + " " + wrapped.keyId(),
          "Offer that recipient.");
    }
    byte[] ciphertext = wrapped.ciphertext();
    int at = 1 + (ciphertext.length == 0 ? 0 : ciphertext[0] & 0xff);
    int length = ciphertext.length - at;
    if (length < SHORTEST_BLOCK || length > LONGEST_BLOCK) {
      throw failures.refused(
          "the wrap has " + ciphertext.length + " bytes, which none of ours has",
          "Read it from another copy.");
    }
    String version = new String(ciphertext, 1, at - 1, StandardCharsets.ISO_8859_1);
    if (!VERSION.matcher(version).matches()) {
      throw failures.refused(
          "the wrap names no version of a key, so it is damaged", "Read it from another copy.");
    }
    byte[] block = Arrays.copyOfRange(ciphertext, at, ciphertext.length);
    byte[] payload =
        ask(
            "open a wrap",
            () ->
                client
                    .getCryptographyClient(name, version)
                    .unwrapKey(KeyWrapAlgorithm.RSA_OAEP_256, block)
                    .getKey());
    try {
      return open(payload, context);
    } finally {
      Arrays.fill(payload, (byte) 0);
    }
  }

  private DataKey open(byte[] payload, KeyContext context) throws KeyException {
    int length = payload.length - 1 - DIGEST;
    byte[] bound = Arrays.copyOf(payload, Math.min(payload.length, 1 + DIGEST));
    byte[] expected = new byte[1 + DIGEST];
    expected[0] = FORM;
    System.arraycopy(digest(context), 0, expected, 1, DIGEST);
    if (!MessageDigest.isEqual(bound, expected) || length < 1 || length > MOST_KEY_BYTES) {
      throw failures.refused(
          "the wrap does not open: it belongs to another place in the repository",
          "Read it from another copy.");
    }
    byte[] key = Arrays.copyOfRange(payload, 1 + DIGEST, payload.length);
    try {
      return DataKey.copyOf(key);
    } finally {
      Arrays.fill(key, (byte) 0);
    }
  }

  private <T> T ask(String action, Supplier<T> call) throws IOException {
    try {
      return Asked.of(call, longest);
    } catch (InterruptedException e) {
      throw failures.interrupted(action, e);
    } catch (TimeoutException e) {
      throw failures.late(action, longest);
    } catch (RuntimeException e) {
      throw failures.isAbsence(e) ? absent(e) : failures.translate(action, e);
    }
  }

  /** Why the vault has no such key or version: that is one of several things. */
  private IOException absent(RuntimeException cause) {
    try {
      if (state() instanceof KeyState.PendingDeletion pending) {
        return failures.deleted(pending.at(), cause);
      }
      return failures.refused(
          "the vault has no such version of the key: the wrap is damaged, or of an older key under"
              + " this name",
          "Read it from another copy.");
    } catch (IOException e) {
      return e;
    }
  }

  @Override
  public KeyState state() throws IOException {
    String action = "ask for its state";
    KeyProperties properties;
    try {
      properties = Asked.of(() -> client.getKey(name).getProperties(), longest);
    } catch (InterruptedException e) {
      throw failures.interrupted(action, e);
    } catch (TimeoutException e) {
      throw failures.late(action, longest);
    } catch (RuntimeException e) {
      if (failures.isAbsence(e)) {
        return deleted(action);
      }
      throw failures.translate(action, e);
    }
    OffsetDateTime now = clock.instant().atOffset(ZoneOffset.UTC);
    OffsetDateTime from = properties.getNotBefore();
    OffsetDateTime until = properties.getExpiresOn();
    if (!Boolean.TRUE.equals(properties.isEnabled())) {
      return new KeyState.Disabled("it is disabled");
    }
    if (from != null && from.isAfter(now)) {
      return new KeyState.Disabled("it is not valid before " + from.toInstant());
    }
    if (until != null && !until.isAfter(now)) {
      return new KeyState.Disabled("it has expired at " + until.toInstant() + ": it wraps nothing");
    }
    return new KeyState.Usable();
  }

  private KeyState deleted(String action) throws IOException {
    try {
      DeletedKey deleted = Asked.of(() -> client.getDeletedKey(name), longest);
      return new KeyState.PendingDeletion(
          Optional.ofNullable(deleted.getScheduledPurgeDate()).map(OffsetDateTime::toInstant));
    } catch (InterruptedException e) {
      throw failures.interrupted(action, e);
    } catch (TimeoutException e) {
      throw failures.late(action, longest);
    } catch (RuntimeException e) {
      throw failures.isAbsence(e) ? failures.lost(e) : failures.translate(action, e);
    }
  }

  private static byte[] digest(KeyContext context) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(context.encoded());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("This Java runtime lacks a cryptographic primitive", e);
    }
  }

  /** Does nothing: the client is its owner's, and holds nothing that must be closed. */
  @Override
  public void close() {}

  /** Names the key. */
  @Override
  public String toString() {
    return describe();
  }
}
