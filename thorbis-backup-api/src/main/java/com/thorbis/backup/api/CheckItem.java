package com.thorbis.backup.api;

import java.util.Optional;

/**
 * One precondition that was looked at.
 *
 * @param subject what was looked at, a stable dotted name such as {@code
 *     postgres.privilege.replication}
 * @param outcome what was found
 * @param message for people
 * @param remedy what to do about it; empty if nothing
 * @param about which one it is of, where there are several of what was looked at: the name of a
 *     copy, or what is known of a recipient
 */
public record CheckItem(
    String subject, Outcome outcome, String message, String remedy, Optional<String> about) {
  /** Of what there is one of. */
  public CheckItem(String subject, Outcome outcome, String message, String remedy) {
    this(subject, outcome, message, remedy, Optional.empty());
  }

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
