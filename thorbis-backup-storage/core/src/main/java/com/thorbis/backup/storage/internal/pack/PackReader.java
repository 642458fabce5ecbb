package com.thorbis.backup.storage.internal.pack;

import com.thorbis.backup.crypto.MalformedObjectException;
import com.thorbis.backup.crypto.SealedRange;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.copies.SoundReads;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads stretches of packs, each with one request, and opens the pieces in them. Safe for several
 * threads, which bring their own buffers and codecs.
 */
public final class PackReader {
  private static final Logger LOG = LoggerFactory.getLogger(PackReader.class);
  private static final int SEALED_CHUNK = SealedRange.CHUNK_LENGTH + 16;
  private static final int CHUNKS_AT_ONCE = 16;

  private final ObjectStore store;
  private final SealedObjects.Keys keys;
  private final @Nullable Gate gate;
  private final AtomicLong fetched = new AtomicLong();

  /** Lets a reader wait for what must be brought back first. */
  @FunctionalInterface
  public interface Gate {
    /**
     * Waits until a pack can be read.
     *
     * @param again whether that was waited for already
     * @return false if there is nothing to wait for
     */
    boolean await(ObjectKey pack, boolean again) throws IOException;
  }

  /** Reads from a store; waits for nothing. */
  public PackReader(ObjectStore store, SealedObjects.Keys keys) {
    this(store, keys, null);
  }

  /** Reads from a store; waits at the gate, if there is one. */
  public PackReader(ObjectStore store, SealedObjects.Keys keys, @Nullable Gate gate) {
    this.store = store;
    this.keys = keys;
    this.gate = gate;
  }

  /** Sealed bytes fetched so far. */
  public long fetched() {
    return fetched.get();
  }

  /** How long a buffer must be that takes a stretch of this length, wherever it begins. */
  public static int bufferLength(int length) {
    return length + 2 * SealedRange.CHUNK_LENGTH;
  }

  /**
   * Fetches and opens a stretch of a pack's plain content.
   *
   * @param into holds {@link #bufferLength} bytes
   * @return where {@code position} lies in the buffer
   */
  public int fetch(PackRef pack, long position, int length, byte[] into) throws IOException {
    return fetch(pack, position, length, into, 0);
  }

  /**
   * Fetches and opens a stretch of a pack's plain content into a part of a buffer.
   *
   * @param offset where the part begins that holds {@link #bufferLength} bytes
   * @return where {@code position} lies in the buffer
   */
  public int fetch(PackRef pack, long position, int length, byte[] into, int offset)
      throws IOException {
    for (boolean again = false; ; again = true) {
      try {
        return SoundReads.read(
            store, pack.key(), from -> fetchTwice(from, pack, position, length, into, offset));
      } catch (StorageException e) {
        if (gate == null || !StorageException.isOffline(e) || !gate.await(pack.key(), again)) {
          throw e;
        }
      }
    }
  }

  private int fetchTwice(
      ObjectStore from, PackRef pack, long position, int length, byte[] into, int offset)
      throws IOException {
    try {
      return fetchOnce(from, pack, position, length, into, offset);
    } catch (MalformedObjectException | EOFException first) {
      // What was damaged on its way is whole the second time; what lies there damaged is not.
      try {
        int start = fetchOnce(from, pack, position, length, into, offset);
        LOG.warn("Read {} again after a damaged answer: {}", pack.key(), first.getMessage());
        return start;
      } catch (MalformedObjectException e) {
        throw SealedObjects.damaged(pack.key(), e);
      } catch (EOFException e) {
        throw RepositoryException.damaged(pack.key().value(), "ends too early", e);
      }
    }
  }

  private int fetchOnce(
      ObjectStore from, PackRef pack, long position, int length, byte[] into, int offset)
      throws IOException {
    SealedRange range =
        new SealedRange(
            keys.key(pack.sealedWith().tree(), pack.sealedWith().epoch()),
            pack.header(),
            pack.key().value(),
            pack.salt(),
            pack.commitment(),
            pack.sealedLength());
    if (position < 0 || length < 1 || position + length > range.plainLength()) {
      throw RepositoryException.damaged(
          pack.key().value(), "has no bytes " + position + "+" + length, null);
    }
    ByteRange bytes = range.chunksFor(position, length);
    try (ObjectRead read = from.get(pack.key(), bytes)) {
      if (read.info().length() != pack.sealedLength()) {
        throw RepositoryException.damaged(
            pack.key().value(),
            "has " + read.info().length() + " of " + pack.sealedLength() + " bytes",
            null);
      }
      long first = SealedRange.firstChunk(position);
      open(range, read.body(), bytes.length(), first, into, offset);
      fetched.addAndGet(bytes.length());
      return offset + (int) (position - first * SealedRange.CHUNK_LENGTH);
    } catch (StorageException.NotFound e) {
      throw RepositoryException.damaged(pack.key().value(), "is missing", e);
    }
  }

  private static void open(
      SealedRange range, InputStream body, long length, long firstChunk, byte[] into, int offset)
      throws IOException {
    byte[] sealed = new byte[(int) Math.min(length, (long) CHUNKS_AT_ONCE * SEALED_CHUNK)];
    long chunk = firstChunk;
    int at = offset;
    for (long left = length; left > 0; ) {
      int want = (int) Math.min(left, sealed.length);
      int got = body.readNBytes(sealed, 0, want);
      if (got < want) {
        throw new EOFException("The store sent " + (length - left + got) + " of " + length);
      }
      at += range.open(sealed, 0, want, chunk, into, at);
      chunk += CHUNKS_AT_ONCE;
      left -= want;
    }
  }

  /**
   * Opens a piece from a stretch.
   *
   * @param offset where the piece begins in the stretch
   * @param plain gets the bytes; holds a piece
   */
  public static void decode(
      PackRef pack, PieceRef piece, byte[] stretch, int offset, PieceCodec codec, byte[] plain)
      throws RepositoryException {
    try {
      codec.decompress(
          piece.codec(), stretch, offset, piece.storedLength(), plain, piece.plainLength());
    } catch (IOException e) {
      throw RepositoryException.damaged(
          pack.key().value(),
          "the piece at " + piece.position() + "+" + piece.storedLength() + ": " + e.getMessage(),
          e);
    }
    CRC32C crc = new CRC32C();
    crc.update(plain, 0, piece.plainLength());
    if ((int) crc.getValue() != piece.crc()) {
      throw RepositoryException.damaged(
          pack.key().value(),
          "the piece at "
              + piece.position()
              + "+"
              + piece.storedLength()
              + " has another checksum than its map says",
          null);
    }
  }

  /** Fetches and opens one piece. */
  public byte[] read(PackRef pack, PieceRef piece, PieceCodec codec) throws IOException {
    byte[] stretch = new byte[bufferLength(piece.storedLength())];
    int offset = fetch(pack, piece.position(), piece.storedLength(), stretch);
    byte[] plain = new byte[piece.plainLength()];
    decode(pack, piece, stretch, offset, codec, plain);
    return plain;
  }
}
