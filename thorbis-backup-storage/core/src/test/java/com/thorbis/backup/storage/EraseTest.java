package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.ErasePlan;
import com.thorbis.backup.api.EraseRequest;
import com.thorbis.backup.api.Erasure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.PruneReport;
import com.thorbis.backup.api.PruneRequest;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.RewrapRequest;
import com.thorbis.backup.api.RotateRequest;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WritersRequest;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.SigningKey;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.copies.KeepingStore;
import com.thorbis.backup.testkit.FaultyObjectStore;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A source whose keys are destroyed for good, beside one that nothing may happen to. */
class EraseTest {
  private static final String OTHER = "other";
  private static final Duration WEEK = Duration.ofDays(7);
  private static final Duration DAY = Duration.ofDays(1);
  private static final KeyProvider RECIPIENT = TestRepository.RECIPIENT;

  @TempDir Path states;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private final MemoryObjectStore disk = MemoryObjectStore.create(clock, 3);
  private final MemoryObjectStore second = MemoryObjectStore.create(clock, 1000);
  private int machines;

  private Path machine() {
    return states.resolve("m" + ++machines);
  }

  /** One source that stays, and one with a backup and log. */
  private Site create() throws IOException {
    return create(disk);
  }

  private Site create(ObjectStore store) throws IOException {
    Site site = Site.create(store, machine(), clock);
    site.backUp(1);
    register(site);
    backUp(site, 2);
    clock.advance(Duration.ofHours(1));
    return site;
  }

  private Site again(ObjectStore store) throws IOException {
    return Site.open(store, machine(), clock);
  }

  private static void register(Site site) throws IOException {
    site.repository.register(OTHER, "postgres", TestRepository.CLUSTER);
    storeLog(site, 1);
  }

  private static void storeLog(Site site, long number) throws IOException {
    storeLog(site, OTHER, number);
  }

  private static void storeLog(Site site, String source, long number) throws IOException {
    WalSegment segment = TestRepository.segment(1, number);
    site.repository
        .wal(source)
        .storeSegment(segment, ByteBuffer.wrap(TestLedger.content(segment)), WalMarks.NONE);
  }

  private static BackupWriter begin(Site site) throws IOException {
    return site.repository.begin(
        new BackupStart(OTHER, BackupType.FULL, Optional.empty(), TestRepository.NOW));
  }

  private static BackupId backUp(Site site, long seed) throws IOException {
    try (BackupWriter writer = begin(site)) {
      return write(writer, seed);
    }
  }

  private static BackupId write(BackupWriter writer, long seed) throws IOException {
    writer.directory(TestRepository.directory("base"));
    for (Map.Entry<String, byte[]> file : TestRepository.fewFiles(seed).entrySet()) {
      TestRepository.write(writer, file.getKey(), file.getValue());
    }
    return writer.commit(TestRepository.facts(), BackupStatus.COMPLETE).id();
  }

  private static EraseRequest request(Duration delay) {
    return new EraseRequest(OTHER, "ann", Optional.of("contract 7 ended"), delay);
  }

  private static Erasure erase(Site site, Duration delay) throws IOException {
    return site.repository.erase(request(delay), RunControl.unattended());
  }

  /** Asked for, and done, as soon as it may be. */
  private Erasure eraseNow(Site site) throws IOException {
    erase(site, Duration.ZERO);
    return erase(site, Duration.ZERO);
  }

  private static Catalog.Source other(Site site) {
    return site.services.log().catalog().source(OTHER).orElseThrow();
  }

  private List<String> below(MemoryObjectStore store, String kind, Erasure erasure) {
    return store.contents().keySet().stream()
        .filter(key -> key.startsWith(kind + "/" + erasure.tree()))
        .toList();
  }

