package com.thorbis.backup.application.app;

import java.util.Optional;

/** What a restore does where something stands already. Neither deletes anything. */
public enum ApplyMode {
  /** Leaves it. */
  CREATE_MISSING("create-missing"),
  /** Sets it to what the backup has. */
  OVERWRITE("overwrite");

  private final String label;

  ApplyMode(String label) {
    this.label = label;
  }

  /** The name on the command line; never changes. */
  public String label() {
    return label;
  }

  /** The mode with a label. */
  public static Optional<ApplyMode> ofLabel(String label) {
    for (ApplyMode mode : values()) {
      if (mode.label.equals(label)) {
        return Optional.of(mode);
      }
    }
    return Optional.empty();
  }
}
