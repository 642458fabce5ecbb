package com.thorbis.backup.route53;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.Endpoints;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.AwsSessionCredentials;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;
import software.amazon.awssdk.awscore.retry.AwsRetryStrategy;
import software.amazon.awssdk.http.apache5.Apache5HttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.retries.StandardRetryStrategy;
import software.amazon.awssdk.retries.api.BackoffStrategy;
import software.amazon.awssdk.services.route53.Route53Client;
import software.amazon.awssdk.services.route53.Route53ClientBuilder;

/**
 * A client that settings describe. Nothing is left to what happens to be on the class path or to
 * defaults that change: neither its HTTP client, nor its timeouts, nor how often it tries.
 */
record OwnClient(Route53Client client, List<AutoCloseable> parts) {
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(8);

  static OwnClient open(Settings settings) {
    List<AutoCloseable> parts = new ArrayList<>();
    AwsCredentialsProvider credentials = credentials(settings, parts);
    Duration timeout = settings.duration("timeout", Duration.ofSeconds(10));
    int attempts = settings.integer("attempts", 4, 1, 20);
    Route53ClientBuilder builder =
        Route53Client.builder()
            .region(Region.AWS_GLOBAL)
            .credentialsProvider(credentials)
            .httpClientBuilder(
                Apache5HttpClient.builder().connectionTimeout(timeout).socketTimeout(timeout))
            .overrideConfiguration(
                override ->
                    override
                        .retryStrategy(retries(attempts))
                        .apiCallAttemptTimeout(timeout)
                        .apiCallTimeout(timeout.plus(LONGEST_PAUSE).multipliedBy(attempts)));
    Endpoints.find(settings, "endpoint").ifPresent(builder::endpointOverride);
    Route53Client client = builder.build();
    parts.add(0, client);
    return new OwnClient(client, parts);
  }

  private static StandardRetryStrategy retries(int attempts) {
    return AwsRetryStrategy.standardRetryStrategy().toBuilder()
        .maxAttempts(attempts)
        .backoffStrategy(BackoffStrategy.exponentialDelay(Duration.ofMillis(100), LONGEST_PAUSE))
        .throttlingBackoffStrategy(
            BackoffStrategy.exponentialDelay(Duration.ofMillis(500), LONGEST_PAUSE))
        .build();
  }

  private static AwsCredentialsProvider credentials(Settings settings, List<AutoCloseable> parts) {
    Optional<String> id = settings.find("access-key-id");
    Optional<SecretValue> key = settings.findSecret("secret-access-key");
    Optional<SecretValue> token = settings.findSecret("session-token");
    if (id.isEmpty() && key.isEmpty()) {
      DefaultCredentialsProvider chain = DefaultCredentialsProvider.builder().build();
      parts.add(chain);
      return chain;
    }
    if (id.isEmpty() || key.isEmpty()) {
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              settings.describe("access-key-id")
                  + " and "
                  + settings.describe("secret-access-key")
                  + " are given together or not at all")
          .remedy("Set both, or neither: then the default chain of the AWS SDK finds credentials.")
          .build();
    }
    SecretValue secret = key.get().useBytes(SecretValue::copyOf);
    parts.add(secret);
    if (token.isEmpty()) {
      return () -> AwsBasicCredentials.create(id.get(), secret.useChars(String::new));
    }
    SecretValue session = token.get().useBytes(SecretValue::copyOf);
    parts.add(session);
    return () ->
        AwsSessionCredentials.create(
            id.get(), secret.useChars(String::new), session.useChars(String::new));
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
