package com.thorbis.backup.postgres.page;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.postgres.wal.ChangedBlocks.FileChanges;
import com.thorbis.backup.spi.repository.Arrival;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.BitSet;
import java.util.function.Consumer;

/**
 * Tells pages that changed since a backup began by the list of those that the log changed. A page
 * that is not on it but carries a position which says that it should be is reported, and counts as
 * changed.
 */
public final class ListedBlocksJudge implements Arrival.PageJudge {
  private static final int PAGE = Arrival.PAGE;
  private static final int UPPER = 14;

  private final String path;
  private final FileChanges listed;
  private final long baseStart;
  private final long start;
  private final boolean checksums;
  private final PageLsnJudge hints;
  private final Consumer<String> contradicted;

  /**
   * For one file.
   *
   * @param path what reports call it
   * @param listed what the log changed in it from the start of the base to that of this backup
   * @param baseStart where the base began
   * @param start where this backup began: pages changed there or later are being written
   * @param checksums whether pages carry checksums, by which a torn one is known
   * @param contradicted told of each page that the list lacks; from any thread
   */
  public ListedBlocksJudge(
      String path,
      FileChanges listed,
      Lsn baseStart,
      Lsn start,
      boolean checksums,
      Consumer<String> contradicted) {
    this.path = path;
    this.listed = listed;
    this.baseStart = baseStart.value();
    this.start = start.value();
    this.checksums = checksums;
    this.hints = new PageLsnJudge(baseStart, checksums, RelationFiles.firstBlock(path).orElse(0));
    this.contradicted = contradicted;
  }

  /**
   * The pages on the list.
   *
   * @param length how long the file is
   */
  public BitSet pages(long length) {
    return listed.of((int) (length / PAGE));
  }

  /** Without checksums hints are set that the log knows nothing of. */
  @Override
  public boolean exact() {
    return checksums;
  }

  @Override
  public boolean changed(long offset, ByteBuffer page) {
    if (listed.contains(offset / PAGE)) {
      return true;
    }
    ByteBuffer bytes = page.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    if (bytes.getShort(UPPER) == 0) {
      return true; // a new page says nothing of itself
    }
    // A page carries the end of the record that changed it, which may be where the next one starts.
    long lsn = lsn(bytes);
    if (Long.compareUnsigned(lsn, baseStart) <= 0) {
      return false;
    }
    if (Long.compareUnsigned(lsn, start) <= 0) {
      contradicted.accept(path + " page " + offset / PAGE + " was changed at " + new Lsn(lsn));
    }
    return true;
  }

  @Override
  public boolean same(long offset, ByteBuffer page, ByteBuffer base) {
    // Replay brings a page whole that is changed while this backup runs.
    return Long.compareUnsigned(lsn(page.duplicate().order(ByteOrder.LITTLE_ENDIAN)), start) > 0
        || hints.same(offset, page, base);
  }

  private static long lsn(ByteBuffer page) {
    return (long) page.getInt(0) << 32 | page.getInt(4) & 0xFFFF_FFFFL;
  }
}
