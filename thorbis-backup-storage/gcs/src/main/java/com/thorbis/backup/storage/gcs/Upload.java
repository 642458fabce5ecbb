package com.thorbis.backup.storage.gcs;

import com.google.api.client.http.GenericUrl;
import com.google.api.services.storage.model.StorageObject;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Base64;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * An object on its way: what fits into one piece goes by one request, anything longer through a
 * session that takes piece after piece. Holds one piece.
 */
final class Upload implements ObjectUpload {
  /** Under which metadata an object says which write made it. */
  static final String ATTEMPT = "thorbis-attempt";

  private static final int FIRST_BUFFER = 1 << 16;
  private static final int COPY = 1 << 16;

  private final Bucket bucket;
  private final ObjectKey key;
  private final StorageObject object;
  private final Function<StorageObject, ObjectInfo> info;
  private final int pieceBytes;
  private final CRC32C crc = new CRC32C();
  private final Body body = new Body();
  private byte[] piece;
  private int filled;
  private long confirmed;
  private @Nullable GenericUrl session;
  private boolean ended;
  private @Nullable StorageException failure;

  /**
   * For a free key.
   *
   * @param object what is asked of it: its full name, class, lock and the id of this write
   * @param info how an object is told to callers
   * @param pieceBytes a multiple of 256 KiB, as sessions demand
   */
  Upload(
      Bucket bucket,
      ObjectKey key,
      StorageObject object,
      Function<StorageObject, ObjectInfo> info,
      int pieceBytes) {
    this.bucket = bucket;
    this.key = key;
    this.object = object;
    this.info = info;
    this.pieceBytes = pieceBytes;
    this.piece = new byte[Math.min(FIRST_BUFFER, pieceBytes)];
  }

