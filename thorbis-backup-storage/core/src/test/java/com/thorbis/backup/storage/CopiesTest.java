package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.CopiesReport;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.HealReport;
import com.thorbis.backup.api.SyncReport;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.InitReport;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.testkit.FaultyObjectStore;
import com.thorbis.backup.testkit.FaultyObjectStore.Fault;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A repository in several copies, from {@code init} to the loss of any of them. */
class CopiesTest {
  private static final Map<String, byte[]> FILES = TestRepository.fewFiles(1);

  @TempDir Path state;

  private final MemoryObjectStore diskA = MemoryObjectStore.create();
  private final MemoryObjectStore diskB = MemoryObjectStore.create();
  private final MemoryObjectStore diskC = MemoryObjectStore.create();
  private final FaultyObjectStore a = FaultyObjectStore.over(diskA);
  private final FaultyObjectStore b = FaultyObjectStore.over(diskB);
  private final FaultyObjectStore c = FaultyObjectStore.over(diskC);

  // Creating and adding

  @Test
  void initCreatesOnEveryCopy() throws IOException {
    InitReport report = TestRepository.FACTORY.init(setup(WritePolicy.PRIMARY, a, b));

    assertThat(report.created()).isTrue();
    assertThat(report.notes()).isEmpty();
    assertAlike(diskA, diskB);
    assertThat(diskA.contents()).containsKeys("copy", "repository");
    assertThat(diskA.content(new ObjectKey("copy")))
        .isNotEqualTo(diskB.content(new ObjectKey("copy")));
    InitReport again = TestRepository.FACTORY.init(setup(WritePolicy.PRIMARY, a, b));
    assertThat(again.created()).isFalse();
    assertThat(again.notes()).isEmpty();
  }

  @Test
  void aSingleCopyIsWrittenAsEver() throws IOException {
    TestRepository.FACTORY.init(setup(WritePolicy.PRIMARY, a));
    assertThat(diskA.contents()).doesNotContainKey("copy");
  }

  @Test
  void aCopyThatIsAddedIsFilledBySync() throws IOException {
    RepositorySetup alone = setup(WritePolicy.PRIMARY, a);
    TestRepository.FACTORY.init(alone);
    try (Repository repository = TestRepository.FACTORY.open(alone)) {
      repository.register("orders", "postgres", TestRepository.CLUSTER);
      backUp(repository, FILES);
    }
    RepositorySetup both = setup(WritePolicy.ALL, a, b);
    try (Repository repository = TestRepository.FACTORY.open(both)) {
      assertRefused(() -> backUp(repository, FILES), "repository.copies-unrecorded");
    }
    InitReport report = TestRepository.FACTORY.init(both);
    assertThat(report.created()).isFalse();
    assertThat(report.notes()).singleElement().asString().contains("copies sync");
    try (Repository repository = TestRepository.FACTORY.open(both)) {
      // Before it has what came before, a commit there would stand on nothing.
      assertRefused(() -> backUp(repository, FILES), "storage.copies-unavailable");
      SyncReport synced = repository.syncCopies(RunControl.unattended());
      assertThat(synced.complete()).isTrue();
      assertAlike(diskA, diskB);
      BackupDescriptor made = backUp(repository, FILES);
      assertThat(made.copies()).containsExactly("a", "b");
      assertAlike(diskA, diskB);
      assertThat(verify(repository).damaged()).isEmpty();
    }
    assertReadsFrom(diskB, 2);
  }

  // Policies

  @Test
  void primaryWritesOneAndSyncTheOthers() throws IOException {
    try (Repository repository = create(WritePolicy.PRIMARY, a, b)) {
      BackupDescriptor made = backUp(repository, FILES);
      assertThat(made.copies()).containsExactly("a");
      assertThat(diskB.contents().size()).isLessThan(diskA.contents().size());
      assertThat(verify(repository).damaged()).as("behind is not damaged").isEmpty();
      CopiesReport before = repository.copies(RunControl.unattended());
      assertThat(before.copies().get(0).contents().orElseThrow().complete()).isTrue();
      CopiesReport.Contents behind = before.copies().get(1).contents().orElseThrow();
      assertThat(behind.behindCommits()).as("a source, a backup, a proof").isEqualTo(3);
      assertThat(behind.behindObjects()).isPositive();
      assertThat(behind.behindBytes()).isPositive();

      assertThat(repository.syncCopies(RunControl.unattended()).complete()).isTrue();

      assertAlike(diskA, diskB);
      assertThat(
              repository
                  .copies(RunControl.unattended())
                  .copies()
                  .get(1)
                  .contents()
                  .orElseThrow()
                  .complete())
          .isTrue();
    }
    assertReadsFrom(diskB, 1);
  }

  @ParameterizedTest
  @EnumSource(
      value = Fault.class,
      names = {"UNAVAILABLE", "REQUEST_LOST", "ANSWER_LOST"})
  void everyCopyFailingAtEachCallLeavesBackupsThatRead(Fault fault) throws IOException {
    int combination =
        9 * List.of(Fault.ANSWER_LOST, Fault.UNAVAILABLE, Fault.REQUEST_LOST).indexOf(fault);
    for (WritePolicy policy : WritePolicy.values()) {
      for (int faulty = 0; faulty < 3; faulty++) {
        boolean reached = true;
        // Every call is hit by some policy, copy or fault.
        int first = 1 + combination++ % 13;
        for (int call = first; reached; call += 13) {
          String where = policy + " copy " + faulty + " call " + call;
          List<MemoryObjectStore> disks = new ArrayList<>();
          List<ObjectStore> stores = new ArrayList<>();
          for (int i = 0; i < 3; i++) {
            MemoryObjectStore disk = MemoryObjectStore.create();
            disks.add(disk);
            stores.add(disk);
          }
          Path local = state.resolve(where.replace(' ', '-') + fault);
          create(policy, local, stores).close();
          FaultyObjectStore failing = FaultyObjectStore.over(disks.get(faulty));
          failing.failAtCall(call, fault);
          stores.set(faulty, failing);
          boolean done = false;
          try {
            work(policy, local, stores);
            done = true;
          } catch (IOException e) {
            assertThat(e).as("%s", where).isInstanceOf(ClassifiedFailure.class);
            assertThat(((ClassifiedFailure) e).kind())
                .as("%s: %s", where, e)
                .isIn(FailureKind.TRANSIENT, FailureKind.OUTCOME_UNKNOWN);
          }
          reached = failing.calls().size() >= call;
          if (done) {
            assertCounted(policy, disks, where);
          }
          stores.set(faulty, disks.get(faulty));
          assertRecovers(policy, local, stores, where);
          assertAlikeButLeftovers(disks.get(0), disks.get(1));
          assertAlikeButLeftovers(disks.get(0), disks.get(2));
        }
      }
    }
  }

