package com.thorbis.backup.storage.s3;

import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.core.ResponseInputStream;
import software.amazon.awssdk.core.exception.SdkClientException;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.services.s3.model.GetObjectResponse;

/**
 * Bytes on their way. What breaks off is asked for again from there on, of the same object only.
 */
final class Reading implements ObjectRead {
  /** Less than this is read to its end, so that the connection can be used again. */
  private static final long DRAINED = 1 << 16;

  private final S3ObjectStore store;
  private final ObjectInfo info;
  private final @Nullable String etag;
  private final long offset;
  private final long length;
  private final Body body = new Body();
  private @Nullable ResponseInputStream<GetObjectResponse> in;

  /**
   * An answer.
   *
   * @param in nothing if no byte was asked for that the object has
   * @param offset of its first byte in the object
   * @param length how many bytes it is to deliver
   */
  Reading(
      S3ObjectStore store,
      ObjectInfo info,
      @Nullable ResponseInputStream<GetObjectResponse> in,
      long offset,
      long length) {
    this.store = store;
    this.info = info;
    this.in = in;
    this.etag = in == null ? null : in.response().eTag();
    this.offset = offset;
    this.length = length;
  }

  @Override
  public ObjectInfo info() {
    return info;
  }

  @Override
  public InputStream body() {
    return body;
  }

  @Override
  public void close() throws StorageException {
    ResponseInputStream<GetObjectResponse> open = in;
    in = null;
    if (open == null) {
      return;
    }
    if (length - body.position > DRAINED) {
      open.abort();
      return;
    }
    try {
      open.close();
    } catch (IOException | UncheckedIOException | SdkException e) {
      open.abort(); // what was asked for was delivered, or nobody wants it
    }
  }

  private final class Body extends InputStream {
    private long position;
    private int failures;
    private boolean ended;

    @Override
    public int read() throws IOException {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] buffer, int start, int count) throws IOException {
      Objects.checkFromIndexSize(start, count, buffer.length);
      if (count == 0) {
        return 0;
      }
      while (true) {
        SdkException failure;
        try {
          int some = next(buffer, start, count);
          failures = some > 0 ? 0 : failures;
          return some;
        } catch (IOException | UncheckedIOException e) {
          failure = SdkClientException.create("The content broke off: " + e.getMessage(), e);
        } catch (SdkException e) {
          failure = e;
        }
        resume(failure);
      }
    }

    private int next(byte[] buffer, int start, int count) throws IOException {
      if (position == length) {
        if (!ended && in != null) {
          ended = true;
          in.read(buffer, start, 1); // the end itself: the client compares a checksum there
        }
        return -1;
      }
      if (in == null) {
        throw new IOException("It is closed");
      }
      int some = in.read(buffer, start, (int) Math.min(count, length - position));
      if (some < 0) {
        throw new IOException("it ended " + (length - position) + " bytes early");
      }
      position += some;
      return some;
    }

    private void resume(SdkException failure) throws StorageException {
      StorageException translated = store.failures().translate("Read", info.key(), failure);
      if (in == null || position == length || etag == null) {
        throw translated;
      }
      in.abort();
      in = null;
      failures++;
      if (!store.attempts().again(failures, failure)) {
        throw translated;
      }
      in = store.reopen(info.key(), etag, offset + position, offset + length - 1);
    }
  }
}
