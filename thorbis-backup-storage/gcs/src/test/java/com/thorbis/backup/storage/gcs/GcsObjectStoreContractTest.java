package com.thorbis.backup.storage.gcs;

import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.testkit.ObjectStoreContract;
import com.thorbis.backup.testkit.cloud.FakeGcs;
import java.io.IOException;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;

class GcsObjectStoreContractTest extends ObjectStoreContract {
  private FakeGcs gcs;

  @Override
  protected ObjectStore openStore() throws IOException {
    gcs = new FakeGcs();
    gcs.createBucket("acme-backups", FakeGcs.Feature.RETENTION, FakeGcs.Feature.SOFT_DELETE);
    return open(gcs);
  }

  @Override
  protected ObjectStore openUnreachableStore() throws IOException {
    try (FakeGcs gone = new FakeGcs()) {
      gone.createBucket("acme-backups");
      return open(gone);
    }
  }

  @Override
  protected int objectsOfThreePages() {
    return 50;
  }

  @AfterEach
  void stop() {
    gcs.close();
  }

  private static ObjectStore open(FakeGcs gcs) throws IOException {
    GcsObjectStore.Builder builder =
        GcsObjectStore.builder()
            .bucket("acme-backups")
            .prefix("prod/orders")
            .endpoint(gcs.endpoint())
            .anonymous()
            .pageSize(20)
            .pieceBytes(1 << 18)
            .retryFor(Duration.ofMillis(100));
    builder.firstWait = Duration.ofMillis(2);
    return builder.build();
  }
}
