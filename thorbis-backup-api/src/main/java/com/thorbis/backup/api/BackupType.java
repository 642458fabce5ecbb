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
  INCREMENTAL("incremental");

  private final String label;

  BackupType(String label) {
    this.label = label;
  }

  /** The type of this name; empty if there is none. */
  public static Optional<BackupType> ofLabel(String label) {
    return Arrays.stream(values()).filter(type -> type.label.equals(label)).findFirst();
  }

  /** The name in the repository and on the command line; never changes. */
  public String label() {
    return label;
  }
}
