package com.thorbis.backup.dr.report;

import com.thorbis.backup.crypto.SigningKey;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.internal.CanonicalJson;
import com.thorbis.backup.dr.schedule.Schedule;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Records and observations of a month, without a repository. The same each time. */
final class PlantedReport {
  static final Instant TO = Instant.parse("2026-03-01T00:00:00Z");
  static final Instant FROM = TO.minus(Duration.ofDays(28));
  static final String REPOSITORY = "repo-0123456789";
  static final SigningKey KEY = key(7);
  static final String HOSTILE =
      "<script>alert(1)</script>&\"'\u202e\u0000 very long name ".repeat(3);

  private final List<EvidenceRecord> records = new ArrayList<>();
  private final Map<String, Object> observed = new LinkedHashMap<>();
  private final List<Object> sources = new ArrayList<>();
  private final List<Object> alarms = new ArrayList<>();
  private final List<Object> failures = new ArrayList<>();
  private final List<Object> problems = new ArrayList<>();
  private int number;

  PlantedReport() {
    observed.put("generatedBy", "ada");
    observed.put("product", "test");
    observed.put("zone", "UTC");
    observed.put("from", FROM.toString());
    observed.put("to", TO.toString());
    observed.put("repository", REPOSITORY);
    observed.put("alarmsLooked", true);
    observed.put("alarms", alarms);
    observed.put("failures", failures);
    observed.put("problems", problems);
    observed.put("sources", sources);
    observed.put("evidenceProblems", List.of());
    observed.put("keys", List.of());
    observed.put("copies", List.of());
    observed.put("criteria", List.of());
  }

  /** A key that always is the same one. */
  static SigningKey key(int seed) {
    return SigningKey.generate(
        new SecureRandom() {
          private static final long serialVersionUID = 1;

          @Override
          public void nextBytes(byte[] bytes) {
            Arrays.fill(bytes, (byte) seed);
          }
        });
  }

  static String hex(SigningKey key) {
    return HexFormat.of().formatHex(key.publicKey());
  }

  static Population.Source orders() {
    return new Population.Source(
        "orders",
        "postgres",
        Optional.of("ada"),
        Optional.of(Duration.ofMinutes(5)),
        Optional.of(Duration.ofHours(1)),
        Optional.of(Duration.ofDays(7)),
        Optional.of("daily 30, monthly 12"),
        List.of(
            new Population.Due("full", Schedule.parse("Sun 02:00 UTC"), Duration.ofHours(4)),
            new Population.Due(
                "incremental", Schedule.parse("Mon-Sat 02:00 UTC"), Duration.ofHours(1))));
  }

  PlantedReport record(
      Instant at, String kind, String subject, String outcome, Map<String, Object> document) {
    List<String> previous =
        records.isEmpty() ? List.of() : List.of(records.get(records.size() - 1).digest());
    String id =
        "ev-"
            + at.truncatedTo(ChronoUnit.SECONDS).toString().replaceAll("[-:]", "")
            + "-"
            + HexFormat.of().toHexDigits(number++);
    records.add(
        signed(
            new EvidenceRecord(
                REPOSITORY,
                id,
                kind,
                at,
                "ada",
                "host",
                subject,
                outcome,
                document,
                previous,
                Optional.empty()),
            KEY));
    return this;
  }

  static EvidenceRecord signed(EvidenceRecord record, SigningKey key) {
    byte[] json = CanonicalJson.encode(record.json());
    String message = "thorbis-evidence/1\n" + new String(json, StandardCharsets.UTF_8);
    return new EvidenceRecord(
        record.repository(),
        record.id(),
        record.kind(),
        record.at(),
        record.actor(),
        record.host(),
        record.subject(),
        record.outcome(),
        record.document(),
        record.previous(),
        Optional.of(
            new EvidenceRecord.Signature(
                hex(key),
                HexFormat.of().formatHex(key.sign(message.getBytes(StandardCharsets.UTF_8))))));
  }

  PlantedReport expecting(Instant at, Population.Source... all) {
    Population.Builder population = Population.builder();
    Arrays.stream(all).forEach(population::source);
    return expecting(at, "host", population.build());
  }

