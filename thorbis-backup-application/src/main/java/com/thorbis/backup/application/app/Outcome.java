package com.thorbis.backup.application.app;

/** What came of a component. */
public enum Outcome {
  /** All of it is in the backup. */
  COMPLETED("completed"),
  /** It is in the backup, but for what its gaps name. */
  COMPLETED_WITH_GAPS("completed-with-gaps"),
  /** Nothing of it is in the backup. */
  FAILED("failed"),
  /** The configuration says that there is none. */
  SKIPPED("skipped");

  private final String label;

  Outcome(String label) {
    this.label = label;
  }

  /** The name in the repository; never changes. */
  public String label() {
    return label;
  }
}
