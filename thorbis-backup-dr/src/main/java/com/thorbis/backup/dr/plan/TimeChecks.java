package com.thorbis.backup.dr.plan;

import com.thorbis.backup.dr.plan.Scenario.Branch;
import com.thorbis.backup.dr.plan.Scenario.Variant;
import com.thorbis.backup.dr.plan.Validation.Prediction;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/** Adds times up and compares them with what is promised. */
final class TimeChecks {
  private static final int DAYS = 366; // every change of every zone's clock once
  private static final int TIGHT_PERCENT = 80;

  private final PlanDraft draft;
  private final PlanFacts facts;
  private final Report report;
  private final Map<String, Procedure> procedures;
  private final Map<String, Tier> tiers;
  private final Map<String, ProtectedSource> sources;
  private final List<Prediction> predictions = new ArrayList<>();
  private final LocalDate today;

  TimeChecks(
      PlanDraft draft,
      PlanFacts facts,
      Report report,
      Map<String, Procedure> procedures,
      Map<String, Tier> tiers,
      Map<String, ProtectedSource> sources) {
    this.draft = draft;
    this.facts = facts;
    this.report = report;
    this.procedures = procedures;
    this.tiers = tiers;
    this.sources = sources;
    this.today = LocalDate.ofInstant(facts.asOf(), ZoneOffset.UTC);
  }

  List<Prediction> predictions() {
    return predictions;
  }

  void run() {
    draft.sources().forEach(this::windows);
    draft.sources().forEach(this::scheduled);
    draft.tiers().forEach(this::loss);
    draft.procedures().forEach(this::estimate);
    draft.scenarios().forEach(this::absence);
    exercises();
  }

  /** Something that lasts. */
  private record Stretch(Instant from, Instant to, String name) {
    boolean meets(Stretch later) {
      return later.from().isBefore(to);
    }
  }

  private void windows(ProtectedSource source) {
    List<Stretch> all = new ArrayList<>();
    for (ProtectedSource.Backup backup : source.backups()) {
      for (Instant start : backup.at().starts(today, today.plusDays(DAYS))) {
        all.add(new Stretch(start, start.plus(backup.window()), backup.type()));
      }
    }
    all.sort(Comparator.comparing(Stretch::from));
    Set<String> said = new LinkedHashSet<>();
    Stretch longest = null;
    for (Stretch next : all) {
      if (longest != null && longest.meets(next) && said.add(longest.name() + "/" + next.name())) {
        report.add(
            Rule.SOURCE_WINDOWS_OVERLAP,
            "sources." + source.id() + ".backups",
            "The windows of " + longest.name() + " and " + next.name() + " overlap",
            longest.name()
                + " runs from "
                + longest.from()
                + " to "
                + longest.to()
                + ", and "
                + next.name()
                + " starts at "
                + next.from(),
            "Let one start after the other's window, or shorten it.");
      }
      if (longest == null || next.to().isAfter(longest.to())) {
        longest = next;
      }
    }
  }

  private void loss(Tier tier) {
    String path = "tiers." + tier.id();
    if (tier.sources().isEmpty()) {
      report.add(
          Rule.RPO_UNCHECKED,
          path,
          "It names no source: what it would lose is unknown",
          "List below sources what it needs back.");
    }
    for (String id : tier.sources()) {
      ProtectedSource source = sources.get(id);
      if (source == null) {
        continue;
      }
      Optional<Duration> declared = worst(source);
      if (declared.isPresent() && declared.get().compareTo(tier.rpo()) > 0) {
        report.add(
            Rule.RPO_EXCEEDED,
            path + ".rpo",
            "It promises to lose at most "
                + Spans.text(tier.rpo())
                + ", and "
                + id
                + " may lose "
                + Spans.text(declared.get()),
            source
                .maxDelay()
                .map(delay -> "its capture may be " + Spans.text(delay) + " behind")
                .orElse(
                    "the longest time between two starts and the longest window make "
                        + Spans.text(declared.get())),
            "Shorten max-delay or the time between backups, or raise rpo.");
      }
      measured(tier, path, source);
    }
  }

