package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.CopiesReport;
import com.thorbis.backup.api.CopiesReport.Verdict;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.PruneReport;
import com.thorbis.backup.api.SyncReport;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.testkit.FaultyObjectStore;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Deletion, leases, checkpoints and proofs where there are several copies. */
class CopyPruneTest {
  @TempDir Path state;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private final SettableClock otherClock = SettableClock.at(TestRepository.NOW.minus(Site.DAY));
  private final MemoryObjectStore diskA = MemoryObjectStore.create(clock, 1000);
  private final MemoryObjectStore diskB = MemoryObjectStore.create(otherClock, 7);
  private final MemoryObjectStore diskC = MemoryObjectStore.create(clock, 1000);
  private final FaultyObjectStore c = FaultyObjectStore.over(diskC);

  // Deletion

  @Test
  void whatIsSweptIsGoneFromEveryCopy() throws IOException {
    try (Site site = create(WritePolicy.ALL, diskA, diskB)) {
      List<BackupId> ids = List.of(site.backUp(1), site.backUp(2), site.backUp(3));
      site.prune(1, Duration.ZERO);
      clock.advance(Duration.ofSeconds(1));
      assertThat(site.prune(1, Duration.ZERO).swept()).containsExactly(ids.get(0), ids.get(1));
      assertAlike(diskA, diskB);
      assertThat(objects(diskB, "packs/")).hasSize(2);
      site.requireAllWhole();
    }
    assertStandsAlone(diskB, 1);
  }

  @Test
  void aCopyThatLagsKeepsWhatItsCommitsKnowOf() throws IOException {
    try (Site site = create(WritePolicy.PRIMARY, diskA, diskB)) {
      BackupId first = site.backUp(1);
      BackupId second = site.backUp(2);
      sync(site);
      site.prune(1, Duration.ZERO);
      clock.advance(Duration.ofSeconds(1));
      Set<String> onB = objects(diskB, "");
      PruneReport swept = site.prune(1, Duration.ZERO);
      assertThat(swept.objectsRemoved()).isPositive();
      assertThat(swept.swept()).as("a copy still has it").isEmpty();
      assertThat(swept.alarms()).isEmpty();
      assertThat(objects(diskA, "packs/")).hasSize(2);
      assertThat(objects(diskB, "")).isEqualTo(onB);
      assertThat(site.verify().damaged()).isEmpty();
      assertStandsAlone(diskB, 2);

      sync(site);
      assertThat(objects(diskA, "packs/")).as("nothing came back").hasSize(2);
      assertThat(report(site).copies())
          .allSatisfy(copy -> assertThat(copy.contents().orElseThrow().complete()).isTrue());
      assertThat(site.verify().damaged()).isEmpty();
      sync(site);
      assertThat(site.prune(1, Duration.ZERO).swept()).containsExactly(first);
      sync(site);
      assertAlike(diskA, diskB);
      assertThat(site.listed()).containsExactly(second);
      assertThat(site.services.log().catalog().sweeps()).isEmpty();
      site.requireAllWhole();
    }
    assertStandsAlone(diskB, 1);
  }

  @Test
  void runsThatComeMeanwhileNameNothingTwice() throws IOException {
    try (Site site = create(WritePolicy.PRIMARY, diskA, diskB)) {
      site.backUp(1);
      site.backUp(2);
      sync(site);
      site.prune(1, Duration.ZERO);
      clock.advance(Duration.ofSeconds(1));
      site.prune(1, Duration.ZERO);
      List<Operation.Sweep> pending = site.services.log().catalog().sweeps();
      long commits = site.services.log().sequence();
      clock.advance(Site.DAY.multipliedBy(3));
      site.prune(1, Duration.ZERO);
      site.prune(1, Duration.ZERO);
      assertThat(site.services.log().catalog().sweeps()).isEqualTo(pending);
      assertThat(site.services.log().sequence()).isEqualTo(commits);
    }
  }

