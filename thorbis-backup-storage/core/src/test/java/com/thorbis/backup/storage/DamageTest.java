package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DamageTest {
  @TempDir Path state;

  private final MemoryObjectStore store = MemoryObjectStore.create();
  private final Map<String, byte[]> files = TestRepository.mediumFiles(7);
  private Repository repository;
  private BackupDescriptor backup;

  @BeforeEach
  void backUp() throws IOException {
    repository = TestRepository.create(store, state);
    WalArchive wal = repository.wal("orders");
    for (int number = 1; number <= 3; number++) {
      wal.storeSegment(
          TestRepository.segment(1, number),
          ByteBuffer.wrap(TestRepository.wal(TestRepository.segment(1, number), number)),
          WalMarks.NONE);
    }
    byte[] part = TestRepository.wal(TestRepository.segment(1, 4), 4);
    wal.storePart(TestRepository.segment(1, 4), 0, ByteBuffer.wrap(part, 0, 10_000), WalMarks.NONE);
    wal.storePart(
        TestRepository.segment(1, 4), 10_000, ByteBuffer.wrap(part, 10_000, 5000), WalMarks.NONE);
    wal.storeHistory(TestRepository.TIMELINE, "1\t0/0\tnothing\n".getBytes(StandardCharsets.UTF_8));
    backup = TestRepository.backUp(repository, files);
    assertThat(verify(VerifyRequest.Level.DATA).damaged()).isEmpty();
    assertThat(verify(VerifyRequest.Level.OBJECTS).damaged()).isEmpty();
  }

  @AfterEach
  void close() throws IOException {
    repository.close();
  }

  @Test
  void everyFlippedByteOfEveryMetadataObjectIsNamed() throws IOException {
    for (String name : store.contents().keySet()) {
      if (name.startsWith("packs/") || name.startsWith("wal/")) {
        continue;
      }
      ObjectKey key = new ObjectKey(name);
      int length = store.content(key).length;
      for (int at = 0; at < length; at++) {
        int bit = at * 8 + at % 8;
        store.flipBit(key, bit);
        List<VerifyReport.Damage> found =
            repository
                .verify(
                    new VerifyRequest(Optional.of(backup.id()), VerifyRequest.Level.OBJECTS, 100),
                    RunControl.unattended())
                .damaged();
        assertThat(found).as("%s byte %d", name, at).hasSize(1);
        assertThat(found.get(0).object()).isEqualTo(name);
        assertThat(found.get(0).kind()).isEqualTo("altered");
        assertThat(found.get(0).referenced()).isTrue();
        assertThat(found.get(0).backups()).containsExactly(backup.id());
        if (at % 197 == 0) {
          assertDoesNotServe(name);
        }
        store.flipBit(key, bit);
      }
    }
    assertThat(verify(VerifyRequest.Level.DATA).damaged()).isEmpty();
  }

  @Test
  void aDamagedSummaryOfTheLogIsNamedAndCostsNoBackup() throws IOException {
    repository.wal("orders").storeSummary(TestRepository.TIMELINE, new Lsn(0), new byte[] {1});
    assertThat(verify(VerifyRequest.Level.DATA).damaged()).isEmpty();
    String name =
        store.contents().keySet().stream()
            .filter(key -> key.endsWith(".map"))
            .findFirst()
            .orElseThrow();
    store.flipBit(new ObjectKey(name), 8 * 130);
    List<VerifyReport.Damage> found = verify(VerifyRequest.Level.DATA).damaged();
    assertThat(found).hasSize(1);
    assertThat(found.get(0).object()).isEqualTo(name);
    assertThat(found.get(0).kind()).isEqualTo("altered");
    assertThat(found.get(0).referenced()).isFalse();
    assertThat(found.get(0).backups()).isEmpty();
    assertThatThrownBy(() -> repository.wal("orders").summary(TestRepository.TIMELINE, new Lsn(0)))
        .isInstanceOf(RepositoryException.class);
  }

  private void assertDoesNotServe(String name) {
    assertThatThrownBy(
            () -> {
              try (Repository fresh =
                  TestRepository.FACTORY.open(TestRepository.setup(store, state).build())) {
                fresh.wal("orders").timelines();
                fresh.begin(start()).close();
                fresh.open(backup.id()).close();
              }
            })
        .as(name)
        .isInstanceOfSatisfying(
            ClassifiedFailure.class,
            failure -> assertThat(failure.kind()).isIn(FailureKind.DAMAGED, FailureKind.PERMANENT));
  }

  @Test
  void flippedBytesOfPacksAreNamedAndNeverDelivered() throws IOException {
    Random random = new Random(11);
    for (String name : packs()) {
      ObjectKey key = new ObjectKey(name);
      int length = store.content(key).length;
      for (int i = 0; i < 40; i++) {
        int at = i < 20 ? i * 6 : i < 25 ? length - 1 - i : random.nextInt(length);
        store.flipBit(key, at * 8L);
        List<VerifyReport.Damage> found = verify(VerifyRequest.Level.DATA).damaged();
        assertThat(found).as("%s byte %d", name, at).isNotEmpty();
        assertThat(found)
            .allSatisfy(
                damage -> {
                  assertThat(damage.object()).isEqualTo(name);
                  assertThat(damage.referenced()).isTrue();
                  assertThat(damage.backups()).containsExactly(backup.id());
                });
        assertNothingWrongIsDelivered(found);
        store.flipBit(key, at * 8L);
      }
    }
  }

  @Test
  void damageOfAFileNamesItWithItsRange() throws IOException {
    String pack = largestPack();
    store.flipBit(new ObjectKey(pack), 8L * (store.content(new ObjectKey(pack)).length / 2));
    List<VerifyReport.Damage> found = verify(VerifyRequest.Level.DATA).damaged();
    assertThat(found).isNotEmpty();
    VerifyReport.Damage damage = found.get(0);
    String file = damage.file().orElseThrow();
    String[] range = damage.range().orElseThrow().split("\\+");
    assertThat(files).containsKey(file);
    assertThat(Long.parseLong(range[0]) + Long.parseLong(range[1]))
        .isLessThanOrEqualTo(files.get(file).length);

    TestRepository.Target target = new TestRepository.Target();
    try (BackupReader reader = repository.open(backup.id())) {
      assertThatThrownBy(() -> reader.extract(one -> true, target, RunControl.unattended()))
          .isInstanceOfSatisfying(
              RepositoryException.class,
              failure -> {
                assertThat(failure.code()).isEqualTo("repository.damaged");
                assertThat(failure.kind()).isEqualTo(FailureKind.DAMAGED);
                assertThat(failure.details())
                    .containsEntry("object", pack)
                    .containsEntry("file", file)
                    .containsKey("range");
              });
    }
    assertThat(target.files).doesNotContainKey(file);
  }

  @Test
  void everyObjectThatIsTakenAwayIsNamed() throws IOException {
    for (String name : store.contents().keySet()) {
      ObjectKey key = new ObjectKey(name);
      byte[] content = store.content(key);
      store.delete(key);
      for (VerifyRequest.Level level : VerifyRequest.Level.values()) {
        if (name.endsWith(".history") || name.contains("/000000010000000000000004")) {
          continue; // nothing says that there was one
        }
        List<VerifyReport.Damage> found = verify(level).damaged();
        assertThat(found).as(name + " at " + level).isNotEmpty();
        assertThat(found.get(0).object()).isEqualTo(name);
        assertThat(found.get(0).kind()).isEqualTo("missing");
        assertThat(found.get(0).referenced()).isTrue();
      }
      store.put(key, ObjectSource.of(content));
    }
    assertThat(verify(VerifyRequest.Level.DATA).damaged()).isEmpty();
  }

  @Test
  void logThatWasNeverCapturedIsAGapAndNoDamage() throws IOException {
    WalArchive wal = repository.wal("orders");
    wal.storeSegment(
        TestRepository.segment(1, 7),
        ByteBuffer.wrap(TestRepository.wal(TestRepository.segment(1, 7), 7)),
        WalMarks.NONE);
    assertThat(wal.ranges(TestRepository.TIMELINE)).hasSize(2);
    assertThat(verify(VerifyRequest.Level.DATA).damaged()).isEmpty();
    assertThat(verify(VerifyRequest.Level.OBJECTS).damaged()).isEmpty();
  }

  @Test
  void w3ACutOrAlteredSegmentIsNamedWithItsPositions() throws IOException {
    for (String name : store.contents().keySet()) {
      if (!name.startsWith("wal/")) {
        continue;
      }
      ObjectKey key = new ObjectKey(name);
      byte[] content = store.content(key);
      Random random = new Random(5);
      for (int i = 0; i < 30; i++) {
        int at = i < 20 ? (i * 6) % content.length : random.nextInt(content.length);
        store.flipBit(key, at * 8L);
        List<VerifyReport.Damage> found = verify(VerifyRequest.Level.DATA).damaged();
        assertThat(found).as("%s byte %d", name, at).isNotEmpty();
        assertThat(found.get(0).object()).isEqualTo(name);
        store.flipBit(key, at * 8L);
      }
      store.replace(key, Arrays.copyOf(content, content.length - 1));
      List<VerifyReport.Damage> found = verify(VerifyRequest.Level.DATA).damaged();
      assertThat(found).as(name).isNotEmpty();
      assertThat(found.get(0).object()).isEqualTo(name);
      if (name.endsWith("000000010000000000000002")) {
        assertThat(found.get(0).range()).contains("0/200000-0/300000");
      }
      store.replace(key, content);
    }
  }

  @Test
  void s10UnknownNamesAreReportedAndHarmNothing() throws IOException {
    Set<String> unknown =
        Set.of(
            "packs/.fuse_hidden0001",
            "readme.txt",
            "wal/x/y",
            "commits/0000000000000000.tmp",
            "manifests/other");
    for (String name : unknown) {
      store.put(new ObjectKey(name), ObjectSource.of(new byte[] {1, 2, 3}));
    }
    Set<String> reported = new HashSet<>();
    for (VerifyReport.Damage damage : verify(VerifyRequest.Level.DATA).damaged()) {
      assertThat(damage.kind()).isEqualTo("unknown-object");
      assertThat(damage.referenced()).isFalse();
      reported.add(damage.object());
    }
    assertThat(reported).isEqualTo(unknown);
    try (Repository fresh =
        TestRepository.FACTORY.open(TestRepository.setup(store, state).build())) {
      TestRepository.assertReads(fresh, backup.id(), files);
      TestRepository.backUp(fresh, TestRepository.fewFiles(2));
      assertThat(fresh.wal("orders").ranges(TestRepository.TIMELINE)).hasSize(1);
    }
  }

  @Test
  void anUnreferencedPackIsLookedAtToo() throws IOException {
    Set<String> before = store.contents().keySet();
    try (BackupWriter writer = TestRepository.begin(repository)) {
      byte[] noise = TestRepository.bytes(new Random(1), 40 << 20);
      TestRepository.write(writer, "noise", noise);
      writer.directory(TestRepository.directory("x"));
    }
    Set<String> left = new HashSet<>(store.contents().keySet());
    left.removeAll(before);
    left.removeIf(name -> !name.startsWith("packs/")); // that it ended is noted, too
    if (left.isEmpty()) {
      return; // the writer was discarded before its first pack was whole
    }
    assertThat(verify(VerifyRequest.Level.DATA).damaged()).isEmpty();
    String orphan = left.iterator().next();
    store.flipBit(new ObjectKey(orphan), 8L * 1_000_000);
    List<VerifyReport.Damage> found = verify(VerifyRequest.Level.DATA).damaged();
    assertThat(found).hasSize(1);
    assertThat(found.get(0).object()).isEqualTo(orphan);
    assertThat(found.get(0).referenced()).isFalse();
    assertThat(found.get(0).backups()).isEmpty();
  }

  @Test
  void oneBackupCanBeVerifiedAlone() throws IOException {
    BackupDescriptor other = TestRepository.backUp(repository, TestRepository.fewFiles(3));
    String pack = largestPack();
    store.flipBit(new ObjectKey(pack), 8L * (store.content(new ObjectKey(pack)).length / 2));
    assertThat(verify(Optional.of(other)).damaged()).isEmpty();
    assertThat(verify(Optional.of(backup)).damaged()).isNotEmpty();
  }

  @Test
  void aSampleLooksAtLessAndReportsNothingWrong() throws IOException {
    VerifyReport report =
        repository.verify(
            new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 10),
            RunControl.unattended());
    assertThat(report.damaged()).isEmpty();
    assertThat(report.checked()).isGreaterThan(5);
  }

  private void assertNothingWrongIsDelivered(List<VerifyReport.Damage> found) throws IOException {
    TestRepository.Target target = new TestRepository.Target();
    try (BackupReader reader = repository.open(backup.id())) {
      reader.extract(one -> true, target, RunControl.unattended());
      assertThat(found).allSatisfy(damage -> assertThat(damage.file()).isEmpty());
    } catch (RepositoryException e) {
      assertThat(e.kind()).isEqualTo(FailureKind.DAMAGED);
    }
    target.files.forEach(
        (path, content) -> assertThat(content).as(path).isEqualTo(files.get(path)));
    target.unfinished.forEach(
        (path, content) -> {
          if (!Arrays.equals(content, 0, content.length, files.get(path), 0, content.length)) {
            fail("%s was delivered damaged", path);
          }
        });
  }

  private List<String> packs() {
    return store.contents().keySet().stream().filter(name -> name.startsWith("packs/")).toList();
  }

  private String largestPack() {
    return packs().stream()
        .max(Comparator.comparingInt(name -> store.content(new ObjectKey(name)).length))
        .orElseThrow();
  }

  private VerifyReport verify(VerifyRequest.Level level) throws IOException {
    return repository.verify(
        new VerifyRequest(Optional.empty(), level, 100), RunControl.unattended());
  }

  private VerifyReport verify(Optional<BackupDescriptor> one) throws IOException {
    return repository.verify(
        new VerifyRequest(one.map(BackupDescriptor::id), VerifyRequest.Level.DATA, 100),
        RunControl.unattended());
  }

  private static BackupStart start() {
    return new BackupStart("orders", BackupType.FULL, Optional.empty(), TestRepository.NOW);
  }
}
