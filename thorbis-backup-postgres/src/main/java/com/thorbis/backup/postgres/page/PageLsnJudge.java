package com.thorbis.backup.postgres.page;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.spi.repository.Arrival;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * Tells pages that changed since a backup began by the log position that each carries. Right only
 * where every change leaves one: with data checksums or {@code wal_log_hints}, without a break
 * since that backup.
 */
public final class PageLsnJudge implements Arrival.PageJudge {
  /**
   * Below are positions that stand for none: an index's while it is built, and that of what was
   * filled without log in the transaction that created it (PostgreSQL, 14.4.7).
   */
  private static final long FIRST_REAL = 1000;

  private static final int PAGE = Arrival.PAGE;
  private static final int CHECKSUM = 8;
  private static final int FLAGS = 10;
  private static final int LOWER = 12;
  private static final int UPPER = 14;
  private static final int PRUNE_XID = 20;
  private static final int ITEMS = 24;

  /** Hints in the flags: free line pointers, page full, all visible. */
  private static final int FLAG_HINTS = 0x0007;

  /** In a tuple's head: where the two bytes lie that say how its transactions ended. */
  private static final int INFO_MASK = 20;

  private static final int INFO_HINTS = 0x0F00;

  private static final int SPECIAL = 16;

  /** The last two bytes of an index page name its kind; a B-tree's are anything below. */
  private static final int HASH_PAGE = 0xFF80;

  private static final int GIST_PAGE = 0xFF81;
  private static final int SPGIST_PAGE = 0xFF82;
  private static final int BRIN_REGULAR_PAGE = 0xF093;

  /** Hints in an index page's own flags, that it holds what may be removed. */
  private static final int BTREE_GARBAGE = 0x0040;

  private static final int HASH_GARBAGE = 0x0080;
  private static final int GIST_GARBAGE = 0x0010;

  /** That a page's tuples are to be moved is known to those alone who move them. */
  private static final int BRIN_EVACUATED = 0x0001;

  private static final int SPGIST_META = 0x0001;

  /** What follows is where there was room last. */
  private static final int SPGIST_META_KEPT = ITEMS + 4;

  private final long baseStart;
  private final boolean checksums;
  private final long firstBlock;

  /**
   * For one file.
   *
   * @param baseStart where the base began
   * @param checksums whether pages carry checksums, by which a torn one is known
   * @param firstBlock the number of its first page in its relation
   */
  public PageLsnJudge(Lsn baseStart, boolean checksums, long firstBlock) {
    this.baseStart = baseStart.value();
    this.checksums = checksums;
    this.firstBlock = firstBlock;
  }

  @Override
  public boolean changed(long offset, ByteBuffer page) {
    return !tells(page) || Long.compareUnsigned(lsn(page), baseStart) >= 0;
  }

  @Override
  public boolean tells(ByteBuffer page) {
    return Long.compareUnsigned(lsn(page), FIRST_REAL) >= 0;
  }

  private static long lsn(ByteBuffer page) {
    ByteBuffer bytes = page.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    return (long) bytes.getInt(0) << 32 | bytes.getInt(4) & 0xFFFF_FFFFL;
  }

  @Override
  public boolean same(long offset, ByteBuffer page, ByteBuffer base) {
    byte[] now = bytes(page);
    byte[] old = bytes(base);
    if (checksums && torn(now, firstBlock + offset / PAGE)) {
      return true; // it was being written; replay brings it whole
    }
    mask(now);
    mask(old);
    return Arrays.equals(now, old);
  }

  private static boolean torn(byte[] page, long block) {
    int[] words = new int[PageChecksum.WORDS];
    ByteBuffer.wrap(page).order(ByteOrder.LITTLE_ENDIAN).asIntBuffer().get(words);
    return (words[2] & 0xFFFF) != PageChecksum.of(words, block);
  }

  private static byte[] bytes(ByteBuffer page) {
    byte[] bytes = new byte[page.remaining()];
    page.duplicate().get(bytes);
    return bytes;
  }

  /** Takes out what may be set without a trace. */
  private static void mask(byte[] page) {
    ByteBuffer bytes = ByteBuffer.wrap(page).order(ByteOrder.LITTLE_ENDIAN);
    int lower = bytes.getShort(LOWER) & 0xFFFF;
    int upper = bytes.getShort(UPPER) & 0xFFFF;
    bytes.putShort(CHECKSUM, (short) 0);
    bytes.putShort(FLAGS, (short) (bytes.getShort(FLAGS) & ~FLAG_HINTS));
    bytes.putInt(PRUNE_XID, 0);
    maskIndexHints(bytes);
    if (lower < ITEMS || lower > upper || upper > PAGE) {
      return;
    }
    for (int at = lower; at < upper; at++) {
      page[at] = 0;
    }
    for (int at = ITEMS; at + 4 <= lower; at += 4) {
      int item = bytes.getInt(at);
      int tuple = item & 0x7FFF;
      int length = item >>> 17;
      bytes.putInt(at, item & ~(3 << 15)); // whether it is known to be dead
      if (tuple >= upper && length >= INFO_MASK + 2 && tuple + length <= PAGE) {
        int info = bytes.getShort(tuple + INFO_MASK) & ~INFO_HINTS;
        bytes.putShort(tuple + INFO_MASK, (short) info);
      }
    }
  }

  private static void maskIndexHints(ByteBuffer page) {
    int special = PAGE - (page.getShort(SPECIAL) & 0xFFFF);
    int kind = page.getShort(PAGE - 2) & 0xFFFF;
    if (special == 16) {
      int garbage =
          switch (kind) {
            case HASH_PAGE -> HASH_GARBAGE;
            case GIST_PAGE -> GIST_GARBAGE;
            default -> BTREE_GARBAGE;
          };
      clear(page, PAGE - 4, garbage);
    } else if (special == 8 && kind == BRIN_REGULAR_PAGE) {
      clear(page, PAGE - 4, BRIN_EVACUATED);
    } else if (special == 8
        && kind == SPGIST_PAGE
        && (page.getShort(PAGE - 8) & SPGIST_META) != 0) {
      for (int at = SPGIST_META_KEPT; at < PAGE - 8; at++) {
        page.put(at, (byte) 0);
      }
    }
  }

  private static void clear(ByteBuffer page, int at, int flags) {
    page.putShort(at, (short) (page.getShort(at) & ~flags));
  }
}
