package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.HealReport;
import com.thorbis.backup.api.PruneRequest;
import com.thorbis.backup.api.RekeyReport;
import com.thorbis.backup.api.RekeyRequest;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.RotateRequest;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.FileNode;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.repository.StoredFile.Kind;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.backup.BackupContents;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.pack.Chunker;
import com.thorbis.backup.storage.internal.pack.PackRef;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Backups of trees of general files: cut by content, known by content, kept without being read. */
class ChunkedBackupTest {
  private static final int MIB = 1 << 20;
  private static final int MOST_CHANGED = 6 * MIB;

  @TempDir Path states;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private final MemoryObjectStore store = MemoryObjectStore.create(clock, 1000);
  private final FileTree tree = new FileTree();
  private final Random random = new Random(1);
  private Site site;
  private int machines;

  @BeforeEach
  void create() throws IOException {
    site = Site.create(store, states.resolve("first"), clock);
    FileTree.register(site.repository);
  }

  @AfterEach
  void close() throws IOException {
    site.close();
  }

  private Site another(ObjectStore view) throws IOException {
    return Site.open(view, states.resolve("m" + ++machines), clock);
  }

  private FileTree.Made full(FileTree of) throws IOException {
    return of.backUp(site.repository, Optional.empty());
  }

  private FileTree.Made over(FileTree of, FileTree.Made base) throws IOException {
    return of.backUp(site.repository, Optional.of(base.id()));
  }

  private byte[] bytes(int length) {
    return TestRepository.bytes(random, length);
  }

  private static byte[] inserted(byte[] content, int at, byte... bytes) {
    byte[] longer = new byte[content.length + bytes.length];
    System.arraycopy(content, 0, longer, 0, at);
    System.arraycopy(bytes, 0, longer, at, bytes.length);
    System.arraycopy(content, at, longer, at + bytes.length, content.length - at);
    return longer;
  }

  private static Set<String> packs(Site site, BackupId id) throws IOException {
    Catalog.Entry entry = site.services.log().catalog().backup(id).orElseThrow();
    Catalog.Source source =
        site.services.log().catalog().source(entry.backup().source()).orElseThrow();
    return new BackupContents(site.services, source, entry)
        .packs().stream()
            .map(PackRef::key)
            .map(ObjectKey::value)
            .collect(Collectors.toCollection(TreeSet::new));
  }

  private void someFiles() {
    tree.directory("a").file("a/empty", new byte[0]).file("a/one", new byte[] {1});
    for (int i = 0; i < 300; i++) {
      tree.file("a/small/" + i, bytes(random.nextInt(9000)));
    }
    tree.file("a/least", bytes(Chunker.LEAST))
        .file("a/medium", bytes(700_000))
        .file("a/most", bytes(MIB))
        .file("a/large", bytes(9 * MIB + 12_345));
  }

  @Test
  void aTreeComesBackAsItWas() throws IOException {
    someFiles();
    tree.link(Kind.SYMBOLIC_LINK, "a/up", "../else where/\u00fc")
        .link(Kind.HARD_LINK, "b", "a/large")
        .file("zeros", new byte[5 * MIB])
        .file("z/short zeros", new byte[1000]);
    FileTree.Made made = full(tree);
    tree.assertIs(site.repository, made.id());
    long content = tree.files().stream().mapToLong(path -> tree.content(path).length).sum();
    assertThat(made.read()).isEqualTo(content).isEqualTo(made.backup().bytesRead());
    assertThat(made.changed()).isEqualTo(content - 5 * MIB - 1000);
    assertThat(made.backup().files()).isEqualTo(tree.files().size());
    FileTree.Made again = over(tree, made);
    assertThat(again.kept()).isEqualTo(tree.files().size());
    assertThat(again.read()).isZero();
    assertThat(again.changed()).isZero();
    tree.assertIs(site.repository, again.id());
    site.requireAllWhole();
  }

