package com.thorbis.backup.dr.run;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.dr.run.TestRuns.Crash;
import com.thorbis.backup.dr.run.TestRuns.Disk;
import com.thorbis.backup.dr.run.TestRuns.Fate;
import com.thorbis.backup.dr.run.TestRuns.Wire;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The steps that tell people something, and those that run a program. */
@Timeout(60)
class NotifyAndCommandTest {
  private static final String RUN = "incident-1";

  @TempDir Path folder;
  private final TestRuns runs = new TestRuns();
  private final List<String> told = new ArrayList<>();
  private int failing;

  private RunEngine engine(Notifier notifier, String machine) {
    Actions actions = Actions.builder().builtIn(notifier).build();
    return RunEngine.builder(folder.resolve(machine), runs.wire(), actions, "machine " + machine)
        .clock(runs.clock)
        .pause(runs.clock::advance)
        .lease(Duration.ofSeconds(30))
        .build();
  }

  private void tell(String to, String text, String key) throws IOException {
    if (failing > 0) {
      failing--;
      throw new IOException("nobody picks up");
    }
    told.add(to + ": " + text + " [" + key + "]");
  }

  private static RunPlan notice() {
    return plan(
        Task.builder("tell", "notify")
            .inputs(Map.of("to", "on-call", "text", "The primary is gone")));
  }

  private static RunPlan plan(Task.Builder task) {
    return RunPlan.of(
        "database-failure",
        "",
        List.of(task.timeout(Duration.ofSeconds(20)).deadline(Duration.ofHours(1)).build()));
  }

  private static RunReport.TaskReport only(RunReport report) {
    return report.tasks().get(0);
  }

