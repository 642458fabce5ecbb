package com.thorbis.backup.storage;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.EraseRequest;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.OffersReport;
import com.thorbis.backup.api.OffersReport.State;
import com.thorbis.backup.api.RekeyRequest;
import com.thorbis.backup.api.SealedWriterRequest;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WritersRequest;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.crypto.SigningKey;
import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyContext;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.Signer;
import com.thorbis.backup.spi.crypto.WrappedKey;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.StoreRole;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A host that has recipients' public halves, a key to sign with and the right to create objects
 * backs up and ships log; it reads nothing, and what it stores counts when another one took it in.
 */
class SealedWriterTest {
  private static final boolean ALL = Boolean.getBoolean("thorbis.release");
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final SigningKey ADMINISTRATOR = SigningKey.generate(RANDOM);
  private static final SigningKey WRITER = SigningKey.generate(RANDOM);
  private static final SigningKey OTHER = SigningKey.generate(RANDOM);

  @TempDir Path folder;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private final MemoryObjectStore store = MemoryObjectStore.create(clock, 1000);
  private String grant = "";
  private int openers;

  /** Creates objects, and does nothing else whatever. */
  private static final class PutOnly extends ForwardingStore {
    PutOnly(ObjectStore store) {
      super(store);
    }

    private static StorageException refused(Object what) {
      return new StorageException(
          "storage.refused", FailureKind.PERMANENT, "Put only", what.toString(), "", null);
    }

    private static void requireOwn(ObjectKey key) throws StorageException {
      if (!key.value().startsWith(StoreRole.SEALED.createsBelow())) {
        throw refused(key);
      }
    }

    @Override
    public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
      requireOwn(key);
      return super.put(key, content);
    }

    @Override
    public ObjectUpload startUpload(ObjectKey key) throws IOException {
      requireOwn(key);
      return super.startUpload(key);
    }

    @Override
    public ObjectRead get(ObjectKey key) throws IOException {
      throw refused(key);
    }

    @Override
    public ObjectRead get(ObjectKey key, ByteRange range) throws IOException {
      throw refused(key);
    }

    @Override
    public Optional<ObjectInfo> head(ObjectKey key) throws IOException {
      throw refused(key);
    }

    @Override
    public ListPage list(String prefix, Optional<String> after) throws IOException {
      throw refused(prefix);
    }

    @Override
    public void delete(ObjectKey key) throws IOException {
      throw refused(key);
    }

