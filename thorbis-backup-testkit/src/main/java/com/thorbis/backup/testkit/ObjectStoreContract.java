package com.thorbis.backup.testkit;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.StorageTier;
import com.thorbis.backup.spi.storage.StoreCapability;
import com.thorbis.backup.spi.storage.WriteOptions;
import java.io.ByteArrayInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What every {@link ObjectStore} does. A store passes if a subclass that opens it does. */
public abstract class ObjectStoreContract {
  private static final ObjectKey KEY = new ObjectKey("some/object");
  private static final long SEED = 20_260_101L;

  private ObjectStore store;

  /** For subclasses. */
  @SuppressWarnings("NullAway.Init") // opened before each test
  protected ObjectStoreContract() {}

  /** Opens a store that holds nothing. Closed by the suite. */
  protected abstract ObjectStore openStore() throws IOException;

  /** Opens a store whose place can not be asked, as with a network that is down. */
  protected abstract ObjectStore openUnreachableStore() throws IOException;

  /** How many objects make the store list more pages than two. */
  protected int objectsOfThreePages() {
    return 2_100;
  }

  /** How many writers of one key may start at once; 1 where the server is known to let two win. */
  protected int writersAtOnce() {
    return 16;
  }

  /** The store of this test. */
  protected final ObjectStore store() {
    return store;
  }

  @BeforeEach
  final void open() throws IOException {
    store = openStore();
  }

  @AfterEach
  final void close() throws IOException {
    store.close();
  }

  @Test
  void timeIsThatOfItsObjects() throws IOException {
    Instant before = store.now();
    Instant written = store.put(KEY, ObjectSource.of(new byte[1])).modifiedAt();
    Instant after = store.now();
    // Stores round to seconds at most.
    assertThat(before).isBetween(written.minusSeconds(60), written.plusSeconds(1));
    assertThat(after).isBetween(written.minusSeconds(1), written.plusSeconds(60));
    assertThat(store.list("", Optional.empty()).objects()).hasSize(1);
  }

  @Test
  void storeIsNamedForMessages() {
    assertThat(store.describe()).isNotBlank();
  }

  @Test
  void objectsOfAnyLengthReadBack() throws IOException {
    Random random = new Random(SEED);
    for (int length : new int[] {0, 1, 4095, 65_536, 3_000_001}) {
      byte[] content = new byte[length];
      random.nextBytes(content);
      ObjectKey put = new ObjectKey("put/" + length);
      ObjectKey uploaded = new ObjectKey("uploaded/" + length);

      ObjectInfo info = store.put(put, ObjectSource.of(content));
      assertInfo(info, put, length);
      assertThat(read(put)).isEqualTo(content);

      assertInfo(upload(uploaded, content), uploaded, length);
      assertThat(read(uploaded)).isEqualTo(content);
      // What a write returns may be the time of its answer.
      assertThat(store.head(put).orElseThrow().modifiedAt())
          .isBetween(info.modifiedAt().minusSeconds(60), info.modifiedAt().plusSeconds(1));
    }
  }

  @Test
  void uploadTakesBytesInAnyPortions() throws IOException {
    byte[] content = content(100_000);
    try (ObjectUpload upload = store.startUpload(KEY)) {
      OutputStream body = upload.body();
      body.write(content[0]);
      body.write(content, 1, 0);
      body.write(content, 1, 70_000);
      body.flush();
      body.write(content, 70_001, 29_999);
      upload.commit();
    }
    assertThat(read(KEY)).isEqualTo(content);
  }

  @Test
  void uploadIsInvisibleUntilCommitted() throws IOException {
    try (ObjectUpload upload = store.startUpload(KEY)) {
      try (OutputStream body = upload.body()) {
        body.write(content(200_000));
      }
      assertAbsent(KEY);
      upload.commit();
      assertThat(store.head(KEY)).isPresent();
    }
    assertThat(store.head(KEY)).isPresent();
  }

  @Test
  void uploadClosedWithoutCommitLeavesNothing() throws IOException {
    ObjectUpload upload = store.startUpload(KEY);
    upload.body().write(content(200_000));
    upload.close();
    upload.close();
    assertAbsent(KEY);
    store.put(KEY, ObjectSource.of(content(3)));
    assertThat(read(KEY)).isEqualTo(content(3));
  }

