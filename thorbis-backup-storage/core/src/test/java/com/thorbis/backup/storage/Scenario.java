package com.thorbis.backup.storage;

import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.spi.repository.WritePolicy;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/**
 * An operation of a repository whose every store call is made to fail in every way. Whatever a
 * repository learns to do gets a line in {@link #ALL}, and is enumerated from then on.
 *
 * @param label its name in reports and replayable texts
 * @param setting what the repository is like
 * @param prepare what lies in the store before; its calls are not counted
 * @param opened whether the repository is opened before; its calls are not counted
 * @param action the operation; doing it again must succeed, whatever happened before
 */
record Scenario(String label, Setting setting, Action prepare, boolean opened, Action action) {
  private static final Map<String, byte[]> FILES = files(1);

  private static final Map<String, byte[]> CHANGED = changed();
  private static final Map<String, byte[]> OTHER = files(3);
  private static final Map<String, byte[]> LARGER = larger();
  private static final Map<String, byte[]> MOVED = moved();
  private static final Duration DAY = Duration.ofDays(1);
  private static final Duration NONE = Duration.ZERO;
  private static final RetentionPolicy EVERYTHING = RetentionPolicy.builder().build();

  /**
   * What a repository is like.
   *
   * @param recipients how many can open it
   * @param copies how many places hold it
   * @param policy when something counts as written
   * @param checkpointEvery after how many commits there is a checkpoint
   * @param narrow whether the first place has a retention of its own
   */
  record Setting(
      int recipients, int copies, WritePolicy policy, int checkpointEvery, boolean narrow) {
    static final Setting PLAIN = new Setting(1, 1, WritePolicy.PRIMARY, 100);
    static final Setting TWO_RECIPIENTS = new Setting(2, 1, WritePolicy.PRIMARY, 100);
    static final Setting CHECKPOINTS = new Setting(1, 1, WritePolicy.PRIMARY, 1);
    static final Setting BEHIND = new Setting(1, 2, WritePolicy.PRIMARY, 100);
    static final Setting ALL = new Setting(1, 2, WritePolicy.ALL, 100);
    static final Setting NARROW = new Setting(1, 2, WritePolicy.ALL, 100, true);

    Setting(int recipients, int copies, WritePolicy policy, int checkpointEvery) {
      this(recipients, copies, policy, checkpointEvery, false);
    }
  }

  /** What a process does. */
  @FunctionalInterface
  interface Action {
    void run(TestClient client) throws IOException;
  }

