package com.thorbis.backup.storage.internal.pack;

import com.thorbis.backup.spi.repository.Compression;
import java.io.IOException;
import java.util.function.Supplier;

/** Compresses and decompresses pieces. Used by one thread; keeps its working memory. */
public interface PieceCodec extends AutoCloseable {
  /** The longest a piece may be, plain. */
  int MAX_PIECE = 1 << 20;

  /** The bytes as they are. Persisted. */
  byte NONE = 0;

  /**
   * A Zstandard frame (RFC 8878) with its length; a checksum of its own it may have, the piece has
   * one. Persisted.
   */
  byte ZSTD = 1;

  /** An LZ4 block without a frame. Persisted. */
  byte LZ4 = 2;

  /** What {@link #compress} writes. */
  byte id();

  /**
   * Compresses a piece.
   *
   * @param to has room for a piece
   * @return the compressed length, or -1 if that would not be shorter
   */
  int compress(byte[] plain, int length, byte[] to);

  /**
   * Opens what any version wrote.
   *
   * @param plainLength must be met exactly
   * @throws IOException if the bytes are not a piece of this codec and length
   */
  void decompress(byte codec, byte[] stored, int offset, int length, byte[] plain, int plainLength)
      throws IOException;

  @Override
  void close();

  /** Makes codecs that compress as asked, one for each thread. */
  static Supplier<PieceCodec> of(Compression compression) {
    return () -> new StandardCodec(compression);
  }
}
