package com.thorbis.backup.cli.story;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.dr.drill.DrillCheck;
import com.thorbis.backup.dr.drill.DrillReport.Verdict;
import com.thorbis.backup.dr.plan.Scenario;
import com.thorbis.backup.dr.run.RunReport;
import com.thorbis.backup.dr.run.RunStatus;
import com.thorbis.backup.dr.simulate.Damage;
import com.thorbis.backup.dr.simulate.Environments;
import com.thorbis.backup.dr.simulate.GivenUp;
import com.thorbis.backup.dr.simulate.LocalEnvironment;
import com.thorbis.backup.dr.simulate.RecoveredPoint;
import com.thorbis.backup.dr.simulate.Recovery;
import com.thorbis.backup.dr.simulate.Simulation;
import com.thorbis.backup.dr.simulate.SimulationReport;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Data is damaged while clients work, and comes back as it was before, whenever that was. */
@Timeout(180)
class CorruptionIT {
  private static final Clock CLOCK = Clock.systemUTC();

  @TempDir Path state;

  static Stream<Damage> kinds() {
    return Boolean.getBoolean("thorbis.release")
        ? Stream.of(Damage.values())
        : Stream.of(Damage.STATEMENT);
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void nothingFromBeforeTheDamageIsLost(Damage damage) throws IOException {
    SimulationReport report =
        Simulation.builder(
                LocalEnvironment.builder(new Environments(state, CLOCK), CLOCK),
                Scenario.Simulation.DATA_CORRUPTION,
                Recovery.of(
                    Scenario.Simulation.DATA_CORRUPTION,
                    state.resolve("runs"),
                    MemoryObjectStore.create(CLOCK, 1000),
                    CLOCK))
            .damage(damage)
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
            "notice",
            "detect",
            "decide",
            "fence",
            "find",
            "restore",
            "validate",
            "switch",
            "reconnect");
    assertThat(report.stages().values().stream().reduce(Duration.ZERO, Duration::plus))
        .isEqualTo(report.outage().orElseThrow().downtime());
    assertThat(report.stages().get("find")).isPositive();
    assertThat(report.stages().get("restore")).isPositive();
    assertThat(report.checks().stream().map(DrillCheck::name).toList()).contains("moment");
    assertThat(report.checks().stream().map(DrillCheck::category).collect(Collectors.toSet()))
        .isEqualTo(Set.of(DrillCheck.Category.values()));

    RecoveredPoint point = report.point().orElseThrow();
    if (damage == Damage.STATEMENT) {
      assertThat(point.atEnd()).startsWith("balances add up to 800"); // the control
      assertThat(Duration.between(point.moment().orElseThrow(), point.damaged().orElseThrow()))
          .isLessThanOrEqualTo(Duration.ofMillis(20));
      GivenUp givenUp = report.givenUp().orElseThrow();
      assertThat(givenUp.others()).isZero();
      assertThat(givenUp.commits()).isPositive();
      assertThat(givenUp.bytes()).isPositive();
      assertThat((long) report.loss().orElseThrow().lost().size()).isEqualTo(givenUp.commits());
    } else {
      assertThat(point.moment()).isEmpty();
      assertThat(report.givenUp()).isEmpty();
      assertThat(report.loss().orElseThrow().none()).isTrue();
    }
    assertThat(state.resolve("environments")).isDirectoryNotContaining("glob:**.json");
  }
}
