package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.WriteOptions;
import com.thorbis.backup.testkit.FaultyObjectStore;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a store enforces is found out by whoever writes, before the first write, and remembered. */
class KnownStoresTest {
  private static final Duration FRESH = Duration.ofDays(7);

  @TempDir Path folder;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private final MemoryObjectStore disk = MemoryObjectStore.create(clock, 1000);
  private int seed;

  @BeforeEach
  void create() throws IOException {
    Site.create(disk, folder.resolve("creator"), clock).close();
  }

  private RepositorySetup.Builder setup(ObjectStore store, String state) {
    return TestRepository.setup(store, folder.resolve(state)).parallelism(1).clock(clock);
  }

  /** The calls that try a store while one backup is taken, and all before the first other write. */
  private List<String> tries(ObjectStore store, String state) throws IOException {
    FaultyObjectStore counted = FaultyObjectStore.over(store);
    try (Repository repository = TestRepository.FACTORY.open(setup(counted, state).build())) {
      TestRepository.backUp(repository, TestRepository.fewFiles(++seed));
    }
    List<String> calls = counted.calls();
    int last = -1;
    int first = calls.size();
    for (int i = 0; i < calls.size(); i++) {
      if (calls.get(i).contains("probe/")) {
        last = i;
      } else if (calls.get(i).startsWith("put ")) {
        first = Math.min(first, i);
      }
    }
    assertThat(last).isLessThan(first);
    return calls.stream().filter(call -> call.contains("probe/")).toList();
  }

  private static void refused(ThrowingAction action, String code) {
    assertThatThrownBy(action::run)
        .isInstanceOfSatisfying(
            ClassifiedFailure.class, failure -> assertThat(failure.code()).isEqualTo(code));
  }

  private interface ThrowingAction {
    void run() throws Exception;
  }

  @Test
  void whoeverWritesTriesAStoreOnceInAWhile() throws IOException {
    assertThat(tries(disk, "creator")).as("init has tried it").isEmpty();
    assertThat(tries(disk, "writer")).isNotEmpty().hasSizeLessThan(10);
    assertThat(disk.contents().keySet()).noneMatch(key -> key.startsWith("probe/"));
    assertThat(tries(disk, "writer")).isEmpty();
    clock.advance(FRESH.minusSeconds(1));
    assertThat(tries(disk, "writer")).isEmpty();
    clock.advance(Duration.ofSeconds(1));
    assertThat(tries(disk, "writer")).isNotEmpty();
    assertThat(tries(disk, "writer")).isEmpty();
    clock.advance(Duration.ofDays(-1));
    assertThat(tries(disk, "writer")).as("it was not tried in the future").isNotEmpty();
  }

  @Test
  void whatWasFoundOfAnotherServiceSaysNothing() throws IOException {
    ObjectStore elsewhere =
        new ForwardingStore(disk) {
          @Override
          public String service() {
            return "at another address";
          }
        };
    assertThat(tries(disk, "writer")).isNotEmpty();
    assertThat(tries(elsewhere, "writer")).isNotEmpty();
    assertThat(tries(elsewhere, "writer")).isEmpty();
    assertThat(tries(disk, "writer")).isNotEmpty();
  }

  @Test
  void whatWasFoundWithoutALockSaysNothingOfLocks() throws IOException {
    assertThat(tries(disk, "writer")).isNotEmpty();
    List<String> locked = new ArrayList<>();
    ObjectStore watched =
        new ForwardingStore(disk) {
          @Override
          public ObjectInfo put(ObjectKey key, ObjectSource content, WriteOptions options)
              throws IOException {
            options.lockedUntil().ifPresent(until -> locked.add(key.value()));
            return super.put(key, content, options);
          }
        };
    RepositorySetup setup =
        RepositorySetup.builder()
            .copy(Copy.builder(watched).name(disk.describe()).lock(Duration.ofDays(30)).build())
            .recipient(TestRepository.RECIPIENT)
            .stateDirectory(folder.resolve("writer"))
            .clock(clock)
            .build();
    try (Repository repository = TestRepository.FACTORY.open(setup)) {
      TestRepository.backUp(repository, TestRepository.fewFiles(7));
    }
    assertThat(locked.get(0)).startsWith("probe/");
  }

  @Test
  void aRecordThatCannotBeReadIsNoRecord() throws IOException {
    assertThat(tries(disk, "writer")).isNotEmpty();
    try (Stream<Path> files = Files.walk(folder.resolve("writer").resolve("probes"))) {
      Files.writeString(files.filter(Files::isRegularFile).findFirst().orElseThrow(), "{");
    }
    assertThat(tries(disk, "writer")).isNotEmpty();
    assertThat(tries(disk, "writer")).isEmpty();
  }

  @Test
  void whoeverReadsTriesNothing() throws IOException {
    FaultyObjectStore counted = FaultyObjectStore.over(disk);
    try (Repository repository =
        TestRepository.FACTORY.open(setup(counted, "reader").readOnly(true).build())) {
      repository.refresh();
      assertThat(repository.checkCopies()).isNotEmpty();
      assertThat(repository.keys().trees()).isNotEmpty();
      assertThat(repository.probeCopies())
          .singleElement()
          .satisfies(item -> assertThat(item.message()).contains("was not tried"));
    }
    try (Repository repository = TestRepository.FACTORY.open(setup(counted, "reader").build())) {
      repository.refresh();
      assertThat(repository.copies(RunControl.unattended()).copies()).hasSize(1);
    }
    assertThat(counted.calls())
        .isNotEmpty()
        .noneMatch(call -> call.contains("probe/") || call.startsWith("put "));
  }

