package com.thorbis.backup.storage.s3;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.services.s3.model.CompleteMultipartUploadRequest;
import software.amazon.awssdk.services.s3.model.CompleteMultipartUploadResponse;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.CreateMultipartUploadRequest;
import software.amazon.awssdk.services.s3.model.UploadPartRequest;
import software.amazon.awssdk.services.s3.model.UploadPartResponse;

/**
 * A write of unknown length. What fits into one part becomes one request; more becomes parts, which
 * other threads send while the next is filled.
 */
final class Upload implements ObjectUpload {
  private final S3ObjectStore store;
  private final Writer writer;
  private final ObjectKey key;
  private final List<Future<CompletedPart>> parts = new ArrayList<>();
  private final Body body = new Body();
  private Buffer buffer = new Buffer();
  private long length;
  private @Nullable String id;
  private boolean ended;
  private volatile boolean abandoned;
  private volatile @Nullable StorageException failure;

  Upload(S3ObjectStore store, Writer writer) {
    this.store = store;
    this.writer = writer;
    this.key = writer.key();
  }

  @Override
  public OutputStream body() {
    return body;
  }

  @Override
  public ObjectInfo commit() throws StorageException {
    if (ended) {
      throw new IllegalStateException("The upload has ended: " + key);
    }
    body.ended = true;
    if (failure != null) {
      throw failure; // bytes are missing, whatever was written after them
    }
    if (id == null) {
      ended = true;
      return writer.put(buffer);
    }
    if (buffer.length() > 0) {
      send();
    }
    List<CompletedPart> sent = new ArrayList<>();
    for (Future<CompletedPart> part : parts) {
      sent.add(result(part));
    }
    CompleteMultipartUploadRequest request =
        CompleteMultipartUploadRequest.builder()
            .bucket(store.bucket())
            .key(store.name(key))
            .uploadId(id)
            .multipartUpload(all -> all.parts(sent))
            .ifNoneMatch("*")
            .build();
    ObjectInfo info;
    try {
      info =
          writer.publish(
              length,
              () -> {
                CompleteMultipartUploadResponse answer =
                    store.client().completeMultipartUpload(request);
                return Writer.done(answer.eTag(), answer.sdkHttpResponse());
              });
    } catch (StorageException.OutcomeUnknown e) {
      ended = true; // what may be the object is not to be discarded
      throw e;
    }
    ended = true;
    return info;
  }

  private CompletedPart result(Future<CompletedPart> part) throws StorageException {
    try {
      return part.get();
    } catch (InterruptedException e) {
      throw Failures.interrupted("Write", key.value(), e);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof StorageException known) {
        throw known;
      }
      throw new IllegalStateException(e.getCause());
    }
  }

  @Override
  public void close() {
    if (ended) {
      return;
    }
    ended = true;
    abandoned = true;
    body.ended = true;
    buffer = new Buffer();
    if (id == null) {
      return;
    }
    boolean interrupted = Thread.interrupted();
    try {
      // A part that arrives after the end of its upload would stay there.
      for (Future<CompletedPart> part : parts) {
        isSent(part);
      }
      store.abort(store.name(key), id);
    } catch (InterruptedException e) {
      interrupted = true;
    } catch (StorageException e) {
      // Invisible to readers; discarded as stale some day.
      return;
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** Waits for a part, whatever becomes of it. */
  private static boolean isSent(Future<CompletedPart> part) throws InterruptedException {
    try {
      return part.get() != null;
    } catch (ExecutionException e) {
      return false;
    }
  }

  /** Hands over what is buffered as the next part. */
  private void send() throws StorageException {
    if (id == null) {
      id = begin();
    }
    if (parts.size() == PartSizes.MOST_PARTS) {
      throw new StorageException(
          "storage.too-long",
          FailureKind.PERMANENT,
          "Write " + key + ": longer than the " + length + " bytes that one object can have",
          key.value(),
          "Raise s3.part-size, or store less in one object.",
          null);
    }
    Buffer part = buffer;
    buffer = new Buffer();
    String upload = Objects.requireNonNull(id);
    int number = parts.size() + 1;
    parts.add(store.submit(key, () -> part(upload, number, part)));
  }

  private String begin() throws StorageException {
    CreateMultipartUploadRequest.Builder request =
        CreateMultipartUploadRequest.builder()
            .bucket(store.bucket())
            .key(store.name(key))
            .contentType("application/octet-stream")
            .metadata(writer.metadata());
    store.storageClass(writer.options()).ifPresent(request::storageClass);
    writer
        .options()
        .lockedUntil()
        .ifPresent(
            until -> request.objectLockMode(store.lockMode()).objectLockRetainUntilDate(until));
    return store
        .attempts()
        .run(
            () -> {
              String begun = store.client().createMultipartUpload(request.build()).uploadId();
              S3ObjectStore.require(begun != null && !begun.isEmpty());
              return begun;
            },
            e -> store.failures().translate("Write", key, e));
  }

  private CompletedPart part(String upload, int number, Buffer content) throws StorageException {
    try {
      UploadPartRequest.Builder request =
          UploadPartRequest.builder()
              .bucket(store.bucket())
              .key(store.name(key))
              .uploadId(upload)
              .partNumber(number)
              .contentLength(content.length());
      if (store.sendsMd5()) {
        request.contentMD5(Writer.md5(content.newStream()));
      }
      return store
          .attempts()
          .run(
              () -> {
                if (abandoned) {
                  throw Failures.uploadGone(key, null);
                }
                UploadPartResponse answer =
                    store
                        .client()
                        .uploadPart(
                            request.build(),
                            RequestBody.fromContentProvider(
                                content, content.length(), "application/octet-stream"));
                Writer.done(answer.eTag(), answer.sdkHttpResponse());
                return CompletedPart.builder()
                    .partNumber(number)
                    .eTag(answer.eTag())
                    .checksumCRC32(answer.checksumCRC32())
                    .checksumCRC32C(answer.checksumCRC32C())
                    .checksumCRC64NVME(answer.checksumCRC64NVME())
                    .checksumSHA1(answer.checksumSHA1())
                    .checksumSHA256(answer.checksumSHA256())
                    .build();
              },
              e ->
                  Failures.code(e).equals("NoSuchUpload")
                      ? Failures.uploadGone(key, e)
                      : store.failures().translate("Write", key, e));
    } catch (StorageException e) {
      failure = failure == null ? e : failure;
      abandoned = true; // the others are of no use any more
      throw e;
    }
  }

  private final class Body extends OutputStream {
    private boolean ended;

    @Override
    public void write(int b) throws IOException {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int count) throws IOException {
      Objects.checkFromIndexSize(offset, count, bytes.length);
      if (ended) {
        throw new IOException("The content has ended: " + key);
      }
      int done = 0;
      while (done < count) {
        StorageException failed = failure;
        if (failed != null) {
          throw failed;
        }
        // One that is exactly full waits: it may be the last one, or the only one.
        long room = store.partSizes().of(parts.size() + 1) - buffer.length();
        if (room == 0) {
          try {
            send();
          } catch (StorageException e) {
            failure = e;
            throw e;
          }
          continue;
        }
        int some = (int) Math.min(room, count - done);
        buffer.write(bytes, offset + done, some);
        done += some;
        length += some;
      }
    }

    @Override
    public void close() {
      ended = true;
    }
  }
}
