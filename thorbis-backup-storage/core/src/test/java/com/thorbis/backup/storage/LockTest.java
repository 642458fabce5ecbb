package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CopiesReport;
import com.thorbis.backup.api.PruneReport;
import com.thorbis.backup.api.PruneRequest;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.StorageTier;
import com.thorbis.backup.spi.storage.StoreCapability;
import com.thorbis.backup.spi.storage.WriteOptions;
import com.thorbis.backup.storage.internal.backup.BackupContents;
import com.thorbis.backup.storage.internal.copies.KeepingStore;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Copies whose owner asked for locks, or for another tier. */
class LockTest {
  private static final Duration LOCK = Duration.ofDays(30);

  @TempDir Path state;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private final MemoryObjectStore disk = MemoryObjectStore.create(clock, 1000);
  private final ObjectStore locked = kept(Copy.builder(disk).lock(LOCK).build());

  private ObjectStore kept(Copy copy) {
    return KeepingStore.over(List.of(copy), clock).get(0).store();
  }

  @Test
  void everythingThatStaysIsLockedFromItsFirstMoment() throws IOException {
    try (Site site = Site.create(locked, state, clock)) {
      site.backUp(1);
      requireLocked("");
      assertThat(lockOf("leases/")).isEmpty();
      for (String key : disk.contents().keySet()) {
        if (isLocked(key)) {
          assertThatThrownBy(() -> disk.delete(new ObjectKey(key)))
              .isInstanceOf(StorageException.class)
              .hasMessageContaining("locked until");
        }
      }
      site.requireAllWhole();
    }
  }

  @Test
  void aNewBackupLocksWhatItRefersToForAsLongAsWhatItWrote() throws IOException {
    try (Site site = Site.create(locked, state, clock)) {
      BackupId full = backUp(site, 1);
      List<String> packs = keys("packs/");
      clock.advance(Duration.ofDays(20));
      BackupId next = backUpOver(site, full, 1);
      List<String> needed =
          new BackupContents(
                  site.services,
                  site.services.log().catalog().source("orders").orElseThrow(),
                  site.services.log().catalog().kept(next).orElseThrow().entry())
              .packs().stream().map(pack -> pack.key().value()).toList();
      assertThat(needed).containsAnyElementsOf(packs);
      for (String pack : needed) {
        assertThat(until(pack)).isAfterOrEqualTo(clock.instant().plus(LOCK));
      }
    }
  }

  @Test
  void aBackupWhoseBaseCannotBeLockedForLongerIsNotCommitted() throws IOException {
    boolean[] refusing = new boolean[1];
    ObjectStore failing =
        new ForwardingStore(disk) {
          @Override
          public void extendLock(ObjectKey key, Instant until) throws IOException {
            if (refusing[0]) {
              throw new StorageException.Unavailable("Lock", key.value(), null);
            }
            super.extendLock(key, until);
          }
        };
    try (Site site = Site.create(kept(Copy.builder(failing).lock(LOCK).build()), state, clock)) {
      BackupId full = backUp(site, 1);
      clock.advance(Duration.ofDays(20));
      refusing[0] = true;
      assertThatThrownBy(() -> backUpOver(site, full, 1))
          .isInstanceOf(StorageException.Unavailable.class);
      assertThat(site.listed()).containsExactly(full);
      refusing[0] = false;
      backUpOver(site, full, 1);
      assertThat(site.listed()).hasSize(2);
    }
  }

  @Test
  void whatIsKeptStaysLockedAsLongAsPruneRuns() throws IOException {
    try (Site site = Site.create(locked, state, clock)) {
      site.backUp(1);
      clock.advance(Duration.ofHours(1));
      assertThat(disk.head(new ObjectKey("repository")).orElseThrow().lockedUntil()).isPresent();
      for (int week = 0; week < 12; week++) {
        clock.advance(Duration.ofDays(7));
        prune(site, RetentionPolicy.builder().minimum(1).build());
        requireLocked("week " + week);
      }
    }
  }

