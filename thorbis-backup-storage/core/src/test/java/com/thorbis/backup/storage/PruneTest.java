package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.PrunePlan;
import com.thorbis.backup.api.PruneReport;
import com.thorbis.backup.api.PruneRequest;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.storage.internal.backup.ReferringBackups;
import com.thorbis.backup.storage.internal.prune.Pruner;
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
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PruneTest {
  @TempDir Path state;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private final MemoryObjectStore store = MemoryObjectStore.create(clock, 1000);

  @Test
  void whatIsDeletedIsWholeUntilItsGraceIsOverAndGoneThen() throws IOException {
    try (Site site = Site.create(store, state, clock)) {
      List<BackupId> ids = List.of(site.backUp(1), site.backUp(2), site.backUp(3));
      Set<String> before = objects();
      PruneReport first = site.prune(1, Site.DAY);
      assertThat(first.deleted()).containsExactly(ids.get(0), ids.get(1));
      assertThat(first.swept()).isEmpty();
      assertThat(first.objectsRemoved()).isZero();
      assertThat(site.listed()).containsExactly(ids.get(2));
      assertThat(objects()).containsAll(before);
      assertThat(site.verify().damaged()).isEmpty();
      assertThat(site.repository.states(Optional.of("orders")))
          .extracting(BackupState::stage)
          .containsExactly(
              BackupState.Stage.DELETED, BackupState.Stage.DELETED, BackupState.Stage.LIVE);

      clock.advance(Site.DAY.minusSeconds(60));
      assertThat(site.prune(1, Site.DAY).objectsRemoved()).isZero();
      clock.advance(Duration.ofMinutes(2));
      PruneReport second = site.prune(1, Site.DAY);
      assertThat(second.swept()).containsExactly(ids.get(0), ids.get(1));
      assertThat(second.bytesFreed()).isPositive();
      assertThat(site.listed()).containsExactly(ids.get(2));
      TestRepository.assertReads(site.repository, ids.get(2), TestRepository.fewFiles(3));
      assertThat(site.verify().damaged()).isEmpty();
      for (String key : objects()) {
        assertThat(key).doesNotContain(ids.get(0).value()).doesNotContain(ids.get(1).value());
      }
      assertThat(objects("packs/")).hasSize(2);
    }
  }

  @Test
  void whoKnewABackupThatOthersGaveUpIsToldSoAndNotOfDamage() throws IOException {
    try (Site site = Site.create(store, state, clock)) {
      BackupId first = site.backUp(1);
      site.backUp(2);
      try (Site before = Site.open(store, state, clock, 1000, 1000)) {
        assertThat(before.listed()).contains(first);
        site.prune(1, Duration.ZERO);
        clock.advance(Duration.ofSeconds(1));
        assertThat(site.prune(1, Duration.ZERO).swept()).containsExactly(first);
        assertRefused(
            () -> before.repository.open(first), "backup.not-found", FailureKind.NOT_FOUND);
      }
      BackupId lost = site.listed().get(0);
      store.lose(site.services.log().catalog().backup(lost).orElseThrow().manifest().key());
      assertRefused(() -> site.repository.open(lost), "repository.damaged", FailureKind.DAMAGED);
    }
  }

  @Test
  void moreBackupsThanASweepNamesAtOnceGoInOneRun() throws IOException {
    Site.create(store, state, clock).close();
    try (Site site = Site.open(store, state, clock, 1000, 2)) {
      List<BackupId> ids = new ArrayList<>();
      for (int seed = 1; seed <= 6; seed++) {
        ids.add(site.backUp(seed));
      }
      site.prune(1, Duration.ZERO);
      clock.advance(Duration.ofSeconds(1));
      assertThat(site.prune(1, Duration.ZERO).swept())
          .containsExactlyInAnyOrderElementsOf(ids.subList(0, 5));
      assertThat(objects("manifests/")).hasSize(1);
      assertThat(site.services.log().catalog().sweeps()).isEmpty();
      site.requireAllWhole();
    }
  }

  @Test
  void aBackupComesBackBeforeItsSweepAndNotAfter() throws IOException {
    try (Site site = Site.create(store, state, clock)) {
      BackupId first = site.backUp(1);
      BackupId second = site.backUp(2);
      site.backUp(3);
      site.prune(1, Site.DAY);
      assertThat(site.repository.undelete(first).stage()).isEqualTo(BackupState.Stage.LIVE);
      site.repository.undelete(first);
      TestRepository.assertReads(site.repository, first, TestRepository.fewFiles(1));
      clock.advance(Site.DAY.plusSeconds(1));
      // Nothing was swept yet, though its grace is over.
      site.repository.hold(second, "a look", Optional.empty());
      assertThat(site.prune(2, Site.DAY).swept()).isEmpty();
      site.repository.release(second, "a look");
      assertThat(site.prune(2, Site.DAY).swept()).containsExactly(second);
      TestRepository.assertReads(site.repository, first, TestRepository.fewFiles(1));
      assertRefused(
          () -> site.repository.undelete(second), "backup.not-found", FailureKind.NOT_FOUND);
      assertThat(site.verify().damaged()).isEmpty();
    }
  }

  @Test
  void whatIsBeingRemovedCannotComeBack() throws IOException {
    BackupId first;
    try (Site site = Site.create(store, state, clock)) {
      first = site.backUp(1);
      site.backUp(2);
      site.prune(1, Duration.ZERO);
    }
    clock.advance(Duration.ofSeconds(1));
    Site.At stopping =
        new Site.At(store, 0, () -> {}) {
          @Override
          void before(String call) throws IOException {
            if (call.startsWith("delete packs/")) {
              throw new com.thorbis.backup.spi.storage.StorageException.Unavailable(
                  "delete", call, null);
            }
          }
        };
    try (Site site = Site.open(stopping, state, clock)) {
      assertThatThrownBy(() -> site.prune(1, Duration.ZERO)).isInstanceOf(IOException.class);
      assertThat(site.repository.states(Optional.empty()).get(0).stage())
          .isEqualTo(BackupState.Stage.SWEEPING);
      assertRefused(() -> site.repository.undelete(first), "backup.sweeping", FailureKind.REFUSED);
      assertRefused(
          () -> site.repository.hold(first, "late", Optional.empty()),
          "backup.sweeping",
          FailureKind.REFUSED);
    }
    try (Site site = Site.open(store, state, clock)) {
      assertThat(site.prune(1, Duration.ZERO).swept()).containsExactly(first);
      site.requireAllWhole();
    }
  }

  @Test
  void aHoldWinsOverEveryPlan() throws IOException {
    try (Site site = Site.create(store, state, clock)) {
      BackupId first = site.backUp(1);
      site.backUp(2);
      site.repository.hold(first, "case 7", Optional.empty());
      site.repository.hold(first, "audit", Optional.of(clock.instant().plus(Site.DAY)));
      assertRefused(() -> site.prune(1, Site.DAY), "backup.held", FailureKind.REFUSED);
      assertRefused(
          () -> site.repository.release(first, "case 8"), "hold.not-found", FailureKind.NOT_FOUND);
      BackupState left = site.repository.release(first, "case 7");
      assertThat(left.holds()).extracting(BackupState.Hold::reason).containsExactly("audit");
      assertRefused(() -> site.prune(1, Site.DAY), "backup.held", FailureKind.REFUSED);
      clock.advance(Site.DAY);
      assertThat(site.prune(1, Site.DAY).deleted()).containsExactly(first);
    }
  }

  @Test
  void aFullUnderTenBackupsThatReferToItCanGo() throws IOException {
    try (Site site = Site.create(store, state, clock)) {
      BackupId full = site.backUp(1);
      List<BackupId> referring = new ArrayList<>();
      for (int i = 0; i < 10; i++) {
        referring.add(
            ReferringBackups.add(
                site.services, full, new BackupId("20260102T03040" + i + "Z-0000000" + i)));
      }
      site.prune(10, Duration.ZERO);
      clock.advance(Duration.ofSeconds(1));
      PruneReport report = site.prune(10, Duration.ZERO);
      assertThat(report.swept()).containsExactly(full);
      assertThat(report.objectsRemoved()).isEqualTo(1); // its manifest
      for (BackupId id : referring) {
        TestRepository.assertReads(site.repository, id, TestRepository.fewFiles(1));
      }
      site.requireAllWhole();
      // The last that refers to them takes the packs with it.
      BackupId other = site.backUp(2);
      site.prune(1, Duration.ZERO);
      clock.advance(Duration.ofSeconds(1));
      assertThat(site.prune(1, Duration.ZERO).swept()).hasSize(10);
      assertThat(objects("packs/")).hasSize(2);
      TestRepository.assertReads(site.repository, other, TestRepository.fewFiles(2));
    }
  }

  @Test
  void theLastBackupStaysWhateverAPlanSays() throws IOException {
    try (Site site = Site.create(store, state, clock)) {
      site.backUp(1);
      site.backUp(2);
      assertRefused(() -> site.prune(0, Site.DAY), "prune.last-backup", FailureKind.REFUSED);
      assertThat(site.listed()).hasSize(2);
    }
  }

  @Test
  void aPlanIsCarriedOutAsItWasShownOrNotAtAll() throws IOException {
    try (Site site = Site.create(store, state, clock)) {
      BackupId first = site.backUp(1);
      BackupId second = site.backUp(2);
      PrunePlan plan = site.keeping(1).plan();
      assertThat(plan.retention().decisions()).hasSize(2);
      assertThat(plan.bytes()).isPositive();
      site.repository.hold(second, "no matter", Optional.empty()); // changes nothing of the plan
      BackupId third;
      try (Site other = Site.open(store, state, clock)) {
        third = other.backUp(3);
      }
      assertRefused(
          () -> site.prune(1, Site.DAY, Optional.of(plan)),
          "prune.plan-changed",
          FailureKind.REFUSED);
      assertThat(site.listed()).containsExactly(first, second, third);
      site.repository.release(second, "no matter");
      PrunePlan fresh = site.keeping(1).plan();
      assertThat(site.prune(1, Site.DAY, Optional.of(fresh)).deleted())
          .containsExactly(first, second);
    }
  }

  @Test
  void r07NothingIsRemovedByTheRunThatGaveItUp() throws IOException {
    try (Site site = Site.create(store, state, clock)) {
      BackupId first = site.backUp(1);
      site.backUp(2);
      try (BackupReader reader = site.repository.open(first)) {
        PruneReport report = site.prune(1, Duration.ZERO);
        assertThat(report.deleted()).containsExactly(first);
        assertThat(report.objectsRemoved()).isZero();
        // Whoever opened it before goes on reading.
        TestRepository.Target target = new TestRepository.Target();
        reader.extract(file -> true, target, RunControl.unattended());
        assertThat(target.files.keySet()).isEqualTo(TestRepository.fewFiles(1).keySet());
      }
    }
  }

  @Test
  void r21NothingIsCommittedThatRefersToWhatIsNotThere() throws IOException {
    try (Site site = Site.create(store, state, clock)) {
      site.backUp(1);
    }
    Set<String> before = objects("packs/");
    Set<String> shown = new TreeSet<>(); // when they were stored
    Site.Watched losing =
        new Site.Watched(store) {
          @Override
          void before(String call) throws IOException {
            if (call.startsWith("head packs/") && !shown.add(call)) {
              for (String pack : objects("packs/")) {
                if (!before.contains(pack)) {
                  store.delete(new ObjectKey(pack));
                }
              }
            }
          }
        };
    try (Site site = Site.open(losing, state, clock)) {
      assertRefused(() -> site.backUp(2), "repository.damaged", FailureKind.DAMAGED);
      assertThat(site.listed()).hasSize(1);
    }
  }

  @Test
  void r23OnlyWhatIsNamedGoesWhateverElseLiesThere() throws IOException {
    try (Site site = Site.create(store, state, clock)) {
      BackupId first = site.backUp(1);
      site.backUp(2);
      String tree = objects("packs/").iterator().next().split("/")[1];
      String other = "00000000000000000000000000000000";
      List<String> planted =
          List.of(
              "packs/" + tree + "/" + first,
              "packs/" + tree + "/.fuse_hidden0001",
              "packs/" + tree + "/deep/" + other,
              "packs/" + other + "/" + other,
              "packs/" + other,
              "packs2/" + tree + "/" + other,
              "manifests/" + tree + "/notes.txt",
              "manifests/" + other + "/" + first,
              "wal/" + tree + "/x",
              "checkpoints/x",
              "leases/x",
              "mine/" + first,
              "zzz");
      for (String key : planted) {
        store.put(new ObjectKey(key), ObjectSource.of(new byte[] {1, 2, 3}));
      }
      site.prune(1, Duration.ZERO);
      clock.advance(Duration.ofDays(400));
      PruneReport report = site.prune(1, Duration.ZERO);
      assertThat(report.swept()).containsExactly(first);
      assertThat(objects()).containsAll(planted);
      assertThat(report.unknown())
          .containsExactlyInAnyOrder(
              "packs/" + tree + "/" + first,
              "packs/" + tree + "/.fuse_hidden0001",
              "packs/" + tree + "/deep/" + other,
              "manifests/" + tree + "/notes.txt");
    }
  }

  @Test
  void r23AnUnusualShareNeedsSomebodyToConfirmIt() throws IOException {
    try (Site site = Site.create(store, state, clock)) {
      for (int i = 0; i < 8; i++) {
        site.backUp(i);
      }
      Pruner.Terms careful = new Pruner.Terms(Optional.empty(), Site.DAY, 50, 3, false);
      assertRefused(
          () -> site.keeping(2).prune(careful, RunControl.unattended()),
          "prune.too-much",
          FailureKind.REFUSED);
      assertThat(site.listed()).hasSize(8);
      assertThat(site.keeping(4).prune(careful, RunControl.unattended()).deleted()).hasSize(4);
      assertThat(site.keeping(1).prune(careful, RunControl.unattended()).deleted()).hasSize(3);
    }
    try (Site site = Site.create(MemoryObjectStore.create(clock, 10), state.resolve("b"), clock)) {
      for (int i = 0; i < 8; i++) {
        site.backUp(i);
      }
      Pruner.Terms sure = new Pruner.Terms(Optional.empty(), Site.DAY, 50, 3, true);
      assertThat(site.keeping(1).prune(sure, RunControl.unattended()).deleted()).hasSize(7);
    }
  }

  @Test
  void whatACrashedBackupLeftGoesWhenItIsOldEnough() throws IOException {
    try (Site site = Site.create(store, state, clock)) {
      BackupId whole = site.backUp(1);
      int packs = objects("packs/").size();
      Site.Watched dying =
          new Site.Watched(store) {
            @Override
            void before(String call) {
              if (call.startsWith("put commits/") || call.startsWith("delete ")) {
                throw new IllegalStateException("died");
              }
            }
          };
      try (Site other = Site.open(dying, state, clock)) {
        assertThatThrownBy(() -> other.backUp(2)).isInstanceOf(IllegalStateException.class);
      }
      assertThat(objects("packs/")).hasSize(packs + 2);
      assertThat(objects("manifests/")).hasSize(2);
      assertThat(site.prune(1, Site.DAY).objectsRemoved()).isZero();
      clock.advance(Site.DAY.minusSeconds(1));
      assertThat(site.prune(1, Site.DAY).objectsRemoved()).isZero();
      clock.advance(Duration.ofSeconds(2));
      assertThat(site.prune(1, Site.DAY).objectsRemoved()).isEqualTo(3);
      assertThat(objects("packs/")).hasSize(packs);
      clock.advance(Site.DAY.multipliedBy(2));
      site.prune(1, Site.DAY);
      assertThat(objects("leases/")).isEmpty();
      TestRepository.assertReads(site.repository, whole, TestRepository.fewFiles(1));
      assertThat(site.verify().damaged()).isEmpty();
    }
  }

  @Test
  void aManifestOfAKeptBackupThatCannotBeReadStopsEverySweep() throws IOException {
    try (Site site = Site.create(store, state, clock)) {
      site.backUp(1);
      BackupId kept = site.backUp(2);
      site.prune(1, Duration.ZERO);
      clock.advance(Duration.ofSeconds(1));
      String manifest =
          objects("manifests/").stream()
              .filter(key -> key.endsWith(kept.value()))
              .findFirst()
              .get();
      store.flipBit(new ObjectKey(manifest), 1000);
      Set<String> before = objects("packs/");
      assertRefused(() -> site.prune(1, Duration.ZERO), "prune.need-unknown", FailureKind.DAMAGED);
      assertThat(objects("packs/")).isEqualTo(before);
    }
  }

  @Test
  void aManifestThatCannotBeReadIsNamedWithTheWayOutAndKeepsNoLog() throws IOException {
    try (Site site = Site.create(store, state, clock)) {
      for (int number = 2; number <= 3; number++) {
        WalSegment segment = TestRepository.segment(1, number);
        site.repository
            .wal("orders")
            .storeSegment(
                segment, ByteBuffer.wrap(TestRepository.wal(segment, number)), WalMarks.NONE);
      }
      site.backUp(1);
      BackupId lost = backUpInThird(site);
      site.prune(1, Duration.ZERO);
      clock.advance(Duration.ofSeconds(1));
      String manifest = "manifests/" + tree() + "/" + lost;
      store.flipBit(new ObjectKey(manifest), 1000);
      Set<String> packs = objects("packs/");
      assertThatThrownBy(() -> site.prune(1, Duration.ZERO))
          .isInstanceOfSatisfying(
              RepositoryException.class,
              e -> {
                assertThat(e.code()).isEqualTo("prune.need-unknown");
                assertThat(e).hasMessageContaining(lost.value());
                assertThat(e.remedy()).contains("prune --backup " + lost);
              });
      assertThat(objects("packs/")).isEqualTo(packs);
      assertThat(objects("wal/")).as("what a backup needs that is not gone stays").hasSize(2);

      BackupId other = backUpInThird(site);
      assertThat(byHand(site, lost, false).deleted()).containsExactly(lost);
      clock.advance(Site.DAY.multipliedBy(2));
      assertThat(site.prune(1, Site.DAY).swept()).contains(lost);
      assertThat(site.listed()).containsExactly(other);
      assertThat(objects("packs/")).hasSize(2);
      site.requireAllWhole();
    }
  }

  /** With its log in the third segment. */
  private static BackupId backUpInThird(Site site) throws IOException {
    try (BackupWriter writer = TestRepository.begin(site.repository)) {
      TestRepository.write(writer, "base/1/259", TestRepository.fewFiles(1).get("base/1/259"));
      return writer.commit(TestRepository.facts(3), BackupStatus.COMPLETE).id();
    }
  }

  private PruneReport byHand(Site site, BackupId id, boolean lastAllowed) throws IOException {
    PruneRequest.Builder request =
        PruneRequest.builder(site.repository.backup(id).orElseThrow())
            .grace(Site.DAY)
            .lastAllowed(lastAllowed);
    PrunePlan plan = site.repository.planPrune(request.build());
    assertThat(plan.retention().deleted()).containsExactly(id);
    return site.repository.prune(request.plan(plan).build(), RunControl.unattended());
  }

  private String tree() {
    return objects("packs/").iterator().next().split("/", -1)[1];
  }

  @Test
  void oneBackupIsGivenUpByHandInTwoPhasesLikeAnyOther() throws IOException {
    try (Site site = Site.create(store, state, clock)) {
      BackupId first = site.backUp(1);
      BackupId second = site.backUp(2);
      site.verify();
      BackupId third = site.backUp(3);
      PruneReport report = byHand(site, first, false);
      assertThat(report.deleted()).containsExactly(first);
      assertThat(report.objectsRemoved()).isZero();
      assertThat(site.listed()).containsExactly(second, third);
      site.repository.undelete(first);
      TestRepository.assertReads(site.repository, first, TestRepository.fewFiles(1));
      site.repository.hold(first, "case 7", Optional.empty());
      assertRefused(() -> byHand(site, first, true), "backup.held", FailureKind.REFUSED);
      site.repository.release(first, "case 7");
      byHand(site, first, false);
      assertRefused(() -> byHand(site, second, false), "prune.last-backup", FailureKind.REFUSED);
      assertThat(byHand(site, third, false).deleted()).containsExactly(third);
      assertRefused(() -> byHand(site, second, false), "prune.last-backup", FailureKind.REFUSED);
      assertThat(byHand(site, second, true).deleted()).containsExactly(second);
      assertThat(site.listed()).isEmpty();
      assertThat(site.services.log().catalog().kept()).hasSize(3);
      assertThat(site.services.log().catalog().kept().get(0).fate().deleted().orElseThrow())
          .satisfies(
              deletion -> {
                assertThat(deletion.reason()).isEqualTo("by hand");
                assertThat(deletion.sweepAfter()).isEqualTo(clock.instant().plus(Site.DAY));
              });
    }
  }

  @Test
  void aBrakeStopsNoSweepOfWhatWasAgreedOnBefore() throws IOException {
    try (Site site = Site.create(store, state, clock)) {
      for (int i = 0; i < 8; i++) {
        site.backUp(i);
      }
      assertThat(site.prune(6, Duration.ZERO).deleted()).hasSize(2);
      clock.advance(Duration.ofSeconds(1));
      int manifests = objects("manifests/").size();
      Pruner.Terms careful = new Pruner.Terms(Optional.empty(), Site.DAY, 50, 3, false);
      assertRefused(
          () -> site.keeping(1).prune(careful, RunControl.unattended()),
          "prune.too-much",
          FailureKind.REFUSED);
      assertThat(objects("manifests/")).hasSize(manifests - 2);
      assertThat(site.listed()).hasSize(6);
      site.requireAllWhole();
    }
  }

  @Test
  void aSweepLeavesTheNewestTwoCheckpointsAndEverybodyOpensByThem() throws IOException {
    Site.create(store, state, clock).close();
    try (Site behind = Site.open(store, state.resolve("behind"), clock)) {
      assertThat(behind.services.log().sequence()).isEqualTo(2);
    }
    try (Site site = Site.open(store, state, clock, 1, 1000)) {
      BackupId kept = site.backUp(1);
      for (int i = 0; i < 20; i++) {
        site.repository.hold(kept, "case " + i, Optional.empty());
      }
      assertThat(objects("checkpoints/")).hasSizeGreaterThan(20);
      site.prune(1, Site.DAY);
      assertThat(objects("checkpoints/")).hasSize(2);
    }
    for (String machine : List.of("behind", "blank")) {
      long last = objects("commits/").size();
      try (Site site = Site.open(store, state.resolve(machine), clock)) {
        assertThat(site.services.log().sequence()).isEqualTo(last);
        assertThat(site.services.log().hash(1)).as("begun with a checkpoint").isEmpty();
        site.requireAllWhole();
      }
    }
  }

  @Test
  void aLogThatWasSetBackIsNoticedThoughTheCheckpointsOfItsTimeAreGone() throws IOException {
    Site.create(store, state, clock).close();
    MemoryObjectStore early = store.copy();
    try (Site seen = Site.open(store, state.resolve("witness"), clock)) {
      seen.backUp(1);
    }
    try (Site other = Site.open(early, state.resolve("other"), clock, 1, 1000)) {
      for (int seed = 2; seed < 6; seed++) {
        other.backUp(seed);
      }
      other.prune(4, Site.DAY);
    }
    assertRefused(
        () -> Site.open(early, state.resolve("witness"), clock),
        "repository.rolled-back",
        FailureKind.DAMAGED);
  }

  private Set<String> objects() {
    return new TreeSet<>(store.contents().keySet());
  }

  private Set<String> objects(String prefix) {
    Set<String> found = objects();
    found.removeIf(key -> !key.startsWith(prefix));
    return found;
  }

  static void assertRefused(ThrowingCallable action, String code, FailureKind kind) {
    assertThatThrownBy(action)
        .isInstanceOfSatisfying(
            ClassifiedFailure.class,
            failure -> {
              assertThat(failure.code()).isEqualTo(code);
              assertThat(failure.kind()).isEqualTo(kind);
            });
  }
}
