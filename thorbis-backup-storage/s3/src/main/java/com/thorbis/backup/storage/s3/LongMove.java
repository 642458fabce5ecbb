package com.thorbis.backup.storage.s3;

import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageException;
import java.util.ArrayList;
import java.util.List;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.services.s3.model.CompleteMultipartUploadResponse;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.CreateMultipartUploadRequest;
import software.amazon.awssdk.services.s3.model.HeadObjectResponse;
import software.amazon.awssdk.services.s3.model.StorageClass;
import software.amazon.awssdk.services.s3.model.UploadPartCopyResponse;

/** Moves an object to another class that is too long for one request: the server copies parts. */
final class LongMove {
  private static final long PART = 1L << 30;

  private final S3ObjectStore store;
  private final ObjectKey key;
  private final HeadObjectResponse found;

  LongMove(S3ObjectStore store, ObjectKey key, HeadObjectResponse found) {
    this.store = store;
    this.key = key;
    this.found = found;
  }

  void to(StorageClass target) throws StorageException {
    CreateMultipartUploadRequest.Builder request =
        CreateMultipartUploadRequest.builder()
            .bucket(store.bucket())
            .key(store.name(key))
            .contentType(found.contentType())
            .metadata(found.metadata())
            .storageClass(target);
    String upload = run(() -> store.client().createMultipartUpload(request.build()).uploadId());
    boolean done = false;
    try {
      List<CompletedPart> parts = new ArrayList<>();
      for (long from = 0; from < found.contentLength(); from += PART) {
        parts.add(part(upload, parts.size() + 1, from));
      }
      complete(upload, parts, target);
      done = true;
    } finally {
      if (!done) {
        try {
          store.abort(store.name(key), upload);
        } catch (StorageException | SdkException e) {
          // Invisible to readers; discarded as stale some day.
          done = true;
        }
      }
    }
  }

  private void complete(String upload, List<CompletedPart> parts, StorageClass target)
      throws StorageException {
    run(
        () -> {
          try {
            CompleteMultipartUploadResponse answer =
                store
                    .client()
                    .completeMultipartUpload(
                        all ->
                            all.bucket(store.bucket())
                                .key(store.name(key))
                                .uploadId(upload)
                                .multipartUpload(of -> of.parts(parts)));
            return Writer.done(answer.eTag(), answer.sdkHttpResponse()).isPresent();
          } catch (SdkException e) {
            // An answer that was lost: the object is where it was to go.
            if (Failures.code(e).equals("NoSuchUpload")
                && store.find(key).filter(now -> now.storageClass() == target).isPresent()) {
              return true;
            }
            throw e;
          }
        });
  }

  private CompletedPart part(String upload, int number, long from) throws StorageException {
    long to = Math.min(from + PART, found.contentLength()) - 1;
    return run(
        () -> {
          UploadPartCopyResponse answer =
              store
                  .client()
                  .uploadPartCopy(
                      copy ->
                          copy.sourceBucket(store.bucket())
                              .sourceKey(store.name(key))
                              .copySourceIfMatch(found.eTag())
                              .copySourceRange("bytes=" + from + "-" + to)
                              .destinationBucket(store.bucket())
                              .destinationKey(store.name(key))
                              .uploadId(upload)
                              .partNumber(number));
          String etag = answer.copyPartResult() == null ? null : answer.copyPartResult().eTag();
          Writer.done(etag, answer.sdkHttpResponse());
          return CompletedPart.builder()
              .partNumber(number)
              .eTag(etag)
              .checksumCRC32(answer.copyPartResult().checksumCRC32())
              .build();
        });
  }

  private <T> T run(Attempts.Call<T> call) throws StorageException {
    return store.attempts().run(call, e -> store.failures().translate("Move", key, e));
  }
}
