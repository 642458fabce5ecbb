package com.thorbis.backup.storage.s3;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.StorageTier;
import com.thorbis.backup.spi.storage.StoreCapability;
import com.thorbis.backup.spi.storage.WriteOptions;
import java.io.IOException;
import java.io.OutputStream;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import software.amazon.awssdk.services.s3.model.CompleteMultipartUploadRequest;
import software.amazon.awssdk.services.s3.model.CopyObjectRequest;
import software.amazon.awssdk.services.s3.model.CreateMultipartUploadRequest;
import software.amazon.awssdk.services.s3.model.GetObjectRequest;
import software.amazon.awssdk.services.s3.model.HeadObjectResponse;
import software.amazon.awssdk.services.s3.model.ObjectLockMode;
import software.amazon.awssdk.services.s3.model.ObjectLockRetentionMode;
import software.amazon.awssdk.services.s3.model.PutObjectRequest;
import software.amazon.awssdk.services.s3.model.PutObjectRetentionRequest;
import software.amazon.awssdk.services.s3.model.RestoreObjectRequest;
import software.amazon.awssdk.services.s3.model.StorageClass;
import software.amazon.awssdk.services.s3.model.Tier;
import software.amazon.awssdk.services.s3.model.UploadPartCopyRequest;

/** What no server within reach does, against one that keeps no content. */
class S3ObjectStoreTest {
  private static final ObjectKey KEY = new ObjectKey("some/object");
  private static final Instant UNTIL = Instant.parse("2026-12-26T06:00:00Z");
  private static final long GIB = 1L << 30;

  private final FakeS3Client server = new FakeS3Client();
  private final S3ObjectStore store =
      S3ObjectStore.builder()
          .client(server)
          .bucket("bucket")
          .prefix("prod")
          .partSize(64L << 20)
          .partsInFlight(2)
          .pause(time -> {})
          .build();

  @Test
  void anObjectOfMoreThanFiveGigabytesGoesInPartsOfWhichFewAreInMemory() throws IOException {
    long length = 5 * GIB + 1;
    byte[] buffer = new byte[1 << 20];
    try (ObjectUpload upload = store.startUpload(KEY, WriteOptions.plain().in(StorageTier.COLD))) {
      OutputStream body = upload.body();
      for (long left = length; left > 0; left -= buffer.length) {
        body.write(buffer, 0, (int) Math.min(buffer.length, left));
      }
      ObjectInfo info = upload.commit();
      assertThat(info.length()).isEqualTo(length);
      assertThat(info.modifiedAt()).isEqualTo(FakeS3Client.TIME);
      assertThat(info.tier()).isEqualTo(StorageTier.COLD);
    }
    assertThat(server.parts).hasSize(81);
    assertThat(server.parts.values().stream().mapToLong(part -> part).sum()).isEqualTo(length);
    assertThat(new TreeMap<>(server.parts).headMap(81).values()).containsOnly(64L << 20);
    assertThat(server.mostAtOnce.get()).isBetween(1, 2);
    assertThat(server.asked(CreateMultipartUploadRequest.class).get(0).storageClass())
        .isEqualTo(StorageClass.GLACIER_IR);
    CompleteMultipartUploadRequest complete =
        server.asked(CompleteMultipartUploadRequest.class).get(0);
    assertThat(complete.ifNoneMatch()).isEqualTo("*");
    assertThat(complete.multipartUpload().parts())
        .extracting(part -> part.partNumber())
        .isSorted()
        .hasSize(81);
  }

  @Test
  void aPartBehindFiveGigabytesIsRead() throws IOException {
    keep(HeadObjectResponse.builder().contentLength(6 * GIB));
    try (ObjectRead read = store.get(KEY, new ByteRange(5 * GIB + 3, 1000))) {
      assertThat(read.body().readAllBytes()).hasSize(1000);
      assertThat(read.info().length()).isEqualTo(6 * GIB);
    }
    assertThat(server.asked(GetObjectRequest.class).get(0).range())
        .isEqualTo("bytes=5368709123-5368710122");
  }

