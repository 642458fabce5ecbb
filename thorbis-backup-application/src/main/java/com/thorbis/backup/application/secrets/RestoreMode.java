package com.thorbis.backup.application.secrets;

import java.util.Optional;

/** What a restore of secrets does where one of the same name stands already. */
public enum RestoreMode {
  /** Leaves it. */
  CREATE_MISSING("create-missing"),
  /** Overwrites it if it was last written before the one in the set; else, and if unknown, not. */
  OVERWRITE_OLDER("overwrite-older"),
  /** Overwrites it. */
  OVERWRITE("overwrite");

  private final String label;

  RestoreMode(String label) {
    this.label = label;
  }

  /** The name on the command line; never changes. */
  public String label() {
    return label;
  }

  /** The mode with a label. */
  public static Optional<RestoreMode> ofLabel(String label) {
    for (RestoreMode mode : values()) {
      if (mode.label.equals(label)) {
        return Optional.of(mode);
      }
    }
    return Optional.empty();
  }
}