  private void measured(Tier tier, String path, ProtectedSource source) {
    PlanFacts.SourceFacts known = facts.source(source.id());
    if (known.lag().isEmpty()) {
      report.add(
          Rule.RPO_UNCHECKED,
          "sources." + source.id(),
          "How far behind " + source.id() + " is was not measured",
          "Check the plan where the repository can be opened.");
    } else if (known.lag().get().compareTo(tier.rpo()) > 0) {
      report.add(
          Rule.RPO_LAG,
          path + ".rpo",
          source.id() + " is " + Spans.text(known.lag().get()) + " behind now",
          tier.id() + " promises to lose at most " + Spans.text(tier.rpo()),
          "See why its capture or its backups are late.");
    }
    if (source.maxDelay().isPresent()
        && known.maxDelay().isPresent()
        && known.maxDelay().get().compareTo(source.maxDelay().get()) > 0) {
      report.add(
          Rule.SOURCE_DELAY_DIFFERS,
          "sources." + source.id() + ".max-delay",
          "The configuration lets it be " + Spans.text(known.maxDelay().get()) + " behind",
          "the plan counts on " + Spans.text(source.maxDelay().get()),
          "Make both the same.");
    }
  }

  private void scheduled(ProtectedSource source) {
    Optional<Map<String, Duration>> configured = facts.source(source.id()).backups();
    if (configured.isEmpty()) {
      return;
    }
    for (ProtectedSource.Backup backup : source.backups()) {
      Duration counted = gap(List.of(backup));
      Optional<Duration> found = Optional.ofNullable(configured.get().get(backup.type()));
      if (found.isEmpty() || found.get().compareTo(counted) > 0) {
        report.add(
            Rule.SOURCE_SCHEDULE_DIFFERS,
            "sources." + source.id() + ".backups",
            found
                .map(
                    it ->
                        "The configuration lets "
                            + Spans.text(it)
                            + " pass between two backups of type "
                            + backup.type())
                .orElse("The configuration schedules no backup of type " + backup.type()),
            "the plan counts on one every " + Spans.text(counted),
            "Make both the same.");
      }
    }
  }

  /** The longest time between two starts. */
  private Duration gap(List<ProtectedSource.Backup> backups) {
    List<Instant> starts =
        backups.stream()
            .flatMap(it -> it.at().starts(today, today.plusDays(DAYS)).stream())
            .sorted()
            .toList();
    Duration gap = Duration.ZERO;
    for (int i = 1; i < starts.size(); i++) {
      Duration between = Duration.between(starts.get(i - 1), starts.get(i));
      gap = between.compareTo(gap) > 0 ? between : gap;
    }
    return gap;
  }

  /** What a source can lose at most by what the plan says. */
  private Optional<Duration> worst(ProtectedSource source) {
    if (source.maxDelay().isPresent() || source.backups().isEmpty()) {
      return source.maxDelay();
    }
    Duration window =
        source.backups().stream()
            .map(ProtectedSource.Backup::window)
            .max(Duration::compareTo)
            .orElse(Duration.ZERO);
    return Optional.of(gap(source.backups()).plus(window));
  }

  private void estimate(Procedure procedure) {
    Optional<Map<String, Duration>> ends = ends(procedure);
    Duration longest = ends.map(it -> longest(procedure, it)).orElse(Duration.ZERO);
    if (procedure.expected().isPresent() && procedure.expected().get().compareTo(longest) < 0) {
      report.add(
          Rule.PROCEDURE_ESTIMATE_SHORT,
          "procedures." + procedure.id() + ".expected",
          "It is expected to take " + Spans.text(procedure.expected().get()),
          "its longest way through steps and approvals takes " + Spans.text(longest),
          "Correct expected, or remove it.");
    }
    for (PlanStep step : procedure.steps()) {
      if (!ActionNames.RESTORES.contains(step.action())) {
        continue;
      }
      String path = "procedures." + procedure.id() + ".steps." + step.id();
      Optional<Duration> predicted = restore(step);
      if (predicted.isEmpty()) {
        report.add(
            Rule.RTO_UNCHECKED,
            path,
            "No restore was measured that it could be compared with",
            "Restore once with a started server, or check the plan where the repository opens.");
      } else if (step.deadline().isPresent()
          && predicted.get().compareTo(step.deadline().get()) > 0) {
        report.add(
            Rule.STEP_RESTORE_SHORT,
            path + ".deadline",
            "It may take " + Spans.text(step.deadline().get()),
            "what was measured makes " + Spans.text(predicted.get()),
            "Lengthen deadline, or make restores faster.");
      }
    }
  }

  private Optional<Duration> restore(PlanStep step) {
    return Optional.ofNullable(step.settings().get("source"))
        .flatMap(source -> facts.source(source).predictedRestore());
  }

