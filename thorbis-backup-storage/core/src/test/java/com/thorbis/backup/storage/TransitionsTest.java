package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.EraseRequest;
import com.thorbis.backup.api.PrunePlan;
import com.thorbis.backup.api.PruneReport;
import com.thorbis.backup.api.PruneRequest;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.TierMoves;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.TierStep;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.StorageTier;
import com.thorbis.backup.spi.storage.StoreCapability;
import com.thorbis.backup.storage.internal.copies.KeepingStore;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Objects that prune moves to other tiers as they age. */
class TransitionsTest {
  private static final RetentionPolicy EVERYTHING = RetentionPolicy.builder().build();
  private static final RetentionPolicy DAILY =
      RetentionPolicy.builder().daily(7).minimum(1).build();

  @TempDir Path state;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW.plusSeconds(60));
  private final MemoryObjectStore disk = MemoryObjectStore.create(clock, 5);

  private static Copy.Builder aging(ObjectStore store) {
    return Copy.builder(store)
        .name("disk")
        .tiers(
            List.of(
                new TierStep(Duration.ofDays(30), StorageTier.COLD),
                new TierStep(Duration.ofDays(200), StorageTier.ARCHIVE)));
  }

  private Site create(Copy copy) throws IOException {
    List<Copy> kept = KeepingStore.over(List.of(copy), clock);
    TestRepository.FACTORY.init(Site.setup(state, clock, WritePolicy.PRIMARY, List.of(copy)));
    Site site = Site.open(Site.setup(state, clock, WritePolicy.PRIMARY, kept), 1000, 1000);
    site.repository.register("orders", "postgres", TestRepository.CLUSTER);
    site.repository
        .wal("orders")
        .storeSegment(
            TestRepository.segment(1, 1),
            ByteBuffer.wrap(TestRepository.wal(TestRepository.segment(1, 1), 1)),
            WalMarks.NONE);
    return site;
  }

  private Map<String, StorageTier> tiers() {
    Map<String, StorageTier> tiers = new TreeMap<>();
    for (String key : disk.contents().keySet()) {
      tiers.put(key, disk.head(new ObjectKey(key)).orElseThrow().tier());
    }
    return tiers;
  }

  private static PruneReport prune(Site site, RetentionPolicy policy) throws IOException {
    return site.repository.prune(
        PruneRequest.builder("orders", policy).grace(Duration.ZERO).build(),
        RunControl.unattended());
  }

  private static boolean isContent(String key) {
    return key.matches("packs/.*/.{24}[0-7].{7}");
  }

  private static boolean isSegment(String key) {
    return key.startsWith("wal/") && key.endsWith("/000000010000000000000001");
  }

  @Test
  void pruneMovesWhatAgesAndLeavesWhatIsReadToKnowWhatThereIs() throws IOException {
    try (Site site = create(aging(disk).build())) {
      BackupId id = site.backUp(1);
      assertThat(tiers().values()).containsOnly(StorageTier.HOT);
      clock.advance(Duration.ofDays(31));
      PrunePlan plan =
          site.repository.planPrune(PruneRequest.builder("orders", EVERYTHING).build());
      assertThat(plan.tiers())
          .isNotEmpty()
          .allSatisfy(
              moves -> {
                assertThat(moves.to()).isEqualTo("cold");
                assertThat(moves.reason()).isEqualTo("is older than 30 days");
              });
      assertThat(tiers().values()).containsOnly(StorageTier.HOT);

      PruneReport report = prune(site, EVERYTHING);
      assertThat(report.moved()).isEqualTo(plan.tiers());
      assertThat(report.alarms()).noneMatch(alarm -> alarm.startsWith("tiers."));
      tiers()
          .forEach(
              (key, tier) ->
                  assertThat(tier)
                      .as(key)
                      .isEqualTo(
                          isContent(key) || isSegment(key) ? StorageTier.COLD : StorageTier.HOT));
      assertThat(prune(site, EVERYTHING).moved()).isEmpty();

      clock.advance(Duration.ofDays(170)); // moved anew 170 days ago, written 201 days ago
      assertThat(prune(site, EVERYTHING).moved())
          .singleElement()
          .extracting(TierMoves::from, TierMoves::to)
          .containsExactly("cold", "archive");
      tiers()
          .forEach(
              (key, tier) -> {
                if (isContent(key)) {
                  assertThat(tier).as(key).isEqualTo(StorageTier.ARCHIVE);
                } else {
                  assertThat(tier).as(key).isNotEqualTo(StorageTier.ARCHIVE);
                }
              });
      assertThat(site.verify().damaged()).isEmpty();
      try (BackupReader reader = site.repository.open(id)) {
        assertThat(reader.frozen().thaw().isNone()).isFalse();
      }
    }
  }

  @Test
  void whatRetentionIsExpectedToTakeSoonStays() throws IOException {
    try (Site site = create(aging(disk).build())) {
      site.backUp(1);
      clock.advance(Duration.ofDays(31));
      PruneReport report = prune(site, DAILY);
      assertThat(report.moved()).isEmpty();
      assertThat(report.plan().retention().deleted()).isEmpty();
      assertThat(site.repository.planPrune(PruneRequest.builder("orders", DAILY).build()).tiers())
          .isNotEmpty()
          .allSatisfy(
              moves -> {
                assertThat(moves.moves()).isFalse();
                assertThat(moves.reason()).contains("expected to go").contains("90 days");
              });
      assertThat(tiers().values()).containsOnly(StorageTier.HOT);
    }
  }

  @Test
  void ofASourceThatWasErasedNothingMovesAndEverythingGoes() throws IOException {
    try (Site site = create(aging(disk).build())) {
      site.backUp(1);
      clock.advance(Duration.ofDays(31));
      EraseRequest wanted =
          new EraseRequest("orders", "ann", Optional.of("contract 7 ended"), Duration.ZERO);
      site.repository.erase(wanted, RunControl.unattended());
      site.repository.erase(wanted, RunControl.unattended());
      assertThat(
              site.repository.planPrune(PruneRequest.builder("orders", EVERYTHING).build()).tiers())
          .isEmpty();
      PruneReport report = prune(site, EVERYTHING);
      assertThat(report.moved()).isEmpty();
      assertThat(report.objectsRemoved()).isPositive();
      assertThat(disk.contents().keySet()).noneMatch(key -> key.startsWith("packs/"));
    }
  }

  @Test
  void logBetweenBackupsMovesWhereRetentionKeepsIt() throws IOException {
    RetentionPolicy window = RetentionPolicy.builder().daily(7).pitr(Duration.ofDays(400)).build();
    try (Site site = create(aging(disk).build())) {
      site.backUp(1);
      WalSegment later = TestRepository.segment(1, 5);
      site.repository
          .wal("orders")
          .storeSegment(later, ByteBuffer.wrap(TestRepository.wal(later, 5)), WalMarks.NONE);
      clock.advance(Duration.ofDays(31));
      prune(site, window);
      String segment = "/" + later.fileName();
      assertThat(tiers().entrySet())
          .filteredOn(entry -> entry.getKey().endsWith(segment))
          .singleElement()
          .satisfies(entry -> assertThat(entry.getValue()).isEqualTo(StorageTier.COLD));
    }
  }

  @Test
  void aMoveThatFailedIsAnAlarmAndTheNextPruneGoesOn() throws IOException {
    AtomicInteger left = new AtomicInteger(1);
    ObjectStore breaking =
        new ForwardingStore(disk) {
          @Override
          public void move(ObjectKey key, StorageTier tier) throws IOException {
            if (left.getAndDecrement() <= 0) {
              throw new StorageException.Unavailable("Move", key.value(), null);
            }
            super.move(key, tier);
          }
        };
    try (Site site = create(aging(breaking).build())) {
      site.backUp(1);
      clock.advance(Duration.ofDays(31));
      PruneReport broken = prune(site, EVERYTHING);
      assertThat(broken.moved().stream().mapToLong(TierMoves::objects).sum()).isEqualTo(1);
      assertThat(broken.alarms()).anyMatch(alarm -> alarm.startsWith("tiers.not-moved: 1 obj"));
      left.set(1000);
      PruneReport rest = prune(site, EVERYTHING);
      assertThat(rest.moved().stream().mapToLong(TierMoves::objects).sum()).isEqualTo(1);
      assertThat(rest.alarms()).noneMatch(alarm -> alarm.startsWith("tiers."));
    }
  }

  @Test
  void whatIsLockedStaysAndTheOwnerIsTold() throws IOException {
    try (Site site = create(aging(disk).lock(Duration.ofDays(60)).build())) {
      site.backUp(1);
      clock.advance(Duration.ofDays(31));
      PruneReport report = prune(site, EVERYTHING);
      assertThat(report.moved()).isEmpty();
      assertThat(report.alarms())
          .anyMatch(alarm -> alarm.startsWith("tiers.locked: 2 objects") && alarm.contains("rule"));
      assertThat(tiers().values()).containsOnly(StorageTier.HOT);
    }
  }

  @Test
  void aStoreWithoutTiersIsRefusedWhenARepositoryIsCreated() {
    ObjectStore plain =
        new ForwardingStore(disk) {
          @Override
          public Set<StoreCapability> capabilities() {
            return Set.of();
          }
        };
    assertThatThrownBy(() -> create(aging(plain).build()))
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> {
              assertThat(e.code()).isEqualTo("configuration.copies");
              assertThat(e.remedy()).contains("tiers");
            });
  }
}
