package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.PruneRequest;
import com.thorbis.backup.api.RekeyReport;
import com.thorbis.backup.api.RekeyReport.LogState;
import com.thorbis.backup.api.RekeyRequest;
import com.thorbis.backup.api.RetentionPlan;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.RotateRequest;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WritersRequest;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ForwardingObjectStore;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Pause;
import com.thorbis.backup.storage.internal.Tuning;
import com.thorbis.backup.storage.internal.lease.Heartbeat;
import com.thorbis.backup.testkit.FaultyObjectStore;
import com.thorbis.backup.testkit.FaultyObjectStore.Fault;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Collectors;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.assertj.core.groups.Tuple;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Backups that are sealed anew, as after a key has leaked. */
class RekeyTest {
  private static final String SOURCE = "orders";
  private static final Duration DAY = Duration.ofDays(1);
  private static final Arrival COMPARED = new Arrival.Compared();

  @TempDir Path states;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private MemoryObjectStore store = MemoryObjectStore.create(clock, 1000);
  private final SealedRepositoryFactory factory =
      new SealedRepositoryFactory(
          new Tuning(5, 100, 1, Duration.ofMinutes(30), Heartbeat.DAEMON, Pause.REAL, true));
  private int machines;

  private RepositorySetup.Builder setup(ObjectStore view) {
    return RepositorySetup.builder()
        .copy(view)
        .recipient(TestRepository.RECIPIENT)
        .acceptSingleKeyRisk(true)
        .parallelism(1)
        .stateDirectory(states.resolve("m" + ++machines))
        .clock(clock);
  }

  private Repository open(ObjectStore view) throws IOException {
    return factory.open(setup(view).build());
  }

  private Repository create() throws IOException {
    factory.init(setup(store).build());
    Repository repository = open(store);
    repository.register(SOURCE, "postgres", TestRepository.CLUSTER);
    storeWal(repository, 1);
    return repository;
  }

  private static void storeWal(Repository repository, long number) throws IOException {
    WalSegment segment = TestRepository.segment(1, number);
    repository
        .wal(SOURCE)
        .storeSegment(segment, ByteBuffer.wrap(TestLedger.content(segment)), WalMarks.NONE);
  }

  /** A full one, or one over another, with its log in a segment. */
  private BackupId backUp(
      Repository repository, int segment, Map<String, byte[]> files, Optional<BackupId> base)
      throws IOException {
    return backUp(repository, segment, files, base, BackupStatus.COMPLETE);
  }

  private BackupId backUp(
      Repository repository,
      int segment,
      Map<String, byte[]> files,
      Optional<BackupId> base,
      BackupStatus status)
      throws IOException {
    BackupStart start =
        new BackupStart(
            SOURCE,
            base.isPresent() ? BackupType.INCREMENTAL : BackupType.FULL,
            base,
            Optional.of("of segment " + segment),
            clock.instant().minusSeconds(90));
    try (BackupWriter writer = repository.begin(start)) {
      writer.directory(TestRepository.directory("base"));
      for (Map.Entry<String, byte[]> file : files.entrySet()) {
        byte[] content = file.getValue();
        try (BackupWriter.FileWriter out =
            writer.file(
                TestRepository.file(file.getKey(), content.length), PieceCheck.NONE, COMPARED)) {
          out.write(content, 0, content.length);
          out.finish();
        }
      }
      return writer.commit(facts(segment), status).id();
    }
  }

  private BackupFacts facts(int segment) {
    BackupFacts facts = TestRepository.facts(segment);
    return new BackupFacts(
        facts.startLsn(),
        facts.stopLsn(),
        facts.timeline(),
        clock.instant().minusSeconds(60),
        clock.instant().minusSeconds(1),
        facts.tablespaces(),
        facts.attributes(),
        List.of());
  }

  private static Map<String, byte[]> changed(Map<String, byte[]> files, int by) {
    Map<String, byte[]> changed = new HashMap<>();
    files.forEach((path, content) -> changed.put(path, content.clone()));
    changed.get("base/1/259")[by] ^= 1;
    return changed;
  }

  private static void rotate(Repository repository) throws IOException {
    repository.rotateKeys(RotateRequest.all());
  }

  private static RekeyRequest all() {
    return RekeyRequest.of(SOURCE);
  }

  private static RekeyReport.Source rekey(Repository repository) throws IOException {
    return repository.rekey(all(), RunControl.unattended()).sources().get(0);
  }

  private static Map<BackupId, BackupId> replacements(RekeyReport.Source report) {
    return report.backups().stream()
        .collect(
            Collectors.toMap(RekeyReport.Backup::backup, backup -> backup.anew().orElseThrow()));
  }

