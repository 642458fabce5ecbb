package com.thorbis.backup.storage.internal.copies;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.testkit.FaultyObjectStore;
import com.thorbis.backup.testkit.FaultyObjectStore.Fault;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Proxy;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class CopySetTest {
  private static final ObjectKey KEY = new ObjectKey("packs/t/1");
  private static final int MOST = 1 << 20;
  private static final ObjectSource CONTENT = ObjectSource.of(new byte[] {1, 2, 3});

  private final MemoryObjectStore diskA = MemoryObjectStore.create();
  private final MemoryObjectStore diskB = MemoryObjectStore.create();
  private final MemoryObjectStore diskC = MemoryObjectStore.create();
  private final FaultyObjectStore a = FaultyObjectStore.over(diskA);
  private final FaultyObjectStore b = FaultyObjectStore.over(diskB);
  private final FaultyObjectStore c = FaultyObjectStore.over(diskC);
  private final List<CopySet> opened = new ArrayList<>();

  @AfterEach
  void close() {
    opened.forEach(CopySet::close);
  }

  @ParameterizedTest
  @EnumSource(WritePolicy.class)
  void theFirstDecidesWhateverThePolicy(WritePolicy policy) throws IOException {
    CopySet set = set(policy, a, b, c);
    a.unavailable(true);
    assertThatThrownBy(() -> set.put(KEY, CONTENT)).isInstanceOf(IOException.class);
    assertThatThrownBy(() -> upload(set, 3)).isInstanceOf(IOException.class);
    assertThat(diskB.contents()).isEmpty();
    assertThat(diskC.contents()).isEmpty();
  }

  @Test
  void onlyTheWinnerOnTheFirstIsPassedOn() throws IOException {
    diskA.put(KEY, ObjectSource.of(new byte[] {9, 9, 9}));
    CopySet set = set(WritePolicy.PRIMARY, a, b);
    assertThatThrownBy(() -> set.put(KEY, CONTENT))
        .isInstanceOf(StorageException.AlreadyExists.class);
    assertThat(diskB.contents()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(
      value = Fault.class,
      names = {"UNAVAILABLE", "REQUEST_LOST", "ANSWER_LOST"})
  void anUnclearAnswerOfAnyCopyIsSettledByLooking(Fault fault) throws IOException {
    for (FaultyObjectStore failing : List.of(a, b)) {
      for (boolean asUpload : new boolean[] {false, true}) {
        diskA.delete(KEY);
        diskB.delete(KEY);
        CopySet set = set(WritePolicy.ALL, a, b);
        failing.failAtChange(failing.changes() + 1, fault);
        boolean done = true;
        try {
          if (asUpload) {
            upload(set, 300_000);
          } else {
            set.put(KEY, CONTENT);
          }
        } catch (StorageException e) {
          done = false;
        }
        assertThat(done).isEqualTo(fault == Fault.ANSWER_LOST);
        if (done) {
          assertThat(diskB.content(KEY)).isEqualTo(diskA.content(KEY));
        }
      }
    }
  }

  @Test
  void anUploadThatTooFewCanTakeIsNotPublishedAnywhere() throws IOException {
    CopySet set = set(WritePolicy.ALL, a, b);
    b.failAtCall(1, Fault.UNAVAILABLE);
    assertThatThrownBy(() -> upload(set, 5_000_000))
        .isInstanceOfSatisfying(
            StorageException.class,
            e -> assertThat(e.code()).isEqualTo("storage.copies-unavailable"));
    assertThat(diskA.contents()).isEmpty();
    assertThat(diskB.contents()).isEmpty();
  }

  @Test
  void longContentIsPassedOnInPortions() throws IOException {
    long length = MOST + 12_345;
    CopySet set = set(WritePolicy.ALL, a, b);
    set.put(KEY, zeros(length));
    assertThat(diskA.head(KEY).orElseThrow().length()).isEqualTo(length);
    assertThat(diskB.head(KEY).orElseThrow().length()).isEqualTo(length);
    ObjectKey other = new ObjectKey("packs/t/2");
    ObjectSource liar =
        new ObjectSource() {
          @Override
          public long length() {
            return length;
          }

          @Override
          public InputStream open() {
            return new ByteArrayInputStream(new byte[10]);
          }
        };
    assertThatThrownBy(() -> set.put(other, liar)).isInstanceOf(StorageException.class);
    assertThat(diskA.head(other)).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(WritePolicy.class)
  void absentIsWhatThePolicyCanProve(WritePolicy policy) throws IOException {
    CopySet set = set(policy, a, b, c);
    assertThat(set.head(KEY)).isEmpty();
    c.unavailable(true);
    assertAbsent(set, policy != WritePolicy.ALL);
    b.unavailable(true);
    assertAbsent(set, policy == WritePolicy.PRIMARY);
    set.primaryIncomplete(true);
    assertAbsent(set, false);
    set.primaryIncomplete(false);
    b.unavailable(false);
    c.unavailable(false);
    a.unavailable(true);
    assertAbsent(set, false);
    diskC.put(KEY, CONTENT);
    assertThat(set.head(KEY)).isPresent();
  }

  private static void assertAbsent(CopySet set, boolean proven) throws IOException {
    if (proven) {
      assertThat(set.head(KEY)).isEmpty();
      assertThatThrownBy(() -> set.get(KEY).close()).isInstanceOf(StorageException.NotFound.class);
    } else {
      assertThatThrownBy(() -> set.head(KEY)).isInstanceOf(StorageException.Unavailable.class);
      assertThatThrownBy(() -> set.get(KEY, new ByteRange(0, 1)).close())
          .isInstanceOf(StorageException.Unavailable.class);
    }
  }

  @Test
  void whatOneCopyLacksAnotherDelivers() throws IOException {
    diskB.put(KEY, CONTENT);
    CopySet set = set(WritePolicy.ALL, a, b);
    assertThat(read(set)).containsExactly(1, 2, 3);
    assertThat(set.list("packs/", Optional.empty()).objects()).hasSize(1);
    a.unavailable(true);
    assertThat(read(set)).containsExactly(1, 2, 3);
    assertThat(set.list("packs/", Optional.empty()).objects()).hasSize(1);
    b.unavailable(true);
    assertThatThrownBy(() -> set.list("packs/", Optional.empty()))
        .isInstanceOf(StorageException.Unavailable.class);
  }

  @Test
  void aSlowCopyIsNotWaitedFor() throws IOException {
    diskA.put(KEY, ObjectSource.of(new byte[] {1}));
    diskB.put(KEY, ObjectSource.of(new byte[] {2}));
    CountDownLatch slow = new CountDownLatch(1);
    CountDownLatch closed = new CountDownLatch(1);
    ObjectStore stuck =
        (ObjectStore)
            Proxy.newProxyInstance(
                getClass().getClassLoader(),
                new Class<?>[] {ObjectStore.class},
                (proxy, method, args) -> {
                  if (method.getName().equals("get")) {
                    slow.await();
                    return closing(diskA.get(KEY), closed);
                  }
                  return "slow";
                });
    CopySet set =
        new CopySet(List.of(Copy.of(stuck), Copy.of(diskB)), WritePolicy.ALL, Runnable::run, MOST);
    opened.add(set);

    assertThat(read(set)).containsExactly(2);

    slow.countDown();
    await(closed); // what came too late is let go
  }

  @Test
  void aSlowCopyStillSaysWhetherSomethingIsAbsent() throws IOException {
    CountDownLatch slow = new CountDownLatch(1);
    ObjectStore last =
        (ObjectStore)
            Proxy.newProxyInstance(
                getClass().getClassLoader(),
                new Class<?>[] {ObjectStore.class},
                (proxy, method, args) -> {
                  if (method.getName().equals("head")) {
                    slow.countDown();
                    return Optional.empty();
                  }
                  return "other";
                });
    ObjectStore first =
        (ObjectStore)
            Proxy.newProxyInstance(
                getClass().getClassLoader(),
                new Class<?>[] {ObjectStore.class},
                (proxy, method, args) -> {
                  if (method.getName().equals("head")) {
                    slow.await(); // the other has answered by then
                    return Optional.of(ObjectInfo.of(KEY, 7, java.time.Instant.EPOCH));
                  }
                  return "slow";
                });
    CopySet set =
        new CopySet(
            List.of(Copy.of(first), Copy.of(last)), WritePolicy.PRIMARY, Runnable::run, MOST);
    opened.add(set);

    assertThat(set.head(KEY).orElseThrow().length()).isEqualTo(7);
  }

  @Test
  void listingsOfDifferentPagesBecomeOne() throws IOException {
    MemoryObjectStore small = MemoryObjectStore.create(Clock.systemUTC(), 2);
    MemoryObjectStore large = MemoryObjectStore.create(Clock.systemUTC(), 5);
    List<String> expected = new ArrayList<>();
    for (int i = 0; i < 23; i++) {
      ObjectKey key = new ObjectKey(String.format(java.util.Locale.ROOT, "p/%02d", i));
      expected.add(key.value());
      if (i % 3 != 0) {
        small.put(key, CONTENT);
      }
      if (i % 3 != 1) {
        large.put(key, CONTENT);
      }
    }
    CopySet set = set(WritePolicy.ALL, small, large);
    List<String> listed = new ArrayList<>();
    Optional<String> after = Optional.empty();
    do {
      ListPage page = set.list("p/", after);
      page.objects().forEach(info -> listed.add(info.key().value()));
      after = page.next();
    } while (after.isPresent());
    assertThat(listed).isEqualTo(expected);
  }

  @Test
  void deletingIsDoneWhenNoCopyHasItAndTheFirstLosesItLast() throws IOException {
    CopySet set = set(WritePolicy.ALL, a, b);
    set.put(KEY, CONTENT);
    b.unavailable(true);
    assertThatThrownBy(() -> set.delete(KEY)).isInstanceOf(StorageException.class);
    assertThat(diskA.contents()).hasSize(1);
    b.unavailable(false);
    set.delete(KEY);
    assertThat(diskA.contents()).isEmpty();
    assertThat(diskB.contents()).isEmpty();
  }

  @Test
  void aCommitFollowsTheOneBefore() throws IOException {
    CopySet set = set(WritePolicy.QUORUM, a, b, c);
    set.put(commit(1), CONTENT);
    diskC.delete(commit(1));
    set.put(commit(2), CONTENT);
    assertThat(diskB.head(commit(2))).isPresent();
    assertThat(diskC.head(commit(2))).as("it lacks the first").isEmpty();
    diskA.delete(commit(2));
    assertThatThrownBy(() -> set.put(commit(3), CONTENT))
        .isInstanceOfSatisfying(
            StorageException.class, e -> assertThat(e.code()).isEqualTo("storage.copy-behind"));
    assertThat(diskA.head(commit(3))).isEmpty();
  }

  private CopySet set(WritePolicy policy, ObjectStore... stores) {
    CopySet set =
        new CopySet(
            java.util.Arrays.stream(stores).map(Copy::of).toList(), policy, task -> {}, MOST);
    opened.add(set);
    return set;
  }

  private static ObjectKey commit(int sequence) {
    return com.thorbis.backup.storage.internal.format.ObjectNames.commit(sequence);
  }

  private static void upload(CopySet set, int length) throws IOException {
    try (ObjectUpload upload = set.startUpload(KEY)) {
      upload.body().write(new byte[length]);
      upload.commit();
    }
  }

  private static byte[] read(CopySet set) throws IOException {
    try (ObjectRead read = set.get(KEY)) {
      return read.body().readAllBytes();
    }
  }

  private static ObjectRead closing(ObjectRead read, CountDownLatch closed) {
    return new ObjectRead() {
      @Override
      public ObjectInfo info() {
        return read.info();
      }

      @Override
      public InputStream body() {
        return read.body();
      }

      @Override
      public void close() throws IOException {
        read.close();
        closed.countDown();
      }
    };
  }

  private static ObjectSource zeros(long length) {
    return new ObjectSource() {
      @Override
      public long length() {
        return length;
      }

      @Override
      public InputStream open() {
        return new ByteArrayInputStream(new byte[(int) length]);
      }
    };
  }

  private static void await(CountDownLatch latch) {
    try {
      assertThat(latch.await(1, java.util.concurrent.TimeUnit.MINUTES)).isTrue();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
