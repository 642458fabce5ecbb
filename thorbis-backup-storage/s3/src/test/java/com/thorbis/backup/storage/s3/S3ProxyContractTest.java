package com.thorbis.backup.storage.s3;

import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.testkit.ObjectStoreContract;
import com.thorbis.backup.testkit.cloud.S3Server;
import java.io.IOException;
import java.net.URI;
import java.util.Map;

/** MD5, signatures, a prefix in a bucket with versions, and nobody who answers. */
class S3ProxyContractTest extends ObjectStoreContract {
  private final S3Server server = TestServers.s3Proxy();

  @Override
  protected ObjectStore openStore() throws IOException {
    String bucket = TestServers.nextBucket();
    server.createBucketWithVersions(bucket);
    return TestServers.open(
        "s3://" + bucket + "/some/prefix", TestServers.settings(server, server.endpoint()));
  }

  @Override
  protected ObjectStore openUnreachableStore() throws IOException {
    Map<String, Object> settings = TestServers.settings(server, URI.create("http://127.0.0.1:1"));
    settings.put("retries", "1");
    return TestServers.open("s3://" + TestServers.nextBucket(), settings);
  }
}
