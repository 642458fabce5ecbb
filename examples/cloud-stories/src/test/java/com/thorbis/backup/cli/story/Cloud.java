package com.thorbis.backup.cli.story;

import com.thorbis.backup.testkit.cloud.AzuriteServer;
import com.thorbis.backup.testkit.cloud.FakeGcs;
import com.thorbis.backup.testkit.cloud.S3Server;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;

/** A store of a cloud on this host, with an empty bucket in it. */
interface Cloud extends AutoCloseable {
  /** The scheme of its locations. */
  String scheme();

  URI endpoint();

  /** A copy in the bucket, as a configuration names it; secrets go into the folder. */
  String copy(URI through, Path folder) throws IOException;

  /** What was begun to be written to the bucket, and neither ended nor given up. */
  int openUploads() throws IOException;

  @Override
  void close();

  /** A bucket of a server that goes on. */
  static Cloud s3(S3Server server, String bucket) throws IOException {
    server.createBucketWithVersions(bucket);
    return new Cloud() {
      @Override
      public String scheme() {
        return "s3";
      }

      @Override
      public URI endpoint() {
        return server.endpoint();
      }

      @Override
      public String copy(URI through, Path folder) throws IOException {
        return """
        uri: s3://%s/orders
        s3:
          endpoint: %s
          access-key-id: %s
          secret-access-key: ${file:%s}"""
            .formatted(
                bucket,
                through,
                server.accessKeyId(),
                Files.writeString(folder.resolve("s3-secret"), server.secretAccessKey()));
      }

      @Override
      public int openUploads() throws IOException {
        return server.openUploads(bucket);
      }

      @Override
      public void close() {}
    };
  }

  static Cloud gcs() throws IOException {
    FakeGcs server = new FakeGcs();
    String bucket = "acme-backups";
    server.createBucket(bucket);
    return new Cloud() {
      @Override
      public String scheme() {
        return "gs";
      }

      @Override
      public URI endpoint() {
        return server.endpoint();
      }

      @Override
      public String copy(URI through, Path folder) {
        return """
        uri: gs://%s/orders
        gs:
          endpoint: %s
          anonymous: true"""
            .formatted(bucket, through);
      }

      @Override
      public int openUploads() {
        return server.openUploads();
      }

      @Override
      public void close() {
        server.close();
      }
    };
  }

  static Cloud azure() throws IOException {
    AzuriteServer server = AzuriteServer.start();
    String container = server.createContainer();
    return new Cloud() {
      @Override
      public String scheme() {
        return "azblob";
      }

      @Override
      public URI endpoint() {
        return server.endpoint();
      }

      @Override
      public String copy(URI through, Path folder) throws IOException {
        return """
        uri: azblob://%s/orders
        azblob:
          connection-string: ${file:%s}"""
            .formatted(
                container,
                Files.writeString(
                    folder.resolve("azure-secret"), AzuriteServer.connectionString(through)));
      }

      @Override
      public int openUploads() throws IOException {
        return server.openUploads(container);
      }

      @Override
      public void close() {}
    };
  }
}
