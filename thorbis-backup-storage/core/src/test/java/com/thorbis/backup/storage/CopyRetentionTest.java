package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CopiesReport.CopyState;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.HealReport;
import com.thorbis.backup.api.PrunePlan;
import com.thorbis.backup.api.PruneReport;
import com.thorbis.backup.api.PruneRequest;
import com.thorbis.backup.api.RetentionPlan.Decision;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.SyncReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.copies.KeepingStore;
import com.thorbis.backup.testkit.FaultyObjectStore;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Copies that keep less than the repository does. */
class CopyRetentionTest {
  private static final RetentionPolicy EVERYTHING = RetentionPolicy.builder().build();
  private static final RetentionPolicy ONE = RetentionPolicy.builder().daily(1).build();

  @TempDir Path state;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW.plusSeconds(60));
  private final MemoryObjectStore diskA = MemoryObjectStore.create(clock, 1000);
  private final MemoryObjectStore diskB = MemoryObjectStore.create(clock, 7);
  private final MemoryObjectStore diskC = MemoryObjectStore.create(clock, 1000);
  private final FaultyObjectStore b = FaultyObjectStore.over(diskB);
  private final Map<BackupId, Map<String, byte[]>> truth = new LinkedHashMap<>();

  // What goes, and what stays

  @Test
  void aCopyLetsGoOfBackupsAndLogThatAnotherKeeps() throws IOException {
    List<BackupId> ids;
    try (Site site = create(WritePolicy.ALL, narrow("a", diskA), whole("b", diskB))) {
      ids = three(site);
      Set<String> before = objects(diskB, "");

      PrunePlan plan = site.repository.planPrune("orders", EVERYTHING);
      assertThat(plan.retention().deleted()).isEmpty();
      assertThat(plan.copies())
          .singleElement()
          .satisfies(
              copy -> {
                assertThat(copy.copy()).isEqualTo("a");
                assertThat(copy.retention().deleted()).isEqualTo(ids.subList(0, 2));
                assertThat(copy.retention().decisions())
                    .extracting(Decision::reasons)
                    .allSatisfy(reasons -> assertThat(reasons).isNotEmpty());
                assertThat(copy.bytes()).isPositive();
              });
      assertThat(objects(diskA, "")).as("a plan changes nothing").isEqualTo(before);

      PruneReport letGo = prune(site, Duration.ofHours(1));
      assertThat(letGo.deleted()).isEmpty();
      assertThat(letGo.copies())
          .containsExactly(new PruneReport.CopyReport("a", ids.subList(0, 2), 0, 0));
      clock.advance(Duration.ofMinutes(50));
      assertThat(prune(site, Duration.ofHours(1)).copies())
          .as("its grace is not over, and nothing is let go of twice")
          .containsExactly(new PruneReport.CopyReport("a", List.of(), 0, 0));
      assertThat(objects(diskA, "packs/")).isEqualTo(objects(diskB, "packs/"));

      clock.advance(Duration.ofMinutes(11));
      PruneReport swept = prune(site, Duration.ofHours(1));
      assertThat(swept.copies().get(0).objectsRemoved()).isPositive();
      assertThat(swept.copies().get(0).bytesFreed()).isPositive();
      assertThat(swept.objectsRemoved()).as("from all").isZero();

      assertThat(objects(diskA, "packs/")).hasSize(2).isSubsetOf(objects(diskB, "packs/"));
      assertThat(objects(diskA, "wal/")).as("log since the third").hasSize(2);
      assertThat(objects(diskB, "packs/")).hasSize(6);
      assertThat(objects(diskB, "wal/")).hasSize(5);
      for (String kind : List.of("manifests/", "commits/", "keys/", "repository")) {
        assertThat(objects(diskA, kind)).as(kind).isEqualTo(objects(diskB, kind));
      }
      assertAllRead(site);
      assertThat(site.verify().damaged()).isEmpty();
      assertNothingComesBack(site);
      assertThat(site.services.log().catalog().copySweeps()).isEmpty();

      assertThat(site.repository.backups(Optional.empty()))
          .extracting(BackupDescriptor::copies)
          .containsExactly(List.of("b"), List.of("b"), List.of("a", "b"));
      assertThat(site.repository.backup(ids.get(0)).orElseThrow().letGoBy()).containsExactly("a");
      List<CopyState> states = site.repository.copies(RunControl.unattended()).copies();
      assertThat(states).extracting(CopyState::letGo).containsExactly(2L, 0L);
      assertThat(states)
          .allSatisfy(copy -> assertThat(copy.contents().orElseThrow().complete()).isTrue());
      assertThat(site.repository.checkCopies())
          .extracting(CheckItem::message)
          .anySatisfy(words -> assertThat(words).contains("it keeps 1 of 3 backups"));
    }
    assertReadsAlone(diskB, ids);
    assertReadsAlone(diskA, ids.subList(2, 3));
  }

  @Test
  void whatACopyLetGoOfIsLockedThereNoLonger() throws IOException {
    Duration day = Duration.ofDays(1);
    Copy locking =
        KeepingStore.over(
                List.of(Copy.builder(diskA).name("a").retention(ONE).lock(day).build()), clock)
            .get(0);
    try (Site site = create(WritePolicy.ALL, locking, whole("b", diskB))) {
      List<BackupId> ids = three(site);
      for (int half = 0; half < 10; half++) {
        prune(site, day);
        clock.advance(Duration.ofHours(12));
      }
      assertThat(objects(diskA, "packs/")).hasSize(2);
      assertThat(objects(diskB, "packs/")).hasSize(6);
      for (String pack : objects(diskA, "packs/")) {
        assertThat(diskA.head(new ObjectKey(pack)).orElseThrow().lockedUntil().orElseThrow())
            .isAfter(clock.instant().plus(Duration.ofHours(11)));
      }
      assertAllRead(site);
      assertThat(site.listed()).isEqualTo(ids);
    }
  }

  @Test
  void whatAKeptBackupSharesStays() throws IOException {
    try (Site site = create(WritePolicy.ALL, narrow("a", diskA), whole("b", diskB))) {
      BackupId full = backUp(site, 1, 1);
      BackupId second = backUpOver(site, full, 2, 1);
      BackupId third = backUpOver(site, second, 3, 1);
      site.verify();
      letGoAndSweep(site);
      assertThat(site.repository.backup(full).orElseThrow().letGoBy()).containsExactly("a");
      assertThat(objects(diskA, "packs/").size()).isLessThan(objects(diskB, "packs/").size());
      assertAllRead(site);
      assertThat(site.verify().damaged()).isEmpty();
      assertReadsAlone(diskA, List.of(third));
      BackupId fourth = backUpOver(site, third, 4, 1);
      site.verify();
      letGoAndSweep(site);
      assertReadsAlone(diskA, List.of(fourth));
      assertReadsAlone(diskB, List.of(full, second, third, fourth));
    }
  }

  @Test
  void whatTheRepositoryGivesUpGoesEverywhere() throws IOException {
    try (Site site = create(WritePolicy.ALL, narrow("a", diskA), whole("b", diskB))) {
      List<BackupId> ids = three(site);
      letGoAndSweep(site);
      PruneReport report = site.prune(1, Duration.ZERO);
      assertThat(report.deleted()).isEqualTo(ids.subList(0, 2));
      clock.advance(Duration.ofMinutes(1));
      assertThat(site.prune(1, Duration.ZERO).swept()).isEqualTo(ids.subList(0, 2));
      assertThat(objects(diskB, "packs/")).isEqualTo(objects(diskA, "packs/")).hasSize(2);
      assertThat(objects(diskB, "wal/")).isEqualTo(objects(diskA, "wal/"));
      assertThat(site.services.log().catalog().kept()).hasSize(1);
      site.requireAllWhole();
    }
  }

  @Test
  void aHoldKeepsABackupOnEveryCopyThatHasIt() throws IOException {
    try (Site site = create(WritePolicy.ALL, narrow("a", diskA), whole("b", diskB))) {
      List<BackupId> ids = three(site);
      site.repository.hold(ids.get(0), "case 7", Optional.empty());
      assertThat(prune(site, Duration.ZERO).copies().get(0).letGo()).containsExactly(ids.get(1));
      site.repository.hold(ids.get(1), "case 8", Optional.empty());
      Set<String> before = objects(diskA, "packs/");
      clock.advance(Duration.ofMinutes(1));
      prune(site, Duration.ZERO);
      assertThat(objects(diskA, "packs/")).as("held before it was swept").isEqualTo(before);
      site.repository.release(ids.get(1), "case 8");
      prune(site, Duration.ZERO);
      assertThat(objects(diskA, "packs/")).hasSize(4);
      assertReadsAlone(diskA, List.of(ids.get(0), ids.get(2)));
    }
  }

  @Test
  void onlyWhatWasReadBackFromACopyCountsThereAsVerified() throws IOException {
    try (Site fresh = create(WritePolicy.ALL, whole("a", diskA), narrow("b", b))) {
      backUp(fresh, 1, 1);
      backUp(fresh, 2, 1);
      b.unavailable(true);
      assertThatThrownBy(fresh::verify).isInstanceOf(StorageException.class);
      b.unavailable(false);
      PrunePlan plan = fresh.repository.planPrune("orders", EVERYTHING);
      assertThat(plan.copies().get(0).retention().deleted()).isEmpty();
      assertThat(plan.copies().get(0).retention().alarms())
          .anySatisfy(alarm -> assertThat(alarm).startsWith("retention.below-minimum"));
    }
  }

  @Test
  void aPlanThatLetsGoOfTooMuchOnACopyIsStoppedThereAlone() throws IOException {
    RetentionPolicy two = RetentionPolicy.builder().daily(1).minimum(8).build();
    try (Site site = create(WritePolicy.ALL, narrow("a", diskA), whole("b", diskB))) {
      for (int i = 0; i < 9; i++) {
        backUp(site, i, 1);
      }
      site.verify();
      PruneTest.assertRefused(
          () ->
              site.repository.prune(
                  PruneRequest.builder("orders", two).grace(Duration.ZERO).build(),
                  RunControl.unattended()),
          "prune.too-much",
          FailureKind.REFUSED);
      site.repository.refresh();
      assertThat(site.listed()).as("the repository's own went").hasSize(8);
      assertThat(site.services.log().catalog().narrowed()).isEmpty();
      assertThat(prune(site, Duration.ZERO).copies().get(0).letGo()).hasSize(7);
    }
  }

  // Never the last

  @Test
  void nothingGoesThatWasNeverReadBackFromAnotherCopy() throws IOException {
    try (Site site = create(WritePolicy.PRIMARY, narrow("a", diskA), whole("b", diskB))) {
      List<BackupId> ids = three(site); // b has none of them yet
      assertThat(prune(site, Duration.ZERO).copies().get(0).letGo()).isEmpty();
      sync(site);
      PrunePlan plan = site.repository.planPrune("orders", EVERYTHING);
      assertThat(plan.copies().get(0).retention().decisions().get(0).reasons())
          .contains("hold: never read back from another copy that keeps it");
      site.verify();
      assertThat(prune(site, Duration.ZERO).copies().get(0).letGo()).isEqualTo(ids.subList(0, 2));
    }
  }

  @Test
  void nothingGoesThatNoOtherCopyWasSeenToHold() throws IOException {
    try (Site site = create(WritePolicy.ALL, narrow("a", diskA), whole("b", b))) {
      List<BackupId> ids = three(site);
      prune(site, Duration.ZERO);
      clock.advance(Duration.ofMinutes(1));

      b.unavailable(true);
      Set<String> before = objects(diskA, "");
      assertThat(prune(site, Duration.ZERO).alarms())
          .anySatisfy(alarm -> assertThat(alarm).startsWith("prune.copy-unreachable: b"))
          .anySatisfy(alarm -> assertThat(alarm).startsWith("prune.only-copy: a"));
      assertThat(objects(diskA, "")).isEqualTo(before);
      b.unavailable(false);

      Map<String, byte[]> lost = new LinkedHashMap<>();
      for (String pack : objects(diskB, "packs/")) {
        lost.put(pack, diskB.content(new ObjectKey(pack)));
        diskB.delete(new ObjectKey(pack));
      }
      sync(site);
      for (String pack : lost.keySet()) {
        diskB.delete(new ObjectKey(pack));
      }
      PruneReport report = prune(site, Duration.ZERO);
      assertThat(report.alarms())
          .anySatisfy(alarm -> assertThat(alarm).startsWith("prune.only-copy: a keeps 4 objects"));
      assertThat(objects(diskA, "packs/")).isEqualTo(lost.keySet());

      sync(site);
      assertThat(objects(diskB, "packs/")).as("what is let go of serves others").hasSize(6);
      report = prune(site, Duration.ZERO);
      assertThat(report.alarms()).noneMatch(alarm -> alarm.startsWith("prune."));
      assertThat(objects(diskA, "packs/")).hasSize(2);
      assertThat(site.services.log().catalog().copySweeps()).isEmpty();
      assertAllRead(site);
      assertReadsAlone(diskB, ids);
    }
  }

  @Test
  void oneCopyMustHaveNoRetentionOfItsOwn() throws IOException {
    try (Site site = create(WritePolicy.ALL, narrow("a", diskA), narrow("b", diskB))) {
      three(site);
      PruneTest.assertRefused(
          () -> site.repository.planPrune("orders", EVERYTHING),
          "configuration.copies",
          FailureKind.CONFIGURATION);
      PruneTest.assertRefused(
          () -> prune(site, Duration.ZERO), "configuration.copies", FailureKind.CONFIGURATION);
      assertThat(site.repository.checkCopies())
          .filteredOn(item -> item.outcome() == CheckItem.Outcome.FAIL)
          .hasSize(2);
      assertAllRead(site);
    }
  }

  @Test
  void whatOneCopyLetGoOfAnotherKeepsWhateverItsRetentionSaysLater() throws IOException {
    List<BackupId> ids;
    try (Site site = create(WritePolicy.ALL, narrow("a", diskA), whole("b", diskB))) {
      ids = three(site);
      letGoAndSweep(site);
    }
    RepositorySetup swapped = setup("here", WritePolicy.ALL, whole("a", diskA), narrow("b", diskB));
    try (Site site = Site.open(swapped, 1000, 1000)) {
      PrunePlan plan = site.repository.planPrune("orders", EVERYTHING);
      assertThat(plan.copies().get(0).copy()).isEqualTo("b");
      assertThat(plan.copies().get(0).retention().decisions().get(0).reasons())
          .contains("hold: no other copy keeps it");
      letGoAndSweep(site);
      assertThat(objects(diskB, "packs/")).hasSize(6);
      assertThat(objects(diskB, "wal/")).hasSize(5);
      assertAllRead(site);
    }
    assertReadsAlone(diskB, ids);
  }

  @Test
  void onePlaceUnderTwoNamesIsNoOtherCopy() throws IOException {
    List<BackupId> ids;
    try (Site site = create(WritePolicy.ALL, narrow("a", diskA), whole("b", diskB))) {
      ids = three(site);
      prune(site, Duration.ZERO);
    }
    clock.advance(Duration.ofMinutes(1));
    RepositorySetup twice =
        setup("here", WritePolicy.PRIMARY, narrow("a", diskA), whole("again", diskA));
    try (Site site = Site.open(twice, 1000, 1000)) {
      assertThat(prune(site, Duration.ZERO).alarms())
          .anySatisfy(alarm -> assertThat(alarm).startsWith("prune.only-copy: a"));
      assertThat(objects(diskA, "packs/")).hasSize(6);
      assertAllRead(site);
    }
    assertReadsAlone(diskA, ids);
  }

  @Test
  void aPlaceThatIsFilledAnewTakesPartAgain() throws IOException {
    List<BackupId> ids;
    try (Site site = create(WritePolicy.ALL, narrow("a", diskA), whole("b", b))) {
      ids = three(site);
      letGoAndSweep(site);
      for (String pack : objects(diskB, "packs/")) {
        if (!diskA.contents().containsKey(pack)) {
          diskB.delete(new ObjectKey(pack));
        }
      }
    }
    RepositorySetup wider = setup("here", WritePolicy.ALL, whole("b", diskB), whole("a", diskC));
    try (Site site = Site.open(setup("here", WritePolicy.ALL, whole("b", diskB)), 9, 9)) {
      assertThat(site.listed()).isEqualTo(ids);
    }
    TestRepository.FACTORY.init(wider);
    TestRepository.FACTORY.promote(wider, true);
    TestRepository.FACTORY.init(wider);
    try (Site site = Site.open(wider, 1000, 1000)) {
      assertThat(site.repository.backups(Optional.empty()))
          .extracting(BackupDescriptor::letGoBy)
          .as("the old place is none any more")
          .containsOnly(List.of());
      SyncReport report = site.repository.syncCopies(RunControl.unattended());
      assertThat(report.complete()).as("what was lost is named").isFalse();
      assertThat(report.copies().get(1).problems())
          .anySatisfy(problem -> assertThat(problem).contains("no copy that can be asked has it"));
      TestRepository.assertReads(site.repository, ids.get(2), truth.get(ids.get(2)));
    }
  }

  // Other backups

  @Test
  void nothingIsBuiltOnABackupThatACopyLetGoOf() throws IOException {
    try (Site site = create(WritePolicy.ALL, narrow("a", diskA), whole("b", diskB))) {
      List<BackupId> ids = three(site);
      prune(site, Duration.ofDays(1));
      PruneTest.assertRefused(
          () -> begin(site, ids.get(0)).close(), "backup.base-let-go", FailureKind.REFUSED);
      begin(site, ids.get(2)).close();
    }
  }

  @Test
  void aBackupThatBeganBeforeItsBaseWasLetGoOfIsWholeOnEveryCopyOrRefused() throws IOException {
    for (boolean alive : List.of(true, false)) {
      try (Site site = createOther(narrow("a", diskA), whole("b", diskB))) {
        BackupId base = backUp(site, 1, 1);
        BackupId newest = backUp(site, 2, 4);
        site.verify();
        try (BackupWriter running = begin(site, base)) {
          write(running, truth.get(base));
          prune(site, Duration.ZERO);
          clock.advance(alive ? Duration.ofMinutes(1) : Duration.ofHours(2));
          prune(site, Duration.ZERO);
          if (alive) {
            BackupId made = running.commit(TestRepository.facts(4), BackupStatus.COMPLETE).id();
            truth.put(made, truth.get(base));
          } else {
            PruneTest.assertRefused(
                () -> running.commit(TestRepository.facts(4), BackupStatus.COMPLETE),
                "backup.lease-lost",
                FailureKind.REFUSED);
          }
        }
        prune(site, Duration.ZERO);
        assertAllRead(site);
        assertThat(site.verify().damaged()).isEmpty();
        assertReadsAlone(diskA, alive ? List.copyOf(List.of(newest)) : List.of(newest));
      }
    }
  }

  // Reading

  @Test
  void aCopyByItselfSaysWhatItLetGoOfAndWhereElseItIs() throws IOException {
    List<BackupId> ids;
    try (Site site = create(WritePolicy.ALL, narrow("a", diskA), whole("b", diskB))) {
      ids = three(site);
      letGoAndSweep(site);
    }
    try (Site alone = Site.open(setup("alone", WritePolicy.ALL, narrow("a", diskA)), 9, 9)) {
      assertThat(alone.listed()).isEqualTo(ids);
      assertThat(alone.repository.backup(ids.get(0)).orElseThrow().copies()).isEmpty();
      for (BackupId id : ids.subList(0, 2)) {
        assertLetGo(() -> TestRepository.readAll(alone.repository, id), "backup.let-go");
        assertLetGo(
            () ->
                alone.repository.verify(
                    new VerifyRequest(Optional.of(id), VerifyRequest.Level.DATA, 100),
                    RunControl.unattended()),
            "backup.let-go");
      }
      WalArchive wal = alone.repository.wal("orders");
      assertLetGo(() -> wal.open(TestRepository.segment(1, 2)), "wal.let-go");
      assertThat(wal.open(TestRepository.segment(1, 4))).isPresent();
      assertThat(wal.open(TestRepository.segment(1, 9))).as("never stored").isEmpty();
      assertThat(alone.verify().damaged()).isEmpty();
    }
  }

  @Test
  void whatTheFirstCopyLetGoOfIsNotTakenForAbsentWhileTheOtherCannotBeAsked() throws IOException {
    try (Site site = create(WritePolicy.PRIMARY, narrow("a", diskA), whole("b", b))) {
      List<BackupId> ids = three(site);
      sync(site);
      site.verify();
      letGoAndSweep(site);
      assertThat(objects(diskA, "packs/")).hasSize(2);
      b.unavailable(true);
      WalArchive wal = site.repository.wal("orders");
      assertThatThrownBy(() -> wal.open(TestRepository.segment(1, 2)))
          .isInstanceOfSatisfying(
              StorageException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.TRANSIENT));
      assertThatThrownBy(() -> TestRepository.readAll(site.repository, ids.get(0)))
          .isInstanceOfSatisfying(
              StorageException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.TRANSIENT));
      assertThat(wal.open(TestRepository.segment(1, 9))).as("never stored").isEmpty();
      storeLog(site, 6);
      TestRepository.assertReads(site.repository, ids.get(2), truth.get(ids.get(2)));
      b.unavailable(false);
      assertAllRead(site);
    }
  }

  @Test
  void readingHealsNoCopyOfWhatItLetGoOf() throws IOException {
    try (Site site = create(WritePolicy.ALL, narrow("a", diskA), whole("b", diskB))) {
      List<BackupId> ids = three(site);
      letGoAndSweep(site);
      Set<String> onA = objects(diskA, "");
      for (String pack : objects(diskB, "packs/")) {
        diskB.flipBit(new ObjectKey(pack), 8000);
      }
      assertThatThrownBy(() -> TestRepository.readAll(site.repository, ids.get(0)))
          .isInstanceOfSatisfying(
              RepositoryException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.DAMAGED));
      TestRepository.assertReads(site.repository, ids.get(2), truth.get(ids.get(2)));
      assertThat(objects(diskA, "")).isEqualTo(onA);
    }
  }

  @Test
  void logThatACopyLetGoOfCountsAsStoredWhenItComesAgain() throws IOException {
    for (WritePolicy policy : List.of(WritePolicy.ALL, WritePolicy.PRIMARY)) {
      try (Site site = createOther(policy, narrow("a", diskA), whole("b", diskB))) {
        three(site);
        sync(site);
        site.verify();
        letGoAndSweep(site);
        byte[] log = TestRepository.wal(TestRepository.segment(1, 2), 2);
        assertThat(
                site.repository
                    .wal("orders")
                    .storeSegment(
                        TestRepository.segment(1, 2), ByteBuffer.wrap(log), WalMarks.NONE))
            .isEqualTo(WalArchive.Stored.ALREADY_PRESENT);
        assertThat(objects(diskA, "wal/")).hasSize(2);
      }
    }
  }

  // Copies

  @Test
  void aCopyThatLagsKeepsWhatItLetGoOfUntilItKnows() throws IOException {
    try (Site site = create(WritePolicy.PRIMARY, whole("a", diskA), narrow("b", diskB))) {
      List<BackupId> ids = three(site);
      sync(site);
      site.verify();
      sync(site);
      letGoAndSweep(site);
      assertThat(objects(diskB, "packs/")).hasSize(6);
      assertReadsAlone(diskB, ids);
      sync(site);
      prune(site, Duration.ZERO);
      sync(site);
      prune(site, Duration.ZERO);
      assertThat(objects(diskB, "packs/")).hasSize(2);
      assertThat(objects(diskB, "wal/")).hasSize(2);
      assertThat(objects(diskA, "packs/")).hasSize(6);
      sync(site);
      assertThat(objects(diskB, "packs/")).hasSize(2);
      assertThat(site.verify().damaged()).isEmpty();
    }
    assertReadsAlone(diskB, List.of(List.copyOf(truth.keySet()).get(2)));
  }

  @Test
  void aNewCopyGetsEverythingAndABrokenOneWhatItKeeps() throws IOException {
    List<BackupId> ids;
    try (Site site = create(WritePolicy.ALL, narrow("a", diskA), whole("b", diskB))) {
      ids = three(site);
      letGoAndSweep(site);
      for (String object : objects(diskA, "")) {
        if (object.startsWith("packs/") || object.startsWith("wal/")) {
          diskA.flipBit(new ObjectKey(object), 8000);
        }
      }
      HealReport healed = site.repository.healCopies(RunControl.unattended());
      assertThat(healed.whole()).as("%s", healed).isTrue();
      assertThat(objects(diskA, "packs/")).hasSize(2);
      assertReadsAlone(diskA, ids.subList(2, 3));
    }
    RepositorySetup more =
        setup("here", WritePolicy.ALL, narrow("a", diskA), whole("b", diskB), whole("c", diskC));
    TestRepository.FACTORY.init(more);
    try (Site site = Site.open(more, 1000, 1000)) {
      sync(site);
      assertReadsAlone(diskC, ids);
      assertThat(objects(diskA, "packs/")).hasSize(2);
    }
  }

  @Test
  void checkpointsAndReadersAgreeOnWhatWasLetGoOf() throws IOException {
    create(WritePolicy.ALL, narrow("a", diskA), whole("b", diskB)).close();
    RepositorySetup setup = setup("here", WritePolicy.ALL, narrow("a", diskA), whole("b", diskB));
    try (Site site = Site.open(setup, 1, 1)) {
      three(site);
      letGoAndSweep(site);
      prune(site, Duration.ofDays(1));
      assertThat(site.verify().damaged()).as("checkpoints say what commits do").isEmpty();
    }
    RepositorySetup blank = setup("blank", WritePolicy.ALL, narrow("a", diskA), whole("b", diskB));
    try (Site site = Site.open(blank, 1000, 1000)) {
      assertThat(site.services.log().hash(1)).as("opened from a checkpoint").isEmpty();
      assertThat(site.services.log().catalog().narrowed()).hasSize(1);
      assertAllRead(site);
      assertNothingComesBack(site);
      assertThat(prune(site, Duration.ZERO).copies().get(0).letGo()).isEmpty();
    }
  }

  @Test
  void whatASweepNamedAndDidNotRemoveTheNextOneDoes() throws IOException {
    FaultyObjectStore a = FaultyObjectStore.over(diskA);
    try (Site site = create(WritePolicy.ALL, narrow("a", a), whole("b", diskB))) {
      three(site);
      prune(site, Duration.ZERO);
    }
    clock.advance(Duration.ofHours(1));
    boolean failed = true;
    int left = 6;
    for (int call = 1; failed; call++) {
      FaultyObjectStore view = FaultyObjectStore.over(diskA);
      RepositorySetup setup = setup("here", WritePolicy.ALL, narrow("a", view), whole("b", diskB));
      try (Site site = Site.open(setup, 1000, 2)) {
        view.failAtCall(view.calls().size() + 10 + call, FaultyObjectStore.Fault.UNAVAILABLE);
        failed = false;
        prune(site, Duration.ZERO);
      } catch (StorageException e) {
        failed = true;
      }
      clock.advance(Duration.ofHours(1)); // its lease
      int now = objects(diskA, "packs/").size();
      assertThat(now).isBetween(2, left);
      left = now;
      failed &= call < 60;
    }
    try (Site site =
        Site.open(setup("here", WritePolicy.ALL, narrow("a", diskA), whole("b", diskB)), 9, 9)) {
      prune(site, Duration.ZERO);
      assertThat(objects(diskA, "packs/")).hasSize(2);
      assertThat(site.services.log().catalog().copySweeps()).isEmpty();
      assertAllRead(site);
      assertThat(site.verify().damaged()).isEmpty();
    }
  }

  // Helpers

  private Site create(WritePolicy policy, Copy... copies) throws IOException {
    return create(setup("here", policy, copies));
  }

  private Site createOther(Copy... copies) throws IOException {
    return createOther(WritePolicy.ALL, copies);
  }

  private Site createOther(WritePolicy policy, Copy... copies) throws IOException {
    for (MemoryObjectStore store : List.of(diskA, diskB)) {
      store.contents().keySet().forEach(key -> store.lose(new ObjectKey(key)));
    }
    truth.clear();
    return create(setup("other" + clock.instant() + policy, policy, copies));
  }

  private static Site create(RepositorySetup setup) throws IOException {
    TestRepository.FACTORY.init(setup);
    Site site = Site.open(setup, 1000, 1000);
    site.repository.register("orders", "postgres", TestRepository.CLUSTER);
    for (int segment = 1; segment <= 5; segment++) {
      storeLog(site, segment);
    }
    return site;
  }

  private RepositorySetup setup(String machine, WritePolicy policy, Copy... copies) {
    return Site.setup(state.resolve(machine), clock, policy, List.of(copies));
  }

  private static Copy narrow(String name, ObjectStore store) {
    return Copy.builder(store).name(name).retention(ONE).build();
  }

  private static Copy whole(String name, ObjectStore store) {
    return Copy.builder(store).name(name).build();
  }

  /** Verified backups with their log in the first, third and fourth of five segments. */
  private List<BackupId> three(Site site) throws IOException {
    List<BackupId> ids = List.of(backUp(site, 1, 1), backUp(site, 2, 3), backUp(site, 3, 4));
    site.verify();
    return ids;
  }

  private BackupId backUp(Site site, long seed, int segment) throws IOException {
    Map<String, byte[]> files = TestRepository.fewFiles(seed);
    try (BackupWriter writer = TestRepository.begin(site.repository)) {
      for (Map.Entry<String, byte[]> file : files.entrySet()) {
        TestRepository.write(writer, file.getKey(), file.getValue());
      }
      BackupId id = writer.commit(TestRepository.facts(segment), BackupStatus.COMPLETE).id();
      truth.put(id, files);
      return id;
    }
  }

  private static BackupWriter begin(Site site, BackupId base) throws IOException {
    return site.repository.begin(
        new BackupStart(
            "orders",
            BackupType.INCREMENTAL,
            Optional.of(base),
            Optional.empty(),
            TestRepository.NOW));
  }

  private BackupId backUpOver(Site site, BackupId base, long seed, int segment) throws IOException {
    Map<String, byte[]> files = new LinkedHashMap<>(truth.get(base));
    files.put("base/1/of-" + seed, TestRepository.fewFiles(seed).get("base/1/259"));
    try (BackupWriter writer = begin(site, base)) {
      write(writer, files);
      BackupId id = writer.commit(TestRepository.facts(segment), BackupStatus.COMPLETE).id();
      truth.put(id, files);
      return id;
    }
  }

  private static void write(BackupWriter writer, Map<String, byte[]> files) throws IOException {
    for (Map.Entry<String, byte[]> file : files.entrySet()) {
      byte[] content = file.getValue();
      try (BackupWriter.FileWriter out =
          writer.file(
              TestRepository.file(file.getKey(), content.length),
              PieceCheck.NONE,
              new Arrival.Compared())) {
        out.write(content, 0, content.length);
        out.finish();
      }
    }
  }

  private static void storeLog(Site site, int segment) throws IOException {
    byte[] wal = TestRepository.wal(TestRepository.segment(1, segment), segment);
    site.repository
        .wal("orders")
        .storeSegment(TestRepository.segment(1, segment), ByteBuffer.wrap(wal), WalMarks.NONE);
  }

  private static PruneReport prune(Site site, Duration grace) throws IOException {
    return site.repository.prune(
        PruneRequest.builder("orders", EVERYTHING).grace(grace).confirmed(true).build(),
        RunControl.unattended());
  }

  private void letGoAndSweep(Site site) throws IOException {
    prune(site, Duration.ZERO);
    clock.advance(Duration.ofMinutes(1));
    prune(site, Duration.ZERO);
  }

  private static void sync(Site site) throws IOException {
    SyncReport report = site.repository.syncCopies(RunControl.unattended());
    assertThat(report.complete()).as("%s", report).isTrue();
  }

  private void assertNothingComesBack(Site site) throws IOException {
    Set<String> onA = objects(diskA, "");
    sync(site);
    HealReport healed = site.repository.healCopies(RunControl.unattended());
    assertThat(healed.whole()).as("%s", healed).isTrue();
    assertThat(healed.repairs()).isEmpty();
    assertAllRead(site);
    Set<String> added = new TreeSet<>(objects(diskA, ""));
    added.removeAll(onA);
    assertThat(added).noneMatch(key -> key.startsWith("packs/") || key.startsWith("wal/"));
  }

  private void assertAllRead(Site site) throws IOException {
    site.repository.refresh();
    for (BackupId id : new ArrayList<>(truth.keySet())) {
      TestRepository.assertReads(site.repository, id, truth.get(id));
    }
  }

  private void assertReadsAlone(MemoryObjectStore store, List<BackupId> ids) throws IOException {
    MemoryObjectStore alone = store.copy();
    RepositorySetup setup =
        setup("alone" + System.identityHashCode(alone), WritePolicy.ALL, whole("alone", alone));
    try (Site site = Site.open(setup, 1000, 1000)) {
      for (BackupId id : ids) {
        TestRepository.assertReads(site.repository, id, truth.get(id));
      }
      assertThat(site.verify().damaged()).isEmpty();
    }
  }

  private interface Attempt {
    void run() throws IOException;
  }

  private static void assertLetGo(Attempt attempt, String code) {
    assertThatThrownBy(attempt::run)
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> {
              assertThat(e.code()).isEqualTo(code);
              assertThat(e.kind()).isEqualTo(FailureKind.NOT_FOUND);
              assertThat(e.getMessage()).contains("is not on memory any more");
              assertThat(e.remedy()).isEqualTo("Configure a copy that keeps it: b.");
            });
  }

  private static Set<String> objects(MemoryObjectStore store, String prefix) {
    Set<String> found = new TreeSet<>(store.contents().keySet());
    found.removeIf(
        key ->
            !key.startsWith(prefix)
                || key.startsWith("probe/")
                || key.startsWith("leases/")
                || key.equals("copy"));
    return found;
  }
}
