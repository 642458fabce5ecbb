package com.thorbis.backup.dr.monitor;

import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * A drill that was done.
 *
 * @param source what was restored
 * @param copy the one copy of the repository that was read; empty: whichever served
 * @param at when it ended
 * @param passed whether everything that was required of it held
 * @param outcome for people: what was proven, or what failed
 * @param changed what is another now than it was then, so that it should be done anew
 */
public record DrillFact(
    String source,
    Optional<String> copy,
    Instant at,
    boolean passed,
    String outcome,
    List<String> changed) {
  /** Copies the list. */
  public DrillFact {
    changed = List.copyOf(changed);
  }
}
