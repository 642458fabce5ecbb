package com.thorbis.backup.dr.schedule;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.testkit.SettableClock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;

class PlanCheckTest {
  private final FakeRepository repository = new FakeRepository(SettableClock.at(Instant.EPOCH));

  private JobPlan.Builder full(String schedule) {
    return JobPlan.builder(repository.backup(BackupType.FULL), Schedule.parse(schedule));
  }

  private JobPlan.Builder incremental(String schedule) {
    return JobPlan.builder(repository.backup(BackupType.INCREMENTAL), Schedule.parse(schedule));
  }

  private static List<String> problems(JobPlan... plans) {
    return PlanCheck.of(List.of(plans)).stream().map(PlanCheck.Finding::toString).toList();
  }

  @Test
  void plansThatWorkHaveNoFindings() {
    assertThat(problems(full("Sun 02:00 UTC").build(), incremental("02:00 UTC").build())).isEmpty();
    assertThat(problems(full("Sun 02:00 UTC").build(), incremental("hourly UTC").build()))
        .isEmpty();
    assertThat(
            problems(
                full("Sun 02:00 UTC").build(),
                incremental("Mon-Sat 01:00 UTC").window(Duration.ofHours(2)).build(),
                JobPlan.builder(Job.of("prune", control -> {}), Schedule.parse("03:00 UTC"))
                    .build()))
        .isEmpty();
  }

  @Test
  void windowsOfOneSourceThatOverlapAreFound() {
    assertThat(
            problems(
                full("Sun 02:00 UTC").window(Duration.ofHours(4)).build(),
                incremental("01:00 UTC").window(Duration.ofHours(2)).build()))
        .singleElement()
        .asString()
        .contains(
            "orders.incremental: its window overlaps that of orders.full", "2026-01-04T02:00:00Z");
    assertThat(problems(full("Sun 02:00 UTC").build(), incremental("05:59 UTC").build()))
        .hasSize(1);
    assertThat(problems(full("Sun 02:00 UTC").build(), incremental("06:00 UTC").build())).isEmpty();
  }

  @Test
  void whatDoesNotFitIsFound() {
    assertThat(problems(full("02:00 Europe/Berlin").window(Duration.ofHours(24)).build()))
        .singleElement()
        .asString()
        .contains("its window of 1d is longer than 23h");
    assertThat(problems(full("02:00 UTC").window(Duration.ZERO).build()))
        .containsExactly("orders.full: its window is 0m");
    assertThat(problems(full("02:00 UTC").finishWithin(Duration.ofHours(3)).build()))
        .singleElement()
        .asString()
        .contains("finished within 3h, before its window of 4h ends");
    assertThat(problems(full("02:00 UTC").jitter(Duration.ofHours(4)).build()))
        .singleElement()
        .asString()
        .contains("jitter of 4h");
    assertThat(
            problems(
                full("02:00 UTC")
                    .blackout(
                        new Blackout.Recurring(
                            Schedule.parse("daily 01:00 UTC"), Duration.ofHours(6)))
                    .build()))
        .singleElement()
        .asString()
        .contains("would never run");
    assertThat(problems(full("02:00 UTC").build(), full("12:00 UTC").build()))
        .containsExactly("orders.full: there are two plans for it");
    assertThat(
            problems(
                JobPlan.builder(Job.of("Drill one", control -> {}), Schedule.parse("daily UTC"))
                    .build()))
        .singleElement()
        .asString()
        .contains("cannot name a job");
  }

  @Test
  void theWindowThatNobodyNamesIsFourHoursOrUntilItIsDueAgain() {
    assertThat(full("02:00 UTC").build().window()).isEqualTo(Duration.ofHours(4));
    assertThat(full("*/15 * * * * UTC").build().window()).isEqualTo(Duration.ofMinutes(15));
  }

  @Test
  void theStandardScheduleWorks() {
    List<JobPlan> standard =
        StandardSchedule.of(
            () -> {
              throw new IllegalStateException("Nothing is due");
            },
            "orders");

    assertThat(problems(standard.toArray(JobPlan[]::new))).isEmpty();
    assertThat(standard)
        .extracting(plan -> plan.job().name() + " " + plan.schedule())
        .containsExactly("orders.full Sun 02:00 UTC", "orders.incremental Mon-Sat 01:00 UTC");
    assertThat(standard.get(0).job().covers(standard.get(1).job())).isTrue();
    assertThat(standard.get(1).job().covers(standard.get(0).job())).isFalse();
  }
}
