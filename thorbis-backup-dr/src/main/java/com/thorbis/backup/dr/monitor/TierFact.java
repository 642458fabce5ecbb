package com.thorbis.backup.dr.monitor;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * What is promised of applications that come back together.
 *
 * @param tier its stable id
 * @param rto how long it may be away
 * @param rpo how much of its past may be lost
 * @param sources what it needs back
 * @param measured how long it was away when it last came back; empty: nobody measured it
 */
public record TierFact(
    String tier, Duration rto, Duration rpo, List<String> sources, Optional<Measured> measured) {
  /**
   * How long a recovery took.
   *
   * @param took as long
   * @param at when that was
   * @param by what measured it, such as a run or a drill
   */
  public record Measured(Duration took, Instant at, String by) {}

  /** Copies the list. */
  public TierFact {
    sources = List.copyOf(sources);
  }
}
