package com.thorbis.backup.storage;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.crypto.RecoveryKey;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.storage.filesystem.FileSystemObjectStore;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Processes that work on a repository of files, and are killed amid their work. */
class KilledRepositoryIT {
  private static final int KILLS = FaultSuite.RELEASE ? 210 : 15;
  private static final int MOST_STEPS = 12;

  @TempDir Path folder;

  @Test
  @Timeout(value = 45, unit = TimeUnit.MINUTES)
  void whatAKilledProcessWasToldIsThere() throws Exception {
    String key = newKey();
    Path root = folder.resolve("root");
    Path state = folder.resolve("state");
    Random random = new Random(FaultSuite.SEED);
    Map<BackupId, Long> backups = new HashMap<>();
    Map<Long, Integer> wal = new HashMap<>();
    int violations = 0;
    for (int kill = 0; kill < KILLS; kill++) {
      runAndKill(root, state, key, random, backups, wal);
      try {
        check(root, folder.resolve("blank" + kill), key, backups, wal);
      } catch (IOException | AssertionError e) {
        violations++;
        System.out.println("After kill " + kill + ", seed " + FaultSuite.SEED);
        e.printStackTrace(System.out);
      }
    }
    String line =
        String.format(
            Locale.ROOT,
            "repository-kills: processes killed: %d, backups acknowledged: %d, segments: %d,"
                + " violations: %d, seed: %d",
            KILLS,
            backups.size(),
            wal.size(),
            violations,
            FaultSuite.SEED);
    System.out.println(line);
    if (FaultSuite.RELEASE) {
      Path report = Files.createDirectories(Path.of("target", "release-report"));
      Files.writeString(report.resolve("repository-kills.md"), "* " + line + "\n");
    }
    assertThat(violations).isZero();
    assertThat(wal).isNotEmpty();
  }

  private static String newKey() {
    try (RecoveryKey key = RecoveryKey.generate(new SecureRandom())) {
      char[] text = key.text();
      return new String(text);
    }
  }

  private static KeyProvider recipient(String key) {
    return RecoveryKeyProvider.ofRecoveryKey(RecoveryKey.parse(key.toCharArray()));
  }

  /** Lets it get some steps done, then kills it amid the next. */
  private static void runAndKill(
      Path root,
      Path state,
      String key,
      Random random,
      Map<BackupId, Long> backups,
      Map<Long, Integer> wal)
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
                    state.toString(),
                    key,
                    Long.toString(random.nextLong())))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try (BufferedReader done =
        new BufferedReader(new InputStreamReader(process.getInputStream(), UTF_8))) {
      int steps = random.nextInt(MOST_STEPS);
      for (int i = 0; i < steps; i++) {
        acknowledge(done.readLine(), backups, wal);
      }
      for (long spin = random.nextInt(20_000_000); spin > 0; spin--) {
        Thread.onSpinWait(); // some way into the next step
      }
      process.toHandle().destroyForcibly(); // the process's own method closes what we still read
      process.waitFor();
      for (String rest = done.readLine(); rest != null; rest = done.readLine()) {
        acknowledge(rest, backups, wal);
      }
    } finally {
      process.destroyForcibly().waitFor();
    }
    assertThat(process.exitValue()).as("killed by a signal").isEqualTo(137);
  }

  private static void acknowledge(
      String line, Map<BackupId, Long> backups, Map<Long, Integer> wal) {
    assertThat(line).as("the process works until it is killed").isNotNull();
    String[] words = line.split(" ", -1);
    if (words[0].equals("backup")) {
      backups.put(new BackupId(words[1]), Long.parseLong(words[2]));
    } else {
      wal.merge(Long.parseLong(words[1]), Integer.parseInt(words[2]), Math::max);
    }
  }

  /** On another machine, with the key and the folder alone. */
  private static void check(
      Path root, Path state, String key, Map<BackupId, Long> backups, Map<Long, Integer> wal)
      throws IOException {
    try (ObjectStore store = FileSystemObjectStore.builder().root(root).build();
        TestClient client =
            new TestClient(
                TestWorld.empty(state, Scenario.Setting.PLAIN),
                List.of(store),
                state,
                List.of(recipient(key)))) {
      if (backups.isEmpty() && wal.isEmpty()) {
        client.init(); // whatever was begun, it can be finished
      }
      Repository repository = client.repository();
      for (Map.Entry<BackupId, Long> backup : backups.entrySet()) {
        assertThat(repository.backup(backup.getKey()).map(BackupDescriptor::status))
            .contains(BackupStatus.COMPLETE);
      }
      for (BackupDescriptor backup : repository.backups(Optional.empty())) {
        Long seed = backups.get(backup.id());
        if (seed == null) { // committed, and killed before it could say so
          TestRepository.readAll(repository, backup.id());
        } else {
          TestRepository.assertReads(repository, backup.id(), Scenario.files(seed));
        }
      }
      for (Map.Entry<Long, Integer> stored : wal.entrySet()) {
        WalSegment segment = TestRepository.segment(1, stored.getKey());
        WalArchive.WalContent there = repository.wal(TestClient.SOURCE).open(segment).orElseThrow();
        assertThat(there.bytes().remaining()).isGreaterThanOrEqualTo(stored.getValue());
        assertThat(there.bytes())
            .isEqualTo(ByteBuffer.wrap(TestLedger.content(segment), 0, there.bytes().remaining()));
      }
      client.verify(VerifyRequest.Level.DATA);
      assertThat(client.found).isEmpty();
    }
  }

  /** Ships WAL and takes backups for ever, and prints what is done. */
  static final class Worker {
    private Worker() {}

    public static void main(String[] arguments) throws IOException {
      PrintStream out = System.out;
      Random random = new Random(Long.parseLong(arguments[3]));
      try (ObjectStore store = FileSystemObjectStore.builder().root(Path.of(arguments[0])).build();
          TestClient client =
              new TestClient(
                  TestWorld.empty(Path.of(arguments[1]), Scenario.Setting.PLAIN),
                  List.of(store),
                  Path.of(arguments[1]),
                  List.of(recipient(arguments[2])))) {
        client.init();
        client.register(TestClient.SOURCE);
        client.storeSegment(1);
        while (true) {
          int what = random.nextInt(10);
          if (what == 0) {
            long seed = random.nextInt(1000);
            BackupId id = client.backUp(Scenario.files(seed), BackupStatus.COMPLETE);
            print(out, "backup " + id + " " + seed);
          } else if (what == 1) {
            client.shipSegment();
          } else {
            client.shipNext(1 + random.nextInt(400_000));
          }
          client.ledger.wal.forEach(
              (stretch, end) -> print(out, "wal " + stretch.segment().number() + " " + end));
          client.ledger.wal.clear();
        }
      }
    }

    private static void print(PrintStream out, String line) {
      byte[] bytes = (line + "\n").getBytes(UTF_8);
      out.write(bytes, 0, bytes.length); // in one piece, which a kill cannot cut
      out.flush();
    }
  }
}
