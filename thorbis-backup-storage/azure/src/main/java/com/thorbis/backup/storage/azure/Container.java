package com.thorbis.backup.storage.azure;

import com.azure.core.util.Context;
import com.azure.storage.blob.BlobClient;
import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.models.BlobProperties;
import com.azure.storage.blob.models.ListBlobsOptions;
import com.thorbis.backup.spi.storage.ObjectKey;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;

/** A container, and how it is asked. */
final class Container {
  final BlobContainerClient client;
  final String prefix;
  final Attempts attempts;
  final Failures failures;

  /** After which one attempt is given up. */
  final Duration timeout;

  Container(
      BlobContainerClient client,
      String prefix,
      Attempts attempts,
      Failures failures,
      Duration timeout) {
    this.client = client;
    this.prefix = prefix;
    this.attempts = attempts;
    this.failures = failures;
    this.timeout = timeout;
  }

  BlobClient blob(ObjectKey key) {
    return client.getBlobClient(prefix + key.value());
  }

  /** Returns if the container is there and may be listed. */
  void look() throws IOException {
    attempts.run(
        () ->
            client
                .listBlobs(
                    new ListBlobsOptions().setPrefix(prefix).setMaxResultsPerPage(1), timeout)
                .iterableByPage()
                .iterator()
                .next());
  }

  /** An object's facts; empty if the container is there and has no such object. */
  Optional<BlobProperties> find(ObjectKey key) throws IOException {
    try {
      return Optional.of(
          attempts.run(
              () -> {
                BlobProperties there =
                    blob(key).getPropertiesWithResponse(null, timeout, Context.NONE).getValue();
                if (there.getLastModified() == null || there.getETag() == null) {
                  throw new IOException("The store answered with success and no object");
                }
                return there;
              }));
    } catch (Answer e) {
      if (e.saysAbsent()) {
        return Optional.empty();
      }
      throw e;
    }
  }
}
