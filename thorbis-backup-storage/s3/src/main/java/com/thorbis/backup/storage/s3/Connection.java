package com.thorbis.backup.storage.s3;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import java.net.InetAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import software.amazon.awssdk.auth.credentials.AnonymousCredentialsProvider;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.AwsSessionCredentials;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.checksums.RequestChecksumCalculation;
import software.amazon.awssdk.core.checksums.ResponseChecksumValidation;
import software.amazon.awssdk.http.SdkHttpClient;
import software.amazon.awssdk.http.apache5.Apache5HttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.retries.DefaultRetryStrategy;
import software.amazon.awssdk.services.s3.LegacyMd5Plugin;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3ClientBuilder;
import software.amazon.awssdk.services.s3.model.ObjectLockMode;
import software.amazon.awssdk.services.s3.model.StorageClass;
import software.amazon.awssdk.services.s3.model.Tier;
import software.amazon.awssdk.services.sts.StsClient;
import software.amazon.awssdk.services.sts.auth.StsAssumeRoleCredentialsProvider;
import software.amazon.awssdk.services.sts.auth.StsWebIdentityTokenFileCredentialsProvider;
import software.amazon.awssdk.utils.SdkAutoCloseable;

/** A client as the settings want it. Everything about it is chosen here, nothing is found. */
final class Connection {
  private final Settings settings;
  private final Optional<URI> endpoint;
  private final Region region;

  private Connection(Settings settings) {
    this.settings = settings;
    boolean plain = settings.flag("dangerous-plain-http", false);
    this.endpoint = settings.find("endpoint").map(text -> endpoint(text, plain));
    this.region =
        Region.of(
            endpoint.isPresent()
                ? settings.find("region").orElse("us-east-1")
                : settings.require("region"));
  }

  /**
   * Opens a store.
   *
   * @param more what tests want otherwise
   */
  static S3ObjectStore open(
      Settings settings, String bucket, String prefix, Consumer<S3ObjectStore.Builder> more) {
    return new Connection(settings).open(bucket, prefix, more);
  }

  private S3ObjectStore open(String bucket, String prefix, Consumer<S3ObjectStore.Builder> more) {
    S3ObjectStore.Builder store =
        S3ObjectStore.builder()
            .bucket(bucket)
            .prefix(prefix)
            .partSize(partSize())
            .partsInFlight(settings.integer("parts-in-flight", 4, 1, 256))
            .retries(settings.integer("retries", 7, 0, 100))
            .tiers(settings.flag("tiers", endpoint.isEmpty()))
            .archiveClass(
                choice(
                    "archive-class",
                    "deep-archive",
                    Map.of(
                        "deep-archive",
                        StorageClass.DEEP_ARCHIVE,
                        "glacier",
                        StorageClass.GLACIER)))
            .retrieval(
                choice(
                    "retrieval",
                    "standard",
                    Map.of(
                        "standard", Tier.STANDARD, "expedited", Tier.EXPEDITED, "bulk", Tier.BULK)))
            .lockMode(
                choice(
                    "lock-mode",
                    "governance",
                    Map.of(
                        "governance",
                        ObjectLockMode.GOVERNANCE,
                        "compliance",
                        ObjectLockMode.COMPLIANCE)));
    Checksums checksums =
        choice(
            "checksums",
            endpoint.isPresent() ? "when-required" : "when-supported",
            Map.of(
                "when-supported",
                Checksums.WHEN_SUPPORTED,
                "when-required",
                Checksums.WHEN_REQUIRED,
                "none",
                Checksums.NONE));
    boolean pathStyle = settings.flag("path-style", endpoint.isPresent());
    Duration connecting = settings.duration("connect-timeout", Duration.ofSeconds(10));
    Duration reading = settings.duration("read-timeout", Duration.ofSeconds(60));
    int connections = settings.integer("max-connections", 64, 1, 10_000);
    List<SdkAutoCloseable> opened = new ArrayList<>();
    SdkHttpClient http =
        Apache5HttpClient.builder()
            .connectionTimeout(connecting)
            .socketTimeout(reading)
            .connectionAcquisitionTimeout(reading)
            .maxConnections(connections)
            .build();
    opened.add(http);
    try {
      S3ClientBuilder client =
          S3Client.builder()
              .httpClient(http)
              .region(region)
              .credentialsProvider(credentials(http, opened))
              .forcePathStyle(pathStyle)
              .overrideConfiguration(of -> of.retryStrategy(DefaultRetryStrategy.doNotRetry()));
      endpoint.ifPresent(client::endpointOverride);
      if (checksums == Checksums.WHEN_SUPPORTED) {
        client
            .requestChecksumCalculation(RequestChecksumCalculation.WHEN_SUPPORTED)
            .responseChecksumValidation(ResponseChecksumValidation.WHEN_SUPPORTED);
      } else {
        client
            .requestChecksumCalculation(RequestChecksumCalculation.WHEN_REQUIRED)
            .responseChecksumValidation(ResponseChecksumValidation.WHEN_REQUIRED)
            .addPlugin(LegacyMd5Plugin.create())
            .serviceConfiguration(of -> of.chunkedEncodingEnabled(checksums != Checksums.NONE));
      }
      S3Client s3 = client.build();
      opened.add(0, s3);
      more.accept(store);
      return store
          .client(s3)
          .contentMd5(checksums != Checksums.WHEN_SUPPORTED)
          .closes(opened)
          .build();
    } catch (RuntimeException e) {
      opened.forEach(SdkAutoCloseable::close);
      throw e;
    }
  }

