package com.thorbis.backup.storage.azure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.azure.core.http.HttpClient;
import com.azure.core.http.HttpHeaderName;
import com.azure.core.http.HttpRequest;
import com.azure.core.http.HttpResponse;
import com.azure.storage.blob.BlobContainerClient;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.StoreCapability;
import com.thorbis.backup.spi.storage.WriteOptions;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the vendor's emulator does not have, by the requests that are made. */
class AzureBlobObjectStoreTest {
  private static final ObjectKey KEY = new ObjectKey("some/object");
  private static final Instant UNTIL = Instant.parse("2031-05-01T10:00:00.250Z");
  private static final String ROUNDED = "Thu, 01 May 2031 10:00:01 GMT";
  private static final String ADDED = "Thu, 26 Nov 2026 08:00:00 GMT";

  private final Wire wire = Wire.alone(AzureBlobObjectStoreTest::emptyContainer);

  @ParameterizedTest
  @ValueSource(ints = {1 << 20, 8 << 20, 64 << 20, 1 << 30})
  void asManyBlocksAsThereMayBeHoldFourTebibytes(int first) {
    long all = 0;
    int largest = 0;
    for (int number = 0; number < Upload.MOST_BLOCKS; number++) {
      int bytes = Upload.blockBytes(number, first);
      assertThat(bytes).isGreaterThanOrEqualTo(largest).isLessThanOrEqualTo(4000 << 20 >>> 1);
      largest = bytes;
      all = Math.addExact(all, bytes);
    }
    assertThat(all).isGreaterThanOrEqualTo(4L << 40);
    assertThat(Upload.blockBytes(0, first)).isEqualTo(first);
  }

  @Test
  void lockIsPartOfTheWriteItself() throws IOException {
    ObjectStore store = open();
    WriteOptions locked = WriteOptions.plain().lockedUntil(UNTIL);
    assertThat(store.put(KEY, ObjectSource.of(new byte[10]), locked).lockedUntil())
        .hasValue(Instant.parse("2031-05-01T10:00:01Z"));
    HttpRequest put = last();
    assertThat(put.getUrl().getQuery()).isNull();
    assertLocked(put, "Locked");
    assertThat(header(put, "If-None-Match")).isEqualTo("*");

    try (ObjectUpload upload = store.startUpload(KEY, locked)) {
      upload.body().write(new byte[(1 << 20) + 1]);
      upload.commit();
    }
    assertThat(last().getUrl().getQuery()).contains("comp=blocklist");
    assertLocked(last(), "Locked");
    assertThat(header(last(), "If-None-Match")).isEqualTo("*");
  }

  @Test
  void lockGrowsOnlyAndKeepsItsMode() throws IOException {
    ObjectStore store = open();
    wire.script((request, next) -> found(request, "locked", "Wed, 30 Apr 2031 10:00:00 GMT"));
    assertThat(store.head(KEY).orElseThrow().lockedUntil())
        .hasValue(Instant.parse("2031-04-30T10:00:00Z"));
    store.extendLock(KEY, UNTIL);
    assertThat(last().getUrl().getQuery()).contains("comp=immutabilityPolicies");
    assertLocked(last(), "Locked");

    wire.script((request, next) -> found(request, "unlocked", "Fri, 02 May 2031 10:00:00 GMT"));
    store.extendLock(KEY, UNTIL);
    assertThat(wire.requests()).hasSize(1); // the look: it is locked for longer
  }

  @Test
  void lockThatCanBeEndedIsAskedForAsSuch() throws IOException {
    ObjectStore store = builder().unlockedPolicies().build();
    store.put(KEY, ObjectSource.of(new byte[10]), WriteOptions.plain().lockedUntil(UNTIL));
    assertLocked(last(), "Unlocked");
  }

  @ParameterizedTest
  @ValueSource(strings = {"BlobImmutableDueToPolicy", "BlobHasLegalHold"})
  void refusalBecauseOfALockIsToldAsOne(String code) throws IOException {
    ObjectStore store = open();
    wire.script((request, next) -> Wire.refuse(request, 409, code));
    assertThatThrownBy(() -> store.delete(KEY))
        .isInstanceOfSatisfying(
            StorageException.class, e -> assertThat(e.code()).isEqualTo("storage.locked"));
    assertThat(store.deleteAll(List.of(KEY)).get(KEY).code()).isEqualTo("storage.locked");
  }

