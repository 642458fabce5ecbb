package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.FileContent;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files that the writer reads by itself. */
class FileContentTest {
  private static final int PAGE = Arrival.PAGE;
  private static final int MIB = 1 << 20;

  @TempDir Path state;

  private final MemoryObjectStore store = MemoryObjectStore.create();
  private final List<String> taken = new ArrayList<>();
  private final AtomicLong read = new AtomicLong();
  private final AtomicInteger open = new AtomicInteger();
  private Repository repository;

  @BeforeEach
  void create() throws IOException {
    repository = TestRepository.create(store, state);
  }

  /** A file in memory that counts. */
  private class Content implements FileContent {
    private final String path;
    private final byte[] bytes;

    Content(String path, byte[] bytes) {
      this.path = path;
      this.bytes = bytes;
      open.incrementAndGet();
    }

    @Override
    public boolean read(long offset, byte[] into, int at, int length) throws IOException {
      System.arraycopy(bytes, (int) offset, into, at, length);
      read.addAndGet(length);
      return true;
    }

    @Override
    public void close() {
      assertThat(open.decrementAndGet()).isNotNegative();
    }

    @Override
    public void taken(OptionalInt crc) {
      taken.add(path);
      if (crc.isPresent()) {
        CRC32C expected = new CRC32C();
        expected.update(bytes);
        assertThat(crc.getAsInt()).as(path).isEqualTo((int) expected.getValue());
      }
    }
  }

  private static Arrival.PageJudge judge(byte[] old) {
    return new Arrival.PageJudge() {
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
    };
  }

  private static BitSet changed(byte[] old, byte[] now) {
    BitSet pages = new BitSet();
    int known = Math.min(old.length, now.length);
    for (int at = 0; at < known; at += PAGE) {
      int to = Math.min(at + PAGE, known);
      if (!Arrays.equals(old, at, to, now, at, to)) {
        pages.set(at / PAGE);
      }
    }
    return pages;
  }

  private static Arrival arrival(int way, byte[] old, byte[] now) {
    return switch (way) {
      case 0 -> new Arrival.Whole();
      case 1 -> new Arrival.Compared();
      case 2 -> new Arrival.Judged(judge(old));
      default -> new Arrival.Listed(changed(old, now), judge(old));
    };
  }

  private BackupDescriptor full(Map<String, byte[]> files) throws IOException {
    try (BackupWriter writer = TestRepository.begin(repository)) {
      for (Map.Entry<String, byte[]> file : files.entrySet()) {
        writer.add(
            TestRepository.file(file.getKey(), file.getValue().length),
            new Content(file.getKey(), file.getValue()),
            new Arrival.Whole());
      }
      return writer.commit(TestRepository.facts(), BackupStatus.COMPLETE);
    }
  }

  private BackupDescriptor listed(
      BackupId base, Map<String, byte[]> before, Map<String, byte[]> now) throws IOException {
    try (BackupWriter writer = TestRepository.begin(repository, base)) {
      for (Map.Entry<String, byte[]> file : now.entrySet()) {
        byte[] old = before.getOrDefault(file.getKey(), new byte[0]);
        writer.add(
            TestRepository.file(file.getKey(), file.getValue().length),
            new Content(file.getKey(), file.getValue()),
            arrival(3, old, file.getValue()));
      }
      return writer.commit(TestRepository.facts(), BackupStatus.COMPLETE);
    }
  }

