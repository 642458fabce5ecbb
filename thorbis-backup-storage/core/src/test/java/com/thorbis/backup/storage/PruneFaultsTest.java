package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.PrunePlan;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.testkit.FaultyObjectStore;
import com.thorbis.backup.testkit.FaultyObjectStore.Fault;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Deletion among other writers, wrong clocks, bad listings, and deaths at every step. */
class PruneFaultsTest {
  @TempDir Path state;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);

  /** Three backups, of which a prune has given one up; its grace of zero is over. */
  private MemoryObjectStore prepared() throws IOException {
    MemoryObjectStore store = MemoryObjectStore.create(clock, 5);
    try (Site site = Site.create(store, state.resolve("prepared"), clock)) {
      for (int seed = 1; seed <= 3; seed++) {
        site.backUp(seed);
      }
      site.prune(2, Duration.ZERO);
    }
    clock.advance(Duration.ofSeconds(1));
    return store;
  }

  @Test
  void r01APruneBetweenAnyTwoCallsOfABackupHarmsNeither() throws IOException {
    MemoryObjectStore prepared = prepared();
    int last = Integer.MAX_VALUE;
    for (int call = 1; call <= last; call++) {
      MemoryObjectStore store = prepared.copy();
      Path local = state.resolve("r01-" + call);
      Site.At watched =
          new Site.At(
              store,
              call,
              () -> {
                clock.advance(Duration.ofSeconds(1));
                try (Site pruner = Site.open(store, local, clock)) {
                  pruner.prune(1, Duration.ZERO);
                }
                clock.advance(Duration.ofSeconds(1));
              });
      BackupId made;
      try (Site writer = Site.open(watched, local, clock)) {
        made = writer.backUp(9);
      }
      last = watched.calls();
      try (Site site = Site.open(store, local, clock)) {
        assertThat(site.listed()).as("call %d", call).contains(made).hasSizeBetween(1, 2);
        TestRepository.assertReads(site.repository, made, TestRepository.fewFiles(9));
        site.requireAllWhole();
      }
    }
    assertThat(last).isBetween(15, 100);
    System.out.println("r01: prunes within a backup: " + last);
  }

  @Test
  void r01ABackupBetweenAnyTwoCallsOfAPruneHarmsNeither() throws IOException {
    MemoryObjectStore prepared = prepared();
    int last = Integer.MAX_VALUE;
    for (int call = 1; call <= last; call++) {
      MemoryObjectStore store = prepared.copy();
      Path local = state.resolve("r01-" + call);
      BackupId[] made = new BackupId[1];
      Site.At watched =
          new Site.At(
              store,
              call,
              () -> {
                try (Site writer = Site.open(store, local, clock)) {
                  made[0] = writer.backUp(9);
                }
              });
      try (Site pruner = Site.open(watched, local, clock)) {
        pruner.prune(1, Duration.ZERO);
      }
      last = watched.calls();
      try (Site site = Site.open(store, local, clock)) {
        assertThat(site.listed()).as("call %d", call).contains(made[0]);
        TestRepository.assertReads(site.repository, made[0], TestRepository.fewFiles(9));
        site.requireAllWhole();
      }
    }
    System.out.println("r01: backups within a prune: " + last);
  }

  /** Two processes take turns at the store, call by call, as the seed says. */
  @Test
  void r01ManySchedulesOfBackupAndPruneHarmNobody() throws Exception {
    MemoryObjectStore prepared = prepared();
    FaultSuite suite = new FaultSuite("prune-schedules", "interleavings of backups and a prune");
    suite.forEachSeed(
        FaultSuite.RELEASE ? 5000 : 25,
        random -> {
          long seed = random.nextLong();
          return FaultSuite.Labelled.of("schedule " + seed, () -> schedule(prepared, seed));
        });
    suite.report();
  }

  private void schedule(MemoryObjectStore prepared, long seed) throws Exception {
    SettableClock own = SettableClock.at(clock.instant());
    MemoryObjectStore store = prepared.copy(own);
    Path local = state.resolve("schedule-" + seed);
    Turns turns = new Turns(seed, 3);
    List<Object> results =
        turns.run(
            List.of(
                () -> backUpAt(turns.of(0, store), local.resolve("a"), own, 9),
                () -> backUpAt(turns.of(1, store), local.resolve("b"), own, 10),
                () -> pruneAt(turns.of(2, store), local.resolve("c"), own)));
    try (Site site = Site.open(store, local, own)) {
      for (Object made : results.subList(0, 2)) {
        assertThat(site.services.log().catalog().kept((BackupId) made)).isPresent();
      }
      assertThat((List<?>) results.get(2)).hasSize(1);
      site.requireAllWhole();
      own.advance(Duration.ofSeconds(1));
      site.prune(1, Duration.ZERO);
      own.advance(Duration.ofSeconds(1));
      site.prune(1, Duration.ZERO);
      site.requireAllWhole();
      assertNothingIsLeftOver(site, store);
    }
  }

  private static Object backUpAt(Site.Watched store, Path local, Clock clock, long seed)
      throws IOException {
    try (Site site = Site.open(store, local, clock)) {
      return site.backUp(seed);
    }
  }

  private static Object pruneAt(Site.Watched store, Path local, Clock clock) throws IOException {
    try (Site site = Site.open(store, local, clock)) {
      return site.prune(1, Duration.ZERO).swept();
    }
  }

  @Test
  void r02AWriterThatSleptPastItsLeaseIsRefusedIfAnythingOfItWent() throws IOException {
    MemoryObjectStore prepared = prepared();
    int refused = 0;
    int last = Integer.MAX_VALUE;
    for (int call = 1; call <= last; call++) {
      clock.set(TestRepository.NOW.plusSeconds(10));
      MemoryObjectStore store = prepared.copy();
      Path local = state.resolve("r02-" + call);
      Site.At watched =
          new Site.At(
              store,
              call,
              () -> {
                clock.advance(Duration.ofDays(3));
                try (Site pruner = Site.open(store, local, clock)) {
                  pruner.prune(1, Site.DAY);
                }
              });
      BackupId made = null;
      try (Site writer = Site.open(watched, local, clock)) {
        made = writer.backUp(9);
      } catch (RepositoryException e) {
        // A pack that went before the manifest was written is missed before the commit is.
        assertThat(e.code()).isIn("backup.lease-lost", "repository.damaged");
        refused++;
      } catch (StorageException.OutcomeUnknown e) {
        refused++; // what was put went before the store was asked whether it shows it
      }
      last = watched.calls();
      try (Site site = Site.open(store, local, clock)) {
        if (made != null) {
          assertThat(site.listed()).contains(made);
        }
        site.requireAllWhole();
        clock.advance(Duration.ofDays(3));
        site.prune(1, Site.DAY);
        clock.advance(Duration.ofDays(3));
        site.prune(1, Site.DAY);
        site.requireAllWhole();
        assertNothingIsLeftOver(site, store);
      }
    }
    assertThat(refused).isPositive();
    System.out.println("r02: sleeps: " + last + ", commits refused: " + refused);
  }

  @Test
  void r02ASleepThatCostNothingIsNotRefused() throws IOException {
    MemoryObjectStore store = prepared();
    Site.At watched =
        new Site.At(store, 0, () -> {}) {
          @Override
          void before(String call) {
            if (call.startsWith("start manifests/")) {
              clock.advance(Duration.ofDays(3));
            }
          }
        };
    try (Site writer = Site.open(watched, state, clock)) {
      assertThat(writer.listed()).doesNotContain(writer.backUp(9));
    }
  }

  @Test
  void r03ABackupOfThirtyHoursKeepsWhatItWroteByItsLease() throws IOException {
    MemoryObjectStore store = prepared();
    Site[] writer = new Site[1];
    int[] prunes = new int[1];
    Site.At slow =
        new Site.At(store, 0, () -> {}) {
          @Override
          void before(String call) throws IOException {
            if (!call.startsWith("start manifests/")) {
              return; // its packs are stored, and nothing names them yet
            }
            for (int minutes = 0; minutes < 30 * 60; minutes += 10) {
              clock.advance(Duration.ofMinutes(10));
              writer[0].beats.beat();
              if (minutes % 120 == 0) {
                try (Site pruner = Site.open(store, state.resolve("pruner"), clock)) {
                  pruner.prune(1, Duration.ofHours(1));
                  prunes[0]++;
                }
              }
            }
          }
        };
    try (Site site = Site.open(slow, state, clock)) {
      writer[0] = site;
      BackupId made = site.backUp(9);
      TestRepository.assertReads(site.repository, made, TestRepository.fewFiles(9));
      site.requireAllWhole();
    }
    assertThat(prunes[0]).isEqualTo(15);
    assertThat(store.contents().keySet()).noneMatch(key -> key.startsWith("leases/"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"PT1H", "P1D", "P30D", "PT-1H", "P-1D"})
  void r04AClockThatJumpsBetweenPlanAndDeleteStopsTheRun(String jump) throws IOException {
    MemoryObjectStore store = prepared();
    try (Site site = Site.open(store, state, clock)) {
      List<BackupId> listed = site.listed();
      PrunePlan plan = site.keeping(1).plan();
      clock.advance(Duration.parse(jump));
      assertThatThrownBy(() -> site.prune(1, Duration.ZERO, Optional.of(plan)))
          .isInstanceOfSatisfying(
              RepositoryException.class,
              e -> assertThat(e.code()).isIn("prune.plan-expired", "prune.clock-skew"));
      assertThat(site.listed()).isEqualTo(listed);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"PT1H", "P1D", "P30D"})
  void r04AClockThatJumpsWithinARunStopsIt(String jump) throws IOException {
    MemoryObjectStore prepared = prepared();
    Instant before = clock.instant();
    int stopped = 0;
    int last = Integer.MAX_VALUE;
    for (int call = 1; call <= last; call++) {
      clock.set(before);
      MemoryObjectStore store = prepared.copy();
      Path local = state.resolve(jump + call);
      Site.At watched = new Site.At(store, call, () -> clock.advance(Duration.parse(jump)));
      try (Site pruner = Site.open(watched, local, clock, 1000, 2)) {
        pruner.prune(1, Site.DAY);
      } catch (RepositoryException e) {
        assertThat(e.code()).isIn("lease.lost", "prune.plan-expired", "prune.clock-skew");
        stopped++;
      }
      last = watched.calls();
      try (Site site = Site.open(store, local, clock)) {
        site.requireAllWhole();
        site.prune(1, Duration.ZERO);
        clock.advance(Duration.ofSeconds(1));
        clock.advance(Site.DAY);
        site.prune(1, Duration.ZERO);
        site.requireAllWhole();
        assertThat(site.listed()).hasSize(1);
        assertNothingIsLeftOver(site, store);
      }
    }
    assertThat(stopped).isGreaterThan(10);
    System.out.println("r04: jumps of " + jump + ": " + last + ", stopped: " + stopped);
  }

  @Test
  void r05AListingThatLosesThingsCostsNothing() throws IOException {
    MemoryObjectStore prepared = prepared();
    for (long seed = 1; seed <= 60; seed++) {
      MemoryObjectStore store = prepared.copy();
      Path local = state.resolve("r05-" + seed);
      Random random = new Random(seed);
      Site.Watched forgetful =
          new Site.Watched(store) {
            @Override
            public ListPage list(String prefix, Optional<String> after) throws IOException {
              ListPage page = super.list(prefix, after);
              if (prefix.startsWith("commits/") || prefix.startsWith("keys/")) {
                return page; // without those nothing opens, which is another matter
              }
              List<ObjectInfo> left = new ArrayList<>(page.objects());
              left.removeIf(info -> random.nextInt(3) == 0);
              return new ListPage(left, random.nextInt(4) == 0 ? Optional.empty() : page.next());
            }
          };
      clock.advance(Duration.ofSeconds(1));
      try (Site pruner = Site.open(forgetful, local, clock)) {
        pruner.prune(1, Duration.ZERO);
        clock.advance(Duration.ofSeconds(1));
        pruner.prune(1, Duration.ZERO);
      }
      try (Site site = Site.open(store, local, clock)) {
        site.requireAllWhole();
        assertThat(site.listed()).hasSize(1);
        clock.advance(Duration.ofSeconds(1));
        site.prune(1, Duration.ZERO);
        assertNothingIsLeftOver(site, store);
      }
    }
  }

  @Test
  void r06TheTimeOfARunStandsStillHoweverLongItTakes() throws IOException {
    MemoryObjectStore store = MemoryObjectStore.create(clock, 5);
    Site[] pruner = new Site[1];
    Site.Watched slow =
        new Site.Watched(store) {
          @Override
          void before(String call) {
            if (call.startsWith("list packs/") || call.startsWith("delete packs/")) {
              for (int i = 0; i < 30; i++) {
                clock.advance(Duration.ofMinutes(10));
                pruner[0].beats.beat();
              }
            }
          }
        };
    BackupId second;
    try (Site site = Site.create(slow, state, clock)) {
      pruner[0] = site;
      BackupId first = site.backUp(1);
      second = site.backUp(2);
      site.backUp(3);
      site.backUp(4);
      site.services
          .log()
          .append(
              catalog ->
                  List.of(
                      delete(first, clock.instant()),
                      delete(second, clock.instant().plus(Duration.ofHours(3)))));
      clock.advance(Duration.ofSeconds(1));
      // The second's grace ends while the first is swept.
      assertThat(site.prune(2, Site.DAY).swept()).containsExactly(first);
      assertThat(site.services.log().catalog().kept(first)).isEmpty();
      assertThat(site.services.log().catalog().kept(second)).isPresent();
      site.repository.undelete(second);
      TestRepository.assertReads(site.repository, second, TestRepository.fewFiles(2));
    }
  }

  private static com.thorbis.backup.storage.internal.catalog.Operation delete(
      BackupId id, Instant sweepAfter) {
    return new com.thorbis.backup.storage.internal.catalog.Operation.Delete(
        List.of(id), "test", "", 0, TestRepository.NOW, sweepAfter);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"PT1M", "PT-1M", "PT6M", "PT-6M", "PT1H", "P-1D", "P30D", "P3650D", "P-3650D"})
  void r08WrongClocksOfPrunerWriterAndStoreCostNothing(String skew) throws IOException {
    Duration off = Duration.parse(skew);
    boolean small = off.abs().compareTo(Duration.ofMinutes(5)) <= 0;
    Clock wrong = Clock.offset(clock, off);
    MemoryObjectStore store = prepared();
    // A writer whose clock is wrong: nobody asks it.
    BackupId made;
    try (Site writer = Site.open(store, state, wrong)) {
      made = writer.backUp(9);
    }
    try (Site pruner = Site.open(store, state, wrong)) {
      List<BackupId> before = pruner.listed();
      if (small) {
        assertThat(pruner.prune(1, Site.DAY).deleted()).hasSize(2);
      } else {
        PruneTest.assertRefused(
            () -> pruner.prune(1, Site.DAY), "prune.clock-skew", FailureKind.REFUSED);
        PruneTest.assertRefused(
            () -> pruner.keeping(1).plan(), "prune.clock-skew", FailureKind.REFUSED);
        assertThat(pruner.listed()).isEqualTo(before);
      }
    }
    // A store whose clock is wrong is the same to whoever compares.
    SettableClock storeClock = SettableClock.at(TestRepository.NOW.plus(off));
    MemoryObjectStore other = MemoryObjectStore.create(storeClock, 5);
    Clock right = Clock.fixed(TestRepository.NOW, ZoneOffset.UTC);
    try (Site site = Site.create(other, state.resolve("other"), right)) {
      site.backUp(1);
      BackupId kept = site.backUp(2);
      if (small) {
        site.prune(1, Duration.ZERO);
      } else {
        PruneTest.assertRefused(
            () -> site.prune(1, Duration.ZERO), "prune.clock-skew", FailureKind.REFUSED);
      }
      TestRepository.assertReads(site.repository, kept, TestRepository.fewFiles(2));
    }
    try (Site site = Site.open(store, state, clock)) {
      TestRepository.assertReads(site.repository, made, TestRepository.fewFiles(9));
      site.requireAllWhole();
    }
  }

  @Test
  void r08AStoreWhoseClockWentBackIsNoticed() throws IOException {
    MemoryObjectStore store = prepared();
    clock.advance(Duration.ofHours(-1));
    try (Site site = Site.open(store, state, clock)) {
      PruneTest.assertRefused(
          () -> site.prune(1, Duration.ZERO), "prune.clock-skew", FailureKind.REFUSED);
    }
  }

  @ParameterizedTest
  @EnumSource(Fault.class)
  void r14WhateverEndsADeletionEveryBackupIsWholeOrCleanlyGone(Fault fault) throws IOException {
    MemoryObjectStore prepared = prepared();
    boolean death = fault == Fault.DEATH_BEFORE || fault == Fault.DEATH_AFTER;
    int cases = 0;
    int stride = FaultSuite.RELEASE ? 1 : 3; // another third of the calls with each seed
    for (int call = 1 + Math.floorMod(FaultSuite.SEED, stride); ; call += stride) {
      MemoryObjectStore store = prepared.copy();
      FaultyObjectStore faulty = FaultyObjectStore.over(store).failAtCall(call, fault);
      Path local = state.resolve(fault + "-" + call);
      Set<BackupId> before = new TreeSet<>((a, b) -> a.value().compareTo(b.value()));
      try (Site site = Site.open(store, local, clock)) {
        before.addAll(site.listed());
      }
      boolean failed = false;
      try (Site pruner = Site.open(faulty, local, clock, 1000, 2)) {
        pruner.prune(1, Duration.ZERO);
      } catch (FaultyObjectStore.Died e) {
        failed = true;
      } catch (IOException e) {
        failed = true;
        FaultSuite.requireTyped(e, EnumSet.of(fault));
      }
      Thread.interrupted(); // the one who prunes next is not
      int calls = faulty.calls().size();
      clock.advance(Duration.ofHours(1)); // the dead one's lease lapses
      try (Site site = Site.open(store, local, clock)) {
        List<BackupId> listed = site.listed();
        assertThat(before).as("call %d", call).containsAll(listed);
        site.requireAllWhole();
        site.prune(1, Duration.ZERO);
        clock.advance(Duration.ofSeconds(1));
        site.prune(1, Duration.ZERO);
        assertThat(site.listed()).hasSize(1);
        site.requireAllWhole();
        assertNothingIsLeftOver(site, store);
      }
      cases++;
      if (!failed && call > calls) {
        break;
      }
    }
    assertThat(cases * stride).isGreaterThan(30);
    System.out.println("r14: " + fault + (death ? "" : "s") + ": " + cases);
  }

  @Test
  void r15ManyWritersKeepOneCatalogue() throws Exception {
    MemoryObjectStore store = MemoryObjectStore.create(clock, 1000);
    BackupId first;
    try (Site site = Site.create(store, state, clock)) {
      first = site.backUp(0);
    }
    int writers = 6;
    int each = 5;
    ExecutorService pool = Executors.newFixedThreadPool(writers);
    Set<String> placed = new TreeSet<>();
    try {
      List<Future<?>> running = new ArrayList<>();
      for (int writer = 0; writer < writers; writer++) {
        String name = "w" + writer;
        for (int i = 0; i < each; i++) {
          placed.add(name + "-" + i);
        }
        Path local = state.resolve(name);
        running.add(
            pool.submit(
                () -> {
                  try (Site site = Site.open(store, local, clock, 7, 10)) {
                    for (int i = 0; i < each; i++) {
                      site.repository.hold(first, name + "-" + i, Optional.empty());
                    }
                  }
                  return true;
                }));
      }
      for (Future<?> one : running) {
        one.get();
      }
    } finally {
      pool.shutdownNow();
    }
    try (Site site = Site.open(store, state, clock, 7, 10)) {
      Catalog.Fate fate = site.services.log().catalog().kept(first).orElseThrow().fate();
      assertThat(fate.holds()).hasSize(writers * each);
      Set<String> found = new TreeSet<>();
      fate.holds().forEach(hold -> found.add(hold.reason()));
      assertThat(found).isEqualTo(placed);
      assertThat(site.services.log().sequence()).isEqualTo(3 + writers * each);
      assertThat(site.verify().damaged()).isEmpty();
    }
  }

  @Test
  void r22WhatWasDeletedHeldAndSweptIsKnownOnABlankMachine() throws IOException {
    MemoryObjectStore store = prepared();
    try (Site site = Site.open(store, state.resolve("a"), clock, 2, 10)) {
      BackupId held = site.listed().get(0);
      site.backUp(7);
      site.repository.hold(held, "case 7", Optional.empty());
      site.prune(2, Duration.ZERO);
    } catch (RepositoryException e) {
      assertThat(e.code()).isEqualTo("backup.held");
    }
    Site known = Site.open(store, state.resolve("a"), clock);
    Site blank = Site.open(store, state.resolve("blank"), clock);
    try (known;
        blank) {
      assertThat(blank.services.log().catalog().kept())
          .isEqualTo(known.services.log().catalog().kept());
      blank.requireAllWhole();
    }
  }

  @Test
  void aSweepBetweenAnyTwoCallsOfAVerificationIsNoDamage() throws IOException {
    MemoryObjectStore prepared = prepared();
    int last = Integer.MAX_VALUE;
    for (int call = 1; call <= last; call++) {
      MemoryObjectStore store = prepared.copy();
      Path local = state.resolve("verify-" + call);
      Site.At watched =
          new Site.At(
              store,
              call,
              () -> {
                try (Site pruner = Site.open(store, local, clock)) {
                  pruner.prune(1, Duration.ZERO);
                  clock.advance(Duration.ofSeconds(1));
                  pruner.prune(1, Duration.ZERO);
                }
              });
      try (Site site = Site.open(watched, local, clock)) {
        assertThat(site.verify().damaged()).as("call %d", call).isEmpty();
      }
      last = watched.calls();
    }
    assertThat(last).isGreaterThan(15);
  }

  @Test
  void r24OnlyOneRunPrunesAtATimeAndTheOtherIsTold() throws IOException {
    MemoryObjectStore prepared = prepared();
    int refused = 0;
    int last = Integer.MAX_VALUE;
    for (int call = 1; call <= last; call++) {
      MemoryObjectStore store = prepared.copy();
      Path local = state.resolve("r24-" + call);
      List<String> codes = new ArrayList<>();
      Site.At watched =
          new Site.At(
              store,
              call,
              () -> {
                try (Site second = Site.open(store, local, clock)) {
                  second.prune(1, Duration.ZERO);
                } catch (RepositoryException e) {
                  codes.add(e.code());
                  assertThat(e.details().get("holder")).contains("process");
                }
              });
      try (Site first = Site.open(watched, local, clock)) {
        first.prune(1, Duration.ZERO);
      } catch (RepositoryException e) {
        codes.add(e.code());
      }
      last = watched.calls();
      assertThat(codes)
          .as("call %d", call)
          .isSubsetOf("prune.busy", "lease.lost")
          .hasSizeLessThan(2);
      refused += codes.size();
      try (Site site = Site.open(store, local, clock)) {
        site.requireAllWhole();
        assertThat(site.listed()).hasSize(1);
      }
    }
    assertThat(refused).isGreaterThan(10);
  }

  @Test
  void r24TheLeaseOfARunThatDiedLapses() throws IOException {
    MemoryObjectStore store = prepared();
    FaultyObjectStore dying = FaultyObjectStore.over(store).failAtCall(25, Fault.DEATH_AFTER);
    try (Site first = Site.open(dying, state, clock)) {
      first.prune(1, Duration.ZERO);
    } catch (FaultyObjectStore.Died e) {
      // As planned.
    }
    assertThat(dying.dead()).isTrue();
    try (Site second = Site.open(store, state, clock)) {
      PruneTest.assertRefused(
          () -> second.prune(1, Duration.ZERO), "prune.busy", FailureKind.REFUSED);
      clock.advance(Duration.ofMinutes(31));
      second.prune(1, Duration.ZERO);
      second.requireAllWhole();
    }
  }

  /** Everything below packs and manifests belongs to a backup that is listed or can come back. */
  private static void assertNothingIsLeftOver(Site site, MemoryObjectStore store)
      throws IOException {
    site.repository.refresh();
    Set<String> manifests = new TreeSet<>();
    for (Catalog.Kept kept : site.services.log().catalog().kept()) {
      manifests.add(kept.entry().manifest().key().value());
    }
    Set<String> found = new TreeSet<>(store.contents().keySet());
    found.removeIf(key -> !key.startsWith("manifests/"));
    assertThat(found).isEqualTo(manifests);
    long packs = store.contents().keySet().stream().filter(key -> key.startsWith("packs/")).count();
    assertThat(packs).isEqualTo(2L * manifests.size());
    assertThat(site.services.log().catalog().sweeps()).isEmpty();
  }

  /** Lets one actor at a time make one call. */
  private static final class Turns {
    private final Random random;
    private final boolean[] ended;
    private int turn;

    Turns(long seed, int actors) {
      this.random = new Random(seed);
      this.ended = new boolean[actors];
      this.turn = random.nextInt(actors);
    }

    Site.Watched of(int actor, MemoryObjectStore store) {
      return new Site.Watched(store) {
        @Override
        void before(String call) {
          await(actor);
        }
      };
    }

    private synchronized void await(int actor) {
      while (turn != actor) {
        try {
          wait();
        } catch (InterruptedException e) {
          throw new IllegalStateException(e);
        }
      }
      next();
    }

    private synchronized void end(int actor) {
      ended[actor] = true;
      if (turn == actor) {
        next();
      }
    }

    private void next() {
      List<Integer> left = new ArrayList<>();
      for (int i = 0; i < ended.length; i++) {
        if (!ended[i]) {
          left.add(i);
        }
      }
      turn = left.isEmpty() ? -1 : left.get(random.nextInt(left.size()));
      notifyAll();
    }

    List<Object> run(List<Callable<Object>> actors) throws Exception {
      ExecutorService pool = Executors.newFixedThreadPool(actors.size());
      try {
        List<Future<Object>> running = new ArrayList<>();
        for (int i = 0; i < actors.size(); i++) {
          int actor = i;
          running.add(
              pool.submit(
                  () -> {
                    try {
                      return actors.get(actor).call();
                    } finally {
                      end(actor);
                    }
                  }));
        }
        List<Object> results = new ArrayList<>();
        for (Future<Object> one : running) {
          results.add(one.get());
        }
        return results;
      } finally {
        pool.shutdownNow();
      }
    }
  }
}
