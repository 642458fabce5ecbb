package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Compression;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.storage.internal.format.Digests;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Backups that reference what an earlier one stored. */
class IncrementalTest {
  private static final int PAGE = Arrival.PAGE;
  private static final int MIB = 1 << 20;

  @TempDir Path state;

  private final MemoryObjectStore store = MemoryObjectStore.create();
  private Repository repository;

  /** How the test gives a file to the writer. */
  private enum Way {
    WHOLE,
    COMPARED,
    JUDGED,
    SPARSE
  }

  @BeforeEach
  void create() throws IOException {
    repository = TestRepository.create(store, state);
    WalSegment segment = TestRepository.segment(1, 1);
    repository
        .wal("orders")
        .storeSegment(segment, ByteBuffer.wrap(TestRepository.wal(segment, 1)), WalMarks.NONE);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void everyBackupOfALongChainIsWhatTheFilesWere(long seed) throws IOException {
    Random random = new Random(seed);
    Map<String, byte[]> files = new LinkedHashMap<>();
    files.put("base/1/large", TestRepository.text(random, 3 * MIB + 5 * PAGE));
    files.put("base/1/middle", TestRepository.bytes(random, MIB + PAGE / 2));
    files.put("base/1/sparse", TestRepository.text(random, 12 * MIB));
    files.put("base/1/zeros", new byte[2 * MIB + 17]);
    for (int i = 0; i < 20; i++) {
      files.put("base/5/" + i, TestRepository.text(random, random.nextInt(120_000)));
    }
    List<Map<String, String>> model = new ArrayList<>();
    List<BackupId> made = new ArrayList<>();
    model.add(digests(files));
    made.add(TestRepository.backUp(repository, files).id());
    Map<String, byte[]> now = files;
    for (int round = 1; round <= 30; round++) {
      Map<String, byte[]> before = now;
      now = evolve(random, before, round);
      BackupDescriptor next = incremental(made.get(round - 1), before, now, random);
      assertThat(next.type()).isEqualTo(BackupType.INCREMENTAL);
      assertThat(next.base()).contains(made.get(round - 1));
      assertThat(next.bytes()).isEqualTo(now.values().stream().mapToLong(b -> b.length).sum());
      TestRepository.assertReads(repository, next.id(), now);
      model.add(digests(now));
      made.add(next.id());
    }
    for (int i = 0; i < made.size(); i++) {
      assertThat(digests(TestRepository.readAll(repository, made.get(i)))).isEqualTo(model.get(i));
    }
    assertThat(verify().damaged()).isEmpty();
  }

  private static Map<String, String> digests(Map<String, byte[]> files) {
    Map<String, String> digests = new HashMap<>();
    files.forEach((path, content) -> digests.put(path, Digests.sha256(content)));
    return digests;
  }

  private static Map<String, byte[]> evolve(Random random, Map<String, byte[]> from, int round) {
    Map<String, byte[]> next = new LinkedHashMap<>();
    for (Map.Entry<String, byte[]> file : from.entrySet()) {
      byte[] content = file.getValue().clone();
      switch (random.nextInt(8)) {
        case 0, 1, 2 -> {}
        case 3 -> content = Arrays.copyOf(content, random.nextInt(content.length + 1));
        case 4 -> {
          int more = random.nextInt(4) == 0 ? MIB + random.nextInt(MIB) : random.nextInt(5 * PAGE);
          int length = content.length;
          content = Arrays.copyOf(content, length + more);
          if (random.nextBoolean()) {
            System.arraycopy(TestRepository.text(random, more), 0, content, length, more);
          }
        }
        default -> scribble(random, content, 1 + random.nextInt(6));
      }
      if (random.nextInt(60) != 0) {
        next.put(file.getKey(), content);
      }
    }
    next.put("base/9/" + round, TestRepository.text(random, random.nextInt(3 * PAGE)));
    return next;
  }

  private static void scribble(Random random, byte[] content, int pages) {
    for (int i = 0; i < pages && content.length > 0; i++) {
      int page = random.nextInt(content.length) / PAGE * PAGE;
      int run = Math.min(content.length - page, PAGE * (random.nextInt(6) == 0 ? 40 : 1));
      System.arraycopy(TestRepository.text(random, run), 0, content, page, run);
    }
  }

  private BackupDescriptor incremental(
      BackupId base, Map<String, byte[]> before, Map<String, byte[]> now, Random random)
      throws IOException {
    Map<String, Way> ways = new LinkedHashMap<>();
    for (String path : now.keySet()) {
      Way way = Way.values()[random.nextInt(Way.values().length)];
      ways.put(path, before.containsKey(path) || way != Way.SPARSE ? way : Way.COMPARED);
    }
    return incremental(base, before, now, ways);
  }

  private BackupDescriptor incremental(
      BackupId base, Map<String, byte[]> before, Map<String, byte[]> now, Map<String, Way> ways)
      throws IOException {
    try (BackupWriter writer = TestRepository.begin(repository, base)) {
      writer.directory(TestRepository.directory("base"));
      for (Map.Entry<String, byte[]> file : now.entrySet()) {
        byte[] old = before.getOrDefault(file.getKey(), new byte[0]);
        write(writer, file.getKey(), old, file.getValue(), ways.get(file.getKey()));
      }
      return writer.commit(TestRepository.facts(), BackupStatus.COMPLETE);
    }
  }

  private BackupDescriptor incremental(
      BackupId base, Map<String, byte[]> before, Map<String, byte[]> now, Way way)
      throws IOException {
    Map<String, Way> ways = new LinkedHashMap<>();
    now.keySet().forEach(path -> ways.put(path, way));
    return incremental(base, before, now, ways);
  }

  private static void write(BackupWriter writer, String path, byte[] old, byte[] now, Way way)
      throws IOException {
    Arrival arrival =
        switch (way) {
          case WHOLE -> new Arrival.Whole();
          case COMPARED -> new Arrival.Compared();
          case JUDGED -> new Arrival.Judged(new Judge(old));
          case SPARSE -> new Arrival.Sparse();
        };
    try (BackupWriter.FileWriter out =
        writer.file(TestRepository.file(path, now.length), PieceCheck.NONE, arrival)) {
      if (way != Way.SPARSE) {
        for (int at = 0; at < now.length; at += 100_000) {
          out.write(now, at, Math.min(100_000, now.length - at));
        }
      } else {
        writeChanged(out, old, now);
      }
      out.finish();
    }
  }

  private static void writeChanged(BackupWriter.FileWriter out, byte[] old, byte[] now)
      throws IOException {
    int run = 0;
    for (int at = 0; at < now.length; at += PAGE) {
      int count = Math.min(PAGE, now.length - at);
      if (at + count <= old.length && Arrays.equals(old, at, at + count, now, at, at + count)) {
        run += count;
        continue;
      }
      out.unchanged(run);
      run = 0;
      if (Arrays.equals(now, at, at + count, new byte[PAGE], 0, count)) {
        out.zeros(count);
      } else {
        out.write(now, at, count);
      }
    }
    out.unchanged(run);
  }

  /** Knows what the base holds. */
  private record Judge(byte[] old) implements Arrival.PageJudge {
    @Override
    public boolean changed(long offset, ByteBuffer page) {
      int at = (int) offset;
      return at + page.remaining() > old.length
          || !page.equals(ByteBuffer.wrap(old, at, page.remaining()));
    }

    @Override
    public boolean same(long offset, ByteBuffer page, ByteBuffer base) {
      return page.equals(base);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"COMPARED", "JUDGED", "SPARSE"})
  void nothingIsStoredOfWhatDidNotChange(String way) throws IOException {
    Map<String, byte[]> files = TestRepository.sampleFiles(7);
    BackupDescriptor full = TestRepository.backUp(repository, files);
    Set<String> before = packs();
    BackupDescriptor next = incremental(full.id(), files, files, Way.valueOf(way));
    assertThat(next.bytesChanged()).isZero();
    assertThat(next.bytesStored()).isLessThan(40_000);
    assertThat(packs()).hasSize(before.size() + 1); // of the file table
    TestRepository.assertReads(repository, next.id(), files);

    files.get("base/1/large")[5 * MIB + 3 * PAGE] ^= 1;
    files.get("base/5/7")[1] ^= 1;
    Map<String, byte[]> old = TestRepository.sampleFiles(7);
    BackupDescriptor third = incremental(next.id(), old, files, Way.valueOf(way));
    assertThat(third.bytesChanged()).isBetween(2L * 1, 2L * PAGE + 40_000);
    TestRepository.assertReads(repository, third.id(), files);
    TestRepository.assertReads(repository, next.id(), old);
    assertThat(verify().damaged()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4})
  void zerosThatNobodyWroteAreThereInEveryWayOfArrival(long seed) throws IOException {
    Random random = new Random(seed);
    byte[] content = holes(random, (9 * MIB) + 3 * PAGE + 77);
    BackupDescriptor made;
    try (BackupWriter writer = TestRepository.begin(repository)) {
      TestRepository.write(writer, "before", TestRepository.text(random, 50_000));
      writeHoles(writer, content, new Arrival.Whole());
      TestRepository.write(writer, "behind", TestRepository.text(random, 50_000));
      made = writer.commit(TestRepository.facts(), BackupStatus.COMPLETE);
    }
    assertThat(TestRepository.readAll(repository, made.id())).containsEntry("holes", content);
    for (int round = 0; round < 9; round++) {
      byte[] old = content;
      byte[] now = round % 3 == 2 ? holes(random, content.length + PAGE * round) : content.clone();
      now[random.nextInt(now.length)] ^= 1;
      Arrival arrival =
          List.of(new Arrival.Compared(), new Arrival.Judged(new Judge(old)), new Arrival.Sparse())
              .get(round % 3);
      try (BackupWriter writer = TestRepository.begin(repository, made.id())) {
        writeHoles(writer, now, arrival);
        made = writer.commit(TestRepository.facts(), BackupStatus.COMPLETE);
      }
      assertThat(TestRepository.readAll(repository, made.id())).containsEntry("holes", now);
      content = now;
    }
    assertThat(verify().damaged()).isEmpty();
  }

  /** A page in front of a hole must not pass for one behind it. */
  @Test
  void theLastStretchIsComparedWithTheLastStretch() throws IOException {
    byte[] page = TestRepository.text(new Random(5), PAGE);
    byte[] front = Arrays.copyOf(page, MIB + PAGE);
    byte[] back = new byte[MIB + PAGE];
    System.arraycopy(page, 0, back, MIB, PAGE);
    BackupDescriptor made;
    try (BackupWriter writer = TestRepository.begin(repository)) {
      writeHoles(writer, front, new Arrival.Whole());
      made = writer.commit(TestRepository.facts(), BackupStatus.COMPLETE);
    }
    try (BackupWriter writer = TestRepository.begin(repository, made.id())) {
      writeHoles(writer, back, new Arrival.Compared());
      made = writer.commit(TestRepository.facts(), BackupStatus.COMPLETE);
    }
    assertThat(TestRepository.readAll(repository, made.id())).containsEntry("holes", back);
  }

  private static byte[] holes(Random random, int length) {
    byte[] content = new byte[length];
    for (int at = 0; at < length; ) {
      int count = Math.min(length - at, random.nextBoolean() ? PAGE : random.nextInt(3 * MIB));
      if (random.nextBoolean()) {
        System.arraycopy(TestRepository.text(random, count), 0, content, at, count);
      }
      at += count;
    }
    return content;
  }

  /** Writes what is not zero. */
  private static void writeHoles(BackupWriter writer, byte[] content, Arrival arrival)
      throws IOException {
    try (BackupWriter.FileWriter out =
        writer.file(TestRepository.file("holes", content.length), PieceCheck.NONE, arrival)) {
      for (int at = 0; at < content.length; ) {
        boolean zero = content[at] == 0;
        int to = at;
        while (to < content.length && content[to] == 0 == zero) {
          to++;
        }
        if (zero) {
          out.zeros(to - at);
        } else {
          out.write(content, at, to - at);
        }
        at = to;
      }
      out.finish();
    }
  }

  @Test
  void aFullBackupReferencesNothing() throws IOException {
    Map<String, byte[]> files = TestRepository.mediumFiles(8);
    BackupDescriptor first = TestRepository.backUp(repository, files);
    Set<String> before = packs();
    BackupDescriptor second = TestRepository.backUp(repository, files);
    for (String pack : before) {
      store.delete(new ObjectKey(pack));
    }
    TestRepository.assertReads(repository, second.id(), files);
    assertThat(second.bytesStored()).isGreaterThan(first.bytesStored() / 2);
    assertThatThrownBy(
            () ->
                new BackupStart(
                    "orders",
                    BackupType.FULL,
                    Optional.of(first.id()),
                    Optional.empty(),
                    TestRepository.NOW))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void theMapOfALongFileIsReferencedAgainWhereItDidNotChange() throws IOException {
    byte[] content = new byte[24 * MIB];
    for (int at = 0; at < content.length; at += PAGE) {
      ByteBuffer.wrap(content).putInt(at, at + 1);
    }
    Map<String, byte[]> files = Map.of("base/1/16384", content);
    BackupDescriptor full = TestRepository.backUp(repository, files);
    Map<String, byte[]> changed = Map.of("base/1/16384", content.clone());
    changed.get("base/1/16384")[20 * MIB + 5] = 9;
    for (Way way : List.of(Way.COMPARED, Way.JUDGED, Way.SPARSE)) {
      BackupDescriptor same = incremental(full.id(), files, files, way);
      assertThat(same.bytesStored()).as("%s", way).isLessThan(10_000);
      BackupDescriptor next = incremental(full.id(), files, changed, way);
      assertThat(next.bytesChanged()).isEqualTo(PAGE);
      assertThat(next.bytesStored()).as("%s", way).isLessThan(24_000);
      TestRepository.assertReads(repository, next.id(), changed);
      BackupDescriptor back = incremental(next.id(), changed, files, way);
      TestRepository.assertReads(repository, back.id(), files);
    }
    assertThat(verify().damaged()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"COMPARED", "JUDGED", "SPARSE"})
  void aStretchInTooManyPiecesIsStoredWhole(String way) throws IOException {
    Map<String, byte[]> files = Map.of("f", TestRepository.text(new Random(3), MIB));
    BackupId last = TestRepository.backUp(repository, files).id();
    boolean whole = false;
    for (int round = 0; round < 40; round++) {
      byte[] content = files.get("f").clone();
      content[round * 3 % 128 * PAGE] ^= 0x55;
      BackupDescriptor next = incremental(last, files, Map.of("f", content), Way.valueOf(way));
      assertThat(next.bytesChanged()).isIn((long) PAGE, (long) MIB);
      whole |= next.bytesChanged() == MIB;
      files = Map.of("f", content);
      last = next.id();
      TestRepository.assertReads(repository, last, files);
    }
    assertThat(whole).isTrue();
    assertThat(packsOf(last)).hasSizeLessThanOrEqualTo(18);
  }

  @Test
  void aChangeWithoutATraceIsFoundAndEndsTheBackup() throws IOException {
    Map<String, byte[]> files = TestRepository.mediumFiles(4);
    BackupDescriptor full = TestRepository.backUp(repository, files);
    byte[] content = files.get("base/1/large").clone();
    content[17] ^= 4;
    Arrival.PageJudge blind = judge(false, false);
    assertThatThrownBy(() -> judged(full.id(), "base/1/large", content, blind))
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> {
              assertThat(e.code()).isEqualTo("backup.cross-check-failed");
              assertThat(e.details()).containsEntry("file", "base/1/large");
            });
    assertThat(repository.backups(Optional.empty())).hasSize(1);
  }

  @Test
  void aHintThatDoesNotCountIsNoMismatch() throws IOException {
    Map<String, byte[]> files = TestRepository.mediumFiles(4);
    BackupDescriptor full = TestRepository.backUp(repository, files);
    byte[] content = files.get("base/1/large").clone();
    content[17] ^= 4;
    BackupDescriptor next = judged(full.id(), "base/1/large", content, judge(false, true));
    TestRepository.assertReads(repository, next.id(), Map.of("base/1/large", content));
  }

  /** A second backup compares with what the first one stored, not with what it was given. */
  @Test
  void hintsThatAreLeftOutDoNotDamageWhatIsStored() throws IOException {
    byte[] base = new byte[5 << 20];
    new Random(5).nextBytes(base);
    BackupDescriptor last = TestRepository.backUp(repository, Map.of("base/1/hints", base));
    Arrival.PageJudge hints =
        new Arrival.PageJudge() {
          @Override
          public boolean changed(long offset, ByteBuffer page) {
            return false;
          }

          @Override
          public boolean same(long offset, ByteBuffer page, ByteBuffer old) {
            return true;
          }

          @Override
          public boolean exact() {
            return false;
          }
        };
    byte[] content = base.clone();
    for (int at = 17; at < content.length; at += Arrival.PAGE) {
      content[at] ^= 4;
    }
    for (int round = 0; round < 3; round++) {
      last = judged(last.id(), "base/1/hints", content, hints);
      byte[] read = TestRepository.readAll(repository, last.id()).get("base/1/hints");
      for (int at = 17; at < content.length; at += Arrival.PAGE) {
        assertThat(read[at]).isIn(content[at], base[at]);
        read[at] = base[at];
      }
      assertThat(read).isEqualTo(base);
    }
    assertThat(
            repository
                .verify(
                    new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 100),
                    RunControl.unattended())
                .damaged())
        .isEmpty();
  }