  void copy(ObjectSource content) throws StorageException {
    long length = content.length();
    byte[] buffer = new byte[(int) Math.max(1, Math.min(COPY, length))];
    long copied = 0;
    try (InputStream in = content.open()) {
      for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
        copied += count;
        if (copied > length) {
          break;
        }
        body.write(buffer, 0, count);
      }
    } catch (StorageException e) {
      throw e;
    } catch (IOException e) {
      throw bucket.failures.sourceFailed(key, e);
    }
    if (copied != length) {
      throw StorageException.sourceLength(key, length);
    }
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
    if (failure != null) {
      throw failure; // bytes are missing, whatever was written after them
    }
    Attempts.Doubt doubt = new Attempts.Doubt();
    StorageObject written;
    try {
      if (session == null) {
        object.setCrc32c(sum()); // the store compares it before it publishes
        written = bucket.attempts.run(doubt, attempt -> bucket.create(object, piece, filled));
      } else {
        written = Objects.requireNonNull(transmit(doubt, true));
      }
      session = null;
    } catch (IOException e) {
      written = settle(e, doubt.isOpen());
    } finally {
      close();
    }
    return checked(written);
  }

  /** Discards. What an unanswered commit may have published stays. */
  @Override
  public void close() {
    ended = true;
    piece = new byte[0];
    GenericUrl left = session;
    session = null;
    if (left != null) {
      try {
        bucket.cancel(left);
      } catch (IOException e) {
        return; // invisible to readers, not paid for, and dropped by the store after a week
      }
    }
  }

  private String sum() {
    return Base64.getEncoder()
        .encodeToString(ByteBuffer.allocate(Integer.BYTES).putInt((int) crc.getValue()).array());
  }

  /** Sends what is in the piece; returns the object once the last one is through. */
  private @Nullable StorageObject transmit(Attempts.Doubt doubt, boolean last) throws IOException {
    GenericUrl to = session;
    if (to == null) {
      to = bucket.attempts.run(attempt -> bucket.startSession(object));
      session = to;
    }
    GenericUrl address = to;
    long start = confirmed;
    long end = start + filled;
    Bucket.Sent sent =
        bucket.attempts.run(
            doubt,
            attempt -> {
              Bucket.Sent now =
                  attempt == 1
                      ? new Bucket.Sent(start, null)
                      : bucket.send(address, range(end, end, last ? end : -1), piece, 0, 0);
              while (now.object() == null && (last || now.confirmed() < end)) {
                long from = now.confirmed();
                if (from < start || from >= end) {
                  throw new IOException("The store has " + from + " bytes of " + end);
                }
                now =
                    bucket.send(
                        address,
                        range(from, end, last ? end : -1),
                        piece,
                        (int) (from - start),
                        (int) (end - from));
                if (now.object() == null && now.confirmed() == from) {
                  throw new IOException("The store took nothing of what it was sent");
                }
              }
              return now;
            });
    confirmed = end;
    filled = 0;
    return sent.object();
  }

  /**
   * The {@code Content-Range} of bytes of an upload.
   *
   * @param from the first of them; {@code end} to ask what the store has
   * @param total -1 as long as it is not known
   */
  static String range(long from, long end, long total) {
    return "bytes "
        + (from == end ? "*" : from + "-" + (end - 1))
        + "/"
        + (total < 0 ? "*" : String.valueOf(total));
  }

  /** Finds out what became of a write that failed. */
  private StorageObject settle(IOException e, boolean inDoubt) throws StorageException {
    int status = e instanceof Answer answer ? answer.status() : 0;
    boolean taken = status == 412 || e instanceof Answer locked && locked.saysLocked();
    boolean lost = session != null && (status == 404 || status == 410);
    if (!taken && !lost && !inDoubt) {
      throw bucket.failures.translate("Write", key.value(), e);
    }
    if (inDoubt && !taken) {
      session = null; // what was sent may still be on its way
    }
    Optional<StorageObject> there;
    try {
      there = bucket.find(object.getName());
    } catch (IOException unseen) {
      StorageException unknown =
          taken && !inDoubt
              ? new StorageException.AlreadyExists(key, e)
              : new StorageException.OutcomeUnknown(key, e);
      unknown.addSuppressed(unseen);
      throw unknown;
    }
    // A repeated write is refused because of its own first success, which nobody was told about.
    if (there.isPresent() && isOurs(there.get())) {
      return there.get();
    }
    if (there.isPresent()) {
      throw new StorageException.AlreadyExists(key, e);
    }
    if (lost) {
      throw bucket.failures.sessionLost(key, e);
    }
    throw inDoubt ? new StorageException.OutcomeUnknown(key, e) : bucket.failures.overtaken(key, e);
  }

  private boolean isOurs(StorageObject there) {
    return there.getMetadata() != null
        && Objects.equals(there.getMetadata().get(ATTEMPT), object.getMetadata().get(ATTEMPT));
  }

  private ObjectInfo checked(StorageObject written) throws StorageException {
    String sum = written.getCrc32c();
    if (sum == null || sum.equals(sum())) {
      return info.apply(written);
    }
    try {
      bucket.attempts.run(
          attempt ->
              bucket
                  .api
                  .objects()
                  .delete(bucket.name, object.getName())
                  .setIfGenerationMatch(written.getGeneration())
                  .execute());
    } catch (IOException e) {
      throw new StorageException.OutcomeUnknown(key, e);
    }
    throw bucket.failures.damagedOnTheWay(key);
  }

  private final class Body extends OutputStream {
    private boolean closed;

    @Override
    public void write(int b) throws IOException {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
      Objects.checkFromIndexSize(offset, length, bytes.length);
      if (ended || closed) {
        throw new IOException("The content has ended: " + key);
      }
      if (failure != null) {
        throw failure;
      }
      crc.update(bytes, offset, length);
      int done = 0;
      while (done < length) {
        if (filled == pieceBytes) {
          sendPiece();
        }
        int count = Math.min(length - done, pieceBytes - filled);
        if (filled + count > piece.length) {
          piece =
              Arrays.copyOf(
                  piece, Math.min(pieceBytes, Math.max(2 * piece.length, filled + count)));
        }
        System.arraycopy(bytes, offset + done, piece, filled, count);
        filled += count;
        done += count;
      }
    }

    @Override
    public void close() {
      closed = true;
    }

    private void sendPiece() throws StorageException {
      try {
        transmit(new Attempts.Doubt(), false);
      } catch (IOException e) {
        failure = refused(e);
        throw failure;
      }
    }

    private StorageException refused(IOException e) throws StorageException {
      int status = e instanceof Answer answer ? answer.status() : 0;
      if (status == 412) {
        return new StorageException.AlreadyExists(key, e);
      }
      if (session != null && (status == 404 || status == 410)) {
        return bucket.failures.sessionLost(key, e);
      }
      return bucket.failures.translate("Write", key.value(), e);
    }
  }
}
