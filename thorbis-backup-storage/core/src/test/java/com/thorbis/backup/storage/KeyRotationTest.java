package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.KeysReport;
import com.thorbis.backup.api.PruneRequest;
import com.thorbis.backup.api.RekeyRequest;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.RewrapReport;
import com.thorbis.backup.api.RewrapRequest;
import com.thorbis.backup.api.RotateReport;
import com.thorbis.backup.api.RotateRequest;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.KeySlot;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.WrappedKey;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.storage.internal.Pause;
import com.thorbis.backup.storage.internal.Tuning;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import com.thorbis.backup.storage.internal.lease.Heartbeat;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Keys that change while everything goes on. */
class KeyRotationTest {
  private static final KeyProvider SAFE = TestRepository.RECIPIENT;
  private static final KeyProvider SECOND = TestWorld.SECOND;
  private static final KeyProvider THIRD = TestWorld.THIRD;
  private static final Duration NONE = Duration.ZERO;

  @TempDir Path states;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private final SettableClock storeClock = SettableClock.at(TestRepository.NOW.plusSeconds(3));
  private final MemoryObjectStore store = MemoryObjectStore.create(storeClock, 1000);
  private final SealedRepositoryFactory factory =
      new SealedRepositoryFactory(
          new Tuning(5, 100, 1, Duration.ofMinutes(30), Heartbeat.DAEMON, Pause.REAL, true));
  private int machines;

  private Repository open(ObjectStore view, KeyProvider... recipients) throws IOException {
    return factory.open(setup(view, true, recipients));
  }

  private RepositorySetup setup(ObjectStore view, boolean risk, KeyProvider... recipients) {
    RepositorySetup.Builder setup =
        RepositorySetup.builder()
            .copy(view)
            .acceptSingleKeyRisk(risk)
            .parallelism(1)
            .stateDirectory(states.resolve("m" + ++machines))
            .clock(clock);
    List.of(recipients).forEach(setup::recipient);
    return setup.build();
  }

  private Repository create(KeyProvider... recipients) throws IOException {
    factory.init(setup(store, true, recipients));
    Repository repository = open(store, recipients);
    repository.register("orders", "postgres", TestRepository.CLUSTER);
    storeWal(repository, 1);
    return repository;
  }

  private static void storeWal(Repository repository, long number) throws IOException {
    WalSegment segment = TestRepository.segment(1, number);
    repository
        .wal("orders")
        .storeSegment(segment, ByteBuffer.wrap(TestLedger.content(segment)), WalMarks.NONE);
  }

  private static void storePart(Repository repository, long number, int from, int to)
      throws IOException {
    WalSegment segment = TestRepository.segment(1, number);
    repository
        .wal("orders")
        .storePart(
            segment,
            from,
            ByteBuffer.wrap(TestLedger.content(segment), from, to - from).slice(),
            WalMarks.NONE);
  }

  private static void assertWal(Repository repository, long number, int length) throws IOException {
    WalSegment segment = TestRepository.segment(1, number);
    ByteBuffer bytes = repository.wal("orders").open(segment).orElseThrow().bytes();
    assertThat(bytes).isEqualTo(ByteBuffer.wrap(TestLedger.content(segment), 0, length));
  }

  private static BackupId backUp(Repository repository, long seed) throws IOException {
    return TestRepository.backUp(repository, TestRepository.fewFiles(seed)).id();
  }

  private static void assertReads(Repository repository, BackupId id, long seed)
      throws IOException {
    TestRepository.assertReads(repository, id, TestRepository.fewFiles(seed));
  }

  private static RotateReport rotate(Repository repository) throws IOException {
    return repository.rotateKeys(RotateRequest.all());
  }

  private RewrapReport rewrap(KeyProvider... to) throws IOException {
    try (Repository repository = open(store, to)) {
      return repository.rewrapKeys(new RewrapRequest(false, NONE), RunControl.unattended());
    }
  }