  /** Whatever a policy calls done lies whole on as many copies as it says. */
  private void assertCounted(WritePolicy policy, List<MemoryObjectStore> disks, String where)
      throws IOException {
    int holding = 0;
    for (MemoryObjectStore disk : disks) {
      try (Repository alone = openAlone(disk)) {
        if (!alone.backups(Optional.empty()).isEmpty()) {
          TestRepository.assertReads(alone, alone.backups(Optional.empty()).get(0).id(), FILES);
          assertThat(verify(alone).damaged()).as(where).isEmpty();
          holding++;
        }
      }
    }
    assertThat(holding).as(where).isGreaterThanOrEqualTo(policy.required(disks.size()));
  }

  private static void assertRecovers(
      WritePolicy policy, Path local, List<ObjectStore> stores, String where) throws IOException {
    try (Repository again = TestRepository.FACTORY.open(setup(policy, local, stores))) {
      assertThat(again.syncCopies(RunControl.unattended()).copies())
          .as(where)
          .allSatisfy(copy -> assertThat(copy.problems()).as(where).isEmpty());
      assertThat(verify(again).damaged()).as(where).isEmpty();
      for (BackupDescriptor backup : again.backups(Optional.empty())) {
        TestRepository.assertReads(again, backup.id(), FILES);
      }
    }
    work(policy, local, stores);
    try (Repository again = TestRepository.FACTORY.open(setup(policy, local, stores))) {
      assertThat(again.syncCopies(RunControl.unattended()).complete()).as(where).isTrue();
    }
  }

  private static void work(WritePolicy policy, Path local, List<ObjectStore> stores)
      throws IOException {
    try (Repository repository = TestRepository.FACTORY.open(setup(policy, local, stores))) {
      WalArchive wal = repository.wal("orders");
      byte[] segment = TestRepository.wal(TestRepository.segment(1, 1), 1);
      wal.storePart(
          TestRepository.segment(1, 1), 0, ByteBuffer.wrap(segment, 0, 5000), WalMarks.NONE);
      wal.storeSegment(TestRepository.segment(1, 1), ByteBuffer.wrap(segment), WalMarks.NONE);
      backUp(repository, FILES);
    }
  }

  // A copy is down

  @ParameterizedTest
  @EnumSource(WritePolicy.class)
  void withoutThePrimaryReadersReadAndWritersAreRefused(WritePolicy policy) throws IOException {
    BackupDescriptor made;
    try (Repository repository = create(policy, a, b, c)) {
      store(repository);
      made = backUp(repository, FILES);
      repository.syncCopies(RunControl.unattended());
      a.unavailable(true);
      assertThat(repository.wal("orders").ranges(TestRepository.TIMELINE)).hasSize(1);
      TestRepository.assertReads(repository, made.id(), FILES);
    }
    for (Path machine : List.of(state, state.resolve("blank"))) {
      try (Repository repository =
          TestRepository.FACTORY.open(setup(policy, machine, List.of(a, b, c)))) {
        TestRepository.assertReads(repository, made.id(), FILES);
        assertThatThrownBy(() -> backUp(repository, FILES))
            .isInstanceOfSatisfying(
                ClassifiedFailure.class,
                failure -> assertThat(failure.kind()).isEqualTo(FailureKind.TRANSIENT));
        assertThatThrownBy(() -> repository.wal("orders").open(TestRepository.segment(1, 77)))
            .as("absent is not what a copy that is behind says")
            .isInstanceOfSatisfying(
                ClassifiedFailure.class,
                failure -> assertThat(failure.kind()).isEqualTo(FailureKind.TRANSIENT));
        assertThat(repository.checkCopies().get(0).outcome()).isEqualTo(CheckItem.Outcome.FAIL);
        assertThat(repository.checkCopies().get(1).outcome()).isEqualTo(CheckItem.Outcome.OK);
      }
    }
    a.unavailable(false);
    try (Repository repository = TestRepository.FACTORY.open(setup(policy, a, b, c))) {
      assertThat(repository.backups(Optional.empty())).hasSize(1);
      backUp(repository, FILES);
    }
  }

  @Test
  void aFallbackThatIsBehindIsNoRollback() throws IOException {
    try (Repository repository = create(WritePolicy.PRIMARY, a, b)) {
      backUp(repository, FILES);
      repository.syncCopies(RunControl.unattended());
      backUp(repository, FILES);
    }
    a.unavailable(true);
    try (Repository repository = TestRepository.FACTORY.open(setup(WritePolicy.PRIMARY, a, b))) {
      assertThat(repository.backups(Optional.empty())).hasSize(1);
    }
    a.unavailable(false);
    try (Repository repository = TestRepository.FACTORY.open(setup(WritePolicy.PRIMARY, a, b))) {
      assertThat(repository.backups(Optional.empty())).hasSize(2);
    }
  }

  /** A machine that has seen more than a lagging copy holds: what was verified is written last. */
  private BackupDescriptor lagging() throws IOException {
    try (Repository repository = create(WritePolicy.PRIMARY, a, b)) {
      BackupDescriptor made = backUp(repository, FILES);
      repository.syncCopies(RunControl.unattended());
      assertThat(verify(repository).damaged()).isEmpty();
      return made;
    }
  }

