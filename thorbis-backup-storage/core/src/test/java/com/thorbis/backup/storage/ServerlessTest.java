package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.EraseRequest;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.PrunePlan;
import com.thorbis.backup.api.PruneReport;
import com.thorbis.backup.api.PruneRequest;
import com.thorbis.backup.api.RekeyReport;
import com.thorbis.backup.api.RekeyRequest;
import com.thorbis.backup.api.RetentionForecast;
import com.thorbis.backup.api.RetentionPlan;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.RotateRequest;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.catalog.StoredBackup;
import com.thorbis.backup.storage.internal.format.Json;
import com.thorbis.backup.storage.internal.format.ObjectNames;
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
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A source without a server, through the whole life of its backups, beside one that has one. */
class ServerlessTest {
  private static final String TOKENS = "tokens";
  private static final String TYPE = "secrets";
  private static final Duration DAY = Duration.ofDays(1);

  @TempDir Path states;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private final MemoryObjectStore store = MemoryObjectStore.create(clock, 3);
  private final MemoryObjectStore second = MemoryObjectStore.create(clock, 1000);
  private int machines;

  private Site create() throws IOException {
    Site site = Site.create(store, states.resolve("m" + ++machines), clock);
    site.backUp(1);
    site.repository.register(TOKENS, TYPE);
    return site;
  }

  /** Another process, which reads a checkpoint if there is one. */
  private Site again() throws IOException {
    return Site.open(store, states.resolve("m" + ++machines), clock, 2, 1000);
  }

  private BackupFacts facts() {
    return BackupFacts.withoutServer(
        clock.instant().minusSeconds(2), clock.instant(), Map.of("secrets.set", "s"), List.of());
  }

  private BackupId backUp(Site site, int content) throws IOException {
    clock.advance(DAY);
    try (BackupWriter writer = begin(site, BackupType.FULL)) {
      TestRepository.write(writer, "set", new byte[] {(byte) content});
      return writer.commit(facts(), BackupStatus.COMPLETE).id();
    }
  }

  private BackupWriter begin(Site site, BackupType type) throws IOException {
    return site.repository.begin(
        new BackupStart(TOKENS, type, Optional.of("nightly"), clock.instant()));
  }

  private static void requireReads(Site site, BackupId id, int content) throws IOException {
    TestRepository.assertReads(site.repository, id, Map.of("set", new byte[] {(byte) content}));
  }

