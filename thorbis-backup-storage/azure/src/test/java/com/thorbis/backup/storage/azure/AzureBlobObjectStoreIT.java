package com.thorbis.backup.storage.azure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.azure.core.http.jdk.httpclient.JdkHttpClientBuilder;
import com.azure.core.util.Context;
import com.azure.storage.blob.BlobContainerClient;
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
import com.thorbis.backup.spi.storage.WriteOptions;
import com.thorbis.backup.testkit.cloud.AzuriteServer;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class AzureBlobObjectStoreIT {
  private static final ObjectKey KEY = new ObjectKey("some/object");
  private static final int BLOCK = 1 << 20;

  private Wire wire;
  private BlobContainerClient container;

  @BeforeEach
  void start() throws IOException {
    AzuriteServer azurite = AzuriteServer.start();
    wire = new Wire(new JdkHttpClientBuilder().build());
    wire.heal();
    container = AzureClients.of(azurite.createContainer(), azurite.endpoint(), wire);
  }

  /** What befalls a request. */
  enum Fault {
    LOST_REQUEST,
    LOST_ANSWER,
    BUSY,
    ERROR_AFTERWARDS
  }

  /** Lets a fault strike the n-th request that publishes something, which is a PUT. */
  private void strike(Fault fault, int nth) {
    AtomicInteger writes = new AtomicInteger();
    wire.script(
        (request, next) -> {
          if (!Wire.isWrite(request) || writes.incrementAndGet() != nth) {
            return next.sendSync(request, Context.NONE);
          }
          if (fault == Fault.LOST_REQUEST) {
            throw new IOException("planted: lost on its way");
          }
          if (fault == Fault.BUSY) {
            return Wire.refuse(request, 503, "ServerBusy");
          }
          next.sendSync(request, Context.NONE).close();
          if (fault == Fault.LOST_ANSWER) {
            throw new IOException("planted: answer lost");
          }
          return Wire.refuse(request, 500, "OperationTimedOut");
        });
  }

  @ParameterizedTest
  @EnumSource
  void s13WriteWhoseAnswerIsLostIsASuccess(Fault fault) throws IOException {
    ObjectStore store = open(Duration.ofSeconds(20));
    byte[] small = content(1000);
    strike(fault, 1);
    ObjectInfo info = store.put(KEY, ObjectSource.of(small));
    assertThat(wire.requests()).hasSizeGreaterThan(1);
    assertThat(info.length()).isEqualTo(1000);
    assertContent(store, KEY, small);

    byte[] large = content(2 * BLOCK + 5);
    for (int nth = 1; nth <= 4; nth++) { // three blocks and their list
      ObjectKey key = new ObjectKey("uploaded/" + nth);
      strike(fault, nth);
      assertThat(store.put(key, ObjectSource.of(large)).length()).isEqualTo(large.length);
      assertContent(store, key, large);
    }
  }

  @ParameterizedTest
  @EnumSource
  void writeThatIsNotRepeatedSaysWhatIsKnown(Fault fault) throws IOException {
    ObjectStore store = open(Duration.ZERO);
    strike(fault, 1);
    ThrowingCallable put = () -> store.put(KEY, ObjectSource.of(content(10)));
    switch (fault) {
      case LOST_REQUEST -> // which this side cannot tell from a lost answer
          assertThatThrownBy(put).isInstanceOf(StorageException.OutcomeUnknown.class);
      case BUSY -> assertThatThrownBy(put).isInstanceOf(StorageException.Unavailable.class);
      default -> {
        assertThat(store.put(KEY, ObjectSource.of(content(10))).length()).isEqualTo(10);
        assertContent(store, KEY, content(10));
      }
    }
  }

  @Test
  void keyOfAnotherWriterIsTakenWhateverTheNetworkDid() throws IOException {
    ObjectStore store = open(Duration.ofSeconds(20));
    store.put(KEY, ObjectSource.of(content(10)));
    for (int length : new int[] {10, BLOCK + 1}) {
      strike(Fault.LOST_REQUEST, 1);
      assertThatThrownBy(() -> store.put(KEY, ObjectSource.of(content(length))))
          .isInstanceOf(StorageException.AlreadyExists.class);
    }
    assertContent(store, KEY, content(10));
  }

  @Test
  void writersOfOneKeyDoNotMixTheirBlocks() throws IOException {
    ObjectStore store = open(Duration.ofSeconds(20));
    byte[] first = content(2 * BLOCK + 1);
    byte[] second = content(2 * BLOCK + 2);
    try (ObjectUpload one = store.startUpload(KEY);
        ObjectUpload other = store.startUpload(KEY)) {
      one.body().write(first, 0, BLOCK + 1);
      other.body().write(second, 0, BLOCK + 1);
      one.body().write(first, BLOCK + 1, BLOCK);
      other.body().write(second, BLOCK + 1, BLOCK + 1);
      one.commit();
      assertThatThrownBy(other::commit).isInstanceOf(StorageException.AlreadyExists.class);
    }
    assertContent(store, KEY, first);
  }

  @Test
  void writeWhoseBlocksTheStoreForgotIsToBeRepeated() throws IOException {
    ObjectStore store = open(Duration.ofSeconds(20));
    try (ObjectUpload upload = store.startUpload(KEY)) {
      upload.body().write(content(2 * BLOCK + 1));
      wire.script(
          (request, next) ->
              String.valueOf(request.getUrl().getQuery()).contains("comp=blocklist")
                  ? Wire.refuse(request, 400, "InvalidBlockList")
                  : next.sendSync(request, Context.NONE));
      assertThatThrownBy(upload::commit)
          .isInstanceOfSatisfying(
              StorageException.class,
              e -> {
                assertThat(e.code()).isEqualTo("storage.upload-lost");
                assertThat(e.kind()).isEqualTo(FailureKind.TRANSIENT);
              });
    }
    assertThat(store.head(KEY)).isEmpty();
  }

  @Test
  void blocksThatWereLeftDoNotTakeTheName() throws IOException {
    ObjectStore store = open(Duration.ofSeconds(20));
    for (int length : new int[] {0, 10}) {
      ObjectKey key = new ObjectKey("left/" + length);
      ObjectUpload upload = store.startUpload(key);
      upload.body().write(content(2 * BLOCK));
      upload.close();
      assertThat(store.head(key)).isEmpty();
      assertThat(store.put(key, ObjectSource.of(content(length))).length()).isEqualTo(length);
      assertContent(store, key, content(length));
    }
  }

  @Test
  void containerThatIsGoneIsNotAnObjectThatIsNotThere() throws IOException {
    ObjectStore store = open(Duration.ofSeconds(20));
    ObjectUpload upload = store.startUpload(KEY);
    upload.body().write(content(10));
    container.delete();
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
            () -> open(Duration.ZERO));
    for (ThrowingCallable call : calls) {
      assertThatThrownBy(call)
          .isInstanceOfSatisfying(
              StorageException.class,
              e -> {
                assertThat(e.code()).isEqualTo("storage.place-missing");
                assertThat(e.kind()).isEqualTo(FailureKind.PERMANENT);
              });
    }
    assertThat(store.deleteAll(List.of(KEY)).get(KEY).code()).isEqualTo("storage.place-missing");
  }

  @Test
  void readGoesOnOverManyRequestsOfOneObject() throws IOException {
    ObjectStore store = open(Duration.ofSeconds(20));
    byte[] content = content(3 * BLOCK + 7);
    store.put(KEY, ObjectSource.of(content));
    AtomicInteger reads = new AtomicInteger();
    wire.script(
        (request, next) -> {
          if (reads.incrementAndGet() % 2 == 0) {
            throw new IOException("planted: the connection broke");
          }
          return next.sendSync(request, Context.NONE);
        });
    assertContent(store, KEY, content);
    assertThat(reads.get()).isGreaterThanOrEqualTo(7);
  }

  @Test
  void objectThatIsReplacedWhileItIsReadIsNotMixedUp() throws IOException {
    ObjectStore store = open(Duration.ofSeconds(20));
    store.put(KEY, ObjectSource.of(content(2 * BLOCK)));
    try (ObjectRead read = store.get(KEY)) {
      InputStream body = read.body();
      body.readNBytes(BLOCK);
      store.delete(KEY);
      store.put(KEY, ObjectSource.of(content(2 * BLOCK)));
      assertThatThrownBy(body::readAllBytes)
          .isInstanceOfSatisfying(
              StorageException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.DAMAGED));
    }
    try (ObjectRead read = store.get(KEY)) {
      InputStream body = read.body();
      body.readNBytes(BLOCK);
      store.delete(KEY);
      assertThatThrownBy(body::readAllBytes).isInstanceOf(StorageException.NotFound.class);
    }
  }

  @Test
  void archivedObjectIsOfflineUntilItWasAskedFor() throws IOException {
    ObjectStore store = open(Duration.ofSeconds(20));
    store.put(KEY, ObjectSource.of(content(10)), WriteOptions.plain().in(StorageTier.ARCHIVE));
    ObjectInfo info = store.head(KEY).orElseThrow();
    assertThat(info.tier()).isEqualTo(StorageTier.ARCHIVE);
    assertThat(info.readable()).isFalse();
    assertThat(info.requested()).isFalse();
    assertThat(info.thaw()).isEqualTo(Duration.ofHours(15));
    assertThat(store.list("", Optional.empty()).objects().get(0).readable()).isFalse();
    assertThatThrownBy(() -> store.get(KEY).close())
        .isInstanceOfSatisfying(
            StorageException.class, e -> assertThat(e.code()).isEqualTo("storage.offline"));

    store.requestReadable(KEY, Duration.ofDays(1));
    store.requestReadable(KEY, Duration.ofDays(1)); // changes nothing
    ObjectInfo asked = store.head(KEY).orElseThrow();
    assertThat(asked.requested() || asked.readable()).isTrue();
    assertThatThrownBy(() -> store.requestReadable(new ObjectKey("never/was"), Duration.ofDays(1)))
        .isInstanceOf(StorageException.NotFound.class);
  }

  @Test
  void nextPageStartsWhereTheStoreStopped() throws IOException {
    ObjectStore store = open(Duration.ofSeconds(20));
    for (int i = 0; i < 9; i++) {
      store.put(new ObjectKey("k/" + i), ObjectSource.of(new byte[0]));
    }
    wire.heal();
    ListPage first = store.list("k/", Optional.empty());
    ListPage second = store.list("k/", first.next());
    assertThat(keys(second)).containsExactly("k/4", "k/5", "k/6", "k/7");
    assertThat(wire.requests()).hasSize(2);
    assertThat(wire.requests().get(1).getUrl().getQuery()).contains("marker=");

    assertThat(keys(store.list("k/", Optional.of("k/6")))).containsExactly("k/7", "k/8");
    assertThat(wire.requests().get(2).getUrl().getQuery().toLowerCase(Locale.ROOT))
        .contains("startfrom=k/6");
  }

  private ObjectStore open(Duration patience) throws IOException {
    AzureBlobObjectStore.Builder builder =
        AzureBlobObjectStore.builder()
            .client(container)
            .pageSize(4)
            .blockBytes(BLOCK)
            .retryFor(patience);
    builder.stretchBytes = BLOCK;
    builder.firstWait = Duration.ofMillis(2);
    return builder.build();
  }

  private static List<String> keys(ListPage page) {
    return page.objects().stream().map(info -> info.key().value()).toList();
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
