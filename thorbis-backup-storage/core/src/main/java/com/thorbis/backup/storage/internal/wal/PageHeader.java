package com.thorbis.backup.storage.internal.wal;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.spi.repository.RepositoryException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;

/**
 * The long page header that every segment begins with (PostgreSQL, {@code xlog_internal.h}): it
 * tells whose log it is.
 */
final class PageHeader {
  private static final int LENGTH = 40;
  private static final int LONG_HEADER = 0x0002;

  private PageHeader() {}

  /** Refuses the beginning of a segment that is not this segment of this cluster. */
  static void require(ClusterIdentity cluster, WalSegment segment, ByteBuffer content)
      throws RepositoryException {
    if (content.remaining() < LENGTH) {
      return; // too little to tell; the complete segment is looked at again
    }
    ByteBuffer header = content.slice(content.position(), LENGTH);
    header.order(ByteOrder.LITTLE_ENDIAN);
    if (!isHeader(header)) {
      header.order(ByteOrder.BIG_ENDIAN); // the order is the server's
      if (!isHeader(header)) {
        throw mismatch(segment, "does not begin like a WAL segment");
      }
    }
    long systemId = header.getLong(24);
    if (systemId != cluster.systemId()) {
      throw mismatch(
          segment,
          "belongs to the cluster "
              + Long.toUnsignedString(systemId)
              + ", not to "
              + cluster.systemIdText());
    }
    int size = header.getInt(32);
    if (size != segment.size().bytes()) {
      throw mismatch(
          segment, "has segments of " + size + " bytes, not of " + segment.size().bytes());
    }
    long position = header.getLong(8);
    if (position != segment.start().value()) {
      throw mismatch(
          segment,
          "begins at " + new com.thorbis.backup.api.Lsn(position) + ", not at " + segment.start());
    }
    int timeline = header.getInt(4);
    if (timeline == 0 || Integer.compareUnsigned(timeline, segment.timeline().number()) > 0) {
      throw mismatch(segment, "is of the later timeline " + Integer.toUnsignedString(timeline));
    }
  }

  private static boolean isHeader(ByteBuffer header) {
    // Every version's magic is 0xD0xx or 0xD1xx.
    int magic = header.getShort(0) & 0xffff;
    return (magic >>> 8 == 0xD0 || magic >>> 8 == 0xD1) && (header.getShort(2) & LONG_HEADER) != 0;
  }

  private static RepositoryException mismatch(WalSegment segment, String problem) {
    return new RepositoryException(
        "wal.identity-mismatch",
        FailureKind.REFUSED,
        segment.fileName() + " " + problem + ": refused",
        Map.of("segment", segment.fileName()),
        "Check which server ships into this source. A restored copy must be adopted first.",
        null);
  }
}
