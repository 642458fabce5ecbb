package com.thorbis.backup.dr.run;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.dr.run.RunReport.TaskReport;
import com.thorbis.backup.dr.run.TierOutcome.Verdict;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** What is promised is kept only where that was measured. */
class TierOutcomeTest {
  private static final Instant OUTAGE = Instant.parse("2030-01-01T00:00:00Z");
  private static final Instant ASKED = OUTAGE.plusSeconds(300);
  private static final Objective OBJECTIVE =
      new Objective(
          "tier-1",
          Duration.ofMinutes(15),
          Duration.ofMinutes(5),
          List.of("health"),
          Map.of("database", List.of("restore")));

  private static TaskReport task(String id, TaskStatus status, Instant ended, String... facts) {
    return new TaskReport(
        Task.builder(id, "host").build(),
        status,
        true,
        1,
        Optional.of(ASKED),
        Optional.of(ended),
        "",
        facts.length == 0 ? Map.of() : Map.of(facts[0], facts[1]),
        Optional.empty());
  }

  private static TierOutcome outcome(
      Optional<Instant> outage, RunStatus status, Instant now, TaskReport... tasks) {
    RunPlan plan =
        new RunPlan(
            "s",
            "",
            RunPlan.UNGRACEFUL,
            "text",
            List.of(tasks).stream().map(TaskReport::task).toList(),
            Optional.empty(),
            false,
            outage,
            List.of(OBJECTIVE));
    RunReport report =
        new RunReport(
            "inc-1",
            plan,
            plan.digest(),
            "first",
            status,
            "",
            ASKED,
            status.ended() ? Optional.of(now) : Optional.empty(),
            Optional.empty(),
            "machine",
            1,
            true,
            List.of(tasks),
            List.of());
    return report.outcomes(now).get(0);
  }

  private static TierOutcome served(Optional<Instant> outage, Instant at, String... facts) {
    return outcome(
        outage,
        RunStatus.SUCCEEDED,
        at,
        task("restore", TaskStatus.DONE, ASKED.plusSeconds(1), facts),
        task("health", TaskStatus.DONE, at));
  }

  @Test
  void timeCountsFromTheOutageUntilTheTierIsServed() {
    TierOutcome kept = served(Optional.of(OUTAGE), OUTAGE.plusSeconds(900));
    assertThat(kept.time()).isEqualTo(Verdict.KEPT);
    assertThat(kept.took()).contains(Duration.ofMinutes(15));

    TierOutcome missed = served(Optional.of(OUTAGE), OUTAGE.plusSeconds(901));
    assertThat(missed.time()).isEqualTo(Verdict.MISSED);
    assertThat(missed.took()).contains(Duration.ofSeconds(901));
  }

  @Test
  void withoutTheOutageNothingIsKeptAndWhatIsTooLongIsMissed() {
    TierOutcome short1 = served(Optional.empty(), ASKED.plusSeconds(10));
    assertThat(short1.time()).isEqualTo(Verdict.UNKNOWN);
    assertThat(short1.timeDetail()).contains("nobody said when the outage began");
    assertThat(served(Optional.empty(), ASKED.plusSeconds(901)).time()).isEqualTo(Verdict.MISSED);
  }

  @Test
  void whatIsNotServedIsOpenUntilItIsTooLateAndMissedWhenTheRunHasEnded() {
    TaskReport restored = task("restore", TaskStatus.DONE, ASKED, Objective.LOSS, "0");
    TaskReport failed = task("health", TaskStatus.FAILED, ASKED);
    Optional<Instant> outage = Optional.of(OUTAGE);
    Instant early = OUTAGE.plusSeconds(600);

    assertThat(outcome(outage, RunStatus.RUNNING, early, restored, failed).time())
        .isEqualTo(Verdict.OPEN);
    assertThat(outcome(outage, RunStatus.RUNNING, OUTAGE.plusSeconds(901), restored, failed).time())
        .isEqualTo(Verdict.MISSED);
    TierOutcome ended = outcome(outage, RunStatus.FAILED, early, restored, failed);
    assertThat(ended.time()).isEqualTo(Verdict.MISSED);
    assertThat(ended.timeDetail()).contains("health is failed");
    assertThat(ended.took()).isEmpty();
  }

  @Test
  void lossIsWhatWasMeasured() {
    Optional<Instant> outage = Optional.of(OUTAGE);
    Instant at = OUTAGE.plusSeconds(600);

    TierOutcome nothing = served(outage, at, Objective.LOSS, "0");
    assertThat(nothing.loss()).isEqualTo(Verdict.KEPT);
    assertThat(nothing.lost()).contains(Duration.ZERO);

    TierOutcome little =
        served(outage, at, Objective.REACHED_TIME, OUTAGE.minusSeconds(300).toString());
    assertThat(little.loss()).isEqualTo(Verdict.KEPT);
    assertThat(little.lost()).contains(Duration.ofMinutes(5));

    TierOutcome much = served(outage, at, Objective.AS_OF, OUTAGE.minusSeconds(301).toString());
    assertThat(much.loss()).isEqualTo(Verdict.MISSED);
    assertThat(much.lost()).contains(Duration.ofSeconds(301));
  }

  @Test
  void lossThatNobodyMeasuredIsUnknown() {
    Optional<Instant> outage = Optional.of(OUTAGE);
    Instant at = OUTAGE.plusSeconds(600);

    assertThat(served(outage, at).loss()).isEqualTo(Verdict.UNKNOWN);
    assertThat(served(outage, at, Objective.LOSS, "unknown").loss()).isEqualTo(Verdict.UNKNOWN);
    TierOutcome bytes = served(outage, at, Objective.LOSS, "4096");
    assertThat(bytes.loss()).isEqualTo(Verdict.UNKNOWN);
    assertThat(bytes.lossDetail()).contains("4096 bytes");
    assertThat(bytes.lost()).isEmpty();
    // From when it was asked for on it is more than it was: within the target it is kept all the
    // same, and beyond nobody knows.
    assertThat(served(Optional.empty(), at, Objective.REACHED_TIME, OUTAGE.toString()).loss())
        .isEqualTo(Verdict.KEPT);
    assertThat(
            served(Optional.empty(), at, Objective.REACHED_TIME, OUTAGE.minusSeconds(1).toString())
                .loss())
        .isEqualTo(Verdict.UNKNOWN);
  }

  @Test
  void whatWasPromisedStaysWithTheJournal() {
    RunPlan plan =
        new RunPlan(
            "s",
            "",
            RunPlan.UNGRACEFUL,
            "text",
            List.of(
                Task.builder("restore", "host").build(), Task.builder("health", "host").build()),
            Optional.empty(),
            false,
            Optional.of(OUTAGE),
            List.of(OBJECTIVE));

    RunPlan again = RunPlan.read(new Fields(Json.fields(read(plan))));
    assertThat(again.digest()).isEqualTo(plan.digest());
    assertThat(again.outage()).contains(OUTAGE);
    assertThat(again.objectives()).containsExactly(OBJECTIVE);
    assertThat(Json.write(plan.document()))
        .contains(
            "\"objectives\":[{\"losses\":{\"database\":[\"restore\"]},\"rpo\":\"PT5M\","
                + "\"rto\":\"PT15M\",\"served\":[\"health\"],\"tier\":\"tier-1\"}],"
                + "\"outage\":\"2030-01-01T00:00:00Z\"");
  }

  private static Object read(RunPlan plan) {
    try {
      return Json.read(Json.write(plan.document()));
    } catch (Json.Malformed e) {
      throw new AssertionError(e);
    }
  }
}
