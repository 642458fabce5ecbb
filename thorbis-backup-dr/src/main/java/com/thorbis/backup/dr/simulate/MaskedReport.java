package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.RestoreReport.Reached;
import com.thorbis.backup.dr.drill.DrillCheck;
import com.thorbis.backup.dr.drill.DrillReport.Problem;
import com.thorbis.backup.dr.drill.DrillReport.Status;
import com.thorbis.backup.dr.drill.DrillReport.Verdict;
import com.thorbis.backup.dr.internal.CanonicalJson;
import com.thorbis.backup.dr.internal.CheckItems;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a recovery in the small environment has shown.
 *
 * @param id names it for ever
 * @param source what was restored
 * @param environment where
 * @param startedAt when it began
 * @param millis how long it took
 * @param status whether it ran to its end
 * @param verdict what it proved
 * @param problem why it did not pass
 * @param isolation what was proven before a server was started
 * @param backup what it was restored from
 * @param reached where recovery ended
 * @param checks what was looked at, when all was masked
 * @param product the version of this library
 */
public record MaskedReport(
    String id,
    String source,
    String environment,
    Instant startedAt,
    long millis,
    Status status,
    Verdict verdict,
    Optional<Problem> problem,
    List<CheckItem> isolation,
    Optional<String> backup,
    Optional<Reached> reached,
    List<DrillCheck> checks,
    String product) {
  private static final String FORMAT = "thorbis-masked-recovery/1";

  /** Copies the collections. */
  public MaskedReport {
    isolation = List.copyOf(isolation);
    checks = List.copyOf(checks);
  }

  /** As a document for people and evidence. Members may be added. */
  public Map<String, Object> json() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("format", FORMAT);
    json.put("id", id);
    json.put("exercise", "masked-recovery");
    json.put("source", source);
    json.put("environment", environment);
    json.put("startedAt", startedAt.truncatedTo(ChronoUnit.MILLIS).toString());
    json.put("millis", millis);
    json.put("status", status.label());
    json.put("verdict", verdict.label());
    problem.ifPresent(
        it ->
            json.put(
                "problem",
                Map.of("code", it.code(), "message", it.message(), "remedy", it.remedy())));
    json.put("isolation", CheckItems.json(isolation));
    backup.ifPresent(it -> json.put("backup", it));
    reached.ifPresent(
        it -> {
          json.put("reached", it.lsn().toString());
          it.time().ifPresent(at -> json.put("reachedTime", at.toString()));
        });
    json.put("checks", checks.stream().map(DrillCheck::json).toList());
    json.put("product", product);
    return CanonicalJson.copy(json);
  }
}
