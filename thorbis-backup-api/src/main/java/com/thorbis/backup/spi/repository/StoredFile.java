package com.thorbis.backup.spi.repository;

import java.time.Instant;
import java.util.Optional;

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
 * @param target where a link leads: of a symbolic link its text as it is, of a hard link the path
 *     of an earlier entry of the same backup. Empty for all else
 * @param node what the file system says besides, where it was asked
 */
public record StoredFile(
    Area area,
    String path,
    Kind kind,
    long length,
    int mode,
    Instant modifiedAt,
    Optional<String> target,
    Optional<FileNode> node) {
  /** A file or folder of which nothing more is known. */
  public StoredFile(Area area, String path, Kind kind, long length, int mode, Instant modifiedAt) {
    this(area, path, kind, length, mode, modifiedAt, Optional.empty(), Optional.empty());
  }

  /** Refuses a link without a target, and a target of anything else. */
  public StoredFile {
    if (kind.link() != target.isPresent()) {
      throw new IllegalArgumentException(kind + " with target " + target);
    }
  }

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
    DIRECTORY,
    /** A name that leads to another path. */
    SYMBOLIC_LINK,
    /** A further name of a file that stands earlier in the same backup. */
    HARD_LINK;

    /** Whether it has a target and no content. */
    public boolean link() {
      return this == SYMBOLIC_LINK || this == HARD_LINK;
    }
  }
}