  @Test
  void aPruneThatWasStoppedRenewsLocksAllTheSame() throws IOException {
    try (Site site = Site.create(locked, state, clock)) {
      for (int seed = 1; seed <= 8; seed++) {
        site.backUp(seed);
        clock.advance(Duration.ofDays(3));
      }
      site.verify();
      RetentionPolicy cruel = RetentionPolicy.builder().hourly(1).minimum(1).build();
      assertThatThrownBy(() -> prune(site, cruel))
          .isInstanceOf(RepositoryException.class)
          .hasMessageContaining("nothing is deleted");
      requireLocked("stopped");
      assertThat(site.listed()).hasSize(8);
    }
  }

  @Test
  void whatIsGivenUpGoesWhenItsLockHasEnded() throws IOException {
    try (Site site = Site.create(locked, state, clock)) {
      BackupId first = backUp(site, 1);
      BackupId second = backUp(site, 2);
      BackupId third = backUpOver(site, second, 2);
      site.prune(1, Duration.ZERO);
      clock.advance(Duration.ofDays(1));
      PruneReport early = site.prune(1, Duration.ZERO);
      assertThat(early.objectsRemoved()).isZero();
      assertThat(early.alarms())
          .anyMatch(alarm -> alarm.matches("prune.objects-locked: \\d+ objects stay on memory.*"));
      site.requireAllWhole();

      clock.advance(LOCK.plus(Duration.ofDays(4)));
      PruneReport late = site.prune(1, Duration.ZERO);
      assertThat(late.objectsRemoved()).isPositive();
      assertThat(late.alarms()).noneMatch(alarm -> alarm.startsWith("prune.objects-locked"));
      assertThat(site.listed()).containsExactly(third).doesNotContain(first);
      assertThat(keys("manifests/")).hasSize(1);
      TestRepository.assertReads(site.repository, third, TestRepository.mediumFiles(2));
      site.requireAllWhole();
    }
  }

  @Test
  void aTierIsForWhatIsReadInBulk() throws IOException {
    ObjectStore cold = kept(Copy.builder(disk).tier(StorageTier.COLD).build());
    try (Site site = Site.create(cold, state, clock)) {
      site.backUp(1);
      for (String key : disk.contents().keySet()) {
        boolean maps = key.matches("packs/.*/.{24}[89a-f].{7}");
        boolean bulk = key.startsWith("packs/") && !maps || key.startsWith("wal/");
        assertThat(disk.head(new ObjectKey(key)).orElseThrow().tier())
            .as(key)
            .isEqualTo(bulk ? StorageTier.COLD : StorageTier.HOT);
      }
      site.requireAllWhole();
    }
  }

  @Test
  void aStoreThatCannotLockIsRefusedWhenARepositoryIsCreated() {
    ObjectStore plain =
        new ForwardingStore(disk) {
          @Override
          public Set<StoreCapability> capabilities() {
            return Set.of();
          }
        };
    assertThatThrownBy(() -> TestRepository.FACTORY.init(setup(plain)))
        .isInstanceOfSatisfying(
            RepositoryException.class, e -> assertThat(e.code()).isEqualTo("configuration.copies"));
    assertThat(disk.contents()).isEmpty();
  }

  @Test
  void s15AStoreThatTakesALockAndIgnoresItIsRefused() {
    ObjectStore ignoring =
        new ForwardingStore(disk) {
          @Override
          public ObjectInfo put(ObjectKey key, ObjectSource content, WriteOptions options)
              throws IOException {
            return super.put(key, content);
          }
        };
    assertThatThrownBy(() -> TestRepository.FACTORY.init(setup(ignoring)))
        .isInstanceOfSatisfying(
            RepositoryException.class, e -> assertThat(e.code()).isEqualTo("storage.lock-ignored"));
    assertThat(disk.contents()).isEmpty();
  }

