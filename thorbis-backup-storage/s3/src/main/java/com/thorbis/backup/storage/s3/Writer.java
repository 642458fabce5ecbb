package com.thorbis.backup.storage.s3;

import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.WriteOptions;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.Base64;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.core.exception.SdkClientException;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.http.ContentStreamProvider;
import software.amazon.awssdk.http.SdkHttpResponse;
import software.amazon.awssdk.services.s3.model.HeadObjectResponse;
import software.amazon.awssdk.services.s3.model.PutObjectRequest;
import software.amazon.awssdk.services.s3.model.PutObjectResponse;

/**
 * Writes of one object that replace nothing, and whose outcome is told as it is: each carries an id
 * of its own, by which a repeated request knows its own first success.
 */
final class Writer {
  private static final String ID = "thorbis-write";

  private final S3ObjectStore store;
  private final ObjectKey key;
  private final WriteOptions options;
  private final String id = UUID.randomUUID().toString();

  Writer(S3ObjectStore store, ObjectKey key, WriteOptions options) {
    this.store = store;
    this.key = key;
    this.options = options;
  }

  ObjectKey key() {
    return key;
  }

  WriteOptions options() {
    return options;
  }

  /** What the object carries. */
  Map<String, String> metadata() {
    return Map.of(ID, id);
  }

  /** Writes content in one request. */
  ObjectInfo put(ObjectSource content) throws StorageException {
    Checked checked = new Checked(content);
    Optional<String> md5 = store.sendsMd5() ? Optional.of(checked.md5()) : Optional.empty();
    checked.readWhole = false; // until it was, no request can have been whole
    try {
      return put(checked, content.length(), md5);
    } catch (StorageException e) {
      StorageException failure = checked.failure;
      throw failure != null && !checked.readWhole ? failure : e;
    }
  }

  /** Writes kept bytes in one request. */
  ObjectInfo put(Buffer content) throws StorageException {
    return put(
        content,
        content.length(),
        store.sendsMd5() ? Optional.of(md5(content.newStream())) : Optional.empty());
  }

  private ObjectInfo put(ContentStreamProvider content, long length, Optional<String> md5)
      throws StorageException {
    PutObjectRequest.Builder request =
        PutObjectRequest.builder()
            .bucket(store.bucket())
            .key(store.name(key))
            .contentLength(length)
            .ifNoneMatch("*")
            .metadata(metadata());
    md5.ifPresent(request::contentMD5);
    store.storageClass(options).ifPresent(request::storageClass);
    options
        .lockedUntil()
        .ifPresent(
            until -> request.objectLockMode(store.lockMode()).objectLockRetainUntilDate(until));
    PutObjectRequest put = request.build();
    return publish(
        length,
        () -> {
          PutObjectResponse answer =
              store
                  .client()
                  .putObject(
                      put,
                      RequestBody.fromContentProvider(content, length, "application/octet-stream"));
          return done(answer.eTag(), answer.sdkHttpResponse());
        });
  }

  /** What a server that did it says; one without an ETag is none. */
  static Optional<Instant> done(@Nullable String etag, SdkHttpResponse answer) {
    if (etag == null || etag.isBlank()) {
      throw Failures.unanswered();
    }
    return date(answer);
  }

  static Optional<Instant> date(SdkHttpResponse answer) {
    return answer
        .firstMatchingHeader("Date")
        .flatMap(
            text -> {
              try {
                return Optional.of(DateTimeFormatter.RFC_1123_DATE_TIME.parse(text, Instant::from));
              } catch (DateTimeParseException e) {
                return Optional.empty();
              }
            });
  }

  /**
   * Publishes an object, with as many attempts as it takes to know what became of it.
   *
   * @param publication one attempt, which tells when the server did it, as far as it says
   */
  ObjectInfo publish(long length, Attempts.Call<Optional<Instant>> publication)
      throws StorageException {
    boolean maybe = false;
    for (int attempt = 1; ; attempt++) {
      try {
        Optional<Instant> when = Attempts.once(publication);
        return when.isPresent()
            ? info(length, when.get())
            : S3ObjectStore.info(key, store.find(key).orElseThrow(() -> unknown(null)));
      } catch (SdkException e) {
        boolean gone = Failures.code(e).equals("NoSuchUpload");
        if (Failures.status(e) == 412 || gone) {
          return look(maybe, gone, e);
        }
        maybe |= !Failures.withoutEffect(e);
        if (store.attempts().again(attempt, e)) {
          continue;
        }
        if (!maybe) {
          throw store.failures().translate("Write", key, e);
        }
        return look(true, false, e);
      }
    }
  }

