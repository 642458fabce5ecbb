package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Compression;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.backup.BackupContents;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.pack.PackRef;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What an interrupted backup stored, and the next one need not store again. */
class ResumeTest {
  private static final String MANIFEST = "start manifests/";
  private static final Duration LAPSE = Duration.ofMinutes(31);

  @TempDir Path state;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private final MemoryObjectStore store = MemoryObjectStore.create(clock, 1000);
  private final AtomicInteger machines = new AtomicInteger();

  private static Predicate<String> beginning(String call) {
    return made -> made.startsWith(call);
  }

  private static Predicate<String> number(int call) {
    AtomicInteger calls = new AtomicInteger();
    return made -> calls.incrementAndGet() == call;
  }

  /** A process on a machine of its own. */
  private Site site(ObjectStore view) throws IOException {
    return Site.open(view, state.resolve("m" + machines.incrementAndGet()), clock);
  }

  private void create() throws IOException {
    Site.create(store, state, clock).close();
  }

  /** How a backup went. */
  private record Made(BackupId id, long resumed, long stored) {}

  private static Made make(BackupWriter writer, Map<String, byte[]> files) throws IOException {
    try (writer) {
      writer.directory(TestRepository.directory("base"));
      for (Map.Entry<String, byte[]> file : files.entrySet()) {
        TestRepository.write(writer, file.getKey(), file.getValue());
      }
      BackupDescriptor made = writer.commit(TestRepository.facts(), BackupStatus.COMPLETE);
      return new Made(made.id(), writer.bytesResumed(), made.bytesStored());
    }
  }

  private static Made full(Site site, Map<String, byte[]> files) throws IOException {
    return make(TestRepository.begin(site.repository), files);
  }

  /** Takes a backup whose store is gone from some call on; says whether that came. */
  private boolean interrupt(Map<String, byte[]> files, Predicate<String> when) throws IOException {
    Site.Mortal dying = new Site.Mortal(store, when);
    try (Site site = site(dying)) {
      full(site, files);
    } catch (StorageException.Unavailable e) {
      // As if the process were gone: it could say nothing any more.
    }
    clock.advance(LAPSE);
    return dying.dead();
  }

  private static long total(Map<String, byte[]> files) {
    return files.values().stream().mapToLong(bytes -> bytes.length).sum();
  }

  /** Without the files that are nothing but zeros and have pieces of their own. */
  private static long content(Map<String, byte[]> files) {
    return files.values().stream()
        .filter(bytes -> bytes.length < 1 << 20 || !Arrays.equals(bytes, new byte[bytes.length]))
        .mapToLong(bytes -> bytes.length)
        .sum();
  }

  private static Set<PackRef> packs(Site site, BackupId id) throws IOException {
    Catalog.Entry entry = site.services.log().catalog().backup(id).orElseThrow();
    Catalog.Source source =
        site.services.log().catalog().source(entry.backup().source()).orElseThrow();
    return new HashSet<>(new BackupContents(site.services, source, entry).packs());
  }

  private static Set<String> names(Set<PackRef> packs) {
    Set<String> names = new TreeSet<>();
    packs.forEach(pack -> names.add(pack.key().value()));
    return names;
  }

  private List<String> keys(String prefix) {
    return store.contents().keySet().stream().filter(key -> key.startsWith(prefix)).toList();
  }

  private void assertWhole(Site site, BackupId id, Map<String, byte[]> files) throws IOException {
    site.repository.refresh();
    TestRepository.assertReads(site.repository, id, files);
    site.requireAllWhole();
  }

  @Test
  void whatAnInterruptedBackupStoredIsNotStoredAgain() throws IOException {
    create();
    Map<String, byte[]> files = TestRepository.sampleFiles(1);
    assertThat(interrupt(files, beginning(MANIFEST))).isTrue();
    try (Site site = site(store)) {
      Made made = full(site, files);
      assertThat(made.resumed()).isEqualTo(content(files));
      assertThat(made.stored()).isLessThan(total(files) / 50);
      assertWhole(site, made.id(), files);
      assertThat(keys("leases/")).isEmpty();
      Made next = full(site, files);
      assertThat(next.resumed()).as("a full one references nothing of a committed one").isZero();
      assertThat(names(packs(site, next.id())))
          .doesNotContainAnyElementsOf(names(packs(site, made.id())));
    }
  }

