package com.thorbis.backup.storage.internal.pack;

import com.thorbis.backup.crypto.Address;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.storage.internal.format.BinaryInput;
import com.thorbis.backup.storage.internal.format.BinaryOutput;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;

/** The end of a pack: one fixed entry for each piece, then a fixed trailer. */
public final class PackIndex {
  /** The length of an entry. */
  public static final int ENTRY = 72;

  /** The length of the trailer. */
  public static final int TRAILER = 32;

  private static final int MAGIC = 0x54485049; // "THPI"
  private static final int VERSION = 1;

  private PackIndex() {}

  /** The length of index and trailer for so many pieces. */
  static long length(int pieces) {
    return (long) pieces * ENTRY + TRAILER;
  }

  /** The next length to which a pack is filled up: at most 1/32 more, few different ones. */
  static long padded(long length) {
    if (length <= 1 << 12) {
      return 1 << 12;
    }
    long unit = Long.highestOneBit(length - 1) >>> 5;
    return (length + unit - 1) / unit * unit;
  }

  /** Index and trailer. */
  static BinaryOutput encode(List<PieceRef> pieces, long indexPosition) {
    BinaryOutput out = new BinaryOutput((int) length(pieces.size()));
    for (PieceRef piece : pieces) {
      putPiece(out, piece);
    }
    CRC32C crc = new CRC32C();
    crc.update(out.array(), 0, out.length());
    out.putInt(MAGIC);
    out.putInt(VERSION);
    out.putLong(indexPosition);
    out.putInt(pieces.size());
    out.putInt((int) crc.getValue());
    out.putLong(0);
    return out;
  }

  /** Where the index begins and how many pieces it has, from the trailer. */
  public record Trailer(long indexPosition, int pieces, int crc) {
    /** Reads the last bytes of a pack. */
    public static Trailer read(ByteBuffer bytes, long packLength, String object)
        throws RepositoryException {
      BinaryInput in = new BinaryInput(bytes, object);
      if (in.getInt() != MAGIC || in.getInt() != VERSION) {
        throw in.malformed("does not end like a pack of version " + VERSION);
      }
      long position = in.getLong();
      int pieces = in.getInt();
      int crc = in.getInt();
      if (in.getLong() != 0
          || pieces < 0
          || position < 0
          || position + length(pieces) != packLength) {
        throw in.malformed("has an index that does not fit into it");
      }
      return new Trailer(position, pieces, crc);
    }
  }

  /** Reads the entries of an index. */
  public static List<PieceRef> read(ObjectId pack, Trailer trailer, byte[] index, String object)
      throws RepositoryException {
    CRC32C crc = new CRC32C();
    crc.update(index);
    BinaryInput in = new BinaryInput(ByteBuffer.wrap(index), object);
    if ((int) crc.getValue() != trailer.crc()) {
      throw in.malformed("has an index with another checksum");
    }
    List<PieceRef> pieces = new ArrayList<>(trailer.pieces());
    long last = 0;
    for (int i = 0; i < trailer.pieces(); i++) {
      PieceRef piece = getPiece(in, pack);
      if (piece.position() < last || piece.end() > trailer.indexPosition()) {
        throw in.malformed("has pieces that overlap");
      }
      last = piece.end();
      pieces.add(piece);
    }
    in.requireEnd();
    return pieces;
  }

  private static void putPiece(BinaryOutput out, PieceRef piece) {
    out.putLong(piece.position());
    out.putInt(piece.storedLength());
    // The codec shares its word with the length, which needs 21 bits.
    out.putInt(piece.codec() << 24 | piece.plainLength());
    out.putInt(piece.crc());
    out.putInt(0);
    out.putLong(piece.address().a());
    out.putLong(piece.address().b());
    out.putLong(piece.address().c());
    out.putLong(piece.address().d());
    out.putLong(piece.fingerprint().high());
    out.putLong(piece.fingerprint().low());
  }

  private static PieceRef getPiece(BinaryInput in, ObjectId pack) throws RepositoryException {
    long position = in.getLong();
    int stored = in.getInt();
    int lengthAndCodec = in.getInt();
    int crc = in.getInt();
    int reserved = in.getInt();
    int plain = lengthAndCodec & 0xffffff;
    if (position < 0
        || reserved != 0
        || plain < 1
        || plain > PieceCodec.MAX_PIECE
        || stored < 1
        || stored > plain) {
      throw in.malformed("has a piece out of bounds");
    }
    ByteBuffer rest = in.buffer(Address.LENGTH + Fingerprint.LENGTH);
    return new PieceRef(
        pack,
        position,
        stored,
        plain,
        (byte) (lengthAndCodec >>> 24),
        crc,
        Address.read(rest),
        Fingerprint.read(rest));
  }
}