  @Test
  void aLaggingCopyThatIsLeftAloneIsReadAndNotWritten() throws IOException {
    BackupDescriptor made = lagging();
    a.unavailable(true);
    for (RepositorySetup left :
        List.of(
            setup(WritePolicy.PRIMARY, b),
            setup(WritePolicy.PRIMARY, b, a),
            setup(WritePolicy.PRIMARY, a, b))) {
      try (Repository repository = TestRepository.FACTORY.open(left)) {
        TestRepository.assertReads(repository, made.id(), FILES);
        assertThatThrownBy(() -> backUp(repository, FILES)).isInstanceOf(IOException.class);
      }
    }
    try (Repository repository = TestRepository.FACTORY.open(setup(WritePolicy.PRIMARY, b))) {
      assertRefused(() -> backUp(repository, FILES), "repository.other-primary");
      assertThat(verify(repository).damaged()).isEmpty();
    }
    a.unavailable(false);
    try (Repository repository = TestRepository.FACTORY.open(setup(WritePolicy.PRIMARY, a, b))) {
      backUp(repository, FILES);
    }
  }

  @Test
  void aLaggingCopyThatIsPromotedInPlaceOfALostOneIsBelievedByThatMachine() throws IOException {
    BackupDescriptor made = lagging();
    TestRepository.FACTORY.promote(setup(WritePolicy.PRIMARY, b), true);
    for (int i = 0; i < 3; i++) { // past the commit that was seen
      try (Repository repository = TestRepository.FACTORY.open(setup(WritePolicy.PRIMARY, b))) {
        TestRepository.assertReads(repository, made.id(), FILES);
        backUp(repository, FILES);
      }
    }
  }

  @Test
  void aCopyThatWasSetBackAndIsNoneOfTheOthersIsStillNoticed() throws IOException {
    lagging();
    MemoryObjectStore before = diskB.copy();
    before.delete(new ObjectKey("copy"));
    assertRolledBack(before);
    before.put(new ObjectKey("copy"), ObjectSource.of(diskA.content(new ObjectKey("copy"))));
    assertRolledBack(before);
  }

  private void assertRolledBack(ObjectStore store) {
    assertThatThrownBy(() -> TestRepository.FACTORY.open(setup(WritePolicy.PRIMARY, store)).close())
        .isInstanceOfSatisfying(
            ClassifiedFailure.class,
            failure -> assertThat(failure.code()).isEqualTo("repository.rolled-back"));
  }

  @Test
  void anInterruptedCopySyncNeverBringsCommitsWithoutWhatTheyReferTo() throws IOException {
    int listings = 0;
    for (boolean reached = true; reached; listings++) {
      MemoryObjectStore full = MemoryObjectStore.create();
      MemoryObjectStore empty = MemoryObjectStore.create();
      Path local = state.resolve("listing-" + listings);
      try (Repository repository = create(WritePolicy.PRIMARY, local, List.of(full, empty))) {
        backUp(repository, FILES);
      }
      int number = listings;
      int[] seen = {0};
      ForwardingStore failing =
          new ForwardingStore(full) {
            @Override
            public ListPage list(String prefix, Optional<String> after) throws IOException {
              if (seen[0]++ == number) {
                throw new StorageException.Unavailable("List", prefix, null);
              }
              return super.list(prefix, after);
            }
          };
      try (Repository repository =
          TestRepository.FACTORY.open(setup(WritePolicy.PRIMARY, local, List.of(failing, empty)))) {
        repository.syncCopies(RunControl.unattended());
      } catch (IOException e) {
        assertThat(e).isInstanceOf(ClassifiedFailure.class);
      }
      reached = seen[0] > number;
      try (Repository alone = openAlone(empty)) {
        for (BackupDescriptor backup : alone.backups(Optional.empty())) {
          TestRepository.assertReads(alone, backup.id(), FILES);
        }
      }
    }
    assertThat(listings).isGreaterThan(5);
  }

  @Test
  void s7ASyncOfWhichNoListingShowsAnythingStillBringsWhatCommitsReferTo() throws IOException {
    try (Repository repository = create(WritePolicy.PRIMARY, diskA, diskB)) {
      backUp(repository, FILES);
    }
    ForwardingStore blind =
        new ForwardingStore(diskA) {
          @Override
          public ListPage list(String prefix, Optional<String> after) throws IOException {
            return prefix.equals("packs/") || prefix.equals("manifests/")
                ? new ListPage(List.of(), Optional.empty())
                : super.list(prefix, after);
          }
        };
    try (Repository repository =
        TestRepository.FACTORY.open(setup(WritePolicy.PRIMARY, blind, diskB))) {
      assertThat(repository.syncCopies(RunControl.unattended()).complete()).isTrue();
    }
    assertReadsFrom(diskB, 1);
  }

  @Test
  void s7AListingOfCommitsThatIsShortHidesNoDamageFromHealing() throws IOException {
    try (Repository repository = create(WritePolicy.ALL, diskA, diskB)) {
      backUp(repository, FILES);
    }
    ObjectKey pack =
        diskB.contents().keySet().stream()
            .filter(name -> name.startsWith("packs/"))
            .map(ObjectKey::new)
            .findFirst()
            .orElseThrow();
    diskB.flipBit(pack, 4L * diskB.content(pack).length);
    ForwardingStore blind =
        new ForwardingStore(diskB) {
          @Override
          public ListPage list(String prefix, Optional<String> after) throws IOException {
            return prefix.equals("commits/")
                ? new ListPage(List.of(), Optional.empty())
                : super.list(prefix, after);
          }
        };
    try (Repository repository =
        TestRepository.FACTORY.open(setup(WritePolicy.ALL, diskA, blind))) {
      HealReport report = repository.healCopies(RunControl.unattended());
      assertThat(report.repairs()).extracting(HealReport.Repair::object).contains(pack.value());
      assertThat(report.whole()).isTrue();
    }
    assertReadsFrom(diskB, 1);
  }

