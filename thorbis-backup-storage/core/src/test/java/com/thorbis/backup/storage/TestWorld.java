package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.crypto.RecoveryKey;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.crypto.SigningKey;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.storage.internal.Pause;
import com.thorbis.backup.storage.internal.Tuning;
import com.thorbis.backup.storage.internal.backup.Rebuilt;
import com.thorbis.backup.storage.internal.lease.Heartbeat;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

/** A store with what should be in it, and the oracles that compare the two. */
final class TestWorld implements AutoCloseable {
  private static final AtomicInteger STATES = new AtomicInteger();
  static final KeyProvider SECOND =
      RecoveryKeyProvider.ofRecoveryKey(RecoveryKey.generate(new SecureRandom()));
  static final KeyProvider THIRD =
      RecoveryKeyProvider.ofRecoveryKey(RecoveryKey.generate(new SecureRandom()));

  static final SigningKey SIGNER = SigningKey.generate(new SecureRandom());

  private static final Duration QUIET = Duration.ofDays(2);

  /** The first of the copies. */
  final MemoryObjectStore disk;

  final List<MemoryObjectStore> disks;
  final WritePolicy policy;
  final boolean narrow;
  final TestLedger ledger;
  final List<KeyProvider> recipients;
  final SealedRepositoryFactory factory;
  final SettableClock clock;
  private final Scenario.Setting setting;
  private final Duration leaseLasts;
  private final Path states;
  private final Queue<Path> used = new ConcurrentLinkedQueue<>();

  private TestWorld(
      Scenario.Setting setting,
      Duration leaseLasts,
      SettableClock clock,
      List<MemoryObjectStore> disks,
      TestLedger ledger,
      Path states) {
    this.setting = setting;
    this.leaseLasts = leaseLasts;
    this.clock = clock;
    this.disks = disks;
    this.disk = disks.get(0);
    this.policy = setting.policy();
    this.narrow = setting.narrow();
    this.ledger = ledger;
    this.recipients =
        setting.recipients() == 1
            ? List.of(TestRepository.RECIPIENT)
            : List.of(TestRepository.RECIPIENT, SECOND);
    if (ledger.opening.isEmpty()) {
      ledger.opening.addAll(recipients);
    }
    this.factory =
        new SealedRepositoryFactory(
            new Tuning(
                setting.checkpointEvery(), 2, 1, leaseLasts, Heartbeat.DAEMON, Pause.REAL, false));
    this.states = states;
  }

  /** Nothing yet. */
  static TestWorld empty(Path states, Scenario.Setting setting) {
    return empty(states, setting, Duration.ofMinutes(30));
  }

  /** Nothing yet, and leases that last so long. */
  static TestWorld empty(Path states, Scenario.Setting setting, Duration leaseLasts) {
    SettableClock clock = SettableClock.at(TestRepository.NOW.plusSeconds(60));
    List<MemoryObjectStore> disks = new ArrayList<>();
    for (int i = 0; i < setting.copies(); i++) {
      disks.add(MemoryObjectStore.create(clock, 1000));
    }
    return new TestWorld(setting, leaseLasts, clock, disks, new TestLedger(), states);
  }

  TestWorld copy() {
    SettableClock own = SettableClock.at(clock.instant());
    List<MemoryObjectStore> copies = disks.stream().map(one -> one.copy(own)).toList();
    return new TestWorld(setting, leaseLasts, own, copies, ledger.copy(), states);
  }

  /** So much time passes that the lease of whoever died has lapsed. */
  void rest() {
    clock.advance(Duration.ofHours(1));
  }

  /** A process with a machine of its own; what it sees of the first copy. */
  TestClient client(ObjectStore view) {
    List<ObjectStore> views = new ArrayList<>(disks);
    views.set(0, view);
    return client(views);
  }

  /** A process with a machine of its own. */
  TestClient client(List<? extends ObjectStore> views) {
    return new TestClient(this, List.copyOf(views), freshState(), recipients);
  }

  /** A folder that does not exist yet. */
  Path freshState() {
    Path state = states.resolve("s" + STATES.incrementAndGet());
    used.add(state);
    return state;
  }

