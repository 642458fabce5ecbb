package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.crypto.ObjectHeader;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.testkit.ActorSchedule;
import com.thorbis.backup.testkit.FaultyObjectStore;
import com.thorbis.backup.testkit.FaultyObjectStore.Fault;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What has gone wrong in other systems, or here before, one test each. */
class KnownFailuresTest {
  private static final Map<String, byte[]> FILES = Scenario.files(5);

  private static final int SALT = ObjectHeader.LENGTH;
  private static final int FIRST_BLOCK = SALT + 24 + 32; // and what commits to the key

  @TempDir Path states;

  @Test
  void r15WritersOfOneCatalogueAllWin() throws Exception {
    TestWorld before = Scenario.named("wal-segment").world(states);
    for (long seed = 1; seed <= 10; seed++) {
      TestWorld world = before.copy();
      ActorSchedule schedule = new ActorSchedule(world.disk, seed);
      for (String name : List.of("one", "two", "three")) {
        schedule.actor(
            name,
            view -> {
              try (TestClient client = world.client(view)) {
                BackupId made = client.backUp(FILES, BackupStatus.COMPLETE);
                // Once told, it is there for whoever looks from then on.
                try (TestClient other = world.client(world.disk)) {
                  assertThat(other.repository().backup(made)).isPresent();
                }
              }
            });
      }
      schedule.run();
      world.check(true);
      assertThat(world.ledger.acknowledged).hasSize(4);
    }
  }

  @Test
  void r16WhatAFailedUploadDidNotStoreIsNeverTakenForStored() throws IOException {
    TestWorld before = Scenario.named("backup").world(states);
    for (int change = 1; change <= 3; change++) {
      TestWorld world = before.copy();
      FaultyObjectStore faulty = FaultyObjectStore.over(world.disk);
      try (TestClient client = world.client(faulty)) {
        client.open();
        faulty.failAtChange(faulty.changes() + change, Fault.UNAVAILABLE);
        assertThatThrownBy(() -> client.backUp(FILES, BackupStatus.COMPLETE))
            .isInstanceOf(ClassifiedFailure.class);
        client.backUp(FILES, BackupStatus.COMPLETE); // the same process, with all it remembers
      }
      world.check(true);
    }
  }

  @Test
  void r17AnInterruptedBackgroundThreadFailsTheBackup() throws IOException {
    Scenario backup = Scenario.named("backup");
    TestWorld before = backup.world(states);
    int calls = FaultSuite.calls(backup, before).get(0).size();
    int failed = 0;
    for (int call = 1; call <= calls; call++) {
      TestWorld world = before.copy();
      FaultyObjectStore faulty = FaultyObjectStore.over(world.disk);
      try (TestClient client = world.client(faulty)) {
        client.open();
        faulty.failAtCall(faulty.calls().size() + call, Fault.INTERRUPTED);
        client.backUp(FILES, BackupStatus.COMPLETE);
      } catch (IOException e) {
        failed++;
      } finally {
        Thread.interrupted();
      }
      world.check(true); // never a backup with a part of its files
    }
    assertThat(failed).isPositive();
  }

  @Test
  void r17AnInterruptedWorkerFailsTheRestore() throws IOException {
    TestWorld world = Scenario.named("restore").world(states);
    try (TestClient client = world.client(world.disk)) {
      BackupId id = world.ledger.acknowledged.keySet().iterator().next();
      try (BackupReader reader = client.repository().open(id)) {
        assertThatThrownBy(
                () ->
                    reader.extract(
                        file -> true, file -> new InterruptingOutput(), RunControl.unattended()))
            .isInstanceOf(InterruptedIOException.class);
      }
    }
  }

  /** Interrupts whoever has written a file. */
  private static final class InterruptingOutput implements BackupReader.FileOutput {
    @Override
    public void write(ByteBuffer plain) {
      plain.position(plain.limit());
    }

    @Override
    public void finish(int crc32c) {
      Thread.currentThread().interrupt();
    }

    @Override
    public void close() {
      // Nothing is kept.
    }
  }

