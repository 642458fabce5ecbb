package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PieceRef;
import java.util.ArrayList;
import java.util.List;

/**
 * A stretch of a stored file that is known by its content.
 *
 * @param fingerprint of its bytes
 * @param crc CRC-32C of its bytes
 * @param extent where they lie
 */
record Chunk(Fingerprint fingerprint, int crc, Extent extent) {
  int length() {
    return (int) extent.length();
  }

  /** Whether it is this content. */
  boolean is(Fingerprint wanted, int length, int sum) {
    return extent.length() == length && crc == sum && fingerprint.equals(wanted);
  }

  /**
   * What extents hold: whole pieces, whose map tells, and the end of the file, of which the table
   * has the fingerprint. Its checksum is what that of the file and those before it leave over.
   *
   * @param extents of a file, in order; of a part of one if the rest stands elsewhere
   */
  static List<Chunk> of(FileEntry entry, List<Extent> extents) {
    List<Chunk> found = new ArrayList<>();
    ContentCrc before = new ContentCrc();
    boolean allBefore = true;
    long length = 0;
    List<Extent> joined = joined(extents);
    for (int i = 0; i < joined.size(); i++) {
      Extent extent = joined.get(i);
      PieceRef piece = extent.piece();
      length += extent.length();
      if (piece == null) {
        before.zeros(extent.length());
      } else if (extent.offset() == 0 && extent.length() == piece.plainLength()) {
        found.add(new Chunk(piece.fingerprint(), piece.crc(), extent));
        before.append(piece.crc(), extent.length());
      } else if (allBefore
          && i == joined.size() - 1
          && length == entry.file().length()
          && entry.crc().isPresent()
          && !entry.fingerprint().equals(Fingerprint.ZERO)) {
        before.append(0, extent.length());
        found.add(new Chunk(entry.fingerprint(), entry.crc().getAsInt() ^ before.value(), extent));
      } else {
        allBefore = false;
      }
    }
    return found;
  }

  /** A map splits an extent where a region ends. */
  private static List<Extent> joined(List<Extent> extents) {
    List<Extent> joined = new ArrayList<>(extents.size());
    for (Extent extent : extents) {
      Extent last = joined.isEmpty() ? null : joined.get(joined.size() - 1);
      if (last != null && last.leadsTo(extent)) {
        joined.set(
            joined.size() - 1,
            new Extent(last.length() + extent.length(), last.piece(), last.offset()));
      } else {
        joined.add(extent);
      }
    }
    return joined;
  }
}
