package com.thorbis.backup.api;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * What is recoverable now.
 *
 * @param name the source's name
 * @param windows stretches of history that a restore can reach, oldest first
 * @param gaps WAL that is missing between what is stored
 * @param lastBackup the newest restorable backup; the newest dump where there is none
 * @param awaitingWal backups that are not restorable yet
 * @param lag how long ago the newest stored commit was, where it is known; without any window, how
 *     long ago the snapshot of the newest dump, or of the newest backup of a source without a
 *     server, was taken. Grows while nothing is committed: compare the end of the last window with
 *     what the server has written
 * @param fenced whether a restored cluster waits to be adopted
 */
public record SourceStatus(
    String name,
    List<Window> windows,
    List<WalGap> gaps,
    Optional<BackupDescriptor> lastBackup,
    List<BackupId> awaitingWal,
    Optional<Duration> lag,
    boolean fenced) {
  /** Copies the lists. */
  public SourceStatus {
    windows = List.copyOf(windows);
    gaps = List.copyOf(gaps);
    awaitingWal = List.copyOf(awaitingWal);
  }

  /** Of a source that was never backed up. */
  public static SourceStatus nothing(String name, boolean fenced) {
    return new SourceStatus(
        name, List.of(), List.of(), Optional.empty(), List.of(), Optional.empty(), fenced);
  }

  /**
   * A stretch of history.
   *
   * @param fromTime the first moment
   * @param toTime the last moment, where it is known
   * @param fromLsn the first position
   * @param toLsn the last position
   * @param timeline the timeline it lies on
   */
  public record Window(
      Instant fromTime, Optional<Instant> toTime, Lsn fromLsn, Lsn toLsn, Timeline timeline) {}
}
