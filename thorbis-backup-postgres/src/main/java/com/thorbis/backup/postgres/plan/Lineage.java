package com.thorbis.backup.postgres.plan;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.spi.repository.SourceInfo;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Which backups, of this life of a cluster and of those it came from, lie on a line. */
final class Lineage {
  private final SourceInfo source;
  private final WalLedger ledger;

  Lineage(SourceInfo source, WalLedger ledger) {
    this.source = source;
    this.ledger = ledger;
  }

  /** Why recovery along the line cannot start from a backup; empty if it can. */
  Optional<String> objection(BackupDescriptor backup, TimelineHistory line) throws IOException {
    if (!backup.status().restorable()) {
      return Optional.of("its WAL is not stored yet");
    }
    Optional<List<SourceInfo.Fork>> forks = forks(backup.incarnation());
    if (forks.isEmpty()) {
      return Optional.of("it is of another life of the cluster, " + backup.incarnation());
    }
    for (SourceInfo.Fork fork : forks.get()) {
      Optional<TimelineHistory> shared = ledger.history(fork.timeline());
      if (shared.isEmpty() || !before(backup, shared.get(), Optional.of(fork.position()))) {
        return Optional.of(
            "the cluster was restored to "
                + fork.position()
                + " of timeline "
                + fork.timeline()
                + " and left it behind");
      }
    }
    if (!before(backup, line, Optional.empty())) {
      return Optional.of(
          "it ends at "
              + backup.stopLsn()
              + " of timeline "
              + backup.timeline()
              + ", which does not lead to timeline "
              + line.timeline());
    }
    return Optional.empty();
  }

  /** The forks between a life and the current one; empty if it is not one the current came from. */
  private Optional<List<SourceInfo.Fork>> forks(String incarnation) {
    List<SourceInfo.Fork> forks = new ArrayList<>();
    String id = source.current().id();
    for (int i = 0; i < source.incarnations().size() && !id.equals(incarnation); i++) {
      Optional<SourceInfo.Fork> fork = find(id).flatMap(SourceInfo.Incarnation::fork);
      if (fork.isEmpty()) {
        return Optional.empty();
      }
      forks.add(fork.get());
      id = fork.get().parent();
    }
    return id.equals(incarnation) ? Optional.of(forks) : Optional.empty();
  }

  private Optional<SourceInfo.Incarnation> find(String id) {
    return source.incarnations().stream().filter(one -> one.id().equals(id)).findFirst();
  }

  private static boolean before(
      BackupDescriptor backup, TimelineHistory line, Optional<Lsn> limit) {
    Timeline timeline = backup.timeline();
    Optional<TimelineHistory.Piece> piece =
        line.pieces().stream().filter(p -> p.timeline().equals(timeline)).findFirst();
    return piece.isPresent()
        && backup.startLsn().compareTo(piece.get().begin()) >= 0
        && piece.get().end().filter(end -> backup.stopLsn().compareTo(end) > 0).isEmpty()
        && limit.filter(end -> backup.stopLsn().compareTo(end) > 0).isEmpty();
  }
}
