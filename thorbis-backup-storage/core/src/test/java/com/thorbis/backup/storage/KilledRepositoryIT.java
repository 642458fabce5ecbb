package com.thorbis.backup.storage;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RetentionPlan;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.crypto.RecoveryKey;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.storage.filesystem.FileSystemObjectStore;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Processes that work on a repository in two folders, and are killed amid their work. */
class KilledRepositoryIT {
  private static final int KILLS = FaultSuite.RELEASE ? 210 : 8;
  private static final int MOST_STEPS = 16;

  /** Others wait no longer for what a dead one held. */
  private static final Duration LEASE = Duration.ofSeconds(2);

  @TempDir Path folder;

  private final Random random = new Random(FaultSuite.SEED);
  private final String key = newKey();
  private final Map<String, Integer> done = new TreeMap<>();
  private final Set<BackupId> synced = new HashSet<>();
  private TestLedger ledger;

  @Test
  @Timeout(value = 45, unit = TimeUnit.MINUTES)
  void whatAKilledProcessWasToldIsThere() throws Exception {
    ledger = world(folder.resolve("nothing")).ledger;
    int violations = 0;
    for (int kill = 0; kill < KILLS; kill++) {
      runAndKill();
      try {
        check(folder.resolve("blank" + kill));
      } catch (IOException | AssertionError e) {
        violations++;
        System.out.println("After kill " + kill + ", seed " + FaultSuite.SEED);
        e.printStackTrace(System.out);
      }
    }
    String line =
        String.format(
            Locale.ROOT,
            "repository-kills: processes killed: %d, acknowledged to them: %s, violations: %d,"
                + " seed: %d",
            KILLS,
            done,
            violations,
            FaultSuite.SEED);
    System.out.println(line);
    if (FaultSuite.RELEASE) {
      Path report = Files.createDirectories(Path.of("target", "release-report"));
      Files.writeString(report.resolve("repository-kills.md"), "* " + line + "\n");
    }
    assertThat(violations).isZero();
    assertThat(done).containsKeys("backup", "wal");
    if (FaultSuite.RELEASE) {
      assertThat(done).containsKeys("prune", "swept", "sync", "verify");
    }
  }

  private static TestWorld world(Path state) {
    TestWorld world = TestWorld.empty(state, Scenario.Setting.BEHIND, LEASE);
    world.clock.set(Instant.now()); // the time of a folder is the real one
    return world;
  }

  private static ObjectStore copy(Path root, int number) throws IOException {
    return FileSystemObjectStore.builder().root(root.resolve("copy" + number)).build();
  }

  private static TestClient client(TestWorld world, Path state, String key, ObjectStore... copies) {
    return new TestClient(
        world,
        List.of(copies),
        state,
        List.of(RecoveryKeyProvider.ofRecoveryKey(RecoveryKey.parse(key.toCharArray()))));
  }

  private static String newKey() {
    try (RecoveryKey key = RecoveryKey.generate(new SecureRandom())) {
      return new String(key.text());
    }
  }

