package com.thorbis.backup.postgres.page;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.spi.repository.PieceCheck;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/**
 * Checks the pages of a backup's files on their way. Safe for several threads. A page that was
 * written after the backup began may be torn and is not judged: replay brings it whole.
 */
public final class PageChecksums {
  /** Enough to find what broke; a lost disk need not be listed page by page. */
  static final int MAX_FAILURES = 1000;

  /** The system writes half a page of ours at once, which is never torn. */
  private static final int WORDS_AT_ONCE = PageChecksum.WORDS / 2;

  private final long startLsn;
  private final List<Failure> failures = new ArrayList<>();
  private long failed;
  private long latest;
  private String latestFile = "";
  private long latestBlock;

  /**
   * Checks against one backup.
   *
   * @param start where the backup began: pages changed there or later are not judged
   */
  public PageChecksums(Lsn start) {
    this.startLsn = start.value();
  }

  /**
   * A page that is not what the server wrote.
   *
   * @param file relative to the data directory
   * @param block the page's number in its relation
   * @param problem what is wrong
   */
  public record Failure(String file, long block, String problem) {}

  /**
   * The check of one file; {@link PieceCheck#NONE} for one that has no checked pages.
   *
   * @param path relative to the data directory, with forward slashes
   */
  public PieceCheck forFile(String path) {
    OptionalLong first = RelationFiles.firstBlock(path);
    if (first.isEmpty()) {
      return PieceCheck.NONE;
    }
    long firstBlock = first.getAsLong();
    return (offset, plain) -> check(path, firstBlock + offset / PageChecksum.PAGE, plain);
  }

  /** How many pages failed. */
  public synchronized long failed() {
    return failed;
  }

  /** The pages that failed, the first {@value #MAX_FAILURES} of them. */
  public synchronized List<Failure> failures() {
    return List.copyOf(failures);
  }

  /**
   * Judges what can only be judged at the end: no page can have been changed after the backup
   * ended.
   *
   * @param stop where the backup ended
   */
  public synchronized void finish(Lsn stop) {
    if (Long.compareUnsigned(latest, stop.value()) > 0) {
      fail(latestFile, latestBlock, "changed at " + new Lsn(latest) + ", after the backup ended");
    }
  }

  private void check(String path, long firstBlock, ByteBuffer plain) {
    ByteBuffer bytes = plain.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    int[] words = new int[PageChecksum.WORDS];
    long block = firstBlock;
    long newest = 0;
    long newestBlock = 0;
    while (bytes.remaining() >= PageChecksum.PAGE) {
      bytes.asIntBuffer().get(words);
      bytes.position(bytes.position() + PageChecksum.PAGE);
      long lsn = (long) words[0] << 32 | words[1] & 0xFFFF_FFFFL;
      if (words[3] >>> 16 == 0) { // pd_upper
        // While a page is being added, its second half may be there before its first one.
        if (!zero(words, 0, WORDS_AT_ONCE)) {
          fail(path, block, "neither new nor filled");
        }
      } else if (Long.compareUnsigned(lsn, startLsn) < 0) {
        int stored = words[2] & 0xFFFF;
        int expected = PageChecksum.of(words, block);
        if (stored != expected) {
          fail(path, block, "checksum %04X, expected %04X".formatted(stored, expected));
        }
      } else if (Long.compareUnsigned(lsn, newest) > 0) {
        newest = lsn;
        newestBlock = block;
      }
      block++;
    }
    if (bytes.hasRemaining()) {
      fail(path, block, "only " + bytes.remaining() + " bytes of the page");
    }
    changed(path, newestBlock, newest);
  }

  private static boolean zero(int[] words, int from, int to) {
    int all = 0;
    for (int i = from; i < to; i++) {
      all |= words[i];
    }
    return all == 0;
  }

  private synchronized void changed(String path, long block, long lsn) {
    if (Long.compareUnsigned(lsn, latest) > 0) {
      latest = lsn;
      latestFile = path;
      latestBlock = block;
    }
  }

  private synchronized void fail(String path, long block, String problem) {
    failed++;
    if (failures.size() < MAX_FAILURES) {
      failures.add(new Failure(path, block, problem));
    }
  }
}
