package com.thorbis.backup.api;

/** How far a backup has come. Constants may be added. */
public enum BackupStatus {
  /** All files are stored; the WAL from its start to its stop is not yet. Cannot be restored. */
  AWAITING_WAL("awaiting-wal"),
  /** Everything that a restore needs is in the repository. */
  COMPLETE("complete"),
  /** Complete, and something about it needs a look: see its warnings. */
  COMPLETED_WITH_WARNING("completed-with-warning");

  private final String label;

  BackupStatus(String label) {
    this.label = label;
  }

  /** The name in the repository and on the command line; never changes. */
  public String label() {
    return label;
  }

  /** Whether a restore may start from it. */
  public boolean restorable() {
    return this != AWAITING_WAL;
  }
}
