package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PieceTable;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * What this backup has stored itself, by its content, in bounded memory; what comes beyond it is
 * stored again. Content gets a number when it is sent on its way, and a place when it has one:
 * whoever maps files in the order in which they came always finds it there.
 */
final class OwnContent {
  /** Nothing has this number. */
  static final int NONE = -1;

  private static final int FIRST = 1 << 10;

  // Of the thread that writes.
  private final PieceTable table = new PieceTable();
  private int[] lengths = new int[FIRST];
  private int[] crcs = new int[FIRST];
  private int count;

  // Of the thread that maps.
  private @Nullable Extent[] places = new Extent[FIRST];

  /** The number of such content, or {@link #NONE}. */
  int find(Fingerprint fingerprint, int length, int crc) {
    long number = table.find(fingerprint);
    return number != PieceTable.NONE && lengths[(int) number] == length && crcs[(int) number] == crc
        ? (int) number
        : NONE;
  }

  /** A number for content that has none; {@link #NONE} if there is no room. */
  int add(Fingerprint fingerprint, int length, int crc) {
    int before = table.size();
    if (!table.add(fingerprint, count) || table.size() == before) {
      return NONE;
    }
    if (count == lengths.length) {
      lengths = Arrays.copyOf(lengths, 2 * count);
      crcs = Arrays.copyOf(crcs, 2 * count);
    }
    lengths[count] = length;
    crcs[count] = crc;
    return count++;
  }

  /** Says where numbered content lies. */
  void place(int number, Extent extent) {
    if (number >= places.length) {
      places = Arrays.copyOf(places, Math.max(number + 1, 2 * places.length));
    }
    places[number] = extent;
  }

  /** Where numbered content lies. */
  Extent place(int number) {
    Extent place = number < places.length ? places[number] : null;
    if (place == null) {
      throw new IllegalStateException("Content " + number + " has no place");
    }
    return place;
  }
}
