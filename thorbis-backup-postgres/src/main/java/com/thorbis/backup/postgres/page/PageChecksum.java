package com.thorbis.backup.postgres.page;

/** The checksum that PostgreSQL puts into every page of a relation (its checksum_impl.h). */
final class PageChecksum {
  /** The length of a page: every server that is distributed was built with it. */
  static final int PAGE = 8192;

  static final int WORDS = PAGE / Integer.BYTES;

  private static final int SUMS = 32;
  private static final int ROWS = WORDS / SUMS;
  private static final int PRIME = 16_777_619;
  private static final int[] BASE = {
    0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
    0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
    0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
    0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756
  };

  private PageChecksum() {}

  /**
   * What a page's checksum must be.
   *
   * @param words the page as little-endian words; the checksum in it counts as zero
   * @param block the page's number in its relation
   */
  static int of(int[] words, long block) {
    int stored = words[2];
    words[2] = stored & 0xFFFF_0000;
    int sum = 0;
    for (int column = 0; column < SUMS; column += 8) {
      sum ^= columns(words, column);
    }
    words[2] = stored;
    return Integer.remainderUnsigned(sum ^ (int) block, 65_535) + 1;
  }

  /**
   * Eight of the 32 sums at a time: as many as stay in registers, and enough of them that no
   * multiplication waits for the one before.
   */
  private static int columns(int[] words, int column) {
    int a = BASE[column];
    int b = BASE[column + 1];
    int c = BASE[column + 2];
    int d = BASE[column + 3];
    int e = BASE[column + 4];
    int f = BASE[column + 5];
    int g = BASE[column + 6];
    int h = BASE[column + 7];
    for (int row = 0; row < ROWS; row++) {
      int at = row * SUMS + column;
      a = step(a, words[at]);
      b = step(b, words[at + 1]);
      c = step(c, words[at + 2]);
      d = step(d, words[at + 3]);
      e = step(e, words[at + 4]);
      f = step(f, words[at + 5]);
      g = step(g, words[at + 6]);
      h = step(h, words[at + 7]);
    }
    return end(a) ^ end(b) ^ end(c) ^ end(d) ^ end(e) ^ end(f) ^ end(g) ^ end(h);
  }

  private static int end(int sum) {
    return step(step(sum, 0), 0);
  }

  private static int step(int sum, int word) {
    int mixed = sum ^ word;
    return mixed * PRIME ^ mixed >>> 17;
  }
}
