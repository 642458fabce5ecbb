package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Compression;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.storage.filesystem.FileSystemObjectStore;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RoundTripTest {
  @TempDir Path state;

  private final MemoryObjectStore store = MemoryObjectStore.create();

  @ParameterizedTest
  @CsvSource({"zstd,1,1", "zstd,3,4", "lz4,0,2", "lz4,9,2", "none,0,2"})
  void everyFileComesBackAsItWas(String codec, int level, int parallelism) throws Exception {
    Map<String, byte[]> files = TestRepository.sampleFiles(1);
    TestRepository.create(store, state).close();
    BackupDescriptor made;
    try (Repository repository =
        TestRepository.FACTORY.open(
            TestRepository.setup(store, state)
                .compression(new Compression(codec, level))
                .parallelism(parallelism)
                .build())) {
      made = TestRepository.backUp(repository, files);
      TestRepository.assertReads(repository, made.id(), files);
    }
    try (Repository again =
        TestRepository.FACTORY.open(TestRepository.setup(store, state).build())) {
      BackupDescriptor found = again.backup(made.id()).orElseThrow();
      assertThat(found).isEqualTo(made);
      assertThat(found.files()).isEqualTo(files.size());
      assertThat(found.bytesRead())
          .isEqualTo(files.values().stream().mapToLong(content -> content.length).sum());
      assertThat(again.backups(Optional.of("orders"))).containsExactly(found);
      assertThat(again.backups(Optional.of("other"))).isEmpty();
      TestRepository.assertReads(again, made.id(), files);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "none,0,false",
    "none,0,true",
    "lz4,0,false",
    "lz4,0,true",
    "zstd,1,false",
    "zstd,1,true",
  })
  void c12EveryLengthComesBackUnderEveryCodecFromEveryKindOfStore(
      String codec, int level, boolean onDisk) throws Exception {
    Random random = new Random(12);
    Map<String, byte[]> files = new LinkedHashMap<>();
    for (int length : new int[] {0, 1, 8191, 8192, 16383, 16384, 16385, 49_153, (3 << 20) + 1}) {
      files.put("zeros-" + length, new byte[length]);
      files.put("text-" + length, TestRepository.text(random, length));
      files.put("noise-" + length, TestRepository.bytes(random, length));
    }
    try (ObjectStore place =
        onDisk
            ? FileSystemObjectStore.builder()
                .root(Files.createDirectory(state.resolve("root")))
                .build()
            : store) {
      TestRepository.create(place, state.resolve("state")).close();
      try (Repository repository =
          TestRepository.FACTORY.open(
              TestRepository.setup(place, state.resolve("state"))
                  .compression(new Compression(codec, level))
                  .build())) {
        BackupDescriptor made = TestRepository.backUp(repository, files);
        TestRepository.assertReads(repository, made.id(), files);
      }
    }
  }

  @Test
  void entriesAndFactsComeBackInOrder() throws Exception {
    Map<String, byte[]> files = TestRepository.fewFiles(1);
    try (Repository repository = TestRepository.create(store, state)) {
      BackupDescriptor made = TestRepository.backUp(repository, files);
      List<StoredFile> entries = new ArrayList<>();
      try (BackupReader reader = repository.open(made.id())) {
        reader.entries(entries::add);
        assertThat(reader.facts()).isEqualTo(TestRepository.facts());
        assertThat(reader.read(StoredFile.Area.DATA, "PG_VERSION"))
            .hasValueSatisfying(bytes -> assertThat(bytes).isEqualTo(files.get("PG_VERSION")));
        assertThat(reader.read(StoredFile.Area.DATA, "nothing")).isEmpty();
        assertThat(reader.read(StoredFile.Area.META, "PG_VERSION")).isEmpty();
      }
      List<StoredFile> expected = new ArrayList<>();
      expected.add(TestRepository.directory("base"));
      files.forEach((path, content) -> expected.add(TestRepository.file(path, content.length)));
      assertThat(entries).isEqualTo(expected);
    }
  }

  @Test
  void aFileThatOutgrowsItsLengthIsStoredAsWritten() throws Exception {
    byte[] small = TestRepository.text(new Random(1), 1000);
    byte[] grown = TestRepository.text(new Random(2), 3_000_000);
    try (Repository repository = TestRepository.create(store, state);
        BackupWriter writer = TestRepository.begin(repository)) {
      BitSet offsets = new BitSet();
      TestRepository.write(writer, "small", small);
      try (BackupWriter.FileWriter out =
          writer.file(
              TestRepository.file("grown", 10),
              (offset, plain) -> {
                synchronized (offsets) {
                  assertThat(offset % (1 << 20)).isZero();
                  assertThat(offsets.get((int) (offset >> 20))).isFalse();
                  offsets.set((int) (offset >> 20));
                }
              })) {
        out.write(grown, 0, grown.length);
        out.finish();
      }
      BackupDescriptor made = writer.commit(TestRepository.facts(), BackupStatus.COMPLETE);
      assertThat(offsets.cardinality()).isEqualTo(3);
      TestRepository.assertReads(repository, made.id(), Map.of("small", small, "grown", grown));
    }
  }

  @Test
  void aDroppedFileLeavesNothing() throws Exception {
    byte[] kept = TestRepository.text(new Random(1), 1000);
    byte[] dropped = TestRepository.text(new Random(2), 3_000_000);
    try (Repository repository = TestRepository.create(store, state);
        BackupWriter writer = TestRepository.begin(repository)) {
      TestRepository.write(writer, "first", kept);
      try (BackupWriter.FileWriter out =
          writer.file(TestRepository.file("dropped", 10), PieceCheck.NONE)) {
        out.write(dropped, 0, dropped.length);
      }
      try (BackupWriter.FileWriter out =
          writer.file(TestRepository.file("dropped", 10), PieceCheck.NONE)) {
        out.write(dropped, 0, 100);
      }
      TestRepository.write(writer, "last", kept);
      BackupDescriptor made = writer.commit(TestRepository.facts(), BackupStatus.COMPLETE);
      TestRepository.assertReads(repository, made.id(), Map.of("first", kept, "last", kept));
    }
  }

  @Test
  void aCheckThatFailsFailsTheBackup() throws Exception {
    try (Repository repository = TestRepository.create(store, state);
        BackupWriter writer = TestRepository.begin(repository)) {
      assertThatThrownBy(
              () -> {
                try (BackupWriter.FileWriter out =
                    writer.file(
                        TestRepository.file("bad", 10),
                        (offset, plain) -> {
                          throw new IllegalStateException("page 0 is torn");
                        })) {
                  out.write(new byte[10], 0, 10);
                  out.finish();
                }
                writer.commit(TestRepository.facts(), BackupStatus.COMPLETE);
              })
          .hasMessage("page 0 is torn");
    }
  }

  @Test
  void manySmallFilesNeedFewObjects() throws Exception {
    Map<String, byte[]> files = new LinkedHashMap<>();
    Random random = new Random(3);
    for (int i = 0; i < 20_000; i++) {
      files.put("base/16384/" + i, TestRepository.text(random, random.nextInt(200)));
    }
    try (Repository repository = TestRepository.create(store, state)) {
      int before = store.contents().size();
      BackupDescriptor made = TestRepository.backUp(repository, files);
      assertThat(store.contents().size() - before).isEqualTo(4); // two packs, manifest, commit
      TestRepository.assertReads(repository, made.id(), files);
    }
  }
}