  PlantedReport expecting(Instant at, String host, Population population) {
    return record(at, Population.KIND, host, EvidenceRecord.PASSED, population.json());
  }

  /** A run, a tabletop and a simulation as they are kept, with names that nobody should choose. */
  PlantedReport accounts(Instant at) {
    Map<String, Object> lost =
        tier(Duration.ofMinutes(70), "missed", Duration.ofSeconds(3), "kept");
    record(
        at,
        EvidenceRecord.DR_RUN,
        "run-1",
        "failed",
        Map.of(
            "run", "run-1",
            "scenario", "region-lost",
            "cause", "fire",
            "requester", "ada",
            "status", "failed",
            "reason", "promote failed",
            "startedAt", at.minusSeconds(600).toString(),
            "tiers", List.of(lost),
            "steps",
                List.of(
                    Map.of("id", "fence", "status", "done", "attempts", 2L, "detail", "is fenced"),
                    Map.of("id", "promote", "status", "failed", "detail", HOSTILE)),
            "people",
                List.of(
                    Map.of(
                        "at", at.minusSeconds(60).toString(),
                        "by", "bo",
                        "what", "approve",
                        "step", "fence",
                        "text", "go on",
                        "signature", "ab"))));
    record(
        at.plusSeconds(60),
        EvidenceRecord.EXERCISE,
        "key-lost",
        EvidenceRecord.PASSED,
        Map.of(
            "exercise", "tabletop",
            "leader", "ada",
            "participants", List.of("ada", "bo"),
            "injects", List.of(Map.of("number", 1L), Map.of("number", 2L)),
            "unanswered", List.of(2L),
            "answers", List.of(Map.of("by", "bo", "text", "We look.")),
            "findings",
                List.of(Map.of("text", "No key at night", "owner", "ada", "due", "2027-02-01"))));
    return record(
        at.plusSeconds(120),
        EvidenceRecord.EXERCISE,
        "database-failure",
        EvidenceRecord.FAILED,
        Map.of(
            "exercise", "full-simulation",
            "outage",
                Map.of(
                    "downtimeMillis", 2900L,
                    "firstSuccess", at.toString(),
                    "stages", List.of(Map.of("stage", "detect", "millis", 1392L))),
            "loss", Map.of("acknowledged", 1493L, "lost", 0L),
            "isolation", List.of(Map.of("outcome", "ok"), Map.of("outcome", "ok")),
            "checks",
                List.of(Map.of("name", "role", "outcome", "passed", "detail", "has no power")),
            "plants",
                List.of(
                    Map.of("check", "role", "damage", "it may all", "result", "undetected"),
                    Map.of("check", "rows", "damage", "a row is gone", "result", "detected")),
            "problem", Map.of("code", "simulation.blind", "message", "role did not notice")));
  }

  /** A run as the command keeps it, of one tier. */
  PlantedReport run(Instant at, String run, Map<String, Object> tier) {
    return record(
        at,
        EvidenceRecord.DR_RUN,
        run,
        EvidenceRecord.PASSED,
        Map.of("run", run, "requester", "ada", "tiers", List.of(tier)));
  }

  /** What a run says of a tier that may be away for an hour and lose five minutes. */
  static Map<String, Object> tier(Duration took, String time, Duration lost, String loss) {
    return Map.of(
        "tier",
        "tier-1",
        "rtoMillis",
        Duration.ofHours(1).toMillis(),
        "tookMillis",
        took.toMillis(),
        "time",
        time,
        "timeDetail",
        "served",
        "rpoMillis",
        Duration.ofMinutes(5).toMillis(),
        "lostMillis",
        lost.toMillis(),
        "loss",
        loss,
        "lossDetail",
        "what came back");
  }

  PlantedReport drill(Instant at, String source, String outcome, Duration took, Duration lost) {
    return record(
        at,
        EvidenceRecord.DRILL,
        source,
        outcome,
        Map.of(
            "stages", List.of(Map.of("stage", "restore", "millis", took.toMillis())),
            "loss", Map.of("millis", lost.toMillis()),
            "isolation",
                List.of(Map.of("subject", "network", "outcome", "ok", "message", "is apart")),
            "choice", Map.of("backup", "20260222T020000Z", "selection", "random", "seed", "4711")));
  }

