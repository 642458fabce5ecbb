package com.thorbis.backup.dr.simulate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.dr.drill.DrillCheck;
import com.thorbis.backup.dr.drill.DrillReport.Problem;
import com.thorbis.backup.dr.drill.DrillReport.Status;
import com.thorbis.backup.dr.drill.DrillReport.Verdict;
import com.thorbis.backup.dr.drill.Plant;
import com.thorbis.backup.dr.internal.CanonicalJson;
import com.thorbis.backup.dr.plan.Scenario;
import com.thorbis.backup.dr.run.RunPlan;
import com.thorbis.backup.dr.run.RunReport;
import com.thorbis.backup.dr.run.RunReport.TaskReport;
import com.thorbis.backup.dr.run.RunStatus;
import com.thorbis.backup.dr.run.Task;
import com.thorbis.backup.dr.run.TaskStatus;
import com.thorbis.backup.dr.simulate.Attempt.Outcome;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class SimulationTest {
  private static final Instant T = Instant.parse("2027-01-26T10:00:00Z");

  private static TaskReport task(String id, long started, long ended) {
    return new TaskReport(
        Task.builder(id, id).build(),
        TaskStatus.DONE,
        true,
        1,
        Optional.of(T.plusMillis(started)),
        Optional.of(T.plusMillis(ended)),
        "is so",
        Map.of(),
        Optional.empty());
  }

  private static RunReport run(RunStatus status, String reason, List<TaskReport> tasks) {
    return new RunReport(
        "run-1",
        RunPlan.of("database-failure", "", List.of()),
        "digest",
        "ada",
        status,
        reason,
        T,
        Optional.of(T.plusSeconds(5)),
        Optional.empty(),
        "here",
        1,
        true,
        tasks,
        List.of());
  }

  private static DrillCheck check(DrillCheck.Outcome outcome, boolean required) {
    return new DrillCheck(
        "rows", DrillCheck.Category.INTEGRITY, required, outcome, "was looked at", 3);
  }

  @Test
  void passesOnlyWithEveryProof() {
    RunReport done = run(RunStatus.SUCCEEDED, "", List.of());
    Duration second = Duration.ofSeconds(1);
    List<DrillCheck> good = List.of(check(DrillCheck.Outcome.PASSED, true));
    assertThat(Simulation.wrong(done, good, second, Optional.of(second))).isEmpty();
    assertThat(Simulation.wrong(done, good, second, Optional.of(Duration.ofMillis(999))))
        .containsExactly("it was away for 1000 ms, longer than 999");
    assertThat(
            Simulation.wrong(
                run(RunStatus.WAITING, "for ada", List.of()), good, second, Optional.empty()))
        .containsExactly("the run waiting: for ada");
    for (DrillCheck.Outcome outcome :
        List.of(DrillCheck.Outcome.FAILED, DrillCheck.Outcome.NOT_PERFORMED)) {
      assertThat(Simulation.wrong(done, List.of(check(outcome, true)), second, Optional.empty()))
          .containsExactly("rows " + outcome.label() + ": was looked at");
      assertThat(Simulation.wrong(done, List.of(check(outcome, false)), second, Optional.empty()))
          .isEmpty();
    }
  }

  @Test
  void aCheckThatDoesNotNoticeOrWasNotTriedIsBlind() {
    assertThat(
            Simulation.blind(
                List.of(
                    new Plant("rows", "a row is gone", Plant.Result.DETECTED, "1 is gone"),
                    new Plant("role", "it may all", Plant.Result.UNDETECTED, "has no power"),
                    new Plant("one", "another", Plant.Result.NOT_PLANTED, "does not start"))))
        .containsExactly(
            "role did not notice: it may all (has no power)",
            "one was not tried with: another (does not start)");
  }

  @Test
  void whatLiesBetweenFindingOutAndTheFirstChangeIsSpentDeciding() {
    List<TaskReport> tasks =
        List.of(task("detect", 10, 100), task("fence", 400, 500), task("promote", 600, 900));
    assertThat(Simulation.marks(run(RunStatus.SUCCEEDED, "", tasks)))
        .containsExactly(
            new Outage.Mark("detect", T.plusMillis(100)),
            new Outage.Mark("decide", T.plusMillis(400)),
            new Outage.Mark("fence", T.plusMillis(500)),
            new Outage.Mark("promote", T.plusMillis(900)));
  }

  @Test
  void anUnknownDisasterIsRefused() {
    assertThat(Simulation.disaster("data-corruption"))
        .isEqualTo(Scenario.Simulation.DATA_CORRUPTION);
    assertThatThrownBy(() -> Simulation.disaster("meteor"))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("simulation.unknown"));
    for (Scenario.Simulation each : Scenario.Simulation.values()) {
      assertThat(Fault.of(each, Damage.PAGE).label()).isEqualTo(each.label());
    }
  }

  @Test
  void anApplicationNeedsSomebodyWhoKeepsIt() {
    assertThatThrownBy(
            () ->
                Simulation.builder(
                        LocalEnvironment.builder(
                            new Environments(Path.of("/var/tmp"), Clock.systemUTC()),
                            Clock.systemUTC()),
                        Scenario.Simulation.APPLICATION_FAILURE,
                        (environment, incident) -> run(RunStatus.SUCCEEDED, "", List.of()))
                    .build())
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("simulation.no-keeper"));
  }

  @Test
  void whatAnApplicationAnswersIsWhatAClientKnows() {
    assertThat(WebTeller.told(200, "").outcome()).isEqualTo(Outcome.ACKNOWLEDGED);
    assertThat(WebTeller.told(503, "<html>").outcome()).isEqualTo(Outcome.REFUSED);
    assertThat(WebTeller.told(500, "23505 is there").outcome()).isEqualTo(Outcome.REFUSED);
    assertThat(WebTeller.told(500, "08006 was cut").outcome()).isEqualTo(Outcome.UNKNOWN);
    assertThat(WebTeller.told(500, "").outcome()).isEqualTo(Outcome.UNKNOWN);
    assertThat(WebTeller.told(502, "").outcome()).isEqualTo(Outcome.UNKNOWN);
  }

  @Test
  void theReportHasOneForm() {
    Map<String, Duration> stages = new LinkedHashMap<>();
    stages.put("notice", Duration.ofMillis(20));
    stages.put("reconnect", Duration.ofMillis(980));
    SimulationReport report =
        new SimulationReport(
            "simulation-1",
            "database-failure",
            "dr-test-primary",
            T,
            9000,
            Status.COMPLETED,
            Verdict.FAILED,
            Optional.of(new Problem("simulation.failed", "rows are gone", "Mend it.")),
            List.of(
                new CheckItem("isolation.port", CheckItem.Outcome.OK, "primary.port: 20001", "")),
            Optional.of(T.plusSeconds(3)),
            Optional.of(run(RunStatus.SUCCEEDED, "", List.of(task("detect", 10, 100)))),
            Optional.of(
                new Outage(
                    T.plusSeconds(3), Optional.of(T.plusSeconds(4)), T.plusSeconds(6), 7, 2)),
            stages,
            Optional.of(Duration.ofSeconds(30)),
            Optional.of(new Loss(100, List.of(7L), 1, 1, List.of())),
            Optional.of(
                new RecoveredPoint(
                    Optional.of(T.plusSeconds(2)),
                    Optional.of(T.plusSeconds(3)),
                    5,
                    "balances add up to 7",
                    Lsn.parse("0/2000000"),
                    Lsn.parse("0/3000000"))),
            Optional.of(new GivenUp(1, Duration.ofSeconds(1), 16_777_216, 0)),
            Optional.of(new Pace(50, 4000, 9000)),
            Optional.of(new Pace(50, 5000, 9500)),
            List.of(check(DrillCheck.Outcome.FAILED, true)),
            List.of(new Plant("rows", "a row is gone", Plant.Result.DETECTED, "1 is gone")),
            "1.2.3");
    assertThat(new String(CanonicalJson.encode(report.json()), StandardCharsets.UTF_8))
        .isEqualTo(
            "{\"after\":{\"commits\":50,\"medianMicros\":5000,\"slowMicros\":9500},"
                + "\"before\":{\"commits\":50,\"medianMicros\":4000,\"slowMicros\":9000},"
                + "\"checks\":[{\"category\":\"integrity\",\"detail\":\"was looked at\","
                + "\"millis\":3,\"name\":\"rows\",\"outcome\":\"failed\",\"required\":true}],"
                + "\"disasterAt\":\"2027-01-26T10:00:03Z\",\"environment\":\"dr-test-primary\","
                + "\"exercise\":\"full-simulation\",\"format\":\"thorbis-simulation/1\","
                + "\"givenUp\":{\"bytes\":16777216,\"commits\":1,\"millis\":1000},"
                + "\"id\":\"simulation-1\",\"isolation\":[{\"message\":\"primary.port: 20001\","
                + "\"outcome\":\"ok\",\"subject\":\"isolation.port\"}],"
                + "\"loss\":{\"acknowledged\":100,\"contrary\":0,\"lost\":1,\"lostRows\":[7],"
                + "\"unknownGone\":1,\"unknownThere\":1},\"millis\":9000,"
                + "\"objectiveMillis\":30000,\"outage\":{\"downtimeMillis\":1000,"
                + "\"firstSuccess\":\"2027-01-26T10:00:04Z\","
                + "\"lastSuccess\":\"2027-01-26T10:00:03Z\","
                + "\"observedUntil\":\"2027-01-26T10:00:06Z\",\"refused\":7,"
                + "\"stages\":[{\"millis\":20,\"stage\":\"notice\"},"
                + "{\"millis\":980,\"stage\":\"reconnect\"}],\"unknown\":2},"
                + "\"plants\":[{\"check\":\"rows\",\"damage\":\"a row is gone\","
                + "\"detail\":\"1 is gone\",\"result\":\"detected\"}],"
                + "\"problem\":{\"code\":\"simulation.failed\",\"message\":\"rows are gone\","
                + "\"remedy\":\"Mend it.\"},\"product\":\"1.2.3\","
                + "\"recoveredTo\":{\"atEndOfLog\":\"balances add up to 7\","
                + "\"damagedAt\":\"2027-01-26T10:00:03Z\",\"logEnd\":\"0/3000000\","
                + "\"moment\":\"2027-01-26T10:00:02Z\",\"reached\":\"0/2000000\","
                + "\"restoresTried\":5},"
                + "\"run\":{\"id\":\"run-1\",\"journal\":\"\",\"planDigest\":\"digest\","
                + "\"reason\":\"\",\"records\":0,\"status\":\"succeeded\","
                + "\"steps\":[{\"action\":\"detect\",\"attempts\":1,\"detail\":\"is so\","
                + "\"endedAt\":\"2027-01-26T10:00:00.100Z\",\"id\":\"detect\","
                + "\"startedAt\":\"2027-01-26T10:00:00.010Z\",\"status\":\"done\"}]},"
                + "\"scenario\":\"database-failure\",\"startedAt\":\"2027-01-26T10:00:00Z\","
                + "\"status\":\"completed\",\"verdict\":\"failed\"}");
  }
}
