package com.thorbis.backup.crypto;

import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Opens one sealed object from its beginning. Hands out authenticated bytes only; that the object
 * is whole is proven by the end of the stream, so a reader that stops earlier has a part of it.
 * Used by one thread. Failures of the object are {@link MalformedObjectException}s and repeat.
 */
public final class SealedReader extends InputStream {
  private final InputStream source;
  private final Cobblestone cipher;
  private final String object;
  private final byte[] plain = new byte[Cobblestone.CHUNK];
  private final byte[] sealed = new byte[Cobblestone.SEALED_CHUNK];
  private int position;
  private int limit;
  private long chunks;
  private boolean ended;
  private boolean closed;
  private @Nullable MalformedObjectException failure;

  /**
   * Opens an object and checks its commitment.
   *
   * @param body the object after its header; closed with this, also if this fails
   * @param key the key of the header's slot
   * @param header as read from the object
   * @param logicalName what the object was found by
   * @throws IllegalArgumentException if the key is another slot's
   */
  public SealedReader(InputStream body, EpochKey key, ObjectHeader header, String logicalName)
      throws IOException {
    this(body, logicalName, salt -> Cobblestone.of(key, header, logicalName, salt));
  }

  SealedReader(InputStream body, String object, Suite suite) throws IOException {
    this.source = Objects.requireNonNull(body, "body");
    this.object = object;
    boolean opened = false;
    try {
      byte[] prefix = source.readNBytes(Cobblestone.PREFIX);
      if (prefix.length < Cobblestone.PREFIX) {
        throw truncated("ends before its content begins");
      }
      cipher = suite.with(Arrays.copyOf(prefix, Cobblestone.SALT));
      cipher.requireCommitment(
          Arrays.copyOfRange(prefix, Cobblestone.SALT, Cobblestone.PREFIX), object);
      opened = true;
    } finally {
      if (!opened) {
        source.close();
      }
    }
  }

  /** Makes the cipher once the salt is known. */
  interface Suite {
    Cobblestone with(byte[] salt);
  }

  /**
   * Opens a whole object whose header is known.
   *
   * @param whole the object from its first byte; closed with the reader, also if this fails
   */
  public static SealedReader open(
      InputStream whole, EpochKey key, ObjectHeader expected, String logicalName)
      throws IOException {
    boolean opened = false;
    try {
      ObjectHeader found = ObjectHeader.read(whole);
      if (!found.equals(expected)) {
        throw new MalformedObjectException(
            MalformedObjectException.WRONG_KEY_OR_NAME,
            logicalName,
            "is another object: " + found + " instead of " + expected,
            null);
      }
      SealedReader reader = new SealedReader(whole, key, expected, logicalName);
      opened = true;
      return reader;
    } finally {
      if (!opened) {
        whole.close();
      }
    }
  }

  @Override
  public int read() throws IOException {
    return fill() ? plain[position++] & 0xff : -1;
  }

  @Override
  public int read(byte[] bytes, int offset, int length) throws IOException {
    Objects.checkFromIndexSize(offset, length, bytes.length);
    if (length == 0) {
      return 0;
    }
    if (!fill()) {
      return -1;
    }
    int count = Math.min(length, limit - position);
    System.arraycopy(plain, position, bytes, offset, count);
    position += count;
    return count;
  }

  @Override
  public int available() {
    return limit - position;
  }

  @Override
  public void close() throws IOException {
    closed = true;
    position = 0;
    limit = 0;
    Arrays.fill(plain, (byte) 0);
    source.close();
  }

  /** Whether there is a byte to hand out. */
  private boolean fill() throws IOException {
    if (closed) {
      throw new IOException(object + ": the reader was closed");
    }
    if (failure != null) {
      throw failure;
    }
    while (position == limit && !ended) {
      try {
        next();
      } catch (MalformedObjectException e) {
        failure = e;
        throw e;
      }
    }
    return position < limit;
  }

  private void next() throws IOException {
    int length = source.readNBytes(sealed, 0, Cobblestone.SEALED_CHUNK);
    if (length < Cobblestone.TAG) {
      throw truncated(
          "ends after "
              + chunks * Cobblestone.CHUNK
              + " bytes of content without the mark of its end");
    }
    int opened = cipher.open(chunks, sealed, 0, length, plain, 0, object);
    chunks++;
    position = 0;
    limit = opened;
    ended = length < Cobblestone.SEALED_CHUNK;
  }

  private MalformedObjectException truncated(String problem) {
    return new MalformedObjectException(MalformedObjectException.TRUNCATED, object, problem, null);
  }
}