  /** Every operation that exists. */
  static final List<Scenario> ALL =
      List.of(
          new Scenario("init", Setting.PLAIN, client -> {}, false, TestClient::init),
          new Scenario(
              "init-two-recipients", Setting.TWO_RECIPIENTS, client -> {}, false, TestClient::init),
          new Scenario(
              "init-again", Setting.TWO_RECIPIENTS, Scenario::withBackup, false, TestClient::init),
          new Scenario(
              "open", Setting.TWO_RECIPIENTS, Scenario::withBackup, false, TestClient::open),
          new Scenario(
              "refresh", Setting.PLAIN, Scenario::withBackup, true, Scenario::refreshAfterOthers),
          of("register", client -> client.register("other")),
          new Scenario(
              "register-two-recipients",
              Setting.TWO_RECIPIENTS,
              Scenario::withBackup,
              true,
              client -> client.register("other")),
          of("adopt", TestClient::adopt),
          of("backup", client -> client.backUp(FILES, BackupStatus.COMPLETE)),
          of("backup-awaiting-wal", client -> client.backUp(FILES, BackupStatus.AWAITING_WAL)),
          new Scenario(
              "complete",
              Setting.PLAIN,
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
          of(
              "wal-segments",
              client -> {
                client.storeSegment(3);
                client.storeSegment(4);
              }),
          of(
              "wal-segments-again",
              client -> {
                client.storeSegment(3);
                client.storeSegment(1);
              }),
          of("wal-history", client -> client.storeHistory(2)),
          of("wal-history-again", client -> client.storeHistory(1)),
          of("wal-summary", TestClient::storeSummary),
          of("wal-read-summary", TestClient::readSummary),
          of("wal-gap", TestClient::recordGap),
          of("wal-open", client -> client.readWal(1)),
          of("wal-open-parts", client -> client.readWal(2)),
          of("wal-open-absent", client -> client.readWal(9)),
          of("wal-marks", client -> client.marks(1)),
          of("wal-marks-parts", client -> client.marks(2)),
          of("wal-ranges", TestClient::ranges),
          of("wal-read-history", client -> client.history(1)),
          of("restore", TestClient::restore),
          of("restore-over", TestClient::restoreOver),
          of("verify-objects", client -> client.verify(VerifyRequest.Level.OBJECTS)),
          of("verify-data", client -> client.verify(VerifyRequest.Level.DATA)),
          of("verify-some", TestClient::verifySome),
          of(
              "backup-resumed",
              Setting.PLAIN,
              client -> {
                withBackup(client);
                client.interruptBackup(OTHER);
              },
              client -> client.backUp(OTHER, BackupStatus.COMPLETE)),
          of(
              "backup-chunked",
              Setting.PLAIN,
              client -> {
                withBackup(client);
                client.backUpChunked(LARGER);
              },
              client -> client.backUpChunked(MOVED)),
          of("backup-incremental", client -> client.backUpOver(BackupType.INCREMENTAL, CHANGED)),
          of(
              "backup-differential",
              Setting.PLAIN,
              client -> {
                withBackup(client);
                client.backUpOver(BackupType.INCREMENTAL, CHANGED);
              },
              client -> client.backUpOver(BackupType.DIFFERENTIAL, CHANGED)),
          of("plan-prune", Setting.PLAIN, Scenario::withThree, TestClient::planPrune),
          of("delete", Setting.PLAIN, Scenario::withThree, client -> client.prune(DAY)),
          of("delete-by-hand", Setting.PLAIN, Scenario::withThree, TestClient::deleteByHand),
          of("undelete", Setting.PLAIN, Scenario::withDeleted, TestClient::undelete),
          of("hold", Setting.PLAIN, Scenario::withBackup, TestClient::hold),
          of(
              "release",
              Setting.PLAIN,
              client -> {
                withBackup(client);
                client.hold();
              },
              TestClient::release),
          of("sweep", Setting.PLAIN, Scenario::withGraceOver, client -> client.prune(NONE)),
          of(
              "sweep-under-incrementals",
              Setting.PLAIN,
              client -> {
                withBackup(client);
                client.backUpOver(BackupType.INCREMENTAL, CHANGED);
                client.verify(VerifyRequest.Level.DATA);
                client.prune(NONE);
                client.rest();
              },
              client -> client.prune(NONE)),
          of(
              "delete-and-sweep",
              Setting.PLAIN,
              client -> {
                withGraceOver(client);
                client.backUpIn(5, FILES);
                client.verify(VerifyRequest.Level.DATA);
              },
              client -> client.prune(NONE)),
          of("checkpoint", Setting.CHECKPOINTS, Scenario::withBackup, TestClient::hold),
          new Scenario(
              "open-checkpoint",
              Setting.CHECKPOINTS,
              Scenario::withBackup,
              false,
              TestClient::open),
          of(
              "sweep-checkpoints",
              Setting.CHECKPOINTS,
              Scenario::withBackup,
              client -> client.prune(RetentionPolicy.builder().build(), DAY)),
          new Scenario(
              "init-copies",
              Setting.ALL,
              client -> {},
              false,
              client -> {
                client.init();
                client.sync();
              }),
          of(
              "backup-copies",
              Setting.ALL,
              Scenario::withBackup,
              client -> client.backUp(FILES, BackupStatus.COMPLETE)),
          of(
              "wal-next-part-copies",
              Setting.ALL,
              Scenario::withBackup,
              client -> client.storePart(2, 8000, 17_000)),
          of(
              "wal-segment-copies",
              Setting.ALL,
              Scenario::withBackup,
              client -> client.storeSegment(2)),
          of("sweep-copies", Setting.ALL, Scenario::withGraceOver, client -> client.prune(NONE)),
          of("sync", Setting.BEHIND, Scenario::withBackup, TestClient::sync),
          of(
              "sync-after-sweep",
              Setting.BEHIND,
              client -> {
                withThree(client);
                client.sync();
                client.prune(NONE);
                client.rest();
                client.prune(NONE);
              },
              TestClient::sync),
          of("survey", Setting.BEHIND, Scenario::withBackup, TestClient::survey),
          of(
              "verify-copies",
              Setting.BEHIND,
              Scenario::synced,
              client -> client.verify(VerifyRequest.Level.DATA)),
          of(
              "heal",
              Setting.BEHIND,
              client -> {
                synced(client);
                client.damageSecond();
              },
              TestClient::heal),
          of(
              "let-go",
              Setting.NARROW,
              Scenario::withThree,
              client -> client.prune(EVERYTHING, DAY)),
          of(
              "sweep-copy",
              Setting.NARROW,
              client -> {
                withThree(client);
                client.prune(EVERYTHING, NONE);
                client.rest();
              },
              client -> client.prune(EVERYTHING, NONE)),
          of("restore-let-go", Setting.NARROW, Scenario::withLetGo, TestClient::restore),
          of("wal-open-let-go", Setting.NARROW, Scenario::withLetGo, client -> client.readWal(2)),
          of(
              "verify-let-go",
              Setting.NARROW,
              Scenario::withLetGo,
              client -> client.verify(VerifyRequest.Level.DATA)),
          of("sync-let-go", Setting.NARROW, Scenario::withLetGo, TestClient::sync),
          of("rotate", TestClient::rotate),
          of(
              "rotate-two-recipients",
              Setting.TWO_RECIPIENTS,
              Scenario::rotated,
              TestClient::rotate),
          of("rotate-copies", Setting.ALL, Scenario::withBackup, TestClient::rotate),
          of("rotate-checkpoints", Setting.CHECKPOINTS, Scenario::withBackup, TestClient::rotate),
          new Scenario(
              "open-rotated", Setting.CHECKPOINTS, Scenario::rotated, false, TestClient::open),
          of(
              "backup-rotated",
              Setting.PLAIN,
              Scenario::rotated,
              client -> client.backUpOver(BackupType.INCREMENTAL, CHANGED)),
          of(
              "wal-next-part-rotated",
              Setting.PLAIN,
              Scenario::rotated,
              client -> client.storePart(2, 8000, 17_000)),
          of("sync-rotated", Setting.BEHIND, Scenario::rotated, TestClient::sync),
          of("rewrap", Setting.TWO_RECIPIENTS, Scenario::rotated, Scenario::rewrap),
          of("rewrap-copies", Setting.ALL, Scenario::withBackup, Scenario::rewrap),
          new Scenario(
              "open-rewrapped", Setting.CHECKPOINTS, Scenario::rewrapped, false, TestClient::open),
          of("rekey", Setting.PLAIN, Scenario::toBeRekeyed, client -> client.rekey(DAY)),
          of("rekey-copies", Setting.ALL, Scenario::toBeRekeyed, client -> client.rekey(DAY)),
          of(
              "sweep-rekeyed",
              Setting.PLAIN,
              Scenario::rekeyed,
              client -> client.prune(EVERYTHING, NONE)),
          new Scenario(
              "open-rekeyed", Setting.CHECKPOINTS, Scenario::rekeyed, false, TestClient::open),
          of("sweep-keys", Setting.PLAIN, Scenario::withRetired, client -> client.prune(NONE)),
          of("sweep-keys-copies", Setting.ALL, Scenario::withRetired, client -> client.prune(NONE)),
          of("name-writer", TestClient::nameWriter),
          of("name-writer-copies", Setting.ALL, Scenario::withBackup, TestClient::nameWriter),
          of(
              "backup-signed",
              Setting.CHECKPOINTS,
              Scenario::signed,
              client -> client.backUp(FILES, BackupStatus.COMPLETE)),
          new Scenario(
              "open-signed", Setting.CHECKPOINTS, Scenario::signed, false, TestClient::open),
          of("erase-request", Setting.PLAIN, Scenario::withOther, client -> client.erase(DAY)),
          of("unerase", Setting.PLAIN, Scenario::toBeErased, TestClient::unerase),
          of("erase", Setting.TWO_RECIPIENTS, Scenario::toBeErased, Scenario::erase),
          of("erase-checkpoints", Setting.CHECKPOINTS, Scenario::toBeErased, Scenario::erase),
          of("erase-copies", Setting.ALL, Scenario::toBeErased, Scenario::erase),
          of("erase-behind", Setting.BEHIND, Scenario::toBeErasedOnBoth, Scenario::erase),
          of(
              "erase-rewrapped",
              Setting.PLAIN,
              client -> {
                withOther(client);
                client.rotate();
                rewrap(client);
                client.rewrap(List.of(TestRepository.RECIPIENT));
                toBeErasedSoon(client);
              },
              Scenario::erase),
          of("erase-again", Setting.ALL, Scenario::erasedHalf, Scenario::erase),
          of("sweep-erased", Setting.PLAIN, Scenario::erased, client -> client.prune(NONE)),
          of("sweep-erased-copies", Setting.ALL, Scenario::erased, client -> client.prune(NONE)),
          of("sync-erased", Setting.BEHIND, Scenario::erasedInOne, TestClient::sync),
          new Scenario(
              "open-erased", Setting.CHECKPOINTS, Scenario::erased, false, TestClient::open),
          new Scenario("promote", Setting.BEHIND, Scenario::synced, false, TestClient::promote));

  private static Scenario of(String label, Action action) {
    return of(label, Setting.PLAIN, Scenario::withBackup, action);
  }

  private static Scenario of(String label, Setting setting, Action prepare, Action action) {
    return new Scenario(label, setting, prepare, true, action);
  }

  private static Scenario onlyWhole(String label, Action action) {
    return new Scenario(
        label,
        Setting.PLAIN,
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

  /** Verified backups in the first, third and fourth of five segments. */
  private static void withThree(TestClient client) throws IOException {
    withSource(client);
    for (int segment = 2; segment <= 5; segment++) {
      client.storeSegment(segment);
    }
    client.backUpIn(1, FILES);
    client.backUpIn(3, CHANGED);
    client.backUpIn(4, FILES);
    client.verify(VerifyRequest.Level.DATA);
  }

  private static void withDeleted(TestClient client) throws IOException {
    withThree(client);
    client.prune(DAY);
  }

  /** Two of three are given up, with the log before the third. */
  private static void withGraceOver(TestClient client) throws IOException {
    withThree(client);
    client.prune(NONE);
    client.rest();
  }

  /** The first copy lacks two of three backups, and their log. */
  private static void withLetGo(TestClient client) throws IOException {
    withThree(client);
    client.prune(EVERYTHING, NONE);
    client.rest();
    client.prune(EVERYTHING, NONE);
  }

  /** Sealed under a first key and under a second. */
  private static void rotated(TestClient client) throws IOException {
    withBackup(client);
    client.rotate();
    client.backUp(CHANGED, BackupStatus.COMPLETE);
  }

  /** One under the first key, and one that refers to it. */
  private static void toBeRekeyed(TestClient client) throws IOException {
    withBackup(client);
    client.rotate();
    client.backUpOver(BackupType.INCREMENTAL, CHANGED);
    client.hold();
  }

  private static void rekeyed(TestClient client) throws IOException {
    toBeRekeyed(client);
    client.rekey(NONE);
    client.rest();
  }

  /** Its writer is named. */
  private static void signed(TestClient client) throws IOException {
    withBackup(client);
    client.nameWriter();
    client.hold();
  }

  private static void rewrap(TestClient client) throws IOException {
    client.rewrap(List.of(TestRepository.RECIPIENT, TestWorld.THIRD));
  }

  /** The slots that the header names count no more. */
  private static void withRetired(TestClient client) throws IOException {
    rotated(client);
    client.rewrap(List.of(TestWorld.THIRD, TestRepository.RECIPIENT));
    client.rewrap(List.of(TestWorld.THIRD));
    client.rewrap(List.of(TestWorld.THIRD, TestRepository.RECIPIENT));
    client.rest();
  }

  /** They are gone. */
  private static void rewrapped(TestClient client) throws IOException {
    withRetired(client);
    client.prune(RetentionPolicy.builder().build(), NONE);
  }

  /** A second source, with a backup and log. */
  private static void withOther(TestClient client) throws IOException {
    withBackup(client);
    client.addOther(OTHER);
  }

  private static void toBeErased(TestClient client) throws IOException {
    withOther(client);
    toBeErasedSoon(client);
  }

  private static void toBeErasedSoon(TestClient client) throws IOException {
    client.erase(NONE);
    client.rest();
  }

  private static void toBeErasedOnBoth(TestClient client) throws IOException {
    withOther(client);
    client.sync();
    toBeErasedSoon(client);
  }

  private static void erase(TestClient client) throws IOException {
    client.erase(NONE);
  }

  private static void erased(TestClient client) throws IOException {
    toBeErased(client);
    erase(client);
    client.rest();
  }

  private static void erasedInOne(TestClient client) throws IOException {
    toBeErasedOnBoth(client);
    erase(client);
    client.rest();
  }

  /** A process that has said so, and is gone before it can remove anything. */
  private static void erasedHalf(TestClient client) throws IOException {
    toBeErased(client);
    client.dieBefore("delete keys/", Scenario::erase);
  }

  private static void synced(TestClient client) throws IOException {
    withBackup(client);
    client.sync();
  }

  private static Map<String, byte[]> larger() {
    Map<String, byte[]> files = files(1);
    files.put("base/1/large", TestRepository.text(new Random(5), 600_000));
    return files;
  }

  /** The same under other names, and a little more. */
  private static Map<String, byte[]> moved() {
    Map<String, byte[]> files = new TreeMap<>();
    larger().forEach((path, content) -> files.put("moved/" + path, content));
    files.put("new", TestRepository.text(new Random(6), 20_000));
    return files;
  }

  private static Map<String, byte[]> changed() {
    Map<String, byte[]> files = files(1);
    files.get("base/1/259")[1] ^= 1;
    files.put("base/1/260", new byte[] {1, 2, 3});
    return files;
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
    TestWorld world = TestWorld.empty(states, setting);
    try (TestClient client = world.client(world.disks)) {
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
