package com.thorbis.backup.crypto.aws;

import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.SecretTargetFactory;
import software.amazon.awssdk.services.secretsmanager.SecretsManagerClient;

/**
 * Opens {@code aws-secrets-manager}: {@code account} and {@code region}. Optional: {@code prefix},
 * {@code kms-key-id} for secrets that are made anew, {@code access-key-id} with {@code
 * secret-access-key} and perhaps {@code session-token} (else the default chain of the AWS SDK),
 * {@code endpoint}, {@code timeout} of one attempt (20 s), {@code attempts} (5).
 */
public final class AwsSecretsFactory implements SecretTargetFactory {
  /** For the service loader. */
  public AwsSecretsFactory() {}

  @Override
  public String type() {
    return "aws-secrets-manager";
  }

  @Override
  public SecretTarget open(ProviderContext context) {
    Settings settings = context.settings();
    String region = settings.require("region");
    AwsSecrets.Builder place =
        AwsSecrets.builder()
            .account(settings.require("account"))
            .region(region)
            .prefix(settings.find("prefix").orElse(""));
    settings.find("kms-key-id").ifPresent(place::kmsKeyId);
    OwnClient<SecretsManagerClient> own = OwnClient.secrets(region, settings);
    return place.client(own.client()).release(own::close).build();
  }
}
