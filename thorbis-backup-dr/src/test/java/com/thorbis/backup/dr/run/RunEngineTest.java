package com.thorbis.backup.dr.run;

import static com.thorbis.backup.dr.run.TestRuns.effect;
import static com.thorbis.backup.dr.run.TestRuns.plan;
import static com.thorbis.backup.dr.run.TestRuns.task;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.dr.run.RunReport.Waiting;
import com.thorbis.backup.dr.run.TestRuns.Crash;
import com.thorbis.backup.dr.run.TestRuns.Disk;
import com.thorbis.backup.dr.run.TestRuns.Fate;
import com.thorbis.backup.dr.run.TestRuns.Wire;
import com.thorbis.backup.spi.crypto.Signer;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.Signature;
import java.time.Duration;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RunEngineTest {
  private static final String RUN = "incident-1";
  private static final Optional<Signer> UNSIGNED = Optional.empty();

  private final TestRuns runs = new TestRuns();
  @TempDir Path folder;

  private static RunPlan diamond() {
    return plan(task("a"), task("b", "a"), task("c", "a"), task("d", "b", "c"));
  }

  @Test
  void aRunCarriesOutItsStepsInOrderAndSaysWhoDidWhatWhen() {
    RunReport report = runs.engine(folder).start(diamond(), RUN, "alice");
    assertThat(report.status()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(report.neverExecuted()).isEmpty();
    assertThat(report.proven()).isTrue();
    assertThat(runs.world.order).startsWith("a").endsWith("d").hasSize(4);
    assertThat(report.timeline().get(0).actor()).isEqualTo("alice");
    assertThat(report.timeline())
        .extracting(JournalRecord::kind)
        .startsWith("run.planned", "owner.taken", "run.state")
        .endsWith("run.state", "owner.released");
  }

  /** Dies at each thing it does to the outside, before or after it, until it does not die. */
  @ParameterizedTest
  @CsvSource({
    "false,BOTH",
    "true,BOTH",
    "false,STORE",
    "true,STORE",
    "false,FOLDER",
    "true,FOLDER"
  })
  void wheneverItDiesAnotherMachineGoesOnAndEachEffectHappensOnce(boolean after, String survives) {
    RunPlan plan =
        new RunPlan(
            "database-failure",
            "unavailable",
            RunPlan.UNGRACEFUL,
            "text",
            List.of(task("a"), effect("b", "a").destructive(true).build(), task("c", "b")),
            Optional.empty(),
            false);
    boolean died = true;
    int moments = 0;
    for (int moment = 1; died; moment++) {
      TestRuns fresh = new TestRuns();
      Disk disk = new Disk();
      Fate fate = new Fate(moment, after);
      RunEngine first =
          fresh.engine(folder.resolve("one"), disk, new Wire(fresh.store, fate), fate).build();
      try {
        first.start(plan, RUN, "alice");
      } catch (Crash e) {
        // That is what this is about.
      }
      died = fate.dead();
      moments = moment;
      fresh.clock.advance(Duration.ofMinutes(1)); // the lease lapses
      MemoryObjectStore left = fresh.store;
      if (survives.equals("FOLDER")) {
        left = MemoryObjectStore.create(fresh.clock, 1000);
      } else if (survives.equals("STORE")) {
        disk = new Disk();
      }
      RunEngine second =
          fresh
              .engine(folder.resolve("two"), disk, new Wire(left, Fate.none()), Fate.none())
              .build();
      RunReport report =
          second.runs().isEmpty() && recordsLeft(disk, left) == 0
              ? second.start(plan, RUN, "alice")
              : resumeOrStart(second, disk, plan);
      assertThat(report.status()).as("died at %s", moment).isEqualTo(RunStatus.SUCCEEDED);
      assertThat(report.neverExecuted()).isEmpty();
      assertThat(fresh.world.executed)
          .as("died at %s", moment)
          .isEqualTo(Map.of("a", 1, "b", 1, "c", 1));
    }
    assertThat(moments).isGreaterThan(30);
  }

  /** What it has done itself by then is no failure, and is not done again. */
  @ParameterizedTest
  @CsvSource({"false", "true"})
  void wheneverItDiesWhatIsLeftToPeopleWaitsForThem(boolean after) {
    RunPlan plan = plan(effect("a").attempts(1).build());
    boolean died = true;
    for (int moment = 1; died; moment++) {
      TestRuns fresh = new TestRuns();
      fresh.world.people.add("a");
      Disk disk = new Disk();
      Fate fate = new Fate(moment, after);
      try {
        fresh
            .engine(folder.resolve("one"), disk, new Wire(fresh.store, fate), fate)
            .build()
            .start(plan, RUN, "alice");
      } catch (Crash e) {
        // That is what this is about.
      }
      died = fate.dead();
      fresh.clock.advance(Duration.ofMinutes(1)); // the lease lapses
      RunEngine second =
          fresh
              .engine(folder.resolve("two"), disk, new Wire(fresh.store, Fate.none()), Fate.none())
              .build();
      RunReport report =
          recordsLeft(disk, fresh.store) == 0
              ? second.start(plan, RUN, "alice")
              : resumeOrStart(second, disk, plan);
      assertThat(report.status()).as("died at %s", moment).isEqualTo(RunStatus.WAITING);
      assertThat(fresh.world.executed).as("died at %s", moment).isEqualTo(Map.of("a", 1));
    }
  }

  /** A plan that undoes what it did when it fails. */
  private static RunPlan undoing(Task... tasks) {
    return new RunPlan("s", "", RunPlan.GRACEFUL, "text", List.of(tasks), Optional.empty(), true);
  }

  private static long recordsLeft(Disk disk, MemoryObjectStore store) {
    return disk.files.values().stream().mapToLong(bytes -> bytes.length).sum()
        + store.contents().keySet().stream().filter(key -> key.startsWith("runs/")).count();
  }

  /** What lies in the folder of a double is seen by whoever opens it, and not by a look. */
  private static RunReport resumeOrStart(RunEngine engine, Disk disk, RunPlan plan) {
    try {
      return engine.resume(RUN);
    } catch (BackupException e) {
      assertThat(e.code()).isEqualTo("run.not-found");
      RunReport report = engine.start(plan, RUN, "alice");
      return report.status().ended() || disk.files.isEmpty() ? report : engine.resume(RUN);
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whoeverDiesWhileItUndoesIsFollowedByOneWhoUndoesTheRestInReverse(boolean after) {
    RunPlan plan =
        new RunPlan(
            "database-failure",
            "",
            RunPlan.GRACEFUL,
            "text",
            List.of(task("a"), task("b", "a"), task("c", "b")),
            Optional.of(new RunPlan.Window(Duration.ofHours(1), true)),
            false);
    boolean died = true;
    for (int moment = 1; died; moment++) {
      TestRuns fresh = new TestRuns();
      Path own = folder.resolve("undo" + moment);
      assertThat(fresh.engine(own).start(plan, RUN, "alice").status()).isEqualTo(RunStatus.WAITING);
      fresh.engine(own).say(RUN, Message.ABORT, "bob", "", "clients complain");
      Fate fate = new Fate(moment, after);
      try {
        fresh.engine(own, new Disk(), new Wire(fresh.store, fate), fate).build().resume(RUN);
      } catch (Crash e) {
        // That is what this is about.
      }
      died = fate.dead();
      fresh.clock.advance(Duration.ofMinutes(1));
      RunReport report = fresh.engine(own).resume(RUN);
      assertThat(report.status()).isEqualTo(RunStatus.COMPENSATED);
      assertThat(report.reason()).isEqualTo("aborted by bob");
      assertThat(fresh.world.order).containsExactly("a", "b", "c", "undo c", "undo b", "undo a");
      assertThat(report.tasks())
          .extracting(RunReport.TaskReport::status)
          .containsOnly(TaskStatus.UNDONE);
    }
  }

  @Test
  void oneIncidentStartsOneRunHoweverOftenItIsReported() {
    RunReport first = runs.engine(folder).start(diamond(), RUN, "alice");
    RunReport second =
        runs.engine(folder.resolve("elsewhere")).start(plan(task("other")), RUN, "bob");
    assertThat(second.planDigest()).isEqualTo(first.planDigest());
    assertThat(runs.world.executed).hasSize(4).doesNotContainKey("other");
  }

  @Test
  void ofTwoThatStartAtOnceOneDoes() {
    Wire slow = runs.wire();
    RunEngine other = runs.engine(folder.resolve("two"));
    slow.beforeRecord = () -> other.start(diamond(), RUN, "bob");
    RunReport report =
        runs.engine(folder.resolve("one"), new Disk(), slow, Fate.none())
            .build()
            .start(diamond(), RUN, "alice");
    assertThat(report.requester()).isEqualTo("bob");
    assertThat(runs.world.executed).containsEntry("a", 1).containsEntry("d", 1);
  }

  @Test
  void anOwnerThatWasPausedIsStoppedAtItsNextRecordAndHasNoFurtherEffect() {
    Wire slow = runs.wire();
    RunEngine first = runs.engine(folder.resolve("one"), new Disk(), slow, Fate.none()).build();
    RunEngine second = runs.engine(folder.resolve("two"));
    AtomicInteger records = new AtomicInteger();
    Runnable[] count = new Runnable[1];
    count[0] =
        () -> {
          if (records.incrementAndGet() == 8) {
            runs.clock.advance(Duration.ofMinutes(5)); // it stands still for longer than its lease
            assertThat(second.resume(RUN).status()).isEqualTo(RunStatus.SUCCEEDED);
          } else {
            slow.beforeRecord = count[0];
          }
        };
    slow.beforeRecord = count[0];
    assertThatThrownBy(() -> first.start(diamond(), RUN, "alice"))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("run.fenced"));
    assertThat(runs.world.executed).isEqualTo(Map.of("a", 1, "b", 1, "c", 1, "d", 1));
    assertThat(runs.world.fences).isSorted().contains(2L);
  }

  @Test
  void whoeverSeesThatSomebodyWorksOnItKeepsAwayUnlessItIsTakenOverInANamedPersonsName() {
    Wire slow = runs.wire();
    RunEngine second = runs.engine(folder.resolve("two"));
    AtomicInteger records = new AtomicInteger();
    Runnable[] count = new Runnable[1];
    count[0] =
        () -> {
          if (records.incrementAndGet() == 5) {
            assertThatThrownBy(() -> second.resume(RUN))
                .isInstanceOfSatisfying(
                    BackupException.class,
                    e -> {
                      assertThat(e.code()).isEqualTo("run.busy");
                      assertThat(e).hasMessageContaining("machine one");
                    });
            RunReport report = second.takeOver(RUN, "carol");
            assertThat(report.fence()).isEqualTo(2);
            assertThat(report.timeline())
                .anyMatch(record -> "taken over by carol".equals(record.data().get("why")));
          } else {
            slow.beforeRecord = count[0];
          }
        };
    slow.beforeRecord = count[0];
    RunEngine first = runs.engine(folder.resolve("one"), new Disk(), slow, Fate.none()).build();
    assertThatThrownBy(() -> first.start(diamond(), RUN, "alice")).hasMessageContaining("owns run");
  }

  @Test
  void theRunGoesOnWithoutItsStoreAndTheStoreCatchesUp() {
    Wire wire = runs.wire();
    Disk disk = Disk.seen();
    wire.away = true;
    RunEngine engine = runs.engine(folder, disk, wire, Fate.none()).build();
    RunReport report = null;
    try {
      report = engine.start(diamond(), RUN, "alice");
    } catch (BackupException e) {
      assertThat(e.code()).isEqualTo("journal.unreachable"); // nobody can tell whether there is one
    }
    assertThat(report).isNull();
    wire.away = false;
    RunPlan plan =
        plan(
            task("a"),
            Task.builder("pause", "wait").inputs(Map.of("for", "PT1H")).needs(List.of("a")).build(),
            task("b", "pause"));
    engine.start(plan, RUN, "alice");
    wire.away = true;
    runs.clock.advance(Duration.ofHours(1));
    RunReport alone = runs.engine(folder, disk, wire, Fate.none()).build().resume(RUN);
    assertThat(alone.status()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(alone.proven()).isFalse();
    assertThat(alone.timeline()).extracting(JournalRecord::kind).contains("store.away");
    wire.away = false;
    Journal.open(
            RUN,
            disk.open(folder.resolve(RUN), Fate.none()),
            new JournalStore(runs.store, Duration.ofSeconds(5)),
            runs.clock)
        .prove();
    RunReport elsewhere = runs.engine(folder.resolve("far")).look(RUN);
    assertThat(elsewhere.proven()).isTrue();
    assertThat(elsewhere.status()).isEqualTo(RunStatus.SUCCEEDED);
  }

  @Test
  void whatDestroysIsNotDoneWhileNobodyCanTellWhoOwnsTheRunUnlessAPersonTakesItUponThemselves() {
    Wire wire = runs.wire();
    Disk disk = Disk.seen();
    RunPlan plan =
        plan(
            Task.builder("pause", "wait").inputs(Map.of("for", "PT1H")).build(),
            effect("promote", "pause").destructive(true).build());
    RunEngine engine = runs.engine(folder, disk, wire, Fate.none()).build();
    engine.start(plan, RUN, "alice");
    wire.away = true;
    runs.clock.advance(Duration.ofHours(1));
    RunReport held = engine.resume(RUN);
    assertThat(held.status()).isEqualTo(RunStatus.WAITING);
    assertThat(held.task("promote").orElseThrow().waiting().orElseThrow().what())
        .isEqualTo(Waiting.OWNERSHIP);
    assertThat(runs.world.executed).isEmpty();
    engine.say(RUN, Message.OVERRIDE, "carol", "", "the bucket's region is down");
    RunReport done = engine.resume(RUN);
    assertThat(done.status()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(done.timeline())
        .anyMatch(
            record ->
                record.kind().equals("task.started")
                    && "carol".equals(record.data().get("override")));
  }

  @Test
  void aRunThatOthersWentOnWithWhileItHadNoStoreIsStoppedWhenTheStoreIsBack() {
    Wire wire = runs.wire();
    Disk disk = Disk.seen();
    RunPlan plan =
        plan(
            Task.builder("pause", "wait").inputs(Map.of("for", "PT1H")).build(),
            task("a", "pause"),
            Task.builder("again", "wait").inputs(Map.of("for", "PT1H")).needs(List.of("a")).build(),
            task("b", "again"));
    RunEngine alone = runs.engine(folder, disk, wire, Fate.none()).build();
    alone.start(plan, RUN, "alice");
    wire.away = true;
    runs.clock.advance(Duration.ofHours(1));
    alone.resume(RUN);
    RunEngine other = runs.engine(folder.resolve("two"));
    other.resume(RUN);
    wire.away = false;
    runs.clock.advance(Duration.ofHours(1));
    assertThatThrownBy(() -> alone.resume(RUN))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("journal.forked"));
    assertThat(other.resume(RUN).status()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(runs.world.executed).isEqualTo(Map.of("a", 1, "b", 1));
  }

  @Test
  void theRunGoesOnWithoutItsFolder() {
    Disk disk = new Disk();
    disk.full = true;
    RunReport report =
        runs.engine(folder, disk, runs.wire(), Fate.none()).build().start(diamond(), RUN, "alice");
    assertThat(report.status()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(report.timeline()).extracting(JournalRecord::kind).contains("file.away");
    assertThat(disk.files.getOrDefault(RUN, new byte[0])).isEmpty();
  }

  @Test
  void withNeitherPlaceNothingIsDone() {
    Disk disk = Disk.seen();
    Wire wire = runs.wire();
    RunPlan plan =
        plan(
            Task.builder("pause", "wait").inputs(Map.of("for", "PT1H")).build(),
            task("a", "pause"));
    RunEngine engine = runs.engine(folder, disk, wire, Fate.none()).build();
    engine.start(plan, RUN, "alice");
    disk.full = true;
    wire.away = true;
    runs.clock.advance(Duration.ofHours(1));
    assertThatThrownBy(() -> engine.resume(RUN))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("journal.unwritable"));
    assertThat(runs.world.executed).isEmpty();
  }

  @Test
  void aWaitOutlivesTheProcess() {
    RunPlan plan =
        plan(
            task("a"),
            Task.builder("pause", "wait").inputs(Map.of("for", "PT2H")).needs(List.of("a")).build(),
            task("b", "pause"));
    RunReport waits = runs.engine(folder).start(plan, RUN, "alice");
    assertThat(waits.status()).isEqualTo(RunStatus.WAITING);
    assertThat(waits.neverExecuted()).extracting(one -> one.task().id()).containsExactly("b");
    runs.clock.advance(Duration.ofMinutes(119));
    assertThat(runs.engine(folder.resolve("two")).resume(RUN).status())
        .isEqualTo(RunStatus.WAITING);
    runs.clock.advance(Duration.ofMinutes(1));
    assertThat(runs.engine(folder.resolve("three")).resume(RUN).status())
        .isEqualTo(RunStatus.SUCCEEDED);
    assertThat(runs.world.order).containsExactly("a", "b");
  }

  @Test
  void whoeverStaysForATimeSeesTheRunEnd() {
    RunPlan plan =
        plan(
            Task.builder("pause", "wait").inputs(Map.of("for", "PT2M")).build(),
            task("b", "pause"));
    RunReport report =
        runs.engine(folder, new Disk(), runs.wire(), Fate.none())
            .patience(Duration.ofHours(1))
            .build()
            .start(plan, RUN, "alice");
    assertThat(report.status()).isEqualTo(RunStatus.SUCCEEDED);
  }

  @Test
  void aPersonDoesAStepInTime() {
    RunPlan plan =
        plan(
            Task.builder("call", "manual")
                .people(List.of("bob"))
                .deadline(Duration.ofMinutes(10))
                .build(),
            task("after", "call"));
    RunEngine engine = runs.engine(folder);
    engine.start(plan, RUN, "alice");
    assertThatThrownBy(() -> engine.say(RUN, Message.DONE, "eve", "call", ""))
        .hasMessageContaining("eve is none of bob");
    engine.say(RUN, Message.DONE, "bob", "call", "they answered");
    RunReport report = runs.engine(folder.resolve("two")).resume(RUN);
    assertThat(report.status()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(report.timeline())
        .anyMatch(
            record ->
                record.actor().equals("bob") && "they answered".equals(record.data().get("text")));
  }

  @Test
  void aPersonWhoDoesNotDoItInTimeHasNotDoneIt() {
    RunPlan plan =
        plan(
            Task.builder("call", "manual").deadline(Duration.ofMinutes(10)).build(),
            task("after", "call"));
    runs.engine(folder).start(plan, RUN, "alice");
    runs.clock.advance(Duration.ofMinutes(10));
    RunReport report = runs.engine(folder).resume(RUN);
    assertThat(report.status()).isEqualTo(RunStatus.FAILED);
    assertThat(report.neverExecuted()).extracting(one -> one.task().id()).containsExactly("after");
  }

  @Test
  void nothingExecutedIsNoSuccess() {
    runs.world.there.add("a");
    RunReport report = runs.engine(folder).start(plan(task("a")), RUN, "alice");
    assertThat(report.status()).isEqualTo(RunStatus.FAILED);
    assertThat(report.reason()).contains("nothing was carried out");
  }

  @Test
  void whatCannotBeCarriedOutDoesNotStart() {
    RunEngine engine = runs.engine(folder);
    assertThatThrownBy(() -> engine.start(plan(), RUN, "alice")).hasMessageContaining("no step");
    assertThatThrownBy(
            () -> engine.start(plan(Task.builder("x", "switch-dns").build()), RUN, "alice"))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("run.action-unknown"));
    assertThatThrownBy(() -> engine.start(plan(task("a", "missing")), RUN, "alice"))
        .hasMessageContaining("after missing, which is no step of it");
    assertThatThrownBy(() -> engine.start(plan(task("a"), task("a")), RUN, "alice"))
        .hasMessageContaining("two steps a");
    assertThat(runs.store.contents()).isEmpty();
  }

  @Test
  void inAGroupOneFailureLeavesTheOthersAndStopsWhatFollows() {
    runs.world.broken.add("b");
    RunReport report = runs.engine(folder).start(diamond(), RUN, "alice");
    assertThat(report.status()).isEqualTo(RunStatus.FAILED);
    assertThat(report.reason()).isEqualTo("critical step b: is broken");
    assertThat(report.task("c").orElseThrow().status())
        .isIn(TaskStatus.DONE, TaskStatus.PENDING, TaskStatus.STARTED);
    assertThat(report.neverExecuted()).extracting(one -> one.task().id()).contains("d");
    runs.world.broken.clear();
    RunEngine engine = runs.engine(folder);
    engine.say(RUN, Message.RETRY, "bob", "b", "disk was full");
    assertThat(engine.resume(RUN).status()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(runs.world.executed).isEqualTo(Map.of("a", 1, "b", 1, "c", 1, "d", 1));
  }

  @Test
  void aFailureThatIsNotCriticalIsInTheResultAndTheRunGoesOn() {
    runs.world.broken.add("b");
    RunReport report =
        runs.engine(folder)
            .start(
                plan(task("a"), effect("b", "a").critical(false).build(), task("c", "b")),
                RUN,
                "alice");
    assertThat(report.status()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(report.tolerated()).extracting(one -> one.task().id()).containsExactly("b");
  }

  @Test
  void aPlanMayUndoWhatItDidWhenItFails() {
    runs.world.broken.add("c");
    RunPlan plan = undoing(task("a"), task("b", "a"), task("c", "b"));
    RunReport report = runs.engine(folder).start(plan, RUN, "alice");
    assertThat(report.status()).isEqualTo(RunStatus.COMPENSATED);
    assertThat(runs.world.order).containsExactly("a", "b", "undo b", "undo a");
  }

  @Test
  void nobodyTakesARunOverWhileAStepOfItIsUndoneForLong() {
    runs.world.broken.add("b");
    RunEngine second = runs.engine(folder.resolve("two"));
    runs.world.undoing =
        () -> {
          runs.clock.advance(Duration.ofMinutes(5)); // and its lease is over
          long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
          while (second.worker(RUN).isEmpty() && System.nanoTime() - deadline < 0) {
            Thread.onSpinWait();
          }
          assertThatThrownBy(() -> second.resume(RUN))
              .isInstanceOfSatisfying(
                  BackupException.class, e -> assertThat(e.code()).isEqualTo("run.busy"));
        };
    RunPlan plan = undoing(task("a"), task("b", "a"));
    RunReport report =
        runs.engine(folder.resolve("one"), new Disk(), runs.wire(), Fate.none())
            .lease(Duration.ofSeconds(1))
            .build()
            .start(plan, RUN, "alice");
    assertThat(report.status()).as(report.reason()).isEqualTo(RunStatus.COMPENSATED);
    assertThat(runs.world.order).containsExactly("a", "undo a");
  }

  /** Nobody takes clients back from the only server that takes writes. */
  @ParameterizedTest
  @CsvSource({"true", "false"})
  void nothingIsUndoneOnceWhatHasNoWayBackMayHaveTakenEffect(boolean answers) {
    Task promote =
        effect("promote", "fence").inputs(Map.of("forward", "", "final", "")).attempts(1).build();
    RunPlan plan = undoing(task("fence"), promote, task("move", "promote"), task("tell", "move"));
    runs.world.broken.add("tell");
    if (!answers) {
      runs.world.lost.add("promote");
    }
    RunEngine engine = runs.engine(folder);
    RunReport report = engine.start(plan, RUN, "alice");
    if (!answers) {
      engine.say(RUN, Message.ABORT, "bob", "", "it takes too long");
      report = engine.resume(RUN);
    }
    assertThat(report.status()).isEqualTo(answers ? RunStatus.FAILED : RunStatus.ABORTED);
    assertThat(report.reason()).contains("nothing is undone, as promote may have taken effect");
    assertThat(runs.world.undone).isEmpty();
    if (answers) {
      runs.world.broken.clear();
      engine.say(RUN, Message.RETRY, "bob", "tell", "");
      assertThat(engine.resume(RUN).status()).isEqualTo(RunStatus.SUCCEEDED);
    }
  }

  @Test
  void whatWasRefusedBeforeItHadAnEffectKeepsNothingFromBeingUndone() {
    runs.world.broken.add("promote");
    RunPlan plan =
        undoing(
            task("fence"),
            effect("promote", "fence").inputs(Map.of("forward", "", "final", "")).build());
    assertThat(runs.engine(folder).start(plan, RUN, "alice").status())
        .isEqualTo(RunStatus.COMPENSATED);
    assertThat(runs.world.order).containsExactly("fence", "undo fence");
  }

  @ParameterizedTest
  @CsvSource({"true,SUCCEEDED", "false,COMPENSATED"})
  void aWindowThatNobodyUsesEndsAsThePlanSays(boolean commits, RunStatus expected) {
    RunPlan plan =
        new RunPlan(
            "s",
            "",
            RunPlan.GRACEFUL,
            "text",
            List.of(task("a")),
            Optional.of(new RunPlan.Window(Duration.ofMinutes(30), commits)),
            false);
    RunReport open = runs.engine(folder).start(plan, RUN, "alice");
    assertThat(open.status()).isEqualTo(RunStatus.WAITING);
    assertThat(open.windowUntil()).contains(runs.clock.instant().plus(Duration.ofMinutes(30)));
    runs.clock.advance(Duration.ofMinutes(30));
    assertThat(runs.engine(folder).resume(RUN).status()).isEqualTo(expected);
  }

  @Test
  void somebodyMayCommitBeforeAndAfterThatNobodyCanAbort() {
    RunPlan plan =
        new RunPlan(
            "s",
            "",
            RunPlan.GRACEFUL,
            "text",
            List.of(task("a")),
            Optional.of(new RunPlan.Window(Duration.ofMinutes(30), false)),
            false);
    RunEngine engine = runs.engine(folder);
    engine.start(plan, RUN, "alice");
    engine.say(RUN, Message.COMMIT, "bob", "", "");
    assertThat(engine.resume(RUN).status()).isEqualTo(RunStatus.SUCCEEDED);
    assertThatThrownBy(() -> engine.say(RUN, Message.ABORT, "eve", "", ""))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("run.message-refused"));
  }

  @Test
  void whatNobodyCanTellIsNeverAssumed() {
    runs.world.unclear.add("a");
    RunEngine engine = runs.engine(folder);
    RunReport report = engine.start(plan(task("a"), task("b", "a")), RUN, "alice");
    assertThat(report.status()).isEqualTo(RunStatus.WAITING);
    assertThat(report.task("a").orElseThrow().waiting().orElseThrow().what())
        .isEqualTo(Waiting.DECISION);
    assertThat(runs.world.executed).isEmpty();
    runs.world.unclear.clear();
    engine.say(RUN, Message.RETRY, "bob", "a", "");
    assertThat(engine.resume(RUN).status()).isEqualTo(RunStatus.SUCCEEDED);
  }

  @Test
  void whatDestroysNeedsAsManySignaturesAsThePlanSaysAndEachCountsOnce()
      throws GeneralSecurityException {
    TestSigner ann = new TestSigner();
    TestSigner ben = new TestSigner();
    TestSigner cid = new TestSigner();
    RunPlan plan =
        plan(
            effect("promote")
                .destructive(true)
                .approval(
                    new Approval(
                        Map.of("ann", ann.hex(), "ben", ben.hex(), "cid", cid.hex()),
                        2,
                        Duration.ofMinutes(20)))
                .build());
    RunEngine engine = runs.engine(folder);
    RunReport asked = engine.start(plan, RUN, "ann");
    Waiting waiting = asked.task("promote").orElseThrow().waiting().orElseThrow();
    assertThat(waiting.whom()).containsExactly("ann", "ben", "cid");
    assertThat(waiting.need()).isEqualTo(2);
    assertThatThrownBy(() -> engine.approve(RUN, "promote", "ann", "", UNSIGNED))
        .hasMessageContaining("signature");
    assertThatThrownBy(() -> engine.approve(RUN, "promote", "ann", "", Optional.of(ben)))
        .hasMessageContaining("signature");
    assertThatThrownBy(() -> engine.approve(RUN, "promote", "eve", "", Optional.of(ben)))
        .hasMessageContaining("eve is none of");
    engine.approve(RUN, "promote", "ann", "", Optional.of(ann));
    engine.approve(RUN, "promote", "ann", "again", Optional.of(ann));
    RunReport one = engine.resume(RUN);
    assertThat(one.status()).isEqualTo(RunStatus.WAITING);
    assertThat(one.task("promote").orElseThrow().waiting().orElseThrow().agreed())
        .containsExactly("ann");
    assertThat(runs.world.executed).isEmpty();
    engine.approve(RUN, "promote", "cid", "", Optional.of(cid));
    assertThat(engine.resume(RUN).status()).isEqualTo(RunStatus.SUCCEEDED);
  }

  /** Digests of records have no key: whoever can write to the store can write any. */
  @Test
  void anApprovalThatWasWrittenIntoTheJournalCountsForNothing() throws Exception {
    TestSigner ann = new TestSigner();
    TestSigner ben = new TestSigner();
    Approval both =
        new Approval(Map.of("ann", ann.hex(), "ben", ben.hex()), 2, Duration.ofMinutes(20));
    RunEngine engine = runs.engine(folder);
    engine.start(plan(effect("promote").destructive(true).approval(both).build()), RUN, "cid");
    engine.approve(RUN, "promote", "ann", "", Optional.of(ann));
    RunReport one = engine.resume(RUN);
    Waiting waiting = one.task("promote").orElseThrow().waiting().orElseThrow();
    long number = 1;
    while (runs.store.contents().containsKey(JournalStore.key(RUN, number + 1).value())) {
      number++;
    }
    byte[] line = runs.store.content(JournalStore.key(RUN, number));
    JournalRecord last = JournalRecord.read(Arrays.copyOf(line, line.length - 1), "last");
    Message forged =
        new Message(
            "m-forged",
            RUN,
            runs.clock.instant(),
            Message.APPROVE,
            "ben",
            "promote",
            "",
            waiting.request(),
            waiting.until(),
            "00");
    JournalRecord written =
        JournalRecord.of(
            RUN,
            number + 1,
            last.digest(),
            runs.clock.instant(),
            last.fence(),
            "one",
            RunState.MESSAGE,
            forged.data());
    runs.store.put(JournalStore.key(RUN, number + 1), ObjectSource.of(written.encode()));
    RunReport report = runs.engine(folder.resolve("elsewhere")).resume(RUN);
    assertThat(report.status()).isEqualTo(RunStatus.WAITING);
    assertThat(runs.world.executed).isEmpty();
    assertThat(report.timeline()).contains(written);
    assertThat(report.approvals()).extracting(JournalRecord::actor).containsExactly("ann");
  }

  @Test
  void whoeverAsksIsNotTheOnlyOneWhoAgrees() {
    Approval either = new Approval(Map.of("ann", "", "ben", ""), 1, Duration.ofMinutes(20));
    RunEngine engine = runs.engine(folder);
    assertThat(engine.start(plan(effect("a").approval(either).build()), RUN, "ann").timeline())
        .anyMatch(
            it -> it.data().toString().contains("ann, who asked for this run, is not enough"));
    engine.approve(RUN, "a", "ann", "", UNSIGNED);
    assertThat(engine.resume(RUN).status()).isEqualTo(RunStatus.WAITING);
    engine.approve(RUN, "a", "ben", "", UNSIGNED);
    assertThat(engine.resume(RUN).status()).isEqualTo(RunStatus.SUCCEEDED);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whoeverDiesWhenAllHaveAgreedIsFollowedByOneWhoAsksNobody(boolean after) {
    Approval one = new Approval(Map.of("ben", ""), 1, Duration.ofMinutes(20));
    RunPlan plan = plan(Task.builder("agree", "approve").approval(one).build(), task("a", "agree"));
    boolean died = true;
    for (int moment = 1; died; moment++) {
      TestRuns fresh = new TestRuns();
      Path own = folder.resolve("agree" + moment);
      fresh.engine(own).start(plan, RUN, "ann");
      fresh.engine(own).approve(RUN, "agree", "ben", "", UNSIGNED);
      Fate fate = new Fate(moment, after);
      try {
        fresh.engine(own, new Disk(), new Wire(fresh.store, fate), fate).build().resume(RUN);
      } catch (Crash e) {
        // That is what this is about.
      }
      died = fate.dead();
      fresh.clock.advance(Duration.ofMinutes(1));
      RunReport report = fresh.engine(own).resume(RUN);
      assertThat(report.status()).as("died at %s", moment).isEqualTo(RunStatus.SUCCEEDED);
      assertThat(fresh.world.executed).isEqualTo(Map.of("a", 1));
    }
  }

  @Test
  void anApprovalThatComesTooLateDoesNotCount() {
    Approval one = new Approval(Map.of("ben", ""), 1, Duration.ofMinutes(20));
    RunEngine engine = runs.engine(folder);
    engine.start(plan(effect("a").approval(one).build()), RUN, "ann");
    engine.approve(RUN, "a", "ben", "", UNSIGNED); // said in time, and nobody was there to hear it
    runs.clock.advance(Duration.ofMinutes(20));
    RunReport report = engine.resume(RUN);
    assertThat(report.status()).isEqualTo(RunStatus.FAILED);
    assertThat(report.reason()).contains("was not approved");
    assertThat(report.timeline()).extracting(JournalRecord::kind).contains("message.refused");
    assertThat(runs.world.executed).isEmpty();
  }

  @Test
  void anApprovalOfOneRequestDoesNotAnswerTheNext() throws GeneralSecurityException {
    TestSigner ben = new TestSigner();
    Approval one = new Approval(Map.of("ben", ben.hex()), 1, Duration.ofMinutes(20));
    RunEngine engine = runs.engine(folder);
    runs.world.broken.add("a");
    engine.start(plan(effect("a").destructive(true).approval(one).build()), RUN, "ann");
    engine.approve(RUN, "a", "ben", "", Optional.of(ben));
    assertThat(engine.resume(RUN).status()).isEqualTo(RunStatus.FAILED);
    runs.world.broken.clear();
    engine.say(RUN, Message.RETRY, "ann", "a", "");
    RunReport again = engine.resume(RUN);
    assertThat(again.status()).isEqualTo(RunStatus.WAITING);
    assertThat(again.task("a").orElseThrow().waiting().orElseThrow().agreed()).isEmpty();
    assertThat(runs.world.executed).isEmpty();
  }

  @Test
  void aFailingObserverChangesNothingButIsNoted() {
    RunReport report =
        runs.engine(folder, new Disk(), runs.wire(), Fate.none())
            .observer(
                record -> {
                  throw new IOException("the chat is down");
                })
            .build()
            .start(diamond(), RUN, "alice");
    assertThat(report.status()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(report.timeline()).extracting(JournalRecord::kind).contains("observer.failed");
  }

  @Test
  void aDryRunLooksAndDoesNothing() {
    runs.world.there.add("b");
    DryRun dry = runs.engine(folder).dryRun(diamond());
    assertThat(dry.steps()).extracting(DryRun.Planned::would).startsWith("make a");
    assertThat(dry.steps())
        .extracting(one -> one.found().outcome())
        .containsExactly(
            Result.Outcome.NOT_DONE,
            Result.Outcome.DONE,
            Result.Outcome.NOT_DONE,
            Result.Outcome.NOT_DONE);
    assertThat(runs.world.executed).isEmpty();
    assertThat(runs.store.contents()).isEmpty();
  }

  @Test
  void notesOfPeopleStandInTheTimeline() {
    RunEngine engine = runs.engine(folder);
    engine.start(plan(Task.builder("call", "manual").build()), RUN, "alice");
    engine.say(RUN, Message.NOTE, "bob", "", "the provider confirms the outage");
    assertThat(engine.resume(RUN).timeline())
        .anyMatch(
            record ->
                record.actor().equals("bob")
                    && "the provider confirms the outage".equals(record.data().get("text")));
  }

  /** Signs as people do. */
  private static final class TestSigner implements Signer {
    private final KeyPair pair;

    TestSigner() throws GeneralSecurityException {
      pair = KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
    }

    String hex() {
      return HexFormat.of().formatHex(publicKey());
    }

    @Override
    public byte[] publicKey() {
      byte[] encoded = pair.getPublic().getEncoded();
      return Arrays.copyOfRange(encoded, encoded.length - 32, encoded.length);
    }

    @Override
    public byte[] sign(byte[] message) throws IOException {
      try {
        Signature signature = Signature.getInstance("Ed25519");
        signature.initSign(pair.getPrivate());
        signature.update(message);
        return signature.sign();
      } catch (GeneralSecurityException e) {
        throw new IOException(e);
      }
    }
  }
}
