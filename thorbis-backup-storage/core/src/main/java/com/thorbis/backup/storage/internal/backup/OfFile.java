package com.thorbis.backup.storage.internal.backup;

/** What the slices of a piece belong to: a file, and what is to be known of the slice. */
interface OfFile {
  /** The file. */
  FileState state();

  /**
   * Bytes that may come again in this backup.
   *
   * @param state the file they belong to first
   * @param number by which {@link OwnContent} knows them
   */
  record Numbered(FileState state, int number) implements OfFile {}

  /**
   * The mark of bytes that came before in this backup.
   *
   * @param state the file that they are the next bytes of
   * @param number by which {@link OwnContent} knows them
   */
  record Again(FileState state, int number) implements OfFile {}
}