  @Test
  void ofALargeFileWithAByteInFrontAboutNothingIsStored() throws IOException {
    tree.file("large", bytes(200 * MIB));
    FileTree.Made first = full(tree);
    tree.file("large", inserted(tree.content("large"), 0, (byte) 7));
    FileTree.Made second = over(tree, first);
    assertThat(second.changed()).isBetween(1L, (long) MOST_CHANGED);
    assertThat(second.stored()).isLessThan(MOST_CHANGED + 200_000);
    tree.assertIs(site.repository, second.id());
    tree.file("large", Arrays.copyOfRange(tree.content("large"), 70 * MIB, 200 * MIB));
    FileTree.Made third = over(tree, second);
    assertThat(third.changed()).isBetween(1L, (long) MOST_CHANGED);
    tree.assertIs(site.repository, third.id());
    site.requireAllWhole();
  }

  @Test
  void theEndOfAFileIsKnownWhetherItsMapIsShortOrLong() throws IOException {
    tree.file("short", bytes(700_000)).file("long", bytes(20 * MIB + 100_000));
    FileTree.Made first = full(tree);
    assertThat(first.changed()).isEqualTo(700_000 + 20 * MIB + 100_000);
    FileTree.Made second =
        tree.backUp(site.repository, Optional.of(first.id()), false); // all of it is read
    assertThat(second.kept()).isZero();
    assertThat(second.read()).isEqualTo(first.read());
    assertThat(second.changed()).isZero();
    FileTree elsewhere = tree.moved("", "new/");
    FileTree.Made third = over(elsewhere, second);
    assertThat(third.kept()).isZero();
    assertThat(third.changed()).isZero();
    elsewhere.assertIs(site.repository, third.id());
    site.requireAllWhole();
  }

  @Test
  void ofARenamedTreeNothingIsStoredButItsTable() throws IOException {
    someFiles();
    FileTree.Made first = full(tree);
    FileTree renamed = tree.moved("a", "z/b");
    FileTree.Made second = over(renamed, first);
    assertThat(second.kept()).isZero();
    assertThat(second.read()).isEqualTo(first.read());
    assertThat(second.changed()).isZero();
    assertThat(second.stored()).isLessThan(100_000);
    renamed.assertIs(site.repository, second.id());
    // What is known by content of a backup that itself refers to another.
    FileTree again = renamed.moved("z", "y").file("new", bytes(100_000));
    FileTree.Made third = over(again, second);
    assertThat(third.changed()).isEqualTo(100_000);
    again.assertIs(site.repository, third.id());
    site.requireAllWhole();
  }

  @Test
  void whatIsTheSameWithinOneBackupIsStoredOnce() throws IOException {
    byte[] small = bytes(10_000);
    byte[] large = bytes(5 * MIB);
    for (int i = 0; i < 20; i++) {
      tree.file("small" + i, small).file("large" + i, large);
    }
    FileTree.Made made = full(tree);
    assertThat(made.read()).isEqualTo(20L * (small.length + large.length));
    assertThat(made.changed()).isEqualTo(small.length + large.length);
    assertThat(made.stored()).isLessThan(small.length + large.length + 600_000);
    tree.assertIs(site.repository, made.id());
    site.requireAllWhole();
  }

  /** In what a file is unlike the base's. */
  enum Difference {
    LENGTH,
    MODIFIED,
    CHANGED,
    INODE,
    OWNER,
    NO_NODE,
    PATH,
    AREA;

    StoredFile of(StoredFile file) {
      FileNode node = file.node().orElseThrow();
      FileNode other =
          new FileNode(
              this == OWNER ? 0 : node.uid(),
              node.gid(),
              node.owner(),
              node.group(),
              this == INODE ? node.inode() + 1 : node.inode(),
              this == CHANGED ? node.changedAt().plusNanos(1) : node.changedAt());
      return new StoredFile(
          this == AREA ? StoredFile.Area.CONFIG : file.area(),
          this == PATH ? "other" : file.path(),
          file.kind(),
          this == LENGTH ? file.length() + 1 : file.length(),
          file.mode(),
          this == MODIFIED ? file.modifiedAt().plusNanos(1) : file.modifiedAt(),
          file.target(),
          this == NO_NODE ? Optional.empty() : Optional.of(other));
    }
  }

