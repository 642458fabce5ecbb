package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.api.SyncReport;
import com.thorbis.backup.api.Thaw;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.Frozen;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.StorageTier;
import com.thorbis.backup.spi.storage.StoreCapability;
import com.thorbis.backup.storage.CountingStore.Kind;
import com.thorbis.backup.storage.internal.Pause;
import com.thorbis.backup.storage.internal.copies.KeepingStore;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Reading from copies that lie in an archive tier: asked for, waited for, and no damage. */
class ThawTest {
  private static final WalSegment SEGMENT = TestRepository.segment(1, 1);

  @TempDir Path state;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private final MemoryObjectStore glacier = MemoryObjectStore.create(clock, 3);
  private final List<String> notes = new ArrayList<>();
  private final AtomicInteger pauses = new AtomicInteger();

  /** Lets an hour pass, in no time. */
  private final Pause hour =
      (time, cancellation) -> {
        pauses.incrementAndGet();
        clock.advance(Duration.ofHours(1));
      };

  private final RunControl watched =
      new RunControl(
          new Cancellation(),
          new Progress() {
            @Override
            public void note(String message) {
              notes.add(message);
            }
          });

  private static Copy archive(ObjectStore store, String name) {
    return Copy.builder(store).name(name).tier(StorageTier.ARCHIVE).build();
  }

  private Site open(WritePolicy policy, Copy... copies) throws IOException {
    return open(hour, policy, copies);
  }

  private Site open(Pause pause, WritePolicy policy, Copy... copies) throws IOException {
    List<Copy> kept = KeepingStore.over(List.of(copies), clock);
    return Site.open(Site.setup(state, clock, policy, kept), 1000, 1000, pause);
  }

  private Site create(WritePolicy policy, Copy... copies) throws IOException {
    TestRepository.FACTORY.init(Site.setup(state, clock, policy, List.of(copies)));
    Site site = open(policy, copies);
    site.repository.register("orders", "postgres", TestRepository.CLUSTER);
    site.repository
        .wal("orders")
        .storeSegment(SEGMENT, ByteBuffer.wrap(TestRepository.wal(SEGMENT, 1)), WalMarks.NONE);
    return site;
  }

  /** A full backup and as many that build on it: each adds a file, and so a pack. */
  private static BackupId backUp(Site site, int more) throws IOException {
    BackupId last = TestRepository.backUp(site.repository, files(0)).id();
    for (int i = 1; i <= more; i++) {
      last = backUpOver(site, last, files(i));
    }
    return last;
  }

  private static BackupId backUp(Site site) throws IOException {
    return backUp(site, 1);
  }

  private static Map<String, byte[]> files(int more) {
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    for (int i = 1; i <= more; i++) {
      files.put("base/1/" + i, TestRepository.bytes(new Random(i), 10_000));
    }
    return files;
  }

  private static BackupId backUpOver(Site site, BackupId base, Map<String, byte[]> files)
      throws IOException {
    try (BackupWriter writer = TestRepository.begin(site.repository, base)) {
      writer.directory(TestRepository.directory("base"));
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
      return writer.commit(TestRepository.facts(), BackupStatus.COMPLETE).id();
    }
  }

  private Map<String, byte[]> read(BackupReader reader) throws IOException {
    TestRepository.Target target = new TestRepository.Target();
    reader.extract(file -> true, target, watched);
    return target.files;
  }

  private void requireReads(BackupReader reader, Map<String, byte[]> expected) throws IOException {
    Map<String, byte[]> found = read(reader);
    assertThat(found.keySet()).isEqualTo(expected.keySet());
    expected.forEach((path, bytes) -> assertThat(found.get(path)).as(path).isEqualTo(bytes));
  }

  private Set<String> frozen() {
    Set<String> frozen = new TreeSet<>();
    for (String key : glacier.contents().keySet()) {
      if (!glacier.head(new ObjectKey(key)).map(ObjectInfo::readable).orElse(true)) {
        frozen.add(key);
      }
    }
    return frozen;
  }