  @Test
  void pagesThatTellNothingOfThemselvesAreCompared() throws IOException {
    byte[] base = new byte[3 * MIB + PAGE];
    new Random(5).nextBytes(base);
    for (int at = 0; at < base.length; at += 3 * PAGE) {
      ByteBuffer.wrap(base).putLong(at, 0);
    }
    BackupDescriptor full = TestRepository.backUp(repository, Map.of("base/1/index", base));
    Arrival.PageJudge judge =
        new Arrival.PageJudge() {
          @Override
          public boolean changed(long offset, ByteBuffer page) {
            return !tells(page) || page.getLong(0) == 1;
          }

          @Override
          public boolean tells(ByteBuffer page) {
            return page.getLong(0) != 0;
          }

          @Override
          public boolean same(long offset, ByteBuffer page, ByteBuffer old) {
            return page.equals(old);
          }
        };
    byte[] content = base.clone();
    content[9 * PAGE + 100] ^= 4; // of one that tells nothing
    ByteBuffer.wrap(content).putLong(10 * PAGE, 1); // of one that does
    ByteBuffer.wrap(content).putLong(2 * MIB, 1); // a stretch of which nothing else changed
    BackupDescriptor next = judged(full.id(), "base/1/index", content, judge);
    assertThat(next.bytesChanged()).isEqualTo(3 * PAGE);
    TestRepository.assertReads(repository, next.id(), Map.of("base/1/index", content));
  }