    @Override
    public Instant now() throws IOException {
      throw refused("the time");
    }
  }

  @BeforeEach
  void aRepositoryThatNamesASealedWriter() throws IOException {
    Site.create(store, folder.resolve("creator"), clock).close();
    try (Site site = open()) {
      site.repository.changeWriters(
          new WritersRequest.Add("admin", ADMINISTRATOR.verifier().text(), true));
      site.repository.changeWriters(new WritersRequest.Add("db1", WRITER.verifier().text(), false));
      grant =
          site.repository.sealedWriter(new SealedWriterRequest("db1", List.of("orders", "new")));
    }
  }

  private RepositorySetup setup(ObjectStore at) {
    return TestRepository.setup(at, folder.resolve("opener"))
        .parallelism(1)
        .clock(clock)
        .signer(ADMINISTRATOR)
        .build();
  }

  private Site open() throws IOException {
    return open(store);
  }

  private Site open(ObjectStore at) throws IOException {
    return Site.open(setup(at), 1000, 1000);
  }

  private Repository sealed() throws IOException {
    return sealed(store, "host", WRITER);
  }

  private Repository sealed(ObjectStore at, String state, Signer signer) throws IOException {
    return new SealedRepositoryFactory()
        .open(
            RepositorySetup.builder()
                .copy(new PutOnly(at))
                .sealed(grant)
                .administrator(ADMINISTRATOR.verifier().text())
                .signer(signer)
                .parallelism(1)
                .stateDirectory(folder.resolve(state))
                .clock(clock)
                .build());
  }

  /** A full backup, and its log up to the middle of the segment after it. */
  private BackupId backUp(Repository repository, int segment, long seed) throws IOException {
    repository.register("orders", "postgres", TestRepository.CLUSTER);
    storeSegment(repository, segment);
    WalSegment next = TestRepository.segment(1, segment + 1);
    repository
        .wal("orders")
        .storePart(
            next,
            0,
            ByteBuffer.wrap(TestRepository.wal(next, segment + 1), 0, 8192),
            WalMarks.NONE);
    try (BackupWriter writer = TestRepository.begin(repository)) {
      writer.directory(TestRepository.directory("base"));
      for (Map.Entry<String, byte[]> file : TestRepository.fewFiles(seed).entrySet()) {
        TestRepository.write(writer, file.getKey(), file.getValue());
      }
      return writer.commit(TestRepository.facts(segment), BackupStatus.COMPLETE).id();
    }
  }

  private static void storeSegment(Repository repository, int number) throws IOException {
    WalSegment segment = TestRepository.segment(1, number);
    repository
        .wal("orders")
        .storeSegment(segment, ByteBuffer.wrap(TestRepository.wal(segment, number)), WalMarks.NONE);
  }

  private BackupId offer(int segment, long seed) throws IOException {
    clock.advance(Duration.ofMinutes(1));
    try (Repository repository = sealed()) {
      return backUp(repository, segment, seed);
    }
  }

  private OffersReport adopt() throws IOException {
    try (Site site = open()) {
      return site.repository.adoptOffers(List.of(), RunControl.unattended());
    }
  }

  private void assertHolds(BackupId id, long seed) throws IOException {
    try (Site site = open()) {
      assertThat(site.repository.backup(id).map(BackupDescriptor::status))
          .contains(BackupStatus.COMPLETE);
      TestRepository.assertReads(site.repository, id, TestRepository.fewFiles(seed));
    }
  }

  private List<ObjectKey> objects(String prefix) throws IOException {
    return objects(store, prefix);
  }

  private static List<ObjectKey> objects(ObjectStore at, String prefix) throws IOException {
    List<ObjectKey> keys = new ArrayList<>();
    Optional<String> after = Optional.empty();
    do {
      ListPage page = at.list(prefix, after);
      page.objects().forEach(info -> keys.add(info.key()));
      after = page.next();
    } while (after.isPresent());
    return keys;
  }

  @Test
  void whatASealedHostStoresCountsWhenItWasTakenIn() throws IOException {
    BackupId id = offer(2, 7);
    try (Site site = open()) {
      assertThat(site.repository.backup(id)).isEmpty();
      assertThat(site.verify().damaged()).isEmpty();
      OffersReport waiting = site.repository.offers(RunControl.unattended());
      assertThat(waiting.sound()).isTrue();
      assertThat(waiting.offers())
          .singleElement()
          .satisfies(
              offer -> {
                assertThat(offer.state()).isEqualTo(State.WAITING);
                assertThat(offer.writer()).contains("db1");
                assertThat(offer.backups()).containsExactly(id);
              });

      OffersReport taken = site.repository.adoptOffers(List.of(), RunControl.unattended());

      assertThat(taken.sound()).isTrue();
      assertThat(taken.backups()).containsExactly(id);
      assertThat(taken.walSegments()).isEqualTo(2);
      assertThat(taken.offers()).isEmpty();
      assertThat(objects("sessions/")).isEmpty();
      assertThat(site.verify().damaged()).isEmpty();
      WalArchive wal = site.repository.wal("orders");
      WalSegment segment = TestRepository.segment(1, 2);
      assertThat(wal.open(segment).orElseThrow().bytes())
          .isEqualTo(ByteBuffer.wrap(TestRepository.wal(segment, 2)));
      WalSegment next = TestRepository.segment(1, 3);
      assertThat(wal.open(next).orElseThrow().bytes())
          .isEqualTo(ByteBuffer.wrap(TestRepository.wal(next, 3), 0, 8192));
    }
    assertHolds(id, 7);
  }

  @Test
  void pruneKeepsWhatWasTakenInAndWhatMayBe() throws IOException {
    BackupId first = offer(2, 7);
    adopt();
    BackupId second = offer(3, 8);
    List<ObjectKey> offered = objects("sessions/");
    try (Site site = open()) {
      for (int run = 0; run < 2; run++) {
        clock.advance(Duration.ofDays(3));
        site.prune(1, Duration.ofDays(1));
      }
      assertThat(site.listed()).containsExactly(first);
    }
    assertThat(objects("sessions/")).isEqualTo(offered);
    adopt();
    assertHolds(first, 7);
    assertHolds(second, 8);
    try (Site site = open()) {
      for (int run = 0; run < 3; run++) {
        clock.advance(Duration.ofDays(3));
        site.prune(1, Duration.ofDays(1));
      }
      assertThat(site.listed()).containsExactly(second);
      site.requireAllWhole();
    }
  }

  @Test
  void nothingIsStoredBeforeThereIsSomethingToStore() throws IOException {
    List<ObjectKey> before = objects("");
    try (Repository repository = sealed()) {
      repository.register("orders", "postgres", TestRepository.CLUSTER);
    }
    assertThat(objects("")).isEqualTo(before);
    BackupId id = offer(2, 7);
    assertThat(adopt().sound()).isTrue();
    assertHolds(id, 7);
  }

  @Test
  void nothingThatTheHostHasOpensWhatItStored() throws IOException {
    offer(2, 7);
    try (Stream<Path> files = Files.walk(folder.resolve("host"))) {
      List<Path> kept = files.filter(Files::isRegularFile).toList();
      assertThat(kept).isNotEmpty();
      for (Path file : kept) { // numbers and hashes of what anybody can read in the store
        assertThat(Files.readString(file))
            .matches("ended|\\{\"sequence\":[0-9]+,\"sha256\":\"[0-9a-f]{64}\"}");
      }
    }
    ObjectKey header =
        objects("sessions/").stream()
            .filter(key -> key.value().endsWith("/repository"))
            .findFirst()
            .orElseThrow();
    String session = header.value().substring(0, header.value().lastIndexOf('/') + 1);
    MemoryObjectStore alone = MemoryObjectStore.create(clock, 1000);
    for (ObjectKey key : objects(session)) { // as if it were a repository, which its format is
      alone.put(
          new ObjectKey(key.value().substring(session.length())),
          ObjectSource.of(read(store, key)));
    }
    for (ObjectStore at : List.of(store, alone)) {
      for (KeyProvider recipient : List.of(publicHalf(), new OfEndedSession())) {
        assertThatThrownBy(
                () ->
                    new SealedRepositoryFactory()
                        .open(
                            RepositorySetup.builder()
                                .copy(at)
                                .recipient(recipient)
                                .signer(WRITER)
                                .stateDirectory(folder.resolve("host"))
                                .clock(clock)
                                .build()))
            .satisfies(
                e -> assertThat(((ClassifiedFailure) e).code()).isEqualTo("key.no-recipient"));
      }
    }
    // Whoever takes it in opens the very same bytes.
    try (Repository repository = new SealedRepositoryFactory().open(blank(alone))) {
      assertThat(repository.backups(Optional.empty())).hasSize(1);
    }
  }

  private static KeyProvider publicHalf() {
    return RecoveryKeyProvider.ofPublicKey(
        ((RecoveryKeyProvider) TestRepository.RECIPIENT).publicKey().orElseThrow());
  }

  /** The recipient that a session's own process is, in another process. */
  private static final class OfEndedSession implements KeyProvider {
    @Override
    public String scheme() {
      return "session";
    }

    @Override
    public String keyId() {
      return "ended";
    }

    @Override
    public String describe() {
      return "the session's process, after it";
    }

    @Override
    public boolean canUnwrap() {
      return true;
    }

    @Override
    public WrappedKey wrap(DataKey key, KeyContext context) {
      throw new AssertionError("Nothing is to be wrapped");
    }

    @Override
    public DataKey unwrap(WrappedKey wrapped, KeyContext context) throws KeyException {
      // All that was stored for it is nothing at all.
      assertThat(wrapped.ciphertext()).isEmpty();
      throw new KeyException("key.refused", FailureKind.PERMANENT, "Gone", "", "", null);
    }

    @Override
    public void close() {}
  }

  @Test
  void whatNeedsToReadIsRefusedByName() throws IOException {
    try (Repository repository = sealed()) {
      BackupId id = backUp(repository, 2, 7);
      EraseRequest erasing =
          new EraseRequest("orders", "ann", Optional.of("contract ended"), Duration.ZERO);
      for (ThrowingCallable call :
          List.<ThrowingCallable>of(
              () -> repository.open(id),
              () ->
                  repository.begin(
                      new BackupStart(
                          "orders",
                          BackupType.INCREMENTAL,
                          Optional.of(id),
                          Optional.empty(),
                          TestRepository.NOW)),
              () ->
                  repository.verify(
                      new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 100),
                      RunControl.unattended()),
              repository::keys,
              () -> repository.rekey(RekeyRequest.of("orders"), RunControl.unattended()),
              () -> repository.planRekey(RekeyRequest.of("orders")),
              () -> repository.planErase(erasing),
              () -> repository.erase(erasing, RunControl.unattended()),
              () -> repository.unerase("orders", "ann"),
              () -> repository.adoptOffers(List.of(), RunControl.unattended()))) {
        assertThatThrownBy(call)
            .satisfies(
                e -> {
                  assertThat(((ClassifiedFailure) e).code()).isEqualTo("repository.sealed");
                  assertThat(((ClassifiedFailure) e).kind()).isEqualTo(FailureKind.REFUSED);
                });
      }
    }
  }

  @Test
  void anOfferOfSomebodyWhoIsNoWriterIsRefusedByName() throws IOException {
    offer(2, 7);
    try (Site site = open()) {
      site.repository.changeWriters(new WritersRequest.Remove("db1"));
      OffersReport report = site.repository.adoptOffers(List.of(), RunControl.unattended());
      assertThat(report.backups()).isEmpty();
      assertThat(report.sound()).isFalse();
      assertThat(report.offers())
          .singleElement()
          .satisfies(
              offer -> {
                assertThat(offer.state()).isEqualTo(State.REFUSED);
                assertThat(offer.problems())
                    .anySatisfy(
                        problem ->
                            assertThat(problem)
                                .contains(
                                    "commits/", WRITER.verifier().text(), "no key of a writer"));
              });
      assertThat(site.listed()).isEmpty();
    }
  }

  @Test
  void aFileThatAnotherSignedOrSomebodyChangedIsNotBelieved() throws IOException {
    String genuine = grant;
    for (String forged :
        List.of(
            genuine.replace("\"orders\"", "\"0rders\""),
            genuine.substring(0, genuine.lastIndexOf(",\"signature\"")) + "}")) {
      grant = forged;
      assertThatThrownBy(this::sealed)
          .satisfies(
              e ->
                  assertThat(((ClassifiedFailure) e).code())
                      .isEqualTo("repository.sealed-writer-invalid"));
    }
    grant = genuine;
    assertThatThrownBy(() -> sealed(store, "host", OTHER))
        .satisfies(
            e ->
                assertThat(((ClassifiedFailure) e).code())
                    .isEqualTo("repository.writer-not-allowed"));
  }

  @Test
  void everyObjectOfASessionThatIsGoneOrAlteredIsNamedAndNothingThatIsNotWholeCounts()
      throws IOException {
    BackupId id = offer(2, 7);
    List<ObjectKey> offered = objects("sessions/");
    ObjectKey last =
        offered.stream()
            .filter(key -> key.value().contains("/commits/"))
            .reduce((one, next) -> next)
            .orElseThrow();
    boolean alter = false;
    for (ObjectKey key : offered) {
      alter = !alter;
      for (boolean altered : ALL ? new boolean[] {true, false} : new boolean[] {alter}) {
        MemoryObjectStore damaged = store.copy(SettableClock.at(clock.instant()));
        byte[] bytes = read(damaged, key);
        damaged.delete(key);
        if (altered) {
          bytes[bytes.length / 2] ^= 1;
          damaged.put(key, ObjectSource.of(bytes));
        }
        try (Site site = Site.open(blank(damaged), 1000, 1000)) {
          OffersReport report = site.repository.adoptOffers(List.of(), RunControl.unattended());
          String what = (altered ? "altered " : "gone ") + key + ": " + report;
          if (report.backups().contains(id)) {
            TestRepository.assertReads(site.repository, id, TestRepository.fewFiles(7));
          }
          boolean own =
              key.value().contains("/keys/") && new String(bytes, UTF_8).contains("ended");
          boolean unseen = own || key.equals(last) && !altered; // until the next one vouches for it
          assertThat(report.sound()).as(what).isEqualTo(unseen);
          if (key.value().contains("/packs/")
              || key.value().contains("/manifests/")
              || key.value().endsWith("/repository")
              || key.value().contains("/keys/") && !own) {
            assertThat(report.backups()).as(what).isEmpty();
          }
          if (!unseen) {
            assertThat(report.offers())
                .singleElement()
                .satisfies(offer -> assertThat(offer.problems().toString()).contains("sessions/"));
            assertThat(objects(damaged, "sessions/")).as(what).isNotEmpty();
          }
          assertThat(site.verify().damaged()).isEmpty();
        }
      }
    }
  }

  @Test
  void whatIsTakenAwayOfTheLastSessionIsNamedByTheNext() throws IOException {
    offer(2, 7);
    List<ObjectKey> first = objects("sessions/");
    BackupId second = offer(3, 8);
    for (ObjectKey key : first) {
      if (key.value().contains("/commits/")) {
        MemoryObjectStore damaged = store.copy(SettableClock.at(clock.instant()));
        for (ObjectKey later : first) { // the end of its log, from some commit on
          if (later.value().contains("/commits/") && later.compareTo(key) >= 0) {
            damaged.delete(later);
          }
        }
        try (Site site = Site.open(blank(damaged), 1000, 1000)) {
          OffersReport report = site.repository.adoptOffers(List.of(), RunControl.unattended());
          assertThat(report.sound()).as("without %s on: %s", key, report).isFalse();
          assertThat(report.backups()).contains(second);
        }
      }
    }
    for (ObjectKey key : first) {
      store.delete(key);
    }
    String gone = first.get(0).value().split("/")[1];
    for (int run = 0; run < 2; run++) {
      OffersReport report = adopt();
      assertThat(report.sound()).isFalse();
      assertThat(report.offers())
          .singleElement()
          .satisfies(
              offer -> {
                assertThat(offer.state()).isEqualTo(State.MISSING);
                assertThat(offer.session()).isEqualTo(gone);
              });
      assertThat(objects("sessions/")).isEmpty();
    }
    assertHolds(second, 8);
    try (Site site = open()) {
      OffersReport report = site.repository.adoptOffers(List.of(gone), RunControl.unattended());
      assertThat(report.sound()).isTrue();
      assertThat(report.offers()).isEmpty();
    }
    assertThat(adopt().offers()).isEmpty();
  }

  @Test
  void aSessionThatGoesOnIsTakenInAgainAndAgain() throws IOException {
    try (Repository repository = sealed()) {
      BackupId id = backUp(repository, 2, 7);
      assertThat(adopt().backups()).containsExactly(id);
      assertThat(adopt().offers())
          .singleElement()
          .satisfies(offer -> assertThat(offer.state()).isEqualTo(State.TAKEN));
      storeSegment(repository, 3);
      storeSegment(repository, 4);
      assertThat(adopt().walSegments()).isEqualTo(2);
      assertThat(objects("sessions/")).noneMatch(key -> key.value().contains("/wal/"));
      assertThat(adopt().walSegments()).isZero();
      storeSegment(repository, 5);
    }
    OffersReport report = adopt();
    assertThat(report.walSegments()).isEqualTo(1);
    assertThat(report.offers()).isEmpty();
    assertThat(objects("sessions/")).isEmpty();
    try (Site site = open()) {
      assertThat(site.repository.wal("orders").ranges(TestRepository.TIMELINE))
          .singleElement()
          .satisfies(
              range -> assertThat(range.end()).isEqualTo(TestRepository.segment(1, 5).end()));
      assertThat(site.verify().damaged()).isEmpty();
    }
  }

  @Test
  void logThatWasGivenUpMeanwhileIsNeitherMissedNorTakenInAgain() throws IOException {
    try (Repository repository = sealed()) {
      backUp(repository, 2, 7);
      adopt();
      storeSegment(repository, 3);
      BackupId second = backUp(repository, 4, 8);
      adopt();
      try (Site site = open()) {
        for (int run = 0; run < 3; run++) {
          clock.advance(Duration.ofDays(3));
          site.prune(1, Duration.ofDays(1));
        }
        assertThat(site.listed()).containsExactly(second);
        assertThat(site.repository.wal("orders").ranges(TestRepository.TIMELINE))
            .singleElement()
            .satisfies(
                range -> assertThat(range.start()).isEqualTo(TestRepository.segment(1, 4).start()));
      }
      OffersReport report = adopt();
      assertThat(report.sound()).as(report.toString()).isTrue();
      assertThat(report.walSegments()).isZero();
    }
    OffersReport report = adopt();
    assertThat(report.sound()).as(report.toString()).isTrue();
    assertThat(objects("sessions/")).isEmpty();
  }

  @Test
  void whatIsLeftOfAHostThatDiedGoesWhenTheNextSessionVouchesForIt() throws IOException {
    clock.advance(Duration.ofMinutes(1));
    Repository dies = sealed();
    BackupId first = backUp(dies, 2, 7);
    assertThat(adopt().backups()).containsExactly(first);
    assertThat(objects("sessions/")).isNotEmpty();
    try (Stream<Path> files = Files.walk(folder.resolve("host"))) {
      for (Path file : files.filter(one -> one.toString().endsWith(".session")).toList()) {
        Files.writeString(file, "ended");
      }
    }
    BackupId second = offer(3, 8);
    OffersReport report = adopt();
    assertThat(report.backups()).containsExactly(second);
    assertThat(report.offers()).isEmpty();
    assertThat(objects("sessions/")).isEmpty();
    assertHolds(first, 7);
    dies.close();
  }

  @Test
  void whatWasTakenInOnceIsNotTakenInAgain() throws IOException {
    offer(2, 7);
    MemoryObjectStore before = store.copy(SettableClock.at(clock.instant()));
    List<ObjectKey> offered = objects("sessions/");
    adopt();
    BackupId later = offer(3, 8);
    adopt();
    try (Site site = open()) {
      for (int run = 0; run < 3; run++) {
        clock.advance(Duration.ofDays(3));
        site.prune(1, Duration.ofDays(1));
      }
    }
    for (ObjectKey key : offered) {
      store.put(key, ObjectSource.of(read(before, key)));
      ObjectKey other =
          new ObjectKey(
              "sessions/" + "0".repeat(32) + key.value().substring("sessions/".length() + 32));
      store.put(other, ObjectSource.of(read(before, key)));
    }
    OffersReport report = adopt();
    assertThat(report.backups()).isEmpty();
    assertThat(report.offers())
        .singleElement()
        .satisfies(
            offer -> {
              assertThat(offer.state()).isEqualTo(State.REFUSED);
              assertThat(offer.problems().toString()).contains("holds what belongs below");
            });
    try (Site site = open()) {
      assertThat(site.listed()).containsExactly(later);
    }
  }

  @Test
  void whatIsOfferedToAnotherRepositoryIsRefused() throws IOException {
    offer(2, 7);
    MemoryObjectStore other = MemoryObjectStore.create(clock, 1000);
    Site.create(other, folder.resolve("other"), clock).close();
    for (ObjectKey key : objects("sessions/")) {
      other.put(key, ObjectSource.of(read(store, key)));
    }
    try (Site site = Site.open(blank(other), 1000, 1000)) {
      site.repository.changeWriters(
          new WritersRequest.Add("admin", ADMINISTRATOR.verifier().text(), true));
      site.repository.changeWriters(new WritersRequest.Add("db1", WRITER.verifier().text(), false));
      assertThat(site.repository.adoptOffers(List.of(), RunControl.unattended()).offers())
          .singleElement()
          .satisfies(
              offer -> {
                assertThat(offer.state()).isEqualTo(State.REFUSED);
                assertThat(offer.problems().toString()).contains("was offered to repository");
              });
      assertThat(site.listed()).isEmpty();
    }
  }

  @Test
  void theFirstBackupOfASourceMayComeFromASealedHost() throws IOException {
    BackupId id;
    try (Repository repository = sealed()) {
      repository.register("new", "postgres", TestRepository.CLUSTER);
      WalSegment segment = TestRepository.segment(1, 1);
      repository
          .wal("new")
          .storeSegment(segment, ByteBuffer.wrap(TestRepository.wal(segment, 1)), WalMarks.NONE);
      try (BackupWriter writer =
          repository.begin(
              new BackupStart("new", BackupType.FULL, Optional.empty(), TestRepository.NOW))) {
        TestRepository.write(writer, "PG_VERSION", new byte[] {1});
        id = writer.commit(TestRepository.facts(), BackupStatus.COMPLETE).id();
      }
    }
    try (Repository repository = sealed()) {
      repository.register("new", "postgres", TestRepository.CLUSTER);
      WalSegment segment = TestRepository.segment(1, 2);
      repository
          .wal("new")
          .storeSegment(segment, ByteBuffer.wrap(TestRepository.wal(segment, 2)), WalMarks.NONE);
    }
    assertThat(adopt().sound()).isTrue();
    try (Site site = open()) {
      assertThat(site.repository.source("new").orElseThrow().incarnations()).hasSize(1);
      assertThat(site.repository.wal("new").ranges(TestRepository.TIMELINE)).hasSize(1);
      TestRepository.assertReads(site.repository, id, Map.of("PG_VERSION", new byte[] {1}));
    }
    try (Repository repository = sealed()) {
      assertThatThrownBy(() -> repository.register("third", "postgres", TestRepository.CLUSTER))
          .hasMessageContaining("told nothing of a source third");
    }
  }

  @Test
  void aDumpIsTakenInWithoutAnyLog() throws IOException {
    BackupId id;
    BackupFacts like = TestRepository.facts(9);
    try (Repository repository = sealed()) {
      repository.register("new", "postgres", TestRepository.CLUSTER);
      try (BackupWriter writer =
          repository.begin(
              new BackupStart(
                  "new",
                  BackupType.DUMP,
                  Optional.empty(),
                  Optional.empty(),
                  TestRepository.NOW,
                  true))) {
        TestRepository.write(writer, "database.dump", new byte[] {1});
        id = writer.commit(like, BackupStatus.COMPLETE).id();
      }
    }
    assertThat(adopt().sound()).isTrue();
    try (Site site = open()) {
      BackupDescriptor dump = site.repository.backup(id).orElseThrow();
      assertThat(dump.type()).isEqualTo(BackupType.DUMP);
      assertThat(dump.partial()).isTrue();
      assertThat(dump.status()).isEqualTo(BackupStatus.COMPLETE);
      TestRepository.assertReads(site.repository, id, Map.of("database.dump", new byte[] {1}));
    }
  }

  @Test
  void aBackupOfASourceWithoutAServerIsTakenIn() throws IOException {
    BackupId id;
    try (Repository repository = sealed()) {
      repository.register("new", "secrets");
      try (BackupWriter writer =
          repository.begin(
              new BackupStart("new", BackupType.FULL, Optional.empty(), TestRepository.NOW))) {
        TestRepository.write(writer, "set", new byte[] {1});
        id =
            writer
                .commit(
                    BackupFacts.withoutServer(
                        TestRepository.NOW, TestRepository.NOW, Map.of(), List.of()),
                    BackupStatus.COMPLETE)
                .id();
      }
      assertThatThrownBy(() -> repository.register("orders", "secrets"))
          .hasMessageContaining("has no server");
    }
    assertThat(adopt().sound()).isTrue();
    try (Site site = open()) {
      BackupDescriptor backup = site.repository.backup(id).orElseThrow();
      assertThat(backup.server()).isEmpty();
      assertThat(backup.status()).isEqualTo(BackupStatus.COMPLETE);
      TestRepository.assertReads(site.repository, id, Map.of("set", new byte[] {1}));
      site.requireAllWhole();
    }
  }

  @Test
  void whatIsGivenUpIsNotTakenInBefore() throws IOException {
    try (Repository repository = sealed()) {
      repository.register("new", "postgres", TestRepository.CLUSTER);
      WalSegment segment = TestRepository.segment(1, 1);
      repository
          .wal("new")
          .storeSegment(segment, ByteBuffer.wrap(TestRepository.wal(segment, 1)), WalMarks.NONE);
    }
    try (Site site = open()) {
      String session = site.repository.offers(RunControl.unattended()).offers().get(0).session();
      OffersReport report = site.repository.adoptOffers(List.of(session), RunControl.unattended());
      assertThat(report.walSegments()).isZero();
      assertThat(report.offers()).isEmpty();
      assertThat(site.repository.source("new")).isEmpty();
    }
    assertThat(objects("sessions/")).isEmpty();
  }

  /** The answer to a write that took effect is lost, and so is that to the next try. */
  @Test
  void anAnswerThatWasLostTwiceKeepsNothingFromGoingOn() throws IOException {
    for (String kind : List.of("/wal/", "/commits/")) {
      AtomicInteger lost = new AtomicInteger();
      ObjectStore shaky =
          new ForwardingStore(store) {
            @Override
            public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
              boolean loses = key.value().contains(kind) && lost.getAndDecrement() > 0;
              try {
                ObjectInfo info = super.put(key, content);
                if (!loses) {
                  return info;
                }
              } catch (StorageException.AlreadyExists e) {
                if (!loses) {
                  throw e;
                }
              }
              throw new StorageException.OutcomeUnknown(key, null);
            }
          };
      BackupId id;
      try (Repository repository = sealed(shaky, "shaky" + kind.length(), WRITER)) {
        repository.register("orders", "postgres", TestRepository.CLUSTER);
        storeSegment(repository, 2);
        lost.set(2);
        if (kind.equals("/wal/")) {
          assertThatThrownBy(() -> storeSegment(repository, 3))
              .isInstanceOfSatisfying(
                  ClassifiedFailure.class,
                  e -> assertThat(e.kind()).isEqualTo(FailureKind.OUTCOME_UNKNOWN));
          storeSegment(repository, 3);
        } else {
          assertThatThrownBy(() -> backUp(repository, 3, 7)).isInstanceOf(IOException.class);
        }
        id = backUp(repository, 4, 8);
      }
      OffersReport report = adopt();
      assertThat(report.sound()).as(report.toString()).isTrue();
      assertThat(report.backups()).contains(id);
      assertHolds(id, 8);
    }
  }

  @Test
  void whereverASealedHostDiesWhatItSaidIsWholeOrNotThere() throws IOException {
    boolean died = true;
    for (int call = 1; died; call += ALL ? 1 : 4) {
      MemoryObjectStore disk = store.copy(SettableClock.at(clock.instant()));
      Site.Mortal mortal = new Site.Mortal(disk, counting(call));
      String state = "dying-" + call;
      BackupId id = null;
      try (Repository repository = sealed(mortal, state, WRITER)) {
        id = backUp(repository, 2, 7);
      } catch (IOException e) {
        assertThat(mortal.dead()).isTrue();
      }
      died = mortal.dead();
      BackupId next;
      clock.advance(Duration.ofMinutes(1));
      try (Repository repository = sealed(disk, state, WRITER)) {
        next = backUp(repository, 3, 8);
      }
      try (Site site = Site.open(blank(disk), 1000, 1000)) {
        OffersReport report = site.repository.adoptOffers(List.of(), RunControl.unattended());
        assertThat(report.sound()).as("died before call %d: %s", call, report).isTrue();
        assertThat(report.backups()).contains(next);
        TestRepository.assertReads(site.repository, next, TestRepository.fewFiles(8));
        if (id != null) {
          assertThat(report.backups()).contains(id);
        }
        for (BackupId listed : site.listed()) {
          if (!listed.equals(next)) {
            TestRepository.assertReads(site.repository, listed, TestRepository.fewFiles(7));
          }
        }
        assertThat(site.verify().damaged()).isEmpty();
      }
    }
  }

  @Test
  void whereverTakingInDiesItGoesOnTheNextTime() throws IOException {
    BackupId id = offer(2, 7);
    boolean died = true;
    for (int call = 1; died; call += ALL ? 1 : 13) {
      MemoryObjectStore disk = store.copy(SettableClock.at(clock.instant()));
      Site.Mortal mortal = new Site.Mortal(disk, counting(call));
      try (Site site = Site.open(blank(mortal), 1000, 1000)) {
        site.repository.adoptOffers(List.of(), RunControl.unattended());
      } catch (IOException e) {
        assertThat(mortal.dead()).isTrue();
      }
      died = mortal.dead();
      try (Site site = Site.open(blank(disk), 1000, 1000)) {
        assertThat(site.verify().damaged()).isEmpty();
        OffersReport report = site.repository.adoptOffers(List.of(), RunControl.unattended());
        assertThat(report.sound()).as("died before call %d: %s", call, report).isTrue();
        assertThat(report.offers()).isEmpty();
        assertThat(objects(disk, "sessions/")).isEmpty();
        // Its name may be taken by what was left of it.
        assertThat(site.listed())
            .singleElement()
            .satisfies(
                one -> {
                  assertThat(one.value()).startsWith(id.value().substring(0, 8));
                  TestRepository.assertReads(site.repository, one, TestRepository.fewFiles(7));
                });
        assertThat(site.repository.backup(site.listed().get(0)).orElseThrow().status())
            .isEqualTo(BackupStatus.COMPLETE);
        assertThat(site.verify().damaged()).isEmpty();
      }
    }
  }

  private static Predicate<String> counting(int last) {
    int[] calls = new int[1];
    return call -> ++calls[0] >= last;
  }

  private static byte[] read(ObjectStore from, ObjectKey key) throws IOException {
    try (ObjectRead read = from.get(key)) {
      return read.body().readAllBytes();
    }
  }

  /** A machine that knows nothing but a recipient, and may take in. */
  private RepositorySetup blank(ObjectStore at) {
    return TestRepository.setup(at, folder.resolve("opener-" + openers++))
        .parallelism(1)
        .clock(clock)
        .signer(ADMINISTRATOR)
        .build();
  }
}
