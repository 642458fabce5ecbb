package com.thorbis.backup.postgres.plan;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.spi.repository.Frozen;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** What is recoverable, from the catalogue and the WAL ledger alone. */
public final class StatusReader {
  private final SourceInfo source;
  private final List<BackupDescriptor> backups;
  private final List<BackupDescriptor> dumps;
  private final WalLedger ledger;

  /**
   * Reads one source.
   *
   * @param source the source
   * @param backups its backups, in any order
   * @param archive the WAL of its current incarnation
   */
  public StatusReader(SourceInfo source, List<BackupDescriptor> backups, WalArchive archive) {
    this.source = source;
    this.ledger = new WalLedger(archive);
    this.dumps =
        backups.stream()
            .filter(backup -> backup.source().equals(source.name()))
            .filter(backup -> !backup.physical())
            .toList();
    this.backups =
        backups.stream()
            .filter(backup -> backup.source().equals(source.name()))
            .filter(backup -> backup.physical())
            .sorted(Comparator.comparing(BackupDescriptor::stopLsn))
            .toList();
  }

  /**
   * The status.
   *
   * @param now the time
   * @param fenced whether a restored cluster waits to be adopted
   */
  public SourceStatus read(Instant now, boolean fenced) throws IOException {
    List<SourceStatus.Window> windows = new ArrayList<>();
    Set<WalGap> gaps = new LinkedHashSet<>();
    Optional<Instant> newest = Optional.empty();
    for (Timeline timeline : ledger.archive().timelines().stream().sorted().toList()) {
      Optional<TimelineHistory> line = ledger.history(timeline);
      if (line.isEmpty()) {
        continue; // Nothing on it can be reached until its history is stored.
      }
      windows.addAll(windows(line.get()));
      gaps.addAll(gaps(line.get()));
    }
    for (SourceStatus.Window window : windows) {
      if (window.toTime().isPresent()
          && (newest.isEmpty() || window.toTime().get().isAfter(newest.get()))) {
        newest = window.toTime();
      }
    }
    List<BackupId> awaiting =
        backups.stream()
            .filter(backup -> !backup.status().restorable())
            .map(BackupDescriptor::id)
            .toList();
    // What a dump holds is as old as its snapshot; it says nothing of log that others wait for,
    // and a partial one nothing of what it left out.
    Optional<BackupDescriptor> newestDump =
        dumps.stream().max(Comparator.comparing(BackupDescriptor::stoppedAt));
    return new SourceStatus(
        source.name(),
        windows,
        List.copyOf(gaps),
        backups.stream()
            .filter(backup -> backup.status().restorable())
            .max(Comparator.comparing(BackupDescriptor::stoppedAt))
            .or(() -> newestDump),
        awaiting,
        newest
            .or(
                () ->
                    backups.isEmpty()
                        ? dumps.stream()
                            .filter(dump -> !dump.partial())
                            .map(BackupDescriptor::startedAt)
                            .max(Comparator.naturalOrder())
                        : Optional.empty())
            .map(moment -> moment.isAfter(now) ? Duration.ZERO : Duration.between(moment, now)),
        fenced);
  }

  /** What can be reached of a timeline's own piece of its line. */
  private List<SourceStatus.Window> windows(TimelineHistory line) throws IOException {
    Optional<TimelineHistory.Piece> own =
        line.pieces().stream().filter(p -> p.timeline().equals(line.timeline())).findFirst();
    if (own.isEmpty()) {
      return List.of();
    }
    Lsn begin = own.get().begin();
    Lineage lineage = new Lineage(source, ledger);
    List<SourceStatus.Window> windows = new ArrayList<>();
    Optional<Lsn> covered = Optional.empty();
    for (BackupDescriptor backup : backups) {
      boolean included = covered.filter(end -> backup.startLsn().compareTo(end) < 0).isPresent();
      if (lineage.objection(backup, line).isPresent()
          || (included && covered.get().compareTo(backup.stopLsn()) >= 0)) {
        continue;
      }
      WalStretch wal = ledger.follow(line, backup.startLsn());
      if (wal.end().compareTo(backup.stopLsn()) < 0) {
        continue;
      }
      covered = Optional.of(wal.end());
      boolean onOwn = backup.stopLsn().compareTo(begin) >= 0;
      if (!onOwn && wal.end().compareTo(begin) <= 0) {
        continue;
      }
      Optional<Instant> to =
          known(wal::completeTo).filter(time -> !time.isBefore(backup.stoppedAt()));
      windows.add(
          new SourceStatus.Window(
              onOwn ? backup.stoppedAt() : firstMoment(line, begin).orElse(backup.stoppedAt()),
              to.or(() -> Optional.of(backup.stoppedAt())),
              onOwn ? backup.stopLsn() : begin,
              wal.end(),
              line.timeline()));
    }
    return windows;
  }

  private Optional<Instant> firstMoment(TimelineHistory line, Lsn begin) throws IOException {
    WalStretch wal = ledger.follow(line, begin);
    return known(() -> wal.firstEnd(time -> true)).map(WalStretch.Event::time);
  }

  /** What log tells of times. */
  @FunctionalInterface
  private interface Telling<T> {
    Optional<T> ask() throws IOException;
  }

  /**
   * What log tells, unless it must be brought back first: that the log is there shows without it,
   * and nobody waits for a status, or pays.
   */
  private static <T> Optional<T> known(Telling<T> telling) throws IOException {
    try {
      return telling.ask();
    } catch (IOException e) {
      if (Frozen.isWhy(e)) {
        return Optional.empty();
      }
      throw e;
    }
  }

  /** The holes between what is stored of a line. */
  private List<WalGap> gaps(TimelineHistory line) throws IOException {
    Optional<Lsn> start = Optional.empty();
    for (TimelineHistory.Piece piece : line.pieces()) {
      for (WalRange range : ledger.ranges(piece.timeline())) {
        boolean ofPiece = piece.end().filter(e -> range.start().compareTo(e) >= 0).isEmpty();
        if (ofPiece && start.filter(s -> s.compareTo(range.start()) <= 0).isEmpty()) {
          start = Optional.of(range.start());
        }
      }
    }
    List<WalGap> gaps = new ArrayList<>();
    while (start.isPresent()) {
      Optional<WalRange> gap = ledger.follow(line, start.get()).gap();
      if (gap.isPresent()) {
        gaps.add(explained(gap.get()));
      }
      start = gap.map(WalRange::end);
    }
    return gaps;
  }

  private WalGap explained(WalRange range) throws IOException {
    try {
      return ledger
          .archive()
          .recordedGap(range.timeline(), range.start())
          .map(known -> new WalGap(range, known.noticedAt(), known.reason()))
          .orElse(WalGap.unexplained(range));
    } catch (RepositoryException e) {
      if (e.kind() != FailureKind.DAMAGED) {
        throw e;
      }
      // That log is missing is known without.
      String reason = "What was written down of it cannot be read: " + e.getMessage();
      return new WalGap(range, Optional.empty(), Optional.of(reason));
    }
  }
}