  @Test
  void ofABackupThatWasInterruptedAmidItsPacksTheWholePacksAreResumed() throws IOException {
    create();
    Map<String, byte[]> files = new LinkedHashMap<>();
    files.put("base/1/a", TestRepository.bytes(new Random(1), (40 << 20) + 77));
    assertThat(interrupt(files, beginning("commit packs/"))).isTrue();
    try (Site site = site(store)) {
      assertThat(keys("packs/")).as("none was published").isEmpty();
      assertThat(full(site, files).resumed()).isZero();
    }
    AtomicInteger packs = new AtomicInteger();
    interrupt(files, call -> call.startsWith("commit packs/") && packs.incrementAndGet() == 2);
    try (Site site = site(store)) {
      Made made = full(site, files);
      assertThat(made.resumed()).isBetween(30L << 20, 32L << 20);
      assertThat(made.stored()).isBetween(8L << 20, 11L << 20);
      assertWhole(site, made.id(), files);
    }
  }

  @Test
  void w23WhatChangedBetweenTheRunsUnderTheSameNameSizeAndTimeIsInTheBackup() throws IOException {
    create();
    Map<String, byte[]> files = TestRepository.sampleFiles(1);
    interrupt(files, beginning(MANIFEST));
    Map<String, byte[]> changed = new LinkedHashMap<>(files);
    byte[] large = files.get("base/1/large").clone();
    large[(5 << 20) + 17] ^= 1; // same name, same length, and test files have one time
    changed.put("base/1/large", large);
    byte[] small = files.get("base/5/3").clone();
    small[small.length / 2] ^= 1;
    changed.put("base/5/3", small);
    try (Site site = site(store)) {
      Made made = full(site, changed);
      assertThat(made.resumed()).isBetween(total(files) / 2, content(files) - (1 << 20));
      assertWhole(site, made.id(), changed);
    }
  }

  @Test
  void aFileOfAnotherNameIsResumedByItsContent() throws IOException {
    create();
    Map<String, byte[]> files = new LinkedHashMap<>();
    files.put("base/1/old", TestRepository.text(new Random(1), 5 << 20));
    interrupt(files, beginning(MANIFEST));
    Map<String, byte[]> renamed = Map.of("base/1/new", files.get("base/1/old"));
    try (Site site = site(store)) {
      Made made = full(site, renamed);
      assertThat(made.resumed()).isEqualTo(5 << 20);
      assertWhole(site, made.id(), renamed);
    }
  }

  @ParameterizedTest
  @CsvSource({"none, zstd", "zstd, none", "lz4, zstd", "zstd, lz4"})
  void w23WhatAnotherCodecStoredIsResumed(String first, String second) throws IOException {
    create();
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    Site.Mortal dying = new Site.Mortal(store, beginning(MANIFEST));
    try (Site site = site(dying, first, 1)) {
      assertThatThrownBy(() -> full(site, files)).isInstanceOf(StorageException.Unavailable.class);
    }
    clock.advance(LAPSE);
    try (Site site = site(store, second, second.equals("zstd") ? 9 : 1)) {
      Made made = full(site, files);
      assertThat(made.resumed()).isEqualTo(content(files));
      assertWhole(site, made.id(), files);
    }
  }

  private Site site(ObjectStore view, String codec, int level) throws IOException {
    return Site.open(
        TestRepository.setup(view, state.resolve("m" + machines.incrementAndGet()))
            .compression(new Compression(codec, codec.equals("none") ? 0 : level))
            .clock(clock)
            .build(),
        1000,
        1000);
  }

  @ParameterizedTest
  @EnumSource
  void backupsOfEveryTypeResume(BackupType type) throws IOException {
    create();
    Map<String, byte[]> old = TestRepository.mediumFiles(1);
    BackupId base;
    try (Site site = site(store)) {
      base = full(site, old).id();
    }
    Map<String, byte[]> files = TestRepository.mediumFiles(2);
    files.put("base/1/more", TestRepository.bytes(new Random(3), 3 << 20));
    interrupt(files, beginning(MANIFEST));
    try (Site site = site(store)) {
      BackupStart start =
          new BackupStart(
              "orders",
              type,
              type.independent() ? Optional.empty() : Optional.of(base),
              Optional.empty(),
              TestRepository.NOW);
      Made made = make(site.repository.begin(start), files);
      assertThat(made.resumed()).isEqualTo(content(files));
      assertWhole(site, made.id(), files);
      assertWhole(site, base, old);
      Map<String, byte[]> later = new LinkedHashMap<>(files);
      later.put("base/1/last", TestRepository.bytes(new Random(4), 10_000));
      Made next = make(TestRepository.begin(site.repository, made.id()), later);
      assertWhole(site, next.id(), later);
    }
  }