  @Test
  void aCopyThatCannotBeAskedIsNamedAndGoneThroughLater() throws IOException {
    BackupId first;
    try (Site site = create(WritePolicy.QUORUM, diskA, diskB, c)) {
      first = site.backUp(1);
      site.backUp(2);
      site.prune(1, Duration.ZERO);
      clock.advance(Duration.ofSeconds(1));
      c.unavailable(true);
      PruneReport report = site.prune(1, Duration.ZERO);
      assertThat(report.swept()).isEmpty();
      assertThat(report.alarms())
          .anySatisfy(alarm -> assertThat(alarm).startsWith("prune.copy-unreachable: c"));
      assertThat(objects(diskA, "packs/")).hasSize(2);
      assertThat(objects(diskB, "packs/")).hasSize(2);
      assertThat(objects(diskC, "packs/")).hasSize(4);
    }
    c.unavailable(false);
    assertStandsAlone(diskC, 1); // the other one is deleted, and still whole
    try (Site site = Site.open(setup(WritePolicy.QUORUM, diskA, diskB, c), 1000, 1000)) {
      sync(site);
      assertThat(objects(diskA, "packs/")).hasSize(2);
      assertThat(objects(diskB, "packs/")).hasSize(2);
      PruneReport report = site.prune(1, Duration.ZERO);
      assertThat(report.swept()).containsExactly(first);
      assertThat(report.alarms()).isEmpty();
      assertAlike(diskA, diskB);
      assertAlike(diskA, diskC);
      site.requireAllWhole();
    }
  }

  @Test
  void aCopyThatWasAwayDuringASweepBringsNothingBack() throws IOException {
    BackupId first;
    try (Site site = create(WritePolicy.ALL, diskA, diskB)) {
      first = site.backUp(1);
      site.backUp(2);
    }
    try (Site alone = Site.open(setup(WritePolicy.ALL, diskA), 1000, 1000)) {
      alone.prune(1, Duration.ZERO);
      clock.advance(Duration.ofSeconds(1));
      assertThat(alone.prune(1, Duration.ZERO).swept()).containsExactly(first);
    }
    try (Site site = Site.open(setup(WritePolicy.ALL, diskA, diskB), 1000, 1000)) {
      sync(site);
      assertThat(objects(diskA, "packs/")).hasSize(2);
      assertThat(objects(diskB, "packs/")).hasSize(4);
      assertThat(report(site).copies())
          .allSatisfy(copy -> assertThat(copy.contents().orElseThrow().complete()).isTrue());
      assertThat(site.verify().damaged()).isEmpty();
      clock.advance(Site.DAY);
      otherClock.advance(Site.DAY);
      PruneReport report = site.prune(1, Duration.ofHours(1));
      assertThat(report.objectsRemoved()).as("found by its age").isEqualTo(3);
      assertAlike(diskA, diskB);
      site.requireAllWhole();
    }
  }

  @Test
  void syncBringsNeitherUploadsNorLogThatWasGivenUp() throws IOException {
    try (Site site = create(WritePolicy.PRIMARY, diskA, diskB)) {
      storeLog(site, 2);
      storeLog(site, 3);
      site.backUp(1);
      BackupWriter running = TestRepository.begin(site.repository);
      TestRepository.write(running, "base/1", new byte[100_000]);
      running.close();
      ObjectKey stray =
          new ObjectKey(
              objects(diskA, "packs/").iterator().next().replaceAll("[^/]*$", "ab".repeat(16)));
      diskA.put(stray, ObjectSource.of(new byte[5000]));
      // Log from the middle of the second segment on.
      site.services
          .log()
          .append(
              catalog ->
                  List.of(
                      new Operation.Sweep(
                          "orders",
                          "",
                          List.of(),
                          List.of(),
                          List.of(),
                          List.of(
                              new Operation.WalExpire(
                                  "orders",
                                  site.repository.source("orders").orElseThrow().current().id(),
                                  TestRepository.TIMELINE,
                                  TestRepository.segment(1, 2).end(),
                                  List.of(),
                                  clock.instant())))));
      sync(site);
      assertThat(objects(diskB, "packs/")).hasSize(2).doesNotContain(stray.value());
      assertThat(objects(diskB, "wal/")).as("1 is the backup's").hasSize(2);
      assertThat(objects(diskA, "wal/")).hasSize(3);
      assertThat(report(site).copies().get(1).contents().orElseThrow().complete()).isTrue();
      assertThat(objects(diskB, "leases/")).isEmpty();
      site.prune(5, Site.DAY);
      assertThat(objects(diskA, "wal/")).isEqualTo(objects(diskB, "wal/"));
    }
  }

  // Leases and time

