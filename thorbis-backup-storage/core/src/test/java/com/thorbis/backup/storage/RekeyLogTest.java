package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.PruneRequest;
import com.thorbis.backup.api.RekeyReport;
import com.thorbis.backup.api.RekeyReport.LogState;
import com.thorbis.backup.api.RekeyRequest;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.RotateRequest;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalArchive.Stored;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.storage.internal.Pause;
import com.thorbis.backup.storage.internal.Tuning;
import com.thorbis.backup.storage.internal.lease.Heartbeat;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Log that is sealed anew, as after a key has leaked. */
class RekeyLogTest {
  private static final String SOURCE = "orders";
  private static final Duration DAY = Duration.ofDays(1);
  private static final Timeline SECOND = new Timeline(2);
  private static final byte[] HISTORY = "1\t0/308000\tpromoted\n".getBytes(StandardCharsets.UTF_8);
  private static final byte[] SUMMARY = {4, 2};

  @TempDir Path states;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private final MemoryObjectStore store = MemoryObjectStore.create(clock, 1000);
  private final MemoryObjectStore second = MemoryObjectStore.create(clock, 1000);
  private final SealedRepositoryFactory factory =
      new SealedRepositoryFactory(
          new Tuning(5, 2, 1, Duration.ofMinutes(30), Heartbeat.DAEMON, Pause.REAL, true));
  private int machines;

  private RepositorySetup.Builder setup() {
    return RepositorySetup.builder()
        .recipient(TestRepository.RECIPIENT)
        .acceptSingleKeyRisk(true)
        .parallelism(2)
        .stateDirectory(states.resolve("m" + ++machines))
        .clock(clock);
  }

  private Repository open() throws IOException {
    return factory.open(setup().copy(store).build());
  }

  private Repository create() throws IOException {
    factory.init(setup().copy(store).build());
    Repository repository = open();
    repository.register(SOURCE, "postgres", TestRepository.CLUSTER);
    return repository;
  }

  private static Stored put(Repository repository, WalSegment segment) throws IOException {
    return repository
        .wal(SOURCE)
        .storeSegment(segment, ByteBuffer.wrap(TestLedger.content(segment)), WalMarks.NONE);
  }

  private static Stored put(Repository repository, long number) throws IOException {
    return put(repository, TestRepository.segment(1, number));
  }

  private static void assertHolds(WalArchive wal, WalSegment segment) throws IOException {
    assertThat(wal.open(segment).map(WalArchive.WalContent::bytes))
        .as("%s", segment)
        .contains(ByteBuffer.wrap(TestLedger.content(segment)));
  }

  private static void assertHolds(Repository repository, long number) throws IOException {
    assertHolds(repository.wal(SOURCE), TestRepository.segment(1, number));
  }

  private static RekeyReport.Source rekey(Repository repository) throws IOException {
    return repository.rekey(RekeyRequest.of(SOURCE), RunControl.unattended()).sources().get(0);
  }

  private static List<RekeyReport.Log> log(RekeyReport.Source report, LogState state) {
    return report.log().stream().filter(log -> log.state() == state).toList();
  }

  private void rotate(Repository repository) throws IOException {
    clock.advance(Duration.ofHours(2));
    repository.rotateKeys(RotateRequest.all());
  }

  private void pruneAfterGrace(Repository repository) throws IOException {
    clock.advance(DAY.plusHours(1));
    repository.prune(
        PruneRequest.builder(SOURCE, RetentionPolicy.builder().build()).grace(DAY).build(),
        RunControl.unattended());
  }

