package com.thorbis.backup.dr.monitor;

import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.ServerLog;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.dr.monitor.Evidence.Taken;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;

/** Compares what is stored of one source with what is expected of it. */
final class SourceJudge {
  /** Clocks that are further apart make ages wrong. */
  static final Duration MOST_SKEW = Duration.ofMinutes(5);

  private static final int NEAR_PERCENT = 50;
  private static final int FULL_PERCENT = 90;

  private static final double SIZE_RATIO = 1.5;
  private static final long SIZE_DIFFERENCE = 1L << 20;
  private static final double CHURN_RATIO = 4;
  private static final long CHURN_DIFFERENCE = 16L << 20;
  private static final double DURATION_RATIO = 3;
  private static final long DURATION_DIFFERENCE = Duration.ofMinutes(1).toMillis();

  private final Expectation expected;
  private final Instant now;
  private final List<Taken> backups;
  private final List<Alarm> alarms = new ArrayList<>();
  private final String area;

  /**
   * Of one source.
   *
   * @param backups oldest first
   */
  SourceJudge(Expectation expected, Instant now, List<Taken> backups) {
    this.expected = expected;
    this.now = now;
    this.backups = backups;
    this.area = area(expected.source());
  }

  static String area(String source) {
    return "source " + source;
  }

  List<Alarm> alarms() {
    return List.copyOf(alarms);
  }

  /** The last backup that everything comes back from; one from the future proves nothing. */
  Optional<Taken> lastGood() {
    return backups.stream()
        .filter(backup -> backup.restorable() && !backup.partial())
        .filter(backup -> !backup.stoppedAt().isAfter(now.plus(MOST_SKEW)))
        .max(Comparator.comparing(Taken::stoppedAt));
  }

  /**
   * Whether there are backups, in time.
   *
   * @param begun when the repository came to know the source, or began itself
   */
  void backups(Instant begun) {
    backups.stream()
        .filter(backup -> backup.stoppedAt().isAfter(now.plus(MOST_SKEW)))
        .max(Comparator.comparing(Taken::stoppedAt))
        .ifPresent(
            future ->
                add(
                    AlarmKind.CLOCK,
                    Severity.CRITICAL,
                    Optional.empty(),
                    "backups end before now",
                    "backup "
                        + future.id()
                        + " says that it ended at "
                        + Said.time(future.stoppedAt()),
                    "Set the clocks of the server and of this machine right."));
    Optional<Taken> last = lastGood();
    if (last.isEmpty()) {
      never(begun);
      return;
    }
    expected
        .maxAge()
        .map(age -> last.get().stoppedAt().plus(age))
        .filter(now::isAfter)
        .ifPresent(
            due ->
                add(
                    AlarmKind.LATE,
                    Severity.CRITICAL,
                    Optional.of(due),
                    "a backup that is at most "
                        + Said.span(expected.maxAge().orElseThrow())
                        + " old",
                    "the last one ended at "
                        + Said.time(last.get().stoppedAt())
                        + ", "
                        + Said.span(Duration.between(last.get().stoppedAt(), now))
                        + " ago",
                    "See why none was taken, and run backup " + expected.source() + "."));
    expected.due().forEach(due -> missed(due, begun));
    for (Taken backup : backups) {
      Instant until = backup.stoppedAt().plus(expected.awaitingLog());
      if (!backup.restorable() && now.isAfter(until)) {
        add(
            AlarmKind.AWAITING_LOG,
            Severity.WARNING,
            Optional.of(until),
            "the log of a backup within " + Said.span(expected.awaitingLog()),
            "backup " + backup.id() + " waits for it since " + Said.time(backup.stoppedAt()),
            "See whether wal receive or the archiver runs. Without its log it cannot be restored.");
        break; // the one that waits longest
      }
    }
    if (expected.usual()) {
      unusual();
    }
  }

  private void never(Instant begun) {
    boolean young = expected.maxAge().filter(age -> begun.plus(age).isAfter(now)).isPresent();
    long others = backups.size();
    add(
        AlarmKind.NEVER_SUCCEEDED,
        young ? Severity.WARNING : Severity.CRITICAL,
        Optional.of(begun),
        "a backup that everything comes back from",
        others == 0
            ? "there is none"
            : "there are " + others + ", none of them whole, complete and from before now",
        "Run backup " + expected.source() + ", and see that it completes.");
  }