  private static Arrival.PageJudge judge(boolean changed, boolean same) {
    return new Arrival.PageJudge() {
      @Override
      public boolean changed(long offset, ByteBuffer page) {
        return changed;
      }

      @Override
      public boolean same(long offset, ByteBuffer page, ByteBuffer base) {
        return same;
      }
    };
  }

  @Test
  void afterAFailureNothingIsCommitted() throws IOException {
    Map<String, byte[]> files = TestRepository.mediumFiles(4);
    BackupDescriptor full = TestRepository.backUp(repository, files);
    byte[] content = files.get("base/1/large").clone();
    content[17] ^= 4;
    try (BackupWriter writer = TestRepository.begin(repository, full.id())) {
      try (BackupWriter.FileWriter out =
          writer.file(
              TestRepository.file("base/1/large", content.length),
              PieceCheck.NONE,
              new Arrival.Judged(judge(false, false)))) {
        out.write(content, 0, content.length);
        out.finish();
      } catch (RepositoryException e) {
        assertThat(e.code()).isEqualTo("backup.cross-check-failed");
      }
      for (int i = 0; i < 2; i++) {
        assertThatThrownBy(() -> writer.commit(TestRepository.facts(), BackupStatus.COMPLETE))
            .isInstanceOf(Exception.class);
      }
    }
    assertThat(repository.backups(Optional.empty())).hasSize(1);
  }

