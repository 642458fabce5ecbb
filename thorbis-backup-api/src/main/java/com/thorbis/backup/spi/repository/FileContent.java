package com.thorbis.backup.spi.repository;

import java.io.IOException;
import java.util.OptionalInt;

/**
 * The content of a file that a {@link BackupWriter} reads itself, piece by piece and several pieces
 * at a time. What it needs for that, such as an open file, it should get when it is first read:
 * many files may wait.
 */
public interface FileContent extends AutoCloseable {
  /**
   * Fills a part of an array; called from several threads, in any order. Where the file has become
   * shorter than it was said to be, the rest is zero.
   *
   * @param offset where the bytes lie in the file
   * @return false if there is no such file any more: it is left out of the backup. Once true,
   *     always true
   */
  boolean read(long offset, byte[] into, int at, int length) throws IOException;

  /**
   * Fills several parts of an array, as {@link #read} does for one.
   *
   * @param offset where byte 0 of the array lies in the file
   * @param ranges where each part begins in the array and where it ends, one after another
   */
  default boolean readRanges(long offset, byte[] into, int[] ranges) throws IOException {
    boolean there = true;
    for (int i = 0; i < ranges.length && there; i += 2) {
      there = read(offset + ranges[i], into, ranges[i], ranges[i + 1] - ranges[i]);
    }
    return there;
  }

  /** Nothing is read any more; called once, by whichever thread. */
  @Override
  default void close() throws IOException {}

  /**
   * The file is in the backup. Called once, after {@link #close}, in the order in which files were
   * added, on one thread; not for a file that is gone.
   *
   * @param crc CRC-32C of the whole content; empty where some of it was not read
   */
  default void taken(OptionalInt crc) throws IOException {}
}
