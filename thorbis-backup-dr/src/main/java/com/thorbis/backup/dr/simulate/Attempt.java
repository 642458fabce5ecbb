package com.thorbis.backup.dr.simulate;

import java.time.Instant;

/**
 * One commit that a client asked for.
 *
 * @param number of the row, used once
 * @param begun when it was asked for
 * @param ended when the client knew, or gave up
 * @param outcome what the client knows
 * @param detail what it was told, where that was no success
 */
public record Attempt(long number, Instant begun, Instant ended, Outcome outcome, String detail) {
  /** What a client knows of a commit. */
  public enum Outcome {
    /** It was told that the row is there for ever. */
    ACKNOWLEDGED("acknowledged"),
    /** The row cannot be there: it was never sent, or was answered with an error. */
    REFUSED("refused"),
    /** The row was sent and nobody answered: it may be there. */
    UNKNOWN("unknown");

    private final String label;

    Outcome(String label) {
      this.label = label;
    }

    /** The name in documents; never changes. */
    public String label() {
      return label;
    }
  }
}
