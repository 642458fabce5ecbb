package com.thorbis.backup.storage.gcs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.StorageTier;
import com.thorbis.backup.spi.storage.StoreCapability;
import com.thorbis.backup.spi.storage.WriteOptions;
import com.thorbis.backup.testkit.cloud.FakeGcs;
import com.thorbis.backup.testkit.cloud.FakeService.Fault;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.assertj.core.util.Throwables;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class GcsObjectStoreTest {
  private static final String BUCKET = "acme-backups";
  private static final ObjectKey KEY = new ObjectKey("some/object");
  private static final int PIECE = 1 << 18;

  private FakeGcs gcs;

  @BeforeEach
  void start() throws IOException {
    gcs = new FakeGcs();
  }

  @AfterEach
  void stop() {
    gcs.close();
  }

  @Test
  void whatFitsIntoAPieceIsOneRequestAndTheRestASession() throws IOException {
    ObjectStore store = open();
    store.put(KEY, ObjectSource.of(content(PIECE)));
    assertThat(gcs.calls("multipart")).isEqualTo(1);
    assertThat(gcs.calls("resumable")).isZero();

    store.put(new ObjectKey("long"), ObjectSource.of(content(2 * PIECE + 1)));
    assertThat(gcs.calls("resumable")).isEqualTo(1);
    assertThat(gcs.calls("piece")).isEqualTo(3);
    assertThat(gcs.openUploads()).isZero();
  }

  @Test
  void s11UploadThatIsClosedIsGivenUpAtTheStore() throws IOException {
    ObjectStore store = open();
    ObjectUpload upload = store.startUpload(KEY);
    upload.body().write(content(3 * PIECE));
    assertThat(gcs.openUploads()).isEqualTo(1);
    upload.close();
    assertThat(gcs.openUploads()).isZero();
    assertThat(store.head(KEY)).isEmpty();
  }

  @ParameterizedTest
  @EnumSource
  void s13WriteWhoseAnswerIsLostIsASuccess(Fault fault) throws IOException {
    ObjectStore store = open();
    byte[] small = content(1000);
    gcs.strike(fault, 1);
    assertThat(store.put(KEY, ObjectSource.of(small)).length()).isEqualTo(1000);
    assertContent(store, KEY, small);

    ObjectKey uploaded = new ObjectKey("uploaded");
    byte[] large = content(2 * PIECE + 5);
    try (ObjectUpload upload = store.startUpload(uploaded)) {
      upload.body().write(large);
      gcs.strike(fault, 1);
      assertThat(upload.commit().length()).isEqualTo(large.length);
    }
    assertContent(store, uploaded, large);
  }

  @Test
  void s13WriteThatWasNeverAnsweredIsFoundByLooking() throws IOException {
    ObjectStore store = open(Duration.ofMillis(1)); // no second attempt
    gcs.strike(Fault.CUT, 1);
    assertThat(store.put(KEY, ObjectSource.of(content(10))).length()).isEqualTo(10);

    ObjectKey other = new ObjectKey("other");
    gcs.strike(Fault.UNAVAILABLE, 1); // which could be a timeout behind the front
    assertThatThrownBy(() -> store.put(other, ObjectSource.of(content(10))))
        .isInstanceOf(StorageException.OutcomeUnknown.class);

    gcs.strike(Fault.THROTTLED, 1); // nothing was done
    assertThatThrownBy(() -> store.put(other, ObjectSource.of(content(10))))
        .isInstanceOf(StorageException.Unavailable.class);
  }

  @Test
  void keyOfAnotherWriterIsTakenWhateverTheNetworkDid() throws IOException {
    ObjectStore store = open();
    store.put(KEY, ObjectSource.of(content(10)));
    gcs.strike(Fault.UNAVAILABLE, 2);
    assertThatThrownBy(() -> store.put(KEY, ObjectSource.of(content(10))))
        .isInstanceOf(StorageException.AlreadyExists.class);
  }

  @Test
  void bytesThatChangeOnTheWayAreNotPublished() throws IOException {
    ObjectStore store = open();
    gcs.corrupt(true);
    assertThatThrownBy(() -> store.put(KEY, ObjectSource.of(content(1000))))
        .isInstanceOf(StorageException.class);
    assertThatThrownBy(() -> store.put(KEY, ObjectSource.of(content(2 * PIECE))))
        .isInstanceOfSatisfying(
            StorageException.class,
            e -> assertThat(e.code()).isEqualTo("storage.damaged-on-the-way"));
    assertThat(store.head(KEY)).isEmpty();
  }

  @Test
  void readGoesOnWhenItsConnectionBreaks() throws IOException {
    ObjectStore store = open();
    byte[] content = content(100_000);
    store.put(KEY, ObjectSource.of(content));
    gcs.strike(Fault.CUT, 3);
    assertContent(store, KEY, content);
    gcs.strike(Fault.CUT, 2);
    try (ObjectRead part = store.get(KEY, new ByteRange(99_000, 5000))) {
      assertThat(part.body().readAllBytes())
          .isEqualTo(Arrays.copyOfRange(content, 99_000, 100_000));
    }
  }

  @Test
  void readThatNeverGetsToItsEndFails() throws IOException {
    ObjectStore store = open();
    store.put(KEY, ObjectSource.of(content(1000)));
    gcs.strike(Fault.CUT, 100);
    assertThatThrownBy(
            () -> {
              try (ObjectRead read = store.get(KEY)) {
                read.body().readAllBytes();
              }
            })
        .isInstanceOf(StorageException.Unavailable.class);
  }

  @Test
  void bucketThatIsGoneIsNotAnObjectThatIsNotThere() throws IOException {
    ObjectStore store = open();
    ObjectUpload upload = store.startUpload(KEY);
    upload.body().write(content(10));
    gcs.removeBucket(BUCKET);
    List<ThrowingCallable> calls =
        List.of(
            () -> store.head(KEY),
            () -> store.get(KEY).close(),
            () -> store.get(KEY, new ByteRange(5, 5)).close(),
            () -> store.list("", Optional.empty()),
            () -> store.delete(KEY),
            () -> store.put(KEY, ObjectSource.of(content(10))),
            upload::commit,
            () -> store.move(KEY, StorageTier.COLD),
            () -> store.extendLock(KEY, Instant.now().plusSeconds(60)),
            () -> store.undelete(KEY),
            () ->
                GcsObjectStore.builder()
                    .bucket(BUCKET)
                    .endpoint(gcs.endpoint())
                    .anonymous()
                    .build());
    for (ThrowingCallable call : calls) {
      assertThatThrownBy(call)
          .isInstanceOfSatisfying(
              StorageException.class,
              e -> {
                assertThat(e.code()).isEqualTo("storage.place-missing");
                assertThat(e.kind()).isEqualTo(FailureKind.PERMANENT);
                assertThat(e.remedy()).contains(BUCKET);
              });
    }
    assertThat(store.deleteAll(List.of(KEY)).get(KEY).code()).isEqualTo("storage.place-missing");
  }

  @Test
  void capabilitiesAreThoseOfTheBucket() throws IOException {
    assertThat(open().capabilities())
        .containsExactlyInAnyOrder(
            StoreCapability.TIERS, StoreCapability.LOCK, StoreCapability.UNDELETE);
    gcs.createBucket(BUCKET);
    assertThat(reopen().capabilities()).containsExactly(StoreCapability.TIERS);
    gcs.createBucket(BUCKET, FakeGcs.Feature.RETENTION);
    gcs.hideBuckets(true);
    ObjectStore blind = reopen();
    assertThat(blind.capabilities()).containsExactly(StoreCapability.TIERS);
    blind.put(KEY, ObjectSource.of(content(1)));
  }

  @Test
  void archiveCanBeReadAtOnce() throws IOException {
    ObjectStore store = open();
    store.put(KEY, ObjectSource.of(content(10)), WriteOptions.plain().in(StorageTier.ARCHIVE));
    assertThat(gcs.facts(BUCKET, KEY.value())).containsEntry("storageClass", "ARCHIVE");
    assertThat(store.head(KEY).orElseThrow().tier()).isEqualTo(StorageTier.ARCHIVE);
    assertThat(store.head(KEY).orElseThrow().readable()).isTrue();
    store.requestReadable(KEY, Duration.ofDays(1));
    assertContent(store, KEY, content(10));
  }

  @Test
  void whatWasMovedWasNotDeleted() throws IOException {
    ObjectStore store = open();
    store.put(KEY, ObjectSource.of(content(1000)));
    store.move(KEY, StorageTier.COLD);
    assertThat(store.head(KEY).orElseThrow().tier()).isEqualTo(StorageTier.COLD);
    assertThat(store.listDeleted("", Optional.empty()).objects()).isEmpty();
    assertThat(gcs.facts(BUCKET, KEY.value()).get("metadata")).asString().contains("thorbis");
  }

  @Test
  void objectThatIsLockedIsNotMoved() throws IOException {
    ObjectStore store = open();
    store.put(
        KEY,
        ObjectSource.of(content(10)),
        WriteOptions.plain().lockedUntil(Instant.now().plusSeconds(3600)));
    assertThatThrownBy(() -> store.move(KEY, StorageTier.COLD))
        .isInstanceOfSatisfying(
            StorageException.class, e -> assertThat(e.code()).isEqualTo("storage.locked"));
  }

  @ParameterizedTest
  @EnumSource(names = {"SOFT_DELETE", "VERSIONS"})
  void deletedObjectsAreListedOnceAndOnlyWhileTheirKeysAreFree(FakeGcs.Feature feature)
      throws IOException {
    gcs.createBucket(BUCKET, feature);
    ObjectStore store = reopen();
    List<String> deleted = new ArrayList<>();
    for (int i = 10; i < 30; i++) {
      ObjectKey key = new ObjectKey("k/" + i);
      for (int round = 0; round <= i % 3; round++) {
        store.put(key, ObjectSource.of(content(i + round)));
        store.delete(key);
      }
      if (i % 2 == 0) {
        store.put(key, ObjectSource.of(content(1)));
      } else {
        deleted.add(key.value());
      }
    }
    List<String> listed = new ArrayList<>();
    Optional<String> after = Optional.empty();
    do {
      ListPage page = store.listDeleted("k/", after);
      page.objects().forEach(info -> listed.add(info.key().value()));
      after = page.next();
    } while (after.isPresent());
    assertThat(listed).isEqualTo(deleted);

    store.undelete(new ObjectKey("k/11"));
    assertContent(store, new ObjectKey("k/11"), content(11 + 11 % 3)); // what was there last
  }

  static Stream<Arguments> longUploads() {
    long piece = 8L << 20;
    return LongStream.of(piece, 5L << 30, 4L << 40)
        .boxed()
        .map(end -> Arguments.of(end - piece, end, "bytes " + (end - piece) + "-" + (end - 1)));
  }

  @ParameterizedTest
  @MethodSource("longUploads")
  void pieceSaysWhereItBelongsBeyondFiveGigabytes(long from, long end, String range) {
    assertThat(Upload.range(from, end, -1)).isEqualTo(range + "/*");
    assertThat(Upload.range(from, end, end)).isEqualTo(range + "/" + end);
    assertThat(Upload.range(end, end, end)).isEqualTo("bytes */" + end);
  }

  @Test
  void listingOfAnotherPrefixShowsNothingOfOurs() throws IOException {
    ObjectStore store = open();
    ObjectStore other =
        GcsObjectStore.builder()
            .bucket(BUCKET)
            .prefix("some")
            .endpoint(gcs.endpoint())
            .anonymous()
            .build();
    store.put(KEY, ObjectSource.of(content(1)));
    store.put(new ObjectKey("sometimes"), ObjectSource.of(content(1)));
    assertThat(other.list("", Optional.empty()).objects())
        .extracting(info -> info.key().value())
        .containsExactly("object");
    assertThat(other.describe()).isEqualTo("gs://" + BUCKET + "/some");
  }

  @Test
  void messagesKeepTheAddressOfAnUploadToThemselves() throws IOException {
    ObjectStore store = open(Duration.ofMillis(1));
    ObjectUpload upload = store.startUpload(KEY);
    upload.body().write(content(PIECE + 1));
    gcs.strike(Fault.UNAVAILABLE, 10);
    assertThatThrownBy(
            () -> {
              upload.body().write(content(2 * PIECE));
              upload.commit();
            })
        .satisfies(e -> assertThat(Throwables.getStackTrace(e)).doesNotContain("upload_id"));
    upload.close();
  }

  private ObjectStore open() throws IOException {
    return open(Duration.ofSeconds(20));
  }

  private ObjectStore open(Duration patience) throws IOException {
    gcs.createBucket(BUCKET, FakeGcs.Feature.RETENTION, FakeGcs.Feature.SOFT_DELETE);
    return store(patience);
  }

  private ObjectStore reopen() throws IOException {
    return store(Duration.ofSeconds(20));
  }

  private ObjectStore store(Duration patience) throws IOException {
    GcsObjectStore.Builder builder =
        GcsObjectStore.builder()
            .bucket(BUCKET)
            .endpoint(gcs.endpoint())
            .anonymous()
            .pageSize(7)
            .pieceBytes(PIECE)
            .retryFor(patience);
    builder.firstWait = Duration.ofMillis(2);
    return builder.build();
  }

  private static void assertContent(ObjectStore store, ObjectKey key, byte[] content)
      throws IOException {
    try (ObjectRead read = store.get(key)) {
      assertThat(read.body().readAllBytes()).isEqualTo(content);
    }
  }

  private static byte[] content(int length) {
    byte[] content = new byte[length];
    new Random(length).nextBytes(content);
    return content;
  }
}