  private void prune(KeyProvider... recipients) throws IOException {
    storeClock.advance(Duration.ofHours(1));
    clock.advance(Duration.ofHours(1));
    try (Repository repository = open(store, recipients)) {
      repository.prune(
          PruneRequest.builder("orders", RetentionPolicy.builder().build()).grace(NONE).build(),
          RunControl.unattended());
    }
  }

  private List<String> slots() {
    return store.contents().keySet().stream().filter(key -> key.startsWith("keys/")).toList();
  }

  @Test
  void whatIsNewIsSealedUnderTheNextEpochAndWhatIsThereStays() throws IOException {
    try (Repository repository = create(SAFE, SECOND)) {
      BackupId first = backUp(repository, 1);
      storePart(repository, 2, 0, 8000);
      SortedMap<String, byte[]> before = store.contents();
      assertThat(rotate(repository).rotated())
          .extracting(RotateReport.Rotated::epoch)
          .containsExactly(2, 2);
      before.forEach(
          (key, content) -> assertThat(store.contents().get(key)).as(key).isEqualTo(content));
      storePart(repository, 2, 8000, 17_000);
      BackupId second;
      Map<String, byte[]> changed = TestRepository.fewFiles(1);
      changed.put("base/1/260", new byte[] {1, 2, 3});
      try (BackupWriter writer = TestRepository.begin(repository, first)) {
        for (Map.Entry<String, byte[]> file : changed.entrySet()) {
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
        second = writer.commit(TestRepository.facts(), BackupStatus.COMPLETE).id();
      }
      assertThat(RawKeys.epochs(store, "wal/")).containsExactly(1, 2);
      assertThat(RawKeys.epochs(store, "packs/")).containsExactly(1, 2);
      assertThat(RawKeys.epochs(store, "commits/")).containsExactly(1, 2);
      assertThat(RawKeys.epochs(store, "checkpoints/")).contains(2);
      RawKeys.assertAllOpen(store, "", List.of(SAFE, SECOND));
      for (KeyProvider alone : List.of(SAFE, SECOND)) {
        try (Repository fresh = open(store, alone)) {
          assertReads(fresh, first, 1);
          TestRepository.assertReads(fresh, second, changed);
          assertWal(fresh, 2, 17_000);
          assertThat(
                  fresh
                      .verify(
                          new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 100),
                          RunControl.unattended())
                      .damaged())
              .isEmpty();
        }
      }
      // The incremental refers to what the base holds under the older key.
      assertThat(repository.backup(second).orElseThrow().bytesChanged()).isEqualTo(3);
    }
  }

  @Test
  void aBackupThatWasInterruptedBeforeARotationResumesAfterIt() throws IOException {
    create(SAFE).close();
    Site.Mortal dying = new Site.Mortal(store, call -> call.startsWith("start manifests/"));
    try (Repository repository = open(dying, SAFE)) {
      assertThatThrownBy(() -> backUp(repository, 7)).isInstanceOf(IOException.class);
    }
    storeClock.advance(Duration.ofHours(1));
    try (Repository repository = open(store, SAFE)) {
      rotate(repository);
      try (BackupWriter writer = TestRepository.begin(repository)) {
        for (Map.Entry<String, byte[]> file : TestRepository.fewFiles(7).entrySet()) {
          TestRepository.write(writer, file.getKey(), file.getValue());
        }
        BackupId id = writer.commit(TestRepository.facts(), BackupStatus.COMPLETE).id();
        assertThat(writer.bytesResumed()).isPositive();
        assertReads(repository, id, 7);
      }
      RawKeys.assertAllOpen(store, "", List.of(SAFE));
    }
  }

  @Test
  void whoIsOpenGoesOnUnderTheOldEpochUntilItReadsTheLog() throws IOException {
    try (Repository rotator = create(SAFE);
        Repository writer = open(store, SAFE);
        Repository reader = open(store, SAFE)) {
      storePart(writer, 2, 0, 3000);
      rotate(rotator);
      storePart(writer, 2, 3000, 8000);
      assertThat(RawKeys.epochs(store, "wal/")).containsExactly(1);
      writer.refresh();
      storePart(writer, 2, 8000, 17_000);
      assertThat(RawKeys.epochs(store, "wal/")).containsExactly(1, 2);
      assertWal(reader, 2, 17_000); // which learns of the key when it meets it
    }
  }

