package com.thorbis.backup.crypto;

import java.io.IOException;
import java.io.OutputStream;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Objects;

/**
 * Seals one object: header, salt, commitment and content. Used by one thread.
 *
 * <p>{@link #close} ends the object. After {@link #abort}, or once a write failed, it does not, and
 * what the sink holds opens as cut.
 */
public final class SealedWriter extends OutputStream {
  private final OutputStream sink;
  private final Cobblestone cipher;
  private final byte[] salt;
  private final byte[] prefix;
  private final byte[] plain = new byte[Cobblestone.CHUNK];
  private final byte[] sealed = new byte[Cobblestone.SEALED_CHUNK];
  private int buffered;
  private long chunks;
  private boolean begun;
  private boolean dead;
  private boolean closed;

  /**
   * Seals under a new salt; nothing is written yet.
   *
   * @param sink gets the whole object, in few large writes; closed with this
   * @param key the key of the header's slot
   * @param header written first
   * @param logicalName what the object is found by; it opens under no other
   * @throws IllegalArgumentException if the key is another slot's
   */
  public SealedWriter(
      OutputStream sink,
      EpochKey key,
      ObjectHeader header,
      String logicalName,
      SecureRandom random) {
    this(sink, key, header, logicalName, newSalt(random));
  }

  private SealedWriter(
      OutputStream sink, EpochKey key, ObjectHeader header, String logicalName, byte[] salt) {
    this(sink, header.encode(), salt, Cobblestone.of(key, header, logicalName, salt));
  }

  SealedWriter(OutputStream sink, byte[] header, byte[] salt, Cobblestone cipher) {
    this.sink = Objects.requireNonNull(sink, "sink");
    this.cipher = cipher;
    this.salt = salt;
    prefix = Arrays.copyOf(header, header.length + Cobblestone.PREFIX);
    System.arraycopy(salt, 0, prefix, header.length, Cobblestone.SALT);
    System.arraycopy(
        cipher.commitment(), 0, prefix, header.length + Cobblestone.SALT, Cobblestone.COMMITMENT);
  }

  private static byte[] newSalt(SecureRandom random) {
    byte[] salt = new byte[Cobblestone.SALT];
    random.nextBytes(salt);
    return salt;
  }

  /** The object's salt, 24 bytes. */
  public byte[] salt() {
    return salt.clone();
  }

  /** The object's commitment, 32 bytes. */
  public byte[] commitment() {
    return cipher.commitment();
  }

  /** How many plain bytes were written so far. */
  public long plainLength() {
    return chunks * Cobblestone.CHUNK + buffered;
  }

  /** The length of the whole object, header included, if it ends with what was written so far. */
  public long sealedLength() {
    return prefix.length + Cobblestone.SEALED_CHUNK * chunks + buffered + Cobblestone.TAG;
  }

  @Override
  public void write(int value) throws IOException {
    requireOpen(1);
    plain[buffered++] = (byte) value;
    if (buffered == Cobblestone.CHUNK) {
      buffered = 0;
      sealChunk(plain, 0);
    }
  }

  @Override
  public void write(byte[] bytes, int offset, int length) throws IOException {
    Objects.checkFromIndexSize(offset, length, bytes.length);
    requireOpen(length);
    int from = offset;
    int left = length;
    while (buffered + left >= Cobblestone.CHUNK) {
      if (buffered == 0) {
        sealChunk(bytes, from);
        from += Cobblestone.CHUNK;
        left -= Cobblestone.CHUNK;
      } else {
        int fill = Cobblestone.CHUNK - buffered;
        System.arraycopy(bytes, from, plain, buffered, fill);
        from += fill;
        left -= fill;
        buffered = 0;
        sealChunk(plain, 0);
      }
    }
    System.arraycopy(bytes, from, plain, buffered, left);
    buffered += left;
  }

  /** Does nothing: a chunk is written when it is full. */
  @Override
  public void flush() {}

  /** From now on, {@link #close} does not end the object. */
  public void abort() {
    dead = true;
  }

  /** Ends the object, unless it was aborted or a write failed, and closes the sink. */
  @Override
  public void close() throws IOException {
    if (closed) {
      return;
    }
    closed = true;
    try (sink) {
      if (!dead) {
        emit(cipher.seal(chunks, plain, 0, buffered, sealed, 0));
      }
    } finally {
      Arrays.fill(plain, (byte) 0);
    }
  }

  private void requireOpen(long more) throws IOException {
    if (closed || dead) {
      throw new IOException("The sealed object was closed, aborted, or failed before");
    }
    if (plainLength() + more > SealedRange.MAX_PLAIN_LENGTH) {
      dead = true;
      throw new IOException(
          "A sealed object holds at most " + SealedRange.MAX_PLAIN_LENGTH + " bytes");
    }
  }

  private void sealChunk(byte[] from, int offset) throws IOException {
    int length = cipher.seal(chunks, from, offset, Cobblestone.CHUNK, sealed, 0);
    chunks++;
    emit(length);
  }

  private void emit(int length) throws IOException {
    boolean done = false;
    try {
      if (!begun) {
        begun = true;
        sink.write(prefix);
      }
      sink.write(sealed, 0, length);
      done = true;
    } finally {
      dead |= !done;
    }
  }
}
