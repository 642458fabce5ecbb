package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.dr.drill.DrillCheck;
import com.thorbis.backup.dr.drill.DrillReport.Problem;
import com.thorbis.backup.dr.drill.DrillReport.Status;
import com.thorbis.backup.dr.drill.DrillReport.Verdict;
import com.thorbis.backup.dr.drill.Plant;
import com.thorbis.backup.dr.internal.CanonicalJson;
import com.thorbis.backup.dr.internal.CheckItems;
import com.thorbis.backup.dr.run.RunReport;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a simulated disaster has shown. Whether it ran to its end and what it proved are two things.
 *
 * @param id names it for ever; also the run's
 * @param scenario which disaster
 * @param environment where
 * @param startedAt when it began
 * @param millis how long it took
 * @param status whether it ran to its end
 * @param verdict what it proved
 * @param problem why it did not pass
 * @param isolation what was proven before anything was started
 * @param disasterAt when the disaster was made
 * @param run what recovered it
 * @param outage what clients saw
 * @param stages what of the downtime each stage of the recovery took; together they are the
 *     downtime
 * @param objective how long it may have been away
 * @param loss what became of what clients were promised
 * @param point the moment that data was brought back to, where it was damaged
 * @param givenUp what came after that moment
 * @param before how fast it was before the disaster
 * @param after how fast it is after the recovery
 * @param checks what was looked at after the recovery
 * @param plants what was then broken on purpose, and who noticed; empty unless all checks passed
 * @param product the version of this library
 */
public record SimulationReport(
    String id,
    String scenario,
    String environment,
    Instant startedAt,
    long millis,
    Status status,
    Verdict verdict,
    Optional<Problem> problem,
    List<CheckItem> isolation,
    Optional<Instant> disasterAt,
    Optional<RunReport> run,
    Optional<Outage> outage,
    Map<String, Duration> stages,
    Optional<Duration> objective,
    Optional<Loss> loss,
    Optional<RecoveredPoint> point,
    Optional<GivenUp> givenUp,
    Optional<Pace> before,
    Optional<Pace> after,
    List<DrillCheck> checks,
    List<Plant> plants,
    String product) {
  private static final String FORMAT = "thorbis-simulation/1";

  /** Copies the collections. */
  public SimulationReport {
    isolation = List.copyOf(isolation);
    stages = Collections.unmodifiableMap(new LinkedHashMap<>(stages));
    checks = List.copyOf(checks);
    plants = List.copyOf(plants);
  }

  /** As a document for people and evidence. Members may be added. */
  public Map<String, Object> json() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("format", FORMAT);
    json.put("id", id);
    json.put("exercise", "full-simulation");
    json.put("scenario", scenario);
    json.put("environment", environment);
    json.put("startedAt", time(startedAt));
    json.put("millis", millis);
    json.put("status", status.label());
    json.put("verdict", verdict.label());
    problem.ifPresent(
        it ->
            json.put(
                "problem",
                Map.of("code", it.code(), "message", it.message(), "remedy", it.remedy())));
    json.put("isolation", CheckItems.json(isolation));
    disasterAt.ifPresent(it -> json.put("disasterAt", time(it)));
    run.ifPresent(it -> json.put("run", json(it)));
    outage.ifPresent(it -> json.put("outage", json(it)));
    objective.ifPresent(it -> json.put("objectiveMillis", it.toMillis()));
    loss.ifPresent(it -> json.put("loss", json(it)));
    point.ifPresent(it -> json.put("recoveredTo", json(it)));
    givenUp.ifPresent(
        it ->
            json.put(
                "givenUp",
                Map.of(
                    "commits", it.commits(),
                    "millis", it.span().toMillis(),
                    "bytes", it.bytes())));
    before.ifPresent(it -> json.put("before", json(it)));
    after.ifPresent(it -> json.put("after", json(it)));
    json.put("checks", checks.stream().map(DrillCheck::json).toList());
    json.put("plants", plants.stream().map(Plant::json).toList());
    json.put("product", product);
    return CanonicalJson.copy(json);
  }

  private static String time(Instant at) {
    return at.truncatedTo(ChronoUnit.MILLIS).toString();
  }

  private static Map<String, Object> json(RunReport run) {
    return Map.of(
        "id", run.run(),
        "status", run.status().label(),
        "reason", run.reason(),
        "planDigest", run.planDigest(),
        "journal",
            run.timeline().isEmpty() ? "" : run.timeline().get(run.timeline().size() - 1).digest(),
        "records", (long) run.timeline().size(),
        "steps",
            run.tasks().stream()
                .map(
                    it -> {
                      Map<String, Object> step = new LinkedHashMap<>();
                      step.put("id", it.task().id());
                      step.put("action", it.task().action());
                      step.put("status", it.status().label());
                      step.put("attempts", (long) it.attempts());
                      step.put("detail", it.detail());
                      it.startedAt().ifPresent(at -> step.put("startedAt", time(at)));
                      it.endedAt().ifPresent(at -> step.put("endedAt", time(at)));
                      return step;
                    })
                .toList());
  }

  private Map<String, Object> json(Outage seen) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("lastSuccess", time(seen.lastSuccess()));
    seen.firstSuccess().ifPresent(it -> json.put("firstSuccess", time(it)));
    json.put("observedUntil", time(seen.observedUntil()));
    json.put("downtimeMillis", seen.downtime().toMillis());
    json.put("refused", seen.refused());
    json.put("unknown", seen.unknown());
    json.put(
        "stages",
        stages.entrySet().stream()
            .map(it -> Map.of("stage", it.getKey(), "millis", it.getValue().toMillis()))
            .toList());
    return json;
  }

  private static Map<String, Object> json(Loss loss) {
    return Map.of(
        "acknowledged", loss.acknowledged(),
        "lost", (long) loss.lost().size(),
        "lostRows", loss.lost().stream().limit(100).toList(),
        "unknownThere", loss.unknownThere(),
        "unknownGone", loss.unknownGone(),
        "contrary", (long) loss.contrary().size());
  }

  private static Map<String, Object> json(RecoveredPoint point) {
    Map<String, Object> json = new LinkedHashMap<>();
    point.moment().ifPresent(it -> json.put("moment", it.toString()));
    point.damaged().ifPresent(it -> json.put("damagedAt", it.toString()));
    json.put("restoresTried", (long) point.looks());
    json.put("atEndOfLog", point.atEnd().isEmpty() ? "sound" : point.atEnd());
    json.put("reached", point.reached().toString());
    json.put("logEnd", point.end().toString());
    return json;
  }

  private static Map<String, Object> json(Pace pace) {
    return Map.of(
        "commits", pace.commits(),
        "medianMicros", pace.medianMicros(),
        "slowMicros", pace.slowMicros());
  }
}
