package com.thorbis.backup.postgres.cluster;

import com.thorbis.backup.spi.repository.FileContent;
import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * The files of a data directory, however they are reached. Paths are relative to it, with forward
 * slashes, and lead through {@code pg_tblspc/OID} into tablespaces. "Not there" is an answer; that
 * something could not be looked at is a failure that names it. Used by one thread, except for what
 * {@link #content} returned.
 */
public interface ClusterFiles extends AutoCloseable {
  /** What lies at a path, without following a link. */
  enum Kind {
    /** Bytes. */
    FILE,
    /** A folder. */
    DIRECTORY,
    /** A symbolic link. */
    LINK,
    /** Anything else, such as a socket, or something whose name cannot be told. */
    OTHER
  }

  /**
   * An entry of a folder.
   *
   * @param length bytes, as far as it is known now
   * @param mode the permission bits
   */
  record Entry(String name, Kind kind, long length, int mode, Instant modifiedAt) {}

  /**
   * A tablespace that is not the default one.
   *
   * @param location where the server has it, as it says; {@code pg_tblspc/OID} for one in place
   */
  record Tablespace(long oid, String location) {}

  /** A content whose file may go away between two reads, after which it reads as zero. */
  interface Vanishing {
    /** Whether that happened. */
    boolean vanished();
  }

  /** Takes what a folder holds, one after another. */
  @FunctionalInterface
  interface Visitor<T> {
    /** Takes one. */
    void visit(T each) throws IOException;
  }

  /**
   * Visits what a folder holds, in any order, keeping no more than a bounded part of it in memory.
   * Entries that go away meanwhile are left out.
   *
   * @param folder empty for the data directory itself
   * @return false if there is no such folder
   */
  boolean list(String folder, Visitor<Entry> visitor) throws IOException;

  /** The same for names alone, which may be cheaper. */
  boolean names(String folder, Visitor<String> visitor) throws IOException;

  /** The tablespaces of now. */
  List<Tablespace> tablespaces() throws IOException;

  /**
   * The content of a file, which is got at when it is first read. Says that there is none if its
   * name has gone away by then; after that what was cut off reads as zero.
   */
  FileContent content(String path);

  /**
   * Reads a small file.
   *
   * @param most how many bytes it has at most; a longer one is a failure
   * @return empty if there is no such file
   */
  Optional<byte[]> read(String path, int most) throws IOException;

  @Override
  void close() throws IOException;
}
