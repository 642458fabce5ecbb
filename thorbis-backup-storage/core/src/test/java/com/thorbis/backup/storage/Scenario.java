package com.thorbis.backup.storage;

import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.VerifyRequest;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/**
 * An operation of a repository whose every store call is made to fail in every way. Whatever a
 * repository learns to do gets a line in {@link #ALL}, and is enumerated from then on.
 *
 * @param label its name in reports and replayable texts
 * @param recipients how many can open the repository
 * @param prepare what lies in the store before; its calls are not counted
 * @param opened whether the repository is opened before; its calls are not counted
 * @param action the operation; doing it again must succeed, whatever happened before
 */
record Scenario(String label, int recipients, Action prepare, boolean opened, Action action) {
  private static final Map<String, byte[]> FILES = files(1);

  /** What a process does. */
  @FunctionalInterface
  interface Action {
    void run(TestClient client) throws IOException;
  }

  /** Every operation that exists. */
  static final List<Scenario> ALL =
      List.of(
          new Scenario("init", 1, client -> {}, false, TestClient::init),
          new Scenario("init-two-recipients", 2, client -> {}, false, TestClient::init),
          new Scenario("init-again", 2, Scenario::withBackup, false, TestClient::init),
          new Scenario("open", 2, Scenario::withBackup, false, TestClient::open),
          new Scenario("refresh", 1, Scenario::withBackup, true, Scenario::refreshAfterOthers),
          of("register", client -> client.register("other")),
          new Scenario(
              "register-two-recipients",
              2,
              Scenario::withBackup,
              true,
              client -> client.register("other")),
          of("adopt", TestClient::adopt),
          of("backup", client -> client.backUp(FILES, BackupStatus.COMPLETE)),
          of("backup-awaiting-wal", client -> client.backUp(FILES, BackupStatus.AWAITING_WAL)),
          new Scenario(
              "complete",
              1,
              client -> {
                withBackup(client);
                client.backUp(FILES, BackupStatus.AWAITING_WAL);
              },
              true,
              TestClient::complete),
          onlyWhole("wal-part", client -> client.storePart(2, 0, 9000)),
          of("wal-next-part", client -> client.storePart(2, 8000, 17_000)),
          of("wal-part-again", client -> client.storePart(2, 3000, 8000)),
          onlyWhole("wal-segment", client -> client.storeSegment(2)),
          of("wal-segment-over-parts", client -> client.storeSegment(2)),
          of("wal-segment-again", client -> client.storeSegment(1)),
          of("wal-history", client -> client.storeHistory(2)),
          of("wal-history-again", client -> client.storeHistory(1)),
          of("wal-summary", TestClient::storeSummary),
          of("wal-read-summary", TestClient::readSummary),
          of("wal-open", client -> client.readWal(1)),
          of("wal-open-parts", client -> client.readWal(2)),
          of("wal-open-absent", client -> client.readWal(9)),
          of("wal-marks", client -> client.marks(1)),
          of("wal-marks-parts", client -> client.marks(2)),
          of("wal-ranges", TestClient::ranges),
          of("wal-read-history", client -> client.history(1)),
          of("restore", TestClient::restore),
          of("verify-objects", client -> client.verify(VerifyRequest.Level.OBJECTS)),
          of("verify-data", client -> client.verify(VerifyRequest.Level.DATA)));

  private static Scenario of(String label, Action action) {
    return new Scenario(label, 1, Scenario::withBackup, true, action);
  }

  private static Scenario onlyWhole(String label, Action action) {
    return new Scenario(
        label,
        1,
        client -> {
          withSource(client);
          client.backUp(FILES, BackupStatus.COMPLETE);
        },
        true,
        action);
  }

  static Scenario named(String label) {
    return ALL.stream().filter(one -> one.label().equals(label)).findFirst().orElseThrow();
  }

  /** A backup with its log, a segment in parts, a history file. */
  private static void withBackup(TestClient client) throws IOException {
    withSource(client);
    client.storePart(2, 0, 3000);
    client.storePart(2, 3000, 8000);
    client.storeHistory(1);
    client.backUp(FILES, BackupStatus.COMPLETE);
  }

  private static void withSource(TestClient client) throws IOException {
    client.init();
    client.register(TestClient.SOURCE);
    client.storeSegment(1);
  }

  private static void refreshAfterOthers(TestClient client) throws IOException {
    client.repository();
    client.refresh();
    client.refresh();
  }

  /** The store as it is before. */
  TestWorld world(Path states) throws IOException {
    TestWorld world = TestWorld.empty(states, recipients);
    try (TestClient client = world.client(world.disk)) {
      prepare.run(client);
    }
    return world;
  }

  /** A few small files, the same for one seed. */
  static Map<String, byte[]> files(long seed) {
    Random random = new Random(seed);
    Map<String, byte[]> files = new TreeMap<>();
    files.put("PG_VERSION", new byte[] {'1', '5', '\n'});
    files.put("base/1/259", TestRepository.text(random, 3000 + random.nextInt(20_000)));
    files.put("base/1/zeros", new byte[20_000]);
    files.put("global/pg_control", TestRepository.bytes(random, 8192));
    return files;
  }

  @Override
  public String toString() {
    return label;
  }
}
