package com.thorbis.backup.dr.run;

/** How far a step is. */
public enum TaskStatus {
  /** Not begun. */
  PENDING("pending"),
  /** Begun, and not ended: it is being done, or was when the process ended. */
  STARTED("started"),
  /** For a person, a time or a condition. */
  WAITING("waiting"),
  /** Its effect is proven. */
  DONE("done"),
  /** Its effect is not there. */
  FAILED("failed"),
  /** Its effect may be there, and nobody could tell in time. */
  UNKNOWN("unknown"),
  /** Its effect was there, and was undone. */
  UNDONE("undone");

  private final String label;

  TaskStatus(String label) {
    this.label = label;
  }

  /** Its name for scripts. */
  public String label() {
    return label;
  }
}