  private static void assertRefused(String code, String said, ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> {
              assertThat(e.code()).isEqualTo(code);
              assertThat(e).hasMessageContaining(said);
              assertThat(e.kind()).isIn(FailureKind.REFUSED, FailureKind.NOT_FOUND);
            });
  }

  private static PruneReport prune(Site site, String source, Duration grace) throws IOException {
    return site.repository.prune(
        PruneRequest.builder(source, RetentionPolicy.builder().build()).grace(grace).build(),
        RunControl.unattended());
  }

  private static String sha256(byte[] bytes) throws Exception {
    return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
  }

  @Test
  void everythingOpensUntilItIsDoneAndNothingAfter() throws Exception {
    try (Site site = create()) {
      BackupId id = site.services.log().catalog().backups().get(1).backup().id();
      Erasure asked = erase(site, WEEK);
      assertThat(asked.stage()).isEqualTo(Erasure.Stage.REQUESTED);
      assertThat(asked.notBefore()).isEqualTo(clock.instant().plus(WEEK));
      clock.advance(WEEK.minusSeconds(1));
      assertThat(erase(site, WEEK).stage()).isEqualTo(Erasure.Stage.REQUESTED);
      TestRepository.assertReads(site.repository, id, TestRepository.fewFiles(2));
      backUp(site, 3);
      clock.advance(Duration.ofHours(1));
      SortedMap<String, byte[]> before = disk.contents();
      assertThat(site.repository.planErase(request(WEEK)).step()).isEqualTo(ErasePlan.Step.DESTROY);

      Erasure done = erase(site, WEEK);

      assertThat(done.stage()).isEqualTo(Erasure.Stage.ERASED);
      assertThat(done.requested().by()).isEqualTo("ann");
      assertThat(done.reason()).isEqualTo("contract 7 ended");
      assertThat(done.backups()).hasSize(2).contains(id);
      assertThat(done.recipients()).containsExactly(RECIPIENT.scheme() + " " + RECIPIENT.keyId());
      assertThat(done.slots()).isNotEmpty();
      for (Erasure.Slot slot : done.slots()) {
        byte[] bytes = before.get(slot.object());
        assertThat(slot.length()).isEqualTo(bytes.length);
        assertThat(slot.sha256()).isEqualTo(sha256(bytes));
        assertThat(disk.contents()).doesNotContainKey(slot.object());
      }
      assertThat(done.commit().orElseThrow().sha256())
          .isEqualTo(
              sha256(
                  disk.content(
                      new ObjectKey(
                          String.format("commits/%016x", done.commit().get().number())))));
      assertThat(done.copies())
          .singleElement()
          .satisfies(
              copy ->
                  assertThat(copy.recoverable())
                      .as("this store keeps what is deleted")
                      .isEqualTo(done.slots().size()));

      assertRefused("backup.erased", "ann (contract 7 ended)", () -> site.repository.open(id));
      assertRefused("source.erased", "nothing of it opens", () -> begin(site));
      assertRefused("source.erased", "nothing of it opens", () -> site.repository.wal(OTHER));
      assertRefused(
          "backup.erased",
          "erased",
          () ->
              site.repository.verify(
                  new VerifyRequest(Optional.of(id), VerifyRequest.Level.DATA, 100),
                  RunControl.unattended()));
      assertThat(site.repository.states(Optional.of(OTHER))).isEmpty();
      assertThat(site.repository.sources()).extracting(SourceInfo::name).containsExactly("orders");
      site.requireAllWhole();
      assertThat(RawKeys.opened(disk.contents(), "packs/" + done.tree(), RECIPIENT))
          .containsValue(false)
          .doesNotContainValue(true);
      RawKeys.assertAllOpen(disk, "commits/", List.of(RECIPIENT));
      assertThat(erase(site, WEEK)).as("again").isEqualTo(done);
    }
    try (Site fresh = again(disk)) {
      assertThat(fresh.repository.erasures()).hasSize(1);
      assertThat(fresh.repository.checkKeys())
          .allMatch(item -> item.outcome() == CheckItem.Outcome.OK);
      fresh.requireAllWhole();
    }
  }

  @Test
  void itCanBeTakenBackUntilItIsDone() throws IOException {
    try (Site site = create()) {
      BackupId id = backUp(site, 4);
      assertRefused(
          "erase.not-requested", "Nobody asked", () -> site.repository.unerase(OTHER, "bob"));
      erase(site, WEEK);
      assertThat(site.repository.checkKeys())
          .filteredOn(item -> item.outcome() == CheckItem.Outcome.WARN)
          .singleElement()
          .satisfies(item -> assertThat(item.message()).contains("ann asked for it"));
      clock.advance(WEEK);
      site.repository.unerase(OTHER, "bob");
      assertThat(site.repository.erasures()).isEmpty();
      TestRepository.assertReads(site.repository, id, TestRepository.fewFiles(4));
      clock.advance(WEEK);
      assertThat(erase(site, WEEK).notBefore()).isEqualTo(clock.instant().plus(WEEK));
      clock.advance(WEEK);
      erase(site, WEEK);
      assertRefused("source.erased", "ann", () -> site.repository.unerase(OTHER, "bob"));
    }
  }

  @Test
  void nobodyErasesWithoutAReasonNorWhatIsNotThere() throws IOException {
    try (Site site = create()) {
      EraseRequest silent = new EraseRequest(OTHER, "ann", Optional.empty(), WEEK);
      assertThatThrownBy(() -> site.repository.erase(silent, RunControl.unattended()))
          .isInstanceOfSatisfying(
              RepositoryException.class, e -> assertThat(e.code()).isEqualTo("erase.no-reason"));
      EraseRequest unknown = new EraseRequest("nobody", "ann", Optional.of("why"), WEEK);
      assertRefused(
          "source.not-registered",
          "nobody",
          () -> site.repository.erase(unknown, RunControl.unattended()));
    }
  }

  @Test
  void aHoldKeepsASourceAndSaysUntilWhen() throws IOException {
    try (Site site = create()) {
      BackupId id = backUp(site, 4);
      Instant until = clock.instant().plus(WEEK);
      site.repository.hold(id, "case 7", Optional.of(until));
      assertRefused("erase.held", "(case 7) until " + until, () -> erase(site, WEEK));
      clock.advance(WEEK);
      erase(site, Duration.ZERO);
      site.repository.hold(id, "case 8", Optional.empty());
      assertRefused("erase.held", "until somebody removes that", () -> erase(site, WEEK));
      assertThat(site.repository.planErase(request(WEEK)).obstacles()).hasSize(1);
      site.repository.release(id, "case 8");
      assertThat(erase(site, WEEK).stage()).isEqualTo(Erasure.Stage.ERASED);
    }
  }

  @Test
  void aRunThatWorksWithItKeepsASource() throws IOException {
    try (Site site = create();
        Site running = again(disk)) {
      erase(site, Duration.ZERO);
      try (BackupWriter writer = begin(running)) {
        assertRefused("erase.in-use", "until", () -> erase(site, WEEK));
        try (BackupWriter mine = TestRepository.begin(site.repository)) {
          mine.directory(TestRepository.directory("base"));
        }
        writer.directory(TestRepository.directory("base"));
      }
      try (BackupWriter unrelated = TestRepository.begin(running.repository)) {
        assertThat(erase(site, WEEK).stage()).isEqualTo(Erasure.Stage.ERASED);
        unrelated.directory(TestRepository.directory("base"));
        unrelated.commit(TestRepository.facts(), BackupStatus.COMPLETE);
      }
    }
  }

  @Test
  void logThatArrivesKeepsASource() throws IOException {
    try (Site site = create()) {
      erase(site, Duration.ZERO);
      storeLog(site, 2);
      assertRefused("erase.in-use", "its log was still arriving", () -> erase(site, WEEK));
      clock.advance(Duration.ofHours(1));
      assertThat(erase(site, WEEK).stage()).isEqualTo(Erasure.Stage.ERASED);
    }
  }

  @Test
  void aLockKeepsASourceAndIsNotRenewedWhileItIsToBeErased() throws IOException {
    Duration lock = Duration.ofDays(30);
    ObjectStore locked =
        KeepingStore.over(List.of(Copy.builder(disk).lock(lock).build()), clock).get(0).store();
    try (Site site = create(locked)) {
      erase(site, Duration.ZERO);
      Instant until = latestLock("keys/" + other(site).tree());
      assertRefused("erase.locked", "until " + until, () -> erase(site, WEEK));
      clock.advance(Duration.ofDays(20));
      prune(site, "orders", DAY);
      assertThat(latestLock("keys/" + other(site).tree())).isEqualTo(until);
      assertThat(latestLock("keys/" + site.services.log().catalog().trees().get(0)))
          .as("others are renewed")
          .isAfter(until);
      clock.advance(Duration.between(clock.instant(), until).plusSeconds(1));
      assertThat(erase(site, WEEK).stage()).isEqualTo(Erasure.Stage.ERASED);
    }
  }

  private Instant latestLock(String prefix) throws IOException {
    Instant latest = Instant.EPOCH;
    for (String key : disk.contents().keySet()) {
      if (key.startsWith(prefix)) {
        Optional<Instant> until = disk.head(new ObjectKey(key)).flatMap(ObjectInfo::lockedUntil);
        latest = until.filter(latest::isBefore).orElse(latest);
      }
    }
    return latest;
  }

  @Test
  void theNameIsFreeForASourceWithKeysOfItsOwn() throws IOException {
    try (Site site = create()) {
      Erasure first = eraseNow(site);
      register(site);
      BackupId id = backUp(site, 5);
      assertThat(other(site).tree().toString()).isNotEqualTo(first.tree());
      TestRepository.assertReads(site.repository, id, TestRepository.fewFiles(5));
      assertRefused(
          "backup.erased", "was erased", () -> site.repository.open(first.backups().get(0)));
      site.requireAllWhole();
      prune(site, "orders", Duration.ZERO);
      site.requireAllWhole();
      clock.advance(Duration.ofHours(1));
      Erasure next = eraseNow(site);
      assertThat(next.backups()).containsExactly(id);
      assertThat(site.repository.erasures())
          .extracting(Erasure::tree)
          .containsExactly(first.tree(), next.tree());
      site.requireAllWhole();
    }
  }

  @Test
  void whatItsKeysSealedGoesAfterTheGrace() throws IOException {
    try (Site site = create()) {
      Erasure done = eraseNow(site);
      List<String> orders = site.listed().stream().map(BackupId::value).toList();
      assertThat(prune(site, "orders", DAY).objectsRemoved()).isZero();
      assertThat(below(disk, "packs", done)).isNotEmpty();
      clock.advance(DAY);
      assertThat(prune(site, OTHER, DAY).objectsRemoved()).as("by its own name").isPositive();
      for (String kind : List.of("packs", "manifests", "wal", "keys")) {
        assertThat(below(disk, kind, done)).isEmpty();
      }
      assertThat(site.listed().stream().map(BackupId::value).toList()).isEqualTo(orders);
      site.requireAllWhole();
    }
  }

  @Test
  void aSlotThatCameBackIsNamedAndOpensNothing() throws IOException {
    try (Site site = create()) {
      Erasure done = eraseNow(site);
      ObjectKey slot = new ObjectKey(done.slots().get(0).object());
      disk.undelete(slot);
      assertThat(site.verify().damaged())
          .singleElement()
          .satisfies(
              damage -> {
                assertThat(damage.kind()).isEqualTo("erased-key");
                assertThat(damage.object()).isEqualTo(slot.value());
                assertThat(damage.referenced()).isFalse();
              });
      try (Site fresh = again(disk)) {
        assertThat(fresh.repository.checkKeys())
            .filteredOn(item -> item.outcome() == CheckItem.Outcome.FAIL)
            .singleElement()
            .satisfies(item -> assertThat(item.message()).contains(slot.value(), OTHER));
        assertRefused(
            "source.erased",
            OTHER,
            () -> fresh.services.keys().key(ObjectId.parse(done.tree()), 1));
        assertThat(prune(fresh, "orders", DAY).objectsRemoved()).isEqualTo(1);
        fresh.requireAllWhole();
      }
    }
  }

  @Test
  void slotsThatCountNoMoreGoToo() throws IOException {
    try (Site site = create()) {
      String tree = other(site).tree().toString();
      site.repository.rotateKeys(RotateRequest.all());
      try (Site rewrapping = Site.open(setup(disk, TestWorld.THIRD, RECIPIENT), 1000, 1000)) {
        rewrapping.repository.rewrapKeys(new RewrapRequest(true, WEEK), RunControl.unattended());
      }
      site.repository.refresh();
      Erasure done = eraseNow(site);
      assertThat(done.slots()).hasSize(2 + 4);
      assertThat(disk.contents().keySet()).noneMatch(key -> key.startsWith("keys/" + tree));
      clock.advance(WEEK);
      prune(site, "orders", DAY);
      assertThat(site.services.log().catalog().retiredSlots()).isEmpty();
      site.requireAllWhole();
    }
  }

  private RepositorySetup setup(ObjectStore store, KeyProvider... recipients) {
    RepositorySetup.Builder setup =
        RepositorySetup.builder()
            .copy(store)
            .acceptSingleKeyRisk(true)
            .parallelism(1)
            .stateDirectory(machine())
            .clock(clock);
    List.of(recipients).forEach(setup::recipient);
    return setup.build();
  }

  /** Whoever wraps its keys to others at this very moment leaves no slot. */
  @Test
  void whoChangesItsKeysMeanwhileLeavesNoSlot() throws IOException {
    for (boolean rewraps : List.of(true, false)) {
      try (Site site = create()) {
        erase(site, Duration.ZERO);
        Erasure[] done = new Erasure[1];
        ObjectStore view =
            new Site.Watched(disk) {
              @Override
              void before(String call) throws IOException {
                if (call.startsWith("put commits/") && done[0] == null) {
                  done[0] = erase(site, WEEK);
                }
              }
            };
        try (Site changing = Site.open(setup(view, RECIPIENT, TestWorld.THIRD), 1000, 1000)) {
          if (rewraps) {
            changing.repository.rewrapKeys(RewrapRequest.standard(), RunControl.unattended());
          } else {
            changing.repository.rotateKeys(RotateRequest.all());
          }
        }
        assertThat(done[0].stage()).isEqualTo(Erasure.Stage.ERASED);
        assertThat(below(disk, "keys", done[0])).isEmpty();
        site.requireAllWhole();
      }
      for (String key : List.copyOf(disk.contents().keySet())) {
        disk.lose(new ObjectKey(key));
      }
    }
  }

  @Test
  void aProcessThatRunsDropsItsKeys() throws IOException {
    try (Site site = create();
        Site running = again(disk)) {
      storeLog(running, 2);
      clock.advance(Duration.ofHours(1));
      eraseNow(site);
      running.repository.refresh();
      assertRefused("source.erased", OTHER, () -> storeLog(running, 3));
      storeLog(running, "orders", 2);
    }
  }

  @Test
  void aBackupThatSleptWhileItsSourceWasErasedIsRefused() throws IOException {
    try (Site site = create();
        Site slow = again(disk)) {
      try (BackupWriter writer = begin(slow)) {
        erase(site, Duration.ZERO);
        clock.advance(DAY); // its lease lapses
        eraseNow(site);
        register(site);
        assertRefused("source.erased", OTHER, () -> write(writer, 6));
      }
      site.requireAllWhole();
    }
  }

  @Test
  void checkpointsSayTheSame() throws IOException {
    TestRepository.FACTORY.init(Site.setup(disk, machine(), clock));
    try (Site site = Site.open(disk, machine(), clock, 1, 1000)) {
      site.repository.register("orders", "postgres", TestRepository.CLUSTER);
      register(site);
      backUp(site, 2);
      clock.advance(Duration.ofHours(1));
      erase(site, WEEK);
      assertSame(site);
      clock.advance(WEEK);
      erase(site, WEEK);
      register(site);
      backUp(site, 3);
      assertSame(site);
    }
  }

  private void assertSame(Site site) throws IOException {
    try (Site fresh = again(disk)) {
      assertThat(fresh.services.log().hash(1)).as("a checkpoint stood for it").isEmpty();
      assertThat(fresh.repository.erasures()).isEqualTo(site.repository.erasures());
      fresh.requireAllWhole(); // compares it with the commits
    }
  }

  // Copies

  private Site create(WritePolicy policy, ObjectStore other) throws IOException {
    RepositorySetup setup = setup(policy, other);
    TestRepository.FACTORY.init(setup);
    Site site = Site.open(setup, 1000, 1000);
    site.repository.register("orders", "postgres", TestRepository.CLUSTER);
    storeLog(site, "orders", 1);
    register(site);
    site.backUp(1);
    backUp(site, 2);
    site.repository.syncCopies(RunControl.unattended());
    clock.advance(Duration.ofHours(1));
    return site;
  }

  private RepositorySetup setup(WritePolicy policy, ObjectStore other) {
    return Site.setup(
        machine(),
        clock,
        policy,
        List.of(
            Copy.builder(disk).name("first").build(), Copy.builder(other).name("second").build()));
  }

  @Test
  void aCopyThatIsBehindKeepsItOpen() throws IOException {
    try (Site site = create(WritePolicy.PRIMARY, second)) {
      Erasure open = eraseNow(site);
      assertThat(open.stage()).isEqualTo(Erasure.Stage.ERASING);
      assertThat(open.open())
          .singleElement()
          .satisfies(reason -> assertThat(reason).contains("second", "copies sync"));
      assertThat(below(disk, "keys", open)).isEmpty();
      assertThat(below(second, "keys", open)).isNotEmpty();
      assertThat(site.verify().damaged()).isEmpty();
      assertThat(site.repository.checkKeys())
          .anyMatch(item -> item.outcome() == CheckItem.Outcome.FAIL);
      site.repository.syncCopies(RunControl.unattended());
      Erasure done = erase(site, WEEK);
      assertThat(done.stage()).isEqualTo(Erasure.Stage.ERASED);
      assertThat(done.copies())
          .extracting(Erasure.CopyWithout::name)
          .containsExactly("first", "second");
      assertThat(below(second, "keys", open)).isEmpty();
      site.requireAllWhole();
      clock.advance(DAY);
      prune(site, "orders", DAY);
      assertThat(below(second, "packs", open)).isEmpty();
      site.requireAllWhole();
    }
  }

  @Test
  void aCopyThatCannotBeAskedKeepsItOpenAndAPruneEndsIt() throws IOException {
    FaultyObjectStore view = FaultyObjectStore.over(second);
    try (Site site = create(WritePolicy.PRIMARY, view)) {
      erase(site, Duration.ZERO);
      site.repository.syncCopies(RunControl.unattended());
      view.unavailable(true);
      Erasure open = erase(site, WEEK);
      assertThat(open.open())
          .singleElement()
          .satisfies(reason -> assertThat(reason).contains("second", "cannot be asked"));
      assertThat(below(second, "keys", open)).isNotEmpty();
      view.unavailable(false);
      assertThat(notEnded(prune(site, "orders", DAY)))
          .singleElement()
          .satisfies(alarm -> assertThat(alarm).contains("not-ended", "second"));
      site.repository.syncCopies(RunControl.unattended());
      assertThat(notEnded(prune(site, "orders", DAY))).isEmpty();
      assertThat(below(second, "keys", open)).isEmpty();
      assertThat(site.repository.erasures().get(0).stage()).isEqualTo(Erasure.Stage.ERASED);
    }
  }

  private static List<String> notEnded(PruneReport report) {
    return report.alarms().stream().filter(alarm -> alarm.startsWith("erase.")).toList();
  }

  @Test
  void aCopyThatIsNotConfiguredKeepsItOpen() throws IOException {
    create(WritePolicy.ALL, second).close();
    try (Site site = again(disk)) {
      assertThat(eraseNow(site).open())
          .singleElement()
          .satisfies(reason -> assertThat(reason).contains("second", "not configured here"));
    }
  }

  /** A sync that began before brings no slot back to where it went. */
  @Test
  void aSyncThatRunsMeanwhileBringsNoSlotBack() throws IOException {
    try (Site site = create(WritePolicy.PRIMARY, second)) {
      erase(site, Duration.ZERO);
      Erasure[] done = new Erasure[1];
      ObjectStore view =
          new Site.Watched(disk) {
            @Override
            void before(String call) throws IOException {
              if (done[0] == null && call.startsWith("head keys/" + other(site).tree())) {
                done[0] = erase(site, WEEK);
              }
            }
          };
      RepositorySetup setup =
          Site.setup(
              machine(),
              clock,
              WritePolicy.PRIMARY,
              List.of(
                  Copy.builder(view).name("first").build(),
                  Copy.builder(second).name("second").build()));
      try (Site syncing = Site.open(setup, 1000, 1000)) {
        syncing.repository.syncCopies(RunControl.unattended());
      }
      assertThat(below(disk, "keys", done[0])).isEmpty();
    }
  }

  @Test
  void aSlotThatComesBackOnOneCopyIsNamedThere() throws IOException {
    try (Site site = create(WritePolicy.ALL, second)) {
      Erasure done = eraseNow(site);
      ObjectKey slot = new ObjectKey(done.slots().get(0).object());
      second.put(slot, ObjectSource.of(new byte[] {'{', '}'}));
      VerifyReport report = site.verify();
      assertThat(report.damaged())
          .singleElement()
          .satisfies(
              damage -> {
                assertThat(damage.kind()).isEqualTo("erased-key");
                assertThat(damage.copy()).isEqualTo("second");
              });
    }
  }

  // Who may

  @Test
  void onlyAnAdministratorErases() throws IOException {
    SigningKey administrator = SigningKey.generate(new SecureRandom());
    SigningKey writer = SigningKey.generate(new SecureRandom());
    create().close();
    try (Site site = signing(administrator);
        Site host = signing(writer)) {
      site.repository.changeWriters(
          new WritersRequest.Add("admin", administrator.verifier().text(), true));
      site.repository.changeWriters(
          new WritersRequest.Add("host", writer.verifier().text(), false));
      host.repository.refresh();
      assertRefused("keys.not-administrator", "administrator", () -> erase(host, WEEK));
      erase(site, Duration.ZERO);
      assertRefused("keys.not-administrator", "administrator", () -> erase(host, WEEK));
      assertRefused(
          "keys.not-administrator", "administrator", () -> host.repository.unerase(OTHER, "host"));
      assertThat(erase(site, WEEK).stage()).isEqualTo(Erasure.Stage.ERASED);
    }
  }

  private Site signing(SigningKey signer) throws IOException {
    return Site.open(
        TestRepository.setup(disk, machine()).parallelism(1).clock(clock).signer(signer).build(),
        1000,
        1000);
  }

  /** The log itself knows no shorter way. */
  @Test
  void aCommitThatErasesTooEarlyIsNone() throws IOException {
    try (Site site = create()) {
      erase(site, WEEK);
      Operation.Erase wanted =
          site.services.log().catalog().erasing(other(site).tree()).orElseThrow();
      for (Operation forged :
          List.of(
              new Operation.Erased(
                  wanted, "eve", clock.instant(), List.of(), List.of(), List.of(), List.of()),
              new Operation.Erased(
                  new Operation.Erase(
                      OTHER, wanted.tree(), "eve", "x", wanted.at(), clock.instant()),
                  "eve",
                  clock.instant(),
                  List.of(),
                  List.of(),
                  List.of(),
                  List.of()))) {
        assertThatThrownBy(() -> site.services.log().append(catalog -> List.of(forged)))
            .isInstanceOf(RepositoryException.class)
            .hasMessageContaining("not to be erased, or not yet");
      }
      site.requireAllWhole();
    }
  }
}
