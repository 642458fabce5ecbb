package com.thorbis.backup.dr.simulate;

import java.util.Arrays;
import java.util.Optional;

/** How data is corrupted. */
public enum Damage {
  /** A statement without a condition changes and deletes all rows. The log has it, too. */
  STATEMENT("statement"),
  /** Bytes of a page change on disk. The log knows nothing of it. */
  PAGE("page");

  private final String label;

  Damage(String label) {
    this.label = label;
  }

  /** Its name in documents; never changes. */
  public String label() {
    return label;
  }

  /** The one of a name. */
  public static Optional<Damage> of(String label) {
    return Arrays.stream(values()).filter(it -> it.label.equals(label)).findFirst();
  }
}
