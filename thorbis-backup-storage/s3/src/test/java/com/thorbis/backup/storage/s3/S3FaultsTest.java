package com.thorbis.backup.storage.s3;

import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.testkit.cloud.ObjectStoreFaultContract;
import com.thorbis.backup.testkit.cloud.S3Server;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;

class S3FaultsTest extends ObjectStoreFaultContract {
  private static final int PART = 5 << 20;

  private final S3Server server = TestServers.s3Proxy();
  private final String bucket = TestServers.nextBucket();
  // A client takes longer to make than most cases take to run.
  private final Map<URI, S3ObjectStore> connected = new HashMap<>();

  @Override
  protected URI startServer() throws IOException {
    server.createBucket(bucket);
    return server.endpoint();
  }

  @AfterAll
  void disconnect() {
    connected.values().forEach(S3ObjectStore::close);
  }

  @Override
  protected ObjectStore open(URI endpoint, String prefix) throws IOException {
    S3ObjectStore open = connected.get(endpoint);
    if (open == null) {
      open = TestServers.open("s3://" + bucket, TestServers.settings(server, endpoint));
      connected.put(endpoint, open);
    }
    return S3ObjectStore.builder()
        .client(open.client())
        .bucket(bucket)
        .prefix(prefix)
        .contentMd5(true)
        .tiers(false)
        .partSize(PART)
        .retries(2)
        .pause(time -> {})
        .build();
  }

  @Override
  protected int longContent() {
    return 2 * PART + 1;
  }

  @Override
  protected int longShare() {
    return 24; // the parts of S3 are long
  }

  @Override
  protected void discardUploads(ObjectStore store) throws IOException {
    store.discardStaleUploads("", Instant.now().plus(Duration.ofDays(1)));
  }

  @Override
  protected String error(int status) {
    String code =
        switch (status) {
          case 400 -> "ExpiredToken";
          case 403 -> "AccessDenied";
          case 404 -> "NoSuchBucket";
          case 409 -> "ConditionalRequestConflict";
          case 429 -> "TooManyRequests";
          case 503 -> "SlowDown";
          default -> "InternalError";
        };
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>"
        + code
        + "</Code><Message>planted</Message><RequestId>42</RequestId></Error>";
  }
}
