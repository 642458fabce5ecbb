package com.thorbis.backup.api;

import java.util.List;
import java.util.Optional;

/**
 * What a rotation did.
 *
 * @param rotated trees that have a new key
 * @param notes what somebody should know, such as that another process was faster
 */
public record RotateReport(List<Rotated> rotated, List<String> notes) {
  /** Copies the lists. */
  public RotateReport {
    rotated = List.copyOf(rotated);
    notes = List.copyOf(notes);
  }

  /**
   * A tree that has a new key.
   *
   * @param source whose tree; empty: the repository's own
   * @param epoch its number
   * @param recipients each of which alone opens it
   */
  public record Rotated(Optional<String> source, int epoch, List<String> recipients) {
    /** Copies the list. */
    public Rotated {
      recipients = List.copyOf(recipients);
    }
  }
}
