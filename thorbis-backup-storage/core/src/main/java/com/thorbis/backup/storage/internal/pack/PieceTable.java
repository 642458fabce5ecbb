package com.thorbis.backup.storage.internal.pack;

/**
 * Where pieces lie, by fingerprint, in 24 bytes each and bounded memory. Of equal ones the first
 * counts. Filled by one thread; then safe for several.
 */
public final class PieceTable {
  /** How many it takes at most: with 2^20 places of 24 bytes it stays below 32 MiB. */
  public static final int MOST = 3 << 18;

  /** What {@link #find} gives if there is none. */
  public static final long NONE = -1;

  private static final int WORDS = 3;
  private long[] places = new long[WORDS << 10];
  private int size;

  /**
   * Adds a piece.
   *
   * @param pack which pack, not negative
   * @param piece which of its pieces, not negative
   * @return false if there is no room
   */
  public boolean add(Fingerprint fingerprint, int pack, int piece) {
    return add(fingerprint, (long) pack << Integer.SIZE | piece);
  }

  /**
   * Adds a piece.
   *
   * @param where what {@link #find} gives, not negative
   * @return false if there is no room
   */
  public boolean add(Fingerprint fingerprint, long where) {
    if (size >= MOST) {
      return false;
    }
    if (4 * (size + 1) > 3 * (places.length / WORDS)) {
      grow();
    }
    size += put(places, fingerprint.high(), fingerprint.low(), where);
    return true;
  }

  /**
   * Where it is; of a pack and a piece, these in the upper and the lower 32 bits; or {@link #NONE}.
   */
  public long find(Fingerprint fingerprint) {
    int at = place(places, fingerprint.high(), fingerprint.low());
    return places[at + 2] - 1;
  }

  /** How many there are. */
  public int size() {
    return size;
  }

  private void grow() {
    long[] larger = new long[places.length * 2];
    for (int at = 0; at < places.length; at += WORDS) {
      if (places[at + 2] != 0) {
        put(larger, places[at], places[at + 1], places[at + 2] - 1);
      }
    }
    places = larger;
  }

  private static int put(long[] places, long high, long low, long where) {
    int at = place(places, high, low);
    if (places[at + 2] != 0) {
      return 0;
    }
    places[at] = high;
    places[at + 1] = low;
    places[at + 2] = where + 1;
    return 1;
  }

  /** Where it is, or the free place where it belongs. */
  private static int place(long[] places, long high, long low) {
    int mask = places.length / WORDS - 1;
    // The seed is secret, so nobody can choose content that falls into one place.
    int at = (int) low & mask;
    while (places[at * WORDS + 2] != 0
        && (places[at * WORDS] != high || places[at * WORDS + 1] != low)) {
      at = (at + 1) & mask;
    }
    return at * WORDS;
  }
}