  @Test
  void nothingIsOverwritten() throws IOException {
    byte[] first = content(1000);
    store.put(KEY, ObjectSource.of(first));

    assertThatThrownBy(() -> store.put(KEY, ObjectSource.of(content(2000))))
        .isInstanceOf(StorageException.AlreadyExists.class);
    assertThatThrownBy(() -> store.put(KEY, ObjectSource.of(first)))
        .isInstanceOf(StorageException.AlreadyExists.class);
    assertThatThrownBy(() -> upload(KEY, content(2000)))
        .isInstanceOf(StorageException.AlreadyExists.class);
    assertThat(read(KEY)).isEqualTo(first);
  }

  @Test
  void uploadThatSomebodyOvertookIsRefused() throws IOException {
    byte[] first = content(1000);
    try (ObjectUpload upload = store.startUpload(KEY)) {
      upload.body().write(content(2000));
      store.put(KEY, ObjectSource.of(first));
      assertThatThrownBy(upload::commit).isInstanceOf(StorageException.AlreadyExists.class);
    }
    assertThat(read(KEY)).isEqualTo(first);
  }

  @Test
  void oneOfSeveralWritersWins() throws Exception {
    int writers = writersAtOnce();
    ExecutorService threads = Executors.newFixedThreadPool(writers);
    try {
      for (int round = 0; round < 5; round++) {
        ObjectKey key = new ObjectKey("contested/" + round);
        CountDownLatch start = new CountDownLatch(1);
        List<Future<Boolean>> results = new ArrayList<>();
        for (int writer = 0; writer < writers; writer++) {
          byte[] content = new byte[50_000];
          Arrays.fill(content, (byte) writer);
          boolean asUpload = writer % 2 == 0;
          results.add(
              threads.submit(
                  () -> {
                    start.await();
                    try {
                      ObjectInfo info =
                          asUpload
                              ? upload(key, content)
                              : store.put(key, ObjectSource.of(content));
                      assertInfo(info, key, content.length);
                      return true;
                    } catch (StorageException.AlreadyExists e) {
                      return false;
                    }
                  }));
        }
        start.countDown();
        List<Integer> winners = new ArrayList<>();
        for (int writer = 0; writer < writers; writer++) {
          if (results.get(writer).get(1, TimeUnit.MINUTES)) {
            winners.add(writer);
          }
        }
        assertThat(winners).hasSize(1);
        byte[] expected = new byte[50_000];
        Arrays.fill(expected, winners.get(0).byteValue());
        assertThat(read(key)).isEqualTo(expected);
      }
    } finally {
      threads.shutdownNow();
    }
  }

  @Test
  void nobodySeesAPartOfAnObject() throws Exception {
    byte[] content = content(300_000);
    List<ListPage> seen = new ArrayList<>();
    ObjectSource source =
        source(
            content,
            in ->
                new AtByte(in, 200_000) {
                  @Override
                  void act() throws IOException {
                    assertAbsent(KEY);
                    seen.add(store.list("some/", Optional.empty()));
                  }
                });
    store.put(KEY, source);
    assertThat(seen)
        .isNotEmpty()
        .allSatisfy(
            page -> assertThat(page.objects()).extracting(ObjectInfo::key).doesNotContain(KEY));
    assertThat(read(KEY)).isEqualTo(content);
  }

  @Test
  void sourceThatFailsLeavesNothing() throws IOException {
    ObjectSource source =
        source(
            content(300_000),
            in ->
                new AtByte(in, 200_000) {
                  @Override
                  void act() throws IOException {
                    throw new IOException("planted");
                  }
                });
    assertThatThrownBy(() -> store.put(KEY, source))
        .isInstanceOf(StorageException.class)
        .isNotInstanceOf(StorageException.OutcomeUnknown.class)
        .hasStackTraceContaining("planted");
    assertAbsent(KEY);
    store.put(KEY, ObjectSource.of(content(5)));
    assertThat(read(KEY)).isEqualTo(content(5));
  }

