package com.thorbis.backup.cli;

import com.thorbis.backup.dr.monitor.Look;
import com.thorbis.backup.dr.monitor.TierFact;
import com.thorbis.backup.dr.monitor.TierFact.Measured;
import com.thorbis.backup.dr.plan.ActionNames;
import com.thorbis.backup.dr.run.RunReport;
import com.thorbis.backup.dr.run.RunReport.TaskReport;
import com.thorbis.backup.dr.run.TierOutcome;
import java.io.PrintStream;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Whether a run keeps what is promised, and what was validated. */
final class DrTiers {
  private static final Set<String> VALIDATES =
      Set.of(ActionNames.VALIDATE, ActionNames.HTTP_CHECK, ActionNames.SQL_CHECK);

  private DrTiers() {}

  static List<TaskReport> validations(RunReport report) {
    return report.tasks().stream().filter(it -> VALIDATES.contains(it.task().action())).toList();
  }

  /** For evidence: texts, whole numbers and what consists of them. */
  static Map<String, Object> evidence(RunReport report, Instant now) {
    Map<String, Object> document = new LinkedHashMap<>();
    report.plan().outage().ifPresent(at -> document.put("outage", at.toString()));
    List<TierOutcome> tiers = report.outcomes(now);
    document.put("tiers", tiers.stream().map(DrTiers::evidence).toList());
    document.put(
        "validation",
        validations(report).stream()
            .map(
                it ->
                    Map.of(
                        "id", it.task().id(),
                        "status", it.status().label(),
                        "detail", it.detail()))
            .toList());
    longest(tiers.stream().map(TierOutcome::took).toList())
        .ifPresent(it -> document.put("millis", it.toMillis()));
    longest(tiers.stream().map(TierOutcome::lost).toList())
        .ifPresent(it -> document.put("loss", Map.of("millis", it.toMillis())));
    return document;
  }

  /** Of all; empty if one is not known. */
  private static Optional<Duration> longest(List<Optional<Duration>> spans) {
    return spans.stream().allMatch(Optional::isPresent)
        ? spans.stream().flatMap(Optional::stream).max(Duration::compareTo)
        : Optional.empty();
  }

  private static Map<String, Object> evidence(TierOutcome one) {
    Map<String, Object> document = new LinkedHashMap<>();
    json(one)
        .forEach(
            (name, value) -> {
              if (value instanceof Optional<?> maybe) {
                maybe.ifPresent(it -> document.put(name, ((Duration) it).toMillis()));
              } else if (value instanceof Duration span) {
                document.put(name, span.toMillis());
              } else if (value != null) {
                document.put(name, value);
              }
            });
    return document;
  }

  static Map<String, @Nullable Object> json(TierOutcome one) {
    return Json.object(
        "tier", one.tier(),
        "rtoMillis", one.rto(),
        "tookMillis", one.took(),
        "time", one.time().label(),
        "timeDetail", one.timeDetail(),
        "rpoMillis", one.rpo(),
        "lostMillis", one.lost(),
        "loss", one.loss().label(),
        "lossDetail", one.lossDetail());
  }

  static void people(RunReport report, Instant now, PrintStream out) {
    List<TierOutcome> tiers = report.outcomes(now);
    if (tiers.isEmpty()) {
      return;
    }
    out.println();
    out.println(
        report
            .plan()
            .outage()
            .map(at -> "What is promised, from the outage at " + Text.time(at) + " on:")
            .orElse(
                "What is promised; nobody said when the outage began, so times count from when"
                    + " the run was asked for, and are less than they were:"));
    List<List<String>> rows = new ArrayList<>();
    rows.add(List.of("TIER", "RTO", "TOOK", "KEPT", "RPO", "LOST", "KEPT"));
    for (TierOutcome one : tiers) {
      rows.add(
          List.of(
              one.tier(),
              span(one.rto()),
              one.took().map(DrTiers::span).orElse("-"),
              word(one.time()),
              span(one.rpo()),
              one.lost().map(it -> it.isZero() ? "nothing" : span(it)).orElse("-"),
              word(one.loss())));
    }
    Text.table(rows).forEach(out::println);
    tiers.stream()
        .flatMap(one -> List.of(why(one, one.timeDetail()), why(one, one.lossDetail())).stream())
        .forEach(out::println);
  }

  /** How a tier stands now: what would be lost, and how long it was away when it last was. */
  static Map<String, @Nullable Object> json(TierFact tier, Look look) {
    Optional<Duration> behind = behind(tier, look);
    return Json.object(
        "tier", tier.tier(),
        "sources", tier.sources(),
        "rpoMillis", tier.rpo(),
        "behindMillis", behind,
        "loss", word(behind, tier.rpo()),
        "rtoMillis", tier.rto(),
        "tookMillis", tier.measured().map(Measured::took),
        "time", word(tier.measured().map(Measured::took), tier.rto()),
        "measuredAt", tier.measured().map(Measured::at),
        "measuredBy", tier.measured().map(Measured::by));
  }

  static void people(List<TierFact> tiers, Look look, PrintStream out) {
    if (tiers.isEmpty()) {
      return;
    }
    out.println("tiers of the plan");
    for (TierFact tier : tiers) {
      Optional<Duration> behind = behind(tier, look);
      out.println(
          Text.plain(
              "  "
                  + tier.tier()
                  + ": "
                  + behind.map(it -> span(it) + " would be lost now").orElse("loss unknown")
                  + " of "
                  + span(tier.rpo())
                  + ", "
                  + tier.measured()
                      .map(it -> "back after " + span(it.took()) + " by " + it.by())
                      .orElse("never measured how long it is away")
                  + ", of "
                  + span(tier.rto())));
    }
  }

  /** The most of its sources; empty if one of them is not known. */
  private static Optional<Duration> behind(TierFact tier, Look look) {
    return longest(
            tier.sources().stream()
                .map(
                    source ->
                        look.sources().stream()
                            .filter(it -> it.name().equals(source))
                            .findFirst()
                            .flatMap(it -> it.lag().or(it::backupAge)))
                .toList())
        .filter(it -> !tier.sources().isEmpty());
  }

  private static String word(Optional<Duration> found, Duration target) {
    return found
        .map(it -> it.compareTo(target) > 0 ? TierOutcome.Verdict.MISSED : TierOutcome.Verdict.KEPT)
        .orElse(TierOutcome.Verdict.UNKNOWN)
        .label();
  }

  private static String why(TierOutcome one, String detail) {
    return Text.plain("  " + one.tier() + ": " + detail);
  }

  private static String word(TierOutcome.Verdict verdict) {
    return verdict == TierOutcome.Verdict.MISSED
        ? verdict.label().toUpperCase(Locale.ROOT)
        : verdict.label();
  }

  private static String span(Duration span) {
    return Text.span(span.toMillis());
  }
}
