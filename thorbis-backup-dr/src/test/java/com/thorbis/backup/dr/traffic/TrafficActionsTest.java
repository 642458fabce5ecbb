package com.thorbis.backup.dr.traffic;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
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
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TrafficActionsTest {
  private static final String RUN = "incident-1";
  private static final String ENTRY = "[databases]\napp = host=db1 port=5432\n";

  private final SettableClock clock = SettableClock.at(Instant.parse("2030-01-01T00:00:00Z"));
  private final MemoryObjectStore store = MemoryObjectStore.create(clock, 1000);
  private final Names names = new Names();

  @TempDir Path folder;
  private Path file;
  private Path ini;
  private FakeConsole console;

  @BeforeEach
  void world() throws IOException {
    file = folder.resolve("place");
    Files.writeString(file, "db1:5432\n");
    ini = folder.resolve("pgbouncer.ini");
    Files.writeString(ini, ENTRY);
    console = new FakeConsole(ini);
  }

  @Test
  void clientsAreMovedAndTheReportSaysForHowLongSomeStay() throws IOException {
    RunPlan plan =
        RunPlan.of("s", "text", List.of(moves("file"), moves("pool", "file"), moves("names")));
    assertThat(engine().dryRun(plan).steps())
        .extracting(planned -> planned.would())
        .allMatch(
            would -> would.startsWith("move ") && would.endsWith("from db1:5432 to db2:5432"));
    assertThat(Files.readString(file)).isEqualTo("db1:5432\n");

    RunReport report = engine().start(plan, RUN, "alice");
    assertThat(report.status()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(Files.readString(file)).isEqualTo("db2:5432\n");
    assertThat(console.host).isEqualTo("db2");
    assertThat(facts(report, "pool")).containsEntry("remaining", "PT0S");
    assertThat(facts(report, "names"))
        .containsEntry("remaining", "PT5M")
        .containsEntry("place", "db2:5432");
    assertThat(report.timeline())
        .anySatisfy(
            line ->
                assertThat(String.valueOf(line))
                    .contains("for 300 s yet, and the plan counts with 60 s"));
  }

  @Test
  void whatWasMovedIsBroughtBackWhereTheRunFails() throws IOException {
    RunPlan plan =
        undone(
            moves("file"),
            moves("pool", "file"),
            Task.builder("x", "break").needs(List.of("pool")).build());
    RunReport report = engine().start(plan, RUN, "alice");
    assertThat(report.status()).isEqualTo(RunStatus.COMPENSATED);
    assertThat(Files.readString(file)).isEqualTo("db1:5432\n");
    assertThat(Files.readString(ini)).isEqualTo(ENTRY);
    assertThat(console.host).isEqualTo("db1");
    assertThat(console.paused).isFalse();
  }

  /** Dies at each command to the console; another process goes on, and takes it back or not. */
  @ParameterizedTest
  @CsvSource({"false,false", "false,true", "true,false", "true,true"})
  void whateverBrokeOffIsFinishedByWhoeverResumes(boolean after, boolean fails) throws IOException {
    Task last =
        fails
            ? Task.builder("x", "break").needs(List.of("pool")).build()
            : Task.builder("x", "record").inputs(Map.of("text", "moved")).build();
    boolean died = true;
    int moments = 0;
    for (int moment = 1; died; moment++) {
      world();
      int dies = moment;
      console.trouble =
          (number, done) -> {
            if (number == dies && done == after) {
              throw new Died();
            }
          };
      String run = "incident-" + after + fails + moment;
      RunReport report;
      try (RunEngine first = engine()) {
        report = first.start(undone(moves("pool"), last), run, "alice");
        died = false;
      } catch (Died e) {
        console.trouble = (number, done) -> {};
        clock.advance(Duration.ofHours(1)); // its lease is over
        try (RunEngine second = engine()) {
          report = second.resume(run);
        }
        moments++;
      }
      assertThat(report.status()).isEqualTo(fails ? RunStatus.COMPENSATED : RunStatus.SUCCEEDED);
      assertThat(console.host).isEqualTo(fails ? "db1" : "db2");
      assertThat(Files.readString(ini)).contains(fails ? "db1" : "db2");
      assertThat(console.paused).isFalse();
    }
    assertThat(moments).isGreaterThan(6);
  }

  @Test
  void whatSomebodyElseHasMovedStays() throws IOException {
    Files.writeString(file, "db7:5432\n");
    RunReport report =
        engine().start(RunPlan.of("s", "text", List.of(moves("file"))), RUN, "alice");
    assertThat(report.status()).isEqualTo(RunStatus.FAILED);
    assertThat(report.reason()).contains("points to \"db7:5432\" instead of \"db1:5432\"");
    assertThat(Files.readString(file)).isEqualTo("db7:5432\n");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "switch-connection-file|from=db1,to=db2|switch is missing",
        "switch-connection-file|switch=file,from=db1|to is missing",
        "switch-connection-file|switch=fiel,from=db1,to=db2|no switch fiel; known: [file, names, pool]",
        "switch-connection-file|switch=names,from=db1,to=db2|moved by switch-dns, not by switch-connection-file",
        "switch-pgbouncer|switch=pool,from=db1,to=db2,ttl=60s|takes no ttl",
        "switch-dns|switch=names,from=db1,to=db2,ttl=60|duration",
      })
  void aStepThatCannotBeCarriedOutIsRefusedBeforeTheRun(
      String action, String inputs, String expected) {
    Map<String, String> map =
        java.util.Arrays.stream(inputs.split(","))
            .map(each -> each.split("=", 2))
            .collect(java.util.stream.Collectors.toMap(each -> each[0], each -> each[1]));
    Task task = Task.builder("a", action).inputs(map).build();
    RunPlan plan = RunPlan.of("s", "text", List.of(task));
    assertThatThrownBy(() -> engine().start(plan, RUN, "alice"))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining(expected);
  }

  private RunEngine engine() {
    Map<String, TrafficSwitch> switches =
        Map.of(
            "file",
            ConnectionFile.line(file),
            "pool",
            new PgBouncerSwitch(
                PgBouncerSwitch.builder().file(ini).database("app").console(folder, 6432), console),
            "names",
            names);
    Actions.Builder actions = Actions.builder().builtIn((to, text, key) -> {}).add(new Break());
    TrafficActions.of(switches).forEach(actions::add);
    return RunEngine.builder(folder.resolve("runs"), store, actions.build(), "here")
        .clock(clock)
        .build();
  }

  private static Task moves(String name, String... needs) {
    String kind = Map.of("file", "connection-file", "pool", "pgbouncer", "names", "dns").get(name);
    Map<String, String> inputs = Map.of("switch", name, "from", "db1:5432", "to", "db2:5432");
    if (name.equals("names")) {
      inputs = new java.util.HashMap<>(inputs);
      inputs.put("ttl", "60s");
    }
    return Task.builder(name, "switch-" + kind).inputs(inputs).needs(List.of(needs)).build();
  }

  private static RunPlan undone(Task... tasks) {
    return new RunPlan("s", "", RunPlan.UNGRACEFUL, "text", List.of(tasks), Optional.empty(), true);
  }

  private static Map<String, String> facts(RunReport report, String task) {
    return report.task(task).orElseThrow().facts();
  }

  /** Something that clients have remembered. */
  private static final class Names implements TrafficSwitch {
    private String place = "db1:5432";

    @Override
    public String kind() {
      return "dns";
    }

    @Override
    public String describe() {
      return "names";
    }

    @Override
    public String current() {
      return place;
    }

    @Override
    public boolean points(String wanted) {
      return place.equals(wanted);
    }

    @Override
    public Duration set(String expected, String wanted) {
      place = wanted;
      return Duration.ofMinutes(5);
    }
  }

  private static final class Break implements Action {
    @Override
    public String kind() {
      return "break";
    }

    @Override
    public Step open(Task task) {
      return new Step() {
        @Override
        public Result execute(StepContext context) {
          return Result.failed("is broken");
        }

        @Override
        public String intent() {
          return "break";
        }
      };
    }
  }

  /** The process is gone: nothing of it runs any more. */
  private static final class Died extends Error {
    private static final long serialVersionUID = 1L;
  }
}