  @Test
  void sourceOfAnotherLengthThanAnnouncedLeavesNothing() throws IOException {
    for (int real : new int[] {0, 99, 101, 200_000}) {
      ObjectSource liar =
          new ObjectSource() {
            @Override
            public long length() {
              return 100;
            }

            @Override
            public InputStream open() {
              return new ByteArrayInputStream(content(real));
            }
          };
      assertThatThrownBy(() -> store.put(KEY, liar)).isInstanceOf(StorageException.class);
      assertAbsent(KEY);
    }
  }

  @Test
  void interruptLeavesAllOrNothing() throws IOException {
    byte[] content = content(3_000_000);
    ObjectSource source =
        source(
            content,
            in ->
                new AtByte(in, 1_000_000) {
                  @Override
                  void act() {
                    Thread.currentThread().interrupt();
                  }
                });
    Throwable failure = catchThrowable(() -> store.put(KEY, source));
    assertThat(Thread.interrupted()).as("still interrupted").isTrue();
    if (failure == null) {
      assertThat(read(KEY)).isEqualTo(content);
    } else {
      assertThat(failure).isInstanceOf(StorageException.class);
      assertAbsent(KEY);
      store.put(KEY, ObjectSource.of(content));
      assertThat(read(KEY)).isEqualTo(content);
    }
  }

  @Test
  void partsReadAsAskedFor() throws IOException {
    byte[] content = content(100_000);
    store.put(KEY, ObjectSource.of(content));
    assertPart(content, 0, 1);
    assertPart(content, 0, 100_000);
    assertPart(content, 99_999, 1);
    assertPart(content, 12_345, 54_321);
  }

  @Test
  void partBeyondTheEndIsWhatThereIs() throws IOException {
    byte[] content = content(1000);
    store.put(KEY, ObjectSource.of(content));
    assertPart(content, 0, 1001);
    assertPart(content, 990, 1L << 40);
    assertPart(content, 1000, 1);
    assertPart(content, 5_000_000_000L, 10);
    assertPart(content, 1, Long.MAX_VALUE - 1);
    ObjectKey empty = new ObjectKey("some/empty");
    store.put(empty, ObjectSource.of(new byte[0]));
    try (ObjectRead part = store.get(empty, new ByteRange(0, 10))) {
      assertThat(part.body().read()).isEqualTo(-1);
    }
  }

  @Test
  void contentCanBeSkippedAndReadByteByByte() throws IOException {
    byte[] content = content(1000);
    store.put(KEY, ObjectSource.of(content));
    try (ObjectRead read = store.get(KEY)) {
      InputStream body = read.body();
      assertThat(body.read()).isEqualTo(content[0] & 0xff);
      body.skipNBytes(500);
      assertThat(body.read()).isEqualTo(content[501] & 0xff);
      assertThat(body.readAllBytes()).isEqualTo(Arrays.copyOfRange(content, 502, 1000));
      assertThat(body.read()).isEqualTo(-1);
      assertThat(body.read(new byte[10])).isEqualTo(-1);
    }
  }

  @Test
  void whatIsNotThereIsNotFound() throws IOException {
    assertAbsent(KEY);
    store.put(KEY, ObjectSource.of(content(1)));
    assertAbsent(new ObjectKey("some/other"));
    assertAbsent(new ObjectKey("some/objec"));
    assertAbsent(new ObjectKey("some/object2"));
    assertAbsent(new ObjectKey("some"));
    assertAbsent(new ObjectKey("some/object/below"));
    assertThat(new StorageException.NotFound(KEY, null).kind()).isEqualTo(FailureKind.NOT_FOUND);
  }

  @Test
  void whatCannotBeAskedIsNotAbsent() throws IOException {
    try (ObjectStore unreachable = openUnreachableStore()) {
      assertCannotLook(() -> unreachable.head(KEY));
      assertCannotLook(() -> unreachable.get(KEY).close());
      assertCannotLook(() -> unreachable.get(KEY, new ByteRange(0, 1)).close());
      assertCannotLook(() -> unreachable.list("", Optional.empty()));
      assertCannotLook(() -> unreachable.delete(KEY));
      assertCannotLook(() -> unreachable.put(KEY, ObjectSource.of(content(1))));
      assertCannotLook(
          () -> {
            try (ObjectUpload upload = unreachable.startUpload(KEY)) {
              upload.body().write(1);
              upload.commit();
            }
          });
    }
  }