  @Test
  void whatPlansAndStatusReadNeverLiesWhereItMustBeBroughtBack() throws IOException {
    try (Site site = create(WritePolicy.PRIMARY, archive(glacier, "glacier"))) {
      BackupId id = backUp(site);
      assertThat(frozen()).isNotEmpty().allMatch(key -> key.startsWith("packs/"));
      try (BackupReader reader = site.repository.open(id)) {
        List<String> paths = new ArrayList<>();
        reader.entries(file -> paths.add(file.path()));
        assertThat(paths).isNotEmpty();
        assertThat(reader.layout().packs()).isPositive();
      }
      assertThat(site.repository.wal("orders").open(SEGMENT)).isPresent();
      assertThat(glacier.requests()).isEmpty();
    }
  }

  @Test
  void aRestoreFromAnArchiveAloneRequestsWaitsAndGivesEqualBytes() throws IOException {
    Copy copy = archive(glacier, "glacier");
    try (Site site = create(WritePolicy.PRIMARY, copy)) {
      BackupId id = backUp(site, 20);
      Set<String> packs = frozen();
      try (BackupReader reader = site.repository.open(id)) {
        Frozen frozen = reader.frozen();
        assertThat(frozen.thaw().objects()).isEqualTo(packs.size());
        assertThat(frozen.thaw().bytes())
            .isEqualTo(packs.stream().mapToLong(key -> glacier.contents().get(key).length).sum());
        assertThat(frozen.thaw().time()).isEqualTo(MemoryObjectStore.THAW);
        assertThat(frozen.thaw().requested()).isZero();
        assertThat(frozen.thaw().copies()).containsExactly("memory");
        assertThat(glacier.requests()).isEmpty();
        assertThatThrownBy(() -> read(reader))
            .satisfies(e -> assertThat(StorageException.isOffline(e)).isTrue());

        frozen.request(watched);
        assertThat(glacier.requests().keySet()).isEqualTo(packs);
        requireReads(reader, files(20));
      }
      assertThat(pauses.get()).isPositive();
      assertThat(notes).anyMatch(note -> note.contains("of " + packs.size() + " can"));
      assertThat(glacier.requests().values()).containsOnly(1);
    }
  }

  @Test
  void aRestoreThatWasKilledWhileItWaitedAsksForNothingTwice() throws IOException {
    Copy copy = archive(glacier, "glacier");
    BackupId id;
    try (Site site = create(WritePolicy.PRIMARY, copy)) {
      id = backUp(site);
    }
    Set<String> packs = frozen();
    Pause dies =
        (time, cancellation) -> {
          throw new IllegalStateException("killed");
        };
    try (Site site = open(dies, WritePolicy.PRIMARY, copy);
        BackupReader reader = site.repository.open(id)) {
      reader.frozen().request(watched);
      assertThatThrownBy(() -> read(reader)).hasMessageContaining("killed");
    }
    clock.advance(Duration.ofHours(2));
    try (Site site = open(WritePolicy.PRIMARY, copy);
        BackupReader reader = site.repository.open(id)) {
      Frozen frozen = reader.frozen();
      assertThat(frozen.thaw().requested()).isEqualTo(packs.size());
      frozen.request(watched);
      requireReads(reader, files(1));
    }
    assertThat(glacier.requests().keySet()).isEqualTo(packs);
    assertThat(glacier.requests().values()).containsOnly(1);
    assertThat(pauses.get()).isLessThanOrEqualTo(3);
  }

  @Test
  void aRequestThatBrokeOffGoesOnWhereItStopped() throws IOException {
    AtomicInteger left = new AtomicInteger(1);
    ObjectStore breaking =
        new ForwardingStore(glacier) {
          @Override
          public void requestReadable(ObjectKey key, Duration keepFor) throws IOException {
            if (left.getAndDecrement() <= 0) {
              throw new StorageException.Unavailable("Bring back", key.value(), null);
            }
            super.requestReadable(key, keepFor);
          }
        };
    try (Site site = create(WritePolicy.PRIMARY, archive(breaking, "glacier"))) {
      BackupId id = backUp(site);
      int packs = frozen().size();
      assertThat(packs).isGreaterThan(1);
      try (BackupReader reader = site.repository.open(id)) {
        assertThatThrownBy(() -> reader.frozen().request(watched))
            .isInstanceOf(StorageException.Unavailable.class);
        assertThat(glacier.requests()).hasSize(1);
        left.set(1000);
        Frozen rest = reader.frozen();
        assertThat(rest.thaw().requested()).isEqualTo(1);
        rest.request(watched);
        assertThat(glacier.requests()).hasSize(packs);
        assertThat(glacier.requests().values()).containsOnly(1);
      }
    }
  }

