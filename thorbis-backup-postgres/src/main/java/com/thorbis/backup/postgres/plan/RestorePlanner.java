package com.thorbis.backup.postgres.plan;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;

/**
 * Proves from what is stored that a moment can be reached, and how; or refuses and names the
 * nearest one that can. A server that is given a moment before its backup's end does not fail: it
 * comes up somewhere else. So nothing is left to it.
 */
public final class RestorePlanner {
  private static final int MOST_REASONS = 20;

  private final SourceInfo source;
  private final List<BackupDescriptor> backups;
  private final List<BackupDescriptor> dumps;
  private final WalLedger ledger;

  /**
   * Plans for the current life of a source.
   *
   * @param source the source
   * @param backups its backups, in any order
   * @param archive the WAL of its current incarnation
   */
  public RestorePlanner(SourceInfo source, List<BackupDescriptor> backups, WalArchive archive) {
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
            .sorted(Comparator.comparing(BackupDescriptor::stopLsn).reversed())
            .toList();
  }

  /**
   * The way to a moment.
   *
   * @throws BackupException code {@code restore.dump}, kind REFUSED, where there is nothing but
   *     dumps; code {@code restore.unreachable}, kind REFUSED, with {@code nearest} where there is
   *     one, if it is not proven that the moment is reached
   */
  public RestorePlan plan(RestoreRequest request) throws IOException {
    requireNoDump(request);
    List<String> notes = new ArrayList<>();
    Timeline timeline = request.timeline().isPresent() ? request.timeline().get() : latest(notes);
    Refusal refusal = new Refusal(request.target());
    Optional<TimelineHistory> line = ledger.history(timeline);
    if (line.isEmpty()) {
      throw refusal.because(
          "history-missing",
          timeline.historyFileName()
              + " is not stored: without it nobody knows how timeline "
              + timeline
              + " began");
    }
    if (request.backup().isPresent()
        && backups.stream().noneMatch(b -> b.id().equals(request.backup().get()))) {
      throw BackupException.of(
              "backup.not-found",
              FailureKind.NOT_FOUND,
              "Source " + source.name() + " has no backup " + request.backup().get())
          .remedy("List the source's backups.")
          .detail("backup", request.backup().get().value())
          .build();
    }
    Lineage lineage = new Lineage(source, ledger);
    Set<WalSegment> holes = new LinkedHashSet<>();
    for (BackupDescriptor backup : backups) {
      if (request.backup().isPresent() && !request.backup().get().equals(backup.id())) {
        continue;
      }
      Optional<String> unusable = lineage.objection(backup, line.get());
      if (unusable.isPresent()) {
        refusal.add(backup, unusable.get());
        continue;
      }
      WalStretch wal = ledger.follow(line.get(), backup.startLsn());
      if (wal.end().compareTo(backup.stopLsn()) < 0 || wal.gap().isPresent()) {
        holes.add(
            WalSegment.containing(
                wal.gap().map(WalRange::timeline).orElse(backup.timeline()),
                wal.end(),
                ledger.segmentSize()));
      }
      if (wal.end().compareTo(backup.stopLsn()) < 0) {
        refusal.add(
            backup,
            "WAL is missing before the end of the backup, from "
                + wal.end()
                + wal.gap().map(gap -> " to " + gap.end()).orElse(""));
        continue;
      }
      Optional<Way> way = way(request, backup, wal, refusal);
      if (way.isPresent()) {
        notes.addAll(way.get().notes());
        return plan(backup, wal, way.get(), request, notes);
      }
    }
    for (WalSegment hole : holes) {
      ledger.requireAbsent(hole);
    }
    throw refusal.build(source.name());
  }