  @Test
  void leasesCountOnThePrimaryAlone() throws IOException {
    try (Site site = create(WritePolicy.ALL, diskA, diskB)) {
      site.backUp(1);
      try (BackupWriter running = TestRepository.begin(site.repository)) {
        assertThat(objects(diskA, "leases/")).hasSize(1);
        site.beats.beat();
        assertThat(objects(diskA, "leases/")).hasSize(1);
        assertThat(objects(diskB, "leases/")).isEmpty();
        for (String key : objects(diskA, "leases/")) {
          String prune = "leases/prune/0000000000000001";
          byte[] foreign =
              new String(diskA.content(new ObjectKey(key)), java.nio.charset.StandardCharsets.UTF_8)
                  .replace("\"backup\"", "\"prune\"")
                  .getBytes(java.nio.charset.StandardCharsets.UTF_8);
          diskB.put(new ObjectKey(prune), ObjectSource.of(foreign));
        }
        site.prune(1, Site.DAY); // busy, if the other copy were asked
        assertThat(objects(diskB, "leases/")).hasSize(1);
      }
      assertThat(objects(diskA, "leases/")).isEmpty();
    }
  }

  @Test
  void theTimeIsThePrimarys() throws IOException {
    try (Site site = create(WritePolicy.ALL, diskA, diskB)) {
      site.backUp(1);
      assertThat(site.repository.clockSkew()).isZero();
      site.prune(1, Site.DAY);
      assertThat(objects(diskB, "probe/")).isEmpty();
    }
    try (Site site = createOther(WritePolicy.ALL, diskB.copy(), diskA.copy())) {
      assertThat(site.repository.clockSkew()).isEqualTo(Site.DAY);
      PruneTest.assertRefused(
          () -> site.prune(1, Site.DAY), "prune.clock-skew", FailureKind.REFUSED);
    }
  }

  // Checkpoints

  @Test
  void checkpointsGoWhereTheirCommitsAre() throws IOException {
    create(WritePolicy.QUORUM, diskA, diskB, c).close();
    BackupId last;
    try (Site site = Site.open(setup(WritePolicy.QUORUM, diskA, diskB, c), 3, 1000)) {
      last = site.backUp(1);
      c.unavailable(true);
      for (int i = 2; i < 7; i++) {
        last = site.backUp(i);
      }
    }
    c.unavailable(false);
    assertThat(objects(diskA, "checkpoints/")).hasSizeGreaterThan(1);
    assertThat(objects(diskB, "checkpoints/")).isEqualTo(objects(diskA, "checkpoints/"));
    assertThat(objects(diskC, "checkpoints/").size())
        .isLessThan(objects(diskA, "checkpoints/").size());
    assertStandsAlone(diskC, 1);

    MemoryObjectStore diskD = MemoryObjectStore.create(clock, 1000);
    RepositorySetup four = setup("blank", WritePolicy.PRIMARY, diskA, diskB, c, diskD);
    TestRepository.FACTORY.init(four);
    try (Site site = Site.open(four, 1000, 1000)) {
      assertThat(site.services.log().hash(1)).as("opened from a checkpoint").isEmpty();
      assertThat(site.verify().damaged()).as("as far as each reaches").isEmpty();
      site.services.log().upTo(2);
      assertThat(site.services.log().upTo(5).catalog().backups()).hasSize(2);
      sync(site);
      assertAlike(diskA, diskC);
      assertAlike(diskA, diskD);
      assertThat(site.verify().damaged()).isEmpty();
      TestRepository.assertReads(site.repository, last, TestRepository.fewFiles(6));
    }
    assertStandsAlone(diskD, 6);
  }

  @Test
  void aCheckpointThatIsDamagedOnOneCopyIsReadFromAnother() throws IOException {
    create(WritePolicy.ALL, diskA, diskB).close();
    try (Site site = Site.open(setup(WritePolicy.ALL, diskA, diskB), 3, 1000)) {
      site.backUp(1);
      site.backUp(2);
    }
    String newest = ((TreeSet<String>) objects(diskA, "checkpoints/")).last();
    byte[] whole = diskA.content(new ObjectKey(newest));
    diskA.flipBit(new ObjectKey(newest), 8000);
    try (Site site = Site.open(setup("blank", WritePolicy.ALL, diskA, diskB), 1000, 1000)) {
      assertThat(site.services.log().hash(1)).isEmpty();
      assertThat(diskA.content(new ObjectKey(newest))).as("and healed").isEqualTo(whole);
      assertThat(site.verify().damaged()).isEmpty();
    }
  }

  // Proofs

