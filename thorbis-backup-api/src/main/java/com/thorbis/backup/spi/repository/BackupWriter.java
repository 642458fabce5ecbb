package com.thorbis.backup.spi.repository;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import java.io.IOException;
import java.util.OptionalLong;

/**
 * A backup being written. Used by one thread, one file at a time; the work behind it runs in
 * parallel. A failure of that work is thrown by the next call. Nothing is visible before {@link
 * #commit}.
 */
public interface BackupWriter extends AutoCloseable {
  /** The id it will have. */
  BackupId id();

  /** Adds a folder. */
  void directory(StoredFile directory) throws IOException;

  /**
   * Adds a symbolic or hard link. A hard link leads to a file of the same area that was kept, or
   * finished by its {@link FileWriter}, before it.
   */
  default void link(StoredFile link) throws IOException {
    throw new UnsupportedOperationException("Links");
  }

  /**
   * Takes a file from the base as it is, content and all, without a look at the source.
   *
   * @param file compared with the base's entry of this path
   * @return false, and nothing is done, if there is no base or its entry is not equal in kind,
   *     length, times, and a {@link StoredFile#node} that both have; or if one of the times is not
   *     at least two seconds before the base began, as a later change might not show in it
   */
  default boolean keep(StoredFile file) throws IOException {
    return false;
  }

  /**
   * Starts a file; the one before it must be finished. Its length in {@code file} is what is
   * expected; what is written counts.
   *
   * @param check sees every plain byte
   */
  FileWriter file(StoredFile file, PieceCheck check) throws IOException;

  /**
   * Starts a file whose content arrives in one of several ways; without a base, or where the base
   * has no such file, all that is written is stored. Failures of code {@code backup.base-damaged}
   * and {@code backup.cross-check-failed} mean that this backup must not be committed and a full
   * one can be taken.
   *
   * @param check sees every plain byte that is written
   */
  FileWriter file(StoredFile file, PieceCheck check, Arrival arrival) throws IOException;

  /**
   * Adds a file that the writer reads by itself, some time before {@link #settle} returns. Without
   * a base, or where the base has no such file, all of it is read and stored.
   *
   * @param file its length is what is read
   * @param content becomes the writer's, whatever happens
   * @param arrival any but {@link Arrival.Sparse} and {@link Arrival.Chunked}, which are read from
   *     start to end
   */
  void add(StoredFile file, FileContent content, Arrival arrival) throws IOException;

  /**
   * Returns when every byte taken so far has been through its {@link PieceCheck} and the work
   * behind; what the checks found can be said in the facts of {@link #commit}.
   */
  void settle() throws IOException;

  /** Plain bytes taken so far. */
  long bytesRead();

  /** Sealed bytes stored so far. */
  long bytesStored();

  /** Plain bytes taken so far that are not stored, as an interrupted backup had stored them. */
  default long bytesResumed() {
    return 0;
  }

  /**
   * Makes the backup exist, durably: data, maps, manifest, then the commit.
   *
   * @throws RepositoryException of kind OUTCOME_UNKNOWN if it may exist
   */
  BackupDescriptor commit(BackupFacts facts, BackupStatus status) throws IOException;

  /** Discards what was not committed, as far as the store allows. May be called twice. */
  @Override
  void close() throws IOException;

  /** One file's content, first byte to last. */
  interface FileWriter extends AutoCloseable {
    /** Takes bytes; copies them before it returns. Blocks while the work behind is busy. */
    void write(byte[] bytes, int offset, int length) throws IOException;

    /** How long the base's file of this path is; empty if it has none. */
    default OptionalLong baseLength() {
      return OptionalLong.empty();
    }

    /**
     * The next bytes are what the base has at this place. For {@link Arrival.Sparse} alone.
     *
     * @throws RepositoryException code {@code backup.base-too-short} if the base has no such bytes
     */
    default void unchanged(long length) throws IOException {
      throw new UnsupportedOperationException("Not a sparse file");
    }

    /**
     * The next bytes are zero. A {@link PieceCheck} need not see them, and {@link #bytesRead} need
     * not count them.
     */
    default void zeros(long length) throws IOException {
      byte[] zeros = new byte[(int) Math.min(length, 1 << 16)];
      for (long left = length; left > 0; left -= zeros.length) {
        write(zeros, 0, (int) Math.min(left, zeros.length));
      }
    }

    /** The file is whole. */
    void finish() throws IOException;

    /** Without {@link #finish} before, drops the file. */
    @Override
    void close() throws IOException;
  }
}
