package com.thorbis.backup.dr.monitor;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * What one look found.
 *
 * @param at when
 * @param alarms what is not as expected, the worst first
 * @param sources figures of each source that could be looked at
 * @param unseen the areas that could not be looked at; what was wrong there before may be so still
 */
public record Look(
    Instant at, List<Alarm> alarms, List<SourceFigures> sources, Set<String> unseen) {
  /** Copies the collections. */
  public Look {
    alarms = List.copyOf(alarms);
    sources = List.copyOf(sources);
    unseen = Set.copyOf(unseen);
  }

  /** The worst severity; empty if all is well. */
  public Optional<Severity> worst() {
    return alarms.stream().map(Alarm::severity).max(Enum::compareTo);
  }

  /**
   * Figures of a source.
   *
   * @param name its name
   * @param backupAge how old the last good backup is
   * @param lag how old the newest stored change is, or may at most be
   * @param bytes how large the last good backup is
   * @param duration how long it took
   */
  public record SourceFigures(
      String name,
      Optional<Duration> backupAge,
      Optional<Duration> lag,
      Optional<Long> bytes,
      Optional<Duration> duration) {}
}