  /** How long a step keeps those that wait for it. */
  private Duration duration(PlanStep step) {
    Duration span = step.expected().orElse(Duration.ZERO);
    if (ActionNames.RESTORES.contains(step.action())) {
      Duration predicted = restore(step).orElse(Duration.ZERO);
      span = predicted.compareTo(span) > 0 ? predicted : span;
    }
    if (step.action().equals(ActionNames.SWITCH_DNS)) {
      span = span.plus(ttl(step));
    }
    return span.plus(step.approval().map(PlanApproval::deadline).orElse(Duration.ZERO));
  }

  private static Duration ttl(PlanStep step) {
    try {
      return Duration.parse(RunPlans.span(step.settings().getOrDefault("ttl", "0s")));
    } catch (IllegalArgumentException | DateTimeException e) {
      return Duration.ZERO; // the action itself refuses it
    }
  }

  /** When each step ends, from the start of its procedure; empty if that never happens. */
  private Optional<Map<String, Duration>> ends(Procedure procedure) {
    Map<String, PlanStep> steps = new LinkedHashMap<>();
    procedure.steps().forEach(step -> steps.putIfAbsent(step.id(), step));
    Map<String, Duration> ends = new HashMap<>();
    boolean moved = true;
    while (moved) {
      moved = false;
      for (PlanStep step : steps.values()) {
        if (!ends.containsKey(step.id()) && ends.keySet().containsAll(step.after())) {
          Duration start =
              step.after().stream()
                  .map(it -> ends.getOrDefault(it, Duration.ZERO))
                  .max(Duration::compareTo)
                  .orElse(Duration.ZERO);
          ends.put(step.id(), start.plus(duration(step)));
          moved = true;
        }
      }
    }
    return ends.size() == steps.size() ? Optional.of(ends) : Optional.empty();
  }

  private static Duration longest(Procedure procedure, Map<String, Duration> ends) {
    return procedure.steps().stream()
        .filter(step -> !step.tells())
        .map(step -> ends.getOrDefault(step.id(), Duration.ZERO))
        .max(Duration::compareTo)
        .orElse(Duration.ZERO);
  }

  private void absence(Scenario scenario) {
    for (int i = 0; i < scenario.branches().size(); i++) {
      Branch branch = scenario.branches().get(i);
      Back back = back(branch);
      for (Trigger trigger : scenario.triggers()) {
        if (branch.when().contains(trigger.id())) {
          for (String tier : scenario.tiers().isEmpty() ? tiers.keySet() : scenario.tiers()) {
            if (tiers.containsKey(tier)) {
              compare(scenario, trigger, branch.variant(), tier, back);
            }
          }
        }
      }
    }
  }

  /**
   * When tiers are served again, from the start of the first procedure.
   *
   * @param served by tier, where a step says so
   * @param all when everything critical is done
   * @param whole whether all of it could be added up
   */
  private record Back(Map<String, Duration> served, Duration all, boolean whole) {}

  private Back back(Branch branch) {
    Map<String, Duration> served = new HashMap<>();
    boolean whole = true;
    Duration offset = Duration.ZERO;
    Duration critical = Duration.ZERO;
    for (String name : branch.procedures()) {
      Procedure procedure = procedures.get(name);
      if (procedure == null) {
        whole = false;
        continue;
      }
      Optional<Map<String, Duration>> reached = ends(procedure);
      Map<String, Duration> ends = reached.orElse(Map.of());
      whole &= reached.isPresent();
      for (PlanStep step : procedure.steps()) {
        Duration end = offset.plus(ends.getOrDefault(step.id(), Duration.ZERO));
        step.serves().forEach(tier -> served.merge(tier, end, TimeChecks::later));
      }
      offset =
          offset.plus(later(longest(procedure, ends), procedure.expected().orElse(Duration.ZERO)));
      if (procedure.critical().orElse(true)) {
        critical = offset;
      }
    }
    return new Back(served, critical, whole);
  }

  private static Duration later(Duration one, Duration other) {
    return one.compareTo(other) > 0 ? one : other;
  }

