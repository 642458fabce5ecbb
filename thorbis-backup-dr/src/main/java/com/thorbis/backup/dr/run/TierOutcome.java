package com.thorbis.backup.dr.run;

import com.thorbis.backup.dr.run.RunReport.TaskReport;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Whether what is promised of a tier is kept. What was not measured is unknown, and never kept.
 *
 * @param tier its stable id
 * @param rto how long it may be away
 * @param took from the outage until it was served; from when the run was asked for, where nobody
 *     knows when the outage began, which is less; empty: it is not served
 * @param time whether that is kept
 * @param timeDetail why, for people
 * @param rpo how much of its past may be lost
 * @param lost how much was lost, at most; empty: nobody knows
 * @param loss whether that is kept
 * @param lossDetail why, for people
 */
public record TierOutcome(
    String tier,
    Duration rto,
    Optional<Duration> took,
    Verdict time,
    String timeDetail,
    Duration rpo,
    Optional<Duration> lost,
    Verdict loss,
    String lossDetail) {
  /** All that can be said; the worst last. */
  public enum Verdict {
    /** It was measured, and is within what is promised. */
    KEPT("kept"),
    /** It can be kept still. */
    OPEN("open"),
    /** It was not measured. */
    UNKNOWN("unknown"),
    /** It is more than what is promised. */
    MISSED("missed");

    private final String label;

    Verdict(String label) {
      this.label = label;
    }

    /** Its name in records. */
    public String label() {
      return label;
    }
  }

  static TierOutcome of(RunReport report, Objective objective, Instant now) {
    Time time = time(report, objective, now);
    List<Loss> losses = new ArrayList<>();
    objective.losses().forEach((source, tasks) -> losses.add(loss(report, source, tasks)));
    Loss loss =
        losses.stream()
            .map(one -> one.judged(objective.rpo()))
            .max(Comparator.comparing(Loss::verdict).thenComparing(one -> one.most().orElse(NONE)))
            .orElse(new Loss(Optional.empty(), true, Verdict.UNKNOWN, "it names no source"));
    return new TierOutcome(
        objective.tier(),
        objective.rto(),
        time.took(),
        time.verdict(),
        time.detail(),
        objective.rpo(),
        losses.stream().allMatch(one -> one.most().isPresent())
            ? losses.stream().flatMap(one -> one.most().stream()).max(Duration::compareTo)
            : Optional.empty(),
        loss.verdict(),
        loss.detail());
  }

  private static final Duration NONE = Duration.ZERO;

  private record Time(Optional<Duration> took, Verdict verdict, String detail) {}

  private static Time time(RunReport report, Objective objective, Instant now) {
    boolean known = report.plan().outage().isPresent();
    Instant began = report.plan().outage().orElse(report.startedAt());
    List<TaskReport> served = tasks(report, objective.served());
    Optional<TaskReport> open =
        served.stream().filter(one -> one.status() != TaskStatus.DONE).findFirst();
    String unsaid = known ? "" : "; nobody said when the outage began, which was earlier";
    if (served.isEmpty()) {
      return new Time(Optional.empty(), Verdict.UNKNOWN, "no step shows that it is served");
    }
    if (open.isPresent()) {
      Duration away = Duration.between(began, report.endedAt().orElse(now));
      String step = open.get().task().id() + " is " + open.get().status().label();
      boolean over = away.compareTo(objective.rto()) > 0;
      return report.endedAt().isPresent()
          ? new Time(Optional.empty(), Verdict.MISSED, "this run did not bring it back: " + step)
          : new Time(
              Optional.empty(), over ? Verdict.MISSED : Verdict.OPEN, "not served yet: " + step);
    }
    Instant at =
        served.stream().flatMap(one -> one.endedAt().stream()).max(Instant::compareTo).orElse(now);
    Duration took = Duration.between(began, at);
    Verdict verdict =
        took.compareTo(objective.rto()) > 0
            ? Verdict.MISSED
            : known ? Verdict.KEPT : Verdict.UNKNOWN;
    return new Time(Optional.of(took), verdict, "served at " + at + unsaid);
  }

  /**
   * What was lost of one source.
   *
   * @param most at most
   * @param bound whether it may have been less, as nobody knows when the outage began
   */
  private record Loss(Optional<Duration> most, boolean bound, Verdict verdict, String detail) {
    static Loss unknown(String detail) {
      return new Loss(Optional.empty(), true, Verdict.UNKNOWN, detail);
    }

    static Loss measured(Duration most, boolean bound, String detail) {
      return new Loss(Optional.of(most), bound, Verdict.KEPT, detail);
    }

    Loss judged(Duration rpo) {
      return most.filter(span -> span.compareTo(rpo) > 0).isEmpty()
          ? this
          : new Loss(most, bound, bound ? Verdict.UNKNOWN : Verdict.MISSED, detail);
    }
  }

  private static Loss loss(RunReport report, String source, List<String> ids) {
    List<TaskReport> tasks = tasks(report, ids);
    if (tasks.isEmpty()) {
      return Loss.unknown("no step tells what was lost of " + source);
    }
    TaskReport last = tasks.get(tasks.size() - 1);
    String step = last.task().id();
    if (last.status() != TaskStatus.DONE) {
      String detail = source + ": " + step + " is " + last.status().label();
      return report.endedAt().isPresent()
          ? Loss.unknown(detail)
          : new Loss(Optional.empty(), true, Verdict.OPEN, detail);
    }
    Map<String, String> facts = last.facts();
    String bytes = facts.getOrDefault(Objective.LOSS, "");
    if (bytes.equals("0")) {
      return Loss.measured(NONE, false, source + ": " + step + " lost nothing");
    }
    if (!bytes.isEmpty()) {
      return Loss.unknown(
          source
              + ": "
              + step
              + (bytes.equals("unknown")
                  ? " could not tell what was lost"
                  : " lost " + bytes + " bytes of log, and nobody knows of how long"));
    }
    String member = "/" + source;
    String until =
        List.of(
                Objective.REACHED_TIME + member,
                Objective.AS_OF + member,
                Objective.REACHED_TIME,
                Objective.AS_OF)
            .stream()
            .filter(facts::containsKey)
            .map(name -> facts.getOrDefault(name, ""))
            .findFirst()
            .orElse("");
    if (until.isEmpty()) {
      return Loss.unknown(source + ": " + step + " does not tell up to when it came back");
    }
    boolean known = report.plan().outage().isPresent();
    Duration most =
        Duration.between(Instant.parse(until), report.plan().outage().orElse(report.startedAt()));
    return Loss.measured(
        most.isNegative() ? NONE : most,
        !known,
        source
            + ": what came back is of "
            + until
            + (known ? "" : "; nobody said when the outage began, which was before the run"));
  }

  private static List<TaskReport> tasks(RunReport report, List<String> ids) {
    return ids.stream().flatMap(id -> report.task(id).stream()).toList();
  }
}
