package com.thorbis.backup.api;

import java.util.List;

/**
 * What wrapping keys to other recipients does, or did.
 *
 * @param added recipients that open more keys than before
 * @param removed recipients that no longer do; they still open copies of their slots that somebody
 *     kept
 * @param kept recipients that stay as they are
 * @param keys how many keys are wrapped otherwise
 * @param written how many slots are new
 * @param retired how many slots do not count any more
 * @param swept how many slots that did not count any more were removed for good
 * @param notes what somebody should know, such as a recipient that could not be asked
 */
public record RewrapReport(
    List<String> added,
    List<String> removed,
    List<String> kept,
    int keys,
    int written,
    int retired,
    long swept,
    List<String> notes) {
  /** Copies the lists. */
  public RewrapReport {
    added = List.copyOf(added);
    removed = List.copyOf(removed);
    kept = List.copyOf(kept);
    notes = List.copyOf(notes);
  }
}