  @Test
  void deletedObjectIsGoneAndItsKeyIsFree() throws IOException {
    ObjectKey neighbour = new ObjectKey("some/neighbour");
    store.put(KEY, ObjectSource.of(content(10)));
    store.put(neighbour, ObjectSource.of(content(20)));

    store.delete(KEY);
    assertAbsent(KEY);
    store.delete(KEY);
    store.delete(new ObjectKey("never/was"));

    assertThat(read(neighbour)).isEqualTo(content(20));
    store.put(KEY, ObjectSource.of(content(30)));
    assertThat(read(KEY)).isEqualTo(content(30));
  }

  @Test
  void everyKeyThatIsAllowedWorks() throws IOException {
    List<String> keys =
        List.of(
            "a",
            "A",
            "0",
            "-",
            "_",
            "=",
            "...",
            "a.b",
            ".hidden",
            "trailing.",
            "a..b/..c/d..",
            "x=1/y=2-3_4.5",
            "s".repeat(255),
            "deep" + "/d".repeat(448),
            ("n".repeat(149) + "/").repeat(5) + "n".repeat(150));
    for (String key : keys) {
      store.put(new ObjectKey(key), ObjectSource.of(key.getBytes(UTF_8)));
    }
    for (String key : keys) {
      assertThat(read(new ObjectKey(key))).isEqualTo(key.getBytes(UTF_8));
    }
    assertThat(listed("")).containsExactlyElementsOf(sorted(keys));
  }

  @Test
  void listingIsInKeyOrder() throws IOException {
    // A folder of a file system sorts elsewhere than its name: '-' and '.' come before '/'.
    List<String> keys =
        new ArrayList<>(
            List.of(
                "a-b", "a.b", "a/b", "a0", "aA", "a=b", "a_b", "ab", "a/-", "a/b/c", "B", "Z/z"));
    keys.remove("a/b"); // an object where others lie below need not work everywhere
    Collections.shuffle(keys, new Random(SEED));
    for (String key : keys) {
      store.put(new ObjectKey(key), ObjectSource.of(key.getBytes(UTF_8)));
    }
    assertThat(listed("")).containsExactlyElementsOf(sorted(keys));
    assertThat(listed("a/")).containsExactly("a/-", "a/b/c");
    for (String key : keys) {
      ListPage page = store.list("", Optional.of(key));
      assertThat(page.objects())
          .extracting(info -> info.key().value())
          .containsExactlyElementsOf(
              sorted(keys).stream().filter(other -> other.compareTo(key) > 0).toList());
    }
  }

  @Test
  void listingTellsWhatHeadTells() throws IOException {
    store.put(KEY, ObjectSource.of(content(12_345)));
    ObjectInfo listed = store.list("", Optional.empty()).objects().get(0);
    assertInfo(listed, KEY, 12_345);
    assertThat(listed.modifiedAt()).isEqualTo(store.head(KEY).orElseThrow().modifiedAt());
  }

  @Test
  void prefixNeedNotEndAtASlash() throws IOException {
    for (String key : List.of("wal/1/a", "wal/10/b", "wal/2/c", "wall", "xwal/1")) {
      store.put(new ObjectKey(key), ObjectSource.of(content(1)));
    }
    assertThat(listed("wal")).containsExactly("wal/1/a", "wal/10/b", "wal/2/c", "wall");
    assertThat(listed("wal/")).containsExactly("wal/1/a", "wal/10/b", "wal/2/c");
    assertThat(listed("wal/1")).containsExactly("wal/1/a", "wal/10/b");
    assertThat(listed("wal/1/")).containsExactly("wal/1/a");
    assertThat(listed("wal/1/a")).containsExactly("wal/1/a");
    for (String nothing :
        List.of("wal/1/a/", "wal/3", "w/", "/", "//", "../", "..", ".", "wal/../wal/", "WAL")) {
      assertThat(listed(nothing)).as(nothing).isEmpty();
    }
  }