  @Test
  void everyFileIsReadOnceAndComesBackAsItWas() throws IOException {
    Map<String, byte[]> files = TestRepository.sampleFiles(11);
    BackupDescriptor full = full(files);
    long bytes = files.values().stream().mapToLong(file -> file.length).sum();
    assertThat(full.bytesRead()).isEqualTo(bytes);
    assertThat(read).hasValue(bytes);
    assertThat(open).hasValue(0);
    assertThat(taken).containsExactlyElementsOf(files.keySet());
    TestRepository.assertReads(repository, full.id(), files);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2})
  void everyBackupOfAChainIsWhatTheFilesWere(long seed) throws IOException {
    Random random = new Random(seed);
    Map<String, byte[]> before = TestRepository.sampleFiles(seed);
    BackupId last = full(before).id();
    for (int round = 0; round < 12; round++) {
      Map<String, byte[]> now = new LinkedHashMap<>();
      for (Map.Entry<String, byte[]> file : before.entrySet()) {
        byte[] content = file.getValue().clone();
        if (random.nextInt(3) == 0) {
          content =
              Arrays.copyOf(content, content.length / PAGE * PAGE + PAGE * random.nextInt(200));
        }
        for (int i = random.nextInt(20); i > 0 && content.length > PAGE; i--) {
          content[random.nextInt(content.length)] ^= 0x21;
        }
        now.put(file.getKey(), content);
      }
      now.put("base/7/" + round, TestRepository.text(random, random.nextInt(2 * MIB)));
      taken.clear();
      BackupDescriptor next;
      try (BackupWriter writer = TestRepository.begin(repository, last)) {
        for (Map.Entry<String, byte[]> file : now.entrySet()) {
          byte[] old = before.getOrDefault(file.getKey(), new byte[0]);
          writer.add(
              TestRepository.file(file.getKey(), file.getValue().length),
              new Content(file.getKey(), file.getValue()),
              arrival(random.nextInt(4), old, file.getValue()));
        }
        next = writer.commit(TestRepository.facts(), BackupStatus.COMPLETE);
      }
      assertThat(taken).containsExactlyElementsOf(now.keySet());
      assertThat(open).hasValue(0);
      TestRepository.assertReads(repository, next.id(), now);
      last = next.id();
      before = now;
    }
  }

  @Test
  void onlyListedPagesAreReadAndASmallSample() throws IOException {
    byte[] content = TestRepository.text(new Random(5), 64 * MIB);
    Map<String, byte[]> before = Map.of("base/1/2", content);
    BackupDescriptor full = full(before);
    byte[] changed = content.clone();
    for (int page = 3; page < changed.length / PAGE; page += 1000) {
      changed[page * PAGE + 17] ^= 1;
    }
    long pages = changed(content, changed).cardinality();
    read.set(0);
    BackupDescriptor next = listed(full.id(), before, Map.of("base/1/2", changed));
    assertThat(read.get()).isBetween((pages + 1) * PAGE, (pages + 12) * PAGE);
    assertThat(next.bytesRead()).isEqualTo(read.get());
    assertThat(next.bytesChanged()).isEqualTo(pages * PAGE);
    TestRepository.assertReads(repository, next.id(), Map.of("base/1/2", changed));
  }

  @Test
  void aListThatMissesAChangeIsFoundBySamples() throws IOException {
    byte[] content = TestRepository.text(new Random(5), MIB);
    BackupDescriptor full = full(Map.of("base/1/2", content));
    byte[] changed = content.clone();
    changed[5] ^= 1;
    try (BackupWriter writer = TestRepository.begin(repository, full.id())) {
      writer.add(
          TestRepository.file("base/1/2", MIB),
          new Content("base/1/2", changed),
          new Arrival.Listed(new BitSet(), judge(content)));
      assertThatThrownBy(writer::settle)
          .isInstanceOf(RepositoryException.class)
          .hasFieldOrPropertyWithValue("code", "backup.cross-check-failed");
    }
    assertThat(open).hasValue(0);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aFileThatIsGoneIsLeftOut(boolean incremental) throws IOException {
    Map<String, byte[]> files = TestRepository.sampleFiles(3);
    BackupDescriptor full = full(files);
    taken.clear();
    BackupDescriptor next;
    try (BackupWriter writer =
        incremental
            ? TestRepository.begin(repository, full.id())
            : TestRepository.begin(repository)) {
      for (Map.Entry<String, byte[]> file : files.entrySet()) {
        boolean gone = file.getKey().equals("base/1/large") || file.getKey().endsWith("/7");
        Content there = new Content(file.getKey(), file.getValue());
        writer.add(
            TestRepository.file(file.getKey(), file.getValue().length),
            !gone
                ? there
                : new FileContent() {
                  @Override
                  public boolean read(long offset, byte[] into, int at, int length) {
                    return false;
                  }

                  @Override
                  public void close() {
                    there.close();
                  }
                },
            incremental ? new Arrival.Compared() : new Arrival.Whole());
      }
      next = writer.commit(TestRepository.facts(), BackupStatus.COMPLETE);
    }
    files.remove("base/1/large");
    files.remove("base/5/7");
    assertThat(open).hasValue(0);
    assertThat(taken).containsExactlyElementsOf(files.keySet());
    assertThat(next.files()).isEqualTo(files.size());
    assertThat(next.bytesRead())
        .isEqualTo(files.values().stream().mapToLong(file -> file.length).sum());
    TestRepository.assertReads(repository, next.id(), files);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whatCannotBeReadEndsTheBackupAndClosesEveryFile(boolean incremental) throws IOException {
    Map<String, byte[]> files = TestRepository.sampleFiles(3);
    BackupDescriptor full = full(files);
    try (BackupWriter writer =
        incremental
            ? TestRepository.begin(repository, full.id())
            : TestRepository.begin(repository)) {
      assertThatThrownBy(
              () -> {
                for (Map.Entry<String, byte[]> file : files.entrySet()) {
                  boolean broken = file.getKey().equals("base/1/large");
                  Content there = new Content(file.getKey(), file.getValue());
                  writer.add(
                      TestRepository.file(file.getKey(), file.getValue().length),
                      new FileContent() {
                        @Override
                        public boolean read(long offset, byte[] into, int at, int length)
                            throws IOException {
                          if (broken && offset >= 5 * MIB) {
                            throw new IOException("Input/output error");
                          }
                          return there.read(offset, into, at, length);
                        }

                        @Override
                        public void close() {
                          there.close();
                        }
                      },
                      incremental ? new Arrival.Compared() : new Arrival.Whole());
                }
                writer.settle();
              })
          .isInstanceOf(IOException.class)
          .hasMessage("Input/output error");
    }
    assertThat(open).hasValue(0);
    assertThat(repository.backups(Optional.empty())).hasSize(1);
  }

  /** Packs become durable on a thread of their own. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3})
  void aPackThatDoesNotBecomeDurableEndsTheBackup(int which) throws IOException {
    AtomicInteger uploads = new AtomicInteger();
    AtomicInteger unpublished = new AtomicInteger();
    ObjectStore failing =
        new ForwardingStore(store) {
          @Override
          public ObjectUpload startUpload(ObjectKey key) throws IOException {
            ObjectUpload upload = super.startUpload(key);
            boolean fails = uploads.incrementAndGet() == which;
            unpublished.incrementAndGet();
            return new ObjectUpload() {
              @Override
              public OutputStream body() {
                return upload.body();
              }

              @Override
              public ObjectInfo commit() throws IOException {
                if (fails) {
                  throw new IOException("No space left on device");
                }
                ObjectInfo info = upload.commit();
                unpublished.decrementAndGet();
                return info;
              }

              @Override
              public void close() throws IOException {
                upload.close();
              }
            };
          }
        };
    Repository other = TestRepository.FACTORY.open(TestRepository.setup(failing, state).build());
    byte[] content = TestRepository.bytes(new Random(9), 40 * MIB);
    try (BackupWriter writer = TestRepository.begin(other)) {
      assertThatThrownBy(
              () -> {
                for (int i = 0; i < 2; i++) {
                  writer.add(
                      TestRepository.file("base/1/" + i, content.length),
                      new Content("base/1/" + i, content),
                      new Arrival.Whole());
                }
                writer.commit(TestRepository.facts(), BackupStatus.COMPLETE);
              })
          .isInstanceOf(IOException.class)
          .hasMessageContaining("No space left on device");
    }
    assertThat(open).hasValue(0);
    assertThat(unpublished).hasPositiveValue();
    other.refresh();
    assertThat(other.backups(Optional.empty())).isEmpty();
  }
}