  static Map<String, Object> backup(String id, String type, Instant started, Duration took) {
    Map<String, Object> backup = new LinkedHashMap<>();
    backup.put("id", id);
    backup.put("type", type);
    backup.put("status", "complete");
    backup.put("restorable", true);
    backup.put("partial", false);
    backup.put("live", true);
    backup.put("startedAt", started.toString());
    backup.put("stoppedAt", started.plus(took).toString());
    backup.put("bytes", type.equals("full") ? 40L << 30 : 42L << 30);
    backup.put("bytesChanged", type.equals("full") ? 40L << 30 : 3L << 30);
    backup.put("bytesStored", 1L << 30);
    backup.put("copies", List.of("one", "two"));
    backup.put("warnings", 0);
    return backup;
  }

  PlantedReport source(String name, String type, List<Map<String, Object>> backups) {
    Map<String, Object> source = new LinkedHashMap<>();
    source.put("name", name);
    source.put("type", type);
    source.put("backupCount", backups.size());
    source.put("backups", backups);
    source.put("holds", List.of());
    if (!backups.isEmpty()) {
      source.put("lastBackup", backups.get(backups.size() - 1));
      source.put("oldest", String.valueOf(backups.get(0).get("stoppedAt")));
      source.put("verifiedAt", TO.minus(Duration.ofDays(1)).toString());
      source.put("lagMillis", 42_000);
      source.put(
          "windows",
          List.of(
              Map.of(
                  "from", FROM.plus(Duration.ofDays(1)).toString(),
                  "to", TO.minusSeconds(42).toString())));
    }
    sources.add(source);
    return this;
  }

  PlantedReport unreadable(String name, String problem) {
    sources.add(Map.of("name", name, "type", "postgres", "problem", problem));
    problems.add(name + " could not be looked at: " + problem);
    return this;
  }

  PlantedReport failure(String source, Instant at, String outcome) {
    failures.add(Map.of("source", source, "at", at.toString(), "outcome", outcome));
    return this;
  }

  PlantedReport alarm(String code, String severity, String subject, Optional<String> by) {
    Map<String, Object> alarm = new LinkedHashMap<>();
    alarm.put("code", code);
    alarm.put("severity", severity);
    alarm.put("subject", subject);
    alarm.put("found", "none");
    alarm.put("since", TO.minus(Duration.ofDays(2)).toString());
    by.ifPresent(name -> alarm.put("acknowledgedBy", name));
    alarms.add(alarm);
    return this;
  }

  PlantedReport observe(String member, Object value) {
    observed.put(member, value);
    return this;
  }

  /** One backup for every day of the period, full ones on Sundays. */
  static List<Map<String, Object>> daily() {
    List<Map<String, Object>> backups = new ArrayList<>();
    for (Instant at = FROM.plus(Duration.ofHours(2));
        at.isBefore(TO);
        at = at.plus(Duration.ofDays(1))) {
      boolean sunday = Duration.between(FROM, at).toDays() % 7 == 0; // the period begins on one
      backups.add(
          backup(
              "b" + Duration.between(FROM, at).toDays(),
              sunday ? "full" : "incremental",
              at,
              Duration.ofMinutes(sunday ? 50 : 9)));
    }
    return backups;
  }

  /** A source of which all is there, and drills each week. */
  static PlantedReport good() {
    PlantedReport planted =
        new PlantedReport()
            .expecting(FROM.minus(Duration.ofDays(9)), orders())
            .drill(
                FROM.minus(Duration.ofDays(1)),
                "orders",
                EvidenceRecord.PASSED,
                Duration.ofMinutes(15),
                Duration.ofSeconds(10))
            .source("orders", "postgres", daily());
    for (int week = 0; week < 4; week++) {
      planted.drill(
          FROM.plus(Duration.ofDays(7L * week + 6)),
          "orders",
          EvidenceRecord.PASSED,
          Duration.ofMinutes(20 + 5L * week),
          Duration.ofSeconds(40 + 30L * week));
    }
    return planted;
  }

  List<EvidenceRecord> records() {
    return records;
  }

  Map<String, Object> observed() {
    return observed;
  }

  Report report() {
    return Report.of(observed, records, Controls.builtIn(), Duration.ofDays(2557));
  }
}