  @Test
  void listingStartsAfterAnyKey() throws IOException {
    for (String key : List.of("a/1", "a/3", "b/1")) {
      store.put(new ObjectKey(key), ObjectSource.of(content(1)));
    }
    assertThat(listedAfter("", "a/1")).containsExactly("a/3", "b/1");
    assertThat(listedAfter("", "a/2")).containsExactly("a/3", "b/1");
    assertThat(listedAfter("", "a")).containsExactly("a/1", "a/3", "b/1");
    assertThat(listedAfter("a/", "a/2")).containsExactly("a/3");
    assertThat(listedAfter("b/", "a/2")).containsExactly("b/1");
    assertThat(listedAfter("a/", "b")).isEmpty();
    assertThat(listedAfter("", "b/1")).isEmpty();
  }

  @Test
  void pagesFollowWithoutGapOrRepetition() throws IOException {
    int objects = objectsOfThreePages();
    List<String> keys = new ArrayList<>();
    for (int i = 0; i < objects; i++) {
      keys.add(i % 3 == 0 ? "p/f" + i : "p/" + i % 7 + "/" + i);
    }
    for (String key : keys) {
      store.put(new ObjectKey(key), ObjectSource.of(new byte[0]));
    }
    store.put(new ObjectKey("q"), ObjectSource.of(new byte[0]));

    List<String> listed = new ArrayList<>();
    int pages = 0;
    Optional<String> after = Optional.empty();
    do {
      ListPage page = store.list("p/", after);
      assertThat(page.objects()).isNotEmpty();
      page.objects().forEach(info -> listed.add(info.key().value()));
      after = page.next();
      pages++;
    } while (after.isPresent());

    assertThat(pages).isGreaterThan(2);
    assertThat(listed).isEqualTo(sorted(keys));
  }

  @Test
  void manyAreDeletedAtOnce() throws IOException {
    List<ObjectKey> keys = new ArrayList<>();
    for (int i = 0; i < 25; i++) {
      keys.add(new ObjectKey("many/" + i));
      if (i != 7) { // one that is not there is no error
        store.put(keys.get(i), ObjectSource.of(content(i)));
      }
    }
    store.put(KEY, ObjectSource.of(content(1)));
    assertThat(store.deleteAll(keys)).isEmpty();
    assertThat(listed("")).containsExactly(KEY.value());
    assertThat(store.deleteAll(List.of())).isEmpty();
  }

  @Test
  void whatTheStoreCannotKeepIsRefusedAndNotWritten() throws IOException {
    WriteOptions locked = WriteOptions.plain().lockedUntil(soon());
    if (!offers(StoreCapability.LOCK)) {
      assertUnsupported(() -> store.put(KEY, ObjectSource.of(content(1)), locked));
      assertUnsupported(() -> store.startUpload(KEY, locked).close());
      assertUnsupported(() -> store.extendLock(KEY, soon()));
    }
    if (!offers(StoreCapability.TIERS)) {
      WriteOptions warm = WriteOptions.plain().in(StorageTier.WARM);
      assertUnsupported(() -> store.put(KEY, ObjectSource.of(content(1)), warm));
      assertUnsupported(() -> store.startUpload(KEY, warm).close());
      assertUnsupported(() -> store.move(KEY, StorageTier.WARM));
      assertUnsupported(() -> store.requestReadable(KEY, Duration.ofDays(1)));
    }
    if (!offers(StoreCapability.UNDELETE)) {
      assertUnsupported(() -> store.listDeleted("", Optional.empty()));
      assertUnsupported(() -> store.undelete(KEY));
    }
    if (!offers(StoreCapability.STALE_UPLOADS)) {
      assertUnsupported(() -> store.discardStaleUploads("", Instant.now()));
    }
    assertAbsent(KEY);
    store.put(KEY, ObjectSource.of(content(2)), WriteOptions.plain());
    assertThat(read(KEY)).isEqualTo(content(2));
  }

