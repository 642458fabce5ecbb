package com.thorbis.backup.storage.internal.pack;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.Address;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.RepositoryException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Turns plain pieces into what is stored, all in one pass while the bytes are in the cache, and
 * opens each again before anybody relies on it. Used by one thread.
 */
public final class PieceEncoder implements AutoCloseable {
  private static final byte[] ZEROS = new byte[PieceCodec.MAX_PIECE];

  private final PieceCodec codec;
  private final byte[] addressKey;
  private final Fingerprint.Function fingerprints;
  private final KnownPieces known;
  private final byte[] opened = new byte[PieceCodec.MAX_PIECE];
  private final CRC32C crc = new CRC32C();

  /**
   * With a tree's keys.
   *
   * @param codec closed with this
   * @param addressKey stays the caller's
   */
  public PieceEncoder(PieceCodec codec, byte[] addressKey, Fingerprint.Function fingerprints) {
    this(codec, addressKey, fingerprints, KnownPieces.NONE);
  }

  /**
   * With a tree's keys.
   *
   * @param codec closed with this
   * @param addressKey stays the caller's
   * @param known what need not be stored again
   */
  public PieceEncoder(
      PieceCodec codec, byte[] addressKey, Fingerprint.Function fingerprints, KnownPieces known) {
    this.codec = codec;
    this.addressKey = addressKey;
    this.fingerprints = fingerprints;
    this.known = known;
  }

  /** Reads, checks, compresses, opens again and names a piece. */
  public void encode(Piece piece) throws IOException {
    piece.fetch();
    List<Piece.Slice> slices = piece.slices();
    byte[] plain = piece.plain();
    int length = piece.length();
    for (Piece.Slice slice : slices) {
      if (slice.length() > 0 && slice.check() != PieceCheck.NONE) {
        slice
            .check()
            .check(
                slice.fileOffset(),
                ByteBuffer.wrap(plain, slice.offset(), slice.length()).slice().asReadOnlyBuffer());
      }
    }
    if (length == 0) {
      return;
    }
    Piece.Slice only = onlySlice(slices);
    Fingerprint fingerprint = fingerprints.of(plain, 0, length);
    if (only != null) {
      only.fingerprint(fingerprint);
      if (Arrays.equals(plain, 0, length, ZEROS, 0, length)) {
        requireSame(slices, plain, "memory");
        piece.becameZeros();
        return;
      }
    } else {
      for (Piece.Slice slice : slices) {
        if (slice.length() > 0) {
          slice.fingerprint(fingerprints.of(plain, slice.offset(), slice.length()));
        }
      }
    }

    PieceRef there = known.find(fingerprint, length);
    if (there != null) {
      requireSame(slices, plain, "memory");
      if (there.crc() == crcOf(plain, 0, length)) {
        piece.becameKnown(there);
        return;
      }
    }

    int stored = codec.compress(plain, length, piece.compressed());
    byte id = stored < 0 ? PieceCodec.NONE : codec.id();
    byte[] bytes = stored < 0 ? plain : piece.compressed();
    int storedLength = stored < 0 ? length : stored;
    byte[] again = plain;
    if (id != PieceCodec.NONE) {
      again = opened;
      try {
        codec.decompress(id, bytes, 0, storedLength, opened, length);
      } catch (IOException e) {
        throw notReproduced("codec " + id, e);
      }
    }
    requireSame(slices, again, "codec " + id);
    piece.became(
        id,
        storedLength,
        only != null ? only.crc() : crcOf(again, 0, length),
        Address.of(addressKey, id, ByteBuffer.wrap(bytes, 0, storedLength)),
        fingerprint);
  }

  @Override
  public void close() {
    codec.close();
  }

  private static Piece.@Nullable Slice onlySlice(List<Piece.Slice> slices) {
    Piece.Slice only = null;
    for (Piece.Slice slice : slices) {
      if (slice.length() > 0) {
        if (only != null) {
          return null;
        }
        only = slice;
      }
    }
    return only;
  }

  /** Compares with the checksums that were taken when the bytes came. */
  private void requireSame(List<Piece.Slice> slices, byte[] bytes, String culprit)
      throws RepositoryException {
    for (Piece.Slice slice : slices) {
      if (crcOf(bytes, slice.offset(), slice.length()) != slice.crc()) {
        throw notReproduced(culprit, null);
      }
    }
  }

  private int crcOf(byte[] bytes, int offset, int length) {
    crc.reset();
    crc.update(bytes, offset, length);
    return (int) crc.getValue();
  }

  private static RepositoryException notReproduced(String culprit, @Nullable Throwable cause) {
    return new RepositoryException(
        "repository.not-reproduced",
        FailureKind.PERMANENT,
        "A piece opened to other bytes than were read (" + culprit + "); nothing relies on it",
        Map.of("culprit", culprit),
        "Run it again; if it repeats, check the machine's memory and choose another"
            + " repository.compression.",
        cause);
  }
}
