package com.thorbis.backup.dr.report;

import static com.thorbis.backup.dr.report.PlantedReport.FROM;
import static com.thorbis.backup.dr.report.PlantedReport.TO;
import static com.thorbis.backup.dr.report.PlantedReport.daily;
import static com.thorbis.backup.dr.report.PlantedReport.orders;
import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.schedule.Schedule;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** What a report says of what was expected. */
class ReportTest {
  private static final Instant BEFORE = FROM.minus(Duration.ofDays(9));

  private static final Duration BEYOND = Duration.ofMinutes(6);

  private static PlantedReport planted() {
    return new PlantedReport().expecting(BEFORE, orders());
  }

  private static List<Fields> items(PlantedReport planted, String what) {
    return planted.report().figures().objects("items").stream()
        .filter(one -> one.require("what").equals(what))
        .toList();
  }

  /** Those that are not there in time, as {@code verdict@due}. */
  private static List<String> bad(PlantedReport planted, String what) {
    return items(planted, what).stream()
        .filter(one -> !one.require("verdict").equals("present"))
        .map(one -> one.require("verdict") + "@" + one.require("due").substring(0, 10))
        .toList();
  }

  private static Fields control(PlantedReport planted, String framework, String id) {
    return planted.report().figures().objects("controls").stream()
        .filter(one -> one.require("framework").equals(framework) && one.require("id").equals(id))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void whatIsAllThereIsMet() {
    Report report = PlantedReport.good().report();
    assertThat(report.met()).as(report.why()).isTrue();
    assertThat(items(PlantedReport.good(), "backup")).hasSize(28);
    assertThat(report.figures().objects("deviations")).isEmpty();
    assertThat(control(PlantedReport.good(), "SOC 2", "A1.3").require("verdict"))
        .isEqualTo("missing"); // nobody practised
    assertThat(control(PlantedReport.good(), "ISO 27001:2022", "A.5.30").require("verdict"))
        .isEqualTo("present");
  }

  @Test
  void eachBackupThatWasDueIsPresentLateFailedOrMissing() {
    List<Map<String, Object>> backups = new ArrayList<>(daily());
    backups.set(
        3,
        PlantedReport.backup(
            "late", "incremental", FROM.plus(Duration.ofHours(3 * 24 + 5)), Duration.ofHours(1)));
    backups.set(
        7, // a Sunday: an incremental one does not do for a full one
        PlantedReport.backup(
            "less", "incremental", FROM.plus(Duration.ofHours(7 * 24 + 2)), Duration.ofHours(1)));
    backups.remove(11);
    backups.remove(9);
    PlantedReport planted =
        planted()
            .source("orders", "postgres", backups)
            .failure("orders", FROM.plus(Duration.ofHours(9 * 24 + 3)), "no space left");
    assertThat(bad(planted, "backup"))
        .containsExactlyInAnyOrder(
            "late@2026-02-04", "missing@2026-02-08", "failed@2026-02-10", "missing@2026-02-12");
    assertThat(planted.report().met()).isFalse();
    assertThat(planted.report().figures().objects("deviations"))
        .anySatisfy(one -> assertThat(one.require("what")).contains("failed", "no space left"));
    assertThat(planted.report().figures().object("expected").object("backup").number("missing"))
        .hasValue(2);
    assertThat(control(planted, "HIPAA", "164.308(a)(7) data backup plan").require("verdict"))
        .isEqualTo("failed"); // the worst of them
  }

  @Test
  void aSourceOfWhichNothingIsThereIsMissingAndNotLeftOut() {
    PlantedReport planted = planted();
    assertThat(bad(planted, "backup")).hasSize(28).allMatch(one -> one.startsWith("missing"));
    assertThat(planted.report().met()).isFalse();
    assertThat(planted.report().why()).contains("orders has no backup that can be restored");

    PlantedReport registered = planted().source("orders", "postgres", List.of());
    assertThat(bad(registered, "backup")).hasSize(28).allMatch(one -> one.startsWith("missing"));
  }

  @Test
  void whatCouldNotBeLookedAtIsNeitherThereNorMissing() {
    PlantedReport planted = planted().unreadable("orders", "the store is away");
    assertThat(bad(planted, "backup"))
        .hasSize(28)
        .allMatch(one -> one.startsWith("could-not-look"));
    assertThat(planted.report().met()).isFalse();
    assertThat(planted.report().why()).contains("the store is away");
  }

  @Test
  void whatRetentionLetGoOfWasThereIfARecordSaysSo() {
    List<Map<String, Object>> backups = new ArrayList<>(daily());
    List<Map<String, Object>> gone = new ArrayList<>(backups.subList(0, 10));
    backups.subList(0, 10).clear();
    PlantedReport silent = planted().source("orders", "postgres", backups);
    assertThat(bad(silent, "backup")).hasSize(10).allMatch(one -> one.startsWith("could-not-look"));
    PlantedReport recorded =
        planted()
            .source("orders", "postgres", backups)
            .record(
                TO.minus(Duration.ofDays(5)),
                EvidenceRecord.RETENTION,
                "orders",
                EvidenceRecord.PASSED,
                Map.of("deleted", gone));
    assertThat(bad(recorded, "backup")).isEmpty();
  }

  @Test
  void whatIsExpectedIsWhatWasConfiguredThen() {
    Population.Source weekly =
        new Population.Source(
            "orders",
            "postgres",
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            List.of(
                new Population.Due("full", Schedule.parse("Sun 02:00 UTC"), Duration.ofHours(4))));
    PlantedReport changed =
        new PlantedReport()
            .expecting(BEFORE, weekly)
            .expecting(FROM.plus(Duration.ofDays(14)), orders())
            .source("orders", "postgres", daily());
    assertThat(items(changed, "backup")).hasSize(2 + 14);
    assertThat(changed.report().figures().objects("population")).hasSize(2);
  }

  @Test
  void whatNobodyRecordedIsAssumedAndSaidToBe() {
    PlantedReport late =
        new PlantedReport()
            .expecting(FROM.plus(Duration.ofDays(20)), orders())
            .source("orders", "postgres", daily());
    assertThat(items(late, "backup")).hasSize(28);
    assertThat(items(late, "backup").get(0).flag("assumed")).isTrue();
    assertThat(late.report().met()).isFalse();
    assertThat(late.report().why())
        .contains("what was expected before 2026-02-21 00:00 UTC is not recorded");

    PlantedReport never = new PlantedReport().source("orders", "postgres", daily());
    assertThat(never.report().met()).isFalse();
    assertThat(never.report().why()).contains("nobody ever recorded what is expected");
  }

  @Test
  void eachHostSaysWhatItExpects() {
    Population other =
        Population.builder()
            .source(
                new Population.Source(
                    "files",
                    "files",
                    Optional.empty(),
                    Optional.empty(),
                    Optional.empty(),
                    Optional.empty(),
                    Optional.empty(),
                    List.of(
                        new Population.Due(
                            "full", Schedule.parse("Sun 02:00 UTC"), Duration.ofHours(4)))))
            .exclude("scratch", "can be made again")
            .build();
    PlantedReport planted =
        planted()
            .expecting(BEFORE.plusSeconds(1), "other", other)
            .source("orders", "postgres", daily());
    assertThat(planted.report().why()).contains("files has no backup that can be restored");
    assertThat(planted.report().html()).contains("can be made again");
  }

  @Test
  void drillsAndExercisesAreExpectedAgainAndAgain() {
    Population population =
        Population.builder()
            .source(orders())
            .exercise(
                new Population.Exercise(
                    "talk", "tabletop", "ada", List.of("region-lost"), Duration.ofDays(90)))
            .build();
    PlantedReport planted =
        new PlantedReport()
            .expecting(BEFORE, "host", population)
            .drill(FROM.minus(Duration.ofDays(2)), "orders", "passed", Duration.ZERO, Duration.ZERO)
            .drill(FROM.plus(Duration.ofDays(4)), "orders", "passed", Duration.ZERO, Duration.ZERO)
            .drill(FROM.plus(Duration.ofDays(9)), "orders", "failed", Duration.ZERO, Duration.ZERO)
            .drill(FROM.plus(Duration.ofDays(13)), "orders", "passed", Duration.ZERO, Duration.ZERO)
            .source("orders", "postgres", daily());
    assertThat(bad(planted, "drill"))
        .containsExactly("late@2026-02-12", "missing@2026-02-21", "missing@2026-02-28");
    assertThat(items(planted, "exercise")).isEmpty(); // still has time

    PlantedReport talked =
        planted.record(
            TO.minus(Duration.ofDays(3)),
            EvidenceRecord.EXERCISE,
            "region-lost",
            EvidenceRecord.PASSED,
            Map.of("participants", List.of("ada", "bo")));
    assertThat(items(talked, "exercise"))
        .singleElement()
        .satisfies(one -> assertThat(one.require("verdict")).isEqualTo("present"));
    assertThat(control(talked, "PCI DSS 4.0.1", "12.10.2").require("verdict")).isEqualTo("present");
  }

  @Test
  void theLastDrillCounts() {
    PlantedReport planted =
        PlantedReport.good()
            .drill(
                TO.minus(Duration.ofHours(3)),
                "orders",
                EvidenceRecord.FAILED,
                Duration.ofMinutes(3),
                Duration.ZERO);
    assertThat(bad(planted, "drill")).containsExactly("failed@2026-03-01");
    assertThat(planted.report().met()).isFalse();
  }

  @Test
  void objectivesAreComparedWithWhatWasMeasured() {
    PlantedReport slow =
        PlantedReport.good()
            .drill(
                TO.minus(Duration.ofHours(3)),
                "orders",
                EvidenceRecord.PASSED,
                Duration.ofHours(2),
                Duration.ZERO);
    assertThat(slow.report().met()).isFalse();
    assertThat(slow.report().why()).contains("bringing orders back took 2 h, of at most 1 h");
  }

  @Test
  void alarmsNeedSomebodyWhoSeesToThem() {
    PlantedReport seen =
        PlantedReport.good().alarm("backup.late", "critical", "orders", Optional.of("ada"));
    assertThat(seen.report().met()).isTrue();
    PlantedReport alone =
        PlantedReport.good().alarm("backup.late", "critical", "orders", Optional.empty());
    assertThat(bad(alone, "alarm")).containsExactly("failed@2026-03-01");
    assertThat(alone.report().met()).isFalse();
    Instant said = TO.minus(Duration.ofDays(1)); // a day after it began
    alone.record(
        said,
        EvidenceRecord.WAIVER,
        "alarm orders",
        "waived",
        Map.of("approver", "bo", "from", said.toString(), "until", TO.plusSeconds(9).toString()));
    assertThat(bad(alone, "alarm")).containsExactly("waived@2026-03-01");
    assertThat(alone.report().met()).isTrue();
    assertThat(control(PlantedReport.good().observe("alarmsLooked", false), "SOC 2", "A1.2"))
        .satisfies(one -> assertThat(one.require("why")).contains("nobody looked for alarms"));
  }

  @Test
  void aWaiverNamesWhoAndUntilWhen() {
    List<Map<String, Object>> backups = new ArrayList<>(daily());
    backups.remove(12);
    PlantedReport planted = PlantedReport.good();
    ((List<?>) planted.observed().get("sources")).clear();
    planted.source("orders", "postgres", backups);
    assertThat(planted.report().met()).isFalse();
    Map<String, Object> waiver =
        Map.of(
            "approver", "bo",
            "from", FROM.plus(Duration.ofDays(12)).toString(),
            "until", FROM.plus(Duration.ofDays(13)).toString());
    planted.record(
        TO.minus(Duration.ofDays(1)),
        EvidenceRecord.WAIVER,
        "backup orders",
        EvidenceRecord.PASSED,
        waiver);
    assertThat(planted.report().met()).isFalse();
    assertThat(items(planted, "backup"))
        .anySatisfy(
            one ->
                assertThat(one.require("why"))
                    .endsWith("bo answered for it when it had been due, at 2026-02-28 00:00 UTC"));
    planted.record(
        FROM.plus(Duration.ofDays(11)),
        EvidenceRecord.WAIVER,
        "backup orders",
        EvidenceRecord.PASSED,
        waiver);
    assertThat(planted.report().met()).as(planted.report().why()).isTrue();
    assertThat(items(planted, "backup"))
        .anySatisfy(one -> assertThat(one.require("why")).startsWith("waived by bo"));
    assertThat(planted.report().waivable())
        .contains("backup orders", "drill orders", "SOC 2 A1.2")
        .doesNotContain("backup audit");
  }

  @Test
  void aWaiverOfACriterionCountsFromItsBeginToItsEnd() {
    String[][] verdictAt = {
      // begin, end and verdict, in days from the end of the period
      {"-2", "1", "waived"}, {"-2", "0", "missing"}, {"1", "2", "missing"}
    };
    for (String[] one : verdictAt) {
      PlantedReport planted =
          PlantedReport.good()
              .record(
                  TO.minus(Duration.ofDays(3)),
                  EvidenceRecord.WAIVER,
                  "SOC 2 A1.3",
                  "waived",
                  Map.of(
                      "approver",
                      "bo",
                      "reason",
                      "practised in May",
                      "from",
                      TO.plus(Duration.ofDays(Long.parseLong(one[0]))).toString(),
                      "until",
                      TO.plus(Duration.ofDays(Long.parseLong(one[1]))).toString()));
      assertThat(control(planted, "SOC 2", "A1.3").require("verdict")).isEqualTo(one[2]);
      assertThat(planted.report().html()).contains("practised in May", "waiver ");
    }
  }

  @Test
  void whatRunsKeptOfTiersIsAmongTheFiguresAndWhatTheyMissedIsNotMet() {
    assertThat(PlantedReport.good().report().figures().objects("tiers")).isEmpty();
    Map<String, Object> good =
        PlantedReport.tier(Duration.ofMinutes(20), "kept", Duration.ofMinutes(1), "kept");
    PlantedReport kept =
        PlantedReport.good()
            .run(
                BEFORE,
                "inc-0",
                PlantedReport.tier(Duration.ofHours(9), "missed", BEYOND, "missed"))
            .run(TO.minus(Duration.ofDays(4)), "inc-1", good)
            .run(
                TO.minus(Duration.ofDays(3)),
                "inc-2",
                PlantedReport.tier(Duration.ofMinutes(50), "unknown", Duration.ZERO, "kept"));
    assertThat(kept.report().met()).as(kept.report().why()).isTrue();
    Fields tier = kept.report().figures().objects("tiers").get(0);
    assertThat(tier.objects("runs"))
        .extracting(one -> one.require("run") + " " + one.require("time"))
        .containsExactly("inc-1 kept", "inc-2 unknown");
    assertThat(tier.object("took").number("worstMillis"))
        .hasValue(Duration.ofMinutes(50).toMillis());
    assertThat(tier.object("lost").number("lastMillis")).hasValue(0);
    assertThat(kept.report().html())
        .contains("What runs kept of what is promised", "50 min at worst, of 2 measured");

    Map<String, Object> bad = PlantedReport.tier(Duration.ofHours(2), "missed", BEYOND, "missed");
    PlantedReport missed = kept.run(TO.minus(Duration.ofDays(2)), "inc-3", bad);
    assertThat(missed.report().met()).isFalse();
    assertThat(missed.report().why())
        .contains("in run inc-3 tier-1 was away 2 h, of at most 1 h")
        .contains("in run inc-3 tier-1 lost 6 min, of at most 5 min");
    assertThat(missed.report().figures().objects("deviations"))
        .anySatisfy(one -> assertThat(one.require("what")).contains("tier-1 was away 2 h"));

    PlantedReport again = missed.run(TO.minus(Duration.ofDays(1)), "inc-3", good);
    assertThat(again.report().met()).isTrue(); // the last end of a run counts
  }

  @Test
  void brokenEvidenceIsNeverMet() {
    PlantedReport planted =
        PlantedReport.good()
            .observe(
                "evidenceProblems",
                List.of(Map.of("code", "missing", "record", "0".repeat(64), "message", "is away")));
    assertThat(planted.report().met()).isFalse();
    assertThat(planted.report().why()).contains("problems with evidence: 1");
  }

  @Test
  void everyControlSaysWhatItAsksAndOfWhichEvidence() {
    Fields controls = PlantedReport.good().report().controls();
    assertThat(controls.require("note")).contains("no attestation");
    assertThat(controls.number("version")).isPresent();
    assertThat(controls.objects("controls"))
        .extracting(one -> one.require("framework"))
        .contains("SOC 2", "ISO 27001:2022", "ISO 22301", "HIPAA", "PCI DSS 4.0.1", "DORA");
    for (Fields one : PlantedReport.good().report().figures().objects("controls")) {
      assertThat(one.objects("evidence")).isNotEmpty();
      assertThat(one.require("why")).doesNotContain("nothing here can show");
    }
  }

  @Test
  void aPageShowsTextOfOthersAsText() {
    Population.Source hostile =
        new Population.Source(
            PlantedReport.HOSTILE,
            "postgres",
            Optional.of(PlantedReport.HOSTILE),
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            List.of());
    PlantedReport planted =
        new PlantedReport()
            .expecting(BEFORE, hostile)
            .observe("generatedBy", PlantedReport.HOSTILE)
            .failure("orders", FROM, PlantedReport.HOSTILE)
            .drill(
                TO.minusSeconds(9), PlantedReport.HOSTILE, "failed", Duration.ZERO, Duration.ZERO);
    String page = planted.report().html();
    assertThat(page).contains("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;");
    assertThat(page).doesNotContain("<script").doesNotContain("\u0000").doesNotContain("\u202e");
    assertThat(page).doesNotContain("http:").doesNotContain("https:").doesNotContain("url(");
    assertThat(page).isEqualTo(planted.report().html());
  }

  @Test
  void aPageTellsOfEachRunExerciseAndDrill() {
    PlantedReport planted = PlantedReport.good().accounts(TO.minus(Duration.ofDays(1)));
    String page = planted.report().html();
    assertThat(page)
        .contains("Incidents and invocations", "region-lost, fire", "failed, promote failed")
        .contains("tier-1: away 1 h 10 min of 1 h, missed; lost 3 s of 5 min, kept")
        .contains("done: fence, 2 attempts: is fenced")
        .containsPattern("Otherwise than planned</dt><dd><ul class=.plain.>\\s*<li>failed: promote")
        .contains("bo, approve, fence: go on<") // that it is signed nobody checked
        .contains("1 of 2", "bo, We look.", "No key at night (ada, until 2027-02-01)")
        .contains("2 s: detect 1 s", "1493, of which 0 are gone", "2 of 2 proofs before it began")
        .contains("passed: role: has no power", "1 of 2 noticed by the check that is for it")
        .contains("role, it may all", "simulation.blind, role did not notice")
        .contains("backup 20260222T020000Z, random, seed 4711");
    assertThat(new PlantedReport().expecting(BEFORE, orders()).report().html())
        .doesNotContain("Incidents and invocations");
  }

  @Test
  void whatLooksAndDamagesIsNoPartOfTheTimeToBeBack() {
    PlantedReport planted = planted().source("orders", "postgres", PlantedReport.daily());
    planted.record(
        TO.minus(Duration.ofDays(1)),
        EvidenceRecord.DRILL,
        "orders",
        EvidenceRecord.PASSED,
        Map.of(
            "stages",
                List.of(
                    Map.of("stage", "copy", "millis", Duration.ofMinutes(1).toMillis()),
                    Map.of("stage", "validate", "millis", Duration.ofHours(2).toMillis()),
                    Map.of("stage", "negative-control", "millis", Duration.ofHours(2).toMillis())),
            "loss", Map.of("millis", 1000L)));
    Fields source = planted.report().figures().objects("sources").get(0);
    assertThat(source.object("rto").require("verdict")).isEqualTo("present");
    assertThat(source.object("rto").require("why")).contains("1 min");
  }

  @Test
  void oneCopyThatBringsItBackIsNoProofOfAnother() {
    PlantedReport planted =
        PlantedReport.good()
            .observe("copies", List.of(Map.of("name", "one"), Map.of("name", "two")));
    for (String copy : List.of("two", "gone", "one")) {
      planted.record(
          TO.minus(Duration.ofHours(copy.equals("one") ? 1 : 2)),
          EvidenceRecord.DRILL,
          "orders",
          copy.equals("one") ? EvidenceRecord.PASSED : EvidenceRecord.FAILED,
          Map.of(
              "stages", List.of(Map.of("stage", "copy", "millis", 1000L)),
              "loss", Map.of("millis", 1000L),
              "choice", Map.of("copy", copy)));
    }
    Fields drill = planted.report().figures().objects("sources").get(0).object("drill");
    assertThat(drill.require("verdict")).isEqualTo("failed");
    assertThat(drill.require("why"))
        .isEqualTo("the last drill of orders from copy two alone ended failed");
    assertThat(bad(planted, "drill")).containsExactly("failed@2026-03-01");
  }

  @Test
  void aDrillThatWasInterruptedSaysNothing() {
    PlantedReport planted =
        PlantedReport.good()
            .record(TO.minusSeconds(9), EvidenceRecord.DRILL, "orders", "aborted", Map.of());
    assertThat(bad(planted, "drill")).isEmpty();
    assertThat(planted.report().met()).isTrue();
  }

  /** Whoever writes a record writes what they like; the others are still there. */
  @Test
  void aMemberThatIsNoMomentTakesNoReportAway() {
    PlantedReport planted = PlantedReport.good();
    Map<String, Object> odd =
        Map.of("approver", "bo", "from", "yesterday", "until", "never", "outage", "at night");
    planted
        .record(TO.minusSeconds(9), EvidenceRecord.APPROVAL, "run-1 fence", "approved", odd)
        .record(TO.minusSeconds(8), EvidenceRecord.DR_RUN, "run-1", "passed", odd)
        .record(TO.minusSeconds(7), EvidenceRecord.WAIVER, "SOC 2 A1.3", "waived", odd)
        .record(TO.minusSeconds(6), EvidenceRecord.WAIVER, "backup orders", "waived", odd)
        .record(
            TO.minusSeconds(5),
            EvidenceRecord.RETENTION,
            "orders",
            "passed",
            Map.of("deleted", List.of(Map.of("startedAt", "x", "stoppedAt", "y"))))
        .unreadable("orders", "away"); // so that waivers are asked
    assertThat(planted.report().html()).contains("yesterday", "never", "at night");
    assertThat(control(planted, "SOC 2", "A1.3").require("verdict")).isNotEqualTo("waived");
    assertThat(items(planted, "backup")).hasSize(28);
  }
}