  @Test
  void anObjectOfMoreThanFiveGigabytesMovesInPartsThatCoverIt() throws IOException {
    long length = 6 * GIB + 5;
    keep(HeadObjectResponse.builder().contentLength(length));
    store.move(KEY, StorageTier.WARM);

    long next = 0;
    for (UploadPartCopyRequest part : server.asked(UploadPartCopyRequest.class)) {
      String[] range = part.copySourceRange().substring("bytes=".length()).split("-");
      assertThat(Long.parseLong(range[0])).isEqualTo(next);
      next = Long.parseLong(range[1]) + 1;
      assertThat(part.copySourceIfMatch()).isEqualTo("\"1\"");
    }
    assertThat(next).isEqualTo(length);
  }

  @Test
  void whatIsLockedIsNotMovedBecauseItWouldStayBelowTheCopy() throws IOException {
    keep(HeadObjectResponse.builder().contentLength(1L).objectLockRetainUntilDate(UNTIL));
    assertThatThrownBy(() -> store.move(KEY, StorageTier.COLD))
        .isInstanceOfSatisfying(
            StorageException.class, e -> assertThat(e.code()).isEqualTo("storage.locked"));
    assertThat(server.asked(CopyObjectRequest.class)).isEmpty();

    store.move(KEY, StorageTier.HOT); // where it lies
    assertThat(server.asked(CopyObjectRequest.class)).isEmpty();
  }

  @Test
  void everyTierSaysHowLongItIsChargedAtLeast() throws IOException {
    assertThat(store.minimumStay(StorageTier.HOT)).isZero();
    assertThat(store.minimumStay(StorageTier.WARM)).isEqualTo(Duration.ofDays(30));
    assertThat(store.minimumStay(StorageTier.COLD)).isEqualTo(Duration.ofDays(90));
    assertThat(store.minimumStay(StorageTier.ARCHIVE)).isEqualTo(Duration.ofDays(180));
  }

  @ParameterizedTest
  @CsvSource({
    "STANDARD, , , HOT, true",
    ", , , HOT, true",
    "INTELLIGENT_TIERING, , , HOT, true",
    "INTELLIGENT_TIERING, , ARCHIVE_ACCESS, ARCHIVE, false",
    "STANDARD_IA, , , WARM, true",
    "ONEZONE_IA, , , WARM, true",
    "GLACIER_IR, , , COLD, true",
    "GLACIER, , , ARCHIVE, false",
    "DEEP_ARCHIVE, , , ARCHIVE, false",
    "DEEP_ARCHIVE, 'ongoing-request=\"true\"', , ARCHIVE, false",
    "GLACIER, 'ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2026\"', , ARCHIVE, true"
  })
  void classesAreTiersAndArchivesTellWhetherTheyCanBeRead(
      String storageClass, String restore, String archived, StorageTier tier, boolean readable)
      throws IOException {
    keep(
        HeadObjectResponse.builder()
            .contentLength(1L)
            .storageClass(storageClass)
            .restore(restore)
            .archiveStatus(archived));
    ObjectInfo info = store.head(KEY).orElseThrow();
    assertThat(info.tier()).isEqualTo(tier);
    assertThat(info.readable()).isEqualTo(readable);
    assertThat(info.requested()).isEqualTo(!readable && restore != null);
    boolean deep = "DEEP_ARCHIVE".equals(storageClass);
    assertThat(info.thaw()).isEqualTo(readable ? Duration.ZERO : Duration.ofHours(deep ? 12 : 5));

    store.requestReadable(KEY, Duration.ofHours(25));
    List<RestoreObjectRequest> asked = server.asked(RestoreObjectRequest.class);
    assertThat(asked).hasSize(readable || restore != null ? 0 : 1);
    Integer days = archived == null ? Integer.valueOf(2) : null;
    assertThat(asked)
        .allSatisfy(
            one -> {
              assertThat(one.restoreRequest().days()).isEqualTo(days);
              assertThat(one.restoreRequest().glacierJobParameters().tier())
                  .isEqualTo(Tier.STANDARD);
            });
  }

