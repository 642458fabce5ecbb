package com.thorbis.backup.crypto.aws;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.Endpoints;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.AwsSessionCredentials;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.awscore.client.builder.AwsSyncClientBuilder;
import software.amazon.awssdk.awscore.retry.AwsRetryStrategy;
import software.amazon.awssdk.http.apache5.Apache5HttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.retries.StandardRetryStrategy;
import software.amazon.awssdk.retries.api.BackoffStrategy;
import software.amazon.awssdk.services.kms.KmsClient;
import software.amazon.awssdk.services.secretsmanager.SecretsManagerClient;
import software.amazon.awssdk.utils.SdkAutoCloseable;

/**
 * A client that settings describe. Nothing is left to what happens to be on the class path or to
 * defaults that change: neither its HTTP client, nor its timeouts, nor how often it tries.
 */
record OwnClient<C extends SdkAutoCloseable>(C client, List<AutoCloseable> parts) {
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(8);

  /** Names the SDK's builder here, as a factory that does loads nowhere without the SDK. */
  static OwnClient<KmsClient> kms(String region, Settings settings) {
    return open(AwsKmsKeyProvider.SCHEME, KmsClient.builder(), region, settings, 10, 4);
  }

  static OwnClient<SecretsManagerClient> secrets(String region, Settings settings) {
    return open(AwsSecrets.TYPE, SecretsManagerClient.builder(), region, settings, 20, 5);
  }

  private static <
          B extends AwsClientBuilder<B, C> & AwsSyncClientBuilder<B, C>, C extends SdkAutoCloseable>
      OwnClient<C> open(
          String asker, B builder, String region, Settings settings, int seconds, int attempts) {
    return open(
        asker,
        builder,
        region,
        Endpoints.find(settings, "endpoint"),
        settings.find("access-key-id"),
        settings.findSecret("secret-access-key"),
        settings.findSecret("session-token"),
        settings.duration("timeout", Duration.ofSeconds(seconds)),
        settings.integer("attempts", attempts, 1, 20));
  }

  static <B extends AwsClientBuilder<B, C> & AwsSyncClientBuilder<B, C>, C extends SdkAutoCloseable>
      OwnClient<C> open(
          String asker,
          B builder,
          String region,
          Optional<URI> endpoint,
          Optional<String> accessKey,
          Optional<SecretValue> secretKey,
          Optional<SecretValue> sessionToken,
          Duration timeout,
          int attempts) {
    List<AutoCloseable> parts = new ArrayList<>();
    AwsCredentialsProvider credentials =
        credentials(asker, accessKey, secretKey, sessionToken, parts);
    builder
        .region(Region.of(region))
        .credentialsProvider(credentials)
        .httpClientBuilder(
            Apache5HttpClient.builder().connectionTimeout(timeout).socketTimeout(timeout))
        .overrideConfiguration(
            override ->
                override
                    .retryStrategy(retries(attempts))
                    .apiCallAttemptTimeout(timeout)
                    .apiCallTimeout(timeout.plus(LONGEST_PAUSE).multipliedBy(attempts)));
    endpoint.ifPresent(builder::endpointOverride);
    C client = builder.build();
    parts.add(0, client);
    return new OwnClient<>(client, parts);
  }

  private static StandardRetryStrategy retries(int attempts) {
    return AwsRetryStrategy.standardRetryStrategy().toBuilder()
        .maxAttempts(attempts)
        .backoffStrategy(BackoffStrategy.exponentialDelay(Duration.ofMillis(100), LONGEST_PAUSE))
        .throttlingBackoffStrategy(
            BackoffStrategy.exponentialDelay(Duration.ofMillis(500), LONGEST_PAUSE))
        .build();
  }

  private static AwsCredentialsProvider credentials(
      String asker,
      Optional<String> accessKey,
      Optional<SecretValue> secretKey,
      Optional<SecretValue> sessionToken,
      List<AutoCloseable> parts) {
    if (accessKey.isEmpty() && secretKey.isEmpty()) {
      DefaultCredentialsProvider chain = DefaultCredentialsProvider.builder().build();
      parts.add(chain);
      return chain;
    }
    if (accessKey.isEmpty() || secretKey.isEmpty()) {
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              asker + ": access-key-id and secret-access-key are given together or not at all")
          .remedy("Set both, or neither: then the default chain of the AWS SDK finds credentials.")
          .build();
    }
    String id = accessKey.get();
    SecretValue secret = secretKey.get().useBytes(SecretValue::copyOf);
    parts.add(secret);
    @Nullable SecretValue token =
        sessionToken.map(value -> value.useBytes(SecretValue::copyOf)).orElse(null);
    if (token == null) {
      return () -> AwsBasicCredentials.create(id, secret.useChars(String::new));
    }
    parts.add(token);
    return () ->
        AwsSessionCredentials.create(id, secret.useChars(String::new), token.useChars(String::new));
  }

  void close() {
    for (AutoCloseable part : parts) {
      try {
        part.close();
      } catch (Exception e) {
        throw new IllegalStateException("A part of a client does not close", e);
      }
    }
  }
}