  @Test
  void peopleAreToldOnceAndByAKeyOfTheStep() {
    RunReport report = engine(this::tell, "one").start(notice(), RUN, "alice");
    assertThat(report.status()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(only(report).detail()).isEqualTo("told on-call");
    assertThat(told).containsExactly("on-call: The primary is gone [incident-1/tell]");
  }

  @Test
  void whoeverCannotBeToldIsToldAgainAndThenTheStepFails() {
    failing = 1;
    assertThat(engine(this::tell, "one").start(notice(), RUN, "alice").status())
        .isEqualTo(RunStatus.SUCCEEDED);
    assertThat(told).hasSize(1);

    failing = Integer.MAX_VALUE;
    RunReport report = engine(this::tell, "one").start(notice(), "incident-2", "alice");
    assertThat(report.status()).isEqualTo(RunStatus.FAILED);
    assertThat(only(report).status()).isEqualTo(TaskStatus.FAILED);
    assertThat(only(report).detail()).contains("nobody picks up");
    assertThat(told).hasSize(1);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whoeverGoesOnAfterACrashTellsRatherTwiceThanNever(boolean after) {
    Notifier dies =
        (to, text, key) -> {
          if (after) {
            tell(to, text, key);
          }
          throw new Crash();
        };
    crashes(() -> engine(dies, "one").start(notice(), RUN, "alice"));
    runs.clock.advance(Duration.ofMinutes(1)); // the lease lapses
    RunReport report = engine(this::tell, "two").resume(RUN);
    assertThat(report.status()).isEqualTo(RunStatus.SUCCEEDED);
    String once = "on-call: The primary is gone [incident-1/tell]";
    assertThat(told).isEqualTo(after ? List.of(once, once) : List.of(once));
  }

  private static void crashes(Runnable run) {
    Optional<Crash> crash = Optional.empty();
    try {
      run.run();
    } catch (Crash e) {
      crash = Optional.of(e);
    }
    assertThat(crash).isPresent();
  }

  private Task.Builder program(String script, String... more) {
    Map<String, String> inputs = new TreeMap<>();
    inputs.put("command", "sh\n-c\n" + script);
    for (int at = 0; at < more.length; at += 2) {
      inputs.put(more[at], more[at + 1]);
    }
    return Task.builder("program", "run-command").inputs(inputs);
  }

  private String appends(String name) {
    return "echo done >> " + folder.resolve(name);
  }

  private long lines(String name) throws IOException {
    Path file = folder.resolve(name);
    return Files.exists(file) ? Files.readAllLines(file).size() : 0;
  }

  @Test
  void whatAProgramSaysIsKept() throws IOException {
    RunReport report =
        runs.engine(folder.resolve("one"))
            .start(plan(program(appends("effect") + "; echo moved it")), RUN, "alice");
    assertThat(report.status()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(report.timeline()).anyMatch(it -> it.data().toString().contains("moved it"));
    assertThat(lines("effect")).isEqualTo(1);
  }

  @Test
  void aProgramSeesNothingOfTheHostButWhatThePlanNames() throws IOException {
    Path seen = folder.resolve("seen");
    String passed =
        System.getenv().keySet().stream()
            .filter(it -> it.matches("[A-Z]+") && !it.equals("PATH"))
            .sorted()
            .findFirst()
            .orElseThrow();
    RunReport report =
        runs.engine(folder.resolve("one"))
            .start(plan(program("env > " + seen, "environment", passed)), RUN, "alice");
    assertThat(report.status()).isEqualTo(RunStatus.SUCCEEDED);
    List<String> names =
        Files.readAllLines(seen).stream().map(it -> it.replaceFirst("=.*", "")).toList();
    assertThat(names)
        .contains(passed, "THORBIS_RUN", "THORBIS_STEP", "THORBIS_KEY", "THORBIS_FENCE")
        .isSubsetOf(
            passed,
            "PATH",
            "PWD",
            "OLDPWD",
            "SHLVL",
            "_",
            "THORBIS_RUN",
            "THORBIS_STEP",
            "THORBIS_KEY",
            "THORBIS_FENCE");
    assertThat(Files.readAllLines(seen)).contains("THORBIS_RUN=incident-1", "THORBIS_STEP=program");
  }

  @Test
  void aProgramThatFailsIsTriedAgainAndThenTheStepFailsWithWhatItSaid() throws IOException {
    RunReport report =
        runs.engine(folder.resolve("one"))
            .start(
                plan(program(appends("effect") + "; echo no route >&2; exit 3").attempts(2)),
                RUN,
                "alice");
    assertThat(report.status()).isEqualTo(RunStatus.FAILED);
    assertThat(only(report).detail()).isEqualTo("sh ended with 3: no route");
    assertThat(lines("effect")).isEqualTo(2);
  }

  @Test
  void whereACheckSeesTheEffectAFailureOfTheProgramIsNone() throws IOException {
    RunReport report =
        runs.engine(folder.resolve("one"))
            .start(
                plan(
                    program(
                        appends("effect") + "; exit 1",
                        "check",
                        "test\n-e\n" + folder.resolve("effect"))),
                RUN,
                "alice");
    assertThat(report.status()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(lines("effect")).isEqualTo(1);
  }

  @Test
  void aCheckThatCannotTellLeavesItToAPerson() throws IOException {
    RunEngine engine = runs.engine(folder.resolve("one"));
    RunReport report =
        engine.start(plan(program(appends("effect"), "check", "sh\n-c\nexit 7")), RUN, "alice");
    assertThat(report.status()).isEqualTo(RunStatus.WAITING);
    assertThat(only(report).detail()).isEqualTo("sh ended with 7");
    assertThat(lines("effect")).isZero();
  }

  @Test
  void aProgramThatDoesNotEndIsKilledAndLeftToAPerson() throws Exception {
    Path pid = folder.resolve("pid");
    RunReport report =
        runs.engine(folder.resolve("one"))
            .start(
                RunPlan.of(
                    "database-failure",
                    "",
                    List.of(
                        program("echo $$ > " + pid + "; sleep 60; true")
                            .timeout(Duration.ofMillis(500))
                            .deadline(Duration.ofHours(1))
                            .build())),
                RUN,
                "alice");
    assertThat(report.status()).isEqualTo(RunStatus.WAITING);
    assertThat(only(report).status()).isEqualTo(TaskStatus.WAITING);
    long process = Long.parseLong(Files.readString(pid).strip());
    assertThat(ProcessHandle.of(process).filter(ProcessHandle::isAlive)).isEmpty();
  }

  /** Also whoever dies between the end of the program and the record of that. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aProgramThatWasStartedBeforeACrashIsNeverRunTwice(boolean checks) throws IOException {
    boolean died = true;
    int asked = 0;
    for (int moment = 1; died; moment++) {
      TestRuns fresh = new TestRuns();
      String effect = "effect-" + moment;
      Task.Builder task =
          checks
              ? program(appends(effect), "check", "test\n-e\n" + folder.resolve(effect))
              : program(appends(effect));
      RunPlan plan = plan(task);
      Disk disk = new Disk();
      Fate fate = new Fate(moment, false);
      RunReport report;
      try {
        report =
            fresh
                .engine(folder.resolve("one"), disk, new Wire(fresh.store, fate), fate)
                .build()
                .start(plan, RUN, "alice");
        died = fate.dead();
      } catch (Crash e) {
        fresh.clock.advance(Duration.ofMinutes(1)); // the lease lapses
        RunEngine second =
            fresh.engine(folder.resolve("two"), disk, fresh.wire(), Fate.none()).build();
        report = second.start(plan, RUN, "alice");
        if (report.status() == RunStatus.PLANNED || report.status() == RunStatus.RUNNING) {
          report = second.resume(RUN); // it had begun
        }
        if (report.status() == RunStatus.WAITING) {
          asked++;
          assertThat(only(report).detail()).contains("nothing tells how it ended");
          second.say(RUN, Message.DONE, "bob", "program", "");
          report = second.resume(RUN);
        }
      }
      assertThat(report.status()).as("died at %s", moment).isEqualTo(RunStatus.SUCCEEDED);
      assertThat(lines(effect)).as("died at %s", moment).isBetween(checks ? 1L : 0L, 1L);
    }
    assertThat(asked).isEqualTo(checks ? 0 : 2);
  }

  @Test
  void anUndoBringsBackWhatTheProgramDid() throws IOException {
    Path effect = folder.resolve("effect");
    RunPlan plan =
        RunPlan.of(
            "database-failure",
            "",
            List.of(
                program(appends("effect"), "undo", "rm\n-f\n" + effect)
                    .timeout(Duration.ofSeconds(20))
                    .deadline(Duration.ofHours(1))
                    .build(),
                Task.builder("look", "manual").needs(List.of("program")).build()));
    RunEngine engine = runs.engine(folder.resolve("one"));
    assertThat(engine.start(plan, RUN, "alice").status()).isEqualTo(RunStatus.WAITING);
    assertThat(effect).exists();
    engine.say(RUN, Message.ABORT, "bob", "", "");
    assertThat(engine.resume(RUN).status()).isEqualTo(RunStatus.COMPENSATED);
    assertThat(effect).doesNotExist();
  }
}
