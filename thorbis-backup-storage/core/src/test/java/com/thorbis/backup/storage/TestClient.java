package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.testkit.FaultyObjectStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * One process that works on a repository. It writes into the ledger what it attempts, and what it
 * is told; what it reads it compares.
 */
final class TestClient implements AutoCloseable {
  private static final byte[] SUMMARY = {1, 2, 3, 4};

  static final String SOURCE = "orders";

  private final ObjectStore store;
  private final Path state;
  private final List<KeyProvider> recipients;
  final TestLedger ledger;
  private Repository repository;

  /** What the last verification found. */
  List<VerifyReport.Damage> found = List.of();

  TestClient(ObjectStore store, Path state, List<KeyProvider> recipients, TestLedger ledger) {
    this.store = store;
    this.state = state;
    this.recipients = recipients;
    this.ledger = ledger;
  }

  private RepositorySetup setup() {
    RepositorySetup.Builder setup =
        RepositorySetup.builder()
            .copy(store)
            .acceptSingleKeyRisk(true)
            .parallelism(1)
            .stateDirectory(state)
            .clock(TestRepository.CLOCK);
    recipients.forEach(setup::recipient);
    return setup.build();
  }

  /** A process on the same machine. */
  TestClient successor(ObjectStore view) {
    return new TestClient(view, state, recipients, ledger);
  }

  void init() throws IOException {
    TestRepository.FACTORY.init(setup());
    ledger.initialised = true;
  }

  void open() throws IOException {
    close();
    repository = TestRepository.FACTORY.open(setup());
  }

  Repository repository() throws IOException {
    if (repository == null) {
      open();
    }
    return repository;
  }

  void register(String name) throws IOException {
    repository().register(name, "postgres", TestRepository.CLUSTER);
    ledger.registered.add(name);
  }

  /** Looks first, as whoever repeats it must. */
  void adopt() throws IOException {
    repository().refresh();
    SourceInfo.Incarnation first = source().incarnations().get(0);
    SourceInfo.Fork fork =
        new SourceInfo.Fork(first.id(), TestRepository.TIMELINE, Lsn.parse("0/200000"));
    if (source().incarnations().stream().noneMatch(life -> life.fork().equals(Optional.of(fork)))) {
      repository().adopt(SOURCE, TestRepository.CLUSTER, fork);
    }
  }

  private SourceInfo source() throws IOException {
    return repository().source(SOURCE).orElseThrow();
  }

  BackupId backUp(Map<String, byte[]> files, BackupStatus status) throws IOException {
    BackupId id;
    try (BackupWriter writer = TestRepository.begin(repository())) {
      id = writer.id();
      writer.directory(TestRepository.directory("base"));
      for (Map.Entry<String, byte[]> file : files.entrySet()) {
        TestRepository.write(writer, file.getKey(), file.getValue());
      }
      synchronized (ledger) {
        ledger.attempted.put(id, files);
      }
      try {
        writer.commit(TestRepository.facts(), status);
      } catch (IOException | RuntimeException e) {
        if (isUnclear(e)) {
          synchronized (ledger) {
            ledger.unclear.add(id);
          }
        }
        throw e;
      }
      synchronized (ledger) {
        ledger.acknowledged.put(id, status == BackupStatus.COMPLETE);
      }
    }
    return id;
  }

  static boolean isUnclear(Throwable e) {
    return e instanceof FaultyObjectStore.Died
        || e instanceof ClassifiedFailure failure && failure.kind() == FailureKind.OUTCOME_UNKNOWN;
  }

  /** Completes every backup that awaits its log. */
  void complete() throws IOException {
    repository().refresh();
    for (BackupDescriptor backup : repository().backups(Optional.empty())) {
      if (backup.status() == BackupStatus.AWAITING_WAL) {
        synchronized (ledger) {
          ledger.completing.add(backup.id());
        }
        repository().complete(backup.id());
        synchronized (ledger) {
          ledger.acknowledged.put(backup.id(), true);
        }
      }
    }
  }

  void storePart(long number, int from, int to) throws IOException {
    WalSegment segment = TestRepository.segment(1, number);
    WalArchive wal = repository().wal(SOURCE);
    wal.storePart(
        segment,
        from,
        ByteBuffer.wrap(TestLedger.content(segment), from, to - from).slice(),
        WalMarks.NONE);
    ledger.stored(wal.incarnation(), segment, to);
  }

