package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.dr.drill.DrillHistory;
import com.thorbis.backup.dr.drill.DrillReport;
import com.thorbis.backup.dr.monitor.RecoveryFact;
import com.thorbis.backup.dr.monitor.TierFact;
import com.thorbis.backup.dr.monitor.TierFact.Measured;
import com.thorbis.backup.dr.plan.PlanReader;
import com.thorbis.backup.dr.plan.RecoveryPlan;
import com.thorbis.backup.dr.plan.Tier;
import com.thorbis.backup.dr.plan.Validation;
import com.thorbis.backup.dr.run.RunReport;
import com.thorbis.backup.dr.run.RunReport.Waiting;
import com.thorbis.backup.dr.run.RunStatus;
import com.thorbis.backup.dr.run.TierOutcome;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.BiConsumer;

/** What is told of recoveries and of what the plan promises to whoever looks for alarms. */
final class DrWatch {
  private DrWatch() {}

  /** Every run; none where no place for journals is configured. */
  static List<RecoveryFact> recoveries(Thorbis thorbis) {
    Instant now = thorbis.clock().instant();
    List<RecoveryFact> facts = new ArrayList<>();
    Map<String, String> unread = new TreeMap<>();
    reports(thorbis, unread::put).forEach(it -> facts.add(fact(it.report(), it.worked(), now)));
    unread.forEach(
        (run, why) ->
            facts.add(
                new RecoveryFact(
                    run,
                    "what its journal says",
                    now,
                    RecoveryFact.State.BLOCKED,
                    Optional.empty(),
                    "it cannot be read: " + why)));
    return facts;
  }

  /** A run, and whether somebody carries it out now. */
  private record Seen(RunReport report, boolean worked) {}

  /** One that nobody can read must not hide the others. */
  private static List<Seen> reports(Thorbis thorbis, BiConsumer<String, String> unread) {
    if (thorbis.config().dr().store().isEmpty()) {
      return List.of();
    }
    return DrRuns.with(
        thorbis,
        DrRuns.Attendance.none(),
        engine -> {
          List<Seen> seen = new ArrayList<>();
          for (String run : engine.everyRun()) {
            try {
              seen.add(new Seen(engine.look(run), engine.worker(run).isPresent()));
            } catch (BackupException e) {
              unread.accept(run, String.valueOf(e.getMessage()));
            }
          }
          return seen;
        });
  }

  static RecoveryFact fact(RunReport report, boolean worked, Instant now) {
    Optional<Waiting> overdue =
        report.waiting().stream()
            .flatMap(task -> task.waiting().stream())
            .filter(waiting -> waiting.until().filter(now::isAfter).isPresent())
            .min(Comparator.comparing(waiting -> waiting.until().orElse(now)));
    RunStatus status = report.status();
    boolean waits = status == RunStatus.WAITING;
    boolean windowOver = report.windowUntil().filter(now::isAfter).isPresent();
    if (status.ended()) {
      RecoveryFact.State state =
          switch (status) {
            case SUCCEEDED -> RecoveryFact.State.SUCCEEDED;
            case FAILED -> RecoveryFact.State.FAILED;
            default -> RecoveryFact.State.STOPPED;
          };
      return of(report, state, report.endedAt(), status.label() + why(report.reason()));
    }
    if (worked) {
      return of(report, RecoveryFact.State.GOING_ON, Optional.empty(), "");
    }
    if (overdue.isPresent() || windowOver) {
      return of(
          report,
          RecoveryFact.State.BLOCKED,
          overdue.flatMap(Waiting::until).or(report::windowUntil),
          "it waits " + report.reason() + ", and that is overdue");
    }
    return waits
        ? of(report, RecoveryFact.State.GOING_ON, Optional.empty(), "")
        : of(
            report,
            RecoveryFact.State.BLOCKED,
            Optional.of(report.timeline().get(report.timeline().size() - 1).at()),
            "it is " + status.label() + ", and nobody carries it out");
  }

  private static String why(String reason) {
    return reason.isEmpty() ? "" : ": " + reason;
  }

  private static RecoveryFact of(
      RunReport report, RecoveryFact.State state, Optional<Instant> since, String detail) {
    return new RecoveryFact(
        report.run(), report.plan().scenario(), report.startedAt(), state, since, detail);
  }

  /** The tiers of the plan; none where there is no plan. */
  static List<TierFact> tiers(Thorbis thorbis) {
    Optional<Path> file = thorbis.config().dr().plan();
    if (file.isEmpty()) {
      return List.of();
    }
    Instant now = thorbis.clock().instant();
    RecoveryPlan plan =
        Validation.inRecovery(PlanReader.read(Config.read(file.get()), file.get().toString()), now)
            .require();
    List<Seen> runs = reports(thorbis, (run, why) -> {});
    List<TierFact> facts = new ArrayList<>();
    for (Tier tier : plan.content().tiers()) {
      List<Measured> measured = new ArrayList<>();
      runs.forEach(it -> run(it.report(), tier, now).ifPresent(measured::add));
      drills(thorbis, tier).ifPresent(measured::add);
      facts.add(
          new TierFact(
              tier.id(),
              tier.rto(),
              tier.rpo(),
              tier.sources(),
              measured.stream().max(Comparator.comparing(Measured::at))));
    }
    return facts;
  }

  /** What a run measured from the outage on; without the outage it is less than it was. */
  private static Optional<Measured> run(RunReport report, Tier tier, Instant now) {
    boolean known = report.plan().outage().isPresent();
    return report.outcomes(now).stream()
        .filter(one -> one.tier().equals(tier.id()))
        .filter(one -> known || one.time() == TierOutcome.Verdict.MISSED)
        .flatMap(one -> one.took().stream())
        .findFirst()
        .map(took -> new Measured(took, report.endedAt().orElse(now), "run " + report.run()));
  }

  /** The slowest of its sources, as far as drills of this host tell. */
  private static Optional<Measured> drills(Thorbis thorbis, Tier tier) {
    List<Measured> slowest = new ArrayList<>();
    for (String source : tier.sources()) {
      try {
        new DrillHistory(thorbis.config().stateDirectory(), source)
            .lastPassed()
            .ifPresent(
                drill ->
                    slowest.add(
                        new Measured(
                            DrillReport.restored(drill.json()).orElse(Duration.ZERO),
                            drill.startedAt().plusMillis(drill.millis()),
                            "drill " + drill.id())));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    return slowest.stream().max(Comparator.comparing(Measured::took));
  }
}
