package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.testkit.FaultyObjectStore;
import com.thorbis.backup.testkit.FaultyObjectStore.Fault;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class CrashTest {
  private static final Map<String, byte[]> FILES = TestRepository.fewFiles(1);

  @TempDir Path state;

  @ParameterizedTest
  @EnumSource(
      value = Fault.class,
      names = {"DEATH_BEFORE", "DEATH_AFTER"})
  void everyCrashLeavesARepositoryThatReadsAndWorks(Fault fault) throws IOException {
    boolean died = true;
    for (int change = 1; died; change++) {
      MemoryObjectStore disk = MemoryObjectStore.create();
      FaultyObjectStore dying = FaultyObjectStore.over(disk).failAtChange(change, fault);
      Path local = state.resolve(fault + "-" + change);
      try {
        wholeLife(dying, local);
      } catch (FaultyObjectStore.Died e) {
        // The process is gone; what it left is looked at below.
      }
      died = dying.dead();
      wholeLife(disk, local);
      try (Repository again =
          TestRepository.FACTORY.open(TestRepository.setup(disk, local).build())) {
        assertThat(again.backups(Optional.empty())).isNotEmpty();
        assertEveryVisibleBackupReads(again);
        assertThat(verify(again).damaged()).as("after change %d", change).isEmpty();
      }
    }
  }

  /** Everything that changes a repository, in the order in which a host does it. */
  private static void wholeLife(ObjectStore store, Path local) throws IOException {
    try (Repository repository = TestRepository.create(store, local)) {
      WalArchive wal = repository.wal("orders");
      byte[] segment = TestRepository.wal(TestRepository.segment(1, 1), 1);
      wal.storePart(
          TestRepository.segment(1, 1), 0, ByteBuffer.wrap(segment, 0, 5000), WalMarks.NONE);
      wal.storePart(
          TestRepository.segment(1, 1), 5000, ByteBuffer.wrap(segment, 5000, 5000), WalMarks.NONE);
      wal.storeSegment(TestRepository.segment(1, 1), ByteBuffer.wrap(segment), WalMarks.NONE);
      wal.storeHistory(TestRepository.TIMELINE, new byte[] {1, 2, 3});
      TestRepository.backUp(repository, FILES);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Fault.class,
      names = {"UNAVAILABLE", "REQUEST_LOST", "ANSWER_LOST"})
  void s13EveryUnclearOrMissingAnswerIsSettledOrSaid(Fault fault) throws IOException {
    int calls = callsOfAWholeLife();
    int settled = 0;
    for (int call = 1; call <= calls; call++) {
      MemoryObjectStore disk = MemoryObjectStore.create();
      FaultyObjectStore faulty = FaultyObjectStore.over(disk).failAtCall(call, fault);
      Path local = state.resolve(fault + "-" + call);
      try {
        wholeLife(faulty, local);
        settled++;
      } catch (IOException e) {
        assertThat(e).as("call %d", call).isInstanceOf(ClassifiedFailure.class);
        assertThat(((ClassifiedFailure) e).kind())
            .as("call %d: %s", call, e)
            .isIn(FailureKind.TRANSIENT, FailureKind.OUTCOME_UNKNOWN);
      }
      wholeLife(disk, local);
      try (Repository again =
          TestRepository.FACTORY.open(TestRepository.setup(disk, local).build())) {
        assertEveryVisibleBackupReads(again);
        assertThat(verify(again).damaged()).as("after call %d", call).isEmpty();
      }
    }
    if (fault == Fault.ANSWER_LOST) {
      assertThat(settled).isPositive();
    }
  }

  @Test
  void s13AnAppliedCommitWhoseAnswerIsLostIsOneCommit() throws IOException {
    MemoryObjectStore disk = MemoryObjectStore.create();
    TestRepository.create(disk, state).close();
    long before = commits(disk);
    FaultyObjectStore counting = FaultyObjectStore.over(disk.copy());
    try (Repository repository =
        TestRepository.FACTORY.open(
            TestRepository.setup(counting, state.resolve("counting")).build())) {
      TestRepository.backUp(repository, FILES);
    }
    int last =
        (int)
                counting.calls().stream()
                    .filter(call -> call.matches("(put|commit|delete) .*"))
                    .takeWhile(call -> !call.startsWith("put commits/"))
                    .count()
            + 1;
    FaultyObjectStore faulty = FaultyObjectStore.over(disk);
    faulty.failAtChange(last, Fault.ANSWER_LOST);
    Path local = state.resolve("other");
    try (Repository repository =
        TestRepository.FACTORY.open(TestRepository.setup(faulty, local).build())) {
      BackupDescriptor made = TestRepository.backUp(repository, FILES);
      assertThat(repository.backups(Optional.empty())).containsExactly(made);
    }
    assertThat(commits(disk)).isEqualTo(before + 1);
  }

  @Test
  void anUnreachableStoreIsNeverTakenForAnEmptyOne() throws IOException {
    MemoryObjectStore disk = MemoryObjectStore.create();
    FaultyObjectStore faulty = FaultyObjectStore.over(disk);
    try (Repository repository = TestRepository.create(faulty, state)) {
      WalArchive wal = repository.wal("orders");
      faulty.unavailable(true);
      assertUnavailable(() -> wal.open(TestRepository.segment(1, 1)));
      assertUnavailable(() -> wal.marks(TestRepository.segment(1, 1)));
      assertUnavailable(() -> wal.history(TestRepository.TIMELINE));
      assertUnavailable(() -> wal.ranges(TestRepository.TIMELINE));
      assertUnavailable(wal::timelines);
      assertUnavailable(repository::refresh);
      assertUnavailable(
          () ->
              repository.verify(
                  new VerifyRequest(Optional.empty(), VerifyRequest.Level.OBJECTS, 100),
                  RunControl.unattended()));
      assertUnavailable(
          () -> TestRepository.FACTORY.open(TestRepository.setup(faulty, state).build()));
      assertUnavailable(
          () -> TestRepository.FACTORY.init(TestRepository.setup(faulty, state).build()));
    }
  }

  private static void assertUnavailable(ThrowingCallable action) {
    assertThatThrownBy(action)
        .isInstanceOfSatisfying(
            ClassifiedFailure.class,
            failure -> assertThat(failure.kind()).isEqualTo(FailureKind.TRANSIENT));
  }

  private int callsOfAWholeLife() throws IOException {
    FaultyObjectStore counting = FaultyObjectStore.over(MemoryObjectStore.create());
    wholeLife(counting, state.resolve("counting"));
    return counting.calls().size();
  }

  private static long commits(MemoryObjectStore store) {
    return store.contents().keySet().stream().filter(key -> key.startsWith("commits/")).count();
  }

  private static void assertEveryVisibleBackupReads(Repository repository) throws IOException {
    for (BackupDescriptor backup : repository.backups(Optional.empty())) {
      TestRepository.assertReads(repository, backup.id(), FILES);
    }
  }

  private static VerifyReport verify(Repository repository) throws IOException {
    return repository.verify(
        new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 100),
        RunControl.unattended());
  }
}