  /** A dump holds no files, so that nothing can be restored from it. */
  private void requireNoDump(RestoreRequest request) {
    Optional<BackupDescriptor> dump =
        request.backup().isPresent()
            ? dumps.stream().filter(one -> one.id().equals(request.backup().get())).findFirst()
            : backups.isEmpty() && !dumps.isEmpty()
                ? Optional.of(dumps.get(dumps.size() - 1))
                : Optional.empty();
    if (dump.isPresent()) {
      throw BackupException.of(
              "restore.dump",
              FailureKind.REFUSED,
              "Backup " + dump.get().id() + " is a dump: it holds no files to restore")
          .remedy("Bring it into a running server with load.")
          .detail("backup", dump.get().id().value())
          .build();
    }
  }

  /**
   * What has to be read before a way can be proven, by the catalogue and listings alone: where the
   * headers of log must be brought back first.
   *
   * @param backup where the way would begin
   * @param wal the log whose headers may tell
   */
  public record Outlook(BackupDescriptor backup, List<WalRange> wal) {
    /** Copies the list. */
    public Outlook {
      wal = List.copyOf(wal);
    }
  }

  /** The outlook; empty if no backup comes into question. */
  public Optional<Outlook> outlook(RestoreRequest request) throws IOException {
    Timeline timeline =
        request.timeline().isPresent() ? request.timeline().get() : latest(new ArrayList<>());
    Optional<TimelineHistory> line = ledger.history(timeline);
    if (line.isEmpty()) {
      return Optional.empty();
    }
    Lineage lineage = new Lineage(source, ledger);
    for (BackupDescriptor backup : backups) {
      if (request.backup().filter(id -> !id.equals(backup.id())).isEmpty()
          && comesBefore(backup, request.target())
          && lineage.objection(backup, line.get()).isEmpty()) {
        return Optional.of(
            new Outlook(backup, ledger.follow(line.get(), backup.startLsn()).ranges()));
      }
    }
    return Optional.empty();
  }

  private static boolean comesBefore(BackupDescriptor backup, RecoveryTarget target) {
    if (target instanceof RecoveryTarget.AtTime at) {
      return !backup.stoppedAt().isAfter(at.time());
    }
    return !(target instanceof RecoveryTarget.AtLsn at)
        || backup.stopLsn().compareTo(at.position()) <= 0;
  }

  /** A proven way: the target as the server gets it, and where replay ends. */
  private record Way(RecoveryTarget target, Lsn until, List<String> notes) {
    Way(RecoveryTarget target, Lsn until) {
      this(target, until, List.of());
    }
  }

  private RestorePlan plan(
      BackupDescriptor backup, WalStretch wal, Way way, RestoreRequest request, List<String> notes)
      throws IOException {
    Timeline timeline = wal.line().timeline();
    List<WalRange> needed = wal.rangesTo(way.until());
    if (request.timeline().isEmpty()) {
      // The timeline that the end lies on, so that the next history does not name later ones.
      Timeline owner = wal.line().owner(way.until());
      if (needed.stream().allMatch(range -> range.timeline().compareTo(owner) <= 0)) {
        timeline = owner;
      }
    }
    return new RestorePlan(
        backup,
        way.target(),
        timeline,
        needed,
        backup.files(),
        backup.bytes(),
        notes,
        Optional.of(way.until()),
        Optional.empty());
  }

  /** The newest timeline that has WAL; one that was only announced leads nowhere yet. */
  private Timeline latest(List<String> notes) throws IOException {
    Timeline latest = null;
    for (Timeline timeline : ledger.archive().timelines()) {
      if (!ledger.ranges(timeline).isEmpty()
          && (latest == null || timeline.compareTo(latest) > 0)) {
        latest = timeline;
      }
    }
    for (Timeline timeline : ledger.archive().timelines()) {
      if (latest != null && timeline.compareTo(latest) > 0) {
        notes.add("Timeline " + timeline + " has a history file and no WAL: it is not followed");
      }
    }
    if (latest != null) {
      return latest;
    }
    return backups.stream()
        .map(BackupDescriptor::timeline)
        .max(Comparator.naturalOrder())
        .orElseGet(() -> new Timeline(1));
  }

