package com.thorbis.backup.dr.simulate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.dr.drill.DrillCheck;
import com.thorbis.backup.dr.drill.DrillReport.Status;
import com.thorbis.backup.dr.drill.DrillReport.Verdict;
import com.thorbis.backup.dr.drill.Plant;
import com.thorbis.backup.dr.plan.Scenario;
import com.thorbis.backup.dr.run.RunReport;
import com.thorbis.backup.dr.run.RunStatus;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

@Timeout(120)
class SimulationIT {
  private static final Clock CLOCK = Clock.systemUTC();

  @TempDir Path state;

  /** That a killed database is recovered is shown by the command's own test, too. */
  static Stream<Scenario.Simulation> disasters() {
    return Boolean.getBoolean("thorbis.release")
        ? Stream.of(Scenario.Simulation.DATABASE_FAILURE, Scenario.Simulation.NETWORK_PARTITION)
        : Stream.of(Scenario.Simulation.NETWORK_PARTITION);
  }

  @ParameterizedTest
  @MethodSource("disasters")
  void aLostPrimaryIsReplacedAndNothingPromisedIsLost(Scenario.Simulation disaster)
      throws IOException {
    Environments environments = new Environments(state, CLOCK);
    List<SimulationReport> kept = new ArrayList<>();
    SimulationReport report =
        Simulation.builder(
                LocalEnvironment.builder(environments, CLOCK),
                disaster,
                new FailoverRecovery(
                    state.resolve("runs"), MemoryObjectStore.create(CLOCK, 1000), CLOCK))
            .steady(Duration.ofSeconds(1))
            .objective(Duration.ofSeconds(30))
            .product("1.2.3")
            .recorder(kept::add)
            .build()
            .run(RunControl.unattended());

    assertThat(report.problem()).isEmpty();
    assertThat(report.verdict()).isEqualTo(Verdict.PASSED);
    assertThat(report.status()).isEqualTo(Status.COMPLETED);
    assertThat(kept).containsExactly(report);

    assertThat(report.isolation())
        .hasSizeGreaterThan(20)
        .allSatisfy(it -> assertThat(it.outcome()).isEqualTo(CheckItem.Outcome.OK));

    RunReport run = report.run().orElseThrow();
    assertThat(run.status()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(run.neverExecuted()).isEmpty();

    Outage outage = report.outage().orElseThrow();
    assertThat(outage.firstSuccess()).isPresent();
    assertThat(outage.downtime()).isBetween(Duration.ofMillis(100), Duration.ofSeconds(30));
    assertThat(report.stages().keySet())
        .containsExactly("notice", "detect", "decide", "fence", "promote", "switch", "reconnect");
    assertThat(report.stages().values().stream().reduce(Duration.ZERO, Duration::plus))
        .isEqualTo(outage.downtime());
    assertThat(report.stages().get("detect")).isPositive();
    assertThat(report.stages().get("promote")).isPositive();

    Loss loss = report.loss().orElseThrow();
    assertThat(loss.none()).isTrue();
    assertThat(loss.acknowledged()).isGreaterThan(50);
    assertThat(report.after().orElseThrow().commits()).isPositive();
    assertThat(report.checks().stream().map(DrillCheck::category).collect(Collectors.toSet()))
        .isEqualTo(Set.of(DrillCheck.Category.values()));

    assertThat(report.checks().stream().map(DrillCheck::name).toList().contains("left-behind"))
        .isEqualTo(disaster == Scenario.Simulation.NETWORK_PARTITION);

    noticed(report);

    Map<String, Object> json = report.json();
    assertThat(json)
        .containsEntry("format", "thorbis-simulation/1")
        .containsEntry("verdict", "passed");

    assertThat(environments.sweep()).isEmpty();
    assertThat(state.resolve("environments")).isDirectoryNotContaining("glob:**.json");
  }

  /** Each check was made to fail, and did. */
  private static void noticed(SimulationReport report) {
    assertThat(report.plants())
        .allSatisfy(it -> assertThat(it.result()).as("%s", it).isEqualTo(Plant.Result.DETECTED));
    assertThat(report.plants().stream().map(Plant::check).collect(Collectors.toSet()))
        .isEqualTo(report.checks().stream().map(DrillCheck::name).collect(Collectors.toSet()));
  }

  /** Keeps a copy of the files: what keeps applications in production is another module. */
  private static final class Copies implements ApplicationKeeper {
    @Override
    public void backUp(Path application, Path work) throws IOException {
      copy(application, work.resolve("copy"));
    }

    @Override
    public Path restore(Path work, Path into) throws IOException {
      copy(work.resolve("copy"), into);
      return into;
    }

    private static void copy(Path from, Path to) throws IOException {
      try (Stream<Path> tree = Files.walk(from)) {
        for (Path each : tree.toList()) {
          Files.copy(each, to.resolve(from.relativize(each).toString()));
        }
      }
    }
  }

  @Test
  void aLostApplicationIsRestoredAndTheDatabaseIsUntouched() throws IOException {
    Environments environments = new Environments(state, CLOCK);
    SimulationReport report =
        Simulation.builder(
                LocalEnvironment.builder(environments, CLOCK),
                Scenario.Simulation.APPLICATION_FAILURE,
                Recovery.of(
                    Scenario.Simulation.APPLICATION_FAILURE,
                    state.resolve("runs"),
                    MemoryObjectStore.create(CLOCK, 1000),
                    CLOCK))
            .keeper(new Copies())
            .steady(Duration.ofSeconds(1))
            .build()
            .run(RunControl.unattended());

    assertThat(report.problem()).isEmpty();
    assertThat(report.verdict()).isEqualTo(Verdict.PASSED);
    RunReport run = report.run().orElseThrow();
    assertThat(run.status()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(run.neverExecuted()).isEmpty();
    assertThat(report.stages().keySet())
        .containsExactly(
            "notice", "detect", "decide", "restore", "start", "validate", "switch", "reconnect");
    assertThat(report.stages().values().stream().reduce(Duration.ZERO, Duration::plus))
        .isEqualTo(report.outage().orElseThrow().downtime());
    assertThat(report.loss().orElseThrow().none()).isTrue();
    noticed(report);
    assertThat(report.checks().stream().map(DrillCheck::name).toList())
        .contains("database-untouched", "application-availability");
    assertThat(report.isolation().stream().map(CheckItem::subject).toList())
        .contains("isolation.balancer.addresses");
    assertThat(environments.sweep()).isEmpty();
  }

  @Test
  void whatAKilledTestLeavesIsRemovedByTheNext() throws Exception {
    Process killed =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Killed.class.getName(),
                state.toString())
            .redirectErrorStream(true)
            .redirectOutput(state.resolve("killed.log").toFile())
            .start();
    assertThat(killed.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(killed.exitValue())
        .as(Files.readString(state.resolve("killed.log")))
        .isEqualTo(Killed.HALTED);

    Environments environments = new Environments(state, CLOCK);
    EnvironmentLease lease =
        EnvironmentLease.parse(Files.readAllBytes(environments.lease(LocalEnvironment.NAME)));
    assertThat(Leftover.processes(lease.folder())).hasSizeGreaterThan(3);
    assertThat(lease.faults()).hasSize(1);

    List<Environments.Removed> removed = new ArrayList<>();
    environments.stop("ada");
    assertThat(Leftover.processes(lease.folder())).isEmpty();
    assertThat(lease.folder()).doesNotExist();
    assertThatThrownBy(
            () -> LocalEnvironment.builder(environments, CLOCK).swept(removed::add).start())
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("environment.stopped"));
    assertThat(removed).isEmpty();
  }

  /** Dies where a run would begin. */
  static final class Killed {
    static final int HALTED = 77;

    private Killed() {}

    /** The state directory is its argument. */
    public static void main(String[] arguments) {
      SimulationReport report =
          Simulation.builder(
                  LocalEnvironment.builder(new Environments(Path.of(arguments[0]), CLOCK), CLOCK),
                  Scenario.Simulation.DATABASE_FAILURE,
                  (environment, incident) -> {
                    Runtime.getRuntime().halt(HALTED);
                    throw new IllegalStateException("Still alive");
                  })
              .steady(Duration.ofSeconds(1))
              .build()
              .run(RunControl.unattended());
      System.out.println(report.problem());
    }
  }

  @Test
  void oneStopEndsASimulationThatRuns() throws IOException {
    Environments environments = new Environments(state, CLOCK);
    List<Path> folders = new ArrayList<>();
    SimulationReport report =
        Simulation.builder(
                LocalEnvironment.builder(environments, CLOCK),
                Scenario.Simulation.DATABASE_FAILURE,
                (environment, incident) -> {
                  folders.add(environment.folder());
                  environments.stop("ada"); // as from another process
                  while (true) {
                    environment.requireGoing();
                  }
                })
            .steady(Duration.ofMillis(500))
            .build()
            .run(RunControl.unattended());
    assertThat(report.status()).isEqualTo(Status.ABORTED);
    assertThat(report.verdict()).isEqualTo(Verdict.NONE);
    assertThat(report.problem().orElseThrow().code()).isEqualTo("environment.stopped");
    assertThat(folders.get(0)).doesNotExist();
    assertThat(Leftover.processes(folders.get(0))).isEmpty();
    assertThat(environments.sweep()).isEmpty();
  }

  @Test
  void nothingIsStartedThatCouldReachASource() throws IOException {
    Environments environments = new Environments(state, CLOCK);
    Set<String> every =
        java.util.stream.IntStream.range(20_000, 32_000)
            .mapToObj(port -> "127.0.0.1:" + port)
            .collect(Collectors.toSet());
    assertThatThrownBy(() -> LocalEnvironment.builder(environments, CLOCK).forbidden(every).start())
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("environment.not-isolated"));
    assertThat(state.resolve("environments")).isDirectoryNotContaining("glob:**.json");
  }
}