  private void compare(Scenario scenario, Trigger trigger, Variant variant, String id, Back back) {
    Tier tier = Objects.requireNonNull(tiers.get(id));
    Duration rto =
        scenario.allowances().stream()
            .filter(it -> it.tier().equals(id))
            .map(Scenario.Allowance::rto)
            .findFirst()
            .orElse(tier.rto());
    Prediction prediction =
        new Prediction(
            scenario.id(),
            trigger.id(),
            variant,
            id,
            trigger.detection().orElse(Duration.ZERO),
            trigger.decision().orElse(Duration.ZERO),
            back.served().getOrDefault(id, back.all()),
            rto);
    boolean undeclared =
        !back.whole() || trigger.detection().isEmpty() || trigger.decision().isEmpty();
    if (!undeclared) {
      predictions.add(prediction);
    }
    int over = prediction.total().compareTo(rto);
    String sum =
        "detection "
            + trigger.detection().map(Spans::text).orElse("unknown")
            + ", decision "
            + trigger.decision().map(Spans::text).orElse("unknown")
            + " and recovery "
            + Spans.text(prediction.recovery())
            + " make "
            + (undeclared ? "more than " : "")
            + Spans.text(prediction.total())
            + " of "
            + Spans.text(rto);
    String path = "scenarios." + scenario.id() + ".triggers." + trigger.id();
    if (over > 0 || (over == 0 && undeclared)) {
      report.add(
          Rule.RTO_EXCEEDED,
          path,
          id + " would not be back in time after " + trigger.id(),
          sum,
          "Shorten the recovery, serve " + id + " earlier, or raise rto.");
    } else if (prediction.total().toMillis() * 100 > rto.toMillis() * TIGHT_PERCENT) {
      report.add(
          Rule.RTO_TIGHT,
          path,
          id + " would be back just in time after " + trigger.id(),
          sum,
          "Keep a fifth in reserve.");
    }
  }

  private void exercises() {
    List<Stretch> all = new ArrayList<>();
    Map<String, Exercise> byId = new HashMap<>();
    for (Exercise exercise : draft.exercises()) {
      String path = "exercises." + exercise.id();
      byId.putIfAbsent(exercise.id(), exercise);
      Optional<Instant> evidence = facts.exercised(exercise.id());
      if (exercise.first().isEmpty() && evidence.isEmpty()) {
        report.add(
            Rule.EXERCISE_NO_DATE,
            path,
            "It has no first date, and there is no evidence of one to count from",
            "Set first to when it is due first.");
        continue;
      }
      ZonedDateTime next =
          evidence
              .map(at -> at.atZone(ZoneOffset.UTC).plus(exercise.frequency().period()))
              .orElseGet(() -> exercise.first().orElseThrow());
      if (next.toInstant().isBefore(facts.asOf())) {
        report.add(
            Rule.EXERCISE_OVERDUE,
            path,
            "It was due at " + next.toInstant(),
            evidence.map(at -> "the last one was at " + at).orElse("there is no evidence of any"),
            "Hold it.");
      }
      leaseOf(exercise, path);
      ZonedDateTime at = next;
      for (int n = 1; all.size() < 10_000 && at.isBefore(next.plusYears(2)); n++) {
        Instant start = at.toInstant();
        all.add(new Stretch(start, start.plus(exercise.window()), exercise.id()));
        at = next.plus(exercise.frequency().period().multipliedBy(n));
      }
    }
    all.sort(Comparator.comparing(Stretch::from));
    Set<String> said = new LinkedHashSet<>();
    for (int i = 0; i < all.size(); i++) {
      for (int j = i + 1; j < all.size() && all.get(i).meets(all.get(j)); j++) {
        overlap(all.get(i), all.get(j), byId, said);
      }
    }
  }

  private void leaseOf(Exercise exercise, String path) {
    draft.environments().stream()
        .filter(it -> exercise.environment().filter(it.id()::equals).isPresent())
        .filter(it -> !it.lease().isZero() && it.lease().compareTo(exercise.window()) < 0)
        .findFirst()
        .ifPresent(
            it ->
                report.add(
                    Rule.ENVIRONMENT_LEASE_SHORT,
                    path,
                    "It may take longer than " + it.id() + " is kept",
                    Spans.text(exercise.window()) + " against " + Spans.text(it.lease()),
                    "Lengthen lease, or shorten window."));
  }

  private void overlap(Stretch one, Stretch other, Map<String, Exercise> byId, Set<String> said) {
    Exercise first = Objects.requireNonNull(byId.get(one.name()));
    Exercise second = Objects.requireNonNull(byId.get(other.name()));
    boolean shares =
        first.owner().equals(second.owner())
            || (first.environment().isPresent()
                && first.environment().equals(second.environment()));
    if (shares && said.add(one.name() + "/" + other.name())) {
      report.add(
          Rule.EXERCISE_OVERLAP,
          "exercises." + other.name(),
          "It overlaps with " + one.name(),
          one.name() + " lasts until " + one.to() + ", and it starts at " + other.from(),
          "Move one of them, or give it to somebody else and another environment.");
    }
  }
}