  @Test
  void deletedObjectsAreThoseOfWhichNothingElseIsLeft() throws IOException {
    ObjectStore store = open();
    String listing =
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults><Blobs>"
            + blob("some/gone", true)
            + blob("some/replaced", true)
            + blob("some/replaced", false)
            + blob("some/there", false)
            + blob("some/twice", true)
            + blob("some/twice", true)
            + "</Blobs><NextMarker/></EnumerationResults>";
    wire.script(
        (request, next) ->
            Wire.say(request, 200, listing, Map.of("Content-Type", "application/xml")));
    ListPage page = store.listDeleted("some/", Optional.empty());
    assertThat(page.objects())
        .extracting(info -> info.key().value())
        .containsExactly("some/gone", "some/twice");
    assertThat(last().getUrl().getQuery()).contains("deleted");
    assertThat(page.next()).isEmpty();

    page = store.listDeleted("some/", Optional.of("some/gone"));
    assertThat(page.objects()).extracting(info -> info.key().value()).containsExactly("some/twice");
  }

  @Test
  void undeleteNeedsAFreeKeyAndSomethingToBringBack() throws IOException {
    ObjectStore store = open();
    wire.script(
        (request, next) ->
            request.getHttpMethod().name().equals("HEAD")
                ? Wire.refuse(request, 404, "BlobNotFound")
                : Wire.say(request, 200, "", Map.of()));
    store.undelete(KEY);
    assertThat(last().getUrl().getQuery()).contains("comp=undelete");

    wire.script((request, next) -> Wire.refuse(request, 404, "BlobNotFound"));
    assertThatThrownBy(() -> store.undelete(KEY)).isInstanceOf(StorageException.NotFound.class);
    wire.script((request, next) -> found(request, "unlocked", ADDED));
    assertThatThrownBy(() -> store.undelete(KEY))
        .isInstanceOf(StorageException.AlreadyExists.class);
  }

  @Test
  void whatTheHostDoesNotSayIsNotClaimed() throws IOException {
    ObjectStore store = AzureBlobObjectStore.builder().client(client()).build();
    assertThat(store.capabilities()).containsExactly(StoreCapability.TIERS);
    assertThat(open().capabilities())
        .containsExactlyInAnyOrder(
            StoreCapability.TIERS, StoreCapability.LOCK, StoreCapability.UNDELETE);
  }

  @Test
  void busyStoreIsLeftAloneForAsLongAsItAsks() throws IOException {
    ObjectStore store = open();
    wire.script(
        (request, next) ->
            Wire.say(
                request, 503, "", Map.of("x-ms-error-code", "ServerBusy", "Retry-After", "600")));
    assertThatThrownBy(() -> store.head(KEY)).isInstanceOf(StorageException.Unavailable.class);
    assertThat(wire.requests()).hasSize(1); // ten minutes are beyond our patience
  }

  private static HttpResponse emptyContainer(HttpRequest request, HttpClient next) {
    return switch (request.getHttpMethod().name()) {
      case "GET" ->
          Wire.say(
              request,
              200,
              "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults><Blobs/>"
                  + "<NextMarker/></EnumerationResults>",
              Map.of("Content-Type", "application/xml"));
      case "PUT" -> Wire.say(request, 201, "", Map.of("Last-Modified", ADDED, "ETag", "\"1\""));
      default -> Wire.refuse(request, 404, "BlobNotFound");
    };
  }

  private static HttpResponse found(HttpRequest request, String mode, String until) {
    return Wire.say(
        request,
        200,
        "",
        Map.of(
            "Last-Modified",
            ADDED,
            "ETag",
            "\"1\"",
            "x-ms-blob-type",
            "BlockBlob",
            "x-ms-immutability-policy-mode",
            mode,
            "x-ms-immutability-policy-until-date",
            until));
  }

  private static String blob(String name, boolean deleted) {
    return "<Blob><Name>"
        + name
        + "</Name><Deleted>"
        + deleted
        + "</Deleted><Properties><Last-Modified>"
        + ADDED
        + "</Last-Modified><Content-Length>3</Content-Length></Properties></Blob>";
  }

  private static void assertLocked(HttpRequest request, String mode) {
    assertThat(header(request, "x-ms-immutability-policy-until-date")).isEqualTo(ROUNDED);
    assertThat(header(request, "x-ms-immutability-policy-mode")).isEqualToIgnoringCase(mode);
  }

  private static String header(HttpRequest request, String name) {
    return request.getHeaders().getValue(HttpHeaderName.fromString(name));
  }

  private HttpRequest last() {
    return wire.requests().get(wire.requests().size() - 1);
  }

  private BlobContainerClient client() {
    return AzureClients.of("backups", URI.create("http://127.0.0.1:1"), wire);
  }

  private AzureBlobObjectStore.Builder builder() {
    return AzureBlobObjectStore.builder()
        .client(client())
        .blockBytes(1 << 20)
        .versionImmutability()
        .softDelete()
        .retryFor(Duration.ofSeconds(5));
  }

  private ObjectStore open() throws IOException {
    return builder().build();
  }
}