  /** Settles by the object itself what the answers left open. */
  private ObjectInfo look(boolean maybe, boolean gone, SdkException e) throws StorageException {
    boolean interrupted = Failures.interrupted(e);
    interrupted |= Thread.interrupted(); // which would end the look, too
    Optional<HeadObjectResponse> found;
    try {
      found = store.find(key);
    } catch (StorageException unseen) {
      e.addSuppressed(unseen);
      // A key that is taken without our doing is another's, whether it can be looked at or not.
      throw maybe || gone ? unknown(e) : new StorageException.AlreadyExists(key, e);
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
    if (found.isPresent()) {
      if (id.equals(found.get().metadata().get(ID))) {
        return S3ObjectStore.info(key, found.get());
      }
      throw new StorageException.AlreadyExists(key, e);
    }
    if (maybe) {
      throw unknown(e); // a request that is still on its way may yet arrive
    }
    throw gone ? Failures.uploadGone(key, e) : new StorageException.AlreadyExists(key, e);
  }

  private StorageException unknown(@Nullable SdkException e) {
    return new StorageException.OutcomeUnknown(key, e);
  }

  private ObjectInfo info(long length, Instant when) {
    ObjectInfo info =
        ObjectInfo.of(key, length, when).in(options.tier(), S3ObjectStore.online(options.tier()));
    return options.lockedUntil().map(info::lockedUntil).orElse(info);
  }

  static String md5(InputStream content) {
    try (content) {
      MessageDigest digest = MessageDigest.getInstance("MD5");
      byte[] buffer = new byte[1 << 16];
      for (int count = content.read(buffer); count >= 0; count = content.read(buffer)) {
        digest.update(buffer, 0, count);
      }
      return Base64.getEncoder().encodeToString(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The caller's content, of which the last byte is sent only if nothing comes after it. */
  private final class Checked implements ContentStreamProvider {
    private final ObjectSource source;
    private volatile @Nullable StorageException failure;
    private volatile boolean readWhole;

    Checked(ObjectSource source) {
      this.source = source;
    }

    String md5() throws StorageException {
      try {
        return Writer.md5(newStream());
      } catch (UncheckedIOException e) {
        throw failure != null ? failure : StorageException.sourceFailed(key, e);
      }
    }

    @Override
    public InputStream newStream() {
      try {
        return new Exact(source.open());
      } catch (IOException e) {
        failure = StorageException.sourceFailed(key, e);
        throw SdkClientException.create("The content cannot be opened", failure);
      }
    }

    private final class Exact extends FilterInputStream {
      private final long length = source.length();
      private long position;

      Exact(InputStream in) {
        super(in);
      }

      @Override
      public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
      }

      @Override
      public int read(byte[] buffer, int offset, int count) throws IOException {
        if (failure != null) {
          throw failure;
        }
        if (count == 0) {
          return 0;
        }
        try {
          if (position == length) {
            if (length == 0 && in.read() >= 0) {
              throw StorageException.sourceLength(key, length);
            }
            readWhole = true;
            return -1;
          }
          int some = in.read(buffer, offset, (int) Math.min(count, length - position));
          if (some < 0) {
            throw StorageException.sourceLength(key, length);
          }
          position += some;
          if (position == length && in.read() >= 0) {
            throw StorageException.sourceLength(key, length);
          }
          readWhole |= position == length;
          return some;
        } catch (StorageException e) {
          failure = e;
          throw e;
        } catch (IOException e) {
          failure = StorageException.sourceFailed(key, e);
          throw failure;
        }
      }

      @Override
      public long skip(long count) throws IOException {
        return read(new byte[(int) Math.min(count, 1 << 13)]);
      }

      @Override
      public boolean markSupported() {
        return false;
      }
    }
  }
}