  @Test
  void aRunningBackupKeepsItsPacksAndOneThatFailedOffersThemAtOnce() throws IOException {
    create();
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    Site.Mortal dying = new Site.Mortal(store, beginning(MANIFEST));
    try (Site first = site(dying);
        Site second = site(store)) {
      assertThatThrownBy(() -> full(first, files)).isInstanceOf(StorageException.Unavailable.class);
      assertThat(full(second, files).resumed()).as("its lease still counts").isZero();
    }
    // This one can say that it has ended.
    ObjectStore full =
        new Site.Watched(store) {
          @Override
          void before(String call) throws IOException {
            if (call.startsWith(MANIFEST)) {
              throw new StorageException(
                  "storage.full", FailureKind.PERMANENT, "Is full", "Make room", call, null);
            }
          }
        };
    try (Site failing = site(full);
        Site next = site(store)) {
      assertThatThrownBy(() -> full(failing, files)).isInstanceOf(StorageException.class);
      Made made = full(next, files);
      assertThat(made.resumed()).isEqualTo(content(files));
      assertWhole(next, made.id(), files);
    }
  }

  @Test
  void ofTwoThatResumeAtOnceOneTakesWhatIsThere() throws IOException {
    create();
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    interrupt(files, beginning(MANIFEST));
    try (Site one = site(store);
        Site other = site(store);
        BackupWriter first = TestRepository.begin(one.repository);
        BackupWriter second = TestRepository.begin(other.repository)) {
      Made late = make(second, files);
      Made made = make(first, files);
      assertThat(made.resumed()).isEqualTo(content(files));
      assertThat(late.resumed()).isZero();
      one.repository.refresh();
      assertThat(names(packs(one, made.id())))
          .doesNotContainAnyElementsOf(names(packs(one, late.id())));
      assertWhole(one, made.id(), files);
      assertWhole(one, late.id(), files);
    }
  }

  @Test
  void whicheverCallTwoThatResumeMeetAtOneTakesWhatIsThere() throws IOException {
    create();
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    interrupt(files, beginning(MANIFEST));
    MemoryObjectStore before = store.copy();
    boolean reached = true;
    for (int call = 1; reached; call++) {
      MemoryObjectStore disk = before.copy();
      Made[] between = new Made[1];
      Site.At meeting =
          new Site.At(
              disk,
              call,
              () -> {
                try (Site other = site(disk)) {
                  between[0] = full(other, files);
                }
              });
      try (Site site = site(meeting)) {
        int opened = meeting.calls();
        Made made = full(site, files);
        reached = meeting.calls() >= call;
        if (between[0] != null && call > opened) {
          assertThat(made.resumed() == 0 || between[0].resumed() == 0)
              .as("call %d: %s and %s", call, made, between[0])
              .isTrue();
          site.repository.refresh();
          assertThat(names(packs(site, made.id())))
              .doesNotContainAnyElementsOf(names(packs(site, between[0].id())));
        }
        site.requireAllWhole();
      }
    }
  }

  @Test
  void r2OneThatSleptWhileAnotherTookItsPacksIsRefused() throws IOException {
    create();
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    for (boolean ended : List.of(false, true)) {
      boolean[] slept = new boolean[1];
      Made[] taker = new Made[1];
      BackupWriter[] open = new BackupWriter[1];
      try (Site other = site(store)) {
        ObjectStore sleeping =
            new Site.Watched(store) {
              @Override
              void before(String call) throws IOException {
                if (call.startsWith(MANIFEST) && !slept[0]) {
                  slept[0] = true;
                  clock.advance(LAPSE);
                  open[0] = TestRepository.begin(other.repository);
                  if (ended) {
                    taker[0] = make(open[0], files);
                  }
                }
              }
            };
        try (Site site = site(sleeping)) {
          PruneTest.assertRefused(
              () -> full(site, files), "backup.lease-lost", FailureKind.REFUSED);
        }
        Made made = ended ? taker[0] : make(open[0], files);
        assertThat(made.resumed()).isEqualTo(content(files));
        assertWhole(other, made.id(), files);
        assertThat(full(other, files).resumed())
            .as("what the refused one left went into a backup")
            .isZero();
        other.requireAllWhole();
      }
    }
  }

