package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.CopiesReport.CopyState;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyReport.Coverage;
import com.thorbis.backup.api.VerifyReport.Damage;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.api.VerifyRequest.Budget;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Verification that opens a part of a repository in each run. */
class ScrubTest {
  private static final Duration HOUR = Duration.ofHours(1);

  @TempDir Path state;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private final MemoryObjectStore disk = MemoryObjectStore.create(clock, 1000);
  private final Watched store = new Watched(disk);
  private final List<BackupId> backups = new ArrayList<>();

  /** Remembers what was opened. */
  private static final class Watched extends ForwardingStore {
    final Set<String> opened = new ConcurrentSkipListSet<>();
    private Runnable atFifth = () -> {};

    Watched(ObjectStore store) {
      super(store);
    }

    private void note(ObjectKey key) {
      if (isPart(key.value()) && opened.add(key.value()) && opened.size() == 5) {
        atFifth.run();
      }
    }

    @Override
    public ObjectRead get(ObjectKey key) throws IOException {
      note(key);
      return super.get(key);
    }

    @Override
    public ObjectRead get(ObjectKey key, ByteRange range) throws IOException {
      note(key);
      return super.get(key, range);
    }
  }

  private static boolean isPart(String key) {
    return key.startsWith("packs/") || key.startsWith("wal/");
  }

  /** Three backups with two packs each, the log that they need, and some behind it. */
  private Site create() throws IOException {
    Site site = Site.create(store, state, clock);
    for (int number = 2; number <= 4; number++) {
      site.repository
          .wal("orders")
          .storeSegment(
              TestRepository.segment(1, number),
              ByteBuffer.wrap(TestRepository.wal(TestRepository.segment(1, number), number)),
              WalMarks.NONE);
    }
    for (int seed = 1; seed <= 3; seed++) {
      backups.add(site.backUp(seed));
    }
    return site;
  }

  private List<String> parts() {
    return disk.contents().keySet().stream().filter(ScrubTest::isPart).toList();
  }

  private static VerifyReport scrub(Site site, Budget budget) throws IOException {
    return site.repository.verify(VerifyRequest.within(budget), RunControl.unattended());
  }

  /** Opens the one object whose turn it is; says which it was. */
  private String next(Site site) throws IOException {
    store.opened.clear();
    VerifyReport report = scrub(site, Budget.ofBytes(1));
    assertThat(report.damaged()).isEmpty();
    assertThat(report.coverage().orElseThrow().openedObjects()).isEqualTo(1);
    assertThat(store.opened).hasSize(1);
    clock.advance(HOUR);
    return store.opened.iterator().next();
  }

  private List<Optional<Instant>> proven(Site site) throws IOException {
    return site.repository.states(Optional.empty()).stream().map(BackupState::verifiedAt).toList();
  }

  @Test
  void r17AWorkerThatIsInterruptedFailsTheRunAndSaysSo() throws IOException {
    try (Site site = create()) {
      store.atFifth = () -> Thread.currentThread().interrupt();
      assertThatThrownBy(() -> scrub(site, Budget.ofBytes(1 << 30)))
          .isInstanceOf(InterruptedIOException.class);
      assertThat(scrub(site, Budget.ofBytes(1 << 30)).damaged()).isEmpty();
    }
  }

  @Test
  void aRunWhoseProofsCannotBeKeptNamesTheirPlace() throws IOException {
    try (Site site = create()) {
      Files.createFile(state.resolve("proofs"));
      assertThatThrownBy(() -> scrub(site, Budget.ofBytes(1)))
          .isInstanceOfSatisfying(
              ClassifiedFailure.class, e -> assertThat(e.code()).isEqualTo("verify.proof-not-kept"))
          .hasMessageContaining(state.resolve("proofs").toString());
    }
  }

