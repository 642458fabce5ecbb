package com.thorbis.backup.storage;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.crypto.RecoveryKey;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Compression;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;

/**
 * Writes the golden repository into a new folder. What it holds follows from fixed seeds; ids, keys
 * and salts are drawn anew each time, so a committed one is never written again.
 */
final class GoldenRepository {
  static final Timeline SECOND = new Timeline(2);
  static final int PARTS = 60_000;

  private static final String KEY_FILE = "/golden/v1/recovery-key.txt";

  private GoldenRepository() {}

  /** Takes the folder to write to, such as {@code src/test/resources/golden/v2}. */
  public static void main(String[] arguments) throws IOException {
    Path folder = Files.createDirectory(Path.of(arguments[0]));
    Path state = Files.createTempDirectory("golden-state");
    MemoryObjectStore store = MemoryObjectStore.create();
    try (RecoveryKey key = RecoveryKey.generate(new SecureRandom())) {
      Files.writeString(
          folder.resolve("recovery-key.txt"),
          new String(key.text()),
          StandardOpenOption.CREATE_NEW);
      write(store, state, key);
    }
    for (Map.Entry<String, byte[]> object : store.contents().entrySet()) {
      Path file = folder.resolve("objects").resolve(object.getKey());
      Files.createDirectories(file.getParent());
      Files.write(file, object.getValue(), StandardOpenOption.CREATE_NEW);
    }
  }

  static RepositorySetup.Builder setup(ObjectStore store, Path state) throws IOException {
    try (var in = GoldenRepository.class.getResourceAsStream(KEY_FILE)) {
      String text = new String(in.readAllBytes(), StandardCharsets.US_ASCII);
      try (RecoveryKey key = RecoveryKey.parse(text.toCharArray())) {
        return setup(store, state, key);
      }
    }
  }

  private static RepositorySetup.Builder setup(ObjectStore store, Path state, RecoveryKey key) {
    return RepositorySetup.builder()
        .copy(store)
        .recipient(RecoveryKeyProvider.ofRecoveryKey(key))
        .acceptSingleKeyRisk(true)
        .parallelism(2)
        .stateDirectory(state)
        .clock(TestRepository.CLOCK);
  }

  private static void write(ObjectStore store, Path state, RecoveryKey key) throws IOException {
    TestRepository.FACTORY.init(setup(store, state, key).build());
    List<Compression> codecs =
        List.of(new Compression("zstd", 1), new Compression("lz4", 0), new Compression("none", 0));
    for (int i = 0; i < codecs.size(); i++) {
      RepositorySetup setup = setup(store, state, key).compression(codecs.get(i)).build();
      try (Repository repository = TestRepository.FACTORY.open(setup)) {
        if (i == 0) {
          repository.register("orders", "postgres", TestRepository.CLUSTER);
          writeWal(repository.wal("orders"));
        }
        BackupId id;
        try (BackupWriter writer = TestRepository.begin(repository)) {
          writer.directory(TestRepository.directory("base"));
          for (Map.Entry<String, byte[]> file : files(i).entrySet()) {
            TestRepository.write(writer, file.getKey(), file.getValue());
          }
          id = writer.commit(TestRepository.facts(), BackupStatus.AWAITING_WAL).id();
        }
        repository.complete(id);
        if (i == codecs.size() - 1) {
          String parent = repository.wal("orders").incarnation();
          repository.adopt(
              "orders",
              TestRepository.CLUSTER,
              new SourceInfo.Fork(parent, TestRepository.TIMELINE, Lsn.parse("0/308000")));
          repository
              .wal("orders")
              .storeHistory(SECOND, "1\t0/308000\tadopted\n".getBytes(StandardCharsets.UTF_8));
        }
      }
    }
  }

  private static void writeWal(WalArchive wal) throws IOException {
    for (int number = 1; number <= 2; number++) {
      WalSegment segment = TestRepository.segment(1, number);
      wal.storeSegment(segment, ByteBuffer.wrap(wal(segment)), marks());
    }
    WalSegment open = TestRepository.segment(1, 3);
    byte[] bytes = wal(open);
    wal.storePart(open, 0, ByteBuffer.wrap(bytes, 0, 8192), marks());
    wal.storePart(open, 8192, ByteBuffer.wrap(bytes, 8192, PARTS - 8192), WalMarks.NONE);
  }

  /** Mostly zeros, so that what is committed stays small. */
  static byte[] wal(WalSegment segment) {
    byte[] bytes = TestRepository.wal(segment, segment.number());
    Arrays.fill(bytes, 20_000, bytes.length, (byte) 0);
    return bytes;
  }

  static WalMarks marks() {
    Instant time = Instant.parse("2026-01-02T03:04:05.123456Z");
    return new WalMarks(
        Optional.of(time),
        Optional.of(time.plusSeconds(1)),
        OptionalLong.of(700),
        OptionalLong.of(710),
        List.of(new WalMarks.RestorePoint("before", Lsn.parse("0/100028"), time)),
        Optional.of(Lsn.parse("0/1000F8")),
        Optional.of(time.plusSeconds(2)));
  }

  static Map<String, byte[]> files(int backup) {
    Map<String, byte[]> files = TestRepository.fewFiles(100 + backup);
    byte[] large = new byte[(11 << 20) + 77]; // more extents than stand in a table
    Random random = new Random(200 + backup);
    for (int at = 0; at < large.length; at += 1 << 20) {
      large[at] = (byte) (1 + random.nextInt(100));
    }
    if (backup < 2) { // stored as it is, it would be large
      files.put("base/1/16384", large);
    }
    return files;
  }
}
