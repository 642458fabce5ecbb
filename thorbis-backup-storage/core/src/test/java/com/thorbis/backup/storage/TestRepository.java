package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.crypto.RecoveryKey;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Compression;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.storage.ObjectStore;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;

/** Small repositories for tests: one recipient, one cluster, files in memory. */
final class TestRepository {
  static final ClusterIdentity CLUSTER =
      new ClusterIdentity(7301934857210394857L, 15, new WalSegmentSize(1 << 20));
  static final Instant NOW = Instant.parse("2026-01-02T03:04:05Z");
  static final Clock CLOCK = Clock.fixed(NOW, ZoneOffset.UTC);
  static final Timeline TIMELINE = new Timeline(1);
  static final KeyProvider RECIPIENT =
      RecoveryKeyProvider.ofRecoveryKey(RecoveryKey.generate(new SecureRandom()));
  static final SealedRepositoryFactory FACTORY = new SealedRepositoryFactory();

  private TestRepository() {}

  static RepositorySetup.Builder setup(ObjectStore store, Path state) {
    return RepositorySetup.builder()
        .copy(store)
        .recipient(RECIPIENT)
        .acceptSingleKeyRisk(true)
        .parallelism(2)
        .compression(Compression.DEFAULT)
        .stateDirectory(state)
        .clock(CLOCK);
  }

  static Repository create(ObjectStore store, Path state) throws IOException {
    RepositorySetup setup = setup(store, state).build();
    FACTORY.init(setup);
    Repository repository = FACTORY.open(setup);
    repository.register("orders", "postgres", CLUSTER);
    return repository;
  }

  static BackupFacts facts() {
    return facts(1);
  }

  /** Of a backup whose log lies in this segment. */
  static BackupFacts facts(int segment) {
    Lsn start = segment(1, segment).start();
    return new BackupFacts(
        start.plus(0x28),
        start.plus(0x138),
        TIMELINE,
        NOW,
        NOW.plusSeconds(1),
        List.of(new BackupFacts.Tablespace(16385, "fast", "/srv/fast")),
        Map.of("postgres.max-connections", "100"),
        List.of());
  }

  static StoredFile file(String path, long length) {
    return new StoredFile(
        StoredFile.Area.DATA, path, StoredFile.Kind.FILE, length, 0600, NOW.minusNanos(1));
  }

  static StoredFile directory(String path) {
    return new StoredFile(StoredFile.Area.DATA, path, StoredFile.Kind.DIRECTORY, 0, 0700, NOW);
  }

  static BackupDescriptor backUp(Repository repository, Map<String, byte[]> files)
      throws IOException {
    try (BackupWriter writer = begin(repository)) {
      writer.directory(directory("base"));
      for (Map.Entry<String, byte[]> file : files.entrySet()) {
        write(writer, file.getKey(), file.getValue());
      }
      return writer.commit(facts(), BackupStatus.COMPLETE);
    }
  }

  static BackupWriter begin(Repository repository) throws IOException {
    return repository.begin(
        new BackupStart("orders", BackupType.FULL, Optional.of("nightly"), NOW));
  }

  /** Begins one that may reference another. */
  static BackupWriter begin(Repository repository, BackupId base) throws IOException {
    return repository.begin(
        new BackupStart(
            "orders", BackupType.INCREMENTAL, Optional.of(base), Optional.of("nightly"), NOW));
  }

  static void write(BackupWriter writer, String path, byte[] content) throws IOException {
    try (BackupWriter.FileWriter out = writer.file(file(path, content.length), PieceCheck.NONE)) {
      for (int at = 0; at < content.length; ) {
        int count = Math.min(content.length - at, 100_000);
        out.write(content, at, count);
        at += count;
      }
      out.finish();
    }
  }

  static Map<String, byte[]> readAll(Repository repository, BackupId id) throws IOException {
    Target target = new Target();
    try (BackupReader reader = repository.open(id)) {
      reader.extract(file -> true, target, RunControl.unattended());
    }
    return target.files;
  }