  @Test
  void s3AFirstCopyThatSaysItTookAPackAndDidNotEndsTheBackupThoughTheOthersHaveIt()
      throws IOException {
    create(WritePolicy.ALL, diskA, diskB).close();
    ForwardingStore liar =
        new ForwardingStore(diskA) {
          @Override
          public ObjectUpload startUpload(ObjectKey key) throws IOException {
            ObjectUpload upload = super.startUpload(key);
            if (!key.value().startsWith("packs/")) {
              return upload;
            }
            ByteArrayOutputStream taken = new ByteArrayOutputStream();
            return new ObjectUpload() {
              @Override
              public OutputStream body() {
                return taken;
              }

              @Override
              public ObjectInfo commit() {
                return ObjectInfo.of(key, taken.size(), TestRepository.NOW);
              }

              @Override
              public void close() throws IOException {
                upload.close();
              }
            };
          }
        };
    try (Repository repository = TestRepository.FACTORY.open(setup(WritePolicy.ALL, liar, diskB))) {
      assertThatThrownBy(() -> backUp(repository, FILES))
          .isInstanceOf(StorageException.OutcomeUnknown.class);
      repository.refresh();
      assertThat(repository.backups(Optional.empty())).isEmpty();
    }
  }

  @Test
  void aPrimaryThatWasSetBackIsNoticed() throws IOException {
    create(WritePolicy.PRIMARY, a, b).close();
    MemoryObjectStore before = diskA.copy();
    try (Repository repository = TestRepository.FACTORY.open(setup(WritePolicy.PRIMARY, a, b))) {
      backUp(repository, FILES);
    }
    assertThatThrownBy(
            () -> TestRepository.FACTORY.open(setup(WritePolicy.PRIMARY, before, b)).close())
        .isInstanceOfSatisfying(
            ClassifiedFailure.class,
            failure -> assertThat(failure.code()).isEqualTo("repository.rolled-back"));
  }

  @Test
  void quorumDoesWithoutOneOfThreeAndAllDoesNot() throws IOException {
    try (Repository repository = create(WritePolicy.QUORUM, a, b, c)) {
      c.unavailable(true);
      backUp(repository, FILES);
      byte[] segment = TestRepository.wal(TestRepository.segment(1, 1), 1);
      repository
          .wal("orders")
          .storeSegment(TestRepository.segment(1, 1), ByteBuffer.wrap(segment), WalMarks.NONE);
      assertThat(repository.wal("orders").open(TestRepository.segment(1, 2))).isEmpty();
      b.unavailable(true);
      assertThatThrownBy(() -> backUp(repository, FILES)).isInstanceOf(IOException.class);
      assertThatThrownBy(() -> repository.wal("orders").open(TestRepository.segment(1, 2)))
          .isInstanceOf(IOException.class);
      b.unavailable(false);
      c.unavailable(false);
      // It takes part again as soon as it has what it missed.
      backUp(repository, FILES);
    }
    try (Repository alone = openAlone(diskC)) {
      assertThat(verify(alone).damaged()).isEmpty();
    }
    try (Repository repository = TestRepository.FACTORY.open(setup(WritePolicy.ALL, a, b, c))) {
      assertThat(repository.syncCopies(RunControl.unattended()).complete()).isTrue();
      c.unavailable(true);
      assertThatThrownBy(() -> backUp(repository, FILES)).isInstanceOf(IOException.class);
    }
  }

  @Test
  void walThatOnlyThePrimaryTookIsNotCountedByRepeating() throws IOException {
    byte[] segment = TestRepository.wal(TestRepository.segment(1, 1), 1);
    try (Repository repository = create(WritePolicy.ALL, a, b)) {
      WalArchive wal = repository.wal("orders");
      for (ThrowingCallable store :
          List.<ThrowingCallable>of(
              () ->
                  wal.storePart(
                      TestRepository.segment(1, 1),
                      0,
                      ByteBuffer.wrap(segment, 0, 5000),
                      WalMarks.NONE),
              () ->
                  wal.storeSegment(
                      TestRepository.segment(1, 1), ByteBuffer.wrap(segment), WalMarks.NONE),
              () -> wal.storeHistory(TestRepository.TIMELINE, new byte[] {1}))) {
        int before = diskA.contents().size();
        b.failAtChange(b.changes() + 1, Fault.UNAVAILABLE);
        assertThatThrownBy(store)
            .isInstanceOfSatisfying(
                ClassifiedFailure.class,
                failure -> {
                  assertThat(failure.code()).isEqualTo("storage.copies-behind");
                  assertThat(failure.kind()).isEqualTo(FailureKind.OUTCOME_UNKNOWN);
                });
        assertThat(diskA.contents()).hasSize(before + 1);
        b.unavailable(true);
        assertThatThrownBy(store).as("repeated").isInstanceOf(IOException.class);
        b.unavailable(false);
        assertThat(catchThrowable(store)).isNull();
        assertAlike(diskA, diskB);
      }
    }
  }

  // Who decides

  @Test
  void writersWithAnotherOrderAreRefused() throws IOException {
    create(WritePolicy.ALL, a, b).close();
    try (Repository other = TestRepository.FACTORY.open(setup(WritePolicy.ALL, b, a))) {
      assertRefused(() -> backUp(other, FILES), "repository.other-primary");
    }
    try (Repository other = TestRepository.FACTORY.open(setup(WritePolicy.PRIMARY, b))) {
      assertRefused(() -> backUp(other, FILES), "repository.other-primary");
      assertRefused(() -> store(other), "repository.other-primary");
      assertRefused(
          () -> other.wal("orders").storeHistory(TestRepository.TIMELINE, new byte[] {1}),
          "repository.other-primary");
    }
    assertAlike(diskA, diskB);
    try (Repository same = TestRepository.FACTORY.open(setup(WritePolicy.PRIMARY, a))) {
      backUp(same, FILES);
    }
  }

