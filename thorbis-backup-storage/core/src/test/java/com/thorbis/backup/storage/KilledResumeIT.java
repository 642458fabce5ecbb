package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.crypto.RecoveryKey;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.storage.filesystem.FileSystemObjectStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** A process that writes a backup is killed amid it; the next one goes on with what it stored. */
class KilledResumeIT {
  private static final int FILES = 150;
  private static final int LENGTH = 1 << 20;

  @TempDir Path folder;

  /** Cannot be compressed, so that packs come often. */
  private static byte[] content(int file) {
    return TestRepository.bytes(new Random(file), LENGTH);
  }

  @Test
  @EnabledOnOs(
      OS.LINUX) // elsewhere a killed process is only known to be dead when its lease lapsed
  @Timeout(value = 10, unit = TimeUnit.MINUTES)
  void whatAKilledProcessHadPublishedIsNotStoredAgainByTheNextOne() throws Exception {
    Path root = folder.resolve("root");
    String key = newKey();
    try (ObjectStore store = FileSystemObjectStore.builder().root(root).build()) {
      TestRepository.FACTORY.init(setup(store, folder.resolve("first"), key));
      try (Repository repository = open(store, folder.resolve("first"), key)) {
        repository.register("orders", "postgres", TestRepository.CLUSTER);
      }
    }
    runAndKill(root, key, 2);
    runAndKill(root, key, 4); // the one that had resumed, too

    try (ObjectStore store = FileSystemObjectStore.builder().root(root).build();
        Repository repository = open(store, folder.resolve("blank"), key)) {
      assertThat(repository.backups(Optional.empty())).isEmpty();
      BackupDescriptor made;
      long resumed;
      try (BackupWriter writer = TestRepository.begin(repository)) {
        writeAll(writer);
        made = writer.commit(TestRepository.facts(), BackupStatus.AWAITING_WAL);
        resumed = writer.bytesResumed();
      }
      long whole = (long) FILES * LENGTH;
      System.out.println(
          "KilledResumeIT: of " + whole + " bytes " + resumed + " resumed, stored " + made);
      assertThat(resumed).isGreaterThan(100L << 20);
      assertThat(made.bytesStored()).isLessThan(whole - resumed + (1 << 20));
      for (int file = 0; file < FILES; file++) {
        String path = "base/1/" + file;
        TestRepository.Target target = new TestRepository.Target();
        try (BackupReader reader = repository.open(made.id())) {
          reader.extract(each -> each.path().equals(path), target, RunControl.unattended());
        }
        assertThat(target.files.get(path)).isEqualTo(content(file));
      }
      VerifyReport report =
          repository.verify(
              new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 100),
              RunControl.unattended());
      assertThat(report.damaged()).isEmpty();
    }
  }

  private static String newKey() {
    try (RecoveryKey key = RecoveryKey.generate(new SecureRandom())) {
      return new String(key.text());
    }
  }

  private static RepositorySetup setup(ObjectStore store, Path state, String key) {
    return RepositorySetup.builder()
        .copy(store)
        .recipient(RecoveryKeyProvider.ofRecoveryKey(RecoveryKey.parse(key.toCharArray())))
        .acceptSingleKeyRisk(true)
        .parallelism(2)
        .stateDirectory(state)
        .build();
  }

  private static Repository open(ObjectStore store, Path state, String key) throws IOException {
    return TestRepository.FACTORY.open(setup(store, state, key));
  }

  private static void writeAll(BackupWriter writer) throws IOException {
    for (int file = 0; file < FILES; file++) {
      TestRepository.write(writer, "base/1/" + file, content(file));
    }
  }

  /** Kills it when so many packs lie there. */
  private void runAndKill(Path root, String key, int packs)
      throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-XX:TieredStopAtLevel=1",
                    "-XX:+UseSerialGC",
                    "-cp",
                    System.getProperty("java.class.path"),
                    Worker.class.getName(),
                    root.toString(),
                    folder.resolve("worker" + packs).toString(),
                    key))
            .inheritIO()
            .start();
    try {
      while (count(root) < packs) {
        assertThat(process.isAlive()).as("it writes until it is killed").isTrue();
        TimeUnit.MILLISECONDS.sleep(5);
      }
      process.toHandle().destroyForcibly();
      process.waitFor();
    } finally {
      process.destroyForcibly().waitFor();
    }
    assertThat(process.exitValue()).as("killed by a signal").isEqualTo(137);
  }

  private static long count(Path root) throws IOException {
    Path packs = root.resolve("packs");
    if (!Files.exists(packs)) {
      return 0;
    }
    try (Stream<Path> files = Files.walk(packs)) {
      return files
          .filter(file -> file.getFileName().toString().matches("[0-9a-f]{32}"))
          .filter(Files::isRegularFile)
          .count();
    }
  }

  /** Writes a backup and never commits it. */
  static final class Worker {
    private Worker() {}

    public static void main(String[] arguments) throws IOException, InterruptedException {
      try (ObjectStore store = FileSystemObjectStore.builder().root(Path.of(arguments[0])).build();
          Repository repository = open(store, Path.of(arguments[1]), arguments[2]);
          BackupWriter writer = TestRepository.begin(repository)) {
        writeAll(writer);
        TimeUnit.HOURS.sleep(1); // the last packs are being written
      }
    }
  }
}