  @Test
  void r18VerifyingDamageChangesNothing() throws IOException {
    TestWorld before = Scenario.named("verify-data").world(states);
    for (String name : before.disk.contents().keySet()) {
      TestWorld world = before.copy();
      world.disk.flipBit(new ObjectKey(name), 4L * world.disk.content(new ObjectKey(name)).length);
      Map<String, byte[]> damaged = world.disk.contents();
      try (TestClient client = world.client(world.disk)) {
        client.verify(VerifyRequest.Level.DATA);
      } catch (IOException e) {
        assertThat(e).as(name).isInstanceOf(ClassifiedFailure.class);
      }
      Map<String, byte[]> after = new HashMap<>(world.disk.contents());
      damaged.forEach((key, bytes) -> assertThat(after.get(key)).as(key).isEqualTo(bytes));
      // What of the rest was proven whole is written down.
      after.keySet().removeAll(damaged.keySet());
      assertThat(after.keySet()).allMatch(key -> key.startsWith("commits/"));
    }
  }

  @Test
  void r19PacksExplainThemselvesWithoutAnyManifest() throws IOException {
    TestWorld world = Scenario.named("verify-data").world(states);
    List<String> manifests = named(world, "manifests/");
    manifests.forEach(name -> world.disk.lose(new ObjectKey(name)));
    assertThat(damaged(world)).isEqualTo(manifests);
    for (String pack : named(world, "packs/")) {
      ObjectKey key = new ObjectKey(pack);
      long bit = 4L * world.disk.content(key).length;
      world.disk.flipBit(key, bit);
      assertThat(damaged(world)).contains(pack);
      world.disk.flipBit(key, bit);
    }
  }

  /** That the second part is missing shows only when the segment before it is back. */
  @Test
  void r18HealingEndsWhenNothingIsMissingAnyMore() throws IOException {
    TestWorld world = Scenario.named("verify-copies").world(states);
    MemoryObjectStore second = world.disks.get(1);
    Set<String> log = new TreeSet<>(second.contents().keySet());
    log.removeIf(name -> !name.matches("wal/.*/[0-9A-F]{24}(\\.0+)?"));
    assertThat(log).hasSize(2);
    log.forEach(name -> second.lose(new ObjectKey(name)));
    try (TestClient client = world.client(world.disks)) {
      client.heal();
      assertThat(client.problems).isEmpty();
      assertThat(second.contents().keySet()).containsAll(log);
    }
    world.check(true);
  }

  @Test
  void r19WhatPacksSayByThemselvesIsWhatIsUsedAfterEveryKindOfWork() throws IOException {
    TestWorld world = TestWorld.empty(states, Scenario.Setting.PLAIN);
    try (TestClient client = world.client(world.disks)) {
      Scenario.named("delete").prepare().run(client);
      world.check(true);
      client.backUpOver(BackupType.INCREMENTAL, Scenario.files(1));
      world.check(true);
      client.interruptBackup(FILES);
      world.check(true);
      client.backUp(FILES, BackupStatus.COMPLETE);
      assertThat(client.resumed).isPositive();
      world.check(true);
      client.verify(VerifyRequest.Level.DATA);
      client.prune(Duration.ZERO);
      client.rest();
      int before = named(world, "packs/").size();
      client.prune(Duration.ZERO);
      assertThat(named(world, "packs/").size()).isLessThan(before);
      world.check(true);
    }
    for (String name : named(world, "")) {
      if (name.startsWith("packs/") || name.startsWith("manifests/")) {
        TestWorld without = world.copy();
        without.disk.delete(new ObjectKey(name));
        assertThat(without.rebuilt()).as("without %s", name).isNotEmpty();
      }
    }
  }

