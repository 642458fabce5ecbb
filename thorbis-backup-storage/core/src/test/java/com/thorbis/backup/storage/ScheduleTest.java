package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.testkit.ActorSchedule;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Several processes work on one repository; a seed decides who makes the next store call. */
class ScheduleTest {
  private static final int CASES = FaultSuite.RELEASE ? 6000 : 150;

  @TempDir Path states;

  @Test
  void writersReadersAndVerificationInEveryOrder() throws Exception {
    FaultSuite suite = new FaultSuite("schedules", "interleavings");
    TestWorld before = Scenario.named("delete").world(states);
    suite.forEachSeed(
        CASES,
        random -> {
          long seed = random.nextLong();
          return FaultSuite.Labelled.of("schedule " + seed, () -> run(before, seed, true));
        });
    suite.report();
  }

  /** 12: the same seed gives the same order of events; a sweep goes by names, which are drawn. */
  @Test
  void oneSeedIsOneOrder() throws Exception {
    TestWorld before = Scenario.named("delete").world(states);
    for (long seed = 1; seed <= 3; seed++) {
      assertThat(run(before, seed, false)).isEqualTo(run(before, seed, false));
    }
  }

  private static List<String> run(TestWorld before, long seed, boolean pruning) throws Exception {
    try (TestWorld world = before.copy()) {
      return runIn(world, seed, pruning);
    }
  }

  private static List<String> runIn(TestWorld world, long seed, boolean pruning) throws Exception {
    Random random = new Random(seed);
    ActorSchedule schedule = new ActorSchedule(world.disk, seed);
    actor(schedule, world, "one", one -> one.backUpIn(4, Scenario.files(seed)));
    if (random.nextBoolean()) {
      actor(
          schedule,
          world,
          "two",
          two -> {
            two.backUp(Scenario.files(seed + 1), BackupStatus.AWAITING_WAL);
            two.complete();
          });
    } else {
      actor(schedule, world, "two", two -> two.register("other"));
    }
    actor(
        schedule,
        world,
        "receiver",
        receiver -> {
          receiver.storePart(6, 0, 3000);
          receiver.storePart(6, 3000, 9000);
          receiver.storeSegment(6);
        });
    if (pruning) {
      actor(
          schedule,
          world,
          "pruner",
          pruner -> {
            pruner.prune(Duration.ZERO);
            pruner.rest();
            pruner.prune(Duration.ZERO);
          });
    }
    if (random.nextBoolean()) {
      actor(
          schedule,
          world,
          "incremental",
          other -> other.backUpOver(BackupType.INCREMENTAL, Scenario.files(1)));
    }
    if (random.nextBoolean()) { // a second one ships the same log, in other parts
      actor(
          schedule,
          world,
          "second-receiver",
          receiver -> {
            receiver.storePart(6, 0, 5000);
            receiver.storePart(6, 5000, 7000);
          });
    }
    actor(
        schedule,
        world,
        "reader",
        reader -> {
          reader.restore();
          reader.refresh();
          reader.restore();
          reader.readWal(6);
          reader.ranges();
        });
    if (random.nextBoolean()) {
      actor(
          schedule,
          world,
          "verifier",
          verifier -> {
            verifier.verify(VerifyRequest.Level.DATA);
            assertThat(verifier.found).isEmpty();
          });
    }
    schedule.run();
    world.rest();
    world.check(true);
    world.checkNothingIsLeftOver();
    // Names are drawn anew in each run, and what lies under them is taken in their order.
    return schedule.events().stream()
        .map(event -> event.replaceAll("[0-9a-f]{8,}|\\d+\\+\\d+", "#"))
        .toList();
  }

  private static void actor(
      ActorSchedule schedule, TestWorld world, String name, Scenario.Action action)
      throws IOException {
    schedule.actor(
        name,
        view -> {
          try (TestClient client = world.client(view)) {
            action.run(client);
          } catch (IOException e) {
            if (!TestClient.steppedBack(e)) {
              throw e;
            }
          }
        });
  }
}