  @Test
  void eachRunGoesOnUntilAllIsProvenAndThenBeginsWithTheOldest() throws IOException {
    try (Site site = create()) {
      int count = parts().size();
      assertThat(count).isEqualTo(10);
      List<String> order = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        order.add(next(site));
      }
      assertThat(order).containsExactlyInAnyOrderElementsOf(parts());
      for (String again : order) {
        assertThat(next(site)).isEqualTo(again);
      }
      Coverage all = scrub(site, Budget.ofBytes(1)).coverage().orElseThrow();
      assertThat(all.objects()).isEqualTo(count);
      assertThat(all.bytes()).isEqualTo(sealed(parts()));
      assertThat(all.unprovenObjects()).isZero();
      assertThat(all.unprovenBytes()).isZero();
      assertThat(all.oldestProof()).contains(TestRepository.NOW.plus(HOUR.multipliedBy(count + 1)));
    }
  }

  private long sealed(List<String> keys) {
    return keys.stream().mapToLong(key -> disk.content(new ObjectKey(key)).length).sum();
  }

  @Test
  void aBudgetEndsWithTheObjectThatReachesIt() throws IOException {
    try (Site site = create()) {
      long all = sealed(parts());
      Coverage first = scrub(site, Budget.ofBytes(all / 3)).coverage().orElseThrow();
      assertThat(first.openedBytes()).isGreaterThanOrEqualTo(all / 3).isLessThan(all);
      assertThat(first.unprovenBytes()).isEqualTo(all - first.openedBytes());
      assertThat(first.unprovenObjects()).isEqualTo(parts().size() - first.openedObjects());
      Coverage rest = scrub(site, Budget.ofBytes(all * 2)).coverage().orElseThrow();
      assertThat(rest.openedBytes()).as("each once").isEqualTo(all);
      assertThat(rest.unprovenObjects()).isZero();
    }
  }

  @Test
  void aTimeThatIsOverAtOnceStillProvesAllInTheEnd() throws IOException {
    try (Site site = create()) {
      long left = parts().size();
      for (int run = 0; left > 0; run++) {
        assertThat(run).isLessThan(parts().size());
        Coverage now = scrub(site, Budget.ofTime(Duration.ofNanos(1))).coverage().orElseThrow();
        assertThat(now.unprovenObjects()).isLessThan(left);
        left = now.unprovenObjects();
      }
    }
  }

  @Test
  void aBackupIsProvenWhenItsLastPartIsAndSinceItsOldestPartWas() throws IOException {
    try (Site site = create()) {
      Instant started = clock.instant();
      for (int i = 0; i < parts().size(); i++) {
        next(site);
        List<Optional<Instant>> proven = proven(site);
        long unproven = proven.stream().filter(Optional::isEmpty).count();
        CopyState copy = site.repository.copies(RunControl.unattended()).copies().get(0);
        assertThat(copy.neverVerified()).isEqualTo(unproven);
        assertThat(copy.oldestVerified().isPresent()).isEqualTo(unproven == 0);
        assertThat(site.repository.checkCopies().get(0).message())
            .contains(
                unproven == 0
                    ? "each of its backups was read back since"
                    : unproven + " of its 3 backups were never read back");
        if (i < 2) {
          assertThat(unproven).as("two packs and log each").isEqualTo(3);
        }
      }
      assertThat(proven(site))
          .allSatisfy(
              at -> assertThat(at.orElseThrow()).isBetween(started, clock.instant().minus(HOUR)));
      Set<Optional<Instant>> before = Set.copyOf(proven(site));
      for (int i = 0; i < parts().size(); i++) {
        next(site);
      }
      assertThat(proven(site)).doesNotContainAnyElementsOf(before);
    }
  }

  @Test
  void damageInWhatWasNotOpenedYetIsNamedWhenItsTurnComesAndInEveryRunFromThenOn()
      throws IOException {
    try (Site site = create()) {
      List<String> order = new ArrayList<>();
      for (int i = 0; i < parts().size(); i++) {
        order.add(next(site));
      }
      for (String hit : List.of(order.get(4), order.get(9))) {
        disk.flipBit(new ObjectKey(hit), 8 * 200);
        List<Optional<Instant>> before = proven(site);
        store.opened.clear();
        while (!store.opened.contains(hit)) {
          store.opened.clear();
          before = proven(site);
          List<Damage> found = scrub(site, Budget.ofBytes(1)).damaged();
          clock.advance(HOUR);
          if (store.opened.contains(hit)) {
            assertNames(found, hit);
          } else {
            assertThat(found).isEmpty();
          }
        }
        VerifyReport again = scrub(site, Budget.ofBytes(1));
        assertNames(again.damaged(), hit);
        assertThat(again.coverage().orElseThrow().unprovenObjects()).isEqualTo(1);
        for (int i = 0; i < 3; i++) {
          if (again.damaged().get(0).backups().contains(backups.get(i))) {
            assertThat(proven(site).get(i)).as("not proven again").isEqualTo(before.get(i));
          }
        }
        disk.flipBit(new ObjectKey(hit), 8 * 200);
        assertThat(next(site)).isEqualTo(hit);
      }
    }
  }

  private void assertNames(List<Damage> found, String object) {
    assertThat(found)
        .isNotEmpty()
        .allSatisfy(
            damage -> {
              assertThat(damage.object()).isEqualTo(object);
              assertThat(damage.kind()).isEqualTo("altered");
              assertThat(damage.referenced()).isTrue();
              if (object.startsWith("packs/")) {
                assertThat(damage.backups()).hasSize(1);
              }
            });
  }

  @Test
  void whatIsMissingIsNamedByTheNextRunWhateverItsBudget() throws IOException {
    try (Site site = create()) {
      String pack = parts().stream().filter(key -> key.startsWith("packs/")).findFirst().get();
      disk.delete(new ObjectKey(pack));
      assertThat(scrub(site, Budget.ofBytes(1)).damaged())
          .isNotEmpty()
          .allSatisfy(damage -> assertThat(damage.object()).isEqualTo(pack))
          .allSatisfy(damage -> assertThat(damage.kind()).isEqualTo("missing"));
    }
  }

  @Test
  void anInterruptedRunIsGoneOnWith() throws IOException {
    Set<String> first;
    try (Site site = create()) {
      Cancellation cancellation = new Cancellation();
      store.atFifth = cancellation::cancel;
      store.opened.clear();
      assertThatThrownBy(
              () ->
                  site.repository.verify(
                      VerifyRequest.within(Budget.ofBytes(Long.MAX_VALUE)),
                      new RunControl(cancellation, Progress.NONE)))
          .isInstanceOf(BackupException.class);
      store.atFifth = () -> {};
      first = Set.copyOf(store.opened);
      assertThat(first).hasSize(5);
    }
    clock.advance(HOUR);
    try (Site site = Site.open(store, state, clock)) {
      store.opened.clear();
      long left = sealed(parts().stream().filter(key -> !first.contains(key)).toList());
      Coverage rest = scrub(site, Budget.ofBytes(left)).coverage().orElseThrow();
      assertThat(store.opened).doesNotContainAnyElementsOf(first);
      assertThat(rest.unprovenObjects()).isZero();
      assertThat(rest.oldestProof()).contains(TestRepository.NOW);
      assertThat(proven(site)).allSatisfy(at -> assertThat(at).isPresent());
    }
  }

  @Test
  void whatAnyFullVerificationOpenedCounts() throws IOException {
    try (Site site = create()) {
      assertThat(site.verify().coverage()).isEmpty();
      clock.advance(HOUR);
      Coverage now = scrub(site, Budget.ofBytes(1)).coverage().orElseThrow();
      assertThat(now.unprovenObjects()).isZero();
      assertThat(now.oldestProof()).contains(TestRepository.NOW);
      BackupId young = site.backUp(4);
      Coverage then = scrub(site, Budget.ofBytes(1)).coverage().orElseThrow();
      assertThat(then.unprovenObjects()).as("of two new packs").isEqualTo(1);
      site.repository.verify(
          new VerifyRequest(Optional.of(young), VerifyRequest.Level.DATA, 100),
          RunControl.unattended());
      assertThat(scrub(site, Budget.ofBytes(1)).coverage().orElseThrow().unprovenObjects())
          .isZero();
    }
  }

  @Test
  void aPackThatNothingRefersToHasItsTurnToo() throws IOException {
    try (Site site = create()) {
      String loose = parts().stream().filter(key -> key.startsWith("packs/")).findFirst().get();
      site.prune(2, Duration.ZERO);
      disk.flipBit(new ObjectKey(loose), 8 * 200);
      List<Damage> found = scrub(site, Budget.ofBytes(Long.MAX_VALUE)).damaged();
      assertThat(found).extracting(Damage::object).containsOnly(loose);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"lost", "cut", "garbage", "from a clock that ran ahead"})
  void stateThatIsLostOrBrokenCostsOnlyAnotherLook(String how) throws IOException {
    try (Site site = create()) {
      scrub(site, Budget.ofBytes(Long.MAX_VALUE));
      Path file;
      try (Stream<Path> all = Files.walk(state.resolve("proofs"))) {
        file = all.filter(Files::isRegularFile).findFirst().orElseThrow();
      }
      switch (how) {
        case "lost" -> Files.delete(file);
        case "cut" -> Files.write(file, cut(Files.readAllBytes(file)));
        case "garbage" ->
            Files.write(
                file, new byte[] {'1', ' ', '2', ' ', '/', '\n', -1}, StandardOpenOption.APPEND);
        default -> clock.set(TestRepository.NOW.minus(HOUR));
      }
      boolean most = how.equals("cut") || how.equals("garbage");
      assertThat(unproven(site)).isEqualTo(most ? 0 : parts().size() - 1);
      assertThat(scrub(site, Budget.ofBytes(Long.MAX_VALUE)).damaged()).isEmpty();
      assertThat(unproven(site)).isZero();
    }
  }

  private static byte[] cut(byte[] bytes) {
    return Arrays.copyOf(bytes, bytes.length - 5);
  }

  private static long unproven(Site site) throws IOException {
    return scrub(site, Budget.ofBytes(1)).coverage().orElseThrow().unprovenObjects();
  }

  @Test
  void theStateOfOnePlaceSpeaksForNoOther() throws IOException {
    try (Site site = create()) {
      scrub(site, Budget.ofBytes(Long.MAX_VALUE));
    }
    ObjectStore moved =
        new ForwardingStore(disk.copy()) {
          @Override
          public String describe() {
            return "elsewhere";
          }
        };
    try (Site site = Site.open(moved, state, clock)) {
      assertThat(unproven(site)).isEqualTo(parts().size() - 1);
    }
  }

  @Test
  void copiesShareABudgetAndEachIsProvenByItself() throws IOException {
    MemoryObjectStore other = MemoryObjectStore.create(clock, 1000);
    RepositorySetup setup =
        Site.setup(
            state,
            clock,
            WritePolicy.ALL,
            List.of(Copy.builder(disk).name("a").build(), Copy.builder(other).name("b").build()));
    TestRepository.FACTORY.init(setup);
    try (Site site = Site.open(setup, 1000, 1000)) {
      site.repository.register("orders", "postgres", TestRepository.CLUSTER);
      site.repository
          .wal("orders")
          .storeSegment(
              TestRepository.segment(1, 1),
              ByteBuffer.wrap(TestRepository.wal(TestRepository.segment(1, 1), 1)),
              WalMarks.NONE);
      site.backUp(1);
      long all = sealed(parts());
      Coverage half = scrub(site, Budget.ofBytes(all)).coverage().orElseThrow();
      assertThat(half.bytes()).isEqualTo(2 * all);
      assertThat(half.openedObjects()).isGreaterThanOrEqualTo(2);
      assertThat(half.unprovenObjects()).isLessThan(2L * parts().size());
      String last = parts().get(parts().size() - 1);
      other.flipBit(new ObjectKey(last), 8 * 200);
      List<Damage> found = scrub(site, Budget.ofBytes(4 * all)).damaged();
      assertThat(found)
          .isNotEmpty()
          .allSatisfy(
              damage -> {
                assertThat(damage.copy()).isEqualTo("b");
                assertThat(damage.object()).isEqualTo(last);
                assertThat(damage.healable()).isTrue();
              });
      List<CopyState> copies = site.repository.copies(RunControl.unattended()).copies();
      assertThat(copies).extracting(CopyState::neverVerified).containsExactly(0L, 1L);
      site.repository.healCopies(RunControl.unattended());
      assertThat(scrub(site, Budget.ofBytes(4 * all)).damaged()).isEmpty();
      assertThat(site.repository.copies(RunControl.unattended()).copies())
          .extracting(CopyState::neverVerified)
          .containsExactly(0L, 0L);
    }
  }

  @Test
  void aBudgetIsForEverything() {
    assertThatThrownBy(() -> Budget.ofBytes(0)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> Budget.ofTime(Duration.ZERO))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(
            () ->
                new VerifyRequest(
                    Optional.empty(),
                    VerifyRequest.Level.OBJECTS,
                    100,
                    Optional.of(Budget.ofBytes(1))))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
