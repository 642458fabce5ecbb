package com.thorbis.backup.spi.repository;

import java.nio.ByteBuffer;
import java.util.BitSet;

/**
 * How the content of a file reaches a backup that has a base. Pages are 8 KiB and begin at
 * multiples of that.
 */
public sealed interface Arrival {
  /** How long a page is. */
  int PAGE = 8192;

  /** All bytes are written and stored; nothing is referenced. */
  record Whole() implements Arrival {}

  /**
   * All bytes are written; pages that are byte for byte what the base holds are referenced. Needs
   * to trust nobody.
   */
  record Compared() implements Arrival {}

  /**
   * All bytes are written; pages that the judge calls unchanged are referenced. A sample of them is
   * compared with what the base holds, and a mismatch ends the backup with code {@code
   * backup.cross-check-failed}.
   *
   * @param judge decides
   */
  record Judged(PageJudge judge) implements Arrival {}

  /**
   * Only changed bytes are written; {@code unchanged} and {@code zeros} stand for what lies between
   * them.
   */
  record Sparse() implements Arrival {}

  /**
   * Only the listed pages are read, and those behind the end of the base's file; the others are the
   * base's. A sample of those is read and compared with what the base holds, and a mismatch ends
   * the backup with code {@code backup.cross-check-failed}. For {@link FileContent} alone.
   *
   * @param pages numbers of pages in this file, the first is 0; not changed any more
   * @param judge compares the sample
   */
  record Listed(BitSet pages, PageJudge judge) implements Arrival {}

  /**
   * All bytes are written. They are cut where their content says so, not at fixed places, so that
   * bytes that moved are known again; what the base holds anywhere, or this backup already, is
   * referenced. For files that are not made of pages. Works without a base too.
   */
  record Chunked() implements Arrival {}

  /** Tells changed pages from others. Called from several threads; keeps no buffer. */
  interface PageJudge {
    /**
     * Whether a page may have changed since the base began.
     *
     * @param offset where it lies in its file
     * @param page read-only
     */
    boolean changed(long offset, ByteBuffer page);

    /**
     * Whether a page can be judged by itself. One that cannot is compared with what the base holds.
     *
     * @param page read-only
     */
    default boolean tells(ByteBuffer page) {
      return true;
    }

    /**
     * Whether a page that is called unchanged is byte for byte what the base holds. If not, no
     * checksum is kept of a file with such a page, as that of what was read is not that of what a
     * restore brings.
     */
    default boolean exact() {
      return true;
    }

    /**
     * Whether two states of a page differ by nothing that counts, such as hints that are set
     * without a trace; or cannot be compared, such as a page that was being written.
     *
     * @param offset where they lie in their file
     * @param page what was read; read-only
     * @param base what the base holds; read-only
     */
    boolean same(long offset, ByteBuffer page, ByteBuffer base);
  }
}
