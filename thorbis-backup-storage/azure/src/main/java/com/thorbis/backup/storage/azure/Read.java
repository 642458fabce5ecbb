package com.thorbis.backup.storage.azure;

import com.azure.core.util.BinaryData;
import com.azure.core.util.Context;
import com.azure.storage.blob.models.BlobDownloadContentResponse;
import com.azure.storage.blob.models.BlobRange;
import com.azure.storage.blob.models.BlobRequestConditions;
import com.azure.storage.blob.models.DownloadRetryOptions;
import com.azure.storage.blob.options.BlobDownloadContentOptions;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Content that is asked for a stretch at a time, each whole before a byte of it is passed on. All
 * of them are of the object that the first one was of.
 */
final class Read implements ObjectRead {
  private static final Pattern CONTENT_RANGE = Pattern.compile("bytes ([0-9]+)-([0-9]+)/([0-9]+)");

  private final Container container;
  private final ObjectInfo info;
  private final String etag;
  private final Body body;
  private final int stretchBytes;

  private Read(
      Container container,
      ObjectInfo info,
      String etag,
      int stretchBytes,
      byte[] first,
      long position,
      long end) {
    this.container = container;
    this.info = info;
    this.etag = etag;
    this.stretchBytes = stretchBytes;
    this.body = new Body(first, position, end);
  }

  /** Nothing of an object. */
  static Read nothing(Container container, ObjectInfo info) {
    return new Read(container, info, "", 1, new byte[0], 0, 0);
  }

  /** Asks for the first stretch of all bytes from {@code offset}, {@code length} at most. */
  static Read open(Container container, ObjectKey key, long offset, long length, int stretchBytes)
      throws IOException {
    Stretch first =
        container.attempts.run(
            () -> stretch(container, key, offset, Math.min(stretchBytes, length), null));
    long end = length > first.total() - offset ? first.total() : offset + length;
    return new Read(
        container, first.info(), first.etag(), stretchBytes, first.bytes(), offset, end);
  }

  private record Stretch(ObjectInfo info, String etag, long total, byte[] bytes) {}

  private static Stretch stretch(
      Container container, ObjectKey key, long from, long count, @Nullable String etag)
      throws IOException {
    BlobDownloadContentResponse response =
        container
            .blob(key)
            .downloadContentWithResponse(
                new BlobDownloadContentOptions()
                    .setRange(new BlobRange(from, count))
                    .setDownloadRetryOptions(new DownloadRetryOptions().setMaxRetryRequests(0))
                    .setRequestConditions(new BlobRequestConditions().setIfMatch(etag)),
                container.timeout,
                Context.NONE);
    Matcher range =
        CONTENT_RANGE.matcher(String.valueOf(response.getDeserializedHeaders().getContentRange()));
    BinaryData content = response.getValue();
    byte[] bytes = content == null ? new byte[0] : content.toBytes();
    if (!range.matches() || Long.parseLong(range.group(1)) != from) {
      throw new IOException("The store sent another range than was asked for");
    }
    long total = Long.parseLong(range.group(3));
    long expected = Math.min(count, total - from);
    if (bytes.length != expected) {
      throw new IOException("The content ended " + (expected - bytes.length) + " bytes early");
    }
    return new Stretch(
        ObjectInfo.of(key, total, response.getDeserializedHeaders().getLastModified().toInstant()),
        response.getDeserializedHeaders().getETag(),
        total,
        bytes);
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
  public void close() {
    body.closed = true;
    body.stretch = new byte[0];
  }

  private final class Body extends InputStream {
    private final long end;
    private byte[] stretch;
    private int used;
    private long position;
    private boolean closed;

    Body(byte[] first, long position, long end) {
      this.stretch = first;
      this.position = position;
      this.end = end;
    }

    @Override
    public int read() throws IOException {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] buffer, int offset, int length) throws IOException {
      Objects.checkFromIndexSize(offset, length, buffer.length);
      if (closed) {
        throw new IOException("The read was closed: " + info.key());
      }
      if (length == 0) {
        return 0;
      }
      if (position == end) {
        return -1;
      }
      if (used == stretch.length) {
        next();
      }
      int count = Math.min(length, stretch.length - used);
      System.arraycopy(stretch, used, buffer, offset, count);
      used += count;
      position += count;
      return count;
    }

    private void next() throws StorageException {
      stretch = new byte[0];
      used = 0;
      try {
        stretch =
            container
                .attempts
                .run(
                    () ->
                        Read.stretch(
                            container,
                            info.key(),
                            position,
                            Math.min(stretchBytes, end - position),
                            etag))
                .bytes();
      } catch (Answer e) {
        throw gone(e);
      } catch (IOException e) {
        throw container.failures.translate("Read", info.key().value(), e);
      }
    }

    private StorageException gone(Answer e) {
      try {
        if (e.saysAbsent() || e.status() == 412 && container.find(info.key()).isEmpty()) {
          return new StorageException.NotFound(info.key(), e);
        }
      } catch (IOException unseen) {
        return container.failures.translate("Read", info.key().value(), unseen);
      }
      return e.status() == 412
          ? container.failures.changed(info.key(), e)
          : container.failures.translate("Read", info.key().value(), e);
    }
  }
}
