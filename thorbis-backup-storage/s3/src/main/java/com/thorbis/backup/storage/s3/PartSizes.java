package com.thorbis.backup.storage.s3;

/**
 * How long the parts of an upload are whose length nobody knows: as asked for at first, then twice
 * as long after each {@value #STEP}, so that the {@value #MOST_PARTS} that a store allows hold the
 * longest object it allows.
 */
final class PartSizes {
  static final int MOST_PARTS = 10_000;
  static final long LEAST = 5L << 20;
  static final long MOST = 5L << 30;
  static final long LONGEST_OBJECT = 5L << 40;

  private static final int STEP = 900;

  private final long first;
  private final int doublings;

  PartSizes(long first) {
    this.first = first;
    int enough = 0;
    while (total(enough) < LONGEST_OBJECT) {
      enough++;
    }
    this.doublings = enough;
  }

  /** The length of a part, counted from 1. */
  long of(int part) {
    return length(part, doublings);
  }

  private long total(int most) {
    long total = 0;
    for (int part = 1; part <= MOST_PARTS; part += STEP) {
      total += Math.min(STEP, MOST_PARTS - part + 1) * length(part, most);
    }
    return total;
  }

  private long length(int part, int most) {
    return Math.min(MOST, first << Math.min((part - 1) / STEP, most));
  }
}
