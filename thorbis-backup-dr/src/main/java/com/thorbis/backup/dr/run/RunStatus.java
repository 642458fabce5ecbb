package com.thorbis.backup.dr.run;

import java.util.Arrays;

/** How far a run is. */
public enum RunStatus {
  /** Written down, and nothing done. */
  PLANNED("planned", false),
  /** Steps are carried out. */
  RUNNING("running", false),
  /** For a person, a time or a condition. */
  WAITING("waiting", false),
  /** Every critical step has proven its effect. */
  SUCCEEDED("succeeded", true),
  /** A critical step has not. */
  FAILED("failed", true),
  /** Stopped by a person; there was nothing to undo, or nothing that may be. */
  ABORTED("aborted", true),
  /** What was done is being undone. */
  COMPENSATING("compensating", false),
  /** What could be undone is. */
  COMPENSATED("compensated", true);

  private final String label;
  private final boolean ended;

  RunStatus(String label, boolean ended) {
    this.label = label;
    this.ended = ended;
  }

  /** Its name in journals. */
  public String label() {
    return label;
  }

  /** Whether nothing more happens unless a person says so. */
  public boolean ended() {
    return ended;
  }

  static RunStatus of(String label) {
    return Arrays.stream(values())
        .filter(one -> one.label.equals(label))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("No state of a run: " + label));
  }
}