  private static void assertSound(Repository repository) throws IOException {
    assertThat(
            repository
                .verify(
                    new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 100),
                    RunControl.unattended())
                .damaged())
        .isEmpty();
  }

  private List<String> names() {
    return store.contents().keySet().stream().filter(key -> key.startsWith("wal/")).toList();
  }

  private void flipNearTheEnd(String key) throws IOException {
    byte[] bytes = store.contents().get(key).clone();
    bytes[bytes.length - 5] ^= 1;
    store.delete(new ObjectKey(key));
    store.put(new ObjectKey(key), ObjectSource.of(bytes));
  }

  private static void fill(Repository repository) throws IOException {
    for (int number = 1; number <= 5; number++) {
      put(repository, number);
    }
    WalArchive wal = repository.wal(SOURCE);
    wal.storeHistory(SECOND, HISTORY);
    wal.storeSummary(TestRepository.TIMELINE, new Lsn(0), SUMMARY);
    wal.recordGap(
        new WalRange(
            TestRepository.TIMELINE,
            TestRepository.segment(1, 6).start(),
            TestRepository.segment(1, 7).start()),
        TestRepository.NOW,
        "planted");
    put(repository, TestRepository.segment(2, 3));
  }

  private static void assertHoldsAll(Repository repository) throws IOException {
    WalArchive wal = repository.wal(SOURCE);
    for (int number = 1; number <= 5; number++) {
      assertHolds(repository, number);
    }
    assertHolds(wal, TestRepository.segment(2, 3));
    assertThat(wal.history(SECOND)).contains(HISTORY);
    assertThat(wal.summary(TestRepository.TIMELINE, new Lsn(0))).contains(SUMMARY);
    assertThat(wal.recordedGap(TestRepository.TIMELINE, TestRepository.segment(1, 6).start()))
        .hasValueSatisfying(gap -> assertThat(gap.reason()).contains("planted"));
    assertThat(wal.timelines()).containsExactly(TestRepository.TIMELINE, SECOND);
    assertThat(wal.ranges(TestRepository.TIMELINE))
        .containsExactly(
            new WalRange(
                TestRepository.TIMELINE,
                TestRepository.segment(1, 1).start(),
                TestRepository.segment(1, 5).end()));
    assertThat(wal.marks(TestRepository.segment(1, 1))).isPresent();
  }

  @Test
  void allOfItLiesUnderTheNewKeyAndNothingChangesForReaders() throws IOException {
    try (Repository repository = create();
        Repository reader = open()) {
      fill(repository);
      assertHoldsAll(reader);
      rotate(repository);
      RekeyReport.Source plan = repository.planRekey(RekeyRequest.of(SOURCE)).sources().get(0);
      assertThat(log(plan, LogState.OLDER))
          .extracting(RekeyReport.Log::segments)
          .containsExactly(5L, 1L);
      List<String> before = names();

      RekeyReport.Source report = rekey(repository);

      assertThat(report.problems()).isEmpty();
      assertThat(log(report, LogState.OLDER)).isEmpty();
      assertThat(log(report, LogState.ANEW))
          .extracting(RekeyReport.Log::segments)
          .containsExactly(5L, 1L);
      assertThat(log(report, LogState.GIVEN_UP))
          .extracting(RekeyReport.Log::objects)
          .containsExactly(7L, 2L);
      assertThat(log(report, LogState.GIVEN_UP))
          .allSatisfy(one -> assertThat(one.sweepAfter()).contains(clock.instant().plus(DAY)));
      assertThat(names()).containsAll(before).hasSize(2 * before.size());
      assertHoldsAll(repository);
      assertHoldsAll(reader);
      assertSound(repository);

      pruneAfterGrace(repository);

      assertThat(RawKeys.epochs(store, "wal/")).containsExactly(2);
      assertThat(names()).doesNotContainAnyElementsOf(before).hasSize(before.size());
      assertHoldsAll(repository);
      assertSound(repository);
      assertHolds(reader, 1); // has not read the log since: it looks before it says "absent"
      assertHoldsAll(reader);
      assertThat(rekey(repository).log()).isEmpty();
    }
    try (Repository fresh = open()) { // from a checkpoint
      assertHoldsAll(fresh);
      assertSound(fresh);
    }
  }

  @Test
  void whatIsThereIsComparedWhereverItLiesAndNotStoredTwice() throws IOException {
    try (Repository repository = create()) {
      put(repository, 1);
      put(repository, 2);
      String first = names().get(0);
      byte[] bytes = store.contents().get(first).clone();
      rotate(repository);
      rekey(repository);
      pruneAfterGrace(repository);
      List<String> before = names();
      assertThat(put(repository, 1)).isEqualTo(Stored.ALREADY_PRESENT);
      byte[] other = TestRepository.wal(TestRepository.segment(1, 1), 77);
      assertThatThrownBy(
              () ->
                  repository
                      .wal(SOURCE)
                      .storeSegment(
                          TestRepository.segment(1, 1), ByteBuffer.wrap(other), WalMarks.NONE))
          .isInstanceOfSatisfying(
              RepositoryException.class, e -> assertThat(e.code()).isEqualTo("wal.conflict"));
      assertThat(
              repository
                  .wal(SOURCE)
                  .storePart(
                      TestRepository.segment(1, 2),
                      0,
                      ByteBuffer.wrap(TestLedger.content(TestRepository.segment(1, 2)), 0, 8192),
                      WalMarks.NONE))
          .isEqualTo(Stored.ALREADY_PRESENT);
      assertThat(names()).isEqualTo(before);

      // As by a writer who has not read what was sealed anew, where it always lay.
      store.put(new ObjectKey(first), ObjectSource.of(bytes));
      assertHolds(repository, 1);
      assertSound(repository);
      pruneAfterGrace(repository);
      assertThat(names()).isEqualTo(before);
      assertHolds(repository, 1);
    }
  }

  @Test
  void aSegmentThatIsNotWholeStaysWhereItIsAddedTo() throws IOException {
    WalSegment last = TestRepository.segment(1, 2);
    byte[] content = TestLedger.content(last);
    int half = content.length / 2;
    try (Repository repository = create()) {
      put(repository, 1);
      WalArchive wal = repository.wal(SOURCE);
      wal.storePart(last, 0, ByteBuffer.wrap(content, 0, half), WalMarks.NONE);
      rotate(repository);
      RekeyReport.Source report = rekey(repository);
      assertThat(log(report, LogState.ANEW))
          .extracting(RekeyReport.Log::segments)
          .containsExactly(1L);
      assertThat(log(report, LogState.OLDER)).hasSize(1);
      assertThat(log(report, LogState.OLDER).get(0).from()).contains(last.start());
      pruneAfterGrace(repository);
      wal.storePart(
          last, half, ByteBuffer.wrap(content, half, content.length - half), WalMarks.NONE);
      assertHolds(wal, last);
      assertSound(repository);

      assertThat(log(rekey(repository), LogState.OLDER)).isEmpty();
      pruneAfterGrace(repository);
      assertThat(RawKeys.epochs(store, "wal/")).containsExactly(2);
      assertHolds(wal, last);
      assertThat(put(repository, last)).isEqualTo(Stored.ALREADY_PRESENT);
      assertSound(repository);
    }
  }

  @Test
  void itIsSealedAnewAgainAfterTheNextKeyHasLeaked() throws IOException {
    try (Repository repository = create()) {
      fill(repository);
      rotate(repository);
      rekey(repository);
      put(repository, 8);
      rotate(repository);
      RekeyReport.Source report = rekey(repository);
      assertThat(report.problems()).isEmpty();
      assertThat(log(report, LogState.OLDER)).isEmpty();
      assertHolds(repository, 8);
      pruneAfterGrace(repository);
      assertThat(RawKeys.epochs(store, "wal/")).containsExactly(3);
      assertThat(names()).hasSize(10);
      for (int number : new int[] {1, 2, 3, 4, 5, 8}) {
        assertHolds(repository, number);
      }
      assertThat(repository.wal(SOURCE).history(SECOND)).contains(HISTORY);
      assertSound(repository);
    }
  }

  @Test
  void aDamagedSegmentIsNamedAndStays() throws IOException {
    try (Repository repository = create()) {
      fill(repository);
      String damaged =
          names().stream()
              .filter(key -> key.endsWith("000000010000000000000003"))
              .findFirst()
              .orElseThrow();
      flipNearTheEnd(damaged);
      rotate(repository);
      RekeyReport.Source report = rekey(repository);
      assertThat(report.problems()).singleElement().asString().contains("000000010000000000000003");
      assertThat(log(report, LogState.ANEW).get(0).segments()).isEqualTo(4);
      pruneAfterGrace(repository);
      assertThat(names()).contains(damaged);
      for (int number : new int[] {1, 2, 4, 5}) {
        assertHolds(repository, number);
      }
      assertThatThrownBy(() -> repository.wal(SOURCE).open(TestRepository.segment(1, 3)))
          .isInstanceOf(RepositoryException.class);
    }
  }

  @Test
  void nothingGoesWhoseNewObjectIsNotThere() throws IOException {
    try (Repository repository = create()) {
      put(repository, 1);
      put(repository, 2);
      List<String> before = names();
      rotate(repository);
      rekey(repository);
      String lost =
          names().stream()
              .filter(key -> !before.contains(key) && key.endsWith("2"))
              .findFirst()
              .orElseThrow();
      store.delete(new ObjectKey(lost));
      pruneAfterGrace(repository);
      assertThat(names()).contains(before.get(1)).doesNotContain(before.get(0));
      assertHolds(repository, 2);
    }
  }

  @Test
  void whatIsDamagedInTheNewFolderIsReadFromTheOldOne() throws IOException {
    try (Repository repository = create()) {
      put(repository, 1);
      put(repository, 2);
      List<String> before = names();
      rotate(repository);
      rekey(repository);
      for (String key : names()) {
        if (!before.contains(key) && key.endsWith("1")) {
          flipNearTheEnd(key);
        }
      }
      assertHolds(repository, 1);
      assertHolds(repository, 2);
    }
  }

  @Test
  void aWriterThatKnowsNothingOfItComparesAfterAMinute() throws IOException {
    try (Repository repository = create();
        Repository old = open()) {
      put(repository, 1);
      put(old, 2);
      rotate(repository);
      rekey(repository);
      pruneAfterGrace(repository);
      List<String> before = names();
      byte[] other = TestRepository.wal(TestRepository.segment(1, 1), 78);
      assertThatThrownBy(
              () ->
                  old.wal(SOURCE)
                      .storeSegment(
                          TestRepository.segment(1, 1), ByteBuffer.wrap(other), WalMarks.NONE))
          .isInstanceOfSatisfying(
              RepositoryException.class, e -> assertThat(e.code()).isEqualTo("wal.conflict"));
      assertThat(put(old, 1)).isEqualTo(Stored.ALREADY_PRESENT);
      assertThat(names()).isEqualTo(before);
    }
  }

  @Test
  void largeSegmentsAreSealedAnewInParts() throws IOException {
    WalSegmentSize size = new WalSegmentSize(64 << 20);
    ClusterIdentity cluster = new ClusterIdentity(TestRepository.CLUSTER.systemId(), 17, size);
    factory.init(setup().copy(store).build());
    try (Repository repository = open()) {
      repository.register(SOURCE, "postgres", cluster);
      WalSegment segment = WalSegment.containing(TestRepository.TIMELINE, new Lsn(64 << 20), size);
      byte[] content = TestRepository.wal(segment, 3);
      WalArchive wal = repository.wal(SOURCE);
      wal.storeSegment(segment, ByteBuffer.wrap(content), WalMarks.NONE);
      rotate(repository);
      assertThat(log(rekey(repository), LogState.ANEW).get(0).segments()).isEqualTo(1);
      pruneAfterGrace(repository);
      assertThat(RawKeys.epochs(store, "wal/")).containsExactly(2);
      assertThat(wal.open(segment).map(WalArchive.WalContent::bytes))
          .contains(ByteBuffer.wrap(content));
      assertThat(wal.storeSegment(segment, ByteBuffer.wrap(content), WalMarks.NONE))
          .isEqualTo(Stored.ALREADY_PRESENT);
    }
  }

  @Test
  void aLifeReadsItsAncestorsLogWhereItLiesNow() throws IOException {
    try (Repository repository = create()) {
      put(repository, 1);
      put(repository, 2);
      SourceInfo source = repository.source(SOURCE).orElseThrow();
      repository.adopt(
          SOURCE,
          TestRepository.CLUSTER,
          new SourceInfo.Fork(
              source.current().id(), TestRepository.TIMELINE, TestRepository.segment(1, 2).end()));
      rotate(repository);
      rekey(repository);
      pruneAfterGrace(repository);
      assertThat(RawKeys.epochs(store, "wal/")).containsExactly(2);
      assertHolds(repository, 2);
      assertThat(put(repository, 2)).isEqualTo(Stored.ALREADY_PRESENT);
      assertThat(repository.wal(SOURCE).ranges(TestRepository.TIMELINE)).hasSize(1);
    }
  }

  @Test
  void everyCopyHasItAnewAndASyncBringsNothingOldBack() throws IOException {
    factory.init(twice());
    try (Repository repository = factory.open(twice())) {
      repository.syncCopies(RunControl.unattended());
      repository.register(SOURCE, "postgres", TestRepository.CLUSTER);
      fill(repository);
      List<String> before = names();
      rotate(repository);
      rekey(repository);
      assertThat(names()).isEqualTo(wal(second));
      before.forEach(this::deleteFromFirst);
      repository.syncCopies(RunControl.unattended());
      assertThat(names()).doesNotContainAnyElementsOf(before);
      pruneAfterGrace(repository);
      assertThat(wal(second)).isEqualTo(names());
      assertHoldsAll(repository);
      assertSound(repository);
    }
  }

  private RepositorySetup twice() {
    return setup()
        .copy(Copy.builder(store).name("a").build())
        .copy(Copy.builder(second).name("b").build())
        .writePolicy(WritePolicy.ALL)
        .build();
  }

  private void deleteFromFirst(String key) {
    try {
      store.delete(new ObjectKey(key));
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private static List<String> wal(MemoryObjectStore store) {
    return store.contents().keySet().stream().filter(key -> key.startsWith("wal/")).toList();
  }
}