  private void missed(Expectation.Due due, Instant begun) {
    Instant last = due.previous().apply(now.minus(due.window()));
    if (last.isBefore(begun) || taken(due.type(), last)) {
      return;
    }
    Instant before = due.previous().apply(last.minusMillis(1));
    boolean twice = !before.isBefore(begun) && !taken(due.type(), before);
    add(
        expected.source() + " (" + due.type().label() + ")",
        AlarmKind.MISSED,
        twice ? Severity.CRITICAL : Severity.WARNING,
        Optional.of((twice ? before : last).plus(due.window())),
        "a "
            + due.type().label()
            + " backup from "
            + Said.time(last)
            + ", within "
            + Said.span(due.window()),
        twice ? "none, nor at the time before that" : "none",
        "See why none was taken, and run backup "
            + expected.source()
            + " --type "
            + due.type().label()
            + ".");
  }

  /** Whether one was taken that does for this type. */
  private boolean taken(BackupType type, Instant from) {
    Instant start = from.minus(MOST_SKEW);
    return backups.stream()
        .anyMatch(
            backup ->
                backup.restorable()
                    && !backup.partial()
                    && !backup.startedAt().isBefore(start)
                    && !backup.stoppedAt().isAfter(now.plus(MOST_SKEW))
                    && does(backup.type(), type));
  }

  private static boolean does(BackupType taken, BackupType wanted) {
    if (wanted == BackupType.DUMP || taken == BackupType.DUMP) {
      return taken == wanted;
    }
    return taken == wanted
        || taken == BackupType.FULL
        || wanted == BackupType.INCREMENTAL && taken == BackupType.DIFFERENTIAL;
  }

  private void unusual() {
    for (BackupType type : BackupType.values()) {
      List<Taken> same =
          backups.stream()
              .filter(backup -> backup.type() == type && !backup.partial())
              .filter(backup -> !backup.stoppedAt().isAfter(now.plus(MOST_SKEW)))
              .toList();
      if (same.isEmpty() || !same.get(same.size() - 1).equals(newest().orElse(null))) {
        continue; // one of another type came later, and was judged by its own
      }
      Taken last = same.get(same.size() - 1);
      compare(same, last, AlarmKind.UNUSUAL_SIZE, Taken::bytes, SIZE_RATIO, SIZE_DIFFERENCE);
      if (!type.independent()) {
        compare(same, last, AlarmKind.UNUSUAL_CHURN, Taken::changed, CHURN_RATIO, CHURN_DIFFERENCE);
      }
      compare(
          same,
          last,
          AlarmKind.UNUSUAL_DURATION,
          backup -> backup.duration().toMillis(),
          DURATION_RATIO,
          DURATION_DIFFERENCE);
    }
  }

  private Optional<Taken> newest() {
    return backups.stream()
        .filter(backup -> !backup.partial())
        .filter(backup -> !backup.stoppedAt().isAfter(now.plus(MOST_SKEW)))
        .reduce((older, newer) -> newer);
  }

  private void compare(
      List<Taken> same,
      Taken last,
      AlarmKind kind,
      ToLongFunction<Taken> figure,
      double ratio,
      long difference) {
    List<Long> before = same.subList(0, same.size() - 1).stream().map(figure::applyAsLong).toList();
    long found = figure.applyAsLong(last);
    boolean time = kind == AlarmKind.UNUSUAL_DURATION;
    Anomaly.usual(before, found, ratio, difference)
        .filter(usual -> !time || found > usual) // a faster one that holds as much is no trouble
        .ifPresent(
            usual ->
                add(
                    kind,
                    Severity.WARNING,
                    Optional.of(last.stoppedAt()),
                    "about "
                        + (time ? Said.span(Duration.ofMillis(usual)) : Said.bytes(usual))
                        + ", as in "
                        + Math.min(before.size(), Anomaly.MOST)
                        + " "
                        + last.type().label()
                        + " backups before",
                    "backup "
                        + last.id()
                        + " has "
                        + (time ? Said.span(Duration.ofMillis(found)) : Said.bytes(found)),
                    found < usual
                        ? "See whether the source still holds everything before older backups go."
                        : "See what has changed in the source, or in how it is read."));
  }

