package com.thorbis.backup.application.secrets;

/** How a backup of secrets ended. Constants may be added. */
public enum SecretsStatus {
  /** Every secret of every place is in the set, with its value. */
  COMPLETE("complete"),
  /** Some are not: see the gaps. */
  COMPLETED_WITH_GAPS("completed-with-gaps");

  private final String label;

  SecretsStatus(String label) {
    this.label = label;
  }

  /** The name in reports; never changes. */
  public String label() {
    return label;
  }
}
