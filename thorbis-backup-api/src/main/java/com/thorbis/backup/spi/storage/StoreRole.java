package com.thorbis.backup.spi.storage;

import java.util.List;
import java.util.Locale;

/**
 * Who may do what with a store. Nobody who runs this software needs to overwrite, to remove an
 * older version of an object, or to shorten or go around a lock.
 */
public enum StoreRole {
  /**
   * Takes backups and ships log: lists, reads and creates. Removes nothing but its own leases and
   * what it tried out.
   */
  WRITER,
  /** Restores and verifies: lists and reads. */
  READER,
  /** Takes backups and removes what retention gave up. */
  PRUNER,
  /** Stores backups and log that another one takes in: creates, and neither lists nor reads. */
  SEALED,
  /** Sets the store up: lifecycle, versions, locks. A person's, never this software's. */
  ADMIN;

  /** Whether it may list and read. */
  public boolean reads() {
    return this == WRITER || this == READER || this == PRUNER;
  }

  /** Whether it may create objects; never whether it may replace one. */
  public boolean creates() {
    return this == WRITER || this == PRUNER || this == SEALED;
  }

  /** What the keys of objects begin with that it may create, if it may any. */
  public String createsBelow() {
    return this == SEALED ? "sessions/" : "";
  }

  /** What the keys of objects begin with that it may remove. */
  public List<String> removes() {
    return switch (this) {
      case WRITER -> List.of("leases/", "probe/");
      case PRUNER -> List.of("");
      case READER, SEALED, ADMIN -> List.of();
    };
  }

  /** The name on the command line; never changes. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