  @Test
  void aCommitThatThePrimaryTookIsACommit() throws IOException {
    try (Repository repository = create(WritePolicy.ALL, a, b)) {
      int commits = commits(diskA);
      FaultyObjectStore counting = FaultyObjectStore.over(diskB.copy());
      int before;
      try (Repository rehearsal =
          TestRepository.FACTORY.open(
              setup(
                  WritePolicy.ALL, state.resolve("rehearsal"), List.of(diskA.copy(), counting)))) {
        rehearsal.probeCopies(); // as init did for the other one
        before = counting.changes();
        backUp(rehearsal, FILES);
      }
      b.failAtChange(b.changes() + counting.changes() - before, Fault.UNAVAILABLE);
      assertThatThrownBy(() -> backUp(repository, FILES))
          .isInstanceOfSatisfying(
              ClassifiedFailure.class,
              failure -> {
                assertThat(failure.code()).isEqualTo("storage.copies-behind");
                assertThat(failure.kind()).isEqualTo(FailureKind.OUTCOME_UNKNOWN);
              });
      assertThat(commits(diskA)).isEqualTo(commits + 1);
      assertThat(commits(diskB)).isEqualTo(commits);
      repository.refresh();
      assertThat(repository.backups(Optional.empty())).hasSize(1);
      assertThat(repository.syncCopies(RunControl.unattended()).complete()).isTrue();
      assertAlike(diskA, diskB);
    }
  }

  @Test
  void promotingIsACommitOnTheOldPrimary() throws IOException {
    create(WritePolicy.PRIMARY, a, b).close();
    try (Repository old = TestRepository.FACTORY.open(setup(WritePolicy.PRIMARY, a, b))) {
      backUp(old, FILES);
      assertRefused(
          () -> TestRepository.FACTORY.promote(setup(WritePolicy.PRIMARY, b, a), false),
          "repository.copy-behind");
      old.syncCopies(RunControl.unattended());

      TestRepository.FACTORY.promote(setup(WritePolicy.PRIMARY, b, a), false);

      assertRefused(() -> backUp(old, FILES), "repository.other-primary");
    }
    try (Repository next = TestRepository.FACTORY.open(setup(WritePolicy.ALL, b, a))) {
      backUp(next, FILES);
      assertThat(verify(next).damaged()).isEmpty();
      assertThat(next.syncCopies(RunControl.unattended()).complete()).isTrue();
    }
    // What the refused one left belongs to no backup and stays where it is.
    Set<String> left = new TreeSet<>(diskA.contents().keySet());
    left.removeAll(diskB.contents().keySet());
    left.removeIf(name -> name.startsWith("leases/") || name.startsWith("probe/"));
    assertThat(left)
        .isNotEmpty()
        .allMatch(name -> name.startsWith("packs/") || name.startsWith("manifests/"));
    left.forEach(name -> diskA.lose(new ObjectKey(name)));
    assertAlike(diskA, diskB);
  }

  @Test
  void aPrimaryThatIsLostIsReplacedOnPurposeOnly() throws IOException {
    try (Repository repository = create(WritePolicy.PRIMARY, a, b)) {
      backUp(repository, FILES);
      repository.syncCopies(RunControl.unattended());
    }
    MemoryObjectStore fresh = MemoryObjectStore.create(); // the disk was replaced
    RepositorySetup replaced = setup(WritePolicy.PRIMARY, fresh, b);
    InitReport report = TestRepository.FACTORY.init(replaced);
    assertThat(report.created()).isFalse();
    assertThat(report.notes()).anyMatch(note -> note.contains("copies promote"));
    try (Repository repository = TestRepository.FACTORY.open(replaced)) {
      assertRefused(() -> backUp(repository, FILES), "repository.other-primary");
      assertRefused(() -> TestRepository.FACTORY.promote(replaced, true), "repository.copy-behind");
      assertThat(repository.syncCopies(RunControl.unattended()).complete()).isTrue();
    }
    assertRefused(
        () -> TestRepository.FACTORY.promote(replaced, false), "repository.primary-unreachable");
    TestRepository.FACTORY.promote(replaced, true);
    try (Repository repository = TestRepository.FACTORY.open(replaced)) {
      backUp(repository, FILES);
      repository.syncCopies(RunControl.unattended());
      assertThat(verify(repository).damaged()).isEmpty();
      repository.syncCopies(RunControl.unattended());
    }
    assertAlike(fresh, diskB);
  }

  @Test
  void anEmptiedPrimaryIsNeverTakenForANewRepository() throws IOException {
    create(WritePolicy.PRIMARY, a, b).close();
    MemoryObjectStore empty = MemoryObjectStore.create();
    b.unavailable(true);
    RepositorySetup setup = setup(WritePolicy.PRIMARY, empty, b);
    assertThatThrownBy(() -> TestRepository.FACTORY.init(setup)).isInstanceOf(IOException.class);
    assertThat(empty.contents().keySet()).isSubsetOf("copy");
    assertThatThrownBy(() -> TestRepository.FACTORY.open(setup).close())
        .isInstanceOfSatisfying(
            ClassifiedFailure.class,
            failure -> assertThat(failure.kind()).isEqualTo(FailureKind.TRANSIENT));
  }

  @Test
  void aPlaceOfAnotherRepositoryIsRefused() throws IOException {
    create(WritePolicy.PRIMARY, a).close();
    create(WritePolicy.PRIMARY, state.resolve("other"), List.of(diskC)).close();
    Map<String, byte[]> before = diskC.contents();
    assertRefused(
        () -> TestRepository.FACTORY.init(setup(WritePolicy.PRIMARY, a, c)), "repository.other");
    assertSame(diskC, before);
    assertThat(diskA.contents()).doesNotContainKey("copy");
  }

  @Test
  void onePlaceUnderTwoNamesIsRefused() {
    assertThatThrownBy(() -> TestRepository.FACTORY.init(setup(WritePolicy.PRIMARY, diskA, diskA)))
        .isInstanceOfSatisfying(
            ClassifiedFailure.class,
            failure -> assertThat(failure.code()).isEqualTo("configuration.copies"));
  }

  @Test
  void twoWritersCommitOneAfterTheOther() throws IOException {
    create(WritePolicy.ALL, a, b).close();
    try (Repository one = TestRepository.FACTORY.open(setup(WritePolicy.ALL, a, b));
        Repository other =
            TestRepository.FACTORY.open(
                setup(WritePolicy.PRIMARY, state.resolve("other"), List.of(a, b)))) {
      for (int round = 0; round < 3; round++) {
        backUp(one, FILES);
        backUp(other, FILES);
        one.syncCopies(RunControl.unattended());
      }
      one.refresh();
      assertThat(one.backups(Optional.empty())).hasSize(6);
    }
    assertAlike(diskA, diskB);
  }