  @Test
  void s15AStoreThatIgnoresTheConditionOfAnUploadIsRefused() {
    ObjectStore ignoring =
        new ForwardingStore(disk) {
          @Override
          public ObjectUpload startUpload(ObjectKey key, WriteOptions options) throws IOException {
            disk.lose(key);
            return super.startUpload(key, options);
          }
        };
    assertThatThrownBy(() -> TestRepository.FACTORY.init(setup(ignoring)))
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> {
              assertThat(e.code()).isEqualTo("storage.not-conditional");
              assertThat(e.getMessage()).contains("upload in parts");
            });
  }

  @Test
  void aRefusedDeletionProvesThatACopyIsImmutable() throws IOException {
    RepositorySetup setup = setup(disk);
    TestRepository.FACTORY.init(setup);
    try (var repository = TestRepository.FACTORY.open(setup)) {
      assertThat(immutable(repository.copies(RunControl.unattended()))).startsWith("met");
      assertThat(repository.probeCopies())
          .singleElement()
          .satisfies(
              item -> {
                assertThat(item.outcome()).isEqualTo(CheckItem.Outcome.OK);
                assertThat(item.message()).contains("delete what is locked");
              });
      clock.advance(Duration.ofDays(2));
      assertThat(repository.probeCopies()).hasSize(1);
      assertThat(keys("probe/")).as("what is old and no longer locked is removed").hasSize(1);
      clock.advance(LOCK.plus(Duration.ofDays(4)));
      assertThat(immutable(repository.copies(RunControl.unattended())))
          .as("nobody renewed its locks")
          .startsWith("unknown");
    }
  }

  @Test
  void locksOfOtherLengthsAreRefused() {
    for (Duration wrong : List.of(Duration.ZERO, Duration.ofHours(23), Duration.ofDays(40_000))) {
      assertThatThrownBy(() -> Copy.builder(disk).lock(wrong))
          .hasMessageContaining("1 day to 100 years");
    }
  }

  private static String immutable(CopiesReport report) {
    return report.criteria().stream()
        .filter(one -> one.name().equals("immutable"))
        .map(one -> one.verdict().label() + " " + one.reason())
        .findFirst()
        .orElseThrow();
  }

  private RepositorySetup setup(ObjectStore store) {
    return Site.setup(
        state, clock, WritePolicy.PRIMARY, List.of(Copy.builder(store).lock(LOCK).build()));
  }

  private static void prune(Site site, RetentionPolicy policy) throws IOException {
    site.repository.prune(
        PruneRequest.builder("orders", policy).grace(Duration.ofDays(7)).build(),
        RunControl.unattended());
  }

  private static BackupId backUp(Site site, long seed) throws IOException {
    return TestRepository.backUp(site.repository, TestRepository.mediumFiles(seed)).id();
  }

  private static BackupId backUpOver(Site site, BackupId base, long seed) throws IOException {
    try (BackupWriter writer = TestRepository.begin(site.repository, base)) {
      writer.directory(TestRepository.directory("base"));
      for (Map.Entry<String, byte[]> file : TestRepository.mediumFiles(seed).entrySet()) {
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
      return writer.commit(TestRepository.facts(), BackupStatus.COMPLETE).id();
    }
  }

  private static boolean isLocked(String key) {
    return !key.startsWith("leases/")
        && !key.startsWith("probe/")
        && !key.startsWith("checkpoints/");
  }

  private void requireLocked(String when) throws IOException {
    Instant least = clock.instant().plus(LOCK);
    for (String key : disk.contents().keySet()) {
      if (isLocked(key)) {
        assertThat(until(key)).as("%s %s", when, key).isAfterOrEqualTo(least);
      }
    }
  }

  private Instant until(String key) {
    return disk.head(new ObjectKey(key)).orElseThrow().lockedUntil().orElseThrow();
  }

  private List<Instant> lockOf(String prefix) {
    List<Instant> locks = new ArrayList<>();
    for (ObjectInfo info : disk.list(prefix, Optional.empty()).objects()) {
      info.lockedUntil().ifPresent(locks::add);
    }
    return locks;
  }

  private List<String> keys(String prefix) {
    return disk.contents().keySet().stream().filter(key -> key.startsWith(prefix)).toList();
  }
}