  @ParameterizedTest
  @CsvSource({
    "GLACIER, EXPEDITED, EXPEDITED, PT5M",
    "GLACIER, STANDARD, STANDARD, PT5H",
    "GLACIER, BULK, BULK, PT12H",
    "DEEP_ARCHIVE, EXPEDITED, STANDARD, PT12H",
    "DEEP_ARCHIVE, STANDARD, STANDARD, PT12H",
    "DEEP_ARCHIVE, BULK, BULK, PT48H"
  })
  void anArchiveIsAskedAtTheSpeedThatWasChosenAndThatItHas(
      String storageClass, Tier chosen, Tier asked, Duration thaw) throws IOException {
    try (S3ObjectStore store =
        S3ObjectStore.builder()
            .client(server)
            .bucket("bucket")
            .prefix("prod")
            .retrieval(chosen)
            .build()) {
      keep(HeadObjectResponse.builder().contentLength(1L).storageClass(storageClass));
      assertThat(store.head(KEY).orElseThrow().thaw()).isEqualTo(thaw);
      store.requestReadable(KEY, Duration.ofDays(1));
      RestoreObjectRequest request = server.asked(RestoreObjectRequest.class).get(0);
      assertThat(request.restoreRequest().glacierJobParameters().tier()).isEqualTo(asked);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"GOVERNANCE", "COMPLIANCE"})
  void s15ALockIsMadeWithTheObjectAndOnlyEverGrows(ObjectLockMode mode) throws IOException {
    assertThat(store.capabilities()).contains(StoreCapability.LOCK, StoreCapability.UNDELETE);
    WriteOptions options = WriteOptions.plain().lockedUntil(UNTIL);
    assertThat(store.put(KEY, ObjectSource.of(new byte[1]), options).lockedUntil()).hasValue(UNTIL);
    PutObjectRequest put = server.asked(PutObjectRequest.class).get(0);
    assertThat(put.objectLockMode()).isEqualTo(ObjectLockMode.GOVERNANCE);
    assertThat(put.objectLockRetainUntilDate()).isEqualTo(UNTIL);

    keep(
        HeadObjectResponse.builder()
            .contentLength(1L)
            .versionId("v1")
            .objectLockMode(mode)
            .objectLockRetainUntilDate(UNTIL));
    store.extendLock(KEY, UNTIL);
    store.extendLock(KEY, UNTIL.minusSeconds(1));
    assertThat(server.asked(PutObjectRetentionRequest.class)).isEmpty();
    store.extendLock(KEY, UNTIL.plusSeconds(1));
    PutObjectRetentionRequest longer = server.asked(PutObjectRetentionRequest.class).get(0);
    assertThat(longer.versionId()).isEqualTo("v1");
    assertThat(longer.retention().retainUntilDate()).isEqualTo(UNTIL.plusSeconds(1));
    assertThat(longer.retention().mode())
        .isEqualTo(ObjectLockRetentionMode.fromValue(mode.toString()));
  }

  @Test
  void whatIsLockedIsNotHiddenByADeleteMarker() throws IOException {
    keep(HeadObjectResponse.builder().contentLength(1L).objectLockRetainUntilDate(UNTIL));
    assertThatThrownBy(() -> store.delete(KEY))
        .isInstanceOfSatisfying(
            StorageException.class, e -> assertThat(e.code()).isEqualTo("storage.locked"));
    assertThat(store.deleteAll(List.of(KEY))).containsOnlyKeys(KEY);
  }

  @Test
  void aServerThatAsksForPatienceGetsAsMuchAndNoMoreThanBearable() throws IOException {
    List<Duration> waits = new ArrayList<>();
    Attempts attempts = new Attempts(3, waits::add);
    for (String header : List.of("7", "100000", "-1", "Fri, 21 Dec 2026 00:00:00 GMT")) {
      attempts.again(1, FailuresTest.answer(503, "SlowDown", "", "Retry-After", header));
    }
    assertThat(waits)
        .containsExactly(
            Duration.ofSeconds(7),
            Duration.ofSeconds(20),
            Duration.ofSeconds(20),
            Duration.ofMillis(100));
    assertThat(attempts.again(3, FailuresTest.answer(503, "SlowDown", ""))).isFalse();
    assertThat(attempts.again(1, FailuresTest.answer(403, "AccessDenied", ""))).isFalse();
  }

  private void keep(HeadObjectResponse.Builder found) {
    server.objects.put("prod/" + KEY, found.lastModified(FakeS3Client.TIME).eTag("\"1\"").build());
  }
}
