package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.crypto.RecoveryKey;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;

/** A store with what should be in it, and the oracles that compare the two. */
final class TestWorld {
  private static final AtomicInteger STATES = new AtomicInteger();
  private static final KeyProvider SECOND =
      RecoveryKeyProvider.ofRecoveryKey(RecoveryKey.generate(new SecureRandom()));

  final MemoryObjectStore disk;
  final TestLedger ledger;
  final List<KeyProvider> recipients;
  private final Path states;

  private TestWorld(
      MemoryObjectStore disk, TestLedger ledger, List<KeyProvider> recipients, Path states) {
    this.disk = disk;
    this.ledger = ledger;
    this.recipients = recipients;
    this.states = states;
  }

  /** Nothing yet. */
  static TestWorld empty(Path states, int recipients) {
    return new TestWorld(
        MemoryObjectStore.create(),
        new TestLedger(),
        recipients == 1
            ? List.of(TestRepository.RECIPIENT)
            : List.of(TestRepository.RECIPIENT, SECOND),
        states);
  }

  TestWorld copy() {
    return new TestWorld(disk.copy(), ledger.copy(), recipients, states);
  }

  /** A process with a machine of its own. */
  TestClient client(ObjectStore view) {
    return new TestClient(view, freshState(), recipients, ledger);
  }

  /** A folder that does not exist yet. */
  Path freshState() {
    return states.resolve("s" + STATES.incrementAndGet());
  }

  /**
   * Opens the store as somebody who knows nothing but the key, and compares.
   *
   * @param everything whether to verify every byte too
   */
  void check(boolean everything) throws IOException {
    for (KeyProvider recipient : recipients) { // 7: each opens it alone
      try (TestClient fresh = new TestClient(disk, freshState(), List.of(recipient), ledger)) {
        try {
          fresh.open();
        } catch (RepositoryException e) {
          if (ledger.initialised || !e.code().equals("repository.not-initialised")) {
            throw e;
          }
          return;
        }
        check(fresh, everything);
      }
    }
  }

  private void check(TestClient fresh, boolean everything) throws IOException {
    Repository repository = fresh.repository();
    assertThat(repository.sources()).extracting(SourceInfo::name).containsAll(ledger.registered);
    Set<BackupId> listed = new HashSet<>();
    for (BackupDescriptor backup : repository.backups(Optional.empty())) {
      BackupId id = backup.id();
      listed.add(id);
      if (!ledger.acknowledged.containsKey(id) && !ledger.unclear.contains(id)) { // 3
        fail("%s is listed, and nobody was told that it might exist", id);
      }
      boolean complete = ledger.acknowledged.getOrDefault(id, false);
      if (backup.status() == BackupStatus.AWAITING_WAL && complete) {
        fail("%s was acknowledged as complete, and is not", id);
      }
      TestRepository.assertReads(repository, id, ledger.attempted.get(id)); // 1
    }
    assertThat(listed).containsAll(ledger.acknowledged.keySet());
    checkWal(repository);
    if (everything) {
      fresh.verify(VerifyRequest.Level.DATA); // 2, 7
      assertThat(fresh.found).isEmpty();
    }
  }

  private void checkWal(Repository repository) throws IOException {
    for (Map.Entry<TestLedger.Stretch, Integer> stored : ledger.wal.entrySet()) { // 4
      TestLedger.Stretch stretch = stored.getKey();
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
