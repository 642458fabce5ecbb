package com.thorbis.backup.dr.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.schedule.ScheduleEvent.Kind;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.zone.ZoneOffsetTransition;
import java.time.zone.ZoneRules;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SchedulerTest {
  private static final boolean RELEASE = Boolean.getBoolean("thorbis.release");
  private static final Instant SUNDAY = Instant.parse("2026-03-08T02:00:00Z");
  private static final Schedule NIGHTLY = Schedule.parse("02:00 UTC");
  private static final Schedule WEEKLY = Schedule.parse("Sun 02:00 UTC");

  @TempDir Path state;

  private final SettableClock clock = SettableClock.at(SUNDAY.minusSeconds(3600));
  private final FakeRepository repository = new FakeRepository(clock);
  private final List<ScheduleEvent> events = new CopyOnWriteArrayList<>();

  private Scheduler.Builder scheduler(JobPlan... plans) {
    return scheduler("state", plans);
  }

  private Scheduler.Builder scheduler(String host, JobPlan... plans) {
    Scheduler.Builder builder =
        Scheduler.builder(repository, state.resolve(host)).clock(clock).listener(events::add);
    List.of(plans).forEach(builder::plan);
    return builder;
  }

  private JobPlan full() {
    return JobPlan.builder(repository.backup(BackupType.FULL), WEEKLY).build();
  }

  private JobPlan incremental() {
    return JobPlan.builder(repository.backup(BackupType.INCREMENTAL), NIGHTLY).build();
  }

  private List<String> told() {
    List<String> told =
        events.stream().map(each -> each.kind().label() + " " + each.job()).toList();
    events.clear();
    return told;
  }

  @Test
  void runsOnceWhenItIsDueAndNotAgainBeforeTheNextMoment() throws InterruptedException {
    try (Scheduler scheduler = scheduler(incremental()).build()) {
      repository.stored.add(
          new FakeRepository.Stored(BackupType.FULL, SUNDAY.minusSeconds(86_400)));
      scheduler.runDue();
      assertThat(told()).isEmpty();
      clock.set(SUNDAY);
      scheduler.runDue();
      assertThat(told())
          .containsExactly("started orders.incremental", "finished orders.incremental");
      for (int minute = 0; minute < 24 * 60; minute += 7) {
        clock.set(SUNDAY.plus(Duration.ofMinutes(minute)));
        scheduler.runDue();
      }
      assertThat(told()).isEmpty();
      clock.set(SUNDAY.plus(Duration.ofDays(1)));
      scheduler.runDue();
      assertThat(told()).hasSize(2);
      assertThat(repository.stored).hasSize(3);
    }
  }

  @Test
  void ofAFullAndAnIncrementalAtOneMomentTheFullAloneRuns() throws InterruptedException {
    try (Scheduler scheduler = scheduler(incremental(), full()).build()) {
      clock.set(SUNDAY);
      scheduler.runDue();
      assertThat(told())
          .containsExactly(
              "started orders.full", "finished orders.full", "skipped orders.incremental");
      clock.set(SUNDAY.plus(Duration.ofDays(1)));
      scheduler.runDue();
      assertThat(told())
          .containsExactly("started orders.incremental", "finished orders.incremental");
    }
  }

  @Test
  void anIncrementalWaitsForAFullThatIsStillTriedAgain() throws InterruptedException {
    AtomicInteger tries = new AtomicInteger();
    Job failing =
        repository.backup(
            BackupType.FULL,
            control -> {
              if (tries.incrementAndGet() < 3) {
                throw new IllegalStateException("The server is restarting");
              }
            });
    try (Scheduler scheduler =
        scheduler(incremental(), JobPlan.builder(failing, WEEKLY).build()).build()) {
      for (int minute = 0; minute < 60; minute++) {
        clock.set(SUNDAY.plus(Duration.ofMinutes(minute)));
        scheduler.runDue();
      }
    }
    assertThat(events.stream().filter(each -> each.kind() == Kind.FAILED))
        .extracting(each -> each.retryAt().orElseThrow())
        .containsExactly(SUNDAY.plusSeconds(60), SUNDAY.plusSeconds(180));
    assertThat(events)
        .extracting(each -> each.kind().label() + " " + each.job())
        .containsExactly(
            "started orders.full",
            "failed orders.full",
            "started orders.full",
            "failed orders.full",
            "started orders.full",
            "finished orders.full",
            "skipped orders.incremental");
  }

  @Test
  void aRestartNeitherForgetsNorDoubles() throws InterruptedException {
    clock.set(SUNDAY.plusSeconds(1800)); // within the window of what nobody did
    try (Scheduler first = scheduler(full()).build()) {
      first.runDue();
      assertThat(told()).hasSize(2);
    }
    try (Scheduler second = scheduler(full()).build();
        Scheduler elsewhere = scheduler("elsewhere", full()).build()) {
      second.runDue();
      elsewhere.runDue();
      assertThat(told()).isEmpty();
      assertThat(repository.stored).hasSize(1);
    }
  }

  @Test
  void momentsThatWereMissedAreOneDecision() throws InterruptedException {
    repository.stored.add(new FakeRepository.Stored(BackupType.FULL, SUNDAY));
    clock.set(SUNDAY.plus(Duration.ofDays(5)).plusSeconds(3600)); // five nights later, window open
    try (Scheduler scheduler = scheduler(incremental()).build()) {
      scheduler.runDue();
      scheduler.runDue();
      assertThat(told())
          .containsExactly("started orders.incremental", "finished orders.incremental");
    }
    clock.advance(Duration.ofDays(4).plusHours(5)); // and this time it is closed
    for (int restart = 0; restart < 3; restart++) {
      try (Scheduler scheduler = scheduler(incremental()).build()) {
        scheduler.runDue();
      }
    }
    assertThat(events)
        .singleElement()
        .satisfies(
            missed -> {
              assertThat(missed.kind()).isEqualTo(Kind.MISSED);
              assertThat(missed.due()).isEqualTo(SUNDAY.plus(Duration.ofDays(9)));
              assertThat(missed.reason())
                  .contains("done last at 2026-03-13T03:00:00Z, and 3 moments before it");
            });
  }

  @Test
  void aRunThatFailsIsTriedUntilItsWindowIsOver() throws InterruptedException {
    List<Instant> tries = new ArrayList<>();
    Job failing =
        repository.backup(
            BackupType.FULL,
            control -> {
              tries.add(clock.instant());
              throw new IllegalStateException("No space");
            });
    JobPlan plan = JobPlan.builder(failing, NIGHTLY).window(Duration.ofMinutes(30)).build();
    try (Scheduler scheduler = scheduler(plan).build()) {
      for (int minute = 0; minute < 24 * 60; minute++) {
        clock.set(SUNDAY.plus(Duration.ofMinutes(minute)));
        scheduler.runDue();
      }
    }
    assertThat(tries)
        .extracting(at -> Duration.between(SUNDAY, at).toMinutes())
        .containsExactly(0L, 1L, 3L, 7L, 15L, 25L);
    ScheduleEvent last = events.get(events.size() - 1);
    assertThat(last.kind()).isEqualTo(Kind.MISSED);
    assertThat(last.reason())
        .contains("not started by 2026-03-08T02:30:00Z", "No space", "it was never done");
    assertThat(events.stream().filter(each -> each.kind() == Kind.MISSED)).hasSize(1);
  }

  @Test
  void aMomentIsReportedAsMissedEvenIfItIsDueAgainAtOnce() throws InterruptedException {
    Job failing =
        Job.of(
            "sync",
            control -> {
              throw new IllegalStateException("Down");
            });
    try (Scheduler scheduler =
        scheduler(JobPlan.builder(failing, Schedule.parse("hourly UTC")).build()).build()) {
      clock.set(SUNDAY);
      scheduler.runDue();
      clock.set(SUNDAY.plusSeconds(3600));
      scheduler.runDue();
    }
    assertThat(events)
        .filteredOn(each -> each.kind() == Kind.MISSED)
        .singleElement()
        .satisfies(missed -> assertThat(missed.due()).isEqualTo(SUNDAY));
  }

  @Test
  void whatCannotBeLookedAtIsNeitherDoneNorStarted() throws InterruptedException {
    try (Scheduler scheduler = scheduler(full()).build()) {
      clock.set(SUNDAY);
      repository.reachable = false;
      scheduler.runDue();
      assertThat(events).hasSize(1);
      assertThat(events.get(0).kind()).isEqualTo(Kind.FAILED);
      assertThat(events.get(0).reason()).contains("Nobody could tell", "cannot be reached");
      assertThat(events.get(0).retryAt()).contains(SUNDAY.plusSeconds(60));
      repository.reachable = true;
      clock.advance(Duration.ofMinutes(1));
      events.clear();
      scheduler.runDue();
      assertThat(told()).containsExactly("started orders.full", "finished orders.full");
    }
  }

  @Test
  void ofTwoProcessesAtOnceOneFires() throws Exception {
    CyclicBarrier together = new CyclicBarrier(2);
    AtomicInteger runs = new AtomicInteger();
    Job job = repository.backup(BackupType.FULL, control -> runs.incrementAndGet());
    Claims claims =
        (name, lasts) -> {
          try {
            together.await(10, TimeUnit.SECONDS); // both have seen that nothing is stored
          } catch (Exception e) {
            throw new IOException(e);
          }
          return repository.claim(name, lasts);
        };
    ExecutorService threads = Executors.newFixedThreadPool(2);
    try (Scheduler one =
            Scheduler.builder(claims, state.resolve("one"))
                .clock(clock)
                .plan(JobPlan.builder(job, WEEKLY).build())
                .build();
        Scheduler other =
            Scheduler.builder(claims, state.resolve("other"))
                .clock(clock)
                .plan(JobPlan.builder(job, WEEKLY).build())
                .build()) {
      for (int week = 0; week < 50; week++) {
        clock.set(SUNDAY.plus(Duration.ofDays(7L * week)));
        Future<?> first = threads.submit(() -> runDue(one));
        Future<?> second = threads.submit(() -> runDue(other));
        first.get(10, TimeUnit.SECONDS);
        second.get(10, TimeUnit.SECONDS);
        assertThat(runs).hasValue(week + 1);
      }
    } finally {
      threads.shutdownNow();
    }
  }

  @Test
  void whileAnotherProcessWorksThisOneWaitsAndDoesItIfThatDies() throws Exception {
    CountDownLatch dead = new CountDownLatch(1);
    try (Scheduler other = scheduler("other", full()).build()) {
      clock.set(SUNDAY);
      assertThat(repository.claim("schedule orders", Duration.ofMinutes(5)))
          .isPresent(); // and dies
      dead.countDown();
      for (int minute = 0; minute <= 5; minute++) {
        clock.set(SUNDAY.plus(Duration.ofMinutes(minute)));
        other.runDue();
        assertThat(told()).isEmpty();
      }
      clock.advance(Duration.ofMinutes(1));
      other.runDue();
      assertThat(told()).containsExactly("started orders.full", "finished orders.full");
    }
  }

  @Test
  void whatAnotherProcessDidWhileThisOneWaitedIsNotDoneAgain() throws Exception {
    Claims late =
        (name, lasts) -> {
          repository.stored.add(new FakeRepository.Stored(BackupType.FULL, clock.instant()));
          return repository.claim(name, lasts);
        };
    try (Scheduler scheduler =
        Scheduler.builder(late, state).clock(clock).listener(events::add).plan(full()).build()) {
      clock.set(SUNDAY);
      scheduler.runDue();
    }
    assertThat(told()).containsExactly("skipped orders.full");
    assertThat(repository.stored).hasSize(1);
  }

  @Test
  void aServersClockThatIsBehindMakesNoSecondRun() throws InterruptedException {
    repository.stored.add(new FakeRepository.Stored(BackupType.FULL, SUNDAY.minusSeconds(200)));
    try (Scheduler scheduler = scheduler(full()).build()) {
      clock.set(SUNDAY);
      scheduler.runDue();
      assertThat(told()).containsExactly("skipped orders.full");
    }
  }

  @Test
  void nothingStartsInABlackoutAndItRunsAfterIt() throws InterruptedException {
    JobPlan plan =
        JobPlan.builder(repository.backup(BackupType.FULL), NIGHTLY)
            .blackout(new Blackout.Recurring(Schedule.parse("Sun 01:00 UTC"), Duration.ofHours(2)))
            .blackout(
                new Blackout.Once(SUNDAY.plusSeconds(3600), SUNDAY.plus(Duration.ofMinutes(90))))
            .blackout(
                new Blackout.Once(SUNDAY.plus(Duration.ofDays(1)), SUNDAY.plus(Duration.ofDays(2))))
            .build();
    try (Scheduler scheduler = scheduler(plan).build()) {
      for (int minute = 0; minute < 90; minute++) {
        clock.set(SUNDAY.plus(Duration.ofMinutes(minute)));
        scheduler.runDue();
      }
      assertThat(events)
          .singleElement()
          .satisfies(
              held -> {
                assertThat(held.kind()).isEqualTo(Kind.SKIPPED);
                assertThat(held.reason()).contains("until 2026-03-08T03:30:00Z");
              });
      clock.set(SUNDAY.plus(Duration.ofMinutes(90)));
      scheduler.runDue();
      assertThat(repository.stored).hasSize(1);
      events.clear();
      for (int minute = 24 * 60; minute < 30 * 60; minute++) {
        clock.set(SUNDAY.plus(Duration.ofMinutes(minute)));
        scheduler.runDue();
      }
      assertThat(told()).containsExactly("skipped orders.full", "missed orders.full");
    }
  }

  @Test
  void jitterIsTheSameForEveryProcessAndStaysWithinItsBound() throws InterruptedException {
    JobPlan plan =
        JobPlan.builder(repository.backup(BackupType.FULL), NIGHTLY)
            .jitter(Duration.ofMinutes(10))
            .build();
    List<Long> delays = new ArrayList<>();
    Instant due = SUNDAY;
    for (int night = 0; night < 2000; night++, due = NIGHTLY.next(due)) {
      long delay = Duration.between(due, plan.start(due)).toSeconds();
      assertThat(delay).isBetween(0L, 600L);
      assertThat(plan.start(due)).isEqualTo(plan.start(due));
      delays.add(delay);
    }
    assertThat(delays.stream().distinct().count()).isGreaterThan(500);
    assertThat(delays.stream().mapToLong(each -> each).average().orElseThrow())
        .isBetween(270.0, 330.0);
    try (Scheduler scheduler = scheduler(plan).build()) {
      clock.set(plan.start(SUNDAY).minusSeconds(1));
      scheduler.runDue();
      assertThat(told()).isEmpty();
      clock.advance(Duration.ofSeconds(1));
      scheduler.runDue();
      assertThat(told()).hasSize(2);
    }
  }

  @Test
  void aRunThatIsNotFinishedInTimeIsCancelled() throws Exception {
    CountDownLatch began = new CountDownLatch(1);
    Job endless =
        repository.backup(
            BackupType.FULL,
            control -> {
              CountDownLatch cancelled = new CountDownLatch(1);
              control.cancellation().onCancel(cancelled::countDown);
              began.countDown();
              await(cancelled);
              control.cancellation().check();
            });
    JobPlan plan = JobPlan.builder(endless, NIGHTLY).finishWithin(Duration.ofHours(6)).build();
    try (Scheduler scheduler = scheduler(plan).build()) {
      clock.set(SUNDAY);
      scheduler.look();
      await(began);
      clock.set(SUNDAY.plus(Duration.ofHours(6)).minusSeconds(1));
      scheduler.look();
      assertThat(told()).containsExactly("started orders.full");
      clock.advance(Duration.ofSeconds(1));
      scheduler.look();
      scheduler.runDue();
    }
    assertThat(events)
        .singleElement()
        .satisfies(
            failed -> {
              assertThat(failed.kind()).isEqualTo(Kind.FAILED);
              assertThat(failed.reason()).contains("not finished within 6h");
              assertThat(failed.retryAt()).isEmpty();
              assertThat(failed.took()).contains(Duration.ofHours(6));
            });
  }

  @Test
  void closingCancelsWhatRunsAndItIsDueStill() throws Exception {
    CountDownLatch began = new CountDownLatch(1);
    Job endless =
        repository.backup(
            BackupType.FULL,
            control -> {
              CountDownLatch cancelled = new CountDownLatch(1);
              control.cancellation().onCancel(cancelled::countDown);
              began.countDown();
              await(cancelled);
              control.cancellation().check();
            });
    clock.set(SUNDAY);
    try (Scheduler scheduler = scheduler(JobPlan.builder(endless, WEEKLY).build()).build()) {
      scheduler.start();
      await(began);
    }
    assertThat(events.get(1).kind()).isEqualTo(Kind.FAILED);
    assertThat(events.get(1).reason()).contains("this process ends");
    assertThat(events.get(1).retryAt()).isEmpty();
    events.clear();
    try (Scheduler again = scheduler(full()).build()) {
      again.runDue();
      assertThat(told()).containsExactly("started orders.full", "finished orders.full");
    }
  }

  @Test
  void aListenerThatThrowsChangesNothing() throws InterruptedException {
    clock.set(SUNDAY);
    try (Scheduler scheduler =
        Scheduler.builder(repository, state)
            .clock(clock)
            .listener(
                event -> {
                  throw new IllegalStateException("Nobody listens");
                })
            .listener(events::add)
            .plan(full())
            .build()) {
      scheduler.runDue();
      assertThat(told()).containsExactly("started orders.full", "finished orders.full");
    }
  }

  @Test
  void jobsWithoutATraceAreRememberedInAFile() throws Exception {
    AtomicInteger runs = new AtomicInteger();
    JobPlan plan =
        JobPlan.builder(Job.of("sync", control -> runs.incrementAndGet()), NIGHTLY).build();
    clock.set(SUNDAY.plusSeconds(60));
    for (int restart = 0; restart < 3; restart++) {
      try (Scheduler scheduler = scheduler(plan).build()) {
        scheduler.runDue();
      }
    }
    assertThat(runs).hasValue(1);
    Path file = state.resolve("state/schedule/sync");
    assertThat(file)
        .hasContent("thorbis-schedule 1\nsince 2026-03-08T02:01:00Z\ndone 2026-03-08T02:01:00Z\n");
    clock.advance(Duration.ofHours(36));
    try (Scheduler scheduler = scheduler(plan).build()) {
      scheduler.runDue();
    }
    assertThat(file)
        .hasContent(
            """
            thorbis-schedule 1
            since 2026-03-08T02:01:00Z
            done 2026-03-08T02:01:00Z
            missed 2026-03-09T02:00:00Z
            """);
    told();
    Files.delete(file);
    try (Scheduler scheduler = scheduler(plan).build()) {
      scheduler.runDue(); // as if it were planned only now
    }
    assertThat(told()).isEmpty();
    assertThat(file).hasContent("thorbis-schedule 1\nsince 2026-03-09T14:01:00Z\n");
    Files.writeString(file, "thorbis-schedule 1\nuntil 2026-03-08T02:00:00Z\n");
    assertThat(new ScheduleState(state.resolve("state/schedule")).of(plan.job()))
        .isEqualTo(ScheduleState.Known.NOTHING);
    try (var left = Files.list(state.resolve("state/schedule"))) {
      assertThat(left).hasSize(1);
    }
  }

  @Test
  void startedItRunsByItself() throws Exception {
    CountDownLatch ran = new CountDownLatch(1);
    Job job = Job.of("sync", control -> ran.countDown());
    clock.set(SUNDAY);
    try (Scheduler scheduler = scheduler(JobPlan.builder(job, NIGHTLY).build()).build()) {
      scheduler.start();
      await(ran);
    }
    assertThat(events).extracting(ScheduleEvent::kind).containsExactly(Kind.STARTED, Kind.FINISHED);
  }

  @Test
  void whereClocksAreChangedEachDayHasOneRunByOneOfTwoProcesses() throws InterruptedException {
    int turns = 0;
    int years = RELEASE ? 10 : 2;
    Instant end = Instant.parse((2024 + years) + "-01-01T00:00:00Z");
    for (String zone : List.of("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")) {
      ZoneRules rules = ZoneId.of(zone).getRules();
      ZoneOffsetTransition turn = rules.nextTransition(Instant.parse("2024-01-01T00:00:00Z"));
      while (turn.getInstant().isBefore(end)) {
        turns++;
        LocalDateTime asked = turn.getDateTimeBefore().plus(turn.getDuration().dividedBy(2));
        assertThat(rules.getValidOffsets(asked)).hasSize(turn.isGap() ? 0 : 2);
        Instant first = turn.isGap() ? turn.getInstant() : asked.toInstant(turn.getOffsetBefore());
        assertThat(runsAround(turn.getInstant(), asked.toLocalTime() + " " + zone))
            .as("%s in %s", asked, zone)
            .containsExactly(
                asked.minusDays(1).toInstant(turn.getOffsetBefore()),
                first,
                asked.plusDays(1).toInstant(turn.getOffsetAfter()));
        turn = rules.nextTransition(turn.getInstant());
      }
    }
    assertThat(turns).isEqualTo(years * 3 * 2);
  }

  /** When it is begun, two days long; one process is there all the time, one is another then. */
  private List<Instant> runsAround(Instant turn, String schedule) throws InterruptedException {
    clock.set(turn.minus(Duration.ofHours(26)));
    List<Instant> runs = new ArrayList<>();
    FakeRepository shared = new FakeRepository(clock);
    Job job = shared.backup(BackupType.FULL, control -> runs.add(clock.instant()));
    JobPlan plan = JobPlan.builder(job, Schedule.parse(schedule)).build();
    Path host = state.resolve(schedule.replaceAll("\\W", "-") + turn.getEpochSecond());
    Scheduler stays =
        Scheduler.builder(shared, host.resolve("stays")).clock(clock).plan(plan).build();
    for (String process : List.of("before", "after")) {
      try (Scheduler other =
          Scheduler.builder(shared, host.resolve(process)).clock(clock).plan(plan).build()) {
        Instant end = process.equals("before") ? turn : turn.plus(Duration.ofHours(26));
        for (; clock.instant().isBefore(end); clock.advance(Duration.ofMinutes(15))) {
          stays.runDue();
          other.runDue();
        }
      }
    }
    stays.close();
    return runs;
  }

  @Test
  void quartersOfAnHourAreNotRunAgainInTheHourThatComesTwice() throws InterruptedException {
    assertThat(quarters("2026-10-25")) // clocks are put back at 01:00 UTC
        .containsExactly("00:00", "00:15", "00:30", "00:45", "02:00", "02:15");
    assertThat(quarters("2026-03-29")) // and forward
        .containsExactly(
            "00:00", "00:15", "00:30", "00:45", "01:00", "01:15", "01:30", "01:45", "02:00",
            "02:15");
  }

  /** When they are run in Berlin, in UTC. */
  private List<String> quarters(String day) throws InterruptedException {
    List<String> runs = new ArrayList<>();
    Job job = Job.of("sync", control -> runs.add(clock.instant().toString().substring(11, 16)));
    Instant midnight = Instant.parse(day + "T00:00:00Z");
    clock.set(midnight.minusSeconds(60));
    JobPlan plan = JobPlan.builder(job, Schedule.parse("*/15 * * * * Europe/Berlin")).build();
    try (Scheduler scheduler = scheduler(day, plan).build()) {
      clock.set(midnight);
      Instant end = midnight.plus(Duration.ofMinutes(140));
      for (; clock.instant().isBefore(end); clock.advance(Duration.ofMinutes(5))) {
        scheduler.runDue();
      }
    }
    return runs;
  }

  @Test
  void plansThatCannotWorkAreRefused() {
    BackupException refused =
        catchThrowableOfType(
            BackupException.class,
            () ->
                scheduler(
                        JobPlan.builder(repository.backup(BackupType.FULL), WEEKLY)
                            .window(Duration.ofDays(8))
                            .build())
                    .build());

    assertThat(refused.code()).isEqualTo("schedule.unworkable");
    assertThat(refused).hasMessageContaining("orders.full: its window of 8d is longer than 7d");
  }

  @Test
  void damageThatWasFoundIsNotLookedForAgainUntilItIsDueAgain() throws InterruptedException {
    AtomicInteger runs = new AtomicInteger();
    Job verify =
        Job.of(
            "verify",
            control -> {
              runs.incrementAndGet();
              throw BackupException.of("verify.damaged", FailureKind.DAMAGED, "2 damaged").build();
            });
    try (Scheduler scheduler = scheduler(JobPlan.builder(verify, NIGHTLY).build()).build()) {
      for (int minute = 0; minute < 6 * 60; minute++) {
        clock.set(SUNDAY.plus(Duration.ofMinutes(minute)));
        scheduler.runDue();
      }
    }
    assertThat(runs).hasValue(1);
    assertThat(told()).containsExactly("started verify", "failed verify");
  }

  private static Object runDue(Scheduler scheduler) {
    try {
      scheduler.runDue();
      return true;
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      assertThat(latch.await(10, TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