  private static Optional<Way> way(
      RestoreRequest request, BackupDescriptor backup, WalStretch wal, Refusal refusal)
      throws IOException {
    RecoveryTarget target = request.target();
    if (target instanceof RecoveryTarget.Latest) {
      return latest(request, backup, wal, refusal);
    } else if (target instanceof RecoveryTarget.Immediate) {
      return Optional.of(new Way(target, backup.stopLsn()));
    } else if (target instanceof RecoveryTarget.AtTime time) {
      return time(time, backup, wal, refusal);
    } else if (target instanceof RecoveryTarget.AtLsn lsn) {
      return lsn(lsn, backup, wal, refusal);
    } else if (target instanceof RecoveryTarget.AtTransaction transaction) {
      return transaction(transaction, backup, wal, refusal);
    } else {
      return name((RecoveryTarget.AtName) target, backup, wal, refusal);
    }
  }

  private static Optional<Way> latest(
      RestoreRequest request, BackupDescriptor backup, WalStretch wal, Refusal refusal)
      throws IOException {
    Timeline timeline = wal.line().timeline();
    Optional<WalStretch.Last> last = wal.last();
    Lsn end = last.map(WalStretch.Last::end).orElse(backup.stopLsn());
    if (wal.gap().isPresent()) {
      refusal.add(backup, missing(wal.gap().get()));
      refusal.reachableLsn(end);
      return Optional.empty();
    }
    boolean reached =
        wal.line().pieces().stream()
            .filter(piece -> piece.timeline().equals(timeline))
            .allMatch(piece -> piece.begin().compareTo(wal.end()) < 0 || begins(piece));
    if (!reached) {
      refusal.add(backup, "no WAL of timeline " + timeline + " is stored");
      refusal.reachableLsn(end);
      return Optional.empty();
    }
    if (request.action() == RestoreRequest.Action.PROMOTE || last.isEmpty()) {
      return Optional.of(new Way(request.target(), end));
    }
    // A server that is told no target always promotes at the end.
    return Optional.of(
        new Way(
            new RecoveryTarget.AtLsn(last.get().record(), true),
            last.get().record(),
            List.of("The last stored record is at " + last.get().record())));
  }

  private static boolean begins(TimelineHistory.Piece piece) {
    return piece.begin().value() == 0;
  }

  private static Optional<Way> time(
      RecoveryTarget.AtTime target, BackupDescriptor backup, WalStretch wal, Refusal refusal)
      throws IOException {
    Instant time = target.time();
    if (backup.stoppedAt().isAfter(time)) {
      refusal.add(backup, "the backup ended later, at " + backup.stoppedAt());
      refusal.reachableTime(backup.stoppedAt());
      return Optional.empty();
    }
    Predicate<Instant> beyond =
        target.inclusive() ? end -> end.isAfter(time) : end -> !end.isBefore(time);
    Optional<WalStretch.Event> first = wal.anEnd(beyond, backup.stopLsn());
    if (first.isPresent()) {
      if (first.get().record().compareTo(backup.stopLsn()) < 0) {
        refusal.add(
            backup,
            "a transaction that ended after the target, at "
                + first.get().time()
                + ", is part of it");
        return Optional.empty();
      }
      return Optional.of(new Way(target, first.get().record()));
    }
    Instant complete = wal.completeTo().orElse(backup.stoppedAt());
    if (complete.isBefore(backup.stoppedAt())) {
      complete = backup.stoppedAt();
    }
    Optional<WalStretch.Last> last = wal.last();
    if (time.isAfter(complete) || last.isEmpty()) {
      refusal.add(
          backup,
          wal.gap()
              .map(RestorePlanner::missing)
              .orElse("the stored WAL tells what happened until " + complete));
      refusal.reachableTime(complete);
      return Optional.empty();
    }
    return Optional.of(
        new Way(
            new RecoveryTarget.AtLsn(last.get().record(), true),
            last.get().record(),
            List.of(
                "Nothing ended between the target and "
                    + complete
                    + ", up to which the WAL is complete: the server gets the last record, "
                    + last.get().record()
                    + ", as its target")));
  }

