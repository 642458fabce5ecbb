package com.thorbis.backup.storage.s3;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.testkit.cloud.HttpFaultProxy;
import com.thorbis.backup.testkit.cloud.HttpFaultProxy.Fault;
import com.thorbis.backup.testkit.cloud.S3Server;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every operation, every fault, at every request of the operation: once, and from there on. What it
 * says of its outcome is true, and stays true when what was held back arrives.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class FaultsTest {
  private static final ObjectKey KEY = new ObjectKey("some/object");
  private static final ObjectKey OTHER = new ObjectKey("some/other");
  private static final ObjectKey ABSENT = new ObjectKey("some/absent");
  private static final int PART = 5 << 20;
  private static final byte[] SMALL = bytes(3000);
  private static final byte[] LONG = bytes(2 * PART + 1);
  // The long one takes a hundred times as long as the others.
  private static final boolean RELEASE = Boolean.getBoolean("thorbis.release");
  private static final int SHARE = RELEASE ? 1 : 24;
  private static final int FEW = RELEASE ? 1 : 3;
  private static final int MOST_LASTING = RELEASE ? 8 : 1;

  private final S3Server server = TestServers.s3Proxy();
  private HttpFaultProxy proxy;
  private S3ObjectStore straight;
  private S3ObjectStore through;
  private String bucket;
  private int cases;

  /** What is done, and what must be true then. */
  private record Operation(String name, int share, Needs needs, Act act, Truth truth) {
    @Override
    public String toString() {
      return name;
    }
  }

  /** What has to lie there. */
  private enum Needs {
    /** Nothing, in a place of its own. */
    NOTHING,
    /** Objects that nothing changes, in a place that all share. */
    KEPT,
    /** Objects in a place of its own. */
    OWN
  }

  /** Does it; what comes back is seen by the check. */
  @FunctionalInterface
  private interface Act {
    Object on(S3ObjectStore store) throws IOException;
  }

  /** Looks at the objects themselves, past the faults. */
  @FunctionalInterface
  private interface Truth {
    void check(S3ObjectStore direct, Object result, StorageException failure) throws IOException;
  }

  private static Stream<Operation> operations() {
    return Stream.of(
        new Operation(
            "put",
            1,
            Needs.NOTHING,
            store -> store.put(KEY, ObjectSource.of(SMALL)),
            written(SMALL)),
        new Operation(
            "upload of one part",
            1,
            Needs.NOTHING,
            store -> upload(store, KEY, SMALL),
            written(SMALL)),
        new Operation(
            "upload of three parts",
            SHARE,
            Needs.NOTHING,
            store -> upload(store, KEY, LONG),
            written(LONG)),
        new Operation(
            "put to a taken key",
            1,
            Needs.KEPT,
            store -> store.put(OTHER, ObjectSource.of(SMALL)),
            taken()),
        new Operation(
            "upload to a taken key", 1, Needs.KEPT, store -> upload(store, OTHER, SMALL), taken()),
        new Operation("get", 1, Needs.KEPT, store -> read(store.get(OTHER)), delivered(0, 4000)),
        new Operation(
            "range",
            1,
            Needs.KEPT,
            store -> read(store.get(OTHER, new ByteRange(1000, 2000))),
            delivered(1000, 3000)),
        new Operation(
            "head",
            1,
            Needs.KEPT,
            store -> store.head(OTHER).map(ObjectInfo::length),
            (direct, result, failure) -> assertAnswer(result, Optional.of(4000L), failure)),
        new Operation(
            "head of nothing",
            1,
            Needs.KEPT,
            store -> store.head(ABSENT).map(ObjectInfo::length),
            (direct, result, failure) -> assertAnswer(result, Optional.empty(), failure)),
        new Operation(
            "list",
            1,
            Needs.KEPT,
            FaultsTest::listed,
            (direct, result, failure) -> assertAnswer(result, listed(direct), failure)),
        new Operation(
            "delete",
            FEW,
            Needs.OWN,
            store -> {
              store.delete(OTHER);
              return true;
            },
            (direct, result, failure) -> {
              assertThat(direct.head(OTHER).isPresent())
                  .isIn(failure == null ? Set.of(false) : Set.of(false, true));
              assertThat(listed(direct)).contains("many/3");
            }),
        new Operation(
            "delete of many",
            FEW,
            Needs.OWN,
            store ->
                store.deleteAll(List.of(new ObjectKey("many/1"), new ObjectKey("many/2"), ABSENT)),
            (direct, result, failure) -> {
              for (String key : List.of("many/1", "many/2")) {
                boolean said =
                    failure == null && !((Map<?, ?>) result).containsKey(new ObjectKey(key));
                assertThat(listed(direct).contains(key))
                    .isIn(said ? Set.of(false) : Set.of(false, true));
              }
              assertThat(listed(direct)).contains("many/3", OTHER.value());
            }));
  }

  private static Map<String, Fault> faults() {
    String error =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code>"
            + "<Message>planted</Message><RequestId>42</RequestId></Error>";
    Map<String, Fault> faults = new LinkedHashMap<>();
    faults.put("lost request", Fault.lostRequest());
    faults.put("request cut at once", Fault.cutRequest(0));
    faults.put("request cut later", Fault.cutRequest(1500));
    faults.put("lost answer", Fault.lostAnswer());
    faults.put("answer cut at once", Fault.cutAnswer(0));
    faults.put("answer cut later", Fault.cutAnswer(700));
    faults.put("delay", Fault.delay(Duration.ofMillis(1)));
    faults.put("duplicate", Fault.duplicate());
    faults.put("late by one", Fault.late(1));
    faults.put("late for long", Fault.late(1000));
    faults.put("503", Fault.answer(503, error.formatted("SlowDown"), "Retry-After: 1"));
    faults.put("429", Fault.answer(429, error.formatted("TooManyRequests"), "Retry-After: 1"));
    faults.put("500", Fault.answer(500, error.formatted("InternalError")));
    faults.put("502 of a balancer", Fault.answer(502, "<html>Bad gateway</html>"));
    faults.put("400 expired", Fault.answer(400, error.formatted("ExpiredToken")));
    faults.put("403", Fault.answer(403, error.formatted("AccessDenied")));
    faults.put("404 of the bucket", Fault.answer(404, error.formatted("NoSuchBucket")));
    faults.put("404 of a balancer", Fault.answer(404, "<html>Not found</html>"));
    faults.put("409", Fault.answer(409, error.formatted("ConditionalRequestConflict")));
    faults.put("200 with an error", Fault.answer(200, error.formatted("InternalError")));
    faults.put("200 with nothing", Fault.answer(200, ""));
    faults.put("done, and 500", Fault.answerAfterwards(500, error.formatted("InternalError")));
    faults.put("done, and 503", Fault.answerAfterwards(503, "<html>Busy</html>"));
    faults.put(
        "done, and 200 with an error",
        Fault.answerAfterwards(200, error.formatted("InternalError")));
    return faults;
  }

  @BeforeAll
  void startProxy() throws IOException {
    proxy = HttpFaultProxy.before(server.endpoint());
    bucket = TestServers.nextBucket();
    server.createBucket(bucket);
    straight = open(server.endpoint());
    through = open(proxy.endpoint());
    try (S3ObjectStore kept = below("kept", straight)) {
      fill(kept);
    }
  }

  @AfterAll
  void stopProxy() throws IOException {
    straight.close();
    through.close();
    proxy.close();
  }

  @ParameterizedTest
  @MethodSource("operations")
  void whatIsSaidIsTrue(Operation operation) throws IOException {
    List<String> lies = new ArrayList<>();
    int done = 0;
    for (Map.Entry<String, Fault> fault : faults().entrySet()) {
      for (boolean lasting : new boolean[] {false, true}) {
        boolean struck = true;
        for (int request = 1; struck; request++) {
          if (++cases % operation.share != 0) {
            struck = request < 8; // what is left out of the share
            continue;
          }
          String title = fault.getKey() + (lasting ? " from request " : " at request ") + request;
          struck = run(operation, title, fault.getValue(), request, lasting, lies);
          done++;
          if (lasting && request == MOST_LASTING) {
            break; // whatever comes after is the same again
          }
        }
      }
    }
    assertThat(lies).isEmpty();
    assertThat(done).isGreaterThan(10);
  }

  /** Whether the fault struck. */
  private boolean run(
      Operation operation, String title, Fault fault, int at, boolean lasting, List<String> lies)
      throws IOException {
    String prefix = operation.needs == Needs.KEPT ? "kept" : "case-" + cases;
    try (S3ObjectStore direct = below(prefix, straight);
        S3ObjectStore faulty = below(prefix, through)) {
      if (operation.needs == Needs.OWN) {
        fill(direct);
      }
      proxy.script(
          request ->
              request.number() == at || lasting && request.number() > at ? fault : Fault.none());
      Object result = null;
      StorageException failure = null;
      try {
        result = operation.act.on(faulty);
      } catch (StorageException e) {
        failure = e;
      } catch (RuntimeException e) {
        lies.add(title + ": " + e);
      }
      int requests = proxy.requests().size();
      try {
        operation.truth.check(direct, result, failure);
        if (proxy.deliver() > 0) {
          operation.truth.check(direct, result, failure);
        }
      } catch (AssertionError e) {
        lies.add(
            title + ": " + (failure == null ? "said " + result : failure) + ": " + e.getMessage());
      }
      if (operation.needs != Needs.KEPT) {
        clear(direct);
      }
      return requests >= at;
    }
  }

  private S3ObjectStore open(URI endpoint) throws IOException {
    return TestServers.open("s3://" + bucket, TestServers.settings(server, endpoint));
  }

  private S3ObjectStore below(String prefix, S3ObjectStore connected) {
    return S3ObjectStore.builder()
        .client(connected.client())
        .bucket(bucket)
        .prefix(prefix)
        .contentMd5(true)
        .tiers(false)
        .partSize(PART)
        .retries(2)
        .pause(time -> {})
        .build();
  }

  private static void fill(S3ObjectStore direct) throws IOException {
    direct.put(OTHER, ObjectSource.of(Arrays.copyOf(LONG, 4000)));
    for (int i = 1; i <= 3; i++) {
      direct.put(new ObjectKey("many/" + i), ObjectSource.of(SMALL));
    }
  }

  /** The server keeps everything in memory. */
  private static void clear(S3ObjectStore direct) throws IOException {
    direct.discardStaleUploads("", Instant.now().plus(Duration.ofDays(1)));
    for (String key : listed(direct)) {
      direct.delete(new ObjectKey(key));
    }
  }

  private static Truth written(byte[] content) {
    return (direct, result, failure) -> {
      Optional<ObjectInfo> there = direct.head(KEY);
      if (failure == null) {
        assertThat(there).isPresent();
      } else {
        assertThat(failure).isNotInstanceOf(StorageException.AlreadyExists.class);
        if (!(failure instanceof StorageException.OutcomeUnknown)) {
          assertThat(there).as("what was not written").isEmpty();
        }
      }
      if (there.isPresent()) {
        assertThat(Arrays.equals(read(direct.get(KEY)), content)).as("whole").isTrue();
      }
    };
  }

  private static Truth taken() {
    return (direct, result, failure) -> {
      assertThat(failure).isNotNull();
      assertThat(Arrays.equals(read(direct.get(OTHER)), Arrays.copyOf(LONG, 4000))).isTrue();
    };
  }

  private static Truth delivered(int from, int to) {
    return (direct, result, failure) -> {
      if (failure == null) {
        assertThat(Arrays.equals((byte[]) result, Arrays.copyOfRange(LONG, from, to))).isTrue();
      } else {
        assertThat(failure).isNotInstanceOf(StorageException.NotFound.class);
      }
    };
  }

  private static void assertAnswer(Object result, Object right, StorageException failure) {
    if (failure == null) {
      assertThat(result).isEqualTo(right);
    } else {
      assertThat(failure).isNotInstanceOf(StorageException.NotFound.class);
    }
  }

  private static ObjectInfo upload(S3ObjectStore store, ObjectKey key, byte[] content)
      throws IOException {
    try (ObjectUpload upload = store.startUpload(key)) {
      upload.body().write(content);
      return upload.commit();
    }
  }

  private static byte[] read(ObjectRead read) throws IOException {
    try (read) {
      return read.body().readAllBytes();
    }
  }

  private static List<String> listed(S3ObjectStore store) throws IOException {
    List<String> keys = new ArrayList<>();
    Optional<String> after = Optional.empty();
    do {
      ListPage page = store.list("", after);
      page.objects().forEach(info -> keys.add(info.key().value()));
      after = page.next();
    } while (after.isPresent());
    return keys;
  }

  private static byte[] bytes(int length) {
    byte[] bytes = new byte[length];
    new Random(length).nextBytes(bytes);
    return bytes;
  }
}
