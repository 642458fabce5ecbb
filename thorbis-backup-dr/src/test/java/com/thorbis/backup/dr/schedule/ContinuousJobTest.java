package com.thorbis.backup.dr.schedule;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.dr.schedule.ScheduleEvent.Kind;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.testkit.SettableClock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

class ContinuousJobTest {
  private final SettableClock clock = SettableClock.at(Instant.parse("2026-03-08T02:00:00Z"));
  private final FakeRepository repository = new FakeRepository(clock);
  private final List<ScheduleEvent> events = new CopyOnWriteArrayList<>();

  private ContinuousJob.Builder of(Job job) {
    return ContinuousJob.builder(job, repository)
        .clock(clock)
        .listener(events::add)
        .firstRetry(Duration.ofMillis(1));
  }

  private static void untilCancelled(RunControl control) {
    CountDownLatch cancelled = new CountDownLatch(1);
    control.cancellation().onCancel(cancelled::countDown);
    try {
      assertThat(cancelled.await(10, TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void whatFailsIsStartedAgainAndWhatIsClosedEnds() throws InterruptedException {
    AtomicInteger starts = new AtomicInteger();
    CountDownLatch well = new CountDownLatch(1);
    Job job =
        Job.of(
            "orders.wal",
            control -> {
              switch (starts.incrementAndGet()) {
                case 1 -> throw new IllegalStateException("The server is gone");
                case 2 -> {} // ends by itself, which it never should
                default -> {
                  well.countDown();
                  untilCancelled(control);
                }
              }
            });
    try (ContinuousJob continuous = of(job).build()) {
      continuous.start();
      assertThat(well.await(10, TimeUnit.SECONDS)).isTrue();
      assertThat(repository.claim("continuous orders.wal", Duration.ofMinutes(5))).isEmpty();
    } catch (java.io.IOException e) {
      throw new AssertionError(e);
    }
    assertThat(events)
        .extracting(ScheduleEvent::kind)
        .containsExactly(
            Kind.STARTED, Kind.FAILED, Kind.STARTED, Kind.FAILED, Kind.STARTED, Kind.FINISHED);
    assertThat(events.get(1).reason()).contains("The server is gone");
    assertThat(events.get(1).retryAt()).contains(clock.instant().plusMillis(1));
    assertThat(events.get(3).reason()).contains("ended by itself");
    assertThat(events.get(3).retryAt()).contains(clock.instant().plusMillis(2));
  }

  @Test
  void whereAnotherProcessDoesItNothingStarts() throws Exception {
    CountDownLatch asked = new CountDownLatch(1);
    Job job = Job.of("orders.wal", control -> events.clear());
    Claims taken =
        (name, lasts) -> {
          asked.countDown();
          return Optional.empty();
        };
    try (ContinuousJob continuous =
        ContinuousJob.builder(job, taken).clock(clock).listener(events::add).build()) {
      continuous.start();
      assertThat(asked.await(10, TimeUnit.SECONDS)).isTrue();
    }
    assertThat(events).isEmpty();
  }

  @Test
  void itIsLateOnceAndCaughtUpOnce() {
    AtomicReference<Optional<Duration>> lag = new AtomicReference<>(Optional.empty());
    AtomicInteger refused = new AtomicInteger();
    try (ContinuousJob continuous =
        of(Job.of("orders.wal", control -> {}))
            .maxDelay(
                () -> {
                  if (refused.get() > 0) {
                    throw new IllegalStateException("No answer");
                  }
                  return lag.get();
                },
                Duration.ofMinutes(15))
            .build()) {
      continuous.look();
      lag.set(Optional.of(Duration.ofMinutes(15)));
      continuous.look();
      assertThat(events).isEmpty();
      lag.set(Optional.of(Duration.ofMinutes(16)));
      continuous.look();
      refused.set(1);
      continuous.look();
      continuous.look();
      refused.set(0);
      continuous.look();
      lag.set(Optional.of(Duration.ofMinutes(1)));
      continuous.look();
      continuous.look();
    }
    assertThat(events)
        .extracting(ScheduleEvent::kind)
        .containsExactly(Kind.LATE, Kind.FAILED, Kind.CAUGHT_UP);
    assertThat(events.get(0).reason()).contains("960 s old").contains("15m");
    assertThat(events.get(1).reason()).contains("Nobody could tell", "No answer");
  }
}
