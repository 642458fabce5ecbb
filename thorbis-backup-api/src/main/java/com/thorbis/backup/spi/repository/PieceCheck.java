package com.thorbis.backup.spi.repository;

import java.nio.ByteBuffer;

/**
 * Looks at plain bytes on their way into the repository, on a worker's thread, while they are in
 * its cache.
 */
@FunctionalInterface
public interface PieceCheck {
  /** Looks at nothing. */
  PieceCheck NONE = (offset, plain) -> {};

  /**
   * Called once for each piece of a file, in any order, from several threads.
   *
   * @param offset where the piece starts in its file; a multiple of 1 MiB, but in a sparse file of
   *     what its writer makes it
   * @param plain read-only; not kept after return
   */
  void check(long offset, ByteBuffer plain);
}
