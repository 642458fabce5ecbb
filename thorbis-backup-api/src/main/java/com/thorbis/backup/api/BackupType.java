package com.thorbis.backup.api;

import java.util.Arrays;
import java.util.Optional;

/** What a backup reads and references. Constants may be added. */
public enum BackupType {
  /** Reads and stores everything and references nothing: an independent copy. */
  FULL("full"),
  /** Stores what changed since the last full backup and references the rest. */
  DIFFERENTIAL("differential"),
  /** Stores what changed since the last backup of any type and references the rest. */
  INCREMENTAL("incremental"),
  /**
   * Holds what the server exports of a database, not its files: complete in itself, needs no log,
   * and is loaded into a running server instead of being restored.
   */
  DUMP("dump"),
  /**
   * Holds a dump and what was changed in the database since: references the dump and the changes
   * that the last such backup has, and stores those that came later. Loaded as a dump is.
   */
  CHANGES("changes");

  private final String label;

  BackupType(String label) {
    this.label = label;
  }

  /** The type of this name; empty if there is none. */
  public static Optional<BackupType> ofLabel(String label) {
    return Arrays.stream(values()).filter(type -> type.label.equals(label)).findFirst();
  }

  /**
   * Whether, taken of a server, it holds the files of a cluster, which log can be replayed on; see
   * {@link BackupDescriptor#physical}.
   */
  public boolean physical() {
    return this != DUMP && this != CHANGES;
  }

  /** Whether it references no other backup. */
  public boolean independent() {
    return this == FULL || this == DUMP;
  }

  /** The name in the repository and on the command line; never changes. */
  public String label() {
    return label;
  }
}
