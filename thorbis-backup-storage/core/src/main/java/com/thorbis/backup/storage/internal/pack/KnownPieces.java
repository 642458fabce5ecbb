package com.thorbis.backup.storage.internal.pack;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** Pieces that are stored already and need not be stored again. Safe for several threads. */
@FunctionalInterface
public interface KnownPieces {
  /** None at all. */
  KnownPieces NONE = (fingerprint, length) -> null;

  /**
   * A piece of the same plain bytes that was read back whole; null if there is none.
   *
   * @param fingerprint of its plain bytes
   * @param length of its plain bytes
   */
  @Nullable PieceRef find(Fingerprint fingerprint, int length) throws IOException;
}
