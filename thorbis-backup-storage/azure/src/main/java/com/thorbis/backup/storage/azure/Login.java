package com.thorbis.backup.storage.azure;

import com.azure.core.credential.TokenCredential;
import com.azure.core.http.HttpClient;
import com.azure.core.http.jdk.httpclient.JdkHttpClientBuilder;
import com.azure.identity.ChainedTokenCredentialBuilder;
import com.azure.identity.EnvironmentCredentialBuilder;
import com.azure.identity.ManagedIdentityCredentialBuilder;
import com.azure.identity.WorkloadIdentityCredentialBuilder;
import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.BlobContainerClientBuilder;
import com.azure.storage.common.StorageSharedKeyCredential;
import com.azure.storage.common.policy.RequestRetryOptions;
import com.azure.storage.common.policy.RetryPolicyType;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.storage.StorageException;
import java.net.URI;
import java.net.URISyntaxException;
import java.time.Duration;
import java.util.Base64;
import java.util.Optional;
import java.util.stream.Stream;

/** A client from settings. */
final class Login {
  private Login() {}

  static BlobContainerClient client(String container, Settings settings) throws StorageException {
    Optional<String> account = settings.find("account");
    Optional<String> address = settings.find("endpoint");
    Optional<SecretValue> key = settings.findSecret("account-key");
    Optional<SecretValue> sas = settings.findSecret("sas");
    Optional<SecretValue> connection = settings.findSecret("connection-string");
    boolean plainHttp = settings.flag("dangerous-plain-http", false);
    Duration connectTimeout = settings.duration("connect-timeout", Duration.ofSeconds(10));
    Duration readTimeout = settings.duration("read-timeout", Duration.ofSeconds(60));
    if (Stream.of(key, sas, connection).filter(Optional::isPresent).count() > 1) {
      throw AzureBlobObjectStoreFactory.refused(
          "More than one of "
              + settings.describe("account-key")
              + ", sas and connection-string is set",
          "Set one of them.");
    }
    HttpClient http =
        new JdkHttpClientBuilder()
            .connectionTimeout(connectTimeout)
            .responseTimeout(readTimeout)
            .readTimeout(readTimeout)
            .writeTimeout(readTimeout)
            .build();
    BlobContainerClientBuilder builder =
        new BlobContainerClientBuilder()
            .containerName(container)
            .httpClient(http)
            .retryOptions(
                new RequestRetryOptions(
                    RetryPolicyType.FIXED, 1, (Integer) null, null, null, null));
    if (connection.isPresent()) {
      if (account.isPresent() || address.isPresent()) {
        throw AzureBlobObjectStoreFactory.refused(
            settings.describe("connection-string") + " names the account and the endpoint itself",
            "Remove account and endpoint.");
      }
      try {
        connection
            .get()
            .useChars(
                text -> {
                  String all = new String(text);
                  builder.connectionString(all);
                  return all;
                });
      } catch (RuntimeException e) { // which may quote it
        throw AzureBlobObjectStoreFactory.refused(
            settings.describe("connection-string") + " is none",
            "Copy it from the account's access keys.");
      }
      BlobContainerClient client = builder.buildClient();
      checkEndpoint(client.getBlobContainerUrl(), plainHttp, settings);
      return client;
    }
    if (account.isEmpty() && address.isEmpty()) {
      throw AzureBlobObjectStoreFactory.refused(
          settings.describe("account") + " is missing", "Name the storage account.");
    }
    if (account.isPresent() && !account.get().matches("[a-z0-9]{3,24}")) {
      throw AzureBlobObjectStoreFactory.refused(
          settings.describe("account") + " is not the name of a storage account",
          "Write its name, of 3 to 24 small letters and digits.");
    }
    String endpoint =
        address.orElseGet(() -> "https://" + account.orElseThrow() + ".blob.core.windows.net");
    checkEndpoint(endpoint, plainHttp, settings);
    builder.endpoint(endpoint);
    if (key.isPresent()) {
      if (account.isEmpty()) {
        throw AzureBlobObjectStoreFactory.refused(
            settings.describe("account") + " is missing, which the key is for",
            "Name the storage account.");
      }
      try {
        StorageSharedKeyCredential shared =
            key.get()
                .useChars(
                    text -> {
                      String base64 = new String(text);
                      Base64.getDecoder().decode(base64); // the client does so at its first request
                      return new StorageSharedKeyCredential(account.get(), base64);
                    });
        builder.credential(shared);
      } catch (IllegalArgumentException e) {
        throw AzureBlobObjectStoreFactory.refused(
            settings.describe("account-key") + " is not in Base64",
            "Copy it from the account's access keys.");
      }
    } else if (sas.isPresent()) {
      builder.sasToken(sas.get().useChars(text -> new String(text).replaceFirst("^\\?", "")));
    } else {
      if (endpoint.startsWith("http:")) {
        throw AzureBlobObjectStoreFactory.refused(
            "No access token is sent to " + endpoint + " over plain HTTP", "Write https://.");
      }
      builder.credential(identity(http));
    }
    return builder.buildClient();
  }

  /** Of the vendor's default chain the members that run no programs of developers. */
  private static TokenCredential identity(HttpClient http) {
    ChainedTokenCredentialBuilder chain = new ChainedTokenCredentialBuilder();
    chain.addLast(new EnvironmentCredentialBuilder().httpClient(http).build());
    // Its builder wants what Kubernetes puts into the environment to be there.
    if (Stream.of("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE")
        .allMatch(name -> System.getenv(name) != null)) {
      chain.addLast(new WorkloadIdentityCredentialBuilder().httpClient(http).build());
    }
    chain.addLast(new ManagedIdentityCredentialBuilder().httpClient(http).build());
    return chain.build();
  }

  private static void checkEndpoint(String address, boolean plainHttp, Settings settings)
      throws StorageException {
    URI endpoint;
    try {
      endpoint = new URI(address);
    } catch (URISyntaxException e) { // which quotes it, with what may be a signature
      throw AzureBlobObjectStoreFactory.refused(
          settings.describe("endpoint") + " is not an address", "Write https://host[:port].");
    }
    String host = endpoint.getHost();
    if (host == null || endpoint.getUserInfo() != null || endpoint.getQuery() != null) {
      throw AzureBlobObjectStoreFactory.refused(
          settings.describe("endpoint") + " is not the address of a service",
          "Write https://host[:port]; a signature is the setting sas.");
    }
    if ("https".equals(endpoint.getScheme())) {
      return;
    }
    if (!"http".equals(endpoint.getScheme())) {
      throw AzureBlobObjectStoreFactory.refused(
          endpoint + " is not an address of HTTPS", "Write https://host[:port].");
    }
    if (!plainHttp && !isLoopback(host)) {
      throw AzureBlobObjectStoreFactory.refused(
          endpoint + " would carry credentials and content unprotected to another machine",
          "Write https://, or set dangerous-plain-http to true.");
    }
  }

  private static boolean isLoopback(String host) {
    return host.equals("localhost")
        || host.equals("[::1]")
        || host.matches("127\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}");
  }
}