  void storeSegment(long number) throws IOException {
    WalSegment segment = TestRepository.segment(1, number);
    WalArchive wal = repository().wal(SOURCE);
    wal.storeSegment(segment, ByteBuffer.wrap(TestLedger.content(segment)), WalMarks.NONE);
    ledger.stored(wal.incarnation(), segment, segment.size().bytes());
  }

  /** Goes on where the log ends that is stored, as a receiver does. */
  void shipNext(int length) throws IOException {
    Lsn end = end();
    WalSegment segment =
        WalSegment.containing(TestRepository.TIMELINE, end, TestRepository.CLUSTER.segmentSize());
    int from = (int) (end.value() - segment.start().value());
    storePart(segment.number(), from, Math.min(from + length, segment.size().bytes()));
  }

  /** Stores the segment that the log ends in, or the next one, whole. */
  void shipSegment() throws IOException {
    storeSegment(
        WalSegment.containing(TestRepository.TIMELINE, end(), TestRepository.CLUSTER.segmentSize())
            .number());
  }

  private Lsn end() throws IOException {
    List<WalRange> ranges = repository().wal(SOURCE).ranges(TestRepository.TIMELINE);
    return ranges.get(ranges.size() - 1).end();
  }

  void storeHistory(int number) throws IOException {
    Timeline timeline = new Timeline(number);
    WalArchive wal = repository().wal(SOURCE);
    wal.storeHistory(timeline, TestLedger.history(timeline));
    synchronized (ledger) {
      ledger.histories.put(wal.incarnation() + "/" + number, timeline);
    }
  }

  /** What is read is a beginning of the truth, or there is nothing. */
  void readWal(long number) throws IOException {
    WalSegment segment = TestRepository.segment(1, number);
    Optional<WalArchive.WalContent> there = repository().wal(SOURCE).open(segment);
    if (there.isPresent()) {
      ByteBuffer bytes = there.get().bytes();
      assertThat(bytes)
          .isEqualTo(ByteBuffer.wrap(TestLedger.content(segment), 0, bytes.remaining()));
    }
  }

  void marks(long number) throws IOException {
    repository().wal(SOURCE).marks(TestRepository.segment(1, number));
  }

  /** The window is never wider than what opens. */
  void ranges() throws IOException {
    WalArchive wal = repository().wal(SOURCE);
    for (Timeline timeline : wal.timelines()) {
      assertWindowOpens(wal, wal.ranges(timeline));
    }
  }

  static void assertWindowOpens(WalArchive wal, List<WalRange> ranges) throws IOException {
    for (WalRange range : ranges) {
      WalSegment segment =
          WalSegment.containing(
              range.timeline(), range.start(), TestRepository.CLUSTER.segmentSize());
      while (segment.start().compareTo(range.end()) < 0) {
        Optional<WalArchive.WalContent> there = wal.open(segment);
        assertThat(there).as("%s of the window %s", segment, range).isPresent();
        Lsn end = segment.start().plus(there.get().bytes().remaining());
        Lsn needed = range.end().compareTo(segment.end()) < 0 ? range.end() : segment.end();
        assertThat(end).as("%s of the window %s", segment, range).isGreaterThanOrEqualTo(needed);
        segment = segment.next();
      }
    }
  }

  void history(int number) throws IOException {
    Timeline timeline = new Timeline(number);
    Optional<byte[]> there = repository().wal(SOURCE).history(timeline);
    if (there.isPresent()) {
      assertThat(there.get()).isEqualTo(TestLedger.history(timeline));
    }
  }

  void storeSummary() throws IOException {
    repository().wal(SOURCE).storeSummary(TestRepository.TIMELINE, new Lsn(0), SUMMARY);
  }

  /** What is read is what was stored, or there is nothing. */
  void readSummary() throws IOException {
    Optional<byte[]> there = repository().wal(SOURCE).summary(TestRepository.TIMELINE, new Lsn(0));
    if (there.isPresent()) {
      assertThat(there.get()).isEqualTo(SUMMARY);
    }
  }

  void refresh() throws IOException {
    repository().refresh();
  }

  /** Reads every backup that is listed. */
  void restore() throws IOException {
    for (BackupDescriptor backup : repository().backups(Optional.empty())) {
      TestRepository.assertReads(repository(), backup.id(), ledger.attempted.get(backup.id()));
    }
  }

  void verify(VerifyRequest.Level level) throws IOException {
    found = List.of();
    found =
        repository()
            .verify(new VerifyRequest(Optional.empty(), level, 100), RunControl.unattended())
            .damaged();
  }

  @Override
  public void close() throws IOException {
    if (repository != null) {
      repository.close();
      repository = null;
    }
  }
}
