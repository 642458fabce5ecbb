package com.thorbis.backup.spi.repository;

import java.io.IOException;
import java.util.OptionalInt;

/**
 * The content of a file that a {@link BackupWriter} reads itself, piece by piece and several pieces
 * at a time.
 */
public interface FileContent extends AutoCloseable {
  /**
   * Fills a part of an array; called from several threads, in any order. Where the file has become
   * shorter than it was said to be, the rest is zero.
   *
   * @param offset where the bytes lie in the file
   */
  void read(long offset, byte[] into, int at, int length) throws IOException;

  /**
   * Everything was read. Called once, in the order in which files were added, before {@link
   * #close}; never for a file that could not be read.
   *
   * @param crc CRC-32C of the whole content; empty where some of it was not read
   */
  default void taken(OptionalInt crc) throws IOException {}

  /** Nothing is read any more; called once, by whichever thread. */
  @Override
  default void close() throws IOException {}
}
