package com.thorbis.backup.postgres.page;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.spi.repository.FileContent;
import com.thorbis.backup.spi.repository.PieceCheck;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * Checks the pages of a backup's files on their way. Safe for several threads. A page that was
 * written after the backup began may be torn and is not judged: replay brings it whole.
 */
public final class PageChecksums {
  /** Enough to find what broke; a lost disk need not be listed page by page. */
  static final int MAX_FAILURES = 1000;

  /** How long a page that looks damaged is left alone before each time it is read again. */
  private static final long[] PAUSES_MILLIS = {1, 5, 20, 50, 100};

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

  /**
   * The same check for a file that can be read again: a page that looks damaged may have been
   * caught while it was written, and counts only if it stays so.
   *
   * @param path relative to the data directory, with forward slashes
   */
  public InPlace rereading(String path) {
    OptionalLong first = RelationFiles.firstBlock(path);
    if (first.isEmpty()) {
      return InPlace.NONE;
    }
    long firstBlock = first.getAsLong();
    return (from, offset, bytes, at, length) ->
        check(path, firstBlock, from, offset, bytes, at, length);
  }

  /** Checks the whole pages of what was read, and puts right what was read while it was written. */
  @FunctionalInterface
  public interface InPlace {
    /** Checks nothing. */
    InPlace NONE = (from, offset, bytes, at, length) -> {};

    /**
     * Checks.
     *
     * @param from where it was read, and can be read again
     * @param offset where the bytes lie in the file
     */
    void check(FileContent from, long offset, byte[] bytes, int at, int length) throws IOException;
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
      String problem = problem(words, block);
      if (problem != null) {
        fail(path, block, problem);
      } else if (Long.compareUnsigned(judged(words), newest) > 0) {
        newest = judged(words);
        newestBlock = block;
      }
      block++;
    }
    if (bytes.hasRemaining()) {
      fail(path, block, "only " + bytes.remaining() + " bytes of the page");
    }
    changed(path, newestBlock, newest);
  }

  private void check(
      String path, long firstBlock, FileContent from, long offset, byte[] bytes, int at, int length)
      throws IOException {
    int[] words = new int[PageChecksum.WORDS];
    long newest = 0;
    long newestBlock = 0;
    int begun = (int) (offset % PageChecksum.PAGE);
    int skipped = begun == 0 ? 0 : PageChecksum.PAGE - begun;
    for (int page = at + skipped;
        page + PageChecksum.PAGE <= at + length;
        page += PageChecksum.PAGE) {
      long position = offset + page - at;
      long block = firstBlock + position / PageChecksum.PAGE;
      words(bytes, page, words);
      String problem = problem(words, block);
      for (long pause : PAUSES_MILLIS) {
        if (problem == null || failed() >= MAX_FAILURES) {
          break;
        }
        pause(pause);
        from.read(position, bytes, page, PageChecksum.PAGE);
        words(bytes, page, words);
        problem = problem(words, block);
      }
      if (problem != null) {
        fail(path, block, problem);
      } else if (Long.compareUnsigned(judged(words), newest) > 0) {
        newest = judged(words);
        newestBlock = block;
      }
    }
    changed(path, newestBlock, newest);
  }

  private static void words(byte[] bytes, int page, int[] words) {
    ByteBuffer.wrap(bytes, page, PageChecksum.PAGE)
        .order(ByteOrder.LITTLE_ENDIAN)
        .asIntBuffer()
        .get(words);
  }

  private static void pause(long millis) throws InterruptedIOException {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      InterruptedIOException interrupted = new InterruptedIOException("Interrupted while waiting");
      interrupted.initCause(e);
      throw interrupted;
    }
  }

  /** What is wrong with a page; null if nothing is, or it cannot be judged. */
  private @Nullable String problem(int[] words, long block) {
    if (words[3] >>> 16 == 0) { // pd_upper
      // While a page is being added, its second half may be there before its first one.
      return zero(words, 0, WORDS_AT_ONCE) ? null : "neither new nor filled";
    }
    if (Long.compareUnsigned(lsn(words), startLsn) >= 0) {
      return null;
    }
    int stored = words[2] & 0xFFFF;
    int expected = PageChecksum.of(words, block);
    return stored == expected ? null : "checksum %04X, expected %04X".formatted(stored, expected);
  }

  private static long lsn(int[] words) {
    return (long) words[0] << 32 | words[1] & 0xFFFF_FFFFL;
  }

  /** The position of a page that was changed since the backup began; 0 of another one. */
  private long judged(int[] words) {
    boolean filled = words[3] >>> 16 != 0;
    return filled && Long.compareUnsigned(lsn(words), startLsn) >= 0 ? lsn(words) : 0;
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
