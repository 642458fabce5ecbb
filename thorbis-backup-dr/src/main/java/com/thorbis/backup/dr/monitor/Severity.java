package com.thorbis.backup.dr.monitor;

import java.util.Arrays;
import java.util.Optional;

/** How urgent an alarm is; a later one is worse. Constants may be added. */
public enum Severity {
  /** What is protected still is; somebody should look within days. */
  WARNING("warning"),
  /** What is expected cannot be brought back, or nobody can tell. */
  CRITICAL("critical");

  private final String label;

  Severity(String label) {
    this.label = label;
  }

  /** The name in records and on the command line; never changes. */
  public String label() {
    return label;
  }

  /** The severity of this name; empty if there is none. */
  public static Optional<Severity> ofLabel(String label) {
    return Arrays.stream(values()).filter(one -> one.label.equals(label)).findFirst();
  }
}
