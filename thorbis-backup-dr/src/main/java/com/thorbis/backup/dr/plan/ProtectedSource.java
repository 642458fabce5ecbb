package com.thorbis.backup.dr.plan;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * Something with backups.
 *
 * @param id its name in the configuration
 * @param maxDelay how far behind continuous capture may be, where there is one
 * @param backups when backups run
 */
public record ProtectedSource(String id, Optional<Duration> maxDelay, List<Backup> backups) {
  /** Copies the list. */
  public ProtectedSource {
    backups = List.copyOf(backups);
  }

  /**
   * One kind of backup of it.
   *
   * @param type such as full or incremental
   * @param at when it starts
   * @param window how long it may take
   */
  public record Backup(String type, Timetable at, Duration window) {}
}
