package com.thorbis.backup.crypto.aws;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.KeyProviderFactory;
import java.net.URI;
import java.util.Optional;
import software.amazon.awssdk.services.kms.KmsClient;

/**
 * Opens {@code aws-kms:ARN}, where ARN names a key or an alias. Settings, all optional: {@code
 * access-key-id} with {@code secret-access-key} and perhaps {@code session-token} (else the default
 * chain of the AWS SDK), {@code endpoint}, {@code region} (which the ARN tells), {@code timeout} of
 * one attempt (10 s), {@code attempts} (4).
 */
public final class AwsKmsKeyProviderFactory implements KeyProviderFactory {
  /** For the service loader. */
  public AwsKmsKeyProviderFactory() {}

  @Override
  public String scheme() {
    return "aws-kms";
  }

  @Override
  public KeyProvider open(URI recipient, ProviderContext context) {
    Settings settings = context.settings();
    KeyName key = AwsKmsKeyProvider.requireName(recipient.getSchemeSpecificPart());
    Optional<String> region = settings.find("region").filter(text -> !text.equals(key.region()));
    if (region.isPresent()) {
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              settings.describe("region")
                  + ": \""
                  + region.get()
                  + "\" is not the region of "
                  + key.arn())
          .remedy("Remove it: the ARN tells the region.")
          .build();
    }
    OwnClient<KmsClient> client = OwnClient.kms(key.region(), settings);
    return AwsKmsKeyProvider.builder()
        .client(client.client())
        .key(key.arn())
        .release(client::close)
        .build();
  }
}