  @Test
  void waitingEndsWhenItIsCancelled() throws IOException {
    Copy copy = archive(glacier, "glacier");
    try (Site site = create(WritePolicy.PRIMARY, copy)) {
      BackupId id = backUp(site);
      Cancellation cancellation = new Cancellation();
      RunControl control = new RunControl(cancellation, Progress.NONE);
      try (Site waiting = open(Pause.REAL, WritePolicy.PRIMARY, copy);
          BackupReader reader = waiting.repository.open(id)) {
        Frozen frozen = reader.frozen();
        frozen.request(control);
        Thread canceller = new Thread(cancellation::cancel);
        canceller.start();
        assertThatThrownBy(() -> frozen.await(control))
            .isInstanceOfSatisfying(
                BackupException.class, e -> assertThat(e.code()).isEqualTo("cancelled"));
      }
    }
  }

  @Test
  void whatIsReadableForTooShortIsAskedForAgain() throws IOException {
    try (Site site = create(WritePolicy.PRIMARY, archive(glacier, "glacier"))) {
      BackupId id = backUp(site);
      int packs = frozen().size();
      try (BackupReader reader = site.repository.open(id)) {
        reader.frozen().request(watched);
        clock.advance(Duration.ofDays(30));
        requireReads(reader, files(1));
      }
      assertThat(glacier.requests()).hasSize(packs);
      assertThat(glacier.requests().values()).containsOnly(2);
    }
  }

  @Test
  void aCopyThatIsAtHandIsReadBeforeOneThatMustBeBroughtBack() throws IOException {
    MemoryObjectStore disk = MemoryObjectStore.create(clock, 1000);
    Set<String> read = new ConcurrentSkipListSet<>();
    ObjectStore counted =
        new ForwardingStore(glacier) {
          @Override
          public ObjectRead get(ObjectKey key, ByteRange range) throws IOException {
            read.add(key.value());
            return super.get(key, range);
          }
        };
    Copy second = Copy.builder(disk).name("disk").build();
    Copy first = archive(counted, "glacier");
    try (Site site = create(WritePolicy.ALL, first, second)) {
      BackupId id = backUp(site);
      Set<String> packs = frozen();
      assertThat(packs).isNotEmpty();
      try (BackupReader reader = site.repository.open(id)) {
        assertThat(reader.frozen().thaw()).isEqualTo(Thaw.NONE);
        requireReads(reader, files(1));
      }
      assertThat(read).doesNotContainAnyElementsOf(packs);
      assertThat(glacier.requests()).isEmpty();
    }
  }

  @Test
  void nothingIsBroughtBackWhileACopyThatMayHaveItAtHandCannotBeAsked() throws IOException {
    MemoryObjectStore disk = MemoryObjectStore.create(clock, 1000);
    boolean[] down = new boolean[1];
    ObjectStore flaky =
        new ForwardingStore(disk) {
          @Override
          public Optional<ObjectInfo> head(ObjectKey key) throws IOException {
            if (down[0]) {
              throw new StorageException.Unavailable("Look", key.value(), null);
            }
            return super.head(key);
          }
        };
    Copy first = Copy.builder(flaky).name("disk").build();
    try (Site site = create(WritePolicy.ALL, first, archive(glacier, "glacier"))) {
      BackupId id = backUp(site);
      try (BackupReader reader = site.repository.open(id)) {
        down[0] = true;
        assertThatThrownBy(reader::frozen)
            .isInstanceOfSatisfying(
                RepositoryException.class,
                e -> {
                  assertThat(e.code()).isEqualTo("thaw.copy-unavailable");
                  assertThat(e.getMessage()).contains("disk");
                });
      }
    }
    assertThat(glacier.requests()).isEmpty();
  }