  @ParameterizedTest
  @EnumSource
  void aFileThatDiffersIsNotKept(Difference difference) throws IOException {
    tree.file("f", bytes(10_000));
    FileTree.Made first = full(tree);
    try (BackupWriter writer = begin(first.id())) {
      assertThat(writer.keep(difference.of(tree.entry("f")))).isFalse();
      assertThat(writer.keep(tree.entry("f"))).isTrue();
    }
  }

  private BackupWriter begin(BackupId base) throws IOException {
    return site.repository.begin(
        new BackupStart(
            FileTree.SOURCE,
            BackupType.INCREMENTAL,
            Optional.of(base),
            Optional.empty(),
            TestRepository.NOW));
  }

  @Test
  void aFileOfWhichTheBaseHasNoNodeIsNotKeptNorIsAnythingElse() throws IOException {
    tree.file("f", bytes(10)).file("was a folder", bytes(10)).link(Kind.SYMBOLIC_LINK, "l", "f");
    StoredFile plain = tree.entry("f");
    tree.as(Difference.NO_NODE.of(plain));
    StoredFile folder = tree.entry("was a folder");
    FileTree before = tree.copy().remove("was a folder").directory("was a folder");
    FileTree.Made first = full(before);
    try (BackupWriter writer = begin(first.id())) {
      assertThat(writer.keep(plain)).isFalse();
      assertThat(writer.keep(tree.entry("f"))).as("neither has a node").isFalse();
      assertThat(writer.keep(folder)).isFalse();
      assertThat(writer.keep(tree.entry("l"))).isFalse();
    }
    try (BackupWriter writer =
        site.repository.begin(
            new BackupStart(
                FileTree.SOURCE, BackupType.FULL, Optional.empty(), TestRepository.NOW))) {
      assertThat(writer.keep(plain)).as("without a base").isFalse();
    }
  }

  @Test
  void whatIsKeptHasTheModeItHasNowAndNothingOfItIsRead() throws IOException {
    for (int i = 0; i < 5000; i++) {
      tree.file("small/%05d".formatted(i), bytes(20));
    }
    tree.file("large", bytes(150 * MIB)); // with a long map
    FileTree.Made first = full(tree);
    StoredFile file = tree.entry("large");
    tree.as(
        new StoredFile(
            file.area(),
            file.path(),
            file.kind(),
            file.length(),
            0600,
            file.modifiedAt(),
            file.target(),
            file.node()));
    AtomicLong reads = new AtomicLong();
    ObjectStore counting =
        new Site.Watched(store) {
          @Override
          void before(String call) {
            if (call.startsWith("get packs/")) {
              reads.incrementAndGet();
            }
          }
        };
    try (Site other = another(counting)) {
      FileTree.Made second = tree.backUp(other.repository, Optional.of(first.id()));
      assertThat(second.kept()).isEqualTo(5001);
      assertThat(second.changed()).isZero();
      assertThat(reads.get()).as("the parts of the table, twice").isBetween(1L, 10L);
      site.repository.refresh();
      tree.assertIs(site.repository, second.id());
    }
    site.requireAllWhole();
  }

  @Test
  void aFullBackupRefersToNothingOfAnEarlierOne() throws IOException {
    someFiles();
    FileTree.Made first = full(tree);
    FileTree.Made second = full(tree);
    assertThat(second.changed()).isEqualTo(first.changed());
    assertThat(packs(site, second.id())).doesNotContainAnyElementsOf(packs(site, first.id()));
    FileTree.Made third = over(tree, second);
    assertThat(packs(site, third.id()))
        .containsAnyElementsOf(packs(site, second.id()))
        .doesNotContainAnyElementsOf(packs(site, first.id()));
  }

  @Test
  void anInterruptedBackupIsResumed() throws IOException {
    someFiles();
    Site.Mortal dying = new Site.Mortal(store, call -> call.startsWith("start manifests/"));
    try (Site other = another(dying)) {
      assertThatThrownBy(() -> tree.backUp(other.repository, Optional.empty()))
          .isInstanceOf(StorageException.Unavailable.class);
    }
    clock.advance(Duration.ofMinutes(31));
    tree.file("a/large", inserted(tree.content("a/large"), 3 * MIB, (byte) 1));
    FileTree.Made made = full(tree);
    assertThat(made.resumed()).isGreaterThan(made.read() - 4 * MIB);
    tree.assertIs(site.repository, made.id());
    site.requireAllWhole();
  }

