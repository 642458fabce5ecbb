package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.EraseRequest;
import com.thorbis.backup.api.Erasure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.HealReport;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.PrunePlan;
import com.thorbis.backup.api.PruneReport;
import com.thorbis.backup.api.PruneRequest;
import com.thorbis.backup.api.RekeyReport;
import com.thorbis.backup.api.RekeyRequest;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.RewrapRequest;
import com.thorbis.backup.api.RotateRequest;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WritersRequest;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.testkit.FaultyObjectStore;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * One process that works on a repository. It writes into the ledger what it attempts, and what it
 * is told; what it reads it compares.
 */
final class TestClient implements AutoCloseable {
  private static final byte[] SUMMARY = {1, 2, 3, 4};

  static final String SOURCE = "orders";

  static final String OTHER = "other";

  static final RetentionPolicy POLICY = RetentionPolicy.builder().daily(1).build();

  private static final Duration DAY = Duration.ofDays(1);

  private final List<ObjectStore> stores;
  private final Path state;
  private final TestWorld world;
  private final List<KeyProvider> recipients;
  final TestLedger ledger;
  private Repository repository;

  /** Runs when the ledger says what is about to be attempted. */
  Runnable attempting = () -> {};

  /** How much of the last backup lay there from an interrupted one. */
  long resumed;

  /** What the last verification found. */
  List<VerifyReport.Damage> found = List.of();

  /** What the last prune removed for good. */
  List<BackupId> swept = List.of();

  /** What a run could not do that it reports and does not fail with. */
  List<String> problems = List.of();

  TestClient(TestWorld world, List<ObjectStore> stores, Path state, List<KeyProvider> recipients) {
    this.world = world;
    this.stores = stores;
    this.state = state;
    this.recipients = recipients;
    this.ledger = world.ledger;
  }

  RepositorySetup setup() {
    RepositorySetup.Builder setup =
        RepositorySetup.builder()
            .acceptSingleKeyRisk(true)
            .parallelism(1)
            .stateDirectory(state)
            .writePolicy(world.policy)
            .clock(world.clock);
    if (stores.size() == 1) {
      setup.copy(stores.get(0));
    } else {
      for (int i = 0; i < stores.size(); i++) {
        int place = (ledger.first.orElse(0) + i) % stores.size();
        Copy.Builder copy = Copy.builder(stores.get(place)).name("copy-" + place);
        setup.copy(place == 0 && world.narrow ? copy.retention(POLICY).build() : copy.build());
      }
    }
    recipients.forEach(setup::recipient);
    if (ledger.signing) {
      setup.signer(TestWorld.SIGNER);
    }
    return setup.build();
  }

  /** A process on the same machine. */
  TestClient successor(ObjectStore view) {
    return new TestClient(world, List.of(view), state, recipients);
  }

  void init() throws IOException {
    world.factory.init(setup());
    ledger.initialised = true;
  }

  void open() throws IOException {
    close();
    repository = world.factory.open(setup());
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
    try (BackupWriter writer = TestRepository.begin(repository())) {
      return backUp(writer, files, status, 1, new Arrival.Whole());
    }
  }

  /** With its log in another segment. */
  BackupId backUpIn(int segment, Map<String, byte[]> files) throws IOException {
    try (BackupWriter writer = TestRepository.begin(repository())) {
      return backUp(writer, files, BackupStatus.COMPLETE, segment, new Arrival.Whole());
    }
  }

  /** With its log in the last segment that is stored whole. */
  BackupId backUpAtTheEnd(Map<String, byte[]> files) throws IOException {
    return backUpIn(lastWhole(), files);
  }

  private int lastWhole() throws IOException {
    long size = TestRepository.CLUSTER.segmentSize().bytes();
    return (int) Math.max(1, end().value() / size - 1);
  }

  /** Refers to the newest backup that the type allows, as far as the files are the same. */
  BackupId backUpOver(BackupType type, Map<String, byte[]> files) throws IOException {
    return backUpOver(type, files, new Arrival.Compared());
  }

  /** The same, cut by content. */
  BackupId backUpChunked(Map<String, byte[]> files) throws IOException {
    return backUpOver(BackupType.INCREMENTAL, files, new Arrival.Chunked());
  }

