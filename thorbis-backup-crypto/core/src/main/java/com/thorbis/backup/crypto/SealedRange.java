package com.thorbis.backup.crypto;

import com.thorbis.backup.spi.storage.ByteRange;
import java.util.Arrays;
import java.util.Objects;

/**
 * Opens parts of one sealed object whose salt, commitment and sealed length are known from a
 * manifest. Used by one thread at a time; cheap to make.
 */
public final class SealedRange {
  /** How many plain bytes an object holds at most. */
  public static final long MAX_PLAIN_LENGTH = 5L << 30;

  /** How many plain bytes a chunk holds. */
  public static final int CHUNK_LENGTH = Cobblestone.CHUNK;

  private static final int FRAME = ObjectHeader.LENGTH + Cobblestone.PREFIX;

  private final Cobblestone cipher;
  private final String object;
  private final long plainLength;

  /**
   * Derives the object's key and checks the commitment.
   *
   * @param sealedLength the length of the whole object, header included
   * @throws MalformedObjectException if key, header, name, salt and commitment do not belong
   *     together, or no whole object has this length
   */
  public SealedRange(
      EpochKey key,
      ObjectHeader header,
      String logicalName,
      byte[] salt,
      byte[] commitment,
      long sealedLength)
      throws MalformedObjectException {
    this.object = logicalName;
    this.plainLength = plainLength(logicalName, sealedLength);
    this.cipher = Cobblestone.of(key, header, logicalName, salt);
    cipher.requireCommitment(commitment, logicalName);
  }

  /** The length of a whole object, header included, that holds this many plain bytes. */
  public static long sealedLength(long plainLength) {
    if (plainLength < 0 || plainLength > MAX_PLAIN_LENGTH) {
      throw new IllegalArgumentException(
          "A sealed object holds 0 to " + MAX_PLAIN_LENGTH + " bytes, not " + plainLength);
    }
    return FRAME + plainLength + (plainLength / Cobblestone.CHUNK + 1) * Cobblestone.TAG;
  }

  /**
   * How many plain bytes a whole object of this length holds.
   *
   * @throws MalformedObjectException if no whole object has this length
   */
  public static long plainLength(long sealedLength) throws MalformedObjectException {
    return plainLength("object", sealedLength);
  }

  private static long plainLength(String object, long sealedLength)
      throws MalformedObjectException {
    long body = sealedLength - FRAME;
    // The last chunk is never full, so a remainder below a tag means that it was cut off.
    if (body < 0 || body % Cobblestone.SEALED_CHUNK < Cobblestone.TAG) {
      throw new MalformedObjectException(
          MalformedObjectException.TRUNCATED,
          object,
          "no whole object is " + sealedLength + " bytes long",
          null);
    }
    long plain = body - (body / Cobblestone.SEALED_CHUNK + 1) * Cobblestone.TAG;
    if (plain > MAX_PLAIN_LENGTH) {
      throw new MalformedObjectException(
          MalformedObjectException.ALTERED,
          object,
          "no object is " + sealedLength + " bytes long",
          null);
    }
    return plain;
  }

  /** How many plain bytes the object holds. */
  public long plainLength() {
    return plainLength;
  }

  /** The chunk that holds a plain byte. */
  public static long firstChunk(long plainOffset) {
    return plainOffset / Cobblestone.CHUNK;
  }

  /** The part of the object to fetch for these plain bytes: whole chunks. */
  public ByteRange chunksFor(long plainOffset, int length) {
    if (length < 1) {
      throw new IllegalArgumentException("Not a length: " + length);
    }
    Objects.checkFromIndexSize(plainOffset, length, plainLength);
    return chunks(firstChunk(plainOffset), firstChunk(plainOffset + length - 1));
  }

  /** The part of the object that holds its last chunk, which alone proves that it is whole. */
  public ByteRange lastChunk() {
    long last = firstChunk(plainLength);
    return chunks(last, last);
  }

  private ByteRange chunks(long first, long last) {
    long from = FRAME + first * Cobblestone.SEALED_CHUNK;
    return new ByteRange(from, endOf(last) - from);
  }

  /** Where a chunk ends in the object. */
  private long endOf(long chunk) {
    return FRAME
        + (chunk < firstChunk(plainLength)
            ? (chunk + 1) * Cobblestone.SEALED_CHUNK
            : plainLength + (firstChunk(plainLength) + 1) * Cobblestone.TAG);
  }

  /**
   * Opens whole chunks. If one fails, nothing of it is handed out.
   *
   * @param sealed holds the chunks as fetched
   * @param firstChunk the first one's number
   * @param plain gets the plain bytes; room for 16 KiB per chunk is always enough
   * @return how many plain bytes were opened
   * @throws MalformedObjectException if any was altered, or the bytes are not whole chunks
   */
  public int open(
      byte[] sealed,
      int sealedOffset,
      int sealedLength,
      long firstChunk,
      byte[] plain,
      int plainOffset)
      throws MalformedObjectException {
    Objects.checkFromIndexSize(sealedOffset, sealedLength, sealed.length);
    long last = firstChunk(plainLength);
    Objects.checkIndex(firstChunk, last + 1);
    int from = sealedOffset;
    int left = sealedLength;
    int to = plainOffset;
    for (long chunk = firstChunk; left > 0; chunk++) {
      if (chunk > last) {
        throw new MalformedObjectException(
            MalformedObjectException.ALTERED, object, left + " bytes follow its end", null);
      }
      ByteRange whole = chunks(chunk, chunk);
      if (left < whole.length()) {
        throw new MalformedObjectException(
            MalformedObjectException.TRUNCATED,
            object,
            "ends after " + left + " of the " + whole.length() + " bytes of chunk " + chunk,
            null);
      }
      int length = (int) whole.length();
      boolean opened = false;
      int room = length - Cobblestone.TAG;
      Objects.checkFromIndexSize(to, room, plain.length);
      try {
        to += cipher.open(chunk, sealed, from, length, plain, to, object);
        opened = true;
      } finally {
        if (!opened) {
          Arrays.fill(plain, to, to + room, (byte) 0);
        }
      }
      from += length;
      left -= length;
    }
    return to - plainOffset;
  }
}
