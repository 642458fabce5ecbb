package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.storage.internal.pack.PieceRef;
import java.util.List;

/**
 * A piece that holds a part of a long file's map, and what must be known to refer to it again
 * without reading it.
 *
 * @param piece where it lies
 * @param length how many bytes of the file it maps; {@link #UNKNOWN} if its writer did not say
 * @param packs every pack that its extents lie in
 */
record MapRef(PieceRef piece, long length, List<ObjectId> packs) {
  static final long UNKNOWN = -1;

  MapRef {
    packs = List.copyOf(packs);
  }
}
