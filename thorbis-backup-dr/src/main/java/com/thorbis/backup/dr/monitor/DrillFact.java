package com.thorbis.backup.dr.monitor;

import java.time.Instant;
import java.util.List;

/**
 * A drill that was done.
 *
 * @param source what was restored
 * @param at when it ended
 * @param passed whether everything that was required of it held
 * @param outcome for people: what was proven, or what failed
 * @param changed what is another now than it was then, so that it should be done anew
 */
public record DrillFact(
    String source, Instant at, boolean passed, String outcome, List<String> changed) {
  /** Copies the list. */
  public DrillFact {
    changed = List.copyOf(changed);
  }
}