  private static Optional<Way> lsn(
      RecoveryTarget.AtLsn target, BackupDescriptor backup, WalStretch wal, Refusal refusal)
      throws IOException {
    Lsn position = target.position();
    if (position.compareTo(backup.stopLsn()) < 0) {
      refusal.add(backup, "it ends later, at " + backup.stopLsn());
      refusal.reachableLsn(backup.stopLsn());
      return Optional.empty();
    }
    Optional<WalStretch.Last> last = wal.last();
    if (last.isPresent() && position.compareTo(last.get().record()) <= 0) {
      return Optional.of(new Way(target, position));
    }
    if (last.isPresent() && position.compareTo(last.get().end()) <= 0) {
      return Optional.of(
          new Way(
              new RecoveryTarget.AtLsn(last.get().record(), true),
              last.get().record(),
              List.of(
                  "No record starts at "
                      + position
                      + " yet: the server gets the last one before it, "
                      + last.get().record()
                      + ", as its target")));
    }
    Lsn end = last.map(WalStretch.Last::end).orElse(backup.stopLsn());
    refusal.add(
        backup, wal.gap().map(RestorePlanner::missing).orElse("the stored WAL ends at " + end));
    refusal.reachableLsn(end);
    return Optional.empty();
  }

  private static Optional<Way> transaction(
      RecoveryTarget.AtTransaction target, BackupDescriptor backup, WalStretch wal, Refusal refusal)
      throws IOException {
    Optional<WalStretch.Event> end = wal.end(target.xid());
    if (end.isEmpty()) {
      refusal.add(
          backup,
          "transaction "
              + target.xid()
              + " does not end in the WAL behind the backup"
              + wal.gap().map(gap -> "; " + missing(gap)).orElse(""));
      wal.outermostXids(backup.stopLsn()).forEach(refusal::reachableXid);
      refusal.reachableAnyway();
      return Optional.empty();
    }
    if (end.get().record().compareTo(backup.stopLsn()) < 0) {
      refusal.add(backup, "transaction " + target.xid() + " had ended before it did");
      wal.outermostXids(backup.stopLsn()).forEach(refusal::reachableXid);
      refusal.reachableAnyway();
      return Optional.empty();
    }
    return Optional.of(new Way(target, end.get().record()));
  }

  private static Optional<Way> name(
      RecoveryTarget.AtName target, BackupDescriptor backup, WalStretch wal, Refusal refusal)
      throws IOException {
    Optional<WalStretch.Event> point = wal.restorePoint(target.name());
    if (point.isPresent() && point.get().record().compareTo(backup.stopLsn()) >= 0) {
      long more =
          wal.restorePoints().stream()
              .filter(p -> p.name().equals(target.name()))
              .filter(p -> p.position().compareTo(point.get().record()) > 0)
              .count();
      return Optional.of(
          new Way(
              target,
              point.get().record(),
              more == 0
                  ? List.of()
                  : List.of(
                      more
                          + " later restore points have the same name; recovery ends at the first,"
                          + " made at "
                          + point.get().time())));
    }
    refusal.add(
        backup,
        point.isPresent()
            ? "the restore point was made before the backup ended"
            : "no restore point of this name is in the WAL behind the backup"
                + wal.gap().map(gap -> "; " + missing(gap)).orElse(""));
    List<String> names =
        wal.restorePoints().stream().map(WalMarks.RestorePoint::name).distinct().toList();
    for (int i = names.size() - 1; i >= 0; i--) {
      Optional<WalStretch.Event> first = wal.restorePoint(names.get(i));
      if (first.filter(p -> p.record().compareTo(backup.stopLsn()) >= 0).isPresent()) {
        refusal.reachableName(names.get(i));
        break;
      }
    }
    refusal.reachableAnyway();
    return Optional.empty();
  }

  private static String missing(WalRange gap) {
    return "WAL of timeline "
        + gap.timeline()
        + " is missing from "
        + gap.start()
        + " to "
        + gap.end();
  }

