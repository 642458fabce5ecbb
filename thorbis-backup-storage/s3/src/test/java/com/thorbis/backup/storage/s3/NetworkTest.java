package com.thorbis.backup.storage.s3;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.testkit.cloud.HttpFaultProxy;
import com.thorbis.backup.testkit.cloud.HttpFaultProxy.Fault;
import com.thorbis.backup.testkit.cloud.HttpFaultProxy.Request;
import com.thorbis.backup.testkit.cloud.S3Server;
import java.io.IOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is said over the network, and what becomes of it there. */
class NetworkTest {
  private static final ObjectKey KEY = new ObjectKey("some/object");
  private static final int PART = 5 << 20;

  private final S3Server server = TestServers.s3Proxy();
  private final String bucket = TestServers.nextBucket();
  private HttpFaultProxy proxy;

  @BeforeEach
  void startProxy() throws IOException {
    server.createBucket(bucket);
    proxy = HttpFaultProxy.before(server.endpoint());
  }

  @AfterEach
  void stopProxy() throws IOException {
    proxy.close();
  }

  private S3ObjectStore open(String checksums) throws IOException {
    Map<String, Object> settings = TestServers.settings(server, proxy.endpoint());
    settings.put("checksums", checksums);
    settings.put("part-size", "5MiB");
    return TestServers.impatient("s3://" + bucket + "/ours", settings);
  }

  @ParameterizedTest
  @ValueSource(strings = {"when-required", "none"})
  void s6AServerThatKnowsNoNewChecksumsIsServed(String checksums) throws IOException {
    proxy.script(
        request ->
            newer(request) || checksums.equals("none") && framed(request)
                ? Fault.answer(501, "<Error><Code>NotImplemented</Code></Error>")
                : Fault.none());
    byte[] content = new byte[PART + 1];
    content[7] = 1;
    try (S3ObjectStore store = open(checksums)) {
      store.put(new ObjectKey("a"), ObjectSource.of(Arrays.copyOf(content, 1000)));
      try (ObjectUpload upload = store.startUpload(KEY)) {
        upload.body().write(content);
        upload.commit();
      }
      try (ObjectRead read = store.get(KEY)) {
        assertThat(read.body().readAllBytes()).isEqualTo(content);
      }
      assertThat(store.deleteAll(List.of(KEY, new ObjectKey("a")))).isEmpty();
      assertThat(store.list("", Optional.empty()).objects()).isEmpty();
    }
    assertThat(proxy.requests())
        .filteredOn(
            request -> request.method().equals("PUT") || request.target().contains("?delete"))
        .hasSize(4)
        .allSatisfy(request -> assertThat(request.headers()).containsKey("content-md5"));
  }

  @Test
  void s6WhereTheNewChecksumsAreKnownTheyAreSent() throws IOException {
    try (S3ObjectStore store = open("when-supported")) {
      store.put(KEY, ObjectSource.of(new byte[1000]));
    }
    assertThat(proxy.requests()).anyMatch(NetworkTest::newer);
  }

  private static boolean newer(Request request) {
    return request.headers().keySet().stream()
            .anyMatch(
                name ->
                    name.equals("x-amz-trailer")
                        || name.equals("x-amz-sdk-checksum-algorithm")
                        || name.startsWith("x-amz-checksum-"))
        || request.headers().getOrDefault("x-amz-content-sha256", "").endsWith("TRAILER");
  }

  private static boolean framed(Request request) {
    return request.headers().getOrDefault("content-encoding", "").contains("aws-chunked")
        || request.headers().getOrDefault("x-amz-content-sha256", "").startsWith("STREAMING");
  }

  @Test
  void s13AWriteWhoseAnswerWasLostMeetsItsOwnSuccess() throws IOException {
    try (S3ObjectStore store = open("when-required")) {
      proxy.script(request -> request.number() == 1 ? Fault.lostAnswer() : Fault.none());
      ObjectInfo info = store.put(KEY, ObjectSource.of(new byte[10]));
      assertThat(info.length()).isEqualTo(10);
      assertThat(proxy.requests())
          .extracting(Request::method)
          .as("refused, and then known by its id")
          .containsExactly("PUT", "PUT", "HEAD");
      assertThatThrownBy(() -> store.put(KEY, ObjectSource.of(new byte[10])))
          .isInstanceOf(StorageException.AlreadyExists.class);
    }
  }