  @Test
  void ofTwoRotatorsOneWinsAndNothingOfTheOtherIsLeft() throws IOException {
    create(SAFE).close();
    AtomicReference<RotateReport> faster = new AtomicReference<>();
    ObjectStore view =
        new Site.Watched(store) {
          @Override
          void before(String call) throws IOException {
            if (call.startsWith("put commits/") && faster.get() == null) {
              try (Repository other = open(store, SAFE)) {
                faster.set(rotate(other));
              }
            }
          }
        };
    try (Repository slower = open(view, SAFE)) {
      RotateReport report = rotate(slower);
      assertThat(faster.get().rotated()).hasSize(2);
      assertThat(report.rotated()).isEmpty();
      assertThat(report.notes()).hasSize(2).allMatch(note -> note.contains("faster"));
      assertThat(slots()).hasSize(4);
      BackupId id = backUp(slower, 1);
      try (Repository fresh = open(store, SAFE)) {
        assertReads(fresh, id, 1);
      }
    }
  }

  @Test
  void whatADeadRotatorLeftKeepsNobodyOutAndGoesWithASweep() throws IOException {
    create(SAFE).close();
    for (int attempt = 0; attempt < 2; attempt++) {
      Site.Mortal dying = new Site.Mortal(store, call -> call.startsWith("put commits/"));
      try (Repository repository = open(dying, SAFE)) {
        assertThatThrownBy(() -> rotate(repository)).isInstanceOf(IOException.class);
      }
    }
    assertThat(slots()).hasSize(6);
    BackupId id;
    try (Repository repository = open(store, SAFE)) {
      rotate(repository);
      id = backUp(repository, 1);
      for (int i = 0; i < 10; i++) { // so that there is a checkpoint under the new key
        repository.hold(id, "case " + i, Optional.empty());
      }
    }
    assertThat(slots()).hasSize(8);
    try (Repository fresh = open(store, SAFE)) {
      assertReads(fresh, id, 1);
    }
    prune(SAFE);
    assertThat(slots()).hasSize(4);
    try (Repository fresh = open(store, SAFE)) {
      assertReads(fresh, id, 1);
    }
  }

  /** The slots of one that sleeps for longer than the grace are removed by a sweep. */
  @Test
  void aRotatorThatSleptGivesUpWhatWasSweptMeanwhile() throws IOException {
    create(SAFE).close();
    boolean[] slept = new boolean[1];
    ObjectStore view =
        new Site.Watched(store) {
          @Override
          void before(String call) throws IOException {
            if (call.startsWith("put commits/") && !slept[0]) {
              slept[0] = true;
              prune(SAFE);
            }
          }
        };
    try (Repository sleeper = open(view, SAFE)) {
      assertThatThrownBy(() -> rotate(sleeper))
          .isInstanceOfSatisfying(
              RepositoryException.class, e -> assertThat(e.code()).isEqualTo("keys.swept"));
    }
    assertThat(slots()).hasSize(2);
    try (Repository fresh = open(store, SAFE)) {
      assertReads(fresh, backUp(fresh, 1), 1);
    }
  }

