package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.storage.internal.pack.PieceRef;
import org.jspecify.annotations.Nullable;

/**
 * A stretch of a file. The extents of a file follow each other from its first byte to its last.
 *
 * @param length how many bytes
 * @param piece the piece they lie in; null where all are zero
 * @param offset where they begin in the plain piece
 */
record Extent(long length, @Nullable PieceRef piece, int offset) {
  /** A part of it. */
  Extent part(long from, long count) {
    return new Extent(count, piece, piece == null ? 0 : offset + (int) from);
  }

  /** Whether the next extent is the same stretch going on. */
  boolean leadsTo(Extent next) {
    return piece == null
        ? next.piece == null
        : piece.equals(next.piece) && next.offset == offset + length;
  }
}