  @Test
  void r21NothingIsCommittedThatRefersToWhatIsNotThere() throws IOException {
    Scenario backup = Scenario.named("backup");
    TestWorld before = backup.world(states);
    List<String> calls = FaultSuite.calls(backup, before).get(0);
    int lastPack = 0;
    for (int i = 0; i < calls.size(); i++) {
      lastPack = calls.get(i).startsWith("head packs/") ? i : lastPack;
    }
    TestWorld world = before.copy();
    List<String> known = named(world, "packs/");
    FaultyObjectStore faulty = FaultyObjectStore.over(world.disk);
    faulty.duringPause(
        () -> {
          for (String pack : named(world, "packs/")) {
            if (!known.contains(pack)) {
              world.disk.delete(new ObjectKey(pack));
            }
          }
        });
    try (TestClient client = world.client(faulty)) {
      client.open();
      faulty.failAtCall(faulty.calls().size() + lastPack + 1, Fault.PAUSED);
      assertThatThrownBy(() -> client.backUp(FILES, BackupStatus.COMPLETE))
          .isInstanceOfSatisfying(
              RepositoryException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.DAMAGED));
    }
    world.check(true);
  }

  @Test
  void r22AnyRecipientAloneOpensWhatInitLeftOnAStoreThatLies() throws IOException {
    Scenario init = Scenario.named("init-two-recipients");
    TestWorld before = init.world(states);
    List<String> calls = FaultSuite.calls(init, before).get(0);
    for (int call = 1; call <= calls.size(); call++) {
      for (Fault fault :
          List.of(Fault.SHORT_LISTING, Fault.LAGGING_LISTING, Fault.BIT_FLIP, Fault.DEATH_AFTER)) {
        FaultSuite.singleFault(
            init, before, List.of(new FaultSuite.Planned(0, call, fault)), List.of());
      }
    }
  }

  @Test
  void s4DoneWithNothingStoredIsNotDone() throws IOException {
    for (String label : List.of("backup", "wal-segment", "wal-part", "wal-history", "complete")) {
      Scenario scenario = Scenario.named(label);
      TestWorld before = scenario.world(states);
      List<String> calls = FaultSuite.calls(scenario, before).get(0);
      for (int call = 1; call <= calls.size(); call++) {
        if (Fault.NOTHING_STORED.appliesTo(calls.get(call - 1))) {
          FaultSuite.singleFault(
              scenario,
              before,
              List.of(new FaultSuite.Planned(0, call, Fault.NOTHING_STORED)),
              List.of());
        }
      }
    }
  }

  @Test
  void s7ListingsThatLagAndEndEarlyChangeNothing() throws IOException {
    for (Fault fault :
        List.of(Fault.LAGGING_LISTING, Fault.SHORT_LISTING, Fault.REORDERED_LISTING)) {
      TestWorld world = TestWorld.empty(states, Scenario.Setting.TWO_RECIPIENTS);
      FaultyObjectStore faulty = FaultyObjectStore.over(world.disk);
      for (int call = 1; call < 500; call++) {
        faulty.failAtCall(call, fault);
      }
      try (TestClient client = world.client(faulty)) {
        client.init();
        client.register(TestClient.SOURCE);
        client.storeSegment(1);
        client.storePart(2, 0, 3000);
        client.storePart(2, 3000, 5000);
        client.storeSegment(2);
        client.backUp(FILES, BackupStatus.COMPLETE);
        client.restore();
        client.verify(VerifyRequest.Level.DATA);
        assertThat(client.found).as(fault.label()).isEmpty();
      }
      world.check(true);
    }
  }

  @Test
  void s9DamageOnTheWayIsNotDamageOfWhatIsStored() throws IOException {
    Scenario verify = Scenario.named("verify-data");
    TestWorld world = verify.world(states);
    List<String> calls = FaultSuite.calls(verify, world).get(0);
    Map<String, Integer> named = new HashMap<>();
    for (int call = 1; call <= calls.size(); call++) {
      if (!Fault.BIT_FLIP.appliesTo(calls.get(call - 1))) {
        continue;
      }
      for (Fault fault : List.of(Fault.BIT_FLIP, Fault.BIT_FLIP_STAYS)) {
        TestWorld fresh = world.copy(); // what is proven is written down, and would add calls
        FaultyObjectStore faulty = FaultyObjectStore.over(fresh.disk);
        try (TestClient client = fresh.client(faulty)) {
          client.open();
          faulty.failAtCall(faulty.calls().size() + call, fault);
          client.verify(VerifyRequest.Level.DATA);
          if (fault == Fault.BIT_FLIP) {
            assertThat(client.found).as("call %d", call).isEmpty();
          }
          client.found.forEach(damage -> named.merge(damage.object(), 1, Integer::sum));
        } catch (RepositoryException e) {
          assertThat(fault).isEqualTo(Fault.BIT_FLIP_STAYS);
          assertThat(e.kind()).isEqualTo(FailureKind.DAMAGED);
        }
      }
    }
    assertThat(named.keySet()).containsAll(named(world, "packs/"));
    assertThat(named.keySet()).containsAll(named(world, "manifests/"));
    assertThat(named.keySet()).containsAll(named(world, "wal/"));
  }

  /** Keeps each object for so long after it was written. */
  private static final class Locking extends ForwardingStore {
    static final Duration LASTS = Duration.ofDays(30);

    Locking(ObjectStore store) {
      super(store);
    }

    @Override
    public void delete(ObjectKey key) throws IOException {
      Optional<ObjectInfo> there = head(key);
      if (there.isPresent() && now().isBefore(there.get().modifiedAt().plus(LASTS))) {
        throw new StorageException(
            "storage.locked", FailureKind.PERMANENT, key + " is locked", key.value(), "", null);
      }
      super.delete(key);
    }
  }

  @Test
  void s12AWholeLifeOnAStoreThatLetsNothingGoBeforeItsTime() throws IOException {
    TestWorld world = TestWorld.empty(states, Scenario.Setting.BEHIND);
    List<Locking> locking = world.disks.stream().map(Locking::new).toList();
    try (TestClient client = world.client(locking)) {
      Scenario.named("delete").prepare().run(client);
      client.backUpOver(BackupType.INCREMENTAL, Scenario.files(2));
      client.verify(VerifyRequest.Level.DATA);
      client.sync();
      assertThat(client.problems).isEmpty();
      client.prune(Duration.ZERO);
      client.undelete();
      client.rest();
      client.prune(Duration.ZERO);
      client.sync();
      client.rest();
      Set<String> before = world.disk.contents().keySet();
      client.prune(Duration.ZERO);
      assertThat(client.problems).isNotEmpty();
      assertThat(client.problems)
          .allMatch(problem -> problem.startsWith("prune.objects-locked: "))
          .allMatch(problem -> problem.endsWith("prune removes them then"));
      assertThat(world.disk.contents().keySet()).containsAll(before);
      client.sync();
      assertThat(client.problems).isEmpty();
      client.rest();
      client.backUpAtTheEnd(FILES);
      client.restore();
      client.verify(VerifyRequest.Level.DATA);
      assertThat(client.found).isEmpty();
      world.check(true);

      // What nothing names any more, and leases that lapsed long ago, are found again each time.
      world.clock.advance(Duration.ofDays(3));
      client.prune(Duration.ofDays(1));
      assertThat(client.problems).isNotEmpty();
      world.check(true);

      world.clock.advance(Locking.LASTS);
      client.prune(Duration.ofDays(1));
      assertThat(client.problems).isEmpty();
      assertThat(named(world, "packs/")).hasSizeLessThan(before.size());
      world.check(true);
    }
    world.checkNothingIsLeftOver();
  }

  @Test
  void s13ATakenKeyUnderWhichNothingIsSeenIsAnUnknownOutcome() throws IOException {
    TestWorld world = Scenario.named("wal-segment").world(states);
    FaultyObjectStore faulty = FaultyObjectStore.over(world.disk);
    try (TestClient client = world.client(faulty)) {
      client.open();
      faulty.failAtChange(faulty.changes() + 1, Fault.UNSEEN);
      assertThatThrownBy(() -> client.storeSegment(2))
          .isInstanceOfSatisfying(
              ClassifiedFailure.class,
              e -> assertThat(e.kind()).isEqualTo(FailureKind.OUTCOME_UNKNOWN));
      // Still unseen, but taken: no conflict, and nothing that goes on for ever.
      assertThatThrownBy(() -> client.storeSegment(2))
          .isInstanceOfSatisfying(
              ClassifiedFailure.class,
              e -> assertThat(e.kind()).isEqualTo(FailureKind.OUTCOME_UNKNOWN));
      faulty.recover();
      client.storeSegment(2);
    }
    world.check(true);
  }

  /** Each step can be done again. */
  private static final List<Scenario.Action> LIFE =
      List.of(
          TestClient::init,
          client -> client.register(TestClient.SOURCE),
          client -> client.storeSegment(1),
          client -> client.storePart(2, 0, 3000),
          client -> client.storeSegment(2),
          client -> client.backUp(Scenario.files(1), BackupStatus.AWAITING_WAL),
          TestClient::complete,
          client -> client.backUpOver(BackupType.INCREMENTAL, Scenario.files(2)),
          client -> client.verify(VerifyRequest.Level.DATA),
          client -> client.prune(Duration.ZERO),
          TestClient::rest,
          client -> client.prune(Duration.ZERO),
          TestClient::restore);

  @Test
  void s14ACredentialThatExpiresAtAnyCallIsNamedAndCostsNothing() throws IOException {
    int share = FaultSuite.RELEASE ? 1 : 5; // another one with each seed
    int calls = Integer.MAX_VALUE;
    int named = 0;
    int cases = 0;
    for (int call = 1 + (int) (FaultSuite.SEED % share); call <= calls; call += share) {
      cases++;
      TestWorld world = TestWorld.empty(states, Scenario.Setting.PLAIN);
      FaultyObjectStore faulty = FaultyObjectStore.over(world.disk);
      faulty.failAtCall(call, Fault.REFUSED);
      int refused = 0;
      try (TestClient client = world.client(faulty)) {
        for (Scenario.Action step : LIFE) {
          try {
            step.run(client);
          } catch (IOException e) {
            refused++;
            assertThat(e).isInstanceOf(ClassifiedFailure.class);
            assertThat(saysItsCause(e)).as("call %d: %s", call, e).isTrue();
            faulty.recover(); // it was renewed; the process goes on with what it has
            world.rest();
            step.run(client);
          }
        }
      }
      named += refused;
      assertThat(refused).as("call %d", call).isBetween(0, 1);
      world.check(false);
      if (faulty.struck() == 0) {
        calls = call;
      }
    }
    System.out.println("s14: calls: " + cases + ", failures that name it: " + named);
    assertThat(named).isGreaterThan(cases * 9 / 10);
  }

  /**
   * A store that shows each of two writers the same old state gets no two texts under one key and
   * nonce.
   */
  @Test
  void c2WritersThatSeeTheSameOldStateShareNoKeyAndNonce() throws IOException {
    TestWorld before = Scenario.named("backup").world(states);
    Set<String> old = before.disk.contents().keySet();
    Set<String> salts = new HashSet<>();
    Set<String> blocks = new HashSet<>();
    int objects = 0;
    for (int writer = 1; writer <= 3; writer++) {
      TestWorld world = before.copy();
      try (TestClient client = world.client(world.disk)) {
        client.backUp(FILES, BackupStatus.COMPLETE);
      }
      for (Map.Entry<String, byte[]> made : world.disk.contents().entrySet()) {
        byte[] sealed = made.getValue();
        if (old.contains(made.getKey()) || sealed.length < FIRST_BLOCK + 16) {
          continue;
        }
        objects++;
        assertThat(salts.add(HexFormat.of().formatHex(sealed, SALT, SALT + 24)))
            .as(made.getKey())
            .isTrue();
        for (int at = FIRST_BLOCK; at + 16 <= sealed.length; at += 16) {
          assertThat(blocks.add(HexFormat.of().formatHex(sealed, at, at + 16)))
              .as("%s at %d", made.getKey(), at)
              .isTrue();
        }
      }
    }
    assertThat(objects).isGreaterThan(6);
  }

  private static boolean saysItsCause(Throwable e) {
    for (Throwable at = e; at != null; at = at.getCause()) {
      if (at instanceof StorageException cause && cause.code().equals("storage.refused")) {
        return true;
      }
    }
    return false;
  }

  private static List<String> named(TestWorld world, String prefix) {
    return world.disk.contents().keySet().stream().filter(name -> name.startsWith(prefix)).toList();
  }

  private static List<String> damaged(TestWorld world) throws IOException {
    try (TestClient client = world.client(world.disk)) {
      client.verify(VerifyRequest.Level.DATA);
      return new ArrayList<>(
          client.found.stream().map(VerifyReport.Damage::object).distinct().toList());
    }
  }
}