  // Damage

  @Test
  void everyDamagedObjectOfACopyIsReadFromTheOtherAndHealed() throws IOException {
    BackupDescriptor made;
    try (Repository repository = create(WritePolicy.ALL, a, b)) {
      store(repository);
      made = backUp(repository, FILES);
    }
    Map<String, byte[]> sound = diskA.contents();
    for (String name : sound.keySet()) {
      if (name.equals("copy") || name.startsWith("probe/")) {
        continue;
      }
      ObjectKey key = new ObjectKey(name);
      for (Consumer<ObjectKey> damage :
          List.<Consumer<ObjectKey>>of(
              one -> diskA.flipBit(one, 8L * (sound.get(name).length / 2)),
              one -> diskA.replace(one, Arrays.copyOf(sound.get(name), 100)))) {
        damage.accept(key);
        try (Repository repository = TestRepository.FACTORY.open(setup(WritePolicy.ALL, a, b))) {
          TestRepository.assertReads(repository, made.id(), FILES);
          WalArchive wal = repository.wal("orders");
          assertThat(wal.open(TestRepository.segment(1, 1)).orElseThrow().complete()).isTrue();
          assertThat(wal.open(TestRepository.segment(1, 2)).orElseThrow().bytes().remaining())
              .isEqualTo(5000);
          assertThat(wal.history(TestRepository.TIMELINE)).isPresent();
        }
        if (name.equals("repository") || name.startsWith("keys/")) {
          // Read before anything can be proven: only looked at by those who look at everything.
          try (Repository repository = TestRepository.FACTORY.open(setup(WritePolicy.ALL, a, b))) {
            assertThat(repository.healCopies(RunControl.unattended()).whole()).as(name).isTrue();
          }
        }
        assertThat(diskA.content(key)).as("%s is healed", name).isEqualTo(sound.get(name));
      }
    }
  }

  @Test
  void whereRemovingIsRefusedDamageStaysAndReadsGoOn() throws IOException {
    BackupDescriptor made;
    try (Repository repository = create(WritePolicy.ALL, a, b)) {
      made = backUp(repository, FILES);
    }
    ObjectKey pack = pack(diskA);
    byte[] sound = diskA.content(pack);
    diskA.flipBit(pack, 8L * (sound.length / 2));
    byte[] damaged = diskA.content(pack);
    LockedStore locked = new LockedStore(diskA);
    try (Repository repository = TestRepository.FACTORY.open(setup(WritePolicy.ALL, locked, b))) {
      TestRepository.assertReads(repository, made.id(), FILES);
      assertThat(diskA.content(pack)).isEqualTo(damaged);
      HealReport report = repository.healCopies(RunControl.unattended());
      assertThat(report.whole()).isFalse();
      assertThat(report.repairs())
          .singleElement()
          .satisfies(
              repair -> {
                assertThat(repair.object()).isEqualTo(pack.value());
                assertThat(repair.healed()).isFalse();
                assertThat(repair.problem()).contains("cannot be removed");
              });
      assertThat(diskB.content(pack)).isEqualTo(sound);
    }
  }

  @Test
  void copiesDamagedInDifferentPlacesHealEachOther() throws IOException {
    try (Repository repository = create(WritePolicy.ALL, a, b)) {
      store(repository);
      backUp(repository, FILES);
      Map<String, byte[]> sound = diskA.contents();
      int number = 0;
      for (String name : sound.keySet()) {
        if (name.equals("copy") || name.startsWith("probe/")) {
          continue;
        }
        MemoryObjectStore victim = number % 2 == 0 ? diskA : diskB;
        if (number % 3 == 0) {
          victim.delete(new ObjectKey(name));
        } else {
          victim.flipBit(new ObjectKey(name), 8L * (sound.get(name).length - 1));
        }
        number++;
      }
      VerifyReport found = verify(repository);
      assertThat(found.damaged()).isNotEmpty();
      assertThat(found.damaged())
          .filteredOn(damage -> damage.kind().equals("altered"))
          .allSatisfy(damage -> assertThat(damage.healable()).as("%s", damage).isTrue());

      HealReport report = repository.healCopies(RunControl.unattended());
      repository.syncCopies(RunControl.unattended());

      assertThat(report.repairs())
          .allSatisfy(repair -> assertThat(repair.healed()).as("%s", repair).isTrue());
      assertThat(report.whole()).isTrue();
      assertThat(verify(repository).damaged()).isEmpty();
      assertAlike(diskA, diskB);
      sound.forEach((name, bytes) -> assertThat(diskA.contents().get(name)).isEqualTo(bytes));
    }
  }

  @Test
  void r18WhatIsDamagedEverywhereIsLeftAlone() throws IOException {
    try (Repository repository = create(WritePolicy.ALL, a, b)) {
      backUp(repository, FILES);
      ObjectKey pack = pack(diskA);
      diskA.flipBit(pack, 8L * 1000);
      diskB.flipBit(pack, 8L * 2000);
      Map<String, byte[]> onA = diskA.contents();
      Map<String, byte[]> onB = diskB.contents();

      HealReport report = repository.healCopies(RunControl.unattended());

      assertThat(report.whole()).isFalse();
      assertThat(report.repairs()).hasSize(2).noneMatch(HealReport.Repair::healed);
      assertSame(diskA, onA);
      assertSame(diskB, onB);
      assertThat(verify(repository).damaged())
          .isNotEmpty()
          .noneMatch(VerifyReport.Damage::healable);
    }
  }

  // Catching up