  @Test
  void aLockHoldsAndGrowsOnly() throws IOException {
    if (!offers(StoreCapability.LOCK)) {
      return; // refused: see whatTheStoreCannotKeepIsRefusedAndNotWritten
    }
    Instant until = soon();
    ObjectKey uploaded = new ObjectKey("some/uploaded");
    store.put(KEY, ObjectSource.of(content(10)), WriteOptions.plain().lockedUntil(until));
    try (ObjectUpload upload =
        store.startUpload(uploaded, WriteOptions.plain().lockedUntil(until))) {
      upload.body().write(content(20));
      upload.commit();
    }
    for (ObjectKey key : List.of(KEY, uploaded)) {
      assertThat(store.head(key).orElseThrow().lockedUntil()).hasValue(until);
      assertKept(key);

      store.extendLock(key, until.plusSeconds(60));
      assertThat(store.head(key).orElseThrow().lockedUntil()).hasValue(until.plusSeconds(60));
      store.extendLock(key, until);
      assertThat(store.head(key).orElseThrow().lockedUntil()).hasValue(until.plusSeconds(60));
      assertKept(key);
    }
    ObjectKey later = new ObjectKey("some/later");
    store.put(later, ObjectSource.of(content(3)));
    store.extendLock(later, until);
    assertKept(later);
    assertThatThrownBy(() -> store.extendLock(new ObjectKey("never/was"), until))
        .isInstanceOf(StorageException.NotFound.class);
  }

  /** Neither deleting nor writing changes it. */
  private void assertKept(ObjectKey key) throws IOException {
    byte[] before = read(key);
    assertLocked(() -> store.delete(key));
    assertThat(store.deleteAll(List.of(key))).containsOnlyKeys(key);
    assertThatThrownBy(() -> store.put(key, ObjectSource.of(content(5))))
        .isInstanceOf(StorageException.AlreadyExists.class);
    assertThat(read(key)).isEqualTo(before);
  }