  @Test
  void proofsAreKeptForEachCopyAndCountForAWhile() throws IOException {
    create(WritePolicy.ALL, diskA, diskB).close();
    try (Site site = Site.open(setup(WritePolicy.ALL, diskA, diskB), 2, 1000)) {
      BackupId first = site.backUp(1);
      BackupId second = site.backUp(2);
      assertThat(zero(site)).isEqualTo(Verdict.UNKNOWN);
      assertThat(report(site).copies())
          .allSatisfy(copy -> assertThat(copy.lastVerified()).isEmpty());

      assertThat(site.verify().damaged()).isEmpty();

      assertThat(zero(site)).isEqualTo(Verdict.MET);
      assertThat(report(site).copies())
          .allSatisfy(copy -> assertThat(copy.lastVerified()).contains(clock.instant()));
      assertThat(site.services.log().catalog().kept(first).orElseThrow().fate().proofs())
          .extracting(Operation.Verified::copy)
          .containsExactlyElementsOf(
              site.services.log().catalog().copies().stream()
                  .map(place -> Optional.of(place.id().toString()))
                  .toList());

      clock.advance(Duration.ofDays(30));
      diskB.flipBit(new ObjectKey(biggest(diskB, site, second)), 8000);
      assertThat(site.verify().damaged()).isNotEmpty();
      clock.advance(Duration.ofDays(6));
      CopiesReport report = report(site);
      assertThat(verdict(report, "zero")).isEqualTo(Verdict.UNKNOWN);
      assertThat(report.criteria())
          .filteredOn(one -> one.name().equals("zero"))
          .singleElement()
          .satisfies(one -> assertThat(one.reason()).startsWith("b was not"));

      site.repository.healCopies(RunControl.unattended());
      site.verify();
      assertThat(zero(site)).isEqualTo(Verdict.MET);
      backUpNow(site);
      assertThat(zero(site)).as("younger than the proof").isEqualTo(Verdict.MET);
      clock.advance(Duration.ofDays(36));
      assertThat(zero(site)).isEqualTo(Verdict.UNKNOWN);
    }
    try (Site blank = Site.open(setup("blank", WritePolicy.ALL, diskA, diskB), 1000, 1000)) {
      assertThat(blank.services.log().hash(1)).isEmpty();
      assertThat(report(blank).copies())
          .as("checkpoints keep them")
          .allSatisfy(copy -> assertThat(copy.lastVerified()).isPresent());
    }
  }

  @Test
  void aPlaceThatWasReplacedIsNotProvenByItsName() throws IOException {
    try (Site site = create(WritePolicy.ALL, diskA, diskB)) {
      site.backUp(1);
      site.verify();
      assertThat(zero(site)).isEqualTo(Verdict.MET);
    }
    RepositorySetup replaced = setup(WritePolicy.ALL, diskA, diskC); // under the name b
    TestRepository.FACTORY.init(replaced);
    try (Site site = Site.open(replaced, 1000, 1000)) {
      sync(site);
      assertThat(zero(site)).isEqualTo(Verdict.UNKNOWN);
      assertThat(report(site).copies().get(1).lastVerified()).isEmpty();
      site.verify();
      assertThat(zero(site)).isEqualTo(Verdict.MET);
    }
  }

  @Test
  void aProofFromTheTimeOfOneCopySpeaksForNoOther() throws IOException {
    try (Site alone = create(WritePolicy.PRIMARY, diskA)) {
      alone.backUp(1);
      alone.verify();
      assertThat(zero(alone)).isEqualTo(Verdict.MET);
    }
    RepositorySetup both = setup(WritePolicy.PRIMARY, diskA, diskB);
    try (Site site = Site.open(both, 1000, 1000)) {
      assertThat(report(site).copies())
          .allSatisfy(copy -> assertThat(copy.lastVerified()).isEmpty());
    }
    TestRepository.FACTORY.init(both);
    try (Site site = Site.open(both, 1000, 1000)) {
      sync(site);
      assertThat(zero(site)).isEqualTo(Verdict.UNKNOWN);
    }
  }

  @Test
  void oneBackupThatWasReadBackDoesNotSpeakForTheOthers() throws IOException {
    try (Site site = create(WritePolicy.ALL, diskA, diskB)) {
      site.backUp(1);
      BackupId second = site.backUp(2);
      clock.advance(Duration.ofMinutes(1));
      site.repository.verify(
          new com.thorbis.backup.api.VerifyRequest(
              Optional.of(second), com.thorbis.backup.api.VerifyRequest.Level.DATA, 100),
          RunControl.unattended());
      assertThat(zero(site)).isEqualTo(Verdict.UNKNOWN);
      assertThat(site.repository.states(Optional.empty()))
          .extracting(BackupState::verifiedAt)
          .containsExactly(Optional.empty(), Optional.of(clock.instant()));
    }
  }

