package com.thorbis.backup.testkit.cloud;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.testkit.cloud.HttpFaultProxy.Fault;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/**
 * Every operation of a store, every fault of the network, at every request of the operation: once,
 * and from there on. What it says of its outcome is true, and stays true when what was held back
 * arrives.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class ObjectStoreFaultContract {
  private static final ObjectKey KEY = new ObjectKey("some/object");
  private static final ObjectKey OTHER = new ObjectKey("some/other");
  private static final ObjectKey ABSENT = new ObjectKey("some/absent");
  private static final byte[] SMALL = bytes(3000);
  private static final byte[] THERE = bytes(4000);
  private static final boolean RELEASE = Boolean.getBoolean("thorbis.release");
  private static final int MOST_LASTING = RELEASE ? 8 : 1;

  private URI direct;
  private HttpFaultProxy proxy;
  private ObjectStore kept;
  private ObjectStore keptThrough;
  private int cases;

  /** For subclasses. */
  @SuppressWarnings("NullAway.Init") // opened before all tests
  protected ObjectStoreFaultContract() {}

  /** Starts the server. */
  protected abstract URI startServer() throws IOException;

  /** Opens a place below a prefix, with at most three attempts and next to no waiting. */
  protected abstract ObjectStore open(URI endpoint, String prefix) throws IOException;

  /** The length of content that takes three pieces. */
  protected abstract int longContent();

  /** Of how many cases with long content one is tried; all of them before a release. */
  protected int longShare() {
    return 4;
  }

  /** Removes what uploads that failed have left, where the server keeps it. */
  protected void discardUploads(ObjectStore store) throws IOException {}

  /** How the service words an error. */
  protected abstract String error(int status);

  /** What is done, and what must be true then. */
  private record Operation(String name, int share, boolean changes, Act act, Truth truth) {}

  /** Does it; what comes back is seen by the check. */
  @FunctionalInterface
  private interface Act {
    Object on(ObjectStore store) throws IOException;
  }

  /** Looks at the objects themselves, past the faults. */
  @FunctionalInterface
  private interface Truth {
    void check(ObjectStore direct, @Nullable Object result, @Nullable StorageException failure)
        throws IOException;
  }

  @BeforeAll
  final void start() throws IOException {
    direct = startServer();
    proxy = HttpFaultProxy.before(direct);
    kept = open(direct, "kept");
    fill(kept);
    keptThrough = open(proxy.endpoint(), "kept");
  }

  @AfterAll
  final void stop() throws IOException {
    kept.close();
    keptThrough.close();
    proxy.close();
  }

  @Test
  void whatAWriteSaysIsTrue() throws IOException {
    byte[] content = bytes(longContent());
    assertTruthful(
        new Operation("put", 1, true, to -> to.put(KEY, ObjectSource.of(SMALL)), written(SMALL)),
        new Operation("upload", 1, true, to -> upload(to, KEY, SMALL), written(SMALL)),
        new Operation(
            "long upload", longShare(), true, to -> upload(to, KEY, content), written(content)));
  }

  @Test
  void whatIsThereIsNeverReplaced() throws IOException {
    byte[] content = bytes(longContent());
    assertTruthful(
        new Operation("put", 1, false, to -> to.put(OTHER, ObjectSource.of(SMALL)), taken()),
        new Operation("upload", 1, false, to -> upload(to, OTHER, SMALL), taken()),
        new Operation(
            "long upload", longShare(), false, to -> upload(to, OTHER, content), taken()));
  }

  @Test
  void whatIsReadIsWhatIsThere() throws IOException {
    assertTruthful(
        new Operation("get", 1, false, from -> read(from.get(OTHER)), delivered(0, 4000)),
        new Operation(
            "range",
            1,
            false,
            from -> read(from.get(OTHER, new ByteRange(1000, 2000))),
            delivered(1000, 3000)),
        new Operation(
            "head",
            1,
            false,
            at -> at.head(OTHER).map(ObjectInfo::length),
            (there, result, failure) -> assertAnswer(result, Optional.of(4000L), failure)),
        new Operation(
            "head of nothing",
            1,
            false,
            at -> at.head(ABSENT).map(ObjectInfo::length),
            (there, result, failure) -> assertAnswer(result, Optional.empty(), failure)),
        new Operation(
            "list",
            1,
            false,
            ObjectStoreFaultContract::listed,
            (there, result, failure) -> assertAnswer(result, listed(there), failure)));
  }

  @Test
  void whatIsSaidToBeGoneIsGone() throws IOException {
    assertTruthful(
        new Operation(
            "delete",
            2,
            true,
            in -> {
              in.delete(OTHER);
              return true;
            },
            (there, result, failure) -> {
              assertThat(there.head(OTHER).isPresent())
                  .isIn(failure == null ? Set.of(false) : Set.of(false, true));
              assertThat(listed(there)).contains("many/3");
            }),
        new Operation(
            "delete of many",
            5,
            true,
            in -> in.deleteAll(List.of(new ObjectKey("many/1"), new ObjectKey("many/2"), ABSENT)),
            (there, result, failure) -> {
              for (String key : List.of("many/1", "many/2")) {
                boolean said =
                    result instanceof Map<?, ?> failed && !failed.containsKey(new ObjectKey(key));
                assertThat(listed(there).contains(key))
                    .isIn(said ? Set.of(false) : Set.of(false, true));
              }
              assertThat(listed(there)).contains("many/3", OTHER.value());
            }));
  }

  private Map<String, Fault> faults() {
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
    faults.put("503", Fault.answer(503, error(503)));
    faults.put("429", Fault.answer(429, error(429)));
    faults.put("500", Fault.answer(500, error(500)));
    faults.put("502 of a balancer", Fault.answer(502, "<html>Bad gateway</html>"));
    faults.put("400", Fault.answer(400, error(400)));
    faults.put("403", Fault.answer(403, error(403)));
    faults.put("404 of the place", Fault.answer(404, error(404)));
    faults.put("404 of a balancer", Fault.answer(404, "<html>Not found</html>"));
    faults.put("409", Fault.answer(409, error(409)));
    faults.put("200 with an error", Fault.answer(200, error(500)));
    faults.put("200 with nothing", Fault.answer(200, ""));
    faults.put("done, and 500", Fault.answerAfterwards(500, error(500)));
    faults.put("done, and 503", Fault.answerAfterwards(503, "<html>Busy</html>"));
    faults.put("done, and 200 with an error", Fault.answerAfterwards(200, error(500)));
    return faults;
  }

  private void assertTruthful(Operation... operations) throws IOException {
    List<String> lies = new ArrayList<>();
    int done = 0;
    for (Operation operation : operations) {
      for (Map.Entry<String, Fault> fault : faults().entrySet()) {
        for (boolean lasting : new boolean[] {false, true}) {
          boolean struck = true;
          for (int request = 1; struck && (!lasting || request <= MOST_LASTING); request++) {
            if (++cases % (RELEASE ? 1 : operation.share) != 0) {
              struck = request < 8; // what is left out of the share
              continue;
            }
            String title =
                operation.name + ": " + fault.getKey() + (lasting ? " from " : " at ") + request;
            struck = run(operation, title, fault.getValue(), request, lasting, lies);
            done++;
          }
        }
      }
    }
    assertThat(lies).isEmpty();
    assertThat(done).isGreaterThan(20);
  }

  /** Whether the fault struck. */
  private boolean run(
      Operation operation, String title, Fault fault, int at, boolean lasting, List<String> lies)
      throws IOException {
    proxy.script(request -> Fault.none());
    ObjectStore there = operation.changes ? open(direct, "case-" + cases) : kept;
    ObjectStore faulty = operation.changes ? open(proxy.endpoint(), "case-" + cases) : keptThrough;
    if (operation.changes && !operation.name.matches("put|upload|long upload")) {
      fill(there);
    }
    proxy.script(
        request ->
            request.number() == at || lasting && request.number() > at ? fault : Fault.none());
    @Nullable Object result = null;
    @Nullable StorageException failure = null;
    try {
      result = operation.act.on(faulty);
    } catch (StorageException e) {
      failure = e;
    } catch (RuntimeException e) {
      lies.add(title + ": " + e);
    }
    int requests = proxy.requests().size();
    try {
      operation.truth.check(there, result, failure);
      if (proxy.deliver() > 0) {
        operation.truth.check(there, result, failure);
      }
    } catch (AssertionError e) {
      lies.add(
          title + ": " + (failure == null ? "said " + result : failure) + ": " + e.getMessage());
    }
    if (operation.changes) {
      discardUploads(there);
      for (String key : listed(there)) { // the server keeps everything in memory
        there.delete(new ObjectKey(key));
      }
      there.close();
      faulty.close();
    }
    return requests >= at;
  }

  private static void fill(ObjectStore store) throws IOException {
    store.put(OTHER, ObjectSource.of(THERE));
    for (int i = 1; i <= 3; i++) {
      store.put(new ObjectKey("many/" + i), ObjectSource.of(SMALL));
    }
  }

  private static Truth written(byte[] content) {
    return (there, result, failure) -> {
      boolean present = there.head(KEY).isPresent();
      if (failure == null) {
        assertThat(present).as("what was written").isTrue();
      } else {
        assertThat(failure).isNotInstanceOf(StorageException.AlreadyExists.class);
        if (!(failure instanceof StorageException.OutcomeUnknown)) {
          assertThat(present).as("what was not written").isFalse();
        }
      }
      if (present) {
        assertThat(Arrays.equals(read(there.get(KEY)), content)).as("whole").isTrue();
      }
    };
  }

  private static Truth taken() {
    return (there, result, failure) -> {
      assertThat(failure).isNotNull();
      assertThat(Arrays.equals(read(there.get(OTHER)), THERE)).isTrue();
    };
  }

  private static Truth delivered(int from, int to) {
    return (there, result, failure) -> {
      assertAnswer(result, Arrays.copyOfRange(THERE, from, to), failure);
    };
  }

  private static void assertAnswer(
      @Nullable Object result, Object right, @Nullable StorageException failure) {
    if (failure == null) {
      assertThat(result).isEqualTo(right);
    } else {
      assertThat(failure).isNotInstanceOf(StorageException.NotFound.class);
    }
  }

  private static ObjectInfo upload(ObjectStore store, ObjectKey key, byte[] content)
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

  private static List<String> listed(ObjectStore store) throws IOException {
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
