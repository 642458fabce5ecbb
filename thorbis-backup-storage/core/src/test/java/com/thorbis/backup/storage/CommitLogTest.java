package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.RecoveryKey;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.InitReport;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CommitLogTest {
  private static final Map<String, byte[]> FILES = TestRepository.fewFiles(1);

  @TempDir Path state;

  private final MemoryObjectStore store = MemoryObjectStore.create();

  @Test
  void initTwiceChangesNothing() throws IOException {
    RepositorySetup setup = TestRepository.setup(store, state).build();
    InitReport first = TestRepository.FACTORY.init(setup);
    assertThat(first.created()).isTrue();
    assertThat(first.recipients()).hasSize(1);
    SortedMap<String, byte[]> before = store.contents();
    InitReport second = TestRepository.FACTORY.init(setup);
    assertThat(second.created()).isFalse();
    assertThat(second.repositoryId()).isEqualTo(first.repositoryId());
    assertThat(second.recipients()).isEqualTo(first.recipients());
    assertThat(store.contents().keySet()).isEqualTo(before.keySet());
  }

  @Test
  void initRefusesASingleKindOfKeyUnlessTheRiskIsAccepted() {
    RepositorySetup setup = TestRepository.setup(store, state).acceptSingleKeyRisk(false).build();
    assertFails(
        () -> TestRepository.FACTORY.init(setup),
        "repository.single-key-risk",
        FailureKind.REFUSED);
    assertThat(store.contents()).isEmpty();
  }

  @Test
  void anEmptyStoreIsNotARepository() {
    assertFails(
        () -> TestRepository.FACTORY.open(TestRepository.setup(store, state).build()),
        "repository.not-initialised",
        FailureKind.NOT_FOUND);
  }

  @Test
  void aStrangerDoesNotOpenIt() throws IOException {
    TestRepository.create(store, state).close();
    RepositorySetup stranger =
        RepositorySetup.builder()
            .copy(store)
            .recipient(RecoveryKeyProvider.ofRecoveryKey(RecoveryKey.generate(new SecureRandom())))
            .acceptSingleKeyRisk(true)
            .stateDirectory(state)
            .build();
    assertThatThrownBy(() -> TestRepository.FACTORY.open(stranger))
        .isInstanceOf(KeyException.class);
  }

  @Test
  void w10ANameBelongsToOneCluster() throws IOException {
    try (Repository repository = TestRepository.create(store, state)) {
      assertThat(repository.register("orders", "postgres", TestRepository.CLUSTER).incarnations())
          .hasSize(1);
      ClusterIdentity other = new ClusterIdentity(42, 15, TestRepository.CLUSTER.segmentSize());
      assertFails(
          () -> repository.register("orders", "postgres", other),
          "source.identity-mismatch",
          FailureKind.REFUSED);
      assertThat(repository.sources()).hasSize(1);
    }
  }

  @Test
  void namesOfSourcesNeverLeaveTheSeal() throws IOException {
    try (Repository repository = TestRepository.create(store, state)) {
      repository.register("secret-project", "postgres", TestRepository.CLUSTER);
      TestRepository.backUp(repository, FILES);
    }
    store
        .contents()
        .forEach(
            (key, bytes) ->
                assertThat(key + new String(bytes, StandardCharsets.ISO_8859_1))
                    .doesNotContain("secret-project")
                    .doesNotContain("nightly")
                    .doesNotContain("pg_control"));
  }

  @Test
  void aBackupIsCompletedOnce() throws IOException {
    try (Repository repository = TestRepository.create(store, state)) {
      BackupId id;
      try (BackupWriter writer = TestRepository.begin(repository)) {
        TestRepository.write(writer, "PG_VERSION", FILES.get("PG_VERSION"));
        id = writer.commit(TestRepository.facts(), BackupStatus.AWAITING_WAL).id();
      }
      assertThat(repository.backup(id).orElseThrow().status()).isEqualTo(BackupStatus.AWAITING_WAL);
      assertThat(repository.complete(id).status()).isEqualTo(BackupStatus.COMPLETE);
      int commits = commits();
      assertThat(repository.complete(id).status()).isEqualTo(BackupStatus.COMPLETE);
      assertThat(commits()).isEqualTo(commits);
      assertFails(
          () -> repository.complete(new BackupId("20200101T000000Z-00000000")),
          "backup.not-found",
          FailureKind.NOT_FOUND);
    }
  }

  @Test
  void aBackupThatIsNotCommittedIsNotThere() throws IOException {
    try (Repository repository = TestRepository.create(store, state)) {
      BackupWriter writer = TestRepository.begin(repository);
      TestRepository.write(writer, "x", new byte[3_000_000]);
      writer.close();
      writer.close();
      assertThat(repository.backups(Optional.empty())).isEmpty();
      assertThat(commits()).isEqualTo(2);
    }
  }

  @Test
  void writersThatRaceAllWin() throws Exception {
    TestRepository.create(store, state).close();
    int writers = 6;
    int each = 3;
    ExecutorService pool = Executors.newFixedThreadPool(writers);
    List<Future<List<BackupId>>> running = new ArrayList<>();
    for (int i = 0; i < writers; i++) {
      String name = "source-" + i % 2;
      Path own = state.resolve("state-" + i);
      running.add(
          pool.submit(
              () -> {
                List<BackupId> made = new ArrayList<>();
                try (Repository repository =
                    TestRepository.FACTORY.open(TestRepository.setup(store, own).build())) {
                  repository.register(name, "postgres", TestRepository.CLUSTER);
                  for (int j = 0; j < each; j++) {
                    made.add(TestRepository.backUp(repository, FILES).id());
                  }
                }
                return made;
              }));
    }
    Set<BackupId> all = new HashSet<>();
    for (Future<List<BackupId>> one : running) {
      all.addAll(one.get());
    }
    pool.shutdown();
    assertThat(all).hasSize(writers * each);
    try (Repository repository =
        TestRepository.FACTORY.open(TestRepository.setup(store, state).build())) {
      assertThat(repository.sources()).hasSize(3);
      assertThat(repository.backups(Optional.empty()))
          .extracting(BackupDescriptor::id)
          .containsExactlyInAnyOrderElementsOf(all);
    }
    assertThat(commits()).isEqualTo(2 + 2 + writers * each);
  }

  @Test
  void oneProcessSeesWhatAnotherCommitted() throws IOException {
    try (Repository one = TestRepository.create(store, state);
        Repository other =
            TestRepository.FACTORY.open(
                TestRepository.setup(store, state.resolve("other")).build())) {
      BackupDescriptor made = TestRepository.backUp(one, FILES);
      assertThat(other.backup(made.id())).isEmpty();
      other.refresh();
      assertThat(other.backup(made.id())).isPresent();
      TestRepository.assertReads(other, made.id(), FILES);
    }
  }

  @Test
  void aStoreThatWasSetBackIsNoticed() throws IOException {
    MemoryObjectStore before;
    try (Repository repository = TestRepository.create(store, state)) {
      before = store.copy();
      TestRepository.backUp(repository, FILES);
    }
    assertFails(
        () -> TestRepository.FACTORY.open(TestRepository.setup(before, state).build()),
        "repository.rolled-back",
        FailureKind.DAMAGED);
    // Somebody else writes another history over it.
    Path elsewhere = state.resolve("elsewhere");
    try (Repository repository =
        TestRepository.FACTORY.open(TestRepository.setup(before, elsewhere).build())) {
      TestRepository.backUp(repository, FILES);
      TestRepository.backUp(repository, FILES);
    }
    assertFails(
        () -> TestRepository.FACTORY.open(TestRepository.setup(before, state).build()),
        "repository.rolled-back",
        FailureKind.DAMAGED);
    TestRepository.FACTORY.open(TestRepository.setup(store, state).build()).close();
  }

  @Test
  void aCommitThatCannotBeRememberedIsDoneAllTheSame() throws IOException {
    try (Repository repository = TestRepository.create(store, state)) {
      Files.move(state.resolve("heads"), state.resolve("before"));
      refuseHeads(state);
      BackupDescriptor made = TestRepository.backUp(repository, FILES);
      TestRepository.assertReads(repository, made.id(), FILES);
    }
  }

  @Test
  void commitsThatCannotBeRememberedAreReadAllTheSame() throws IOException {
    BackupDescriptor made;
    try (Repository repository = TestRepository.create(store, state)) {
      made = TestRepository.backUp(repository, FILES);
    }
    Path other = Files.createDirectory(state.resolve("other"));
    refuseHeads(other);
    try (Repository repository =
        TestRepository.FACTORY.open(TestRepository.setup(store, other).build())) {
      TestRepository.assertReads(repository, made.id(), FILES);
    }
  }

  @Test
  void aRememberedHeadThatCannotBeReadIsNotTakenForNone() throws IOException {
    TestRepository.create(store, state).close();
    Path other = Files.createDirectory(state.resolve("other"));
    Files.createFile(other.resolve("heads"));
    assertThatThrownBy(
            () -> TestRepository.FACTORY.open(TestRepository.setup(store, other).build()))
        .isInstanceOf(IOException.class);
  }

  /** Nothing is remembered and nothing can be, for root neither. */
  private static void refuseHeads(Path state) throws IOException {
    Files.createSymbolicLink(state.resolve("heads"), state.resolve("nowhere"));
  }

  @Test
  void r22TheRepositoryNeedsNoLocalState() throws IOException {
    BackupDescriptor made;
    try (Repository repository = TestRepository.create(store, state)) {
      made = TestRepository.backUp(repository, FILES);
    }
    Path blank = Files.createDirectory(state.resolve("blank"));
    try (Repository repository =
        TestRepository.FACTORY.open(TestRepository.setup(store, blank).build())) {
      TestRepository.assertReads(repository, made.id(), FILES);
    }
  }

  @Test
  void aMissingCommitIsNamed() throws IOException {
    try (Repository repository = TestRepository.create(store, state)) {
      TestRepository.backUp(repository, FILES);
      TestRepository.backUp(repository, FILES);
    }
    store.delete(new ObjectKey("commits/0000000000000003"));
    Path blank = Files.createDirectory(state.resolve("blank"));
    assertThatThrownBy(
            () -> TestRepository.FACTORY.open(TestRepository.setup(store, blank).build()))
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> {
              assertThat(e.code()).isEqualTo("repository.damaged");
              assertThat(e.details()).containsEntry("object", "commits/0000000000000003");
            });
  }

  @Test
  void commitsOfAnotherPlaceDoNotFit() throws IOException {
    try (Repository repository = TestRepository.create(store, state)) {
      TestRepository.backUp(repository, FILES);
      TestRepository.backUp(repository, FILES);
    }
    byte[] third = store.content(new ObjectKey("commits/0000000000000003"));
    store.replace(new ObjectKey("commits/0000000000000004"), third);
    Path blank = Files.createDirectory(state.resolve("blank"));
    assertFails(
        () -> TestRepository.FACTORY.open(TestRepository.setup(store, blank).build()),
        "repository.damaged",
        FailureKind.DAMAGED);
  }

  private int commits() {
    return (int)
        store.contents().keySet().stream().filter(key -> key.startsWith("commits/")).count();
  }

  private static void assertFails(ThrowingCallable action, String code, FailureKind kind) {
    assertThatThrownBy(action)
        .isInstanceOfSatisfying(
            ClassifiedFailure.class,
            failure -> {
              assertThat(failure.code()).isEqualTo(code);
              assertThat(failure.kind()).isEqualTo(kind);
            });
  }
}
