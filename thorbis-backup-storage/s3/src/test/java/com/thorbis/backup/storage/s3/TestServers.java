package com.thorbis.backup.storage.s3;

import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.testkit.cloud.S3Server;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Clock;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

/** One server of each kind for all tests of a run, and buckets in them. */
final class TestServers {
  private static final AtomicInteger BUCKETS = new AtomicInteger();

  private TestServers() {}

  private static final class Proxy {
    static final S3Server SERVER = start(S3Server::s3Proxy);
  }

  private static final class Mock {
    static final S3Server SERVER = start(S3Server::s3Mock);
  }

  @FunctionalInterface
  private interface Starting {
    S3Server start() throws IOException;
  }

  private static S3Server start(Starting starting) {
    try {
      return starting.start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static S3Server s3Proxy() {
    return Proxy.SERVER;
  }

  static S3Server s3Mock() {
    return Mock.SERVER;
  }

  static String nextBucket() {
    return "bucket-" + BUCKETS.incrementAndGet();
  }

  /** Settings that open a bucket of a server at this address. */
  static Map<String, Object> settings(S3Server server, URI endpoint) {
    Map<String, Object> settings = new HashMap<>();
    settings.put("endpoint", endpoint.toString());
    settings.put("access-key-id", server.accessKeyId());
    settings.put("secret-access-key", SecretValue.ofText(server.secretAccessKey()));
    return settings;
  }

  static S3ObjectStore open(String location, Map<String, ?> values) throws IOException {
    Settings settings = Settings.of("s3", values);
    S3ObjectStore store =
        (S3ObjectStore) new S3ObjectStoreFactory().open(URI.create(location), context(settings));
    settings.requireAllRead();
    return store;
  }

  /** One that does not wait between attempts. */
  static S3ObjectStore impatient(String location, Map<String, ?> values) throws IOException {
    URI uri = URI.create(location);
    return Connection.open(
        Settings.of("s3", values),
        uri.getAuthority(),
        uri.getPath().substring(1),
        builder -> builder.pause(time -> {}));
  }

  static ProviderContext context(Settings settings) {
    return new ProviderContext() {
      @Override
      public Settings settings() {
        return settings;
      }

      @Override
      public Clock clock() {
        return Clock.systemUTC();
      }

      @Override
      public Path stateDirectory() {
        throw new AssertionError("Nothing is kept on this machine");
      }
    };
  }
}