  @Test
  void s15AStoreThatIgnoresConditionsByNowIsRefusedBeforeAnythingIsWritten() throws IOException {
    ObjectStore ignoring =
        new ForwardingStore(disk) {
          @Override
          public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
            disk.lose(key);
            return super.put(key, content);
          }
        };
    int objects = disk.contents().size();
    try (Repository repository = TestRepository.FACTORY.open(setup(ignoring, "writer").build())) {
      assertThat(repository.backups(Optional.empty())).isEmpty();
      refused(() -> TestRepository.begin(repository), "storage.not-conditional");
      refused(
          () ->
              repository
                  .wal("orders")
                  .storeSegment(
                      TestRepository.segment(1, 2),
                      ByteBuffer.wrap(TestRepository.wal(TestRepository.segment(1, 2), 1)),
                      WalMarks.NONE),
          "storage.not-conditional");
    }
    try (Repository repository = TestRepository.FACTORY.open(setup(ignoring, "writer").build())) {
      refused(() -> TestRepository.begin(repository), "storage.not-conditional");
    }
    assertThat(disk.contents()).hasSize(objects);
  }

  @Test
  void aFirstCopyThatCannotBeTriedIsNotWrittenToAndOthersAreTriedLater() throws IOException {
    MemoryObjectStore second = MemoryObjectStore.create(clock, 1000);
    RepositorySetup.Builder both = twoCopies(disk, second, "creator");
    TestRepository.FACTORY.init(both.build());
    try (Repository repository = TestRepository.FACTORY.open(both.build())) {
      assertThat(repository.syncCopies(RunControl.unattended()).copies())
          .allSatisfy(copy -> assertThat(copy.problems()).isEmpty());
    }
    try (Repository repository =
        TestRepository.FACTORY.open(
            twoCopies(refusing("put probe/", disk), second, "writer").build())) {
      refused(() -> TestRepository.begin(repository), "storage.unavailable");
    }
    ObjectStore away = refusing("put probe/", second);
    try (Repository repository =
        TestRepository.FACTORY.open(twoCopies(disk, away, "writer").build())) {
      TestRepository.backUp(repository, TestRepository.fewFiles(3));
    }
    FaultyObjectStore counted = FaultyObjectStore.over(second);
    try (Repository repository =
        TestRepository.FACTORY.open(twoCopies(disk, counted, "writer").build())) {
      TestRepository.backUp(repository, TestRepository.fewFiles(4));
    }
    assertThat(counted.calls()).anyMatch(call -> call.startsWith("put probe/"));
  }

  private RepositorySetup.Builder twoCopies(ObjectStore first, ObjectStore second, String state) {
    return RepositorySetup.builder()
        .copy(Copy.builder(first).name("first").build())
        .copy(Copy.builder(second).name("second").build())
        .recipient(TestRepository.RECIPIENT)
        .acceptSingleKeyRisk(true)
        .stateDirectory(folder.resolve(state))
        .parallelism(1)
        .clock(clock);
  }

  private static ObjectStore refusing(String what, ObjectStore store) {
    return new Site.Watched(store) {
      @Override
      void before(String call) throws IOException {
        if (call.startsWith(what)) {
          throw new StorageException.Unavailable("Put", call, null);
        }
      }
    };
  }

  @Test
  void checkTellsWhatWasFoundAndWhen() throws IOException {
    try (Repository repository = TestRepository.FACTORY.open(setup(disk, "host").build())) {
      assertThat(repository.probeCopies())
          .singleElement()
          .satisfies(
              item -> {
                assertThat(item.outcome()).isEqualTo(CheckItem.Outcome.OK);
                assertThat(item.message()).endsWith("put or uploaded, found for the first time");
              });
      clock.advance(Duration.ofDays(3));
      assertThat(repository.probeCopies().get(0).message())
          .endsWith(", now as found " + TestRepository.NOW + " (3 days ago)");
      clock.advance(Duration.ofHours(5));
    }
    try (Repository repository =
        TestRepository.FACTORY.open(setup(disk, "host").readOnly(true).build())) {
      assertThat(repository.probeCopies().get(0).message()).endsWith("(5 hours ago)");
    }
    try (Repository repository =
        TestRepository.FACTORY.open(setup(refusing("put probe/", disk), "host").build())) {
      assertThat(repository.probeCopies())
          .singleElement()
          .satisfies(
              item -> {
                assertThat(item.outcome()).isEqualTo(CheckItem.Outcome.WARN);
                assertThat(item.message())
                    .contains("could not be tried")
                    .endsWith(
                        "it was as it should be when tried, found 2026-01-05T03:04:05Z (5 hours ago)");
              });
    }
  }

  @Test
  void whetherItKeepsWhatIsLockedIsNotKnownWhereNothingMayBeDeleted() throws IOException {
    ObjectStore keeping =
        new ForwardingStore(disk) {
          @Override
          public void delete(ObjectKey key) throws IOException {
            throw new StorageException(
                "storage.refused", FailureKind.PERMANENT, "Delete", key.value(), "no right", null);
          }
        };
    RepositorySetup setup =
        RepositorySetup.builder()
            .copy(Copy.builder(keeping).name("locked").lock(Duration.ofDays(30)).build())
            .recipient(TestRepository.RECIPIENT)
            .stateDirectory(folder.resolve("writer"))
            .clock(clock)
            .build();
    try (Repository repository = TestRepository.FACTORY.open(setup)) {
      TestRepository.backUp(repository, TestRepository.fewFiles(7));
      assertThat(repository.probeCopies())
          .singleElement()
          .satisfies(
              item -> {
                assertThat(item.outcome()).isEqualTo(CheckItem.Outcome.WARN);
                assertThat(item.message()).contains("was not tried");
              });
    }
  }
}