  private BackupId backUpOver(BackupType type, Map<String, byte[]> files, Arrival arrival)
      throws IOException {
    repository().refresh();
    Optional<BackupId> base =
        repository().backups(Optional.of(SOURCE)).stream()
            .filter(one -> one.status() == BackupStatus.COMPLETE)
            .filter(one -> type == BackupType.INCREMENTAL || one.type() == BackupType.FULL)
            .map(BackupDescriptor::id)
            .reduce((one, other) -> other);
    if (base.isEmpty()) {
      return backUpAtTheEnd(files);
    }
    int segment = lastWhole();
    try (BackupWriter writer =
        repository()
            .begin(new BackupStart(SOURCE, type, base, Optional.empty(), TestRepository.NOW))) {
      return backUp(writer, files, BackupStatus.COMPLETE, segment, arrival);
    }
  }

  private BackupId backUp(
      BackupWriter writer,
      Map<String, byte[]> files,
      BackupStatus status,
      int segment,
      Arrival arrival)
      throws IOException {
    BackupId id = writer.id();
    writer.directory(TestRepository.directory("base"));
    for (Map.Entry<String, byte[]> file : files.entrySet()) {
      byte[] content = file.getValue();
      try (BackupWriter.FileWriter out =
          writer.file(
              TestRepository.file(file.getKey(), content.length), PieceCheck.NONE, arrival)) {
        out.write(content, 0, content.length);
        out.finish();
      }
    }
    synchronized (ledger) {
      ledger.attempted.put(id, files);
    }
    attempting.run();
    try {
      writer.commit(TestRepository.facts(segment), status);
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
    resumed = writer.bytesResumed();
    return id;
  }

  /** A process that has stored what its backup consists of, and is gone before it can say so. */
  void interruptBackup(Map<String, byte[]> files) throws IOException {
    Site.Mortal dying = new Site.Mortal(stores.get(0), call -> call.startsWith("start manifests/"));
    try (TestClient other = world.client(dying)) {
      assertThatThrownBy(() -> other.backUp(files, BackupStatus.COMPLETE))
          .isInstanceOf(StorageException.Unavailable.class);
    }
    world.rest();
  }

  /** A process that is gone before the first call that begins so. */
  void dieBefore(String call, Scenario.Action action) throws IOException {
    Site.Mortal dying = new Site.Mortal(stores.get(0), each -> each.startsWith(call));
    try (TestClient other = world.client(dying)) {
      assertThatThrownBy(() -> action.run(other)).isInstanceOf(StorageException.Unavailable.class);
    }
    assertThat(dying.dead()).isTrue();
    world.rest();
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
    // Where a listing shows nothing, it begins again: what is there already is not stored twice.
    return ranges.isEmpty()
        ? TestRepository.segment(1, 1).start()
        : ranges.get(ranges.size() - 1).end();
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

  /** What was written down is what is read. */
  void recordGap() throws IOException {
    WalArchive archive = repository().wal(SOURCE);
    WalRange missing = new WalRange(TestRepository.TIMELINE, new Lsn(100), new Lsn(200));
    archive.recordGap(missing, TestRepository.NOW, "planted");
    assertThat(archive.recordedGap(TestRepository.TIMELINE, new Lsn(100)).map(WalGap::range))
        .contains(missing);
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
      try {
        TestRepository.assertReads(repository(), backup.id(), ledger.content(backup));
      } catch (RepositoryException e) { // others gave it up since this one read the log
        if (!e.code().equals("backup.not-found") || !ledger.letGo.contains(backup.id())) {
          throw e;
        }
      }
    }
  }

  /** Extracts every backup that is listed over files of which some are right. */
  void restoreOver() throws IOException {
    for (BackupDescriptor backup : repository().backups(Optional.empty())) {
      Map<String, byte[]> files = ledger.content(backup);
      DeltaExtractionTest.Target target = new DeltaExtractionTest.Target(files);
      byte[] longer = Arrays.copyOf(files.get("base/1/259"), 50_000);
      longer[1] ^= 1;
      target.there.put("base/1/259", longer);
      target.there.remove("PG_VERSION");
      try (BackupReader reader = repository().open(backup.id())) {
        reader.extract(file -> true, target, RunControl.unattended());
      }
      target.assertIs(files);
      assertThat(target.kept.get()).isPositive();
    }
  }

  void verify(VerifyRequest.Level level) throws IOException {
    verify(new VerifyRequest(Optional.empty(), level, 100));
  }

  /** Opens some of it. */
  void verifySome() throws IOException {
    verify(VerifyRequest.within(VerifyRequest.Budget.ofBytes(20_000)));
  }

  private void verify(VerifyRequest request) throws IOException {
    found = List.of();
    found = repository().verify(request, RunControl.unattended()).damaged();
  }

  /** Carries out what retention says now. */
  void prune(Duration grace) throws IOException {
    prune(POLICY, grace);
  }

  void prune(RetentionPolicy policy, Duration grace) throws IOException {
    prune(PruneRequest.builder(SOURCE, policy).grace(grace).confirmed(true));
  }

  private void prune(PruneRequest.Builder request) throws IOException {
    PrunePlan plan = repository().planPrune(request.build());
    synchronized (ledger) {
      ledger.letGo.addAll(plan.retention().deleted());
      ledger.cuts.addAll(plan.retention().wal());
      plan.copies().forEach(copy -> ledger.letGoBy(copy.copy()).addAll(copy.retention().deleted()));
    }
    attempting.run();
    PruneReport report = repository().prune(request.plan(plan).build(), RunControl.unattended());
    swept = report.swept();
    problems = report.alarms().stream().filter(alarm -> !alarm.startsWith("retention.")).toList();
    synchronized (ledger) {
      ledger.gone.addAll(report.deleted());
    }
  }

  /** Gives every tree another key. */
  void rotate() throws IOException {
    repository().rotateKeys(RotateRequest.all());
  }

  /** Seals anew what lies under any key but the last. */
  void rekey(Duration grace) throws IOException {
    RekeyRequest request = new RekeyRequest(Optional.of(SOURCE), OptionalInt.empty(), grace);
    for (BackupDescriptor backup : repository().backups(Optional.of(SOURCE))) {
      synchronized (ledger) {
        if (backup.rekeyedFrom().isEmpty()) {
          ledger.letGo.add(backup.id());
          ledger.rekeying.add(backup.id());
        }
      }
    }
    attempting.run();
    RekeyReport.Source report =
        repository().rekey(request, RunControl.unattended()).sources().get(0);
    problems = new ArrayList<>(report.problems());
    report.skipped().forEach(one -> problems.add(one.backup() + ": " + one.reason()));
  }

  /** Names the writer that all processes are. */
  void nameWriter() throws IOException {
    if (!ledger.signing) {
      ledger.signing = true;
      close();
    }
    repository()
        .changeWriters(
            new WritersRequest.Add("everybody", TestWorld.SIGNER.verifier().text(), true));
  }

  /** Wraps every key to these and to nobody else. */
  void rewrap(List<KeyProvider> to) throws IOException {
    synchronized (ledger) {
      ledger.opening.retainAll(to);
    }
    try (TestClient other = new TestClient(world, stores, state, to)) {
      other
          .repository()
          .rewrapKeys(new RewrapRequest(false, Duration.ZERO), RunControl.unattended());
    }
    synchronized (ledger) {
      ledger.opening.clear();
      ledger.opening.addAll(to);
    }
  }

  /** Gives up the oldest backup there is. */
  void deleteByHand() throws IOException {
    repository().refresh();
    List<BackupDescriptor> all = repository().backups(Optional.of(SOURCE));
    if (all.size() > 1) {
      prune(PruneRequest.builder(all.get(0)).grace(DAY));
    }
  }

  void planPrune() throws IOException {
    repository().planPrune(SOURCE, POLICY);
  }

  /** What else is done about the repository may make a prune, or a backup, step back. */
  static boolean steppedBack(IOException e) {
    return e instanceof ClassifiedFailure failure
        && Set.of(
                "prune.busy",
                "lease.lost",
                "prune.plan-changed",
                "prune.plan-expired",
                "backup.lease-lost",
                "backup.sweeping",
                "keys.swept",
                "keys.changed",
                "prune.last-backup",
                "backup.held")
            .contains(failure.code());
  }

  /** A source beside the first, with a backup and log. */
  void addOther(Map<String, byte[]> files) throws IOException {
    register(OTHER);
    WalSegment segment = TestRepository.segment(1, 1);
    repository()
        .wal(OTHER)
        .storeSegment(segment, ByteBuffer.wrap(TestLedger.content(segment)), WalMarks.NONE);
    ledger.other = true;
    BackupStart start =
        new BackupStart(OTHER, BackupType.FULL, Optional.empty(), TestRepository.NOW);
    try (BackupWriter writer = repository().begin(start)) {
      backUp(writer, files, BackupStatus.COMPLETE, 1, new Arrival.Whole());
    }
  }

  /** Takes the next step towards the end of the other source. */
  void erase(Duration delay) throws IOException {
    repository().refresh();
    List<Erasure> known = repository().erasures();
    if (!known.isEmpty()) { // from here on it may go
      synchronized (ledger) {
        ledger.erasing.add(known.get(0).tree());
        ledger.registered.remove(OTHER);
        for (BackupState state : repository().states(Optional.of(OTHER))) {
          ledger.letGo.add(state.backup().id());
        }
      }
    }
    repository()
        .erase(
            new EraseRequest(OTHER, "somebody", Optional.of("case 7"), delay),
            RunControl.unattended());
  }

  /** Looks first, as whoever repeats it must. */
  void unerase() throws IOException {
    repository().refresh();
    if (!repository().erasures().isEmpty()) {
      repository().unerase(OTHER, "somebody");
    }
    assertThat(repository().erasures()).isEmpty();
  }

  /** Brings back what can come back. */
  void undelete() throws IOException {
    repository().refresh();
    for (BackupState state : repository().states(Optional.of(SOURCE))) {
      BackupId id = state.backup().id();
      if (state.stage() == BackupState.Stage.DELETED) {
        synchronized (ledger) {
          ledger.gone.remove(id);
        }
        repository().undelete(id);
        synchronized (ledger) {
          ledger.letGo.remove(id);
        }
      }
    }
  }

  /** Of the newest backup. */
  void hold() throws IOException {
    repository().hold(newest().backup().id(), "case 7", Optional.empty());
    assertThat(newest().holds()).hasSize(1);
  }

  /** Looks first, as whoever repeats it must. */
  void release() throws IOException {
    repository().refresh();
    if (!newest().holds().isEmpty()) {
      repository().release(newest().backup().id(), "case 7");
    }
    assertThat(newest().holds()).isEmpty();
  }

  private BackupState newest() throws IOException {
    List<BackupState> states = repository().states(Optional.of(SOURCE));
    return states.get(states.size() - 1);
  }

  void sync() throws IOException {
    problems =
        repository().syncCopies(RunControl.unattended()).copies().stream()
            .flatMap(copy -> copy.problems().stream())
            .toList();
  }

  void heal() throws IOException {
    HealReport report = repository().healCopies(RunControl.unattended());
    problems = report.problems();
    if (report.whole()) {
      synchronized (ledger) {
        ledger.damaged.clear();
      }
    }
  }

  /** Flips a bit of every pack and every piece of log on the second copy. */
  void damageSecond() {
    MemoryObjectStore second = world.disks.get(1);
    for (String name : second.contents().keySet()) {
      if (name.startsWith("packs/") || name.startsWith("wal/")) {
        ObjectKey key = new ObjectKey(name);
        second.flipBit(key, 4L * second.content(key).length);
      }
    }
    ledger.damaged.add(1);
  }

  /** Leaves the others time. */
  void rest() {
    world.rest();
  }

  /** Makes the second copy the first. */
  void promote() throws IOException {
    sync();
    if (!problems.isEmpty()) {
      return; // as whoever is told of them does: what is not whole cannot come first
    }
    close();
    ledger.first = Optional.of(1);
    RepositorySetup other = setup();
    ledger.first = Optional.empty();
    world.factory.promote(other, false);
    ledger.first = Optional.of(1);
  }

  void survey() throws IOException {
    repository().copies(RunControl.unattended());
    repository().checkCopies();
  }

  @Override
  public void close() throws IOException {
    if (repository != null) {
      repository.close();
      repository = null;
    }
  }
}