  private static void assertLocked(ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            StorageException.class, e -> assertThat(e.code()).isEqualTo("storage.locked"));
  }

  @Test
  void anObjectIsKeptInTheTierThatWasAskedFor() throws IOException {
    if (!offers(StoreCapability.TIERS)) {
      return; // refused: see whatTheStoreCannotKeepIsRefusedAndNotWritten
    }
    byte[] content = content(1000);
    for (StorageTier tier : List.of(StorageTier.HOT, StorageTier.WARM)) {
      ObjectKey put = new ObjectKey("put/" + tier);
      ObjectKey uploaded = new ObjectKey("uploaded/" + tier);
      store.put(put, ObjectSource.of(content), WriteOptions.plain().in(tier));
      try (ObjectUpload upload = store.startUpload(uploaded, WriteOptions.plain().in(tier))) {
        upload.body().write(content);
        upload.commit();
      }
      for (ObjectKey key : List.of(put, uploaded)) {
        assertThat(store.head(key).orElseThrow().tier()).isEqualTo(tier);
        assertThat(store.head(key).orElseThrow().readable()).isTrue();
        assertThat(read(key)).isEqualTo(content);
      }
    }
    ObjectKey moved = new ObjectKey("put/" + StorageTier.HOT);
    store.move(moved, StorageTier.WARM);
    assertThat(store.head(moved).orElseThrow().tier()).isEqualTo(StorageTier.WARM);
    assertThat(read(moved)).isEqualTo(content);
    assertThatThrownBy(() -> store.move(new ObjectKey("never/was"), StorageTier.WARM))
        .isInstanceOf(StorageException.NotFound.class);
  }

  @Test
  void whatWasDeletedComesBack() throws IOException {
    if (!offers(StoreCapability.UNDELETE)) {
      return; // refused: see whatTheStoreCannotKeepIsRefusedAndNotWritten
    }
    ObjectKey kept = new ObjectKey("some/kept");
    store.put(KEY, ObjectSource.of(content(10)));
    store.put(kept, ObjectSource.of(content(20)));
    store.delete(KEY);
    assertThat(keys(store.listDeleted("", Optional.empty()))).containsExactly(KEY.value());
    assertThat(keys(store.listDeleted("other/", Optional.empty()))).isEmpty();

    store.undelete(KEY);
    assertThat(read(KEY)).isEqualTo(content(10));
    assertThat(keys(store.listDeleted("", Optional.empty()))).isEmpty();
    assertThatThrownBy(() -> store.undelete(KEY))
        .isInstanceOf(StorageException.AlreadyExists.class);
    assertThatThrownBy(() -> store.undelete(new ObjectKey("never/was")))
        .isInstanceOf(StorageException.NotFound.class);
  }

  private boolean offers(StoreCapability capability) throws IOException {
    return store.capabilities().contains(capability);
  }

  /** A time to which stores need not round, by the store's clock. */
  private Instant soon() throws IOException {
    return store.now().plusSeconds(3600).truncatedTo(ChronoUnit.SECONDS);
  }

  private static void assertUnsupported(ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            StorageException.class, e -> assertThat(e.code()).isEqualTo("storage.unsupported"));
  }

  private ObjectInfo upload(ObjectKey key, byte[] content) throws IOException {
    try (ObjectUpload upload = store.startUpload(key)) {
      upload.body().write(content);
      return upload.commit();
    }
  }

  private byte[] read(ObjectKey key) throws IOException {
    try (ObjectRead read = store.get(key)) {
      byte[] content = read.body().readAllBytes();
      assertInfo(read.info(), key, content.length);
      return content;
    }
  }

  private void assertPart(byte[] content, long offset, long length) throws IOException {
    try (ObjectRead part = store.get(KEY, new ByteRange(offset, length))) {
      int from = (int) Math.min(offset, content.length);
      int to = (int) (from + Math.min(length, content.length - from));
      assertThat(part.body().readAllBytes()).isEqualTo(Arrays.copyOfRange(content, from, to));
      assertInfo(part.info(), KEY, content.length);
    }
  }

  private void assertAbsent(ObjectKey key) throws IOException {
    assertThat(store.head(key)).isEmpty();
    assertThatThrownBy(() -> store.get(key).close()).isInstanceOf(StorageException.NotFound.class);
    assertThatThrownBy(() -> store.get(key, new ByteRange(0, 1)).close())
        .isInstanceOf(StorageException.NotFound.class);
    assertThat(listed(key.value())).doesNotContain(key.value());
  }

  private static void assertCannotLook(ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            StorageException.class,
            e -> {
              assertThat(e.kind()).isNotEqualTo(FailureKind.NOT_FOUND);
              assertThat(e.code()).matches("[a-z]+(\\.[a-z-]+)+");
              assertThat(e.remedy()).isNotBlank();
            })
        .isNotInstanceOf(StorageException.NotFound.class)
        .isNotInstanceOf(StorageException.AlreadyExists.class);
  }

  private static void assertInfo(ObjectInfo info, ObjectKey key, long length) {
    assertThat(info.key()).isEqualTo(key);
    assertThat(info.length()).isEqualTo(length);
    assertThat(info.modifiedAt()).isNotNull();
  }

  private List<String> listed(String prefix) throws IOException {
    return keys(store.list(prefix, Optional.empty()));
  }

  private List<String> listedAfter(String prefix, String after) throws IOException {
    return keys(store.list(prefix, Optional.of(after)));
  }

  private static List<String> keys(ListPage page) {
    return page.objects().stream().map(info -> info.key().value()).toList();
  }

  private static List<String> sorted(List<String> keys) {
    return keys.stream().sorted().toList();
  }

  private static byte[] content(int length) {
    byte[] content = new byte[length];
    new Random(SEED + length).nextBytes(content);
    return content;
  }

  private static ObjectSource source(byte[] content, UnaryOperator<InputStream> wrapped) {
    return new ObjectSource() {
      @Override
      public long length() {
        return content.length;
      }

      @Override
      public InputStream open() {
        return wrapped.apply(new ByteArrayInputStream(content));
      }
    };
  }

  /** Does something once, when so many bytes were read. */
  private abstract static class AtByte extends FilterInputStream {
    private long left;

    AtByte(InputStream in, long position) {
      super(in);
      left = position;
    }

    abstract void act() throws IOException;

    @Override
    public int read() throws IOException {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] buffer, int offset, int length) throws IOException {
      if (left == 0) {
        left = -1;
        act();
      }
      int count = super.read(buffer, offset, left > 0 ? (int) Math.min(length, left) : length);
      if (left > 0) {
        left -= Math.max(count, 0);
      }
      return count;
    }
  }
}
