package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupReader.FileInput;
import com.thorbis.backup.spi.repository.BackupReader.FileOutput;
import com.thorbis.backup.spi.repository.BackupReader.FileTarget;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files are extracted over what lies at the target already. */
class DeltaExtractionTest {
  private static final int PAGE = 8192;
  private static final int MIB = 1 << 20;

  @TempDir Path state;

  private final Random random = new Random(7);
  private final Map<String, byte[]> files = new LinkedHashMap<>();
  private Repository repository;
  private BackupId backup;

  @BeforeEach
  void backUp() throws IOException {
    repository = TestRepository.create(MemoryObjectStore.create(), state);
    files.put("base/5/1", bytes(4 * MIB + 3 * PAGE));
    files.put("base/5/2", bytes(9 * MIB));
    files.put("base/5/empty", new byte[0]);
    for (int i = 0; i < 300; i++) {
      files.put("base/5/small" + i, bytes(1 + random.nextInt(3 * PAGE)));
    }
    backup = TestRepository.backUp(repository, files).id();
  }

  private byte[] bytes(int length) {
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    return bytes;
  }

  @Test
  void whatIsRightIsNeitherFetchedNorWritten() throws IOException {
    Target target = new Target(files);
    long fetched = extract(target);
    assertThat(target.written.get()).isZero();
    assertThat(target.kept.get()).isEqualTo(length());
    assertThat(fetched).isLessThan(length() / 20);
    target.assertIs(files);
  }

  @Test
  void oneFlippedBitBringsItsPieceAndNoOther() throws IOException {
    for (String path : new String[] {"base/5/1", "base/5/2", "base/5/small7"}) {
      Target target = new Target(files);
      byte[] damaged = files.get(path).clone();
      int at = random.nextInt(damaged.length);
      damaged[at] ^= (byte) (1 << random.nextInt(8));
      target.there.put(path, damaged);
      long fetched = extract(target);
      assertThat(target.written.get()).as(path + " " + at).isBetween(1L, (long) MIB);
      assertThat(fetched).isLessThan(length() / 4);
      target.assertIs(files);
    }
  }

  @Test
  void filesOfOtherLengthsBecomeWhole() throws IOException {
    for (int i = 0; i < 20; i++) {
      Target target = new Target(files);
      for (Map.Entry<String, byte[]> file : files.entrySet()) {
        if (random.nextInt(10) == 0) {
          target.there.remove(file.getKey());
        } else if (random.nextInt(5) == 0) {
          target.there.put(
              file.getKey(),
              Arrays.copyOf(
                  file.getValue(), random.nextInt(file.getValue().length + 2 * PAGE) & -PAGE));
        }
      }
      extract(target);
      target.assertIs(files);
    }
  }

  @Test
  void pagesThatShareAPieceWithOthersComeAndAreCompared() throws IOException {
    byte[] changed = files.get("base/5/2").clone();
    byte[] small = files.get("base/5/small7").clone();
    changed[3 * MIB + 20 * PAGE] ^= 1;
    small[0] ^= 1;
    files.put("base/5/2", changed);
    files.put("base/5/small7", small);
    try (BackupWriter writer = TestRepository.begin(repository, backup)) {
      for (Map.Entry<String, byte[]> file : files.entrySet()) {
        try (BackupWriter.FileWriter out =
            writer.file(
                TestRepository.file(file.getKey(), file.getValue().length),
                PieceCheck.NONE,
                new Arrival.Compared())) {
          out.write(file.getValue(), 0, file.getValue().length);
          out.finish();
        }
      }
      backup = writer.commit(TestRepository.facts(), BackupStatus.COMPLETE).id();
    }
    Target target = new Target(files);
    long fetched = extract(target);
    // The piece that holds the changed page, and the rest of the one that it replaces a page of.
    assertThat(target.written.get()).isEqualTo(MIB);
    assertThat(fetched).isLessThan(length() / 4);
    target.assertIs(files);
  }

  private long length() {
    return files.values().stream().mapToLong(content -> content.length).sum();
  }

  private long extract(Target target) throws IOException {
    try (BackupReader reader = repository.open(backup)) {
      return reader.extract(file -> true, target, RunControl.unattended());
    }
  }

  /** Files in memory that are there already. What is written counts, whether it differs or not. */
  static final class Target implements FileTarget {
    final Map<String, byte[]> there = new ConcurrentHashMap<>();
    final AtomicLong written = new AtomicLong();
    final AtomicLong kept = new AtomicLong();

    Target(Map<String, byte[]> there) {
      this.there.putAll(there);
    }

    void assertIs(Map<String, byte[]> files) {
      assertThat(there.keySet()).isEqualTo(files.keySet());
      files.forEach((path, content) -> assertThat(there.get(path)).as(path).isEqualTo(content));
    }

    @Override
    public Optional<FileInput> existing(StoredFile file) {
      byte[] content = there.get(file.path());
      if (content == null) {
        return Optional.empty();
      }
      return Optional.of(
          new FileInput() {
            @Override
            public void read(long offset, ByteBuffer into) {
              int from = (int) Math.min(offset, content.length);
              into.put(content, from, Math.min(into.remaining(), content.length - from));
            }

            @Override
            public void close() {}
          });
    }

    @Override
    public FileOutput begin(StoredFile file) {
      byte[] before = there.getOrDefault(file.path(), new byte[0]);
      byte[] content = Arrays.copyOf(before, (int) file.length());
      return new FileOutput() {
        private int at;

        @Override
        public void write(ByteBuffer plain) {
          int count = plain.remaining();
          plain.get(content, at, count);
          at += count;
          written.addAndGet(count);
        }

        @Override
        public void keep(long length) {
          assertThat(at + length).isLessThanOrEqualTo(before.length);
          at += (int) length;
          kept.addAndGet(length);
        }

        @Override
        public void finish(int crc32c) {
          CRC32C crc = new CRC32C();
          crc.update(content);
          assertThat(crc32c).isEqualTo((int) crc.getValue());
          there.put(file.path(), content);
        }

        @Override
        public void close() {}
      };
    }
  }
}
