package com.thorbis.backup.api;

/**
 * One precondition that was looked at.
 *
 * @param subject what was looked at, a stable dotted name such as {@code
 *     postgres.privilege.replication}
 * @param outcome what was found
 * @param message for people
 * @param remedy what to do about it; empty if nothing
 */
public record CheckItem(String subject, Outcome outcome, String message, String remedy) {
  /** What was found. */
  public enum Outcome {
    /** As it must be. */
    OK("ok"),
    /** Works, and will not always. */
    WARN("warn"),
    /** Does not work. */
    FAIL("fail");

    private final String label;

    Outcome(String label) {
      this.label = label;
    }

    /** The name on the command line; never changes. */
    public String label() {
      return label;
    }
  }
}
