package com.thorbis.backup.crypto.azure;

import com.azure.core.credential.TokenCredential;
import com.azure.core.http.HttpClient;
import com.azure.core.http.jdk.httpclient.JdkHttpClientBuilder;
import com.azure.core.http.policy.ExponentialBackoffOptions;
import com.azure.core.http.policy.RetryOptions;
import com.azure.identity.ChainedTokenCredentialBuilder;
import com.azure.identity.ClientSecretCredentialBuilder;
import com.azure.identity.EnvironmentCredentialBuilder;
import com.azure.identity.ManagedIdentityCredentialBuilder;
import com.azure.identity.WorkloadIdentityCredentialBuilder;
import com.azure.security.keyvault.keys.KeyClient;
import com.azure.security.keyvault.keys.KeyClientBuilder;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import java.net.URI;
import java.time.Duration;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * A client that settings describe. Nothing is left to what happens to be on the class path or to
 * defaults that change: neither its HTTP client, nor its timeouts, nor how often it tries.
 */
final class OwnClient {
  /** Between two attempts, where the vault does not ask for more. */
  static final Duration LONGEST_PAUSE = Duration.ofSeconds(8);

  private static final Duration FIRST_PAUSE = Duration.ofMillis(200);

  private OwnClient() {}

  static KeyClient open(
      String vault,
      Optional<String> tenant,
      Optional<String> client,
      Optional<SecretValue> secret,
      Optional<URI> authority,
      Duration timeout,
      int attempts) {
    HttpClient http =
        new JdkHttpClientBuilder()
            .connectionTimeout(timeout)
            .writeTimeout(timeout)
            .responseTimeout(timeout)
            .readTimeout(timeout)
            .build();
    RetryOptions retries =
        new RetryOptions(
            new ExponentialBackoffOptions()
                .setMaxRetries(attempts - 1)
                .setBaseDelay(FIRST_PAUSE)
                .setMaxDelay(LONGEST_PAUSE));
    return new KeyClientBuilder()
        .vaultUrl(vault)
        .httpClient(http)
        .retryOptions(retries)
        .credential(credential(tenant, client, secret, authority, http, retries))
        .buildClient();
  }

  private static TokenCredential credential(
      Optional<String> tenant,
      Optional<String> client,
      Optional<SecretValue> secret,
      Optional<URI> authority,
      HttpClient http,
      RetryOptions retries) {
    if (tenant.isEmpty() && client.isEmpty() && secret.isEmpty()) {
      return production(authority.map(URI::toString), http, retries);
    }
    if (tenant.isEmpty() || client.isEmpty() || secret.isEmpty()) {
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              AzureKeyVaultKeyProvider.SCHEME
                  + ": tenant-id, client-id and client-secret are given together or not at all")
          .remedy(
              "Set all three, or none: then the environment, a workload identity or a managed"
                  + " identity is used.")
          .build();
    }
    ClientSecretCredentialBuilder builder =
        new ClientSecretCredentialBuilder()
            .httpClient(http)
            .retryOptions(retries)
            .tenantId(tenant.get())
            .clientId(client.get())
            .clientSecret(secret.get().useChars(String::new));
    // Only the public cloud's host can be asked which other hosts are trustworthy.
    authority.ifPresent(host -> builder.authorityHost(host.toString()).disableInstanceDiscovery());
    return builder.build();
  }

  /** Of the vendor's default chain the members that run no programs of developers. */
  private static TokenCredential production(
      Optional<String> authority, HttpClient http, RetryOptions retries) {
    ChainedTokenCredentialBuilder chain = new ChainedTokenCredentialBuilder();
    EnvironmentCredentialBuilder environment =
        new EnvironmentCredentialBuilder().httpClient(http).retryOptions(retries);
    authority.ifPresent(environment::authorityHost);
    chain.addLast(environment.build());
    // Its builder wants what Kubernetes puts into the environment to be there.
    if (Stream.of("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE")
        .allMatch(name -> System.getenv(name) != null)) {
      WorkloadIdentityCredentialBuilder workload =
          new WorkloadIdentityCredentialBuilder().httpClient(http).retryOptions(retries);
      authority.ifPresent(workload::authorityHost);
      chain.addLast(workload.build());
    }
    chain.addLast(
        new ManagedIdentityCredentialBuilder().httpClient(http).retryOptions(retries).build());
    return chain.build();
  }
}
