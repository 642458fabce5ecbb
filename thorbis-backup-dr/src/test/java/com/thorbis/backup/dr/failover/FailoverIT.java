package com.thorbis.backup.dr.failover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.dr.run.Action;
import com.thorbis.backup.dr.run.Actions;
import com.thorbis.backup.dr.run.Result;
import com.thorbis.backup.dr.run.RunEngine;
import com.thorbis.backup.dr.run.RunPlan;
import com.thorbis.backup.dr.run.RunReport;
import com.thorbis.backup.dr.run.RunStatus;
import com.thorbis.backup.dr.run.Step;
import com.thorbis.backup.dr.run.StepContext;
import com.thorbis.backup.dr.run.Task;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FailoverIT {
  private static final String RUN = "incident-1";
  private static final String INSERT = "INSERT INTO told (client) VALUES (1)";

  @TempDir static Path shared;
  private static Path template;

  @TempDir Path folder;
  private final MemoryObjectStore store = MemoryObjectStore.create(Clock.systemUTC(), 1000);
  private Pair pair;

  @BeforeAll
  static void prepare() throws Exception {
    template = Pair.template(shared);
  }

  @BeforeEach
  void start() throws Exception {
    pair = Pair.start(template, folder);
  }

  @AfterEach
  void stop() throws Exception {
    pair.close();
  }

  private Failover failover() {
    ServerAccess primary = pair.primaryAccess();
    ServerAccess standby = pair.standbyAccess();
    return Failover.builder("database", primary, standby)
        .detector(
            Detector.builder()
                .signal(Signals.port("port", "here", primary, Duration.ofSeconds(20)))
                .signal(Signals.process("process", "host", primary))
                .signal(Signals.standby("stream", standby.name(), standby, Duration.ofMillis(900)))
                .looks(2, Duration.ofMillis(100))
                .build())
        .build();
  }

  private static Task task(String kind, String needs, String... inputs) {
    Map<String, String> with = new HashMap<>(Map.of("source", "database"));
    for (int i = 0; i < inputs.length; i += 2) {
      with.put(inputs[i], inputs[i + 1]);
    }
    return Task.builder(kind, kind)
        .needs(needs.isEmpty() ? List.of() : List.of(needs))
        .inputs(with)
        .backoff(Duration.ofMillis(100))
        .build();
  }

  private static RunPlan unplanned() {
    return RunPlan.of(
        "database-failure",
        "text",
        List.of(
            task("detect", ""),
            task("fence", "detect"),
            task("promote", "fence", "max-loss", "any")));
  }

  private RunEngine engine(String machine, List<Action> kinds) {
    Actions.Builder actions = Actions.builder();
    kinds.forEach(actions::add);
    return RunEngine.builder(folder.resolve(machine), store, actions.build(), machine).build();
  }

  private List<Action> actions() {
    return FailoverActions.of(List.of(failover()), Map.of());
  }

  private static Map<String, String> facts(RunReport report, String task) {
    return report.task(task).orElseThrow().facts();
  }

  private static long promotions(PostgresServer server) throws IOException {
    return Files.readString(server.logFile())
        .lines()
        .filter(line -> line.contains("received promote request"))
        .count();
  }

  private void assertOldOneComesBackAsAStandbyAlone() throws Exception {
    Pair.startAgain(pair.primary);
    assertThat(pair.primary.query("postgres", "SELECT pg_is_in_recovery()")).isEqualTo("t");
    assertThatThrownBy(() -> pair.primary.execute("postgres", INSERT))
        .isInstanceOf(SQLException.class)
        .hasMessageContaining("read-only");
  }

  @Test
  void aKilledPrimaryIsFencedAndTheStandbyTakesWrites() throws Exception {
    pair.primary.execute("postgres", INSERT);
    pair.standby.awaitTrue("postgres", "SELECT count(*) = 1 FROM told", Duration.ofSeconds(20));
    pair.primary.kill9();
    RunReport report = engine("one", actions()).start(unplanned(), RUN, "alice");
    assertThat(report.status()).as(report.toString()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(facts(report, "detect")).containsEntry("signal/port", "down");
    assertThat(facts(report, "fence"))
        .containsEntry(FailoverFacts.PROOF, "stopped")
        .containsEntry(FailoverFacts.TIMELINE, "1")
        .doesNotContainKey(FailoverFacts.LSN);
    assertThat(facts(report, "promote"))
        .containsEntry(FailoverFacts.TIMELINE, "2")
        .containsEntry(FailoverFacts.LOSS, "unknown")
        .containsEntry(FailoverFacts.ADDRESS, pair.standbyAccess().address());
    pair.standby.execute("postgres", INSERT);
    assertThat(pair.standby.query("postgres", "SELECT count(*) FROM told")).isEqualTo("2");
    assertOldOneComesBackAsAStandbyAlone();
    assertThat(LocalFence.of(pair.primaryAccess()).look().state()).isEqualTo(Fence.State.CLOSED);
  }

  @Test
  void aPrimaryThatWorksIsLeftAlone() throws Exception {
    RunReport report = engine("one", actions()).start(unplanned(), RUN, "alice");
    assertThat(report.status()).isEqualTo(RunStatus.FAILED);
    assertThat(report.task("detect").orElseThrow().detail()).contains("up");
    pair.primary.execute("postgres", INSERT);
    assertThat(pair.standby.query("postgres", "SELECT pg_is_in_recovery()")).isEqualTo("t");
  }

  @Test
  void aPlannedChangeLosesNothingAndSaysSo() throws Exception {
    RunPlan planned =
        RunPlan.of(
            "maintenance",
            "text",
            List.of(task("fence", "", "mode", "graceful"), task("promote", "fence")));
    pair.primary.execute("postgres", "INSERT INTO told SELECT generate_series(1, 100000)");
    RunReport report = engine("one", actions()).start(planned, RUN, "alice");
    assertThat(report.status()).as(report.toString()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(facts(report, "promote")).containsEntry(FailoverFacts.LOSS, "0");
    assertThat(pair.standby.query("postgres", "SELECT count(*) FROM told")).isEqualTo("100000");
    assertOldOneComesBackAsAStandbyAlone();
  }

  /** Stopped, it answers nothing and holds all its files: only force ends it. */
  @Test
  void aServerThatHangsIsKilled() throws Exception {
    signal("STOP");
    Fence fence = LocalFence.of(pair.primaryAccess());
    Fence.Finding polite = fence.close(Fence.Mode.GRACEFUL, Duration.ofSeconds(1));
    assertThat(polite.state()).isEqualTo(Fence.State.OPEN);
    Fence.Finding forced = fence.close(Fence.Mode.FORCE, Duration.ofSeconds(1));
    assertThat(forced.state()).as(forced.detail()).isEqualTo(Fence.State.CLOSED);
    assertThat(pair.primary.isRunning()).isFalse();
  }

  private void signal(String name) throws Exception {
    assertThat(
            new ProcessBuilder("kill", "-" + name, Long.toString(pair.primary.pid()))
                .start()
                .waitFor())
        .isZero();
  }

  @Test
  void aFenceThatIsLiftedLeavesNothing() throws Exception {
    Task task = task("fence", "");
    Step step = actions().get(1).open(task);
    FakeContext context = new FakeContext(task);
    assertThat(step.execute(context).outcome()).isEqualTo(Result.Outcome.DONE);
    assertThat(Files.exists(pair.primary.dataDirectory().resolve(LocalFence.MARKER))).isTrue();
    assertThat(step.compensate(context, Map.of()).outcome()).isEqualTo(Result.Outcome.DONE);
    assertThat(step.check(context).outcome()).isEqualTo(Result.Outcome.NOT_DONE);
    Pair.startAgain(pair.primary);
    pair.primary.execute("postgres", INSERT);
  }

  @Test
  void aServerThatWasFencedIsNotPromoted() throws Exception {
    LocalFence.of(pair.standbyAccess()).close(Fence.Mode.GRACEFUL, Duration.ofSeconds(20));
    Pair.startAgain(pair.standby);
    pair.primary.kill9();
    RunReport report = engine("one", actions()).start(unplanned(), RUN, "alice");
    assertThat(report.status()).isEqualTo(RunStatus.FAILED);
    assertThat(report.task("promote").orElseThrow().detail()).contains("was fenced itself");
    assertThat(pair.standby.query("postgres", "SELECT pg_is_in_recovery()")).isEqualTo("t");
  }

  /** The process is gone. */
  private static final class Crash extends Error {
    private static final long serialVersionUID = 1L;
  }

  /** Before or after the effect of one kind of step. */
  private record Dies(String kind, boolean after) {}

  private record Dying(Action action, Dies dies) implements Action {
    @Override
    public String kind() {
      return action.kind();
    }

    @Override
    public Step open(Task task) {
      Step step = action.open(task);
      return !kind().equals(dies.kind())
          ? step
          : new Step() {
            @Override
            public Result check(StepContext context) throws IOException, InterruptedException {
              return step.check(context);
            }

            @Override
            public Result execute(StepContext context) throws IOException, InterruptedException {
              if (dies.after()) {
                step.execute(context);
              }
              throw new Crash();
            }

            @Override
            public String intent() {
              return step.intent();
            }
          };
    }
  }

  /** Each machine gets one step further, or half a step, and the last one to the end. */
  @Test
  void whoeverGoesOnAfterACrashPromotesOnce() throws Exception {
    pair.primary.kill9();
    List<Dies> deaths =
        List.of(
            new Dies("detect", false), // what was seen before a crash is looked at again
            new Dies("fence", false),
            new Dies("fence", true),
            new Dies("promote", false),
            new Dies("promote", true));
    for (Dies dies : deaths) {
      List<Action> dying = actions().stream().map(each -> (Action) new Dying(each, dies)).toList();
      RunEngine engine = engine("machine" + deaths.indexOf(dies), dying);
      assertThatThrownBy(
              () -> {
                if (deaths.indexOf(dies) == 0) {
                  engine.start(unplanned(), RUN, "alice");
                } else {
                  engine.takeOver(RUN, "alice");
                }
              })
          .as(dies.toString())
          .isInstanceOf(Crash.class);
    }
    RunReport report = engine("last", actions()).takeOver(RUN, "alice");
    assertThat(report.status()).as(report.toString()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(facts(report, "promote")).containsEntry(FailoverFacts.TIMELINE, "2");
    assertThat(promotions(pair.standby)).isEqualTo(1);
    pair.standby.execute("postgres", INSERT);
  }
}