  private BackupDescriptor judged(
      BackupId base, String path, byte[] content, Arrival.PageJudge judge) throws IOException {
    try (BackupWriter writer = TestRepository.begin(repository, base)) {
      try (BackupWriter.FileWriter out =
          writer.file(
              TestRepository.file(path, content.length),
              PieceCheck.NONE,
              new Arrival.Judged(judge))) {
        out.write(content, 0, content.length);
        out.finish();
      }
      return writer.commit(TestRepository.facts(), BackupStatus.COMPLETE);
    }
  }

  @Test
  void aThousandFilesOfWhichFewChange() throws IOException {
    Random random = new Random(6);
    Map<String, byte[]> files = new LinkedHashMap<>();
    for (int i = 0; i < 1000; i++) {
      files.put("base/5/" + i, TestRepository.text(random, random.nextInt(30_000)));
    }
    BackupDescriptor full = TestRepository.backUp(repository, files);
    Map<String, byte[]> now = new LinkedHashMap<>();
    files.forEach((path, content) -> now.put(path, content.clone()));
    for (int i = 0; i < 10; i++) {
      byte[] some = now.get("base/5/" + i * 97);
      scribble(random, some, 1);
    }
    BackupDescriptor next = incremental(full.id(), files, now, Way.COMPARED);
    assertThat(next.files()).isEqualTo(1000);
    assertThat(next.bytesChanged()).isLessThan(10 * 30_000);
    TestRepository.assertReads(repository, next.id(), now);
  }