  /** Collects why a target is out of reach, and what is nearest to it. */
  private static final class Refusal {
    private final RecoveryTarget target;
    private final Map<String, String> reasons = new LinkedHashMap<>();
    private int more;
    private Optional<String> nearest = Optional.empty();
    private Optional<String> anyway = Optional.empty();
    private Optional<Duration> timeDistance = Optional.empty();
    private long distance = -1; // the greatest, unsigned

    Refusal(RecoveryTarget target) {
      this.target = target;
    }

    void add(BackupDescriptor backup, String reason) {
      if (reasons.size() < MOST_REASONS) {
        reasons.put(backup.id().value(), reason);
      } else {
        more++;
      }
    }

    void reachableTime(Instant time) {
      if (target instanceof RecoveryTarget.AtTime at) {
        Duration away = Duration.between(time, at.time()).abs();
        if (timeDistance.isEmpty() || away.compareTo(timeDistance.get()) < 0) {
          timeDistance = Optional.of(away);
          nearest = Optional.of(time.toString());
        }
      }
    }

    void reachableLsn(Lsn position) {
      if (target instanceof RecoveryTarget.AtLsn at) {
        boolean before = position.compareTo(at.position()) < 0;
        near(
            before
                ? at.position().value() - position.value()
                : position.value() - at.position().value(),
            position.toString());
      } else if (nearest.isEmpty() || Lsn.parse(nearest.get()).compareTo(position) < 0) {
        nearest = Optional.of(position.toString());
      }
    }

    void reachableXid(long xid) {
      if (target instanceof RecoveryTarget.AtTransaction at) {
        near(Math.abs(at.xid() - xid), Long.toString(xid));
      }
    }

    void reachableName(String name) {
      if (nearest.isEmpty()) {
        nearest = Optional.of(name);
      }
    }

    /**
     * What a backup with its WAL can always reach, where nothing is nearer in the target's terms.
     */
    void reachableAnyway() {
      anyway = Optional.of("immediate");
    }

    private void near(long away, String what) {
      if (nearest.isEmpty() || Long.compareUnsigned(away, distance) < 0) {
        distance = away;
        nearest = Optional.of(what);
      }
    }

    BackupException because(String detail, String reason) {
      return BackupException.of(
              "restore.unreachable",
              FailureKind.REFUSED,
              "Cannot reach " + describe(target) + ": " + reason)
          .remedy("Store the history file with wal push, or choose another timeline.")
          .detail("reason", detail)
          .build();
    }

    BackupException build(String source) {
      nearest = nearest.or(() -> anyway);
      String newest =
          reasons.isEmpty()
              ? "source " + source + " has no backup"
              : "from backup "
                  + reasons.keySet().iterator().next()
                  + ": "
                  + reasons.values().iterator().next();
      BackupException.Builder builder =
          BackupException.of(
                  "restore.unreachable",
                  FailureKind.REFUSED,
                  "Cannot reach "
                      + describe(target)
                      + (reasons.isEmpty() ? ": " : " ")
                      + newest
                      + nearest.map(n -> ". The nearest that can be reached is " + n).orElse(""))
              .remedy(
                  nearest.isPresent()
                      ? "Ask for the nearest, or look at status for what can be reached."
                      : "Look at status for what can be reached.");
      nearest.ifPresent(n -> builder.detail("nearest", n));
      reasons.forEach((backup, reason) -> builder.detail("backup." + backup, reason));
      if (more > 0) {
        builder.detail("more-backups", Integer.toString(more));
      }
      return builder.build();
    }

    private static String describe(RecoveryTarget target) {
      if (target instanceof RecoveryTarget.AtTime time) {
        return time.time().toString();
      } else if (target instanceof RecoveryTarget.AtLsn lsn) {
        return lsn.position().toString();
      } else if (target instanceof RecoveryTarget.AtTransaction transaction) {
        return "transaction " + transaction.xid();
      } else if (target instanceof RecoveryTarget.AtName name) {
        return "restore point \"" + name.name() + "\"";
      } else if (target instanceof RecoveryTarget.Immediate) {
        return "the end of a backup";
      } else {
        return "the end of the stored WAL";
      }
    }
  }
}