  /** Lets it get some steps done, then kills it amid the next. */
  private void runAndKill() throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-XX:TieredStopAtLevel=1",
                    "-XX:+UseSerialGC",
                    "-cp",
                    System.getProperty("java.class.path"),
                    Worker.class.getName(),
                    folder.toString(),
                    folder.resolve("state").toString(),
                    key,
                    Long.toString(random.nextLong())))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try (BufferedReader told =
        new BufferedReader(new InputStreamReader(process.getInputStream(), UTF_8))) {
      int steps = random.nextInt(MOST_STEPS);
      while (steps > 0) {
        String line = told.readLine();
        assertThat(line).as("the process works until it is killed").isNotNull();
        steps -= take(line) ? 1 : 0;
      }
      for (long spin = random.nextInt(20_000_000); spin > 0; spin--) {
        Thread.onSpinWait(); // some way into the next step
      }
      process.toHandle().destroyForcibly(); // the process's own method closes what we still read
      process.waitFor();
      for (String rest = told.readLine(); rest != null; rest = told.readLine()) {
        take(rest);
      }
    } finally {
      process.destroyForcibly().waitFor();
    }
    assertThat(process.exitValue()).as("killed by a signal").isEqualTo(137);
  }

  /** Writes down what a process attempts, or was told; says whether it was told. */
  private boolean take(String line) {
    String[] words = line.split(" ", -1);
    switch (words[0]) {
      case "attempts" -> {
        ledger.attempted.put(new BackupId(words[1]), Scenario.files(Long.parseLong(words[2])));
        ledger.unclear.add(new BackupId(words[1]));
        return false;
      }
      case "gives-up" -> {
        ledger.letGo.add(new BackupId(words[1]));
        return false;
      }
      case "cuts" -> {
        Timeline timeline = Timeline.parseHex(words[2]);
        List<WalRange> stretches = new ArrayList<>();
        for (int i = 3; i < words.length; i += 2) {
          Lsn end = Lsn.parse(words[i + 1]);
          stretches.add(new WalRange(timeline, Lsn.parse(words[i]), end));
        }
        ledger.cuts.add(
            new RetentionPlan.WalKeep(
                words[1], timeline, stretches.get(0).start(), List.copyOf(stretches)));
        return false;
      }
      case "init" -> ledger.initialised = true;
      case "register" -> ledger.registered.add(TestClient.SOURCE);
      case "backup" -> ledger.acknowledged.put(new BackupId(words[1]), true);
      case "gone" -> ledger.gone.add(new BackupId(words[1]));
      case "wal" ->
          ledger.stored(
              words[1],
              TestRepository.segment(1, Long.parseLong(words[2])),
              Integer.parseInt(words[3]));
      case "sync" -> {
        synced.clear();
        synced.addAll(ledger.acknowledged.keySet());
      }
      default -> assertThat(words[0]).isIn("prune", "swept", "verify");
    }
    done.merge(words[0], 1, Integer::sum);
    return true;
  }

  /** On another machine, with the key and the folders alone. */
  private void check(Path state) throws IOException {
    TestWorld world = world(state);
    world.ledger.take(ledger);
    try (ObjectStore first = copy(folder, 0);
        ObjectStore second = copy(folder, 1)) {
      try (TestClient client = client(world, state.resolve("both"), key, first, second)) {
        if (ledger.registered.isEmpty()) {
          client.init(); // whatever was begun, it can be finished
          client.sync();
          client.register(TestClient.SOURCE);
        }
        world.check(client, true);
      }
      if (!synced.isEmpty()) {
        try (TestClient client = client(world, state.resolve("second"), key, second)) {
          Set<BackupId> expected = new HashSet<>(synced);
          expected.removeAll(ledger.letGo);
          Repository alone = client.repository();
          Set<BackupId> listed = new HashSet<>();
          for (BackupDescriptor backup : alone.backups(Optional.empty())) {
            listed.add(backup.id());
            if (!ledger.letGo.contains(backup.id())) { // a later commit may have swept it
              TestRepository.assertReads(alone, backup.id(), ledger.attempted.get(backup.id()));
            }
          }
          assertThat(listed).containsAll(expected);
        }
      }
    }
  }

  /** Does everything there is to do, for ever, and prints what it attempts and what is done. */
  static final class Worker {
    private final TestWorld world;
    private final TestClient client;
    private final Random random;
    private final PrintStream out = System.out;
    private long seed;

    private Worker(TestWorld world, TestClient client, Random random) {
      this.world = world;
      this.client = client;
      this.random = random;
      client.attempting = this::printAttempts;
    }

    public static void main(String[] arguments) throws IOException {
      Path root = Path.of(arguments[0]);
      Path state = Path.of(arguments[1]);
      TestWorld world = world(state);
      try (ObjectStore first = copy(root, 0);
          ObjectStore second = copy(root, 1);
          TestClient client = client(world, state, arguments[2], first, second)) {
        new Worker(world, client, new Random(Long.parseLong(arguments[3]))).work();
      }
    }

    private void work() throws IOException {
      client.init();
      client.sync();
      print("init");
      client.register(TestClient.SOURCE);
      print("register");
      if (client.repository().wal(TestClient.SOURCE).ranges(TestRepository.TIMELINE).isEmpty()) {
        client.storeSegment(1);
      }
      while (true) {
        printWal();
        world.clock.set(Instant.now());
        try {
          step();
        } catch (IOException e) {
          if (!TestClient.steppedBack(e)) { // for what a dead one held a moment ago
            throw e;
          }
        }
      }
    }

    private void step() throws IOException {
      seed = random.nextInt(3);
      switch (random.nextInt(12)) {
        case 0 -> {
          seed = random.nextInt(1000);
          print("backup " + client.backUpAtTheEnd(Scenario.files(seed)));
        }
        case 1 ->
            print("backup " + client.backUpOver(BackupType.INCREMENTAL, Scenario.files(seed)));
        case 2, 3 -> {
          client.prune(Duration.ZERO);
          client.ledger.gone.forEach(id -> print("gone " + id));
          print(client.swept.isEmpty() ? "prune" : "swept");
        }
        case 4 -> {
          client.sync();
          if (client.problems.isEmpty()) {
            print("sync");
          }
        }
        case 5 -> {
          client.verifySome();
          assertThat(client.found).isEmpty();
          print("verify");
        }
        case 6 -> client.shipSegment();
        default -> client.shipNext(1 + random.nextInt(400_000));
      }
    }

    private void printAttempts() {
      client.ledger.attempted.keySet().forEach(id -> print("attempts " + id + " " + seed));
      client.ledger.letGo.forEach(id -> print("gives-up " + id));
      for (RetentionPlan.WalKeep keep : client.ledger.cuts) {
        StringBuilder cut =
            new StringBuilder("cuts " + keep.incarnation() + " " + keep.timeline().hex());
        keep.stretches().forEach(one -> cut.append(" " + one.start() + " " + one.end()));
        print(cut.toString());
      }
      client.ledger.attempted.clear();
      client.ledger.letGo.clear();
      client.ledger.cuts.clear();
      client.ledger.gone.clear();
    }

    private void printWal() {
      client.ledger.wal.forEach(
          (stretch, end) ->
              print("wal " + stretch.incarnation() + " " + stretch.segment().number() + " " + end));
      client.ledger.wal.clear();
    }

    private void print(String line) {
      byte[] bytes = (line + "\n").getBytes(UTF_8);
      out.write(bytes, 0, bytes.length); // in one piece, which a kill cannot cut
      out.flush();
    }
  }
}