  /** Whether what is stored hangs together. */
  void status(SourceStatus status) {
    if (status.fenced()) {
      add(
          AlarmKind.FENCED,
          Severity.CRITICAL,
          Optional.empty(),
          "a cluster that is protected",
          "a restored cluster runs, and nothing of it is stored",
          "Run source adopt " + expected.source() + " if it is the one to go on with.");
    }
    Optional<WalGap> worst = status.gaps().stream().reduce((a, b) -> isPast(a) ? b : a);
    worst.ifPresent(
        gap ->
            add(
                AlarmKind.GAP,
                isPast(gap) ? Severity.WARNING : Severity.CRITICAL,
                gap.noticedAt().or(() -> endBefore(gap, status)),
                "log without a hole",
                (status.gaps().size() == 1 ? "" : status.gaps().size() + " holes; ")
                    + "missing from "
                    + gap.range().start()
                    + " to "
                    + gap.range().end()
                    + " on timeline "
                    + gap.range().timeline()
                    + gap.reason().map(reason -> ": " + reason).orElse(""),
                isPast(gap)
                    ? "Nothing in it can be reached. If the server still has it, use wal push."
                    : "Push what the server still has with wal push, or take a full backup."));
  }

  private boolean isPast(WalGap gap) {
    return backups.stream()
        .filter(Taken::restorable)
        .flatMap(backup -> backup.startLsn().stream())
        .anyMatch(start -> start.compareTo(gap.range().end()) >= 0);
  }

  private static Optional<Instant> endBefore(WalGap gap, SourceStatus status) {
    return status.windows().stream()
        .filter(window -> window.toLsn().compareTo(gap.range().start()) <= 0)
        .flatMap(window -> window.toTime().stream())
        .max(Comparator.naturalOrder());
  }

  /**
   * Whether changes are stored in time.
   *
   * @param unstored how old the oldest change may be that is not stored; empty if that is unknown
   * @param asked whether the server said how far it is
   */
  void lag(Optional<Duration> unstored, boolean asked) {
    if (expected.maxDelay().isEmpty() || unstored.isEmpty()) {
      return;
    }
    Duration most = expected.maxDelay().get();
    if (unstored.get().compareTo(most) > 0) {
      add(
          AlarmKind.LAG,
          Severity.CRITICAL,
          Optional.of(now.minus(unstored.get()).plus(most)),
          "every change stored within " + Said.span(most),
          (asked
                  ? "what is stored may lack changes of the last "
                  : "the newest stored change is of ")
              + Said.span(unstored.get())
              + (asked ? "" : " ago, and the server did not say whether it wrote anything since"),
          "See whether wal receive or the archiver runs.");
    }
  }

  /** Whether the server will keep what is not stored yet. */
  void slot(ServerLog.Slot slot) {
    long percent =
        slot.budgetBytes() <= 0 ? 0 : slot.keptBytes() / Math.max(1, slot.budgetBytes() / 100);
    if (slot.lost() || percent >= NEAR_PERCENT) {
      add(
          AlarmKind.SLOT,
          slot.lost() || percent >= FULL_PERCENT ? Severity.CRITICAL : Severity.WARNING,
          Optional.empty(),
          "slot " + slot.name() + " within " + Said.bytes(slot.budgetBytes()),
          slot.lost()
              ? "it lost log that it should have kept"
              : "it keeps " + Said.bytes(slot.keptBytes()) + ", " + percent + " %",
          slot.lost()
              ? "Drop it, start wal receive, and take a full backup."
              : "Start wal receive, or see why it does not keep up.");
    }
  }

  /**
   * What the server itself is ahead by, where it says; what is stored tells of quiet times only.
   */
  static boolean allStored(ServerLog log, SourceStatus status) {
    Optional<Lsn> stored =
        status.windows().stream().map(SourceStatus.Window::toLsn).max(Comparator.naturalOrder());
    return stored.filter(to -> to.compareTo(log.written()) >= 0).isPresent();
  }

  /** What became of runs. */
  void runs(List<RunFact> facts) {
    List<RunFact> failed = new ArrayList<>();
    facts.stream()
        .filter(run -> run.source().equals(expected.source()))
        .sorted(Comparator.comparing(RunFact::endedAt))
        .forEach(
            run -> {
              if (run.succeeded()) {
                failed.clear();
              } else {
                failed.add(run);
              }
            });
    // A backup that somebody took by hand ends it too.
    lastGood().ifPresent(good -> failed.removeIf(run -> run.endedAt().isBefore(good.stoppedAt())));
    if (!failed.isEmpty()) {
      add(
          AlarmKind.FAILING,
          failed.size() > 1 ? Severity.CRITICAL : Severity.WARNING,
          Optional.of(failed.get(0).endedAt()),
          "runs that succeed",
          failed.size() + " failed, the last one with: " + failed.get(failed.size() - 1).outcome(),
          "See what that failure says to do.");
    }
  }

