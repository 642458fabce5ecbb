package com.thorbis.backup.storage.gcs;

import com.google.api.client.http.HttpHeaders;
import com.google.api.client.http.HttpResponse;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.io.InputStream;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Content on its way; asks again for the rest of the same object when a connection breaks. */
final class Read implements ObjectRead {
  private static final Pattern CONTENT_RANGE = Pattern.compile("bytes ([0-9]+)-([0-9]+)/([0-9]+)");
  private static final int MOST_RESUMPTIONS = 5;

  private final Bucket bucket;
  private final ObjectInfo info;
  private final String object;
  private final long generation;
  private final Body body;

  private Read(
      Bucket bucket,
      ObjectInfo info,
      String object,
      long generation,
      @Nullable HttpResponse response,
      long position,
      long end)
      throws IOException {
    this.bucket = bucket;
    this.info = info;
    this.object = object;
    this.generation = generation;
    this.body = new Body(response, position, end);
  }

  /** Nothing of an object. */
  static Read nothing(Bucket bucket, ObjectInfo info) throws IOException {
    return new Read(bucket, info, "", 0, null, 0, 0);
  }

  /** What was answered to a request for all bytes from {@code offset}, {@code length} at most. */
  static Read of(
      Bucket bucket, ObjectKey key, String object, HttpResponse response, long offset, long length)
      throws IOException {
    HttpHeaders headers = response.getHeaders();
    try {
      long total;
      long end;
      if (response.getStatusCode() == 206) {
        Matcher range = CONTENT_RANGE.matcher(String.valueOf(headers.getContentRange()));
        if (!range.matches() || Long.parseLong(range.group(1)) != offset) {
          throw new IOException("The store sent another range than was asked for");
        }
        total = Long.parseLong(range.group(3));
        end = Long.parseLong(range.group(2)) + 1;
        if (end != (length > total - offset ? total : offset + length)) {
          throw new IOException("The store sent another range than was asked for");
        }
      } else {
        String stored = header(headers, "x-goog-stored-content-length");
        total = stored == null ? -1 : Long.parseLong(stored);
        end = total;
        if (total < 0 || offset > 0 || length < total) {
          throw new IOException("The store did not say how long the content is");
        }
      }
      String kept = header(headers, "x-goog-storage-class");
      String number = header(headers, "x-goog-generation");
      ObjectInfo info =
          ObjectInfo.of(key, total, modifiedAt(headers))
              .in(Tiers.of(kept == null ? "" : kept), true);
      return new Read(
          bucket, info, object, number == null ? 0 : Long.parseLong(number), response, offset, end);
    } catch (NumberFormatException e) {
      response.ignore();
      throw new IOException("The store's answer cannot be read", e);
    } catch (IOException e) {
      response.ignore();
      throw e;
    }
  }

  private static @Nullable String header(HttpHeaders headers, String name) {
    return headers.getFirstHeaderStringValue(name);
  }

  private static Instant modifiedAt(HttpHeaders headers) throws IOException {
    try {
      return ZonedDateTime.parse(
              String.valueOf(headers.getLastModified()), DateTimeFormatter.RFC_1123_DATE_TIME)
          .toInstant();
    } catch (DateTimeParseException e) {
      throw new IOException("The store did not say since when it has the object", e);
    }
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
    body.disconnect();
  }

  private final class Body extends InputStream {
    private final long end;
    private @Nullable HttpResponse response;
    private @Nullable InputStream in;
    private long position;
    private int resumptions;
    private boolean closed;

    Body(@Nullable HttpResponse response, long position, long end) throws IOException {
      this.response = response;
      this.in = response == null ? null : response.getContent();
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
      int most = (int) Math.min(length, end - position);
      while (true) {
        IOException failure = null;
        try {
          int count = in == null ? -1 : in.read(buffer, offset, most);
          if (count > 0) {
            position += count;
            resumptions = 0;
            return count;
          }
        } catch (IOException e) {
          failure = e;
        }
        if (resumptions++ == MOST_RESUMPTIONS || generation == 0) {
          throw failure == null
              ? bucket.failures.ended(info.key(), end - position)
              : bucket.failures.translate("Read", info.key().value(), failure);
        }
        resume();
      }
    }

    private void resume() throws StorageException {
      disconnect();
      try {
        HttpResponse again =
            bucket.attempts.run(
                attempt -> bucket.content(object, generation, position, end - position));
        response = again;
        in = again.getContent();
        boolean whole = again.getStatusCode() == 200;
        if (whole && position > 0 || !whole && !startsAt(again, position)) {
          throw new IOException("The store sent another range than was asked for");
        }
      } catch (Answer e) {
        throw bucket.saysAbsent(e, object)
            ? new StorageException.NotFound(info.key(), e)
            : bucket.failures.translate("Read", info.key().value(), e);
      } catch (IOException e) {
        throw bucket.failures.translate("Read", info.key().value(), e);
      }
    }

    private static boolean startsAt(HttpResponse response, long position) {
      Matcher range =
          CONTENT_RANGE.matcher(String.valueOf(response.getHeaders().getContentRange()));
      return range.matches() && range.group(1).equals(String.valueOf(position));
    }

    void disconnect() {
      HttpResponse left = response;
      response = null;
      in = null;
      if (left != null) {
        try {
          left.ignore();
        } catch (IOException e) {
          return; // nothing is asked of it any more
        }
      }
    }
  }
}