  @Test
  void whatIsDamagedAtHandIsBroughtBackFromTheArchive() throws IOException {
    MemoryObjectStore disk = MemoryObjectStore.create(clock, 1000);
    Copy first = Copy.builder(disk).name("disk").build();
    try (Site site = create(WritePolicy.ALL, first, archive(glacier, "glacier"))) {
      BackupId id = backUp(site);
      String pack = frozen().iterator().next();
      disk.lose(new ObjectKey(pack));
      try (BackupReader reader = site.repository.open(id)) {
        assertThat(reader.frozen().thaw().objects()).isEqualTo(1);
        reader.frozen().request(watched);
        requireReads(reader, files(1));
      }
      assertThat(glacier.requests()).containsOnlyKeys(pack);
    }
  }

  @Test
  void whatCameBackDamagedIsBroughtBackFromAnotherArchive() throws IOException {
    MemoryObjectStore second = MemoryObjectStore.create(clock, 3);
    try (Site site =
        create(WritePolicy.ALL, archive(glacier, "glacier"), archive(second, "second"))) {
      BackupId id = backUp(site);
      String pack = frozen().iterator().next();
      glacier.flipBit(new ObjectKey(pack), 4L * glacier.contents().get(pack).length);
      try (BackupReader reader = site.repository.open(id)) {
        reader.frozen().request(watched);
        assertThat(second.requests()).isEmpty();
        requireReads(reader, files(1));
      }
      assertThat(second.requests()).containsOnlyKeys(pack);
      assertThat(second.requests().values()).containsOnly(1);
    }
  }

  @Test
  void aShortOutageEndsNoWaiting() throws IOException {
    AtomicInteger away = new AtomicInteger();
    ObjectStore shaky =
        new ForwardingStore(glacier) {
          @Override
          public Optional<ObjectInfo> head(ObjectKey key) throws IOException {
            if (away.getAndDecrement() > 0) {
              throw new StorageException.Unavailable("Look at", key.value(), null);
            }
            return super.head(key);
          }
        };
    try (Site site = create(WritePolicy.PRIMARY, archive(shaky, "glacier"))) {
      BackupId id = backUp(site);
      try (BackupReader reader = site.repository.open(id)) {
        Frozen frozen = reader.frozen();
        frozen.request(watched);
        away.set(1);
        frozen.await(watched);
        requireReads(reader, files(1));
        assertThat(away.get()).isNegative();
      }
    }
  }