  /** What drills proved. */
  void drills(List<DrillFact> facts, Instant begun) {
    List<DrillFact> own =
        facts.stream()
            .filter(drill -> drill.source().equals(expected.source()))
            .filter(drill -> !drill.at().isAfter(now.plus(MOST_SKEW)))
            .sorted(Comparator.comparing(DrillFact::at))
            .toList();
    Optional<DrillFact> good =
        own.stream().filter(DrillFact::passed).reduce((older, newer) -> newer);
    Optional<Instant> passed = good.map(DrillFact::at);
    failing(own);
    if (expected.drillEvery().isEmpty()) {
      return;
    }
    Duration every = expected.drillEvery().get();
    String wanted = "a drill that passes every " + Said.span(every);
    if (own.isEmpty()) {
      add(
          AlarmKind.DRILL_NEVER,
          begun.plus(every).isAfter(now) ? Severity.WARNING : Severity.CRITICAL,
          Optional.of(begun),
          wanted,
          "none is known",
          "Run drill " + expected.source() + ".");
    } else if (passed.isEmpty() || passed.get().plus(every).isBefore(now)) {
      add(
          AlarmKind.DRILL_STALE,
          Severity.CRITICAL,
          Optional.of(passed.map(at -> at.plus(every)).orElse(own.get(0).at())),
          wanted,
          passed
              .map(at -> "the last one that passed was at " + Said.time(at))
              .orElse("none passed"),
          "Run drill " + expected.source() + ".");
    } else if (!good.orElseThrow().changed().isEmpty()) {
      add(
          AlarmKind.DRILL_OUTDATED,
          Severity.WARNING,
          Optional.empty(),
          "a drill that passed with what there is now",
          "the last one that passed was at "
              + Said.time(passed.get())
              + ": "
              + String.join("; ", good.get().changed()),
          "Run drill " + expected.source() + ".");
    }
  }

  /** That one copy brings it back says nothing of another one. */
  private void failing(List<DrillFact> own) {
    Map<Optional<String>, List<DrillFact>> read =
        own.stream()
            .collect(
                Collectors.groupingBy(DrillFact::copy, LinkedHashMap::new, Collectors.toList()));
    List<DrillFact> since = new ArrayList<>();
    List<String> failed = new ArrayList<>();
    read.forEach(
        (copy, drills) -> {
          DrillFact last = drills.get(drills.size() - 1);
          if (!last.passed()) {
            int first = drills.size() - 1;
            while (first > 0 && !drills.get(first - 1).passed()) {
              first--;
            }
            since.add(drills.get(first));
            failed.add(
                "the last one"
                    + copy.map(it -> " of copy " + it).orElse("")
                    + ", at "
                    + Said.time(last.at())
                    + ", failed: "
                    + last.outcome());
          }
        });
    if (!failed.isEmpty()) {
      add(
          AlarmKind.DRILL_FAILING,
          Severity.CRITICAL,
          since.stream().map(DrillFact::at).min(Comparator.naturalOrder()),
          "a drill that passes",
          String.join("; ", failed),
          "See its report; until one passes, count on no restore.");
    }
  }

  private void add(
      AlarmKind kind,
      Severity severity,
      Optional<Instant> since,
      String wanted,
      String found,
      String remedy) {
    add(expected.source(), kind, severity, since, wanted, found, remedy);
  }

  private void add(
      String subject,
      AlarmKind kind,
      Severity severity,
      Optional<Instant> since,
      String wanted,
      String found,
      String remedy) {
    boolean drill =
        kind == AlarmKind.DRILL_NEVER
            || kind == AlarmKind.DRILL_STALE
            || kind == AlarmKind.DRILL_OUTDATED
            || kind == AlarmKind.DRILL_FAILING;
    String where = drill ? Monitor.DRILLS : kind == AlarmKind.FAILING ? Monitor.RUNS : area(kind);
    alarms.add(new Alarm(kind, severity, where, subject, since, wanted, found, remedy));
  }

  /** What the server itself is asked is an area of its own: the repository may answer without. */
  private String area(AlarmKind kind) {
    return kind == AlarmKind.SLOT ? liveArea(expected.source()) : area;
  }

  static String liveArea(String source) {
    return "server of " + source;
  }
}
