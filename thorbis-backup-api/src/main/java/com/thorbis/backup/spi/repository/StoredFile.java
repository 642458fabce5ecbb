package com.thorbis.backup.spi.repository;

import java.time.Instant;

/**
 * One entry of a backup.
 *
 * @param area what it is for
 * @param path relative, with forward slashes; tablespaces below {@code pg_tblspc/OID/}. Comes from
 *     the server and is not to be trusted: check it before it touches a file system
 * @param kind what lies there
 * @param length bytes; 0 for a folder
 * @param mode the permission bits, such as {@code 0600}
 * @param modifiedAt when the source changed it last
 */
public record StoredFile(
    Area area, String path, Kind kind, long length, int mode, Instant modifiedAt) {
  /** What an entry is for. Constants may be added. */
  public enum Area {
    /** A file of the cluster, laid into the data directory. */
    DATA("data"),
    /** What the server said about the backup, such as its manifest. */
    META("meta"),
    /** Configuration from outside the data directory. */
    CONFIG("config");

    private final String label;

    Area(String label) {
      this.label = label;
    }

    /** The name in the repository; never changes. */
    public String label() {
      return label;
    }
  }

  /** What lies at a path. */
  public enum Kind {
    /** Bytes. */
    FILE,
    /** A folder. */
    DIRECTORY
  }
}