  private void prune(Repository repository) throws IOException {
    repository.prune(
        PruneRequest.builder(SOURCE, RetentionPolicy.builder().build()).grace(DAY).build(),
        RunControl.unattended());
  }

  private void verifyAll(Repository repository) throws IOException {
    assertThat(
            repository
                .verify(
                    new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 100),
                    RunControl.unattended())
                .damaged())
        .isEmpty();
  }

  private static BackupState state(Repository repository, BackupId id) throws IOException {
    return repository.states(Optional.of(SOURCE)).stream()
        .filter(state -> state.backup().id().equals(id))
        .findFirst()
        .orElseThrow();
  }

  private static List<BackupId> live(Repository repository) {
    return repository.backups(Optional.of(SOURCE)).stream().map(BackupDescriptor::id).toList();
  }

  private static List<String> keys(Repository repository, BackupId id) throws IOException {
    try (BackupReader reader = repository.open(id)) {
      return reader.layout().keys().stream()
          .map(key -> key.substring(key.indexOf('/') + 1))
          .sorted()
          .toList();
    }
  }

  private static void assertRefused(String code, FailureKind kind, ThrowingCallable action) {
    assertThatThrownBy(action)
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> {
              assertThat(e.code()).isEqualTo(code);
              assertThat(e.kind()).isEqualTo(kind);
            });
  }

  @Test
  void aDumpStaysOneAndNoBackupIsComparedWithIt() throws IOException {
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    try (Repository repository = create()) {
      storeWal(repository, 2);
      BackupId full = backUp(repository, 1, files, Optional.empty());
      BackupId dump;
      try (BackupWriter writer =
          repository.begin(
              new BackupStart(
                  SOURCE,
                  BackupType.DUMP,
                  Optional.empty(),
                  Optional.empty(),
                  clock.instant(),
                  true))) {
        TestRepository.write(writer, "database.dump", new byte[] {4, 2});
        dump = writer.commit(facts(2), BackupStatus.COMPLETE).id();
      }
      BackupId over = backUp(repository, 2, changed(files, 1), Optional.of(full));
      repository.prune( // what it was compared with does not count any more
          PruneRequest.builder(repository.backup(full).orElseThrow()).grace(DAY).build(),
          RunControl.unattended());
      clock.advance(Duration.ofHours(2));
      rotate(repository);

      RekeyReport.Source report = rekey(repository);

      Map<BackupId, BackupId> anew = replacements(report);
      assertThat(anew).containsOnlyKeys(dump, over);
      BackupDescriptor dumped = repository.backup(anew.get(dump)).orElseThrow();
      assertThat(dumped.type()).isEqualTo(BackupType.DUMP);
      assertThat(dumped.base()).isEmpty();
      assertThat(dumped.partial()).isTrue();
      assertThat(repository.backup(anew.get(over)).orElseThrow().partial()).isFalse();
      TestRepository.assertReads(
          repository, dumped.id(), Map.of("database.dump", new byte[] {4, 2}));
      BackupDescriptor whole = repository.backup(anew.get(over)).orElseThrow();
      assertThat(whole.type()).isEqualTo(BackupType.FULL);
      assertThat(whole.base()).isEmpty();
      verifyAll(repository);
    }
  }

  @Test
  void everyBackupUnderAnOlderKeyIsThereAnewWithAllThatMattersAndNothingKeptIsUnderAnOlderOne()
      throws IOException {
    Map<String, byte[]> first = TestRepository.mediumFiles(1);
    Map<String, byte[]> second = changed(first, 1);
    Map<String, byte[]> third = changed(second, 2);
    try (Repository repository = create()) {
      storeWal(repository, 2);
      storeWal(repository, 3);
      BackupId full = backUp(repository, 1, first, Optional.empty());
      BackupId over = backUp(repository, 2, second, Optional.of(full));
      repository.hold(full, "case 7", Optional.empty());
      repository.hold(full, "audit", Optional.of(clock.instant().plus(DAY)));
      verifyAll(repository);
      clock.advance(Duration.ofHours(2));
      rotate(repository);
      storeWal(repository, 4);
      BackupId mixed = backUp(repository, 3, third, Optional.of(over));
      BackupId clean = backUp(repository, 4, first, Optional.empty());
      assertThat(keys(repository, mixed)).containsExactly("1", "2");
      Map<BackupId, BackupDescriptor> before = new HashMap<>();
      Map<BackupId, BackupFacts> facts = new HashMap<>();
      for (BackupDescriptor backup : repository.backups(Optional.empty())) {
        before.put(backup.id(), backup);
        try (BackupReader reader = repository.open(backup.id())) {
          facts.put(backup.id(), reader.facts());
        }
      }

      RekeyReport.Source plan = repository.planRekey(all()).sources().get(0);
      assertThat(plan.backups())
          .extracting(RekeyReport.Backup::backup)
          .containsExactly(full, over, mixed);
      RekeyReport.Source report = rekey(repository);
      assertThat(report.epoch()).isEqualTo(2);
      assertThat(report.skipped()).isEmpty();
      assertThat(report.problems()).isEmpty();
      Map<BackupId, BackupId> anew = replacements(report);
      assertThat(anew.keySet()).containsExactlyInAnyOrder(full, over, mixed);
      assertThat(report.deleted())
          .extracting(RekeyReport.Deleted::backup)
          .containsExactlyInAnyOrder(full, over, mixed);
      assertThat(live(repository))
          .containsExactly(anew.get(full), anew.get(over), anew.get(mixed), clean);
      for (Map.Entry<BackupId, BackupId> one : anew.entrySet()) {
        BackupDescriptor old = before.get(one.getKey());
        BackupDescriptor now = repository.backup(one.getValue()).orElseThrow();
        assertThat(now.rekeyedFrom()).contains(old.id());
        assertThat(now)
            .usingRecursiveComparison()
            .ignoringFields("id", "base", "bytesStored", "rekeyedFrom")
            .isEqualTo(old);
        try (BackupReader reader = repository.open(now.id())) {
          assertThat(reader.facts()).isEqualTo(facts.get(old.id()));
        }
        assertThat(keys(repository, now.id())).containsExactly("2");
        assertThat(state(repository, now.id()).verifiedAt()).isPresent();
        assertThat(repository.open(now.id()).descriptor().base())
            .isEqualTo(old.base().map(anew::get));
      }
      assertThat(report.backups()).allMatch(RekeyReport.Backup::verified);
      assertThat(state(repository, anew.get(full)).holds())
          .extracting(BackupState.Hold::reason)
          .containsExactly("case 7", "audit");
      assertThat(state(repository, full).holds()).isEmpty();
      assertThat(state(repository, full).stage()).isEqualTo(BackupState.Stage.DELETED);
      TestRepository.assertReads(repository, anew.get(full), first);
      TestRepository.assertReads(repository, anew.get(over), second);
      TestRepository.assertReads(repository, anew.get(mixed), third);

      clock.advance(DAY.plusHours(1));
      prune(repository);
      assertThat(RawKeys.epochs(store, "packs/")).containsExactly(2);
      assertThat(RawKeys.epochs(store, "manifests/")).containsExactly(2);
      assertThat(RawKeys.epochs(store, "wal/")).containsExactly(2);
      RekeyReport.Source after = repository.planRekey(all()).sources().get(0);
      assertThat(after.backups()).isEmpty();
      assertThat(after.deleted()).isEmpty();
      assertThat(after.log()).isEmpty();
      TestRepository.assertReads(repository, anew.get(full), first);
      TestRepository.assertReads(repository, anew.get(over), second);
      TestRepository.assertReads(repository, anew.get(mixed), third);
      verifyAll(repository);
    }
    try (Repository fresh = open(store)) { // from the checkpoint
      assertThat(live(fresh)).hasSize(4);
      assertThat(fresh.backups(Optional.empty()).get(0).rekeyedFrom()).isPresent();
      assertThat(fresh.backups(Optional.empty()).get(0).label()).contains("of segment 1");
    }
  }

  @Test
  void c14WhoeverKeptTheOldKeyOpensNothingThatIsKept() throws IOException {
    Map<String, byte[]> files = TestRepository.fewFiles(1);
    try (Repository repository = create()) {
      BackupId old = backUp(repository, 1, files, Optional.empty());
      String tree = tree();
      rotate(repository);
      BackupId anew = replacements(rekey(repository)).get(old);
      clock.advance(DAY.plusHours(1));
      prune(repository);
      store.contents().keySet().stream()
          .filter(key -> key.startsWith("keys/" + tree + "/"))
          .filter(key -> key.contains("/00000002/"))
          .forEach(this::delete);
      try (Repository thief = open(store)) { // with all slots but those of the last key
        assertThatThrownBy(() -> TestRepository.readAll(thief, anew))
            .isInstanceOf(IOException.class);
        assertThatThrownBy(() -> thief.wal(SOURCE).open(TestRepository.segment(1, 1)))
            .isInstanceOf(IOException.class);
      }
    }
  }

  private String tree() {
    String pack =
        store.contents().keySet().stream()
            .filter(key -> key.startsWith("packs/"))
            .findFirst()
            .orElseThrow();
    return pack.split("/", -1)[1];
  }

  private void delete(String key) {
    try {
      store.delete(new ObjectKey(key));
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void whatAnIncrementalSharesIsStoredOnceAndAFullOneStaysAnIndependentCopy() throws IOException {
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    try (Repository repository = create()) {
      BackupId first = backUp(repository, 1, files, Optional.empty());
      BackupId over = backUp(repository, 1, changed(files, 1), Optional.of(first));
      BackupId second = backUp(repository, 1, files, Optional.empty());
      long packs = count("packs/");
      rotate(repository);
      RekeyReport.Source plan = repository.planRekey(all()).sources().get(0);
      Map<BackupId, BackupId> anew = replacements(rekey(repository));
      assertThat(count("packs/")).isEqualTo(2 * packs);
      BackupDescriptor full = repository.backup(anew.get(first)).orElseThrow();
      BackupDescriptor shared = repository.backup(anew.get(over)).orElseThrow();
      assertThat(shared.base()).contains(full.id());
      assertThat(shared.bytesStored()).isLessThan(full.bytesStored() / 5);
      BackupDescriptor other = repository.backup(anew.get(second)).orElseThrow();
      assertThat(other.type()).isEqualTo(BackupType.FULL);
      try (BackupReader reader = repository.open(other.id())) {
        assertThat(reader.layout().sealedBytes()).isEqualTo(other.bytesStored());
      }
      assertThat(plan.backups().get(1).bytesWritten())
          .isLessThan(plan.backups().get(0).bytesWritten() / 5);
    }
  }

  private long count(String prefix) {
    return store.contents().keySet().stream().filter(key -> key.startsWith(prefix)).count();
  }

  @Test
  void oneWhoseBaseIsGoneIsComparedWithTheOneBeforeItAndElseStandsAlone() throws IOException {
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    try (Repository repository = create()) {
      BackupId gone = backUp(repository, 1, files, Optional.empty());
      BackupId first = backUp(repository, 1, changed(files, 1), Optional.of(gone));
      BackupId second = backUp(repository, 1, changed(files, 2), Optional.of(gone));
      repository.prune(
          PruneRequest.builder(repository.backup(gone).orElseThrow()).grace(DAY).build(),
          RunControl.unattended());
      rotate(repository);
      Map<BackupId, BackupId> anew = replacements(rekey(repository));
      BackupDescriptor alone = repository.backup(anew.get(first)).orElseThrow();
      assertThat(alone.type()).isEqualTo(BackupType.FULL);
      assertThat(alone.base()).isEmpty();
      BackupDescriptor over = repository.backup(anew.get(second)).orElseThrow();
      assertThat(over.base()).contains(alone.id());
      TestRepository.assertReads(repository, alone.id(), changed(files, 1));
      TestRepository.assertReads(repository, over.id(), changed(files, 2));
    }
  }

  @Test
  void retentionDecidesAsItDidBeforeAndNeverCountsAnyTwice() throws IOException {
    RetentionPolicy policy =
        RetentionPolicy.builder().daily(3).weekly(2).pitr(Duration.ofDays(2)).build();
    try (Repository repository = create()) {
      for (int day = 1; day <= 9; day++) {
        clock.advance(DAY);
        if (day > 1) {
          storeWal(repository, day);
        }
        if (day == 7) {
          rotate(repository);
        }
        backUp(repository, day, TestRepository.fewFiles(day), Optional.empty());
      }
      verifyAll(repository);
      RetentionPlan before = repository.planPrune(SOURCE, policy).retention();
      assertThat(before.deleted()).isNotEmpty();
      RekeyReport.Source report = rekey(repository);
      assertThat(report.backups()).hasSize(6);
      Map<BackupId, BackupId> anew = replacements(report);
      RetentionPlan after = repository.planPrune(SOURCE, policy).retention();
      assertThat(after.decisions())
          .containsExactlyElementsOf(
              before.decisions().stream()
                  .map(
                      one ->
                          new RetentionPlan.Decision(
                              anew.getOrDefault(one.backup(), one.backup()),
                              one.keep(),
                              one.reasons().stream().map(why -> renamed(why, anew)).toList()))
                  .toList());
      assertThat(after.wal()).isEqualTo(before.wal());
      assertThat(after.alarms()).isEqualTo(before.alarms());
    }
    try (Repository fresh = open(store)) { // as a machine sees it that reads the log anew
      assertThat(fresh.planPrune(SOURCE, policy).retention().alarms()).isEmpty();
      assertThat(fresh.backups(Optional.of(SOURCE)))
          .extracting(BackupDescriptor::stoppedAt)
          .isSorted();
    }
  }

  private static String renamed(String reason, Map<BackupId, BackupId> anew) {
    String renamed = reason;
    for (Map.Entry<BackupId, BackupId> one : anew.entrySet()) {
      renamed = renamed.replace(one.getKey().value(), one.getValue().value());
    }
    return renamed;
  }

  @Test
  void logThatOnlyAnOlderBackupNeedsIsKeptForItsReplacement() throws IOException {
    try (Repository repository = create()) {
      BackupId old = backUp(repository, 1, TestRepository.fewFiles(1), Optional.empty());
      repository.hold(old, "case 7", Optional.empty());
      for (int day = 2; day <= 5; day++) {
        clock.advance(DAY);
        storeWal(repository, day);
        backUp(repository, day, TestRepository.fewFiles(day), Optional.empty());
      }
      verifyAll(repository);
      RetentionPolicy policy = RetentionPolicy.builder().daily(2).pitr(DAY).build();
      PruneRequest request = PruneRequest.builder(SOURCE, policy).grace(Duration.ZERO).build();
      repository.prune(request, RunControl.unattended());
      clock.advance(Duration.ofHours(1));
      repository.prune(request, RunControl.unattended()); // its log lies before what was let go of
      assertThat(repository.wal(SOURCE).open(TestRepository.segment(1, 2))).isEmpty();
      rotate(repository);
      BackupId anew = replacements(rekey(repository)).get(old);
      clock.advance(DAY.plusHours(1));
      repository.prune(request, RunControl.unattended());
      assertThat(repository.wal(SOURCE).open(TestRepository.segment(1, 1))).isPresent();
      TestRepository.assertReads(repository, anew, TestRepository.fewFiles(1));
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Fault.class,
      names = {"DEATH_BEFORE", "DEATH_AFTER"})
  void interruptedAnywhereEachIsThereOnceAndTheNextRunGoesOn(Fault fault) throws IOException {
    Map<String, byte[]> files = TestRepository.fewFiles(1);
    List<Map<String, byte[]>> contents = List.of(files, changed(files, 1));
    try (Repository repository = create()) {
      BackupId full = backUp(repository, 1, contents.get(0), Optional.empty());
      backUp(repository, 1, contents.get(1), Optional.of(full));
      rotate(repository);
    }
    MemoryObjectStore before = store;
    boolean died = true;
    int stages = 0;
    for (int change = 1; died; change++) {
      store = before.copy(clock);
      FaultyObjectStore dying = FaultyObjectStore.over(store);
      try (Repository repository = open(dying)) {
        dying.failAtChange(change, fault);
        rekey(repository);
      } catch (FaultyObjectStore.Died e) {
        stages++;
      }
      died = dying.dead();
      try (Repository repository = open(store)) {
        assertEachOnce(repository, contents);
        clock.advance(Duration.ofHours(1)); // whoever died has no lease any more
        RekeyReport.Source again = rekey(repository);
        assertThat(again.skipped()).isEmpty();
        assertThat(again.problems()).isEmpty();
        assertEachOnce(repository, contents);
        clock.advance(Duration.ofDays(3));
        prune(repository);
        assertThat(RawKeys.epochs(store, "packs/")).containsExactly(2);
        assertThat(RawKeys.epochs(store, "manifests/")).containsExactly(2);
        assertEachOnce(repository, contents);
        assertThat(repository.states(Optional.of(SOURCE)))
            .allMatch(state -> state.verifiedAt().isPresent());
        assertThat(repository.rekey(all(), RunControl.unattended()).sources().get(0).backups())
            .isEmpty();
      }
    }
    assertThat(stages).isGreaterThan(10);
  }

  private static void assertEachOnce(Repository repository, List<Map<String, byte[]>> contents)
      throws IOException {
    List<BackupId> live = live(repository);
    assertThat(live).hasSameSizeAs(contents);
    for (int i = 0; i < contents.size(); i++) {
      TestRepository.assertReads(repository, live.get(i), contents.get(i));
    }
  }

  @Test
  void aDamagedOneIsNamedAndStaysAndTheOthersGoOn() throws IOException {
    Map<String, byte[]> files = TestRepository.fewFiles(1);
    try (Repository repository = create()) {
      BackupId damaged = backUp(repository, 1, files, Optional.empty());
      for (String key : List.copyOf(store.contents().keySet())) {
        if (key.startsWith("packs/")) {
          ObjectKey pack = new ObjectKey(key);
          store.flipBit(pack, 4L * store.content(pack).length);
        }
      }
      Set<String> before = Set.copyOf(store.contents().keySet());
      BackupId lost = backUp(repository, 1, TestRepository.fewFiles(4), Optional.empty());
      for (String key : List.copyOf(store.contents().keySet())) {
        if (key.startsWith("packs/") && !before.contains(key)) {
          store.lose(new ObjectKey(key));
        }
      }
      BackupId whole = backUp(repository, 1, TestRepository.fewFiles(2), Optional.empty());
      BackupId awaiting =
          backUp(
              repository,
              9,
              TestRepository.fewFiles(3),
              Optional.empty(),
              BackupStatus.AWAITING_WAL);
      rotate(repository);
      RekeyReport report = repository.rekey(all(), RunControl.unattended());
      RekeyReport.Source source = report.sources().get(0);
      assertThat(report.hasFindings()).isTrue();
      assertThat(replacements(source)).containsOnlyKeys(whole);
      assertThat(source.skipped())
          .extracting(RekeyReport.Skipped::backup, RekeyReport.Skipped::code)
          .containsExactlyInAnyOrder(
              Tuple.tuple(damaged, "repository.damaged"),
              Tuple.tuple(lost, "repository.damaged"),
              Tuple.tuple(awaiting, "backup.awaiting-wal"));
      assertThat(state(repository, damaged).stage()).isEqualTo(BackupState.Stage.LIVE);
      assertThat(state(repository, awaiting).stage()).isEqualTo(BackupState.Stage.LIVE);
    }
  }

  @Test
  void oneThatWasReplacedAndBroughtBackIsGivenUpAgainAndNotWrittenTwice() throws IOException {
    try (Repository repository = create()) {
      BackupId old = backUp(repository, 1, TestRepository.fewFiles(1), Optional.empty());
      rotate(repository);
      BackupId anew = replacements(rekey(repository)).get(old);
      repository.undelete(old);
      repository.hold(old, "case 7", Optional.empty());
      long packs = count("packs/");
      assertThat(rekey(repository).backups()).isEmpty();
      assertThat(live(repository)).containsExactly(anew);
      assertThat(count("packs/")).isEqualTo(packs);
      assertThat(state(repository, anew).holds())
          .extracting(BackupState.Hold::reason)
          .containsExactly("case 7");
    }
  }

  /** A store that keeps other bytes of packs than it was given, or gives none, once told to. */
  private static final class Ailing extends ForwardingObjectStore {
    private final ObjectStore store;
    private boolean rots;
    private boolean fails;

    Ailing(ObjectStore store) {
      this.store = store;
    }

    @Override
    protected ObjectStore delegate() {
      return store;
    }

    @Override
    public String describe() {
      return store.describe();
    }

    private boolean isPack(ObjectKey key) {
      return key.value().startsWith("packs/");
    }

    @Override
    public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
      if (!rots || !isPack(key)) {
        return super.put(key, content);
      }
      try (InputStream in = content.open()) {
        byte[] bytes = in.readAllBytes();
        bytes[bytes.length / 2] ^= 1;
        return super.put(key, ObjectSource.of(bytes));
      }
    }

    @Override
    public ObjectUpload startUpload(ObjectKey key) throws IOException {
      ObjectUpload upload = super.startUpload(key);
      return !rots || !isPack(key) ? upload : new Rotten(upload);
    }

    @Override
    public ObjectRead get(ObjectKey key, ByteRange range) throws IOException {
      requireWell(key);
      return super.get(key, range);
    }

    @Override
    public ObjectRead get(ObjectKey key) throws IOException {
      requireWell(key);
      return super.get(key);
    }

    private void requireWell(ObjectKey key) throws IOException {
      if (fails && isPack(key)) {
        throw new StorageException.Unavailable("Read", key.value(), null);
      }
    }

    private record Rotten(ObjectUpload upload) implements ObjectUpload {
      @Override
      public OutputStream body() {
        return new FilterOutputStream(upload.body()) {
          private int at;

          @Override
          public void write(int value) throws IOException {
            out.write(at++ == 1000 ? value ^ 1 : value);
          }
        };
      }

      @Override
      public ObjectInfo commit() throws IOException {
        return upload.commit();
      }

      @Override
      public void close() throws IOException {
        upload.close();
      }
    }
  }

  @Test
  void theOldOneCountsAgainWhereWhatWasWrittenInItsPlaceCannotBeReadBack() throws IOException {
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    BackupId old;
    try (Repository repository = create()) {
      old = backUp(repository, 1, files, Optional.empty());
      repository.hold(old, "case 7", Optional.empty());
      rotate(repository);
    }
    Ailing ailing = new Ailing(store);
    try (Repository repository = open(ailing)) {
      ailing.rots = true;
      RekeyReport report = repository.rekey(all(), RunControl.unattended());
      assertThat(report.hasFindings()).isTrue();
      RekeyReport.Source source = report.sources().get(0);
      assertThat(source.backups()).isEmpty();
      assertThat(source.problems()).isNotEmpty();
      assertThat(source.skipped())
          .extracting(RekeyReport.Skipped::backup, RekeyReport.Skipped::code)
          .containsExactly(tuple(old, "rekey.not-proven"));
      assertThat(live(repository)).containsExactly(old);
      assertThat(state(repository, old).holds())
          .extracting(BackupState.Hold::reason)
          .containsExactly("case 7");
      TestRepository.assertReads(repository, old, files);

      ailing.rots = false;
      BackupId anew = replacements(rekey(repository)).get(old);
      assertThat(live(repository)).containsExactly(anew);
      TestRepository.assertReads(repository, anew, files);
    }
  }

  @Test
  void damagedLogIsNamedAndTakesNothingBack() throws IOException {
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    try (Repository repository = create()) {
      BackupId old = backUp(repository, 1, files, Optional.empty());
      rotate(repository);
      String log =
          store.contents().keySet().stream()
              .filter(key -> key.startsWith("wal/"))
              .findFirst()
              .orElseThrow();
      delete(log);
      RekeyReport.Source report = rekey(repository);
      BackupId anew = replacements(report).get(old);
      assertThat(report.problems()).anyMatch(problem -> problem.contains(log));
      assertThat(report.skipped()).isEmpty();
      assertThat(live(repository)).containsExactly(anew);
      TestRepository.assertReads(repository, anew, files);
    }
  }

  @Test
  void theOldOneIsNotRemovedBeforeWhatTookItsPlaceWasReadBack() throws IOException {
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    BackupId old;
    try (Repository repository = create()) {
      old = backUp(repository, 1, files, Optional.empty());
      rotate(repository);
    }
    Ailing ailing = new Ailing(store);
    ObjectStore dying =
        new ForwardingObjectStore() {
          @Override
          protected ObjectStore delegate() {
            return ailing;
          }

          @Override
          public String describe() {
            return ailing.describe();
          }

          @Override
          public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
            ObjectInfo info = super.put(key, content);
            ailing.fails |= key.value().startsWith("commits/");
            return info;
          }
        };
    try (Repository repository = open(dying)) {
      assertThatThrownBy(() -> rekey(repository)).isInstanceOf(StorageException.class);
    }
    try (Repository repository = open(store)) {
      BackupId anew = live(repository).get(0);
      assertThat(anew).isNotEqualTo(old);
      clock.advance(DAY.plusHours(1));
      prune(repository);
      assertThat(repository.undelete(old).backup().id()).isEqualTo(old);
      assertThat(rekey(repository).backups()).isEmpty();
      assertThat(live(repository)).containsExactly(anew);
      clock.advance(DAY.plusHours(1));
      prune(repository);
      assertThatThrownBy(() -> repository.undelete(old)).isInstanceOf(RepositoryException.class);
      TestRepository.assertReads(repository, anew, files);
    }
  }

  @Test
  void onlyThoseUnderTheKeysThatWereNamedAreWrittenAnew() throws IOException {
    try (Repository repository = create()) {
      BackupId first = backUp(repository, 1, TestRepository.fewFiles(1), Optional.empty());
      rotate(repository);
      BackupId second = backUp(repository, 1, TestRepository.fewFiles(2), Optional.empty());
      rotate(repository);
      RekeyRequest request = new RekeyRequest(Optional.of(SOURCE), OptionalInt.of(2), DAY);
      RekeyReport.Source report =
          repository.rekey(request, RunControl.unattended()).sources().get(0);
      assertThat(report.epoch()).isEqualTo(3);
      assertThat(replacements(report)).containsOnlyKeys(first);
      assertThat(replacements(rekey(repository))).containsOnlyKeys(second);
    }
  }

  @Test
  void withoutAKeyToSealUnderItIsRefusedBeforeAnythingIsStored() throws IOException {
    try (Repository repository = create()) {
      backUp(repository, 1, TestRepository.fewFiles(1), Optional.empty());
      Set<String> before = Set.copyOf(store.contents().keySet());
      assertRefused(
          "rekey.not-rotated",
          FailureKind.REFUSED,
          () -> repository.rekey(all(), RunControl.unattended()));
      assertRefused("rekey.not-rotated", FailureKind.REFUSED, () -> repository.planRekey(all()));
      assertThat(store.contents().keySet()).isEqualTo(before);
      rotate(repository);
      assertRefused(
          "rekey.not-rotated",
          FailureKind.REFUSED,
          () ->
              repository.rekey(
                  new RekeyRequest(Optional.of(SOURCE), OptionalInt.of(3), DAY),
                  RunControl.unattended()));
      assertRefused(
          "source.not-registered",
          FailureKind.NOT_FOUND,
          () -> repository.rekey(RekeyRequest.of("other"), RunControl.unattended()));
      clock.advance(Duration.ofHours(1));
    }
  }

  @Test
  void aHostThatMayNotWriteIsRefusedBeforeAnythingIsStored() throws IOException {
    try (Repository repository = create()) {
      backUp(repository, 1, TestRepository.fewFiles(1), Optional.empty());
      rotate(repository);
    }
    try (Repository named = factory.open(setup(store).signer(TestWorld.SIGNER).build())) {
      named.changeWriters(
          new WritersRequest.Add("everybody", TestWorld.SIGNER.verifier().text(), true));
    }
    Set<String> before = Set.copyOf(store.contents().keySet());
    try (Repository other = open(store)) {
      assertRefused(
          "repository.writer-not-allowed",
          FailureKind.REFUSED,
          () -> other.rekey(all(), RunControl.unattended()));
    }
    assertThat(store.contents().keySet()).isEqualTo(before);
  }

  @Test
  void aPlanChangesNothing() throws IOException {
    try (Repository repository = create()) {
      backUp(repository, 1, TestRepository.fewFiles(1), Optional.empty());
      rotate(repository);
      Set<String> before = Set.copyOf(store.contents().keySet());
      RekeyReport plan = repository.planRekey(all());
      assertThat(store.contents().keySet()).isEqualTo(before);
      RekeyReport.Backup one = plan.sources().get(0).backups().get(0);
      assertThat(one.bytesRead()).isEqualTo(one.bytesWritten());
      RekeyReport.Backup done = rekey(repository).backups().get(0);
      assertThat(done.bytesWritten())
          .isBetween(one.bytesWritten() * 9 / 10, one.bytesWritten() * 11 / 10);
      assertThat(plan.notes()).anyMatch(note -> note.contains("Commits"));
    }
  }

  @Test
  void whatAnInterruptedBackupLeftUnderAnOlderKeyIsNotTakenForTheNewOne() throws IOException {
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    BackupId old;
    try (Repository repository = create()) {
      old = backUp(repository, 1, files, Optional.empty());
    }
    Site.Mortal dying = new Site.Mortal(store, call -> call.startsWith("start manifests/"));
    try (Repository repository = open(dying)) {
      assertThatThrownBy(() -> backUp(repository, 1, files, Optional.empty()))
          .isInstanceOf(StorageException.Unavailable.class);
    }
    clock.advance(Duration.ofHours(1));
    try (Repository repository = open(store)) {
      rotate(repository);
      BackupId anew = replacements(rekey(repository)).get(old);
      assertThat(keys(repository, anew)).containsExactly("2");
      TestRepository.assertReads(repository, anew, files);
    }
  }

  @Test
  void logThatCameUnderTheOldKeyAfterTheRotationIsCountedToo() throws IOException {
    try (Repository repository = create();
        Repository receiver = open(store)) {
      clock.advance(Duration.ofHours(3));
      storeWal(receiver, 2); // has read the log before the rotation, and goes by it for a minute
      rotate(repository);
      storeWal(receiver, 3);
      storeWal(repository, 4);
      List<RekeyReport.Log> log = repository.planRekey(all()).sources().get(0).log();
      List<Integer> epochs = new ArrayList<>(RawKeys.epochs(store, "wal/"));
      assertThat(epochs).containsExactly(1, 2);
      assertThat(log).extracting(RekeyReport.Log::segments).containsExactly(3L);
      assertThat(log.get(0).to()).contains(TestRepository.segment(1, 3).end());
      assertThat(log.get(0).neededBy()).isEmpty();
      assertThat(log).extracting(RekeyReport.Log::state).containsExactly(LogState.OLDER);
    }
  }
}
