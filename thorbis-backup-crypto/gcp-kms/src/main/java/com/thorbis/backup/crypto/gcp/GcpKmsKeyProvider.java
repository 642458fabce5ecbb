package com.thorbis.backup.crypto.gcp;

import com.google.auth.Credentials;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.Endpoints;
import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyContext;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.KeyState;
import com.thorbis.backup.spi.crypto.WrappedKey;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.Arrays;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A recipient whose symmetric key is kept by Google Cloud Key Management Service and never leaves
 * it. The service keeps every version of a key until it is destroyed, so wraps stay good when it is
 * rotated.
 */
public final class GcpKmsKeyProvider implements KeyProvider {
  /** The scheme of its URIs. */
  public static final String SCHEME = "gcp-kms";

  private static final int MOST_KEY_BYTES = 128;
  private static final int MOST_CIPHERTEXT_BYTES = 4096;

  private static final Pattern NAME =
      Pattern.compile(
          "projects/[a-z0-9.:-]{1,63}/locations/[a-z0-9-]{1,63}/keyRings/[A-Za-z0-9_-]{1,63}"
              + "/cryptoKeys/[A-Za-z0-9_-]{1,63}");

  private final String key;
  private final Failures failures;
  private final Calls calls;

  private GcpKmsKeyProvider(Builder builder) {
    String name = Objects.requireNonNull(builder.key, "key");
    if (!NAME.matcher(name).matches()) {
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              SCHEME + ": \"" + name + "\" does not name a key")
          .remedy(
              "Write gcp-kms:projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY,"
                  + " without a version.")
          .build();
    }
    this.key = name;
    this.failures = new Failures(SCHEME + " " + name);
    this.calls =
        new Calls(
            Objects.requireNonNull(builder.client, "client"),
            Objects.requireNonNull(builder.credentials, "credentials"),
            builder.endpoint,
            builder.timeout,
            builder.attempts,
            failures);
  }

  /** Over a client and credentials of the host's own. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects what a recipient needs. */
  public static final class Builder {
    private @Nullable HttpClient client;
    private Calls.@Nullable Login credentials;
    private @Nullable String key;
    private URI endpoint = URI.create("https://cloudkms.googleapis.com");
    private Duration timeout = Duration.ofSeconds(10);
    private int attempts = 4;

    private Builder() {}

    /** Asks through this client. */
    public Builder client(HttpClient client) {
      this.client = client;
      return this;
    }

    /** As whom; with the scope {@code https://www.googleapis.com/auth/cloudkms}. */
    public Builder credentials(Credentials credentials) {
      this.credentials = () -> credentials;
      return this;
    }

    /** As whom, found out when first needed. */
    Builder login(Calls.Login credentials) {
      this.credentials = credentials;
      return this;
    }

    /** {@code projects/P/locations/L/keyRings/R/cryptoKeys/K}, without a version. */
    public Builder key(String name) {
      this.key = name;
      return this;
    }

    /**
     * Another address of the service.
     *
     * @throws BackupException of kind CONFIGURATION if it goes to another host without TLS
     */
    public Builder endpoint(URI endpoint) {
      this.endpoint = Endpoints.parse(SCHEME + " endpoint", endpoint.toString());
      return this;
    }

    /** How long one attempt may take; 10 s if not given. */
    public Builder timeout(Duration timeout) {
      this.timeout = timeout;
      return this;
    }

    /** How often a call is tried that may succeed later, with growing pauses; 4 if not given. */
    public Builder attempts(int attempts) {
      this.attempts = attempts;
      return this;
    }

    /**
     * Checks what can be checked without asking the service.
     *
     * @throws BackupException of kind CONFIGURATION if the key is not named whole
     */
    public GcpKmsKeyProvider build() {
      return new GcpKmsKeyProvider(this);
    }
  }

  @Override
  public String scheme() {
    return SCHEME;
  }

  @Override
  public String keyId() {
    return key;
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
    Message request = new Message();
    wrapped.use(plain -> request.put("plaintext", plain));
    request.put("additionalAuthenticatedData", context.encoded());
    try {
      byte[] ciphertext =
          calls.post(
              key + ":encrypt",
              "wrap a key",
              request,
              answer -> {
                Message.requireTrue(answer, "verifiedPlaintextCrc32c");
                Message.requireTrue(answer, "verifiedAdditionalAuthenticatedDataCrc32c");
                return Message.bytes(answer, "ciphertext");
              });
      return WrappedKey.of(SCHEME, key, ciphertext);
    } finally {
      request.erase();
    }
  }

  @Override
  public DataKey unwrap(WrappedKey wrapped, KeyContext context) throws IOException {
    byte[] ciphertext = wrapped.ciphertext();
    if (!wrapped.scheme().equals(SCHEME) || !wrapped.keyId().equals(key)) {
      throw failures.refused(
          "the key was wrapped by " + wrapped.scheme() + " " + wrapped.keyId(),
          "Offer that recipient.");
    }
    if (ciphertext.length == 0 || ciphertext.length > MOST_CIPHERTEXT_BYTES) {
      throw failures.refused(
          "the wrap has " + ciphertext.length + " bytes, which none of ours has",
          "Read it from another copy.");
    }
    Message request = new Message();
    request.put("ciphertext", ciphertext);
    request.put("additionalAuthenticatedData", context.encoded());
    byte[] plain =
        calls.post(
            key + ":decrypt", "open a wrap", request, answer -> Message.bytes(answer, "plaintext"));
    try {
      return DataKey.copyOf(plain);
    } finally {
      Arrays.fill(plain, (byte) 0);
    }
  }

  /**
   * Its key can be used if the primary version can. Of all other versions it is asked whether their
   * destruction is scheduled, as no one but the service knows which of them made a wrap.
   */
  @Override
  public KeyState state() throws IOException {
    JsonObject found = calls.get(key, "ask for its state");
    JsonObject primary = found.has("primary") ? found.getAsJsonObject("primary") : null;
    if (primary == null) {
      return new KeyState.Disabled("it has no primary version for encryption");
    }
    JsonObject list =
        calls.get(
            key + "/cryptoKeyVersions?pageSize=1000&filter=state%3DDESTROY_SCHEDULED",
            "ask for the state of its versions");
    JsonArray doomed =
        list.has("cryptoKeyVersions") ? list.getAsJsonArray("cryptoKeyVersions") : new JsonArray();
    if (!doomed.isEmpty()) {
      @Nullable Instant first = null;
      for (JsonElement version : doomed) {
        Instant at = time(version.getAsJsonObject()).orElse(null);
        first = first == null || at != null && at.isBefore(first) ? at : first;
      }
      return new KeyState.PendingDeletion(Optional.ofNullable(first));
    }
    String state = Message.text(primary, "state");
    return state.equals("ENABLED")
        ? new KeyState.Usable()
        : new KeyState.Disabled(Message.text(primary, "name") + " is " + state);
  }

  private static Optional<Instant> time(JsonObject version) {
    try {
      return Optional.of(Instant.parse(Message.text(version, "destroyTime")));
    } catch (DateTimeParseException e) {
      return Optional.empty();
    }
  }

  /** Does nothing: the client and the credentials are their owner's. */
  @Override
  public void close() {}

  /** Names the key. */
  @Override
  public String toString() {
    return describe();
  }
}