  @Test
  void whoeverResumedAndWasInterruptedItselfLeavesAllOfIt() throws IOException {
    create();
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    interrupt(files, beginning(MANIFEST));
    Map<String, byte[]> more = new LinkedHashMap<>(files);
    more.put("base/1/more", TestRepository.bytes(new Random(5), 2 << 20));
    interrupt(more, beginning(MANIFEST));
    more.put("base/1/most", TestRepository.bytes(new Random(6), 2 << 20));
    interrupt(more, beginning(MANIFEST));
    try (Site site = site(store)) {
      Made made = full(site, more);
      assertThat(made.resumed()).isEqualTo(content(more));
      assertWhole(site, made.id(), more);
      assertThat(keys("leases/")).allMatch(key -> !key.contains(made.id().value()));
      assertThat(full(site, more).resumed()).isZero();
    }
  }

  @Test
  void r1WhereverABackupThatResumesIsWhenThingsAreSweptItIsWholeOrRefused() throws IOException {
    create();
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    interrupt(files, beginning(MANIFEST));
    MemoryObjectStore before = store.copy();
    int kept = 0;
    boolean reached = true;
    for (int call = 1; reached; call++) {
      MemoryObjectStore disk = before.copy();
      Site.At swept =
          new Site.At(
              disk,
              call,
              () -> {
                try (Site other = site(disk)) {
                  other.prune(10, Duration.ZERO);
                }
              });
      try (Site site = site(swept)) {
        Made made = full(site, files);
        reached = swept.calls() >= call;
        kept += made.resumed() > 0 ? 1 : 0;
        TestRepository.assertReads(site.repository, made.id(), files);
      } catch (RepositoryException e) {
        assertThat(e.code()).as("call %d", call).isEqualTo("backup.lease-lost");
      }
      clock.advance(LAPSE);
      try (Site site = site(disk)) {
        site.prune(10, Duration.ZERO);
        site.requireAllWhole();
        Made made = full(site, files);
        assertThat(site.listed()).contains(made.id());
        site.requireAllWhole();
      }
    }
    assertThat(kept).as("runs whose leftovers outlived a sweep").isPositive();
  }

  @Test
  void r1WhateverCallOfASweepABackupResumesAtItIsWholeOrRefused() throws IOException {
    create();
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    interrupt(files, beginning(MANIFEST));
    MemoryObjectStore before = store.copy();
    boolean reached = true;
    int refused = 0;
    for (int call = 1; reached; call++) {
      MemoryObjectStore disk = before.copy();
      BackupWriter[] begun = new BackupWriter[1];
      Site[] other = new Site[1];
      Site.At resumed =
          new Site.At(
              disk,
              call,
              () -> {
                other[0] = site(disk);
                begun[0] = TestRepository.begin(other[0].repository);
              });
      try (Site site = site(resumed)) {
        site.prune(10, Duration.ZERO);
        reached = resumed.calls() >= call;
      }
      if (begun[0] != null) {
        try (Site there = other[0]) {
          Made made = make(begun[0], files);
          TestRepository.assertReads(there.repository, made.id(), files);
          there.requireAllWhole();
        } catch (RepositoryException e) {
          assertThat(e.code()).as("call %d", call).isEqualTo("backup.lease-lost");
          refused++;
        }
      }
    }
    assertThat(refused).as("a sweep takes what a run left, or leaves it").isZero();
  }