  private static void assertNoServer(ThrowingCallable action) {
    assertThatThrownBy(action)
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> {
              assertThat(e.code()).isEqualTo("source.no-server");
              assertThat(e.kind()).isEqualTo(FailureKind.REFUSED);
              assertThat(e.remedy()).startsWith("Take backups of it").doesNotContain("full");
            })
        .hasMessageContaining(TOKENS + " has no server");
  }

  @Test
  void itIsRegisteredOnceAndItsBackupsAreListedAndRead() throws IOException {
    BackupId id;
    try (Site site = create()) {
      SourceInfo source = site.repository.source(TOKENS).orElseThrow();
      assertThat(source.type()).isEqualTo(TYPE);
      assertThat(source.current().server()).isEmpty();
      assertThat(site.repository.register(TOKENS, TYPE)).isEqualTo(source);
      id = backUp(site, 7);
    }
    try (Site site = again()) {
      BackupDescriptor backup = site.repository.backup(id).orElseThrow();
      assertThat(backup.type()).isEqualTo(BackupType.FULL);
      assertThat(backup.status()).isEqualTo(BackupStatus.COMPLETE);
      assertThat(backup.server()).isEmpty();
      assertThat(backup.physical()).isFalse();
      assertThatThrownBy(backup::startLsn)
          .isInstanceOfSatisfying(
              BackupException.class, e -> assertThat(e.code()).isEqualTo("source.no-server"));
      assertThat(site.repository.backups(Optional.of(TOKENS))).containsExactly(backup);
      requireReads(site, id, 7);
      try (BackupReader reader = site.repository.open(id)) {
        assertThat(reader.facts().log()).isEmpty();
        assertThat(reader.facts().attributes()).containsEntry("secrets.set", "s");
      }
      site.requireAllWhole();
    }
  }

  @Test
  void aNameBelongsToAServerOrToNone() throws IOException {
    try (Site site = create()) {
      assertMismatch(() -> site.repository.register("orders", "postgres"));
      assertMismatch(() -> site.repository.register(TOKENS, "files"));
      assertMismatch(() -> site.repository.register(TOKENS, TYPE, TestRepository.CLUSTER));
      assertThat(site.repository.sources()).hasSize(2);
    }
  }

  private static void assertMismatch(ThrowingCallable action) {
    assertThatThrownBy(action)
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> assertThat(e.code()).isEqualTo("source.identity-mismatch"));
  }

  @Test
  void whatNeedsAServerIsRefusedInPlainWords() throws IOException {
    try (Site site = create()) {
      BackupId id = backUp(site, 1);
      SourceInfo.Incarnation life = site.repository.source(TOKENS).orElseThrow().current();
      assertNoServer(() -> site.repository.wal(TOKENS));
      assertNoServer(() -> site.repository.wal(TOKENS, life.id()));
      assertNoServer(() -> begin(site, BackupType.DUMP));
      assertNoServer(
          () ->
              site.repository.adopt(
                  TOKENS,
                  TestRepository.CLUSTER,
                  new SourceInfo.Fork(
                      life.id(), TestRepository.TIMELINE, TestRepository.facts().stopLsn())));
      assertThat(site.repository.complete(id).status()).isEqualTo(BackupStatus.COMPLETE);
      try (BackupWriter writer = begin(site, BackupType.FULL)) {
        assertThatThrownBy(() -> writer.commit(TestRepository.facts(), BackupStatus.COMPLETE))
            .hasMessageContaining("has no server");
      }
      try (BackupWriter writer = begin(site, BackupType.FULL)) {
        assertThatThrownBy(() -> writer.commit(facts(), BackupStatus.AWAITING_WAL))
            .hasMessageContaining("has no server");
      }
      assertThat(site.repository.backups(Optional.of(TOKENS))).hasSize(1);
    }
  }

  @Test
  void aPolicyKeepsWhatItSaysAndASweepRemovesTheRest() throws IOException {
    RetentionPolicy policy =
        RetentionPolicy.parse(
            "test",
            Map.of("daily", "2", "pitr", "1d", "minimum", "1", "most-deleted-percent", "100"));
    List<BackupId> ids = new ArrayList<>();
    try (Site site = create()) {
      for (int i = 0; i < 5; i++) {
        ids.add(backUp(site, i));
      }
      site.repository.hold(ids.get(0), "case 7", Optional.empty());
      assertThat(site.verify().damaged()).isEmpty();
      PrunePlan plan = site.repository.planPrune(TOKENS, policy);
      assertThat(plan.retention().wal()).isEmpty();
      assertThat(plan.retention().deleted()).containsExactly(ids.get(1), ids.get(2));
      assertThat(reasons(plan.retention(), ids.get(0))).containsExactly("hold: case 7");

      PruneReport deleted = prune(site, policy);
      assertThat(deleted.deleted()).containsExactly(ids.get(1), ids.get(2));
      site.repository.undelete(ids.get(2));
      requireReads(site, ids.get(2), 2);
      prune(site, policy);
      clock.advance(DAY.plusHours(1));
      assertThat(prune(site, policy).swept()).containsExactly(ids.get(1), ids.get(2));

      assertThat(site.repository.backups(Optional.of(TOKENS)))
          .extracting(BackupDescriptor::id)
          .containsExactly(ids.get(0), ids.get(3), ids.get(4));
      requireReads(site, ids.get(0), 0);
      assertThat(site.repository.backups(Optional.of("orders"))).hasSize(1);
      site.requireAllWhole();
    }
    try (Site site = again()) {
      assertThat(site.repository.states(Optional.of(TOKENS)))
          .filteredOn(state -> state.backup().id().equals(ids.get(0)))
          .singleElement()
          .satisfies(
              state ->
                  assertThat(state.holds())
                      .extracting(BackupState.Hold::reason)
                      .containsExactly("case 7"));
      site.repository.release(ids.get(0), "case 7");
      assertThat(prune(site, policy).deleted()).containsExactly(ids.get(0));
    }
  }

  private static PruneReport prune(Site site, RetentionPolicy policy) throws IOException {
    return site.repository.prune(
        PruneRequest.builder(TOKENS, policy).grace(DAY).build(), RunControl.unattended());
  }

  private static List<String> reasons(RetentionPlan plan, BackupId id) {
    return plan.decisions().stream()
        .filter(decision -> decision.backup().equals(id))
        .findFirst()
        .orElseThrow()
        .reasons();
  }

  @Test
  void aForecastGoesOnWithBackupsLikeTheLast() throws IOException {
    try (Site site = create()) {
      backUp(site, 1);
      RetentionPolicy policy = RetentionPolicy.parse("test", Map.of("daily", "2"));
      Instant next = clock.instant().plus(DAY);
      RetentionForecast forecast =
          site.repository.forecast(TOKENS, policy, List.of(next), List.of(next)).get(0);
      assertThat(forecast.backups()).hasSize(2).noneMatch(BackupDescriptor::physical);
      assertThat(forecast.plan().wal()).isEmpty();
    }
  }

  @Test
  void damageOfItIsNamed() throws IOException {
    try (Site site = create()) {
      BackupId id = backUp(site, 1);
      ObjectId tree = site.services.log().catalog().source(TOKENS).orElseThrow().tree();
      ObjectKey manifest = ObjectNames.manifest(tree, id);
      byte[] bytes = store.contents().get(manifest.value()).clone();
      bytes[bytes.length - 1] ^= 1;
      store.delete(manifest);
      store.put(manifest, ObjectSource.of(bytes));
      assertThat(site.verify().damaged())
          .singleElement()
          .satisfies(damage -> assertThat(damage.backups()).containsExactly(id));
    }
  }

  @Test
  void whatSomebodyLaysIntoItsLogIsNobodys() throws IOException {
    try (Site site = create()) {
      backUp(site, 1);
      ObjectId tree = site.services.log().catalog().source(TOKENS).orElseThrow().tree();
      String life = site.repository.source(TOKENS).orElseThrow().current().id();
      store.put(
          ObjectNames.segment(tree, life, TestRepository.segment(1, 1)),
          ObjectSource.of(new byte[200]));
      assertThat(site.verify().damaged()).noneMatch(damage -> damage.referenced());
      site.repository.rotateKeys(RotateRequest.all());
      assertThat(site.repository.planRekey(RekeyRequest.of(TOKENS)).sources().get(0).backups())
          .hasSize(1);
      prune(site, RetentionPolicy.builder().build());
    }
  }

  @Test
  void copiesAreFilledAndTakenInEachByItself() throws IOException {
    BackupId id;
    try (Site site = create()) {
      id = backUp(site, 9);
    }
    var both =
        Site.setup(
            states.resolve("both"),
            clock,
            WritePolicy.PRIMARY,
            List.of(Copy.builder(store).name("a").build(), Copy.builder(second).name("b").build()));
    TestRepository.FACTORY.init(both);
    try (Site site = Site.open(both, 1000, 1000)) {
      assertThat(site.repository.syncCopies(RunControl.unattended()).complete()).isTrue();
      assertThat(site.repository.copies(RunControl.unattended()).copies())
          .allSatisfy(copy -> assertThat(copy.contents().orElseThrow().complete()).isTrue());
      assertThat(site.verify().damaged()).isEmpty();
    }
    try (Site alone = Site.open(second, states.resolve("alone"), clock)) {
      requireReads(alone, id, 9);
    }
  }

  @Test
  void itIsSealedAnewAndErased() throws IOException {
    try (Site site = create()) {
      BackupId old = backUp(site, 3);
      clock.advance(Duration.ofHours(2));
      site.repository.rotateKeys(RotateRequest.all());
      RekeyReport.Source report =
          site.repository.rekey(RekeyRequest.of(TOKENS), RunControl.unattended()).sources().get(0);
      BackupId anew = report.backups().get(0).anew().orElseThrow();
      BackupDescriptor backup = site.repository.backup(anew).orElseThrow();
      assertThat(backup.rekeyedFrom()).contains(old);
      assertThat(backup.server()).isEmpty();
      requireReads(site, anew, 3);
      site.requireAllWhole();

      EraseRequest request =
          new EraseRequest(TOKENS, "ann", Optional.of("contract ended"), Duration.ZERO);
      site.repository.erase(request, RunControl.unattended());
      site.repository.erase(request, RunControl.unattended());
      assertThat(site.repository.source(TOKENS)).isEmpty();
      assertThatThrownBy(() -> site.repository.open(anew)).hasMessageContaining("erased");
      assertThat(site.repository.backups(Optional.of("orders"))).hasSize(1);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"cluster", "startLsn", "stopLsn", "timeline"})
  void aBackupWithPartOfAServerIsDamage(String without) throws IOException {
    try (Site site = create()) {
      StoredBackup whole = site.services.log().catalog().backups().get(0).backup();
      Map<String, Object> document = whole.document();
      assertThat(read(document, whole)).isEqualTo(whole);
      document.remove(without);
      assertUnreadable(document, whole);
    }
  }

  @Test
  void aBackupWithoutAServerIsNeitherADumpNorIncomplete() throws IOException {
    try (Site site = create()) {
      backUp(site, 1);
      StoredBackup whole = site.services.log().catalog().backups().get(1).backup();
      assertThat(read(whole.document(), whole)).isEqualTo(whole);
      Map<String, Object> dump = whole.document();
      dump.put("type", "dump");
      assertUnreadable(dump, whole);
      Map<String, Object> document = whole.document();
      document.put("status", "awaiting-wal");
      assertUnreadable(document, whole);
    }
  }

  private static StoredBackup read(Map<String, Object> document, StoredBackup like)
      throws IOException {
    return StoredBackup.read(Json.read(Json.write(document), "x"), like.copies());
  }

  private static void assertUnreadable(Map<String, Object> document, StoredBackup like) {
    assertThatThrownBy(() -> read(document, like))
        .isInstanceOfSatisfying(
            RepositoryException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.DAMAGED));
  }

  @Test
  void aCommitThatMixesServersWithSourcesIsNotWritten() throws IOException {
    try (Site site = create()) {
      backUp(site, 1);
      List<Operation.Backup> made = new ArrayList<>();
      site.services
          .log()
          .catalog()
          .backups()
          .forEach(entry -> made.add(new Operation.Backup(entry.backup(), entry.manifest())));
      StoredBackup ofOrders = made.get(0).backup();
      StoredBackup ofTokens = made.get(1).backup();
      assertDamage(site, new Operation.Backup(mixed(ofTokens, ofOrders), made.get(1).manifest()));
      SourceInfo.Incarnation life = site.repository.source(TOKENS).orElseThrow().current();
      assertDamage(
          site,
          new Operation.WalMark(
              TOKENS,
              life.id(),
              TestRepository.TIMELINE,
              Optional.empty(),
              TestRepository.facts().stopLsn()));
      assertDamage(
          site,
          new Operation.Adopt(
              TOKENS,
              new SourceInfo.Incarnation(
                  "0123456789abcdef", TestRepository.CLUSTER, Optional.empty())));
    }
  }

  /** A backup of one source with another's server. */
  private static StoredBackup mixed(StoredBackup of, StoredBackup server) {
    return new StoredBackup(
        new BackupId("20260102T030405Z-0000ffff"),
        of.source(),
        of.incarnation(),
        server.server(),
        server.log(),
        of.type(),
        of.base(),
        of.status(),
        of.label(),
        of.startedAt(),
        of.stoppedAt(),
        of.files(),
        of.bytes(),
        of.bytesRead(),
        of.bytesChanged(),
        of.bytesStored(),
        of.durationMillis(),
        of.copies(),
        of.letGoBy(),
        of.warnings(),
        of.rekeyedFrom(),
        of.partial());
  }

  private static void assertDamage(Site site, Operation operation) {
    assertThatThrownBy(() -> site.services.log().append(catalog -> List.of(operation)))
        .isInstanceOfSatisfying(
            RepositoryException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.DAMAGED));
  }
}
