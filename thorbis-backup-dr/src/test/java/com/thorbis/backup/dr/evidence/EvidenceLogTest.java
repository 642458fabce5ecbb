package com.thorbis.backup.dr.evidence;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.PruneRequest;
import com.thorbis.backup.crypto.RecoveryKey;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.crypto.SigningKey;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.engine.SourceEngine.RepositoryAccess;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.storage.SealedRepositoryFactory;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EvidenceLogTest {
  private static final Instant NOW = Instant.parse("2026-01-02T03:04:05Z");
  private static final KeyProvider RECIPIENT =
      RecoveryKeyProvider.ofRecoveryKey(RecoveryKey.generate(new SecureRandom()));
  private static final SigningKey KEY = SigningKey.generate(new SecureRandom());
  private static final SealedRepositoryFactory FACTORY = new SealedRepositoryFactory();

  @TempDir Path folder;

  private final SettableClock clock = SettableClock.at(NOW);
  private final MemoryObjectStore store = MemoryObjectStore.create(clock, 1000);
  private final List<Repository> opened = new ArrayList<>();
  private boolean down;
  private Repository repository;

  @BeforeEach
  void create() throws IOException {
    FACTORY.init(setup("creator"));
    repository = open("creator");
  }

  @AfterEach
  void close() throws IOException {
    for (Repository each : opened) {
      each.close();
    }
  }

  private RepositorySetup setup(String state) {
    return RepositorySetup.builder()
        .copy(store)
        .recipient(RECIPIENT)
        .acceptSingleKeyRisk(true)
        .parallelism(1)
        .stateDirectory(folder.resolve(state))
        .clock(clock)
        .build();
  }

  private Repository open(String state) throws IOException {
    Repository other = FACTORY.open(setup(state));
    opened.add(other);
    return other;
  }

  private RepositoryAccess reachable(Repository through) {
    return () -> {
      if (down) {
        throw new RepositoryException(
            "storage.unavailable", FailureKind.TRANSIENT, "The store is away", Map.of(), "", null);
      }
      through.refresh();
      return through;
    };
  }

  private EvidenceLog.Builder on(String state, Repository through) {
    return EvidenceLog.builder(reachable(through), folder.resolve(state)).clock(clock).host("h");
  }

  private EvidenceLog log() {
    return on("creator", repository).signer(KEY).build();
  }

  private static Appended drill(EvidenceLog log, int number) {
    return log.append(EvidenceRecord.DRILL, "orders", "passed", Map.of("number", number));
  }

  private static List<Object> numbers(EvidenceChain chain) {
    return chain.records().stream().map(record -> record.document().get("number")).toList();
  }

  @Test
  void whatIsAppendedIsReadInOrderSignedAndLinked() throws IOException {
    EvidenceLog log = log();
    for (int i = 1; i <= 3; i++) {
      assertThat(drill(log, i).place()).isEqualTo(Appended.Place.STORED);
      clock.advance(Duration.ofHours(1));
    }
    EvidenceChain chain = log.read();
    assertThat(chain.problems()).isEmpty();
    assertThat(numbers(chain)).containsExactly(1L, 2L, 3L);
    assertThat(chain.records()).allMatch(EvidenceRecord::genuine);
    assertThat(chain.records().get(1).previous()).containsExactly(chain.records().get(0).digest());
    assertThat(chain.heads()).containsExactly(chain.records().get(2).digest());
    assertThat(repository.source("evidence").orElseThrow().type()).isEqualTo("evidence");
    assertThat(log.waiting()).isZero();
  }

  @Test
  void whatCannotBeWrittenWaitsPrivatelyAndComesLater() throws IOException {
    EvidenceLog log = log();
    down = true;
    Appended waits = drill(log, 1);
    assertThat(waits.place()).isEqualTo(Appended.Place.SPOOLED);
    assertThat(waits.problem().orElseThrow().code()).isEqualTo("storage.unavailable");
    assertThat(drill(log, 2).place()).isEqualTo(Appended.Place.SPOOLED);
    assertThat(log.waiting()).isEqualTo(2);
    try (Stream<Path> files = Files.list(folder.resolve("creator/evidence/evidence/waiting"))) {
      for (Path file : files.toList()) {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
            .isEqualTo("rw-------");
      }
    }
    down = false;
    clock.advance(Duration.ofMinutes(1));
    assertThat(drill(log, 3).place()).isEqualTo(Appended.Place.STORED);
    EvidenceChain chain = log.read();
    assertThat(chain.problems()).isEmpty();
    assertThat(numbers(chain)).containsExactlyInAnyOrder(1L, 2L, 3L).last().isEqualTo(3L);
    assertThat(repository.backups(Optional.of("evidence"))).hasSize(1);
    assertThat(log.flush()).isZero();
  }

  @Test
  void whatWasWrittenAndStillWaitsIsNotWrittenAgain() throws IOException {
    EvidenceLog log = log();
    down = true;
    Appended waits = drill(log, 1);
    Path file = folder.resolve("creator/evidence/evidence/waiting/" + waits.id() + ".json");
    byte[] draft = Files.readAllBytes(file);
    down = false;
    assertThat(log.flush()).isEqualTo(1);
    Files.write(file, draft);
    assertThat(log.flush()).isEqualTo(1);
    assertThat(log.read().records()).hasSize(1);
    assertThat(log.waiting()).isZero();
  }

  @Test
  void neitherPlaceIsSaid() throws IOException {
    Path taken = Files.createFile(folder.resolve("taken"));
    EvidenceLog log = EvidenceLog.builder(reachable(repository), taken).clock(clock).build();
    assertThat(drill(log, 1).place()).isEqualTo(Appended.Place.STORED);
    down = true;
    assertThat(drill(log, 2).place()).isEqualTo(Appended.Place.LOST);
    down = false;
    assertThat(numbers(log.read())).containsExactly(1L);
  }

  @Test
  void writersWhoKnowNothingOfEachOtherAreJoined() throws Exception {
    List<Callable<Object>> writers = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      EvidenceLog log = on("host-" + i, open("host-" + i)).signer(KEY).host("host-" + i).build();
      int first = i * 10;
      writers.add(
          () -> {
            for (int n = first; n < first + 5; n++) {
              assertThat(drill(log, n).place()).isEqualTo(Appended.Place.STORED);
            }
            return "";
          });
    }
    ExecutorService pool = Executors.newFixedThreadPool(4);
    for (Future<Object> each : pool.invokeAll(writers)) {
      each.get();
    }
    pool.shutdown();
    clock.advance(Duration.ofSeconds(1));
    drill(log(), 99);
    EvidenceChain chain = log().read();
    assertThat(chain.problems()).isEmpty();
    assertThat(chain.records()).hasSize(21);
    assertThat(chain.heads()).hasSize(1);
    assertThat(numbers(chain)).last().isEqualTo(99L);
  }

  @Test
  void nothingIsLetGoOfBeforeItIsOldEnoughAndThenARecordNamesIt() throws IOException {
    EvidenceLog log = on("creator", repository).signer(KEY).keep(Duration.ofDays(30)).build();
    drill(log, 1);
    BackupDescriptor first = repository.backups(Optional.of("evidence")).get(0);
    clock.advance(Duration.ofDays(10));
    drill(log, 2);
    assertThatThrownBy(() -> repository.prune(deletion(first), RunControl.unattended()))
        .isInstanceOfSatisfying(
            RepositoryException.class, e -> assertThat(e.code()).isEqualTo("backup.held"));

    clock.advance(Duration.ofDays(21));
    drill(log, 3);
    repository.prune(deletion(first), RunControl.unattended());
    EvidenceChain chain = log.read();
    assertThat(chain.problems()).isEmpty();
    assertThat(chain.records())
        .extracting(EvidenceRecord::kind)
        .containsExactlyInAnyOrder("drill", "drill", "evidence-anchor");
    assertThat(numbers(chain)).contains(2L, 3L).doesNotContain(1L);
    // Another host that never saw the first one is told by the anchor, too.
    EvidenceLog other = on("other", open("other")).keep(Duration.ofDays(30)).build();
    assertThat(other.read().problems()).isEmpty();
    EvidenceLog stricter = on("other", open("other2")).keep(Duration.ofDays(300)).build();
    assertThat(stricter.read().problems())
        .extracting(EvidenceChain.Problem::code)
        .containsExactly("contradiction");
  }

  private static PruneRequest deletion(BackupDescriptor backup) {
    return PruneRequest.builder(backup)
        .grace(Duration.ZERO)
        .confirmed(true)
        .lastAllowed(true)
        .build();
  }

  @Test
  void whatThisHostSawAndIsGoneIsMissingAlsoAtTheEnd() throws IOException {
    EvidenceLog log = log();
    drill(log, 1);
    drill(log, 2);
    BackupDescriptor last = repository.backups(Optional.of("evidence")).get(1);
    repository.release(last.id(), "evidence");
    repository.prune(deletion(last), RunControl.unattended());
    assertThat(log.read().problems())
        .extracting(EvidenceChain.Problem::code)
        .containsExactly("missing");
    EvidenceEngine engine =
        new EvidenceEngine("evidence", folder.resolve("creator"), EvidenceLog.KEEP, clock);
    assertThat(engine.check(repository))
        .anySatisfy(
            item -> {
              assertThat(item.subject()).isEqualTo("evidence.missing");
              assertThat(item.outcome()).isEqualTo(CheckItem.Outcome.FAIL);
            });
  }

  /** One record that nobody vouches for must not make an alarm silent. */
  @Test
  void whoeverLooksIsToldOnlyWhatSomebodyVouchesFor() throws IOException {
    drill(log(), 1);
    EvidenceRecord good = log().read().records().get(0);
    plant(like(good, "repo-another", 1).signed(KEY));
    EvidenceRecord other = like(good, good.repository(), 2);
    plant(
        new EvidenceRecord(
            other.repository(),
            other.id(),
            other.kind(),
            other.at(),
            other.actor(),
            other.host(),
            other.subject(),
            other.outcome(),
            other.document(),
            other.previous(),
            good.signature()));
    plant(like(good, good.repository(), 3));
    EvidenceLog reads = on("reader", repository).build();
    for (EvidenceLog log : List.of(log(), reads)) {
      Map<BackupId, List<EvidenceRecord>> known = new LinkedHashMap<>();
      log.readInto(known, any -> true, any -> false);
      assertThat(known.values().stream().flatMap(List::stream)).containsExactly(good);
    }
    Map<BackupId, List<EvidenceRecord>> known = new LinkedHashMap<>();
    reads.readInto(known, any -> true, any -> false);
    plant(like(good, good.repository(), 4));
    reads.readInto(known, any -> true, any -> true);
    assertThat(known).hasSize(5);
    assertThat(known.values().stream().flatMap(List::stream)).containsExactly(good);
  }

  private static EvidenceRecord like(EvidenceRecord record, String repository, int number) {
    return new EvidenceRecord(
        repository,
        "ev-20260102T030405Z-0000000" + number,
        record.kind(),
        record.at(),
        record.actor(),
        record.host(),
        record.subject(),
        record.outcome(),
        Map.of("number", 10 + number),
        List.of(record.digest()),
        Optional.empty());
  }

  /** As whoever may write to the repository can. */
  private void plant(EvidenceRecord record) throws IOException {
    clock.advance(Duration.ofSeconds(1));
    repository.refresh();
    try (BackupWriter writer =
        repository.begin(
            new BackupStart(
                EvidenceLog.SOURCE, BackupType.FULL, Optional.empty(), clock.instant()))) {
      byte[] bytes = record.bytes();
      StoredFile file =
          new StoredFile(
              StoredFile.Area.DATA,
              "records/" + record.id() + ".json",
              StoredFile.Kind.FILE,
              bytes.length,
              0600,
              record.at());
      try (BackupWriter.FileWriter out = writer.file(file, PieceCheck.NONE)) {
        out.write(bytes, 0, bytes.length);
        out.finish();
      }
      BackupDescriptor unused =
          writer.commit(
              BackupFacts.withoutServer(clock.instant(), clock.instant(), Map.of(), List.of()),
              BackupStatus.COMPLETE);
    }
  }

  @Test
  void whatIsNoRecordIsRefusedAtOnce() {
    EvidenceLog log = log();
    assertThatThrownBy(() -> log.append("Drill!", "orders", "passed", Map.of()))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> log.append("drill", "orders", "passed", Map.of("a", 1.5)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("Double");
  }
}
