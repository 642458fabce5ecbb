package com.thorbis.backup.storage.s3;

import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.testkit.ObjectStoreContract;
import com.thorbis.backup.testkit.cloud.S3Server;
import java.io.IOException;
import org.junit.jupiter.api.AfterEach;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.apache5.Apache5HttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;

/**
 * The newer checksums, storage classes, a whole bucket, one that is not there, and a host's client
 * with the vendor's own settings.
 */
class S3MockContractTest extends ObjectStoreContract {
  private static final int PAGE = 20;

  private final S3Server server = TestServers.s3Mock();
  private final S3Client client =
      S3Client.builder()
          .httpClient(Apache5HttpClient.create())
          .endpointOverride(server.endpoint())
          .forcePathStyle(true)
          .region(Region.of(S3Server.REGION))
          .credentialsProvider(
              StaticCredentialsProvider.create(
                  AwsBasicCredentials.create(server.accessKeyId(), server.secretAccessKey())))
          .build();

  @AfterEach
  void closeClient() {
    client.close();
  }

  @Override
  protected ObjectStore openStore() throws IOException {
    String bucket = TestServers.nextBucket();
    server.createBucket(bucket);
    return S3ObjectStore.builder().client(client).bucket(bucket).pageSize(PAGE).build();
  }

  @Override
  protected ObjectStore openUnreachableStore() {
    return S3ObjectStore.builder().client(client).bucket(TestServers.nextBucket()).build();
  }

  @Override
  protected int objectsOfThreePages() {
    return 2 * PAGE + 2;
  }

  /** It looks, and then writes. */
  @Override
  protected int writersAtOnce() {
    return 1;
  }
}
