package com.thorbis.backup.storage.gcs;

import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.testkit.cloud.FakeGcs;
import com.thorbis.backup.testkit.cloud.ObjectStoreFaultContract;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import org.junit.jupiter.api.AfterAll;

class GcsFaultsTest extends ObjectStoreFaultContract {
  private static final String BUCKET = "acme-backups";
  private static final int PIECE = 1 << 18;

  private FakeGcs gcs;

  @Override
  protected URI startServer() throws IOException {
    gcs = new FakeGcs();
    gcs.createBucket(BUCKET);
    return gcs.endpoint();
  }

  @AfterAll
  void stopServer() {
    gcs.close();
  }

  @Override
  protected ObjectStore open(URI endpoint, String prefix) throws IOException {
    GcsObjectStore.Builder builder =
        GcsObjectStore.builder()
            .bucket(BUCKET)
            .prefix(prefix)
            .endpoint(endpoint)
            .anonymous()
            .pieceBytes(PIECE)
            .retryFor(Duration.ofSeconds(20));
    builder.firstWait = Duration.ofMillis(1);
    builder.mostAttempts = 3;
    return builder.build();
  }

  @Override
  protected int longContent() {
    return 2 * PIECE + 1;
  }

  @Override
  protected String error(int status) {
    return "{\"error\":{\"code\":" + status + ",\"message\":\"planted\"}}";
  }
}