  /**
   * Removes what its processes kept on their machines: a hundred thousand worlds would be a lot.
   */
  @Override
  public void close() throws IOException {
    for (Path state : used) {
      if (Files.exists(state)) {
        try (Stream<Path> all = Files.walk(state)) {
          for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
            Files.deleteIfExists(each);
          }
        }
      }
    }
  }

  /**
   * Opens the store as somebody who knows nothing but the key, and compares.
   *
   * @param everything whether to verify every byte too
   */
  void check(boolean everything) throws IOException {
    for (int i = 0; i < disks.size(); i++) { // 7
      if (!ledger.damaged.contains(i)) {
        RawKeys.assertAllOpen(
            disks.get(i), i == 0 ? "" : "commits/", ledger.opening, ledger.erasing);
      }
    }
    for (KeyProvider recipient : List.copyOf(ledger.opening)) { // 7: each opens it alone
      try (TestClient fresh =
          new TestClient(this, List.copyOf(disks), freshState(), List.of(recipient))) {
        try {
          fresh.open();
        } catch (RepositoryException e) {
          if (ledger.initialised || !e.code().equals("repository.not-initialised")) {
            throw e;
          }
          return;
        }
        check(fresh, everything);
        List<BackupId> live =
            fresh.repository().backups(Optional.empty()).stream()
                .map(BackupDescriptor::id)
                .toList();
        for (BackupState state : fresh.repository().states(Optional.empty())) {
          boolean takenBack = // what was written in the place of another could not be read back
              state.backup().rekeyedFrom().filter(live::contains).isPresent();
          if (state.stage() == BackupState.Stage.DELETED && !takenBack) {
            checkItMayComeBack(state.backup());
          }
        }
      }
    }
    if (everything) {
      assertThat(rebuilt()).isEmpty();
    }
    if (disks.size() > 1) {
      checkEachAlone();
    }
  }

  /** Each copy by itself is a repository as of its last commit. */
  private void checkEachAlone() throws IOException {
    for (int i = 0; i < disks.size(); i++) {
      if (ledger.damaged.contains(i) || disks.get(i).head(new ObjectKey("repository")).isEmpty()) {
        continue;
      }
      try (TestClient alone =
          new TestClient(this, List.of(disks.get(i)), freshState(), recipients)) {
        Repository repository = alone.repository();
        Set<BackupId> listed = new HashSet<>();
        for (BackupDescriptor backup : repository.backups(Optional.empty())) {
          listed.add(backup.id());
          if (!ledger.letGo.contains(backup.id())) { // a later commit may have swept it
            try {
              TestRepository.assertReads(repository, backup.id(), ledger.content(backup));
            } catch (RepositoryException e) {
              if (!e.code().equals("backup.let-go")
                  || !ledger.letGoBy("copy-" + i).contains(backup.id())) {
                throw e;
              }
            }
          }
        }
        if (policy == WritePolicy.ALL) {
          Set<BackupId> counted = new HashSet<>(ledger.acknowledged.keySet());
          counted.removeAll(ledger.letGo);
          assertThat(listed).as("what copy %d lists", i).containsAll(counted);
        }
      }
    }
  }

  /** Gives a copy what it missed, which the policy makes writers wait for. */
  void catchUp() throws IOException {
    if (disks.size() > 1 && policy == WritePolicy.ALL && ledger.initialised) {
      try (TestClient client = client(disks)) {
        client.sync();
        assertThat(client.problems).isEmpty();
      }
    }
  }

  /** 8: after quiet runs nothing is left that nothing needs. */
  void checkNothingIsLeftOver() throws IOException {
    try (TestClient quiet = client(disks)) {
      if (quiet.repository().source(TestClient.SOURCE).isEmpty()) {
        return;
      }
      for (int i = 0; i < 3; i++) {
        clock.advance(QUIET);
        quiet.sync();
        assertThat(quiet.problems).isEmpty();
        quiet.prune(RetentionPolicy.builder().build(), Duration.ofDays(1));
        assertThat(quiet.problems).isEmpty();
      }
    }
    for (int i = 0; i < disks.size(); i++) {
      List<String> left = Leftovers.of(new ArrayList<>(disks), i, setting(freshState()));
      assertThat(left).as("left over on copy %d", i).isEmpty();
    }
  }

  private RepositorySetup setting(Path state) {
    return new TestClient(this, List.copyOf(disks), state, recipients).setup();
  }

  /** Compares what one sees who knows nothing but the key. */
  void check(TestClient fresh, boolean everything) throws IOException {
    Repository repository = fresh.repository();
    assertThat(repository.sources()).extracting(SourceInfo::name).containsAll(ledger.registered);
    Set<BackupId> listed = new HashSet<>();
    Set<BackupId> contents = new HashSet<>();
    for (BackupDescriptor backup : repository.backups(Optional.empty())) {
      BackupId id = ledger.taken(backup);
      assertThat(contents.add(id)).as("%s counts once", id).isTrue();
      listed.add(backup.id());
      if (!ledger.acknowledged.containsKey(id) && !ledger.unclear.contains(id)) { // 3
        fail("%s is listed, and nobody was told that it might exist", id);
      }
      boolean complete = ledger.acknowledged.getOrDefault(id, false);
      if (backup.status() == BackupStatus.AWAITING_WAL && complete) {
        fail("%s was acknowledged as complete, and is not", id);
      }
      TestRepository.assertReads(repository, backup.id(), ledger.content(backup)); // 1
    }
    Set<BackupId> counted = new HashSet<>(ledger.acknowledged.keySet());
    counted.removeAll(ledger.letGo);
    assertThat(listed).containsAll(counted);
    assertThat(contents).containsAll(ledger.rekeying);
    assertThat(ledger.gone).noneMatch(listed::contains);
    checkWal(repository);
    if (ledger.other && repository.source(TestClient.OTHER).isPresent()) {
      WalSegment segment = TestRepository.segment(1, 1);
      assertThat(repository.wal(TestClient.OTHER).open(segment).map(WalArchive.WalContent::bytes))
          .contains(ByteBuffer.wrap(TestLedger.content(segment)));
    }
    if (everything) {
      fresh.verify(VerifyRequest.Level.DATA); // 2, 7
      // A store that brings a destroyed slot back is told of until the next prune.
      assertThat(fresh.found).allMatch(damage -> damage.kind().equals("erased-key"));
    }
  }

  /** Where packs and manifests say by themselves something else than what is gone by. */
  List<String> rebuilt() throws IOException {
    try (Site site = Site.open(setting(freshState()), 1000, 1000)) {
      return Rebuilt.differences(site.services);
    }
  }

  private void checkItMayComeBack(BackupDescriptor backup) throws IOException {
    TestWorld other = copy();
    other.catchUp();
    try (TestClient client = other.client(other.disks)) {
      client.repository().undelete(backup.id());
      TestRepository.assertReads(client.repository(), backup.id(), ledger.content(backup));
    }
  }

  private void checkWal(Repository repository) throws IOException {
    for (Map.Entry<TestLedger.Stretch, Integer> stored : ledger.wal.entrySet()) { // 4
      TestLedger.Stretch stretch = stored.getKey();
      if (ledger.mayBeGone(stretch)) {
        continue;
      }
      Optional<WalArchive.WalContent> there =
          repository.wal(TestClient.SOURCE, stretch.incarnation()).open(stretch.segment());
      assertThat(there).as("%s was acknowledged", stretch.segment()).isPresent();
      ByteBuffer bytes = there.get().bytes();
      assertThat(bytes.remaining())
          .as("%s was acknowledged so far", stretch.segment())
          .isGreaterThanOrEqualTo(stored.getValue());
      assertThat(bytes)
          .isEqualTo(ByteBuffer.wrap(TestLedger.content(stretch.segment()), 0, bytes.remaining()));
    }
    for (Map.Entry<String, Timeline> stored : ledger.histories.entrySet()) {
      String incarnation = stored.getKey().substring(0, stored.getKey().indexOf('/'));
      assertThat(repository.wal(TestClient.SOURCE, incarnation).history(stored.getValue()))
          .contains(TestLedger.history(stored.getValue()));
    }
    if (repository.source(TestClient.SOURCE).isPresent()) { // 5
      WalArchive wal = repository.wal(TestClient.SOURCE);
      for (Timeline timeline : wal.timelines()) {
        TestClient.assertWindowOpens(wal, wal.ranges(timeline));
      }
    }
  }
}
