package com.thorbis.backup.crypto.aws;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyContext;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.KeyState;
import com.thorbis.backup.spi.crypto.WrappedKey;
import java.io.IOException;
import java.util.Arrays;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.services.kms.KmsClient;
import software.amazon.awssdk.services.kms.model.DecryptRequest;
import software.amazon.awssdk.services.kms.model.DecryptResponse;
import software.amazon.awssdk.services.kms.model.EncryptRequest;
import software.amazon.awssdk.services.kms.model.KeyMetadata;

/**
 * A recipient whose symmetric key is kept by AWS Key Management Service and never leaves it. The
 * service keeps every version of a key, so wraps stay good when it is rotated, and a multi-Region
 * key opens with any of its replicas. An alias may be pointed at another key of its account and
 * Region: new wraps use that one, and older ones open as long as their key is there.
 */
public final class AwsKmsKeyProvider implements KeyProvider {
  /** The scheme of its URIs. */
  public static final String SCHEME = "aws-kms";

  private static final int MOST_KEY_BYTES = 128;
  private static final int MOST_CIPHERTEXT_BYTES = 4096;

  private final KmsClient client;
  private final KeyName key;
  private final Failures failures;
  private final Runnable release;

  private AwsKmsKeyProvider(KmsClient client, KeyName key, Runnable release) {
    this.client = client;
    this.key = key;
    this.failures = new Failures(SCHEME + " " + key.arn());
    this.release = release;
  }

  /** Over a client of the host's own. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects what a recipient needs. */
  public static final class Builder {
    private @Nullable KmsClient client;
    private @Nullable String key;
    private Runnable release = () -> {};

    private Builder() {}

    /** Asks through this client, of the key's Region; its owner closes it. */
    public Builder client(KmsClient client) {
      this.client = client;
      return this;
    }

    /**
     * The ARN of a key or an alias, such as {@code
     * arn:aws:kms:eu-central-1:111122223333:alias/backup}.
     */
    public Builder key(String arn) {
      this.key = arn;
      return this;
    }

    /** What {@link #close} ends. */
    Builder release(Runnable release) {
      this.release = release;
      return this;
    }

    /**
     * Checks what can be checked without asking the service.
     *
     * @throws BackupException of kind CONFIGURATION if the key is not written as an ARN
     */
    public AwsKmsKeyProvider build() {
      return new AwsKmsKeyProvider(
          Objects.requireNonNull(client, "client"),
          requireName(Objects.requireNonNull(key, "key")),
          release);
    }
  }

  static KeyName requireName(String arn) {
    return KeyName.parse(arn)
        .orElseThrow(
            () ->
                BackupException.of(
                        "configuration.invalid",
                        FailureKind.CONFIGURATION,
                        SCHEME + ": \"" + arn + "\" is not the ARN of a key or an alias")
                    .remedy(
                        "Write it whole, such as"
                            + " aws-kms:arn:aws:kms:eu-central-1:111122223333:alias/backup: a wrap"
                            + " must tell by itself which key of which account opens it.")
                    .build());
  }

  @Override
  public String scheme() {
    return SCHEME;
  }

  @Override
  public String keyId() {
    return key.arn();
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
    try {
      byte[] ciphertext =
          wrapped.use(
              plain ->
                  client
                      .encrypt(
                          EncryptRequest.builder()
                              .keyId(key.arn())
                              .encryptionContext(context.facts())
                              .plaintext(SdkBytes.fromByteArrayUnsafe(plain))
                              .build())
                      .ciphertextBlob()
                      .asByteArray());
      return WrappedKey.of(SCHEME, key.arn(), ciphertext);
    } catch (SdkException e) {
      throw failures.translate("wrap a key", e);
    }
  }

  @Override
  public DataKey unwrap(WrappedKey wrapped, KeyContext context) throws IOException {
    byte[] ciphertext = wrapped.ciphertext();
    if (!wrapped.scheme().equals(SCHEME) || !key.sharesMaterialWith(wrapped.keyId())) {
      throw failures.refused(
          "the key was wrapped by " + wrapped.scheme() + " " + wrapped.keyId(),
          "Offer that recipient.");
    }
    if (ciphertext.length == 0 || ciphertext.length > MOST_CIPHERTEXT_BYTES) {
      throw failures.refused(
          "the wrap has " + ciphertext.length + " bytes, which none of ours has",
          "Read it from another copy.");
    }
    DecryptResponse answer;
    try {
      DecryptRequest.Builder request =
          DecryptRequest.builder()
              .encryptionContext(context.facts())
              .ciphertextBlob(SdkBytes.fromByteArrayUnsafe(ciphertext));
      if (!key.isAlias()) {
        request.keyId(key.arn());
      }
      answer = client.decrypt(request.build());
    } catch (SdkException e) {
      throw failures.translate("open a wrap", e);
    }
    byte[] plain = answer.plaintext().asByteArrayUnsafe();
    try {
      requireOwn(answer.keyId());
      return DataKey.copyOf(plain);
    } finally {
      Arrays.fill(plain, (byte) 0);
    }
  }

  /** What an alias wrapped opens with whichever key made it, but not with that of a stranger. */
  private void requireOwn(String opener) throws IOException {
    boolean own =
        key.isAlias()
            ? KeyName.parse(opener)
                .filter(name -> name.account().equals(key.account()))
                .filter(name -> name.region().equals(key.region()))
                .isPresent()
            : key.sharesMaterialWith(opener);
    if (!own) {
      throw failures.refused(
          "the wrap was made by " + opener + ", which is not this recipient's",
          "Somebody put a strange wrap there: read it from another copy.");
    }
  }

  @Override
  public KeyState state() throws IOException {
    KeyMetadata metadata;
    try {
      metadata = client.describeKey(request -> request.keyId(key.arn())).keyMetadata();
    } catch (SdkException e) {
      throw failures.translate("ask for its state", e);
    }
    return switch (metadata.keyState()) {
      case ENABLED, UPDATING, CREATING -> new KeyState.Usable();
      case PENDING_DELETION ->
          new KeyState.PendingDeletion(Optional.ofNullable(metadata.deletionDate()));
      case PENDING_REPLICA_DELETION -> new KeyState.PendingDeletion(Optional.empty());
      case DISABLED -> new KeyState.Disabled("it is disabled");
      case PENDING_IMPORT -> new KeyState.Disabled("its material is not imported, or has expired");
      case UNAVAILABLE -> new KeyState.Disabled("its key store is not connected");
      case UNKNOWN_TO_SDK_VERSION ->
          new KeyState.Disabled("its state is " + metadata.keyStateAsString());
    };
  }

  @Override
  public void close() {
    release.run();
  }

  /** Names the key. */
  @Override
  public String toString() {
    return describe();
  }
}