  // Helpers

  private Site create(WritePolicy policy, ObjectStore... stores) throws IOException {
    return create(setup(policy, stores));
  }

  private Site createOther(WritePolicy policy, MemoryObjectStore... stores) throws IOException {
    for (MemoryObjectStore store : stores) {
      store.contents().keySet().forEach(key -> store.lose(new ObjectKey(key)));
    }
    return create(setup("other", policy, stores));
  }

  private static Site create(RepositorySetup setup) throws IOException {
    TestRepository.FACTORY.init(setup);
    Site site = Site.open(setup, 1000, 1000);
    site.repository.register("orders", "postgres", TestRepository.CLUSTER);
    storeLog(site, 1);
    return site;
  }

  private void backUpNow(Site site) throws IOException {
    BackupFacts facts = TestRepository.facts();
    try (BackupWriter writer = TestRepository.begin(site.repository)) {
      writer.directory(TestRepository.directory("base"));
      writer.commit(
          new BackupFacts(
              facts.startLsn(),
              facts.stopLsn(),
              facts.timeline(),
              clock.instant(),
              clock.instant().plusSeconds(1),
              facts.tablespaces(),
              facts.attributes(),
              facts.warnings()),
          BackupStatus.COMPLETE);
    }
  }

  private static void storeLog(Site site, int segment) throws IOException {
    byte[] wal = TestRepository.wal(TestRepository.segment(1, segment), segment);
    site.repository
        .wal("orders")
        .storeSegment(TestRepository.segment(1, segment), ByteBuffer.wrap(wal), WalMarks.NONE);
  }

  private RepositorySetup setup(WritePolicy policy, ObjectStore... stores) {
    return setup("here", policy, stores);
  }

  private RepositorySetup setup(String machine, WritePolicy policy, ObjectStore... stores) {
    List<Copy> copies = new ArrayList<>();
    for (int i = 0; i < stores.length; i++) {
      copies.add(Copy.builder(stores[i]).name(Character.toString((char) ('a' + i))).build());
    }
    return Site.setup(state.resolve(machine), clock, policy, copies);
  }

  private static void sync(Site site) throws IOException {
    SyncReport report = site.repository.syncCopies(RunControl.unattended());
    assertThat(report.complete()).as("%s", report).isTrue();
  }

  private static CopiesReport report(Site site) throws IOException {
    return site.repository.copies(RunControl.unattended());
  }

  private static Verdict zero(Site site) throws IOException {
    return verdict(report(site), "zero");
  }

  private static Verdict verdict(CopiesReport report, String name) {
    return report.criteria().stream()
        .filter(one -> one.name().equals(name))
        .findFirst()
        .orElseThrow()
        .verdict();
  }

  private void assertStandsAlone(MemoryObjectStore store, int backups) throws IOException {
    MemoryObjectStore alone = store.copy();
    try (Site site =
        Site.open(
            Site.setup(alone, state.resolve("alone" + System.identityHashCode(alone)), clock),
            1000,
            1000)) {
      assertThat(site.listed()).hasSize(backups);
      site.requireAllWhole();
    }
  }

  private static String biggest(MemoryObjectStore store, Site site, BackupId backup)
      throws IOException {
    Set<ObjectKey> needed = new java.util.HashSet<>();
    var entry = site.services.log().catalog().kept(backup).orElseThrow().entry();
    var source = site.services.log().catalog().source("orders").orElseThrow();
    new com.thorbis.backup.storage.internal.backup.BackupContents(site.services, source, entry)
        .packs()
        .forEach(pack -> needed.add(pack.key()));
    return store.contents().entrySet().stream()
        .filter(one -> needed.contains(new ObjectKey(one.getKey())))
        .max(java.util.Comparator.comparingInt(one -> one.getValue().length))
        .orElseThrow()
        .getKey();
  }

  private static Set<String> objects(MemoryObjectStore store, String prefix) {
    Set<String> found = new TreeSet<>(store.contents().keySet());
    found.removeIf(key -> !key.startsWith(prefix) || key.startsWith("probe/"));
    return found;
  }

  private static void assertAlike(MemoryObjectStore one, MemoryObjectStore other) {
    Set<String> names = objects(one, "");
    names.addAll(objects(other, ""));
    for (String name : names) {
      if (!name.equals("copy") && !name.startsWith("leases/")) {
        assertThat(one.contents().get(name)).as(name).isEqualTo(other.contents().get(name));
      }
    }
  }
}