  @Test
  void c13AWrapThatIsNotStoredAsItWasWrittenStopsTheRotation() throws IOException {
    create(SAFE, SECOND).close();
    ObjectStore damaging =
        new ForwardingStore(store) {
          @Override
          public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
            ObjectInfo info = super.put(key, content);
            if (key.value().contains("/00000002/")) {
              store.flipBit(key, 8L * (info.length() - 20));
            }
            return info;
          }
        };
    try (Repository repository = open(damaging, SAFE, SECOND)) {
      assertThatThrownBy(() -> rotate(repository))
          .isInstanceOfSatisfying(
              RepositoryException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.DAMAGED));
      BackupId id = backUp(repository, 1);
      assertThat(RawKeys.epochs(store, "")).containsExactly(1);
      assertReads(repository, id, 1);
    }
  }

  @Test
  void s7ASlotThatAListingLeavesOutIsLookedForAgain() throws IOException {
    create(SAFE, SECOND).close();
    rewrap(SAFE, THIRD);
    prune(SAFE);
    List<String> shortened = new ArrayList<>();
    ObjectStore view =
        new ForwardingStore(store) {
          @Override
          public ListPage list(String prefix, Optional<String> after) throws IOException {
            if (prefix.startsWith("keys/") && !shortened.contains(prefix)) {
              shortened.add(prefix);
              return new ListPage(List.of(), Optional.empty());
            }
            return super.list(prefix, after);
          }
        };
    try (Repository repository = open(view, THIRD)) {
      assertThat(repository.sources()).hasSize(1);
    }
    assertThat(shortened).isNotEmpty();
  }

  /** Before the log is read nobody else vouches for the slots of a rewrap. */
  @Test
  void aFlippedBitOfASlotIsDamageAndNotAnotherRecipients() throws IOException {
    create(SAFE, SECOND).close();
    rewrap(SAFE, THIRD);
    prune(SAFE);
    int damaged = 0;
    for (String slot : slots()) {
      for (int bit = 5; bit < 8 * store.content(new ObjectKey(slot)).length; bit += 61) {
        MemoryObjectStore other = store.copy();
        other.flipBit(new ObjectKey(slot), bit);
        try {
          open(other, THIRD).close(); // another's slot, or nothing that says anything
        } catch (RepositoryException e) {
          assertThat(e.kind()).as("%s bit %d", slot, bit).isEqualTo(FailureKind.DAMAGED);
          damaged++;
        }
      }
    }
    assertThat(damaged).isPositive();
  }

  @Test
  void c14ARewrapTakesNothingFromWhoKeptASlotAndARotationHidesWhatComesAfter() throws IOException {
    try (Repository repository = create(SAFE, SECOND)) {
      backUp(repository, 1);
    }
    SortedMap<String, byte[]> kept = store.contents();
    RewrapReport report = rewrap(SAFE, THIRD);
    assertThat(report.removed()).containsExactly("recovery " + SECOND.keyId());
    assertThat(report.added()).containsExactly("recovery " + THIRD.keyId());
    prune(SAFE);
    assertThatThrownBy(() -> open(store, SECOND)).isInstanceOf(KeyException.class);
    NavigableMap<String, byte[]> together = new TreeMap<>(store.contents());
    kept.forEach(together::putIfAbsent);
    assertThat(RawKeys.opened(together, "packs/", SECOND)).containsOnlyKeys(1);
    try (Repository repository = open(store, SAFE)) {
      rotate(repository);
      backUp(repository, 2);
    }
    together = new TreeMap<>(store.contents());
    kept.forEach(together::putIfAbsent);
    assertThat(RawKeys.opened(together, "packs/", SECOND))
        .containsEntry(1, true)
        .containsEntry(2, false);
    RawKeys.assertAllOpen(store, "", List.of(SAFE, THIRD));
  }

  @Test
  void aStepOfTheClockNeitherStartsNorStopsARotation() throws IOException {
    try (Repository repository = create(SAFE)) {
      clock.advance(Duration.ofDays(4000));
      assertThat(repository.rotateKeys(RotateRequest.due()).rotated()).isEmpty();
      clock.advance(Duration.ofDays(-8000));
      storeClock.advance(Duration.ofDays(29));
      assertThat(repository.rotateKeys(RotateRequest.due()).rotated()).isEmpty();
      assertThat(aged(repository)).isEmpty();
      storeClock.advance(Duration.ofDays(2));
      assertThat(aged(repository)).hasSize(1);
      assertThat(aged(repository).get(0).outcome()).isEqualTo(Outcome.WARN);
      backUp(repository, 1); // late is a warning and no more
      assertThat(repository.rotateKeys(RotateRequest.due()).rotated()).hasSize(2);
      assertThat(repository.rotateKeys(RotateRequest.due()).rotated()).isEmpty();
      assertThat(aged(repository)).isEmpty();
    }
  }

  private static List<CheckItem> aged(Repository repository) throws IOException {
    return repository.checkKeys().stream()
        .filter(item -> item.subject().equals("repository.key-age"))
        .toList();
  }

  @Test
  void whatIsOpenNeverAsksTheServiceAgain() throws IOException {
    ServiceKey service = new ServiceKey("vault");
    try (Repository repository = create(service, safe())) {
      backUp(repository, 1);
      int asked = service.asked.get();
      service.down = true;
      storePart(repository, 2, 0, 8000);
      storePart(repository, 2, 8000, 17_000);
      storeWal(repository, 3);
      BackupId id = backUp(repository, 2);
      repository.refresh();
      assertReads(repository, id, 2);
      assertThat(service.asked).hasValue(asked);
      assertThatThrownBy(() -> rotate(repository))
          .isInstanceOfSatisfying(
              KeyException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.TRANSIENT));
      storeWal(repository, 4);
    }
  }

  @Test
  void aRotationByOthersStopsNoLogWhileTheServiceIsDown() throws IOException {
    ServiceKey service = new ServiceKey("vault");
    ServiceKey reached = new ServiceKey("vault"); // the same one, from another machine
    try (Repository repository = create(service, safe())) {
      service.down = true;
      try (Repository rotator = open(store, reached, safe())) {
        rotate(rotator);
      }
      int asked = service.asked.get();
      repository.refresh();
      storePart(repository, 2, 0, 8000);
      storePart(repository, 2, 8000, 17_000);
      assertThat(service.asked).hasValue(asked + 2); // once for each tree, and not each time
      assertThat(RawKeys.epochs(store, "wal/")).containsExactly(1);
      try (Repository fresh = open(store, SAFE)) {
        assertWal(fresh, 2, 17_000);
      }
    }
  }

  @Test
  void nothingIsSealedAnewUnderAnOlderKeyWhileTheServiceIsDown() throws IOException {
    ServiceKey service = new ServiceKey("vault");
    try (Repository repository = create(service, safe())) {
      BackupId id = backUp(repository, 1);
      service.down = true;
      try (Repository rotator = open(store, new ServiceKey("vault"), safe())) {
        rotator.rotateKeys(new RotateRequest(Set.of("orders"), Optional.empty()));
      }
      assertThatThrownBy(() -> repository.rekey(RekeyRequest.of("orders"), RunControl.unattended()))
          .isInstanceOfSatisfying(
              RepositoryException.class,
              e -> {
                assertThat(e.code()).isEqualTo("rekey.key-not-open");
                assertThat(e.kind()).isEqualTo(FailureKind.TRANSIENT);
              });
      assertThat(RawKeys.epochs(store, "packs/")).containsExactly(1);
      assertReads(repository, id, 1);
    }
  }

  @Test
  void whoCannotReadWhatOthersCommittedSinceShipsLogUnderTheKeysAtHand() throws IOException {
    ServiceKey service = new ServiceKey("vault");
    try (Repository repository = create(service, safe())) {
      service.down = true;
      BackupId id;
      try (Repository rotator = open(store, new ServiceKey("vault"), safe())) {
        rotate(rotator);
        id = backUp(rotator, 1);
      }
      assertThatThrownBy(repository::refresh)
          .isInstanceOfSatisfying(
              KeyException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.TRANSIENT));
      storeWal(repository, 2);
      try (Repository fresh = open(store, SAFE)) {
        assertWal(fresh, 2, TestLedger.content(TestRepository.segment(1, 2)).length);
      }
      service.down = false;
      repository.refresh();
      assertReads(repository, id, 1);
    }
  }

  @Test
  void aKeyInUseIsFollowedByTheNextAsSoonAsTheLogSaysSo() throws IOException {
    ServiceKey service = new ServiceKey("vault");
    try (Repository repository = create(service, safe())) {
      try (Repository rotator = open(store, new ServiceKey("vault"), safe())) {
        rotate(rotator);
        backUp(rotator, 1);
      }
      repository.refresh();
      service.down = true;
      storePart(repository, 2, 0, 8000);
      assertThat(RawKeys.epochs(store, "wal/")).containsExactly(1, 2);
      backUp(repository, 2);
    }
  }

  @Test
  void anotherRecipientOpensWhileTheServiceIsDown() throws IOException {
    ServiceKey service = new ServiceKey("vault");
    BackupId id;
    try (Repository repository = create(service, SAFE)) {
      rotate(repository);
      id = backUp(repository, 1);
    }
    service.down = true;
    try (Repository fresh = open(store, service, SAFE)) {
      assertReads(fresh, id, 1);
      assertThat(fresh.checkKeys())
          .anyMatch(
              item ->
                  item.outcome() == Outcome.FAIL && item.message().contains("could not be asked"));
    }
    assertThatThrownBy(() -> open(store, service, safe()))
        .isInstanceOfSatisfying(
            KeyException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.TRANSIENT));
  }

  /** The recovery key whose private half lies in the safe. */
  private static KeyProvider safe() {
    return RecoveryKeyProvider.ofPublicKey(((RecoveryKeyProvider) SAFE).publicKey().orElseThrow());
  }

  @Test
  void whoIsNotConfiguredAndCannotBeLeftOutStopsARotation() throws IOException {
    ServiceKey service = new ServiceKey("vault");
    create(service, SAFE).close();
    try (Repository repository = open(store, SAFE)) {
      assertThatThrownBy(() -> rotate(repository))
          .isInstanceOfSatisfying(
              RepositoryException.class,
              e -> assertThat(e.code()).isEqualTo("repository.recipient-missing"));
    }
    try (Repository repository = open(store, service)) {
      rotate(repository); // a recovery key need not be at hand
    }
    try (Repository repository = open(store, SAFE)) {
      assertReads(repository, backUp(repository, 1), 1);
    }
  }

  /** Whoever may only add objects could wrap a key of its own to a recovery key's public half. */
  @Test
  void c5ASlotThatNoCommitNamesOpensNothing() throws IOException {
    BackupId id;
    Catalog.Source source;
    ObjectId tree;
    try (Site site = Site.open(created(), states.resolve("writer"), clock, 3, 100)) {
      id = site.backUp(1);
      site.repository.hold(id, "case", Optional.empty());
      source = site.services.log().catalog().source("orders").orElseThrow();
      tree = site.services.log().catalog().trees().get(0);
      ObjectId repository = site.services.repository();
      WalSegment segment = TestRepository.segment(1, 2);
      ObjectKey wal = ObjectNames.segment(source.tree(), source.info().current().id(), segment);
      forge(new KeySlot(repository, source.tree(), 2), ObjectType.WAL, wal, new byte[9]);
      ObjectKey last = checkpoint();
      byte[] plain =
          SealedObjects.open(
              store.content(last),
              ObjectType.CHECKPOINT,
              last,
              repository,
              tree,
              site.services.keys());
      store.delete(last);
      forge(new KeySlot(repository, tree, 2), ObjectType.CHECKPOINT, last, plain);
    }
    try (Site reader = Site.open(store, states.resolve("reader"), clock)) {
      assertThat(reader.services.log().hash(1)).isPresent(); // the commits were read one by one
      assertReads(reader.repository, id, 1);
      assertThatThrownBy(() -> assertWal(reader.repository, 2, 9))
          .isInstanceOf(RepositoryException.class)
          .hasMessageContaining("no commit names");
    }
  }

  private ObjectStore created() throws IOException {
    Site.create(store, states.resolve("writer"), clock).close();
    return store;
  }

  private ObjectKey checkpoint() {
    List<String> all =
        store.contents().keySet().stream().filter(key -> key.startsWith("checkpoints/")).toList();
    all.subList(0, all.size() - 1).forEach(old -> store.lose(new ObjectKey(old)));
    return new ObjectKey(all.get(all.size() - 1));
  }

  private void forge(KeySlot place, ObjectType type, ObjectKey key, byte[] plain)
      throws IOException {
    SecureRandom random = new SecureRandom();
    try (EpochKey own = EpochKey.generate(place, random);
        DataKey material = own.material()) {
      WrappedKey wrapped = safe().wrap(material, place.context());
      String slot =
          String.format(
              "{\"format\":\"thorbis-key-slot\",\"version\":1,\"repository\":\"%s\",\"tree\":\"%s\","
                  + "\"epoch\":%d,\"slot\":\"0000000000000000\",\"scheme\":\"recovery\","
                  + "\"keyId\":\"%s\",\"wrapped\":\"%s\"}",
              place.repository(),
              place.tree(),
              place.epoch(),
              wrapped.keyId(),
              Base64.getEncoder().encodeToString(wrapped.ciphertext()));
      store.put(
          ObjectNames.slot(place, "0000000000000000"),
          ObjectSource.of(slot.getBytes(StandardCharsets.UTF_8)));
      store.put(key, ObjectSource.of(SealedObjects.seal(type, key, plain, own, random)));
    }
  }

  @Test
  void aRewrapIsDoneOnceAndWhatItReplacedGoesAfterItsGrace() throws IOException {
    BackupId first;
    try (Repository repository = create(SAFE, SECOND)) {
      first = backUp(repository, 1);
      rotate(repository);
      try (Repository planning = open(store, SAFE, THIRD)) {
        RewrapReport plan = planning.planRewrap(RewrapRequest.standard());
        assertThat(plan.keys()).isEqualTo(4);
        assertThat(plan.written()).isEqualTo(4);
        assertThat(plan.retired()).isEqualTo(4);
        assertThat(slots()).hasSize(8);
      }
      RewrapReport done = rewrap(SAFE, THIRD);
      assertThat(done.written()).isEqualTo(4);
      assertThat(rewrap(SAFE, THIRD).written()).isZero();
      assertThat(slots()).hasSize(12 - 4); // the second run removed what was past its grace
      assertReads(repository, first, 1);
      backUp(repository, 2);
    }
    RawKeys.assertAllOpen(store, "", List.of(SAFE, THIRD));
    for (KeyProvider alone : List.of(SAFE, THIRD)) {
      try (Repository fresh = open(store, alone)) {
        assertReads(fresh, first, 1);
        assertThat(fresh.keys().trees())
            .hasSize(2)
            .allSatisfy(
                tree -> {
                  assertThat(tree.epochs()).hasSize(2);
                  assertThat(tree.epochs())
                      .allSatisfy(
                          epoch ->
                              assertThat(epoch.recipients())
                                  .extracting(KeysReport.Recipient::keyId)
                                  .containsExactlyInAnyOrder(SAFE.keyId(), THIRD.keyId()));
                });
      }
    }
  }

  /** A service has a new version of its key: nothing shows it, so it is asked for. */
  @Test
  void whoOpensItAlreadyIsWrappedToAnewWhenThatIsAskedFor() throws IOException {
    create(SAFE, SECOND).close();
    try (Repository repository = open(store, SAFE, SECOND)) {
      RewrapReport report =
          repository.rewrapKeys(new RewrapRequest(true, NONE), RunControl.unattended());
      assertThat(report.written()).isEqualTo(4);
      assertThat(report.retired()).isEqualTo(4);
      assertThat(report.added()).isEmpty();
      assertThat(report.removed()).isEmpty();
    }
    prune(SAFE);
    assertThat(slots()).hasSize(4);
    try (Repository fresh = open(store, SECOND)) {
      assertReads(fresh, backUp(fresh, 1), 1);
    }
  }

  @Test
  void c17ARewrapLeavesTwoWaysInUnlessTheRiskIsAccepted() throws IOException {
    ServiceKey service = new ServiceKey("vault");
    create(SAFE, service).close();
    try (Repository repository = factory.open(setup(store, false, service))) {
      assertThatThrownBy(
              () -> repository.rewrapKeys(RewrapRequest.standard(), RunControl.unattended()))
          .isInstanceOfSatisfying(
              RepositoryException.class,
              e -> assertThat(e.code()).isEqualTo("repository.single-key-risk"));
    }
    assertThat(slots()).hasSize(4);
  }

  @Test
  void aSlotThatIsLostIsNamedAndWrittenAnew() throws IOException {
    create(SAFE, SECOND).close();
    String lost;
    try (Repository repository = open(store, SAFE, SECOND)) {
      String tree = repository.keys().trees().get(1).id();
      lost =
          slots().stream().filter(key -> key.startsWith("keys/" + tree)).findFirst().orElseThrow();
      store.lose(new ObjectKey(lost));
      assertThat(repository.checkKeys())
          .anyMatch(item -> item.outcome() == Outcome.FAIL && item.message().contains(lost));
      assertThat(repository.keys().trees().get(1).epochs().get(0).problems()).hasSize(1);
      assertThatThrownBy(() -> rotate(repository))
          .isInstanceOfSatisfying(
              RepositoryException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.DAMAGED));
    }
    assertThat(rewrap(SAFE, SECOND).written()).isEqualTo(1);
    try (Repository repository = open(store, SAFE, SECOND)) {
      assertThat(repository.checkKeys()).allMatch(item -> item.outcome() == Outcome.OK);
      assertThat(rotate(repository).rotated()).hasSize(2);
    }
  }

  /** Who else opens the repository is not known then, and a new source must not lack them. */
  @Test
  void aDamagedSlotStopsTheRegistrationOfASource() throws IOException {
    create(SAFE, SECOND).close();
    try (Repository repository = open(store, SAFE)) {
      String tree = repository.keys().trees().get(0).id();
      for (String slot : slots()) {
        if (slot.startsWith("keys/" + tree)) {
          MemoryObjectStore damaged = store.copy();
          damaged.flipBit(new ObjectKey(slot), 8 * 20);
          try (Repository other = open(damaged, SAFE, SECOND)) {
            assertThatThrownBy(() -> other.register("another", "postgres", TestRepository.CLUSTER))
                .isInstanceOfSatisfying(
                    RepositoryException.class,
                    e -> {
                      assertThat(e.kind()).isEqualTo(FailureKind.DAMAGED);
                      assertThat(e).hasMessageContaining(slot);
                    });
          }
        }
      }
    }
  }

  /** A registration that began before has the recipients that there were then. */
  @Test
  void aSourceThatIsRegisteredDuringARewrapHasTheNewRecipients() throws IOException {
    create(SAFE, SECOND).close();
    boolean[] done = new boolean[1];
    ObjectStore view =
        new Site.Watched(store) {
          @Override
          void before(String call) throws IOException {
            if (call.startsWith("put commits/") && !done[0]) {
              done[0] = true;
              rewrap(SAFE, THIRD);
            }
          }
        };
    try (Repository repository = open(view, SAFE)) {
      repository.register("another", "postgres", TestRepository.CLUSTER);
    }
    try (Repository fresh = open(store, THIRD)) {
      KeysReport.Tree another =
          fresh.keys().trees().stream()
              .filter(tree -> tree.source().equals(Optional.of("another")))
              .findFirst()
              .orElseThrow();
      assertThat(another.epochs().get(0).recipients())
          .extracting(KeysReport.Recipient::keyId)
          .containsExactlyInAnyOrder(SAFE.keyId(), THIRD.keyId());
    }
  }

  @Test
  void onlyTheNamedSourcesRotate() throws IOException {
    try (Repository repository = create(SAFE)) {
      repository.register("another", "postgres", TestRepository.CLUSTER);
      RotateReport report =
          repository.rotateKeys(new RotateRequest(Set.of("another"), Optional.empty()));
      assertThat(report.rotated())
          .extracting(RotateReport.Rotated::source)
          .containsExactly(Optional.of("another"));
      assertThatThrownBy(
              () -> repository.rotateKeys(new RotateRequest(Set.of("nobody"), Optional.empty())))
          .isInstanceOfSatisfying(
              RepositoryException.class,
              e -> assertThat(e.code()).isEqualTo("source.not-registered"));
      assertThat(repository.keys().trees())
          .extracting(tree -> tree.epochs().size())
          .containsExactly(1, 1, 2);
    }
  }
}
