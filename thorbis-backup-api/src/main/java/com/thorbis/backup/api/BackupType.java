package com.thorbis.backup.api;

/** What a backup reads and references. Constants may be added. */
public enum BackupType {
  /** Reads and stores everything and references nothing: an independent copy. */
  FULL("full");

  private final String label;

  BackupType(String label) {
    this.label = label;
  }

  /** The name in the repository and on the command line; never changes. */
  public String label() {
    return label;
  }
}
