package com.thorbis.backup.storage.azure;

import com.azure.core.http.HttpClient;
import com.azure.core.http.jdk.httpclient.JdkHttpClientBuilder;
import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.BlobContainerClientBuilder;
import com.azure.storage.common.policy.RequestRetryOptions;
import com.azure.storage.common.policy.RetryPolicyType;
import com.thorbis.backup.testkit.cloud.AzuriteServer;
import java.net.URI;

/** The SDK's clients of the emulator, which try everything once. */
final class AzureClients {
  private AzureClients() {}

  static BlobContainerClient of(String container, URI through) {
    return of(container, through, new JdkHttpClientBuilder().build());
  }

  static BlobContainerClient of(String container, URI through, HttpClient http) {
    return new BlobContainerClientBuilder()
        .connectionString(AzuriteServer.connectionString(through))
        .containerName(container)
        .httpClient(http)
        .retryOptions(
            new RequestRetryOptions(RetryPolicyType.FIXED, 1, (Integer) null, null, null, null))
        .buildClient();
  }
}