  @ParameterizedTest
  @EnumSource(
      value = Fault.class,
      names = {"DEATH_BEFORE", "DEATH_AFTER"})
  void syncIsResumedAfterACrashAtEveryChange(Fault fault) throws IOException {
    try (Repository repository = create(WritePolicy.PRIMARY, a, b)) {
      store(repository);
      backUp(repository, FILES);
    }
    boolean died = true;
    // Dying at a call that only reads leaves what dying before the next change leaves.
    for (int call = 1; died; call++) {
      MemoryObjectStore target = diskB.copy();
      FaultyObjectStore dying = FaultyObjectStore.over(target).failAtChange(call, fault);
      Path local = state.resolve(fault + "-" + call);
      try (Repository repository =
          TestRepository.FACTORY.open(setup(WritePolicy.PRIMARY, local, List.of(diskA, dying)))) {
        repository.syncCopies(RunControl.unattended());
      } catch (FaultyObjectStore.Died e) {
        // The process is gone; what it left is looked at below.
      }
      died = dying.dead();
      // A copy is a repository by itself at any moment: whatever it knows of is there.
      try (Repository alone = openAlone(target)) {
        assertThat(verify(alone).damaged()).as("change %d", call).isEmpty();
        for (BackupDescriptor backup : alone.backups(Optional.empty())) {
          TestRepository.assertReads(alone, backup.id(), FILES);
        }
      }
      try (Repository repository =
          TestRepository.FACTORY.open(setup(WritePolicy.PRIMARY, local, List.of(diskA, target)))) {
        assertThat(repository.syncCopies(RunControl.unattended()).complete()).isTrue();
      }
      assertAlike(diskA, target);
    }
  }

  @Test
  void anEmptyCopyIsNoRepositoryUntilItIsWhole() throws IOException {
    try (Repository repository = create(WritePolicy.PRIMARY, a, b)) {
      backUp(repository, FILES);
    }
    boolean died = true;
    int changes = 0;
    for (int change = 1; died; change++) {
      MemoryObjectStore target = MemoryObjectStore.create();
      FaultyObjectStore dying =
          FaultyObjectStore.over(target).failAtChange(change, Fault.DEATH_AFTER);
      try (Repository repository =
          TestRepository.FACTORY.open(setup(WritePolicy.PRIMARY, state, List.of(diskA, dying)))) {
        repository.syncCopies(RunControl.unattended());
      } catch (FaultyObjectStore.Died e) {
        // The process is gone; what it left is looked at below.
      }
      if (!target.contents().containsKey("repository")) {
        assertThatThrownBy(() -> openAlone(target).close())
            .as("after change %d", change)
            .isInstanceOf(IOException.class);
      }
      died = dying.dead();
      changes++;
      if (target.contents().containsKey("repository")) {
        assertReadsFrom(target, 1);
        break;
      }
    }
    assertThat(changes).isGreaterThan(4);
  }

  @Test
  void aShortListingHidesNothingThatSyncOrReadersNeed() throws IOException {
    try (Repository repository = create(WritePolicy.ALL, a, b)) {
      store(repository);
      BackupDescriptor made = backUp(repository, FILES);
      ShortListing half = new ShortListing(diskA);
      try (Repository other =
          TestRepository.FACTORY.open(setup(WritePolicy.ALL, state, List.of(half, diskB)))) {
        TestRepository.assertReads(other, made.id(), FILES);
        assertThat(other.wal("orders").ranges(TestRepository.TIMELINE))
            .isEqualTo(repository.wal("orders").ranges(TestRepository.TIMELINE));
        SyncReport report = other.syncCopies(RunControl.unattended());
        assertThat(report.complete()).isTrue();
      }
      assertAlike(diskA, diskB);
    }
  }

  @Test
  void aCopyOfAnotherHistoryIsLeftAlone() throws IOException {
    create(WritePolicy.PRIMARY, a, b).close();
    MemoryObjectStore other = diskA.copy();
    try (Repository repository =
        TestRepository.FACTORY.open(
            setup(WritePolicy.PRIMARY, state.resolve("other"), List.of(other)))) {
      backUp(repository, FILES);
    }
    try (Repository repository = TestRepository.FACTORY.open(setup(WritePolicy.PRIMARY, a))) {
      backUp(repository, FILES);
    }
    Map<String, byte[]> before = other.contents();
    try (Repository repository =
        TestRepository.FACTORY.open(setup(WritePolicy.PRIMARY, a, other))) {
      SyncReport report = repository.syncCopies(RunControl.unattended());
      assertThat(report.copies().get(1).problems())
          .singleElement()
          .asString()
          .contains("of another history");
      HealReport healed = repository.healCopies(RunControl.unattended());
      assertThat(healed.whole()).isFalse();
      assertThat(healed.repairs())
          .filteredOn(repair -> repair.object().startsWith("commits/"))
          .isNotEmpty()
          .noneMatch(HealReport.Repair::healed);
    }
    before.forEach((name, bytes) -> assertThat(other.contents().get(name)).isEqualTo(bytes));
  }

  @Test
  void anOldPrimaryThatReturnsWithCommitsOfItsOwnStopsNobody() throws IOException {
    try (Repository old = create(WritePolicy.PRIMARY, a, b)) {
      assertThat(old.syncCopies(RunControl.unattended()).complete()).isTrue();
      backUp(old, FILES); // never reached the other
      backUp(old, FILES);
    }
    a.unavailable(true);
    Path other = state.resolve("other");
    RepositorySetup swapped = setup(WritePolicy.PRIMARY, other, List.of(b, a));
    TestRepository.FACTORY.promote(swapped, true);
    try (Repository next = TestRepository.FACTORY.open(swapped)) {
      backUp(next, FILES);
    }
    a.unavailable(false);
    Map<String, byte[]> commits = diskA.contents();
    commits.keySet().removeIf(name -> !name.startsWith("commits/"));
    try (Repository next = TestRepository.FACTORY.open(swapped)) {
      assertThat(next.backups(Optional.empty())).hasSize(1);
      backUp(next, FILES);
      assertThat(next.syncCopies(RunControl.unattended()).copies().get(1).problems()).isNotEmpty();
    }
    commits.forEach((name, bytes) -> assertThat(diskA.contents().get(name)).isEqualTo(bytes));
  }

  // Helpers

  private Repository create(WritePolicy policy, ObjectStore... stores) throws IOException {
    return create(policy, state, List.of(stores));
  }

