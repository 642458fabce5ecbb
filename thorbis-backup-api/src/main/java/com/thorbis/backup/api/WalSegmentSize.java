package com.thorbis.backup.api;

/**
 * How long the segments of a cluster's log are: set by {@code initdb --wal-segsize} (PostgreSQL
 * 30.5).
 *
 * @param bytes a power of two from 1 MiB to 1 GiB
 */
public record WalSegmentSize(int bytes) {
  /** What {@code initdb} takes when it is not told otherwise: 16 MiB. */
  public static final WalSegmentSize DEFAULT = new WalSegmentSize(16 << 20);

  /** Checks the range. */
  public WalSegmentSize {
    if (bytes < 1 << 20 || bytes > 1 << 30 || Integer.bitCount(bytes) != 1) {
      throw new IllegalArgumentException(
          "Not a WAL segment size: " + bytes + " (a power of two from 1 MiB to 1 GiB)");
    }
  }

  /** How many segments share the middle eight digits of a file name. */
  public long segmentsPerLogId() {
    return 0x1_0000_0000L / bytes;
  }
}