  @Test
  void whatWasLeftIsSweptWhenItsGraceIsOver() throws IOException {
    create();
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    interrupt(files, beginning(MANIFEST));
    try (Site site = site(store)) {
      site.prune(10, Site.DAY.multipliedBy(3));
      clock.advance(Site.DAY.multipliedBy(2));
      site.prune(10, Site.DAY.multipliedBy(3));
      assertThat(keys("packs/")).isNotEmpty();
      clock.advance(Site.DAY.multipliedBy(2));
      site.prune(10, Site.DAY.multipliedBy(3));
      assertThat(keys("packs/")).isEmpty();
      assertThat(full(site, files).resumed()).isZero();
      clock.advance(Site.DAY.multipliedBy(4));
      site.prune(10, Site.DAY.multipliedBy(3));
      assertThat(keys("leases/")).isEmpty();
      site.requireAllWhole();
    }
  }

  @Test
  void r16WhatIsDamagedIsStoredAgainWhateverBitItIs() throws IOException {
    create();
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    interrupt(files, beginning(MANIFEST));
    MemoryObjectStore before = store.copy();
    Random random = new Random(7);
    for (int i = 0; i < 24; i++) {
      MemoryObjectStore disk = before.copy();
      for (String pack : keys("packs/")) {
        ObjectKey key = new ObjectKey(pack);
        long bits = 8L * disk.content(key).length;
        // Beginning and end, then anywhere.
        long bit = i < 8 ? i * 17L : i < 16 ? bits - 1 - i * 31L : random.nextLong(bits);
        disk.flipBit(key, bit);
      }
      assertStoredAgain(disk, files);
    }
  }

  @Test
  void r16WhatIsCutIsStoredAgain() throws IOException {
    create();
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    interrupt(files, beginning(MANIFEST));
    MemoryObjectStore before = store.copy();
    for (int cut : List.of(1, 17, 40_000, 1_000_000)) {
      MemoryObjectStore disk = before.copy();
      for (String pack : keys("packs/")) {
        ObjectKey key = new ObjectKey(pack);
        byte[] whole = disk.content(key);
        disk.replace(key, Arrays.copyOf(whole, Math.max(0, whole.length - cut)));
      }
      assertStoredAgain(disk, files);
    }
  }

  private void assertStoredAgain(MemoryObjectStore disk, Map<String, byte[]> files)
      throws IOException {
    try (Site site = site(disk)) {
      Made made = full(site, files);
      assertThat(made.resumed()).isZero();
      assertThat(made.stored()).isGreaterThan(content(files));
      TestRepository.assertReads(site.repository, made.id(), files);
    }
  }

  @Test
  void r21WhatIsGoneBeforeItWasReadBackIsStoredAgainAndLaterRefusesTheCommit() throws IOException {
    create();
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    interrupt(files, beginning(MANIFEST));
    MemoryObjectStore before = store.copy();
    List<String> left = keys("packs/");
    boolean reached = true;
    int refused = 0;
    for (int call = 1; reached; call++) {
      MemoryObjectStore disk = before.copy();
      int when = call;
      AtomicInteger calls = new AtomicInteger();
      Set<String> looks = ConcurrentHashMap.newKeySet();
      ObjectStore losing =
          new Site.Watched(disk) {
            @Override
            synchronized void before(String call) {
              if (calls.incrementAndGet() == when) {
                left.forEach(pack -> disk.lose(new ObjectKey(pack)));
              }
              if (calls.get() >= when) {
                looks.add(call.replaceFirst("^[a-z]+ ", ""));
              }
            }
          };
      Optional<BackupId> made = Optional.empty();
      try (Site site = site(losing)) {
        made = Optional.of(full(site, files).id());
      } catch (RepositoryException e) {
        assertThat(e.kind()).as("call %d: %s", call, e).isEqualTo(FailureKind.DAMAGED);
        refused++;
      }
      reached = calls.get() >= call;
      try (Site site = site(disk)) {
        if (made.isPresent()) {
          Set<String> missing = names(packs(site, made.get()));
          missing.removeIf(pack -> isThere(disk, pack));
          // Whoever removes what was looked at a moment before is beyond what anybody can notice.
          assertThat(missing).as("call %d", call).noneMatch(looks::contains);
          if (missing.isEmpty()) {
            TestRepository.assertReads(site.repository, made.get(), files);
          }
        } else {
          clock.advance(LAPSE);
          assertWhole(site, full(site, files).id(), files);
        }
      }
    }
    assertThat(refused).isPositive();
  }

  private static boolean isThere(MemoryObjectStore disk, String pack) {
    return disk.head(new ObjectKey(pack)).isPresent();
  }