  private static Repository create(WritePolicy policy, Path local, List<ObjectStore> stores)
      throws IOException {
    RepositorySetup setup = setup(policy, local, stores);
    TestRepository.FACTORY.init(setup);
    Repository repository = TestRepository.FACTORY.open(setup);
    repository.register("orders", "postgres", TestRepository.CLUSTER);
    return repository;
  }

  private RepositorySetup setup(WritePolicy policy, ObjectStore... stores) {
    return setup(policy, state, List.of(stores));
  }

  private static RepositorySetup setup(
      WritePolicy policy, Path local, List<? extends ObjectStore> stores) {
    RepositorySetup.Builder setup =
        RepositorySetup.builder()
            .recipient(TestRepository.RECIPIENT)
            .acceptSingleKeyRisk(true)
            .parallelism(2)
            .stateDirectory(local)
            .writePolicy(policy)
            .clock(TestRepository.CLOCK);
    for (int i = 0; i < stores.size(); i++) {
      setup.copy(Copy.builder(stores.get(i)).name(Character.toString((char) ('a' + i))).build());
    }
    return setup.build();
  }

  private Repository openAlone(ObjectStore store) throws IOException {
    return TestRepository.FACTORY.open(
        setup(
            WritePolicy.PRIMARY,
            state.resolve("alone" + System.identityHashCode(store)),
            List.of(store)));
  }

  private void assertReadsFrom(ObjectStore store, int backups) throws IOException {
    try (Repository alone = openAlone(store)) {
      assertThat(alone.backups(Optional.empty())).hasSize(backups);
      for (BackupDescriptor backup : alone.backups(Optional.empty())) {
        TestRepository.assertReads(alone, backup.id(), FILES);
      }
      assertThat(verify(alone).damaged()).isEmpty();
    }
  }

  private static void store(Repository repository) throws IOException {
    WalArchive wal = repository.wal("orders");
    byte[] one = TestRepository.wal(TestRepository.segment(1, 1), 1);
    byte[] two = TestRepository.wal(TestRepository.segment(1, 2), 2);
    wal.storeSegment(TestRepository.segment(1, 1), ByteBuffer.wrap(one), WalMarks.NONE);
    wal.storePart(TestRepository.segment(1, 2), 0, ByteBuffer.wrap(two, 0, 5000), WalMarks.NONE);
    wal.storeHistory(TestRepository.TIMELINE, new byte[] {1, 2, 3});
  }

  /** With the log that it needs. */
  private static BackupDescriptor backUp(Repository repository, Map<String, byte[]> files)
      throws IOException {
    byte[] segment = TestRepository.wal(TestRepository.segment(1, 1), 1);
    repository
        .wal("orders")
        .storeSegment(TestRepository.segment(1, 1), ByteBuffer.wrap(segment), WalMarks.NONE);
    return TestRepository.backUp(repository, files);
  }

  private static VerifyReport verify(Repository repository) throws IOException {
    return repository.verify(
        new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 100),
        RunControl.unattended());
  }

  private static ObjectKey pack(MemoryObjectStore store) {
    return new ObjectKey(
        store.contents().entrySet().stream()
            .filter(entry -> entry.getKey().startsWith("packs/"))
            .max(Comparator.comparingInt(entry -> entry.getValue().length))
            .orElseThrow()
            .getKey());
  }

  private static int commits(MemoryObjectStore store) {
    return (int)
        store.contents().keySet().stream().filter(key -> key.startsWith("commits/")).count();
  }

  private static void assertRefused(ThrowingCallable action, String code) {
    assertThatThrownBy(action)
        .isInstanceOfSatisfying(
            ClassifiedFailure.class,
            failure -> {
              assertThat(failure.code()).as("%s", failure).isEqualTo(code);
              assertThat(failure.kind()).isEqualTo(FailureKind.REFUSED);
            });
  }

  private static void assertAlike(MemoryObjectStore one, MemoryObjectStore other) {
    Set<String> names = new TreeSet<>(one.contents().keySet());
    names.addAll(other.contents().keySet());
    for (String name : names) {
      if (!name.equals("copy") && !name.startsWith("probe/") && !name.startsWith("leases/")) {
        assertThat(one.contents().get(name)).as(name).isEqualTo(other.contents().get(name));
      }
    }
  }

  /** Whatever an interrupted run left belongs to no backup, and stays where it is. */
  private static void assertAlikeButLeftovers(MemoryObjectStore one, MemoryObjectStore other) {
    MemoryObjectStore first = one.copy();
    MemoryObjectStore second = other.copy();
    removeOwn(first, second.contents().keySet());
    removeOwn(second, first.contents().keySet());
    assertAlike(first, second);
  }

  private static void removeOwn(MemoryObjectStore store, Set<String> others) {
    for (String name : store.contents().keySet()) {
      if (!others.contains(name) && (name.startsWith("packs/") || name.startsWith("manifests/"))) {
        store.lose(new ObjectKey(name));
      }
    }
  }

  private static void assertSame(MemoryObjectStore store, Map<String, byte[]> before) {
    assertThat(store.contents().keySet()).isEqualTo(before.keySet());
    before.forEach((name, bytes) -> assertThat(store.contents().get(name)).isEqualTo(bytes));
  }

  /** A store that lets nobody remove anything. */
  private static final class LockedStore extends ForwardingStore {
    LockedStore(ObjectStore store) {
      super(store);
    }

    @Override
    public void delete(ObjectKey key) throws IOException {
      throw new StorageException(
          "storage.locked",
          FailureKind.REFUSED,
          key + " is locked",
          key.value(),
          "Wait until the lock ends.",
          null);
    }
  }

  /** A store whose listings lack every other object. */
  private static final class ShortListing extends ForwardingStore {
    ShortListing(ObjectStore store) {
      super(store);
    }

    @Override
    public ListPage list(String prefix, Optional<String> after) throws IOException {
      ListPage page = super.list(prefix, after);
      return new ListPage(
          page.objects().stream().filter(info -> info.key().value().hashCode() % 2 == 0).toList(),
          page.next());
    }
  }
}