  @Test
  void verifyingNeitherCallsItDamagedNorProven() throws IOException {
    try (Site site = create(WritePolicy.PRIMARY, archive(glacier, "glacier"))) {
      BackupId id = backUp(site);
      int packs = frozen().size();
      VerifyRequest every = new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 100);
      for (VerifyRequest request :
          List.of(every, new VerifyRequest(Optional.of(id), VerifyRequest.Level.DATA, 100))) {
        VerifyReport report = site.repository.verify(request, watched);
        assertThat(report.damaged()).isEmpty();
        assertThat(report.frozen().objects()).isEqualTo(packs);
      }
      assertThat(verified(site, id)).isFalse();
      assertThat(glacier.requests()).isEmpty();

      VerifyReport report = site.repository.verify(every.thawing(), watched);
      assertThat(report.damaged()).isEmpty();
      assertThat(report.frozen()).isEqualTo(Thaw.NONE);
      assertThat(verified(site, id)).isTrue();
      assertThat(glacier.requests()).hasSize(packs);
      assertThat(glacier.requests().values()).containsOnly(1);
    }
  }

  private static boolean verified(Site site, BackupId id) throws IOException {
    site.repository.refresh();
    return site.services.log().catalog().kept(id).orElseThrow().fate().verified().isPresent();
  }

  @Test
  void damageInAnArchiveShowsOnceItWasBroughtBack() throws IOException {
    try (Site site = create(WritePolicy.PRIMARY, archive(glacier, "glacier"))) {
      backUp(site);
      ObjectKey pack = new ObjectKey(frozen().iterator().next());
      glacier.flipBit(pack, 8L * (glacier.content(pack).length / 2));
      VerifyRequest every = new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 100);
      assertThat(site.repository.verify(every, watched).damaged()).isEmpty();
      assertThat(site.repository.verify(every.thawing(), watched).damaged())
          .isNotEmpty()
          .allMatch(damage -> damage.object().equals(pack.value()));
    }
  }

  @Test
  void anArchiveIsFilledBySyncAndMendsTheOtherCopyOnceItWasBroughtBack() throws IOException {
    MemoryObjectStore disk = MemoryObjectStore.create(clock, 1000);
    Copy first = Copy.builder(disk).name("disk").build();
    Copy second = archive(glacier, "glacier");
    try (Site site = create(WritePolicy.PRIMARY, first, second)) {
      backUp(site);
      SyncReport filled = site.repository.syncCopies(watched);
      assertThat(filled.complete()).as(filled.toString()).isTrue();
      Set<String> packs = frozen();
      assertThat(packs).isNotEmpty();
      assertThat(glacier.requests()).isEmpty();

      ObjectKey lost = new ObjectKey(packs.iterator().next());
      disk.lose(lost);
      SyncReport again = site.repository.syncCopies(watched);
      assertThat(again.copies().get(0).problems()).singleElement().asString().contains("--thaw");
      assertThat(site.repository.healCopies(watched).repairs())
          .singleElement()
          .satisfies(
              repair -> {
                assertThat(repair.kind()).isEqualTo("missing");
                assertThat(repair.healed()).isFalse();
                assertThat(repair.problem()).contains("glacier").contains("verify --thaw");
              });
      VerifyRequest every = new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 100);
      site.repository.verify(every.thawing(), watched);
      assertThat(site.repository.healCopies(watched).whole()).isTrue();
      assertThat(disk.content(lost)).isEqualTo(glacier.content(lost));
    }
  }

  @Test
  void anIncrementalBuildsOnABaseInAnArchiveWithoutWaiting() throws IOException {
    try (Site site = create(WritePolicy.PRIMARY, archive(glacier, "glacier"))) {
      BackupId base = backUp(site);
      Map<String, byte[]> changed = files(1);
      byte[] large = changed.get("base/1/large");
      large[500_000]++; // in a stretch of which the rest is the base's
      BackupId next = backUpOver(site, base, changed);
      assertThat(glacier.requests()).isEmpty();
      assertThat(pauses.get()).isZero();
      try (BackupReader reader = site.repository.open(next)) {
        reader.frozen().request(watched);
        requireReads(reader, changed);
      }
    }
  }

  @Test
  void logThatARuleOfTheStoreArchivedIsAskedForAtOnceAndIsNotTheEndOfTheLog() throws IOException {
    try (Site site = create(WritePolicy.PRIMARY, archive(glacier, "glacier"))) {
      backUp(site);
      for (String key : glacier.contents().keySet()) {
        if (ObjectNames.deepest(new ObjectKey(key), StorageTier.COLD) == StorageTier.COLD
            && key.startsWith("wal/")) {
          glacier.move(new ObjectKey(key), StorageTier.ARCHIVE);
        }
      }
      Repository repository = site.repository;
      assertThatThrownBy(() -> repository.wal("orders").open(SEGMENT))
          .satisfies(e -> assertThat(StorageException.isOffline(e)).isTrue());
      WalRange first = new WalRange(SEGMENT.timeline(), SEGMENT.start(), SEGMENT.end());
      Frozen log = repository.wal("orders").frozen(List.of(first));
      assertThat(log.thaw().objects()).isEqualTo(1);
      log.request(watched);
      log.await(watched);
      assertThat(repository.wal("orders").open(SEGMENT)).isPresent();
      assertThat(glacier.requests().values()).containsOnly(1);
    }
  }

  @Test
  void whereNoStoreHasTiersNobodyIsAsked() throws IOException {
    CountingStore counted =
        new CountingStore(
            new ForwardingStore(MemoryObjectStore.create(clock, 1000)) {
              @Override
              public Set<StoreCapability> capabilities() {
                return Set.of();
              }
            });
    try (Site site = create(WritePolicy.PRIMARY, Copy.of(counted))) {
      BackupId id = backUp(site);
      try (BackupReader reader = site.repository.open(id)) {
        long before = counted.calls(Kind.LIST) + counted.calls(Kind.HEAD);
        assertThat(reader.frozen().thaw()).isEqualTo(Thaw.NONE);
        assertThat(counted.calls(Kind.LIST) + counted.calls(Kind.HEAD)).isEqualTo(before);
      }
    }
  }
}