  @Test
  void packsOfAnotherSourceAreNeverTaken() throws IOException {
    create();
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    try (Site site = site(store)) {
      site.repository.register("other", "postgres", TestRepository.CLUSTER);
    }
    interrupt(files, beginning(MANIFEST));
    try (Site site = site(store)) {
      BackupStart other =
          new BackupStart("other", BackupType.FULL, Optional.empty(), TestRepository.NOW);
      assertThat(make(site.repository.begin(other), files).resumed()).isZero();
      // Nor where somebody laid them under the other's name.
      String from = site.services.log().catalog().source("orders").orElseThrow().tree().toString();
      String to = site.services.log().catalog().source("other").orElseThrow().tree().toString();
      for (String key : keys("leases/")) {
        byte[] lease =
            new String(store.content(new ObjectKey(key)), StandardCharsets.UTF_8)
                .replace(from, to)
                .getBytes(StandardCharsets.UTF_8);
        store.replace(new ObjectKey(key), lease);
      }
      for (String key : keys("packs/" + from)) {
        store.put(
            new ObjectKey(key.replace(from, to)),
            ObjectSource.of(store.content(new ObjectKey(key))));
      }
      Made made = make(site.repository.begin(other), files);
      assertThat(made.resumed()).isZero();
      TestRepository.assertReads(site.repository, made.id(), files);
    }
  }

  @Test
  void r5AShortListingOnlyMeansThatLessIsResumed() throws IOException {
    create();
    Map<String, byte[]> files = TestRepository.sampleFiles(1);
    interrupt(files, beginning(MANIFEST));
    interrupt(TestRepository.sampleFiles(2), beginning(MANIFEST));
    MemoryObjectStore before = store.copy();
    for (int seed = 0; seed < 20; seed++) {
      Random random = new Random(seed);
      MemoryObjectStore disk = before.copy();
      ObjectStore forgetful =
          new Site.Watched(disk) {
            @Override
            public ListPage list(String prefix, Optional<String> after) throws IOException {
              ListPage page = super.list(prefix, after);
              if (!prefix.startsWith("leases/") && !prefix.startsWith("packs/")) {
                return page;
              }
              List<ObjectInfo> some = new ArrayList<>(page.objects());
              some.removeIf(info -> random.nextBoolean());
              return new ListPage(some, page.next());
            }
          };
      try (Site site = site(forgetful)) {
        Made made = full(site, files);
        TestRepository.assertReads(site.repository, made.id(), files);
      }
      try (Site site = site(disk)) {
        site.requireAllWhole();
      }
    }
  }

  @Test
  void r17KilledAtAnyCallTheNextBackupResumesWhatWasPublished() throws IOException {
    create();
    Map<String, byte[]> files = TestRepository.mediumFiles(1);
    MemoryObjectStore before = store.copy();
    Random random = new Random(FaultSuite.SEED);
    int resumed = 0;
    boolean died = true;
    for (int call = 1; died; call++) {
      MemoryObjectStore disk = before.copy();
      died = killed(disk, files, call);
      if (random.nextInt(4) == 0) {
        killed(disk, files, 1 + random.nextInt(60)); // the one that resumes it, too
      }
      List<String> packs =
          disk.contents().keySet().stream().filter(key -> key.startsWith("packs/")).toList();
      try (Site site = site(disk)) {
        boolean committed = !site.listed().isEmpty();
        Made made = full(site, files);
        resumed += made.resumed() > 0 ? 1 : 0;
        if (!committed && packs.size() == 1) {
          assertThat(made.resumed()).as("call %d", call).isEqualTo(content(files));
        }
        TestRepository.assertReads(site.repository, made.id(), files);
        site.requireAllWhole();
      }
    }
    assertThat(resumed).isPositive();
  }

  private boolean killed(MemoryObjectStore disk, Map<String, byte[]> files, int call)
      throws IOException {
    Site.Mortal dying = new Site.Mortal(disk, number(call));
    try (Site site = site(dying)) {
      full(site, files);
    } catch (IOException e) {
      assertThat(e).as("call %d", call).isInstanceOf(ClassifiedFailure.class);
    }
    clock.advance(LAPSE);
    return dying.dead();
  }
}