  static void assertReads(Repository repository, BackupId id, Map<String, byte[]> expected)
      throws IOException {
    Map<String, byte[]> found = readAll(repository, id);
    assertThat(found.keySet()).isEqualTo(expected.keySet());
    for (Map.Entry<String, byte[]> file : expected.entrySet()) {
      assertThat(found.get(file.getKey())).as(file.getKey()).isEqualTo(file.getValue());
    }
  }

  /** Files of many shapes, the same for one seed. */
  static Map<String, byte[]> sampleFiles(long seed) {
    Random random = new Random(seed);
    Map<String, byte[]> files = new LinkedHashMap<>();
    files.put("PG_VERSION", new byte[] {'1', '5', '\n'});
    files.put("base/1/empty", new byte[0]);
    files.put("base/1/zeros", new byte[3 << 20]);
    files.put("base/1/exact", text(random, 1 << 20));
    files.put("base/1/large", text(random, (9 << 20) + 12_345));
    files.put("base/1/random", bytes(random, 2_500_000));
    for (int i = 0; i < 40; i++) {
      files.put("base/5/" + i, text(random, random.nextInt(40_000)));
    }
    files.put("global/pg_control", bytes(random, 8192));
    return files;
  }

  /** Several shapes within three megabytes. */
  static Map<String, byte[]> mediumFiles(long seed) {
    Random random = new Random(seed);
    Map<String, byte[]> files = fewFiles(seed);
    files.put("base/1/large", text(random, (1 << 20) + 12_345));
    files.put("base/1/random", bytes(random, 700_000));
    return files;
  }

  /** A few small ones. */
  static Map<String, byte[]> fewFiles(long seed) {
    Random random = new Random(seed);
    Map<String, byte[]> files = new LinkedHashMap<>();
    files.put("PG_VERSION", new byte[] {'1', '5', '\n'});
    files.put("base/1/259", text(random, 20_000));
    files.put("base/1/zeros", new byte[20_000]);
    files.put("global/pg_control", bytes(random, 8192));
    return files;
  }

  static byte[] bytes(Random random, int length) {
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    return bytes;
  }

  /** Compresses about three times. */
  static byte[] text(Random random, int length) {
    byte[] bytes = new byte[length];
    for (int i = 0; i < length; i++) {
      bytes[i] = (byte) ("abcdefgh".charAt(random.nextInt(8)) + (i >> 16) % 3);
    }
    return bytes;
  }

  /** A WAL segment that begins as one of {@link #CLUSTER} does. */
  static byte[] wal(WalSegment segment, long seed) {
    return wal(segment, seed, CLUSTER.systemId());
  }

  static byte[] wal(WalSegment segment, long seed, long systemId) {
    byte[] bytes = text(new Random(seed), segment.size().bytes());
    ByteBuffer.wrap(bytes)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putShort(0, (short) 0xD110)
        .putShort(2, (short) 0x0002)
        .putInt(4, segment.timeline().number())
        .putLong(8, segment.start().value())
        .putLong(24, systemId)
        .putInt(32, segment.size().bytes())
        .putInt(36, 8192);
    return bytes;
  }

  static WalSegment segment(int timeline, long number) {
    return new WalSegment(new Timeline(timeline), number, CLUSTER.segmentSize());
  }

  /** Keeps files in memory, whole ones only. */
  static final class Target implements BackupReader.FileTarget {
    final Map<String, byte[]> files = new ConcurrentHashMap<>();
    final Map<String, byte[]> unfinished = new ConcurrentHashMap<>();

    @Override
    public BackupReader.FileOutput begin(StoredFile file) {
      ByteArrayOutputStream content = new ByteArrayOutputStream();
      WritableByteChannel channel = Channels.newChannel(content);
      return new BackupReader.FileOutput() {
        private boolean finished;

        @Override
        public void write(ByteBuffer plain) throws IOException {
          channel.write(plain);
        }

        @Override
        public void finish(int crc32c) {
          finished = true;
        }

        @Override
        public void close() {
          (finished ? files : unfinished).put(file.path(), content.toByteArray());
        }
      };
    }
  }
}