  @Test
  void anInterruptedBackupOverABaseIsResumed() throws IOException {
    someFiles();
    FileTree.Made base = full(tree);
    tree.file("a/new", bytes(20 * MIB)).file("a/copy", tree.content("a/large"));
    Site.Mortal dying = new Site.Mortal(store, call -> call.startsWith("start manifests/"));
    try (Site other = another(dying)) {
      assertThatThrownBy(() -> tree.backUp(other.repository, Optional.of(base.id())))
          .isInstanceOf(StorageException.Unavailable.class);
    }
    clock.advance(Duration.ofMinutes(31));
    FileTree.Made made = over(tree, base);
    assertThat(made.changed()).isEqualTo(20 * MIB);
    assertThat(made.resumed()).isGreaterThan(19 * MIB);
    assertThat(made.stored()).isLessThan(MIB);
    tree.assertIs(site.repository, made.id());
    site.requireAllWhole();
  }

  @Test
  void damageOfAChunkThatIsReferencedIsNoticedAndHealed() throws IOException {
    tree.file("large", bytes(3 * MIB));
    FileTree.Made first = full(tree);
    FileTree moved = tree.moved("", "else/");
    FileTree.Made second = over(moved, first);
    MemoryObjectStore copy = MemoryObjectStore.create(clock, 1000);
    var both =
        Site.setup(
            states.resolve("both"),
            clock,
            WritePolicy.PRIMARY,
            List.of(Copy.builder(store).name("a").build(), Copy.builder(copy).name("b").build()));
    TestRepository.FACTORY.init(both);
    Map<String, byte[]> large =
        new TreeMap<>(
            store.contents().entrySet().stream()
                .filter(one -> one.getKey().startsWith("packs/") && one.getValue().length > MIB)
                .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue)));
    assertThat(large).isNotEmpty();
    try (Site two = Site.open(both, 1000, 1000)) {
      assertThat(two.repository.syncCopies(RunControl.unattended()).complete()).isTrue();
      for (Map.Entry<String, byte[]> pack : large.entrySet()) {
        byte[] damaged = pack.getValue().clone();
        damaged[MIB] ^= 1;
        store.delete(new ObjectKey(pack.getKey()));
        store.put(new ObjectKey(pack.getKey()), ObjectSource.of(damaged));
      }
      List<VerifyReport.Damage> found = two.verify().damaged();
      assertThat(found)
          .flatExtracting(VerifyReport.Damage::backups)
          .contains(first.id(), second.id());
      HealReport healing = two.repository.healCopies(RunControl.unattended());
      assertThat(healing.repairs()).isNotEmpty();
      assertThat(healing.whole()).isTrue();
      assertThat(two.verify().damaged()).isEmpty();
    }
    try (Site alone = another(store)) {
      moved.assertIs(alone.repository, second.id());
    }
    try (Site alone = another(copy)) {
      moved.assertIs(alone.repository, second.id());
    }
  }

  @Test
  void underANewKeyAllIsThereAnewAndTheOldPacksGo() throws IOException {
    someFiles();
    tree.link(Kind.SYMBOLIC_LINK, "a/up", "..").link(Kind.HARD_LINK, "z", "a/large");
    FileTree.Made first = full(tree);
    FileTree after = tree.moved("a", "c").file("new", bytes(2 * MIB));
    FileTree.Made second = over(after, first);
    clock.advance(Duration.ofHours(2));
    site.repository.rotateKeys(RotateRequest.all());
    FileTree.Made mixed = over(after, second);
    assertThat(mixed.changed()).isZero();
    after.assertIs(site.repository, mixed.id());
    Set<String> old = packs(site, mixed.id());

    RekeyReport.Source report =
        site.repository
            .rekey(RekeyRequest.of(FileTree.SOURCE), RunControl.unattended())
            .sources()
            .get(0);
    Map<BackupId, BackupId> anew = new HashMap<>();
    report.backups().forEach(one -> anew.put(one.backup(), one.anew().orElseThrow()));
    assertThat(anew).containsOnlyKeys(first.id(), second.id(), mixed.id());
    tree.assertIs(site.repository, anew.get(first.id()));
    after.assertIs(site.repository, anew.get(second.id()));
    after.assertIs(site.repository, anew.get(mixed.id()));
    for (BackupId id : anew.values()) {
      try (BackupReader reader = site.repository.open(id)) {
        assertThat(reader.layout().keys()).allMatch(key -> key.endsWith("/2"));
      }
    }
    assertThat(packs(site, anew.get(mixed.id())))
        .as("what they share is stored once")
        .containsAnyElementsOf(packs(site, anew.get(first.id())));

    clock.advance(Duration.ofDays(40));
    site.repository.prune(
        PruneRequest.builder(FileTree.SOURCE, RetentionPolicy.builder().build())
            .grace(Duration.ZERO)
            .confirmed(true)
            .build(),
        RunControl.unattended());
    assertThat(store.contents().keySet()).doesNotContainAnyElementsOf(old);
    tree.assertIs(site.repository, anew.get(first.id()));
    after.assertIs(site.repository, anew.get(mixed.id()));
    site.requireAllWhole();
  }

  @Test
  void whatAnOlderBackupHeldStaysAsLongAsANewerOneRefersToIt() throws IOException {
    someFiles();
    FileTree.Made first = full(tree);
    FileTree after = tree.moved("a", "c");
    FileTree.Made second = over(after, first);
    site.verify();
    site.repository.prune(
        PruneRequest.builder(site.repository.backup(first.id()).orElseThrow())
            .grace(Duration.ZERO)
            .build(),
        RunControl.unattended());
    clock.advance(Duration.ofDays(2));
    assertThat(
            site.repository
                .prune(
                    PruneRequest.builder(FileTree.SOURCE, RetentionPolicy.builder().build())
                        .grace(Duration.ZERO)
                        .confirmed(true)
                        .build(),
                    RunControl.unattended())
                .swept())
        .containsExactly(first.id());
    after.assertIs(site.repository, second.id());
    site.requireAllWhole();
  }

  @Test
  void aFileThatIsNotFinishedIsNotInTheBackupAndHarmsNoOther() throws IOException {
    byte[] large = bytes(4 * MIB);
    byte[] small = bytes(5000);
    tree.file("large", large).file("small", small).file("x", bytes(100));
    try (BackupWriter writer =
        site.repository.begin(
            new BackupStart(
                FileTree.SOURCE, BackupType.FULL, Optional.empty(), TestRepository.NOW))) {
      for (byte[] content : List.of(large, small)) {
        try (BackupWriter.FileWriter out =
            writer.file(
                TestRepository.file("dropped", content.length),
                PieceCheck.NONE,
                new Arrival.Chunked())) {
          out.write(content, 0, content.length);
        }
      }
      tree.write(writer, false);
      BackupId id =
          writer
              .commit(
                  BackupFacts.withoutServer(
                      TestRepository.NOW, TestRepository.NOW, Map.of(), List.of()),
                  BackupStatus.COMPLETE)
              .id();
      tree.assertIs(site.repository, id);
    }
    site.requireAllWhole();
  }

  @Test
  void holesCostNothingAndTheCheckSeesEveryByteThatIsWritten() throws IOException {
    byte[] content = bytes(900_000);
    byte[] hole = new byte[300_000];
    AtomicLong seen = new AtomicLong();
    PieceCheck counting = (offset, piece) -> seen.addAndGet(piece.remaining());
    long huge = 1L << 40;
    BackupId id;
    try (BackupWriter writer =
        site.repository.begin(
            new BackupStart(
                FileTree.SOURCE, BackupType.FULL, Optional.empty(), TestRepository.NOW))) {
      for (String name : List.of("one", "two")) {
        try (BackupWriter.FileWriter out =
            writer.file(
                TestRepository.file(name, content.length * 2L), counting, new Arrival.Chunked())) {
          out.write(content, 0, 450_000);
          out.zeros(hole.length);
          out.zeros(10);
          out.write(content, 450_000, 450_000);
          out.finish();
        }
      }
      try (BackupWriter.FileWriter out =
          writer.file(TestRepository.file("huge", huge), PieceCheck.NONE, new Arrival.Chunked())) {
        out.zeros(huge);
        out.finish();
      }
      writer.settle();
      assertThat(seen.get()).isEqualTo(2L * (content.length + 10));
      id =
          writer
              .commit(
                  BackupFacts.withoutServer(
                      TestRepository.NOW, TestRepository.NOW, Map.of(), List.of()),
                  BackupStatus.COMPLETE)
              .id();
    }
    byte[] expected = new byte[content.length + hole.length + 10];
    System.arraycopy(content, 0, expected, 0, 450_000);
    System.arraycopy(content, 450_000, expected, expected.length - 450_000, 450_000);
    TestRepository.Target target = new TestRepository.Target();
    try (BackupReader reader = site.repository.open(id)) {
      reader.extract(file -> !file.path().equals("huge"), target, RunControl.unattended());
      Map<String, Long> lengths = new HashMap<>();
      reader.entries(file -> lengths.put(file.path(), file.length()));
      assertThat(lengths)
          .containsOnly(
              Map.entry("one", (long) content.length + hole.length + 10),
              Map.entry("two", (long) content.length + hole.length + 10),
              Map.entry("huge", huge));
      assertThat(reader.descriptor().bytesChanged())
          .as("the ten zeros are a chunk's, and the second file is the first again")
          .isBetween((long) content.length, content.length + 10L);
      assertThat(reader.descriptor().bytesStored()).isLessThan(content.length + 300_000L);
    }
    assertThat(target.files).containsOnlyKeys("one", "two");
    target.files.values().forEach(found -> assertThat(found).isEqualTo(expected));
  }

  private BackupWriter beginFull() throws IOException {
    return site.repository.begin(
        new BackupStart(FileTree.SOURCE, BackupType.FULL, Optional.empty(), TestRepository.NOW));
  }

  private static BackupId commit(BackupWriter writer) throws IOException {
    return writer
        .commit(
            BackupFacts.withoutServer(TestRepository.NOW, TestRepository.NOW, Map.of(), List.of()),
            BackupStatus.COMPLETE)
        .id();
  }

  @Test
  void aFileOfWhichAChunkWasNotTakenIsNeverFinished() throws IOException {
    byte[] content = bytes(3 * MIB);
    PieceCheck failing =
        (offset, piece) -> {
          throw new IllegalArgumentException("seen");
        };
    try (BackupWriter writer = beginFull()) {
      tree.file("f", content);
      tree.write(writer, false);
      try (BackupWriter.FileWriter out =
          writer.file(
              TestRepository.file("copy", content.length), failing, new Arrival.Chunked())) {
        assertThatThrownBy(() -> out.write(content, 0, content.length)).hasMessage("seen");
        assertThatThrownBy(() -> out.write(content, 0, 1))
            .isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> out.zeros(MIB)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(out::finish).isInstanceOf(IllegalStateException.class);
      }
      try (BackupWriter.FileWriter out =
          writer.file(TestRepository.file("end", 1000), failing, new Arrival.Chunked())) {
        out.write(new byte[1000], 0, 1000);
        assertThatThrownBy(out::finish).hasMessage("seen");
        assertThatThrownBy(out::finish).isInstanceOf(IllegalStateException.class);
      }
      tree.assertIs(site.repository, commit(writer));
    }
    site.requireAllWhole();
  }

  @Test
  void aHardLinkLeadsToAFileThatWasFinishedBeforeIt() throws IOException {
    tree.file("f", bytes(10)).directory("d").link(Kind.SYMBOLIC_LINK, "s", "f");
    StoredFile link = tree.copy().link(Kind.HARD_LINK, "z", "f").entry("z");
    FileTree.Made base = full(tree);
    try (BackupWriter writer = beginFull()) {
      try (BackupWriter.FileWriter out =
          writer.file(tree.entry("f"), PieceCheck.NONE, new Arrival.Chunked())) {
        out.write(new byte[10], 0, 10);
      }
      assertNowhere(() -> writer.link(link));
      writer.directory(tree.entry("d"));
      writer.link(tree.entry("s"));
      for (String target : List.of("d", "s", "z", "nowhere")) {
        assertNowhere(() -> writer.link(with(link, "z", target, link.node())));
      }
      FileTree.write(writer, tree.entry("f"), tree.content("f"));
      assertNowhere(() -> writer.link(Difference.AREA.of(link)));
      writer.link(link);
      assertNowhere(() -> writer.link(with(link, "y", "z", link.node())));
    }
    for (Arrival arrival : List.of(new Arrival.Whole(), new Arrival.Compared())) {
      try (BackupWriter writer = begin(base.id())) {
        try (BackupWriter.FileWriter out = writer.file(tree.entry("f"), PieceCheck.NONE, arrival)) {
          out.write(new byte[10], 0, 10);
        }
        assertNowhere(() -> writer.link(link));
        try (BackupWriter.FileWriter out = writer.file(tree.entry("f"), PieceCheck.NONE, arrival)) {
          out.write(tree.content("f"), 0, 10);
          out.finish();
        }
        writer.link(link);
      }
    }
    try (BackupWriter writer = begin(base.id())) {
      assertThat(writer.keep(tree.entry("f"))).isTrue();
      writer.link(link);
    }
  }

  private static void assertNowhere(ThrowingCallable action) {
    assertThatThrownBy(action)
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> assertThat(e.code()).isEqualTo("repository.entry-refused"))
        .hasMessageContaining("hard link");
  }

  @ParameterizedTest
  @CsvSource({
    "2001, 2001, true",
    "2000, 2001, false",
    "2001, 2000, false",
    "5000, -1, false",
    "-1, 5000, false"
  })
  void aFileThatChangedWhenItsBaseBeganIsNotKept(long modified, long changed, boolean kept)
      throws IOException {
    tree.file("f", bytes(100));
    StoredFile file = tree.entry("f");
    FileNode node = file.node().orElseThrow();
    tree.as(
        new StoredFile(
            file.area(),
            file.path(),
            file.kind(),
            file.length(),
            file.mode(),
            TestRepository.NOW.minusMillis(modified),
            file.target(),
            Optional.of(
                new FileNode(
                    node.uid(),
                    node.gid(),
                    node.owner(),
                    node.group(),
                    node.inode(),
                    TestRepository.NOW.minusMillis(changed)))));
    FileTree.Made first = full(tree);
    try (BackupWriter writer = begin(first.id())) {
      assertThat(writer.keep(tree.entry("f"))).isEqualTo(kept);
    }
  }

  @Test
  void underANewKeyAFileWithHolesIsCutAsItWas() throws IOException {
    byte[] content = bytes(6 * MIB);
    long hole = 150L * MIB + 5; // in several parts of a map
    StoredFile file = TestRepository.file("sparse", content.length + hole + 1_000_000);
    BackupId first;
    try (BackupWriter writer = beginFull()) {
      writeSparse(writer, file, content, hole);
      first = commit(writer);
    }
    clock.advance(Duration.ofHours(2));
    site.repository.rotateKeys(RotateRequest.all());
    BackupId anew =
        site.repository
            .rekey(RekeyRequest.of(FileTree.SOURCE), RunControl.unattended())
            .sources()
            .get(0)
            .backups()
            .get(0)
            .anew()
            .orElseThrow();
    assertThat(anew).isNotEqualTo(first);
    try (BackupWriter writer = begin(anew)) {
      writeSparse(writer, file, content, hole);
      assertThat(site.repository.backup(commit(writer)).orElseThrow().bytesChanged()).isZero();
    }
    site.requireAllWhole();
  }

  private static void writeSparse(BackupWriter writer, StoredFile file, byte[] content, long hole)
      throws IOException {
    try (BackupWriter.FileWriter out = writer.file(file, PieceCheck.NONE, new Arrival.Chunked())) {
      out.write(content, 0, 2_500_000);
      out.zeros(hole);
      out.write(content, 2_500_000, content.length - 2_500_000);
      out.zeros(1_000_000);
      out.finish();
    }
  }

  @Test
  void ofALargeFileThatBecameAHoleOnlyTheMapAroundWhatIsLeftIsRead() throws IOException {
    byte[] region = bytes(64 * MIB);
    assertThat(readsOver(region, "large", 15L * region.length, region)).isBetween(1L, 10L);
  }

  @Test
  void ofTheMapsOfLargeFilesManyPartsAreReadWithOneRequest() throws IOException {
    assertThat(readsOver(bytes(64 * MIB), "other", 0, bytes(MIB))).isBetween(1L, 8L);
  }

  /** How often packs are read to write a file over a base of a file of sixteen equal regions. */
  private long readsOver(byte[] region, String path, long hole, byte[] content) throws IOException {
    BackupId base;
    try (BackupWriter writer = beginFull()) {
      try (BackupWriter.FileWriter out =
          writer.file(
              TestRepository.file("large", 16L * region.length),
              PieceCheck.NONE,
              new Arrival.Chunked())) {
        for (int i = 0; i < 16; i++) {
          out.write(region, 0, region.length);
        }
        out.finish();
      }
      base = commit(writer);
    }
    AtomicLong reads = new AtomicLong();
    ObjectStore counting =
        new Site.Watched(store) {
          @Override
          void before(String call) {
            if (call.startsWith("get packs/")) {
              reads.incrementAndGet();
            }
          }
        };
    try (Site other = another(counting);
        BackupWriter writer =
            other.repository.begin(
                new BackupStart(
                    FileTree.SOURCE,
                    BackupType.INCREMENTAL,
                    Optional.of(base),
                    Optional.empty(),
                    TestRepository.NOW))) {
      long before = reads.get();
      try (BackupWriter.FileWriter out =
          writer.file(
              TestRepository.file(path, hole + content.length),
              PieceCheck.NONE,
              new Arrival.Chunked())) {
        out.zeros(hole);
        out.write(content, 0, content.length);
        out.finish();
      }
      return reads.get() - before;
    }
  }

  @Test
  void whatCannotComeBackAsItIsIsRefused() throws IOException {
    StoredFile link = tree.link(Kind.SYMBOLIC_LINK, "l", "x").entry("l");
    try (BackupWriter writer =
        site.repository.begin(
            new BackupStart(
                FileTree.SOURCE, BackupType.FULL, Optional.empty(), TestRepository.NOW))) {
      for (String target : List.of("", "half \ud800 a pair", "x".repeat((16 << 10) + 1))) {
        assertRefused(() -> writer.link(with(link, "l", target, link.node())));
      }
      assertRefused(() -> writer.link(with(link, "\udc00", "x", link.node())));
      FileNode node = link.node().orElseThrow();
      for (FileNode bad :
          List.of(
              new FileNode(-1, 0, "", "", 0, node.changedAt()),
              new FileNode(0, 1L << 32, "", "", 0, node.changedAt()),
              new FileNode(0, 0, "\ud800", "", 0, node.changedAt()),
              new FileNode(0, 0, "", "g".repeat(1025), 0, node.changedAt()))) {
        assertRefused(() -> writer.link(with(link, "l", "x", Optional.of(bad))));
      }
      assertRefused(() -> writer.link(TestRepository.directory("d")));
      assertRefused(() -> writer.directory(link));
      writer.link(link);
    }
  }

  private static void assertRefused(ThrowingCallable action) {
    assertThatThrownBy(action)
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> assertThat(e.code()).isEqualTo("repository.entry-refused"));
  }

  private static StoredFile with(
      StoredFile of, String path, String target, Optional<FileNode> node) {
    return new StoredFile(
        of.area(), path, of.kind(), 0, of.mode(), of.modifiedAt(), Optional.of(target), node);
  }

  @Test
  void manySmallFilesSharePiecesAndALargeOneBetweenThemDoesNotDivideThem() throws IOException {
    IntStream.range(0, 40)
        .forEach(
            i ->
                tree.file("%02d a".formatted(i), bytes(4000))
                    .file("%02d b".formatted(i), bytes(300_000)));
    FileTree.Made made = full(tree);
    try (BackupReader reader = site.repository.open(made.id())) {
      assertThat(reader.layout().packs()).isLessThanOrEqualTo(2);
    }
    tree.assertIs(site.repository, made.id());
    site.requireAllWhole();
  }
}