  @Test
  void aReferenceToWhatIsGoneIsNeverCommitted() throws IOException {
    Map<String, byte[]> files = TestRepository.mediumFiles(4);
    BackupDescriptor full = TestRepository.backUp(repository, files);
    try (BackupWriter writer = TestRepository.begin(repository, full.id())) {
      for (Map.Entry<String, byte[]> file : files.entrySet()) {
        write(writer, file.getKey(), file.getValue(), file.getValue(), Way.COMPARED);
      }
      String largest =
          packs().stream()
              .max(
                  (a, b) ->
                      Integer.compare(
                          store.content(new ObjectKey(a)).length,
                          store.content(new ObjectKey(b)).length))
              .orElseThrow();
      store.delete(new ObjectKey(largest));
      assertThatThrownBy(() -> writer.commit(TestRepository.facts(), BackupStatus.COMPLETE))
          .isInstanceOfSatisfying(
              RepositoryException.class,
              e -> {
                assertThat(e.code()).isEqualTo("backup.base-damaged");
                assertThat(e.details()).containsEntry("object", largest);
              });
    }
    assertThat(repository.backups(Optional.empty())).hasSize(1);
  }

  @Test
  void aDamagedBaseIsNamedAndNotBuiltOn() throws IOException {
    Map<String, byte[]> files = Map.of("f", TestRepository.bytes(new Random(5), MIB));
    BackupDescriptor full = TestRepository.backUp(repository, files);
    String content =
        packs().stream()
            .filter(name -> store.content(new ObjectKey(name)).length > 500_000)
            .findFirst()
            .orElseThrow();
    store.flipBit(new ObjectKey(content), 8L * 300_000);
    byte[] changed = files.get("f").clone();
    changed[1] ^= 1;
    assertThatThrownBy(() -> incremental(full.id(), files, Map.of("f", changed), Way.COMPARED))
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> {
              assertThat(e.code()).isEqualTo("backup.base-damaged");
              assertThat(e.kind()).isEqualTo(FailureKind.DAMAGED);
              assertThat(e.details()).containsEntry("base", full.id().value());
            });
  }

  @Test
  void damageIsReportedForEveryBackupThatNeedsIt() throws IOException {
    Map<String, byte[]> files = Map.of("f", TestRepository.bytes(new Random(5), 2 * MIB));
    BackupDescriptor full = TestRepository.backUp(repository, files);
    byte[] changed = files.get("f").clone();
    changed[1] ^= 1;
    BackupDescriptor next = incremental(full.id(), files, Map.of("f", changed), Way.COMPARED);
    String pack =
        packsOf(full.id()).stream().filter(packsOf(next.id())::contains).findFirst().orElseThrow();
    store.flipBit(new ObjectKey(pack), 8L * 1_500_000);
    Set<BackupId> hit = new HashSet<>();
    for (VerifyReport.Damage damage : verify().damaged()) {
      assertThat(damage.object()).isEqualTo(pack);
      assertThat(damage.file()).contains("f");
      hit.addAll(damage.backups());
    }
    assertThat(hit).containsExactlyInAnyOrder(full.id(), next.id());
  }

  @ParameterizedTest
  @ValueSource(strings = {"lz4,zstd", "zstd,lz4", "none,zstd"})
  void theBaseMayBeOfAnotherCodec(String codecs) throws IOException {
    String[] names = codecs.split(",");
    Map<String, byte[]> files = TestRepository.sampleFiles(12);
    BackupDescriptor full;
    try (Repository first = open(names[0])) {
      full = TestRepository.backUp(first, files);
    }
    Random random = new Random(9);
    Map<String, byte[]> now = evolve(random, files, 1);
    try (Repository second = open(names[1])) {
      repository = second;
      BackupDescriptor next = incremental(full.id(), files, now, Way.COMPARED);
      assertThat(next.bytesChanged()).isLessThan(next.bytesRead());
      TestRepository.assertReads(second, next.id(), now);
      TestRepository.assertReads(second, full.id(), files);
      assertThat(verify().damaged()).isEmpty();
    }
  }

  private Repository open(String codec) throws IOException {
    Path other = Files.createTempDirectory(state, "state");
    return TestRepository.FACTORY.open(
        TestRepository.setup(store, other).compression(new Compression(codec, 1)).build());
  }

  @Test
  void sparseContentMustBeTheBases() throws IOException {
    Map<String, byte[]> files = Map.of("f", TestRepository.text(new Random(5), 3 * PAGE));
    BackupDescriptor full = TestRepository.backUp(repository, files);
    try (BackupWriter writer = TestRepository.begin(repository, full.id())) {
      for (String path : List.of("f", "unknown")) {
        try (BackupWriter.FileWriter out =
            writer.file(TestRepository.file(path, 0), PieceCheck.NONE, new Arrival.Sparse())) {
          assertThatThrownBy(() -> out.unchanged(3 * PAGE + 1))
              .isInstanceOfSatisfying(
                  RepositoryException.class,
                  e -> assertThat(e.code()).isEqualTo("backup.base-too-short"));
        }
      }
      try (BackupWriter.FileWriter out =
          writer.file(TestRepository.file("f", 0), PieceCheck.NONE, new Arrival.Sparse())) {
        out.unchanged(2 * PAGE);
        out.finish();
      }
      BackupDescriptor made = writer.commit(TestRepository.facts(), BackupStatus.COMPLETE);
      TestRepository.assertReads(
          repository, made.id(), Map.of("f", Arrays.copyOf(files.get("f"), 2 * PAGE)));
    }
  }

  @Test
  void anUnknownBaseIsRefused() {
    assertThatThrownBy(
            () -> TestRepository.begin(repository, new BackupId("20260101T000000Z-00000000")))
        .isInstanceOfSatisfying(
            RepositoryException.class, e -> assertThat(e.code()).isEqualTo("backup.not-found"));
  }

  @Test
  void everyFlippedByteOfAManifestOrMapWithReferencesIsDetected() throws IOException {
    byte[] content = TestRepository.text(new Random(8), 10 * MIB);
    Map<String, byte[]> files = Map.of("f", content);
    BackupDescriptor full = TestRepository.backUp(repository, files);
    Map<String, byte[]> now = Map.of("f", content.clone());
    now.get("f")[3 * MIB] ^= 1;
    Set<String> before = store.contents().keySet();
    BackupDescriptor next = incremental(full.id(), files, now, Way.COMPARED);
    List<String> added = new ArrayList<>(store.contents().keySet());
    added.removeAll(before);
    for (String name : added) {
      ObjectKey key = new ObjectKey(name);
      int length = store.content(key).length;
      if (name.startsWith("commits/")) {
        continue; // DamageTest
      }
      boolean manifest = name.startsWith("manifests/");
      for (int at = 0; at < length; at += manifest ? 1 : 41) {
        store.flipBit(key, at * 8L + at % 8);
        TestRepository.Target target = new TestRepository.Target();
        try (BackupReader reader = repository.open(next.id())) {
          reader.extract(one -> true, target, RunControl.unattended());
        } catch (RepositoryException e) {
          assertThat(e.kind()).isEqualTo(FailureKind.DAMAGED);
        }
        byte[] found = target.files.get("f");
        if (found != null && !Arrays.equals(found, now.get("f"))) {
          throw new AssertionError(name + " byte " + at + " gives other content");
        }
        if (manifest && found != null) {
          throw new AssertionError(name + " byte " + at + " is not noticed");
        }
        store.flipBit(key, at * 8L + at % 8);
      }
    }
  }

  private Set<String> packs() {
    Set<String> packs = new HashSet<>(store.contents().keySet());
    packs.removeIf(name -> !name.startsWith("packs/"));
    return packs;
  }

  /** What a backup cannot do without: found by taking each away. */
  private Set<String> packsOf(BackupId id) throws IOException {
    Set<String> needed = new HashSet<>();
    for (String pack : packs()) {
      byte[] content = store.content(new ObjectKey(pack));
      store.delete(new ObjectKey(pack));
      if (!repository
          .verify(
              new VerifyRequest(Optional.of(id), VerifyRequest.Level.OBJECTS, 100),
              RunControl.unattended())
          .damaged()
          .isEmpty()) {
        needed.add(pack);
      }
      store.put(new ObjectKey(pack), ObjectSource.of(content));
    }
    return needed;
  }

  private VerifyReport verify() throws IOException {
    return repository.verify(
        new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 100),
        RunControl.unattended());
  }
}
