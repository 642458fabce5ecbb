package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.EraseRequest;
import com.thorbis.backup.api.Erasure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.PruneReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.StoreRole;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Each role can do its work with what it may do, and nothing more is possible. */
class RolesTest {
  @TempDir Path state;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private final MemoryObjectStore disk = MemoryObjectStore.create(clock, 1000);

  /** The store as one role sees it. */
  private static final class As extends ForwardingStore {
    private final StoreRole role;
    final List<String> refused = new ArrayList<>();

    As(StoreRole role, ObjectStore store) {
      super(store);
      this.role = role;
    }

    @Override
    public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
      require(role.creates(), "put " + key);
      return super.put(key, content);
    }

    @Override
    public ObjectUpload startUpload(ObjectKey key) throws IOException {
      require(role.creates(), "put " + key);
      return super.startUpload(key);
    }

    @Override
    public void delete(ObjectKey key) throws IOException {
      require(role.removes().stream().anyMatch(key.value()::startsWith), "delete " + key);
      super.delete(key);
    }

    private synchronized void require(boolean allowed, String call) throws StorageException {
      if (!allowed) {
        refused.add(call);
        throw new StorageException(
            "storage.denied", FailureKind.PERMANENT, call + ": access denied", call, "Ask.", null);
      }
    }
  }

  @Test
  void whoMayRemoveNothingLeavesAnErasureToOneWhoMay() throws IOException {
    EraseRequest request = new EraseRequest("orders", "ann", Optional.of("ended"), Duration.ZERO);
    try (Site site = Site.create(new As(StoreRole.WRITER, disk), state, clock)) {
      clock.advance(Duration.ofHours(1));
      site.repository.erase(request, RunControl.unattended());
      Erasure open = site.repository.erase(request, RunControl.unattended());
      assertThat(open.stage()).isEqualTo(Erasure.Stage.ERASING);
      assertThat(open.open())
          .singleElement()
          .satisfies(reason -> assertThat(reason).contains("access denied"));
    }
    As pruner = new As(StoreRole.PRUNER, disk);
    try (Site site = Site.open(pruner, state.resolve("pruner"), clock)) {
      assertThat(site.repository.erase(request, RunControl.unattended()).stage())
          .isEqualTo(Erasure.Stage.ERASED);
      assertThat(pruner.refused).isEmpty();
    }
  }

  @Test
  void c4AWriterTakesBackupsAndShipsLogAndRemovesNothing() throws IOException {
    As writer = new As(StoreRole.WRITER, disk);
    try (Site site = Site.create(writer, state, clock)) {
      BackupId full = site.backUp(1);
      site.repository
          .wal("orders")
          .storeSegment(
              TestRepository.segment(1, 2),
              ByteBuffer.wrap(TestRepository.wal(TestRepository.segment(1, 2), 1)),
              WalMarks.NONE);
      try (var next = TestRepository.begin(site.repository, full)) {
        next.directory(TestRepository.directory("base"));
        next.commit(TestRepository.facts(2), com.thorbis.backup.api.BackupStatus.COMPLETE);
      }
      site.requireAllWhole();
      assertThat(writer.refused).as("it asks for nothing that it may not do").isEmpty();

      site.prune(1, Duration.ZERO);
      clock.advance(Duration.ofDays(1));
      int before = disk.contents().size();
      PruneReport report = site.prune(1, Duration.ZERO);
      assertThat(report.objectsRemoved()).isZero();
      assertThat(report.alarms()).anyMatch(alarm -> alarm.startsWith("prune.object-stays"));
      assertThat(disk.contents().size()).isGreaterThanOrEqualTo(before);
      site.requireAllWhole();
    }
  }

  @Test
  void aReaderRestoresAndVerifiesAndChangesNothing() throws IOException {
    try (Site site = Site.create(disk, state.resolve("writer"), clock)) {
      site.backUp(1);
    }
    var before = disk.contents().keySet();
    As reader = new As(StoreRole.READER, disk);
    var setup =
        TestRepository.setup(reader, state.resolve("reader")).clock(clock).readOnly(true).build();
    try (var repository = TestRepository.FACTORY.open(setup)) {
      BackupId id = repository.backups(java.util.Optional.empty()).get(0).id();
      TestRepository.assertReads(repository, id, TestRepository.fewFiles(1));
      assertThat(
              repository
                  .verify(
                      new VerifyRequest(java.util.Optional.empty(), VerifyRequest.Level.DATA, 100),
                      RunControl.unattended())
                  .damaged())
          .isEmpty();
      repository.copies(RunControl.unattended());
      assertThat(reader.refused).as("it asks for nothing that it may not do").isEmpty();
      assertThatThrownBy(() -> TestRepository.backUp(repository, TestRepository.fewFiles(2)))
          .isInstanceOf(StorageException.class)
          .hasMessageContaining("access denied");
    }
    assertThat(disk.contents().keySet()).isEqualTo(before);
  }

  @Test
  void aPrunerRemovesWhatRetentionGaveUp() throws IOException {
    try (Site site = Site.create(disk, state.resolve("writer"), clock)) {
      site.backUp(1);
      site.backUp(2);
    }
    As pruner = new As(StoreRole.PRUNER, disk);
    try (Site site = Site.open(pruner, state.resolve("pruner"), clock)) {
      site.prune(1, Duration.ZERO);
      clock.advance(Duration.ofDays(1));
      assertThat(site.prune(1, Duration.ZERO).objectsRemoved()).isPositive();
      site.requireAllWhole();
      assertThat(pruner.refused).isEmpty();
    }
  }

  @Test
  void noRoleOfThisSoftwareSetsTheStoreUp() {
    assertThat(StoreRole.ADMIN.creates()).isFalse();
    assertThat(StoreRole.ADMIN.removes()).isEmpty();
    assertThat(StoreRole.WRITER.removes()).containsExactly("leases/", "probe/");
  }
}