  private enum Checksums {
    WHEN_SUPPORTED,
    WHEN_REQUIRED,
    NONE
  }

  private AwsCredentialsProvider credentials(SdkHttpClient http, List<SdkAutoCloseable> opened) {
    Optional<String> id = settings.find("access-key-id");
    Optional<SecretValue> secret = settings.findSecret("secret-access-key");
    Optional<SecretValue> token = settings.findSecret("session-token");
    Optional<String> role = settings.find("role-arn");
    Optional<String> tokenFile = settings.find("web-identity-token-file");
    if (id.isPresent() != secret.isPresent() || token.isPresent() && id.isEmpty()) {
      throw wrong(
          id.isPresent() ? "secret-access-key" : "access-key-id",
          "is missing, though "
              + settings.describe(id.isPresent() ? "access-key-id" : "secret-access-key")
              + " is given",
          "Set both, or neither.");
    }
    if (tokenFile.isPresent() && role.isEmpty()) {
      throw wrong("role-arn", "is missing", "Set the role that the token lets assume.");
    }
    if (tokenFile.isPresent() && id.isPresent()) {
      throw wrong(
          "web-identity-token-file", "is given beside an access key", "Remove one of them.");
    }
    AwsCredentialsProvider base;
    if (id.isPresent() && secret.isPresent()) {
      base =
          StaticCredentialsProvider.create(
              token.isPresent()
                  ? AwsSessionCredentials.create(id.get(), text(secret.get()), text(token.get()))
                  : AwsBasicCredentials.create(id.get(), text(secret.get())));
    } else if (tokenFile.isPresent()) {
      base = AnonymousCredentialsProvider.create();
    } else {
      DefaultCredentialsProvider chain = DefaultCredentialsProvider.builder().build();
      opened.add(chain);
      base = chain;
    }
    if (role.isEmpty()) {
      return base;
    }
    StsClient sts =
        StsClient.builder().httpClient(http).region(region).credentialsProvider(base).build();
    opened.add(0, sts);
    if (tokenFile.isPresent()) {
      StsWebIdentityTokenFileCredentialsProvider provider =
          StsWebIdentityTokenFileCredentialsProvider.builder()
              .stsClient(sts)
              .roleArn(role.get())
              .roleSessionName("thorbis")
              .webIdentityTokenFile(Path.of(tokenFile.get()))
              .build();
      opened.add(0, provider);
      return provider;
    }
    StsAssumeRoleCredentialsProvider provider =
        StsAssumeRoleCredentialsProvider.builder()
            .stsClient(sts)
            .refreshRequest(to -> to.roleArn(role.get()).roleSessionName("thorbis"))
            .build();
    opened.add(0, provider);
    return provider;
  }

  /** The vendor's API takes nothing else. */
  private static String text(SecretValue secret) {
    return secret.useChars(chars -> new String(chars).strip());
  }

  private long partSize() {
    long bytes = settings.bytes("part-size", 8L << 20);
    if (bytes < PartSizes.LEAST || bytes > 1L << 30) {
      throw wrong(
          "part-size", "is not from 5MiB, the least that S3 accepts, to 1GiB", "Write one.");
    }
    return bytes;
  }

  private URI endpoint(String text, boolean accepted) {
    URI uri;
    try {
      uri = new URI(text);
    } catch (URISyntaxException e) {
      throw wrong("endpoint", "is not a URL", "Write one, such as https://s3.example.com.");
    }
    boolean plain = "http".equals(uri.getScheme());
    if (uri.getHost() == null
        || uri.getRawUserInfo() != null
        || uri.getRawQuery() != null
        || uri.getRawFragment() != null
        || !plain && !"https".equals(uri.getScheme())) {
      throw wrong(
          "endpoint",
          "is not a URL of a server and nothing else",
          "Write one, such as https://s3.example.com.");
    }
    if (plain && !accepted && !isLoopback(uri.getHost())) {
      throw wrong(
          "endpoint",
          "has no TLS: whoever is on the way could read and change requests",
          "Write https://, or set "
              + settings.describe("dangerous-plain-http")
              + " to true where the network is trusted.");
    }
    return uri;
  }

  /** By its form alone where it is an address: a name may be this machine today only. */
  private static boolean isLoopback(String host) {
    if (host.equals("localhost")) {
      return true;
    }
    boolean address = host.startsWith("[") || host.matches("[0-9.]+");
    try {
      return address && InetAddress.getByName(host).isLoopbackAddress();
    } catch (UnknownHostException e) {
      return false;
    }
  }

  private <T> T choice(String key, String fallback, Map<String, T> choices) {
    String text = settings.find(key).orElse(fallback);
    T chosen = choices.get(text);
    if (chosen == null) {
      throw wrong(
          key,
          "\""
              + text
              + "\" is none of "
              + String.join(", ", choices.keySet().stream().sorted().toList()),
          "Take one.");
    }
    return chosen;
  }

  private BackupException wrong(String key, String problem, String remedy) {
    return BackupException.of(
            "configuration.invalid",
            FailureKind.CONFIGURATION,
            settings.describe(key) + ": " + problem)
        .remedy(remedy)
        .build();
  }
}