  @Test
  void s4AnErrorThatComesWithAGoodStatusIsAnError() throws IOException {
    try (S3ObjectStore store = open("when-required");
        ObjectUpload upload = store.startUpload(KEY)) {
      upload.body().write(new byte[PART + 1]);
      proxy.script(
          request ->
              request.target().contains("uploadId=") && request.method().equals("POST")
                  ? Fault.answer(200, "<Error><Code>InternalError</Code></Error>")
                  : Fault.none());
      assertThatThrownBy(upload::commit).isInstanceOf(StorageException.OutcomeUnknown.class);
      assertThat(store.head(KEY)).isEmpty();
    }
  }

  @Test
  void s11WhatABrokenWriterLeftIsDiscardedBelowThePrefixAlone() throws IOException {
    Map<String, Object> settings = TestServers.settings(server, server.endpoint());
    settings.put("part-size", "5MiB");
    try (S3ObjectStore store = open("when-required");
        S3ObjectStore neighbour = TestServers.open("s3://" + bucket + "/ours2", settings);
        ObjectUpload theirs = neighbour.startUpload(KEY)) {
      theirs.body().write(new byte[PART + 1]);
      // Its abort is lost, as when its process dies.
      proxy.script(
          request ->
              request.method().equals("DELETE")
                  ? Fault.answer(403, "<Error><Code>AccessDenied</Code></Error>")
                  : Fault.none());
      ObjectUpload broken = store.startUpload(KEY);
      broken.body().write(new byte[PART + 1]);
      broken.close();
      proxy.script(request -> Fault.none());

      assertThat(store.discardStaleUploads("", store.now().minus(Duration.ofHours(1)))).isZero();
      assertThat(store.discardStaleUploads("other", store.now().plusSeconds(60))).isZero();
      assertThat(store.discardStaleUploads("some/", store.now().plusSeconds(60))).isEqualTo(1);
      assertThat(store.discardStaleUploads("", store.now().plusSeconds(60))).isZero();
      assertThat(theirs.commit().length()).isEqualTo(PART + 1);
    }
  }

  @Test
  void anUploadThatIsClosedTakesItsPartsWithIt() throws IOException {
    try (S3ObjectStore store = open("when-required")) {
      ObjectUpload upload = store.startUpload(KEY);
      upload.body().write(new byte[2 * PART + 1]);
      upload.close();
      assertThat(store.discardStaleUploads("", store.now().plusSeconds(60))).isZero();
      assertThat(store.head(KEY)).isEmpty();
    }
  }

  @Test
  void whatIsNotReadToItsEndIsNotFetchedToItsEnd() throws IOException {
    try (S3ObjectStore store = open("when-required")) {
      store.put(KEY, ObjectSource.of(new byte[PART]));
      store.put(new ObjectKey("other"), ObjectSource.of(new byte[1]));
      for (int i = 0; i < 100; i++) { // more than there are connections
        ObjectRead read = store.get(KEY);
        assertThat(read.body().read()).isZero();
        read.close();
        read.close();
        assertThatThrownBy(() -> read.body().read()).isInstanceOf(IOException.class);
      }
      assertThat(store.head(new ObjectKey("other"))).isPresent();
    }
  }

  @Test
  void anAbsentObjectInABucketThatIsGoneIsNotAbsent() throws IOException {
    try (S3ObjectStore store = open("when-required")) {
      assertThat(store.head(KEY)).isEmpty();
      proxy.script(
          request ->
              Fault.answer(
                  404,
                  request.method().equals("HEAD")
                      ? ""
                      : "<Error><Code>NoSuchBucket</Code></Error>"));
      assertThatThrownBy(() -> store.head(KEY))
          .isInstanceOfSatisfying(
              StorageException.class, e -> assertThat(e.code()).isEqualTo("storage.place-missing"));
      assertThatThrownBy(store::createPlace)
          .isInstanceOfSatisfying(
              StorageException.class, e -> assertThat(e.code()).isEqualTo("storage.place-missing"));
    }
  }
}
