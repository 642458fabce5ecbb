package com.thorbis.backup.postgres.capture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.postgres.backup.ClusterBackup;
import com.thorbis.backup.postgres.plan.RestorePlanner;
import com.thorbis.backup.postgres.plan.StatusReader;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.support.BackgroundReceiver;
import com.thorbis.backup.postgres.support.LaidDown;
import com.thorbis.backup.postgres.support.MemoryRepository;
import com.thorbis.backup.postgres.support.MemoryWalArchive;
import com.thorbis.backup.postgres.support.Sources;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class WalReceiverIT {
  private static final String ROWS =
      "INSERT INTO t SELECT g, repeat(md5(g::text), 20) FROM generate_series(1, %d) g";

  @TempDir Path folder;

  static List<PostgresBinaries> versions() {
    return PostgresBinaries.all();
  }

  private PostgresServer.Builder primary(PostgresBinaries binaries) {
    return PostgresServer.builder(binaries)
        .dataDirectory(folder.resolve("data"))
        .setting("wal_keep_size", "512MB");
  }

  private PostgresSettings settings(PostgresServer server, String... more) {
    String[] all = Arrays.copyOf(more, more.length + 2);
    all[more.length] = "wal.ship-interval";
    all[more.length + 1] = "100ms";
    return Sources.settings(folder, server.jdbcUrl("postgres"), server.superuser(), all);
  }

  private static Lsn flushed(PostgresServer server) throws Exception {
    return Lsn.parse(server.query("postgres", "SELECT pg_current_wal_flush_lsn()"));
  }

  private static void createTable(PostgresServer server) throws Exception {
    server.execute("postgres", "CREATE TABLE t (id int, words text)");
  }

  private static void insert(PostgresServer server, int rows) throws Exception {
    server.execute("postgres", ROWS.formatted(rows));
  }

  private static void assertEqualToServer(
      MemoryWalArchive archive, PostgresServer server, int timeline) throws Exception {
    int compared = 0;
    for (WalSegment segment : archive.segments()) {
      Path file = server.dataDirectory().resolve("pg_wal").resolve(segment.fileName());
      if (segment.timeline().number() != timeline || !Files.exists(file)) {
        continue;
      }
      WalArchive.WalContent content = archive.open(segment).orElseThrow();
      byte[] stored = new byte[content.bytes().remaining()];
      content.bytes().get(stored);
      byte[] original = Arrays.copyOf(Files.readAllBytes(file), stored.length);
      assertThat(Arrays.mismatch(stored, original)).as(segment.fileName()).isEqualTo(-1);
      compared++;
    }
    assertThat(compared).isPositive();
  }

  @ParameterizedTest
  @MethodSource("versions")
  void storesWhatTheServerWritesAndGoesOnAfterItDied(PostgresBinaries binaries) throws Exception {
    try (PostgresServer server = primary(binaries).start()) {
      MemoryRepository repository = new MemoryRepository();
      try (BackgroundReceiver receiver =
          new BackgroundReceiver(settings(server), repository, false)) {
        createTable(server);
        insert(server, 40_000);
        server.execute("postgres", "SELECT pg_switch_wal()");
        insert(server, 100);
        receiver.awaitStored(1, flushed(server));

        server.restart();
        insert(server, 100);
        receiver.awaitStored(1, flushed(server));

        server.kill9();
        server.start();
        insert(server, 40_000);
        receiver.awaitStored(1, flushed(server));
      }

      MemoryWalArchive archive = repository.wal("orders");
      assertThat(archive.ranges(new Timeline(1))).hasSize(1);
      assertThat(archive.parts()).isPositive();
      assertEqualToServer(archive, server, 1);
      Lsn end = archive.ranges(new Timeline(1)).get(0).end();
      server.awaitTrue(
          "postgres",
          "SELECT restart_lsn = '"
              + end
              + "' FROM pg_replication_slots"
              + " WHERE slot_name = 'thorbis_orders'",
          java.time.Duration.ofSeconds(30));

      // A second run goes on where the first one ended, and finds what it stored itself equal.
      insert(server, 100);
      try (BackgroundReceiver receiver =
          new BackgroundReceiver(settings(server), repository, false)) {
        receiver.awaitStored(1, flushed(server));
      }
      assertThat(archive.ranges(new Timeline(1))).hasSize(1);
      assertEqualToServer(archive, server, 1);
    }
  }

  @ParameterizedTest
  @MethodSource("versions")
  void followsAPromotionWithoutAGap(PostgresBinaries binaries) throws Exception {
    try (PostgresServer primary = primary(binaries).start()) {
      MemoryRepository repository = new MemoryRepository();
      createTable(primary);
      BackupDescriptor backup =
          new ClusterBackup(
                  settings(primary),
                  BackupRequest.builder("orders").build(),
                  repository,
                  RunControl.unattended())
              .run();
      Path copy = LaidDown.of(repository.stored(backup.id()), folder.resolve("standby"));
      Files.createFile(copy.resolve("standby.signal"));
      try (PostgresServer standby =
          PostgresServer.builder(binaries)
              .dataDirectory(copy)
              .setting("primary_conninfo", "host=127.0.0.1 user=postgres port=" + primary.port())
              .setting("wal_keep_size", "512MB")
              .adopt()
              .start()) {
        try (BackgroundReceiver receiver =
            new BackgroundReceiver(settings(standby), repository, false)) {
          insert(primary, 30_000);
          Lsn before = flushed(primary);
          receiver.awaitStored(1, before);
          primary.stop();
          standby.query("postgres", "SELECT pg_promote()");
          insert(standby, 30_000);
          receiver.awaitStored(2, flushed(standby));
          assertThat(receiver.warnings()).isEmpty();
        }
        MemoryWalArchive archive = repository.wal("orders");
        byte[] content = archive.history(new Timeline(2)).orElseThrow();
        Lsn left =
            TimelineHistory.parse(new Timeline(2), content)
                .switchPoint(new Timeline(1))
                .orElseThrow();
        List<WalRange> first = archive.ranges(new Timeline(1));
        List<WalRange> second = archive.ranges(new Timeline(2));
        assertThat(first).hasSize(1);
        assertThat(first.get(0).end()).isEqualTo(left);
        assertThat(second).hasSize(1);
        assertThat(second.get(0).start()).isLessThanOrEqualTo(left);
        assertEqualToServer(archive, standby, 2);
      }
    }
  }

  /**
   * The old primary goes away while nobody captures: what it wrote last comes from the new one, if
   * that still has it, and is a hole otherwise.
   */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void w6WhatWasNotCapturedBeforeASwitchoverComesFromTheNewPrimaryOrIsAHole(boolean kept)
      throws Exception {
    PostgresBinaries binaries = PostgresBinaries.with("pg_basebackup");
    try (PostgresServer primary = primary(binaries).walSegmentMebibytes(1).start()) {
      MemoryRepository repository = new MemoryRepository();
      createTable(primary);
      BackupDescriptor backup = backUp(primary, repository);
      Path copy = LaidDown.of(repository.stored(backup.id()), folder.resolve("standby"));
      Files.createFile(copy.resolve("standby.signal"));
      try (PostgresServer standby =
          PostgresServer.builder(binaries)
              .dataDirectory(copy)
              .setting("primary_conninfo", "host=127.0.0.1 user=postgres port=" + primary.port())
              .setting("wal_keep_size", kept ? "512MB" : "0")
              .setting("min_wal_size", "2MB")
              .setting("max_wal_size", "2MB")
              .adopt()
              .start()) {
        try (BackgroundReceiver receiver =
            new BackgroundReceiver(settings(primary), repository, false)) {
          insert(primary, 100);
          receiver.awaitStored(1, flushed(primary));
        }
        insert(primary, 10_000);
        Lsn unseen = flushed(primary);
        insert(primary, 10_000);
        primary.stop();
        standby.query("postgres", "SELECT pg_promote()");
        standby.execute("postgres", "CHECKPOINT");
        insert(standby, 10_000);
        standby.execute("postgres", "CHECKPOINT");
        insert(standby, 10);

        List<String> warnings;
        try (BackgroundReceiver receiver =
            new BackgroundReceiver(settings(standby), repository, false)) {
          receiver.awaitStored(2, flushed(standby));
          warnings = receiver.warnings();
        }
        MemoryWalArchive archive = repository.wal("orders");
        SourceInfo source = repository.source("orders").orElseThrow();
        RestoreRequest within =
            RestoreRequest.builder("orders", folder.resolve("any"))
                .target(new RecoveryTarget.AtLsn(unseen, false))
                .action(RestoreRequest.Action.PAUSE)
                .build();
        SourceStatus status = status(repository);
        RestorePlanner planner =
            new RestorePlanner(source, repository.backups(Optional.of("orders")), archive);
        if (kept) {
          assertThat(warnings).isEmpty();
          assertThat(status.gaps()).isEmpty();
          assertThat(planner.plan(within).timeline()).contains(new Timeline(1));
          return;
        }
        assertThat(warnings).anyMatch(text -> text.startsWith("Gap: "));
        assertThat(status.gaps()).hasSize(1);
        WalRange hole = status.gaps().get(0).range();
        assertThat(hole.contains(unseen)).isTrue();
        assertThatThrownBy(() -> planner.plan(within))
            .isInstanceOfSatisfying(
                BackupException.class,
                e -> {
                  assertThat(e.code()).isEqualTo("restore.unreachable");
                  assertThat(e.details().get("backup." + backup.id()))
                      .contains(hole.start().toString())
                      .contains(hole.end().toString());
                });
        BackupDescriptor behind = backUp(standby, repository);
        assertThat(
                new RestorePlanner(source, repository.backups(Optional.of("orders")), archive)
                    .plan(RestoreRequest.builder("orders", folder.resolve("any")).build())
                    .backup()
                    .id())
            .isEqualTo(behind.id());
      }
    }
  }

  private BackupDescriptor backUp(PostgresServer server, MemoryRepository repository)
      throws Exception {
    return new ClusterBackup(
            settings(server),
            BackupRequest.builder("orders").build(),
            repository,
            RunControl.unattended())
        .run();
  }

  @Test
  void goesOnBehindWalThatIsGoneAndSaysSo() throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("data"))
            .setting("wal_keep_size", "0")
            .setting("max_wal_size", "32MB")
            .start()) {
      MemoryRepository repository = new MemoryRepository();
      createTable(server);
      try (BackgroundReceiver receiver =
          new BackgroundReceiver(settings(server), repository, false)) {
        receiver.awaitStored(1, flushed(server));
      }
      server.awaitTrue(
          "postgres",
          "SELECT NOT active FROM pg_replication_slots",
          java.time.Duration.ofSeconds(30));
      server.execute("postgres", "SELECT pg_drop_replication_slot('thorbis_orders')");
      for (int i = 0; i < 4; i++) {
        insert(server, 20_000);
        server.execute("postgres", "SELECT pg_switch_wal()", "CHECKPOINT");
      }
      try (BackgroundReceiver receiver =
          new BackgroundReceiver(settings(server), repository, false)) {
        insert(server, 10);
        receiver.awaitStored(1, flushed(server));
        assertThat(receiver.warnings()).anyMatch(text -> text.startsWith("Gap: "));
      }
      assertThat(repository.wal("orders").ranges(new Timeline(1))).hasSize(2);
    }
  }

  @Test
  void refusesAnotherClusterUnderTheSameName() throws Exception {
    PostgresBinaries binaries = PostgresBinaries.newest();
    MemoryRepository repository = new MemoryRepository();
    try (PostgresServer server = primary(binaries).start();
        BackgroundReceiver receiver = new BackgroundReceiver(settings(server), repository, false)) {
      receiver.awaitStored(1, flushed(server));
    }
    try (PostgresServer other =
        PostgresServer.builder(binaries).dataDirectory(folder.resolve("other")).start()) {
      BackgroundReceiver receiver = new BackgroundReceiver(settings(other), repository, false);
      assertThat(receiver.awaitFailure())
          .isInstanceOfSatisfying(
              Exception.class,
              failure ->
                  assertThat(((ClassifiedFailure) failure).code())
                      .isEqualTo("source.identity-mismatch"));
    }
  }

  /** While the repository takes nothing, and while it takes less than comes. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void w15w16ASlotOverItsBudgetEndsBeforeTheServersDiskIsFullAndTheGapIsShown(boolean away)
      throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.with("pg_basebackup"))
            .dataDirectory(folder.resolve("data"))
            .walSegmentMebibytes(1)
            .setting("wal_keep_size", "0")
            .setting("min_wal_size", "2MB")
            .setting("max_wal_size", "4MB")
            .start()) {
      MemoryRepository repository = new MemoryRepository();
      createTable(server);
      PostgresSettings settings = settings(server, "wal.slot-budget", "8MiB");
      try (BackgroundReceiver receiver = new BackgroundReceiver(settings, repository, false)) {
        receiver.awaitStored(1, flushed(server));
        MemoryWalArchive archive = repository.wal("orders");
        Semaphore turns = new Semaphore(0);
        if (away) {
          archive.reachable = false;
        } else {
          archive.taking = turns;
        }
        receiver.await(
            () -> {
              insert(server, 4_000);
              turns.release(1);
              return receiver.warnings().stream().anyMatch(text -> text.startsWith("Dropped"));
            });
        assertThat(receiver.warnings()).anyMatch(text -> text.contains("% of wal.slot-budget"));
        if (away) {
          // What was kept is let go.
          receiver.await(
              () -> {
                server.execute("postgres", "CHECKPOINT");
                return server
                    .query("postgres", "SELECT sum(size) < 8 << 20 FROM pg_ls_waldir()")
                    .equals("t");
              });
          insert(server, 4_000);
          archive.reachable = true;
        } else {
          turns.release(1_000_000);
        }
        receiver.await(
            () -> receiver.warnings().stream().anyMatch(text -> text.startsWith("Gap: ")));
        insert(server, 10);
        receiver.awaitStored(1, flushed(server));

        assertThat(archive.ranges(new Timeline(1))).hasSize(2);
        WalGap gap = status(repository).gaps().get(0);
        WalRange hole = gap.range();
        assertThat(gap.noticedAt()).isPresent();
        assertThat(gap.reason().orElseThrow()).contains("slot was dropped at wal.slot-budget");
        assertThat(receiver.warnings())
            .anyMatch(
                text -> text.startsWith("Gap: the WAL from " + hole.start() + " to " + hole.end()));
        server.awaitTrue(
            "postgres",
            "SELECT restart_lsn >= '" + hole.end() + "' FROM pg_replication_slots WHERE active",
            java.time.Duration.ofSeconds(30));
        BackupDescriptor next = backUp(server, repository);
        assertThat(
                new RestorePlanner(
                        repository.source("orders").orElseThrow(),
                        repository.backups(Optional.of("orders")),
                        archive)
                    .plan(RestoreRequest.builder("orders", folder.resolve("any")).build())
                    .backup()
                    .id())
            .isEqualTo(next.id());
      }
    }
  }

  private static SourceStatus status(MemoryRepository repository) throws Exception {
    return new StatusReader(
            repository.source("orders").orElseThrow(),
            repository.backups(Optional.of("orders")),
            repository.wal("orders"))
        .read(Instant.now(), false);
  }

  /** Up to 17 a server lets such a slot be used again, from 18 on it does not. */
  static List<PostgresBinaries> beforeAndAfterEighteen() {
    return PostgresBinaries.all().stream()
        .filter(
            one -> one.major() == 15 || one.major() == 18 || Boolean.getBoolean("thorbis.release"))
        .toList();
  }

  @ParameterizedTest
  @MethodSource("beforeAndAfterEighteen")
  void w16ASlotThatTheServerInvalidatedIsReplacedAndTheGapIsShown(PostgresBinaries binaries)
      throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(binaries)
            .dataDirectory(folder.resolve("data"))
            .walSegmentMebibytes(1)
            .setting("wal_keep_size", "0")
            .setting("min_wal_size", "2MB")
            .setting("max_wal_size", "4MB")
            .setting("max_slot_wal_keep_size", "2MB")
            .start()) {
      MemoryRepository repository = new MemoryRepository();
      createTable(server);
      try (BackgroundReceiver receiver =
          new BackgroundReceiver(settings(server), repository, false)) {
        receiver.awaitStored(1, flushed(server));
      }
      insert(server, 20_000);
      server.execute("postgres", "CHECKPOINT");
      server.awaitTrue(
          "postgres",
          "SELECT wal_status = 'lost' FROM pg_replication_slots",
          java.time.Duration.ofSeconds(30));
      try (BackgroundReceiver receiver =
          new BackgroundReceiver(settings(server), repository, false)) {
        insert(server, 10);
        receiver.awaitStored(1, flushed(server));
        assertThat(receiver.warnings())
            .anyMatch(text -> text.contains("was invalidated by the server"))
            .anyMatch(text -> text.startsWith("Gap: "));
      }
      assertThat(repository.wal("orders").ranges(new Timeline(1))).hasSize(2);
      assertThat(status(repository).gaps())
          .singleElement()
          .satisfies(
              gap ->
                  assertThat(gap.reason().orElseThrow()).contains("server invalidated its slot"));
      assertThat(server.query("postgres", "SELECT wal_status FROM pg_replication_slots"))
          .isEqualTo("reserved");
    }
  }

  @Test
  void w9AnUpgradedClusterIsAnotherOneAndItsTimelinesAreItsOwn() throws Exception {
    PostgresBinaries binaries = PostgresBinaries.with("pg_upgrade");
    MemoryRepository repository = new MemoryRepository();
    try (PostgresServer old = primary(binaries).start();
        PostgresServer upgraded =
            PostgresServer.builder(binaries).dataDirectory(folder.resolve("new")).start()) {
      createTable(old);
      try (BackgroundReceiver receiver = new BackgroundReceiver(settings(old), repository, false)) {
        insert(old, 100);
        receiver.awaitStored(1, flushed(old));
      }
      old.stop();
      upgraded.stop();
      upgraded.run(
          "pg_upgrade",
          "--old-bindir=" + binaries.binDirectory(),
          "--new-bindir=" + binaries.binDirectory(),
          "--old-datadir=" + old.dataDirectory(),
          "--new-datadir=" + upgraded.dataDirectory(),
          "--socketdir=/tmp",
          "--username=postgres");
      upgraded.start();
      assertThat(upgraded.query("postgres", "SELECT count(*) FROM t")).isEqualTo("100");
      WalArchive before = repository.wal("orders");
      List<WalRange> ranges = before.ranges(new Timeline(1));

      BackgroundReceiver refused = new BackgroundReceiver(settings(upgraded), repository, false);
      assertThat(((ClassifiedFailure) refused.awaitFailure()).code())
          .isEqualTo("source.identity-mismatch");
      assertThatThrownBy(() -> backUp(upgraded, repository))
          .isInstanceOfSatisfying(
              ClassifiedFailure.class,
              e -> assertThat(e.code()).isEqualTo("source.identity-mismatch"));
      assertThat(before.ranges(new Timeline(1))).isEqualTo(ranges);
    }
  }

  @Test
  void oneSlotServesOneReceiver() throws Exception {
    try (PostgresServer server = primary(PostgresBinaries.newest()).start()) {
      MemoryRepository repository = new MemoryRepository();
      try (BackgroundReceiver first = new BackgroundReceiver(settings(server), repository, false)) {
        first.awaitStored(1, flushed(server));
        BackgroundReceiver second = new BackgroundReceiver(settings(server), repository, false);
        assertThat(second.awaitFailure())
            .isInstanceOfSatisfying(
                BackupException.class,
                failure -> assertThat(failure.code()).isEqualTo("wal.slot-active"));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 128})
  void capturesSegmentsOfOtherSizes(int mebibytes) throws Exception {
    try (PostgresServer server =
        primary(PostgresBinaries.newest()).walSegmentMebibytes(mebibytes).start()) {
      MemoryRepository repository = new MemoryRepository();
      try (BackgroundReceiver receiver =
          new BackgroundReceiver(settings(server), repository, false)) {
        createTable(server);
        insert(server, 40_000);
        receiver.awaitStored(1, flushed(server));
      }
      assertThat(repository.wal("orders").ranges(new Timeline(1))).hasSize(1);
      assertEqualToServer(repository.wal("orders"), server, 1);
    }
  }

  @Test
  void w4ABackupWaitsForTheReceiverAndASynchronousOneConfirmsCommits() throws Exception {
    try (PostgresServer server = primary(PostgresBinaries.newest()).start()) {
      MemoryRepository repository = new MemoryRepository();
      try (BackgroundReceiver receiver =
          new BackgroundReceiver(settings(server), repository, true)) {
        createTable(server);
        receiver.awaitStored(1, flushed(server));
        BackupDescriptor backup =
            new ClusterBackup(
                    settings(server),
                    BackupRequest.builder("orders").build(),
                    repository,
                    RunControl.unattended())
                .run();
        assertThat(backup.status()).isEqualTo(BackupStatus.COMPLETE);
        server.execute(
            "postgres",
            "ALTER SYSTEM SET synchronous_standby_names = '\"thorbis-orders\"'",
            "SELECT pg_reload_conf()");
        server.awaitTrue(
            "postgres",
            "SELECT sync_state = 'sync' FROM pg_stat_replication",
            java.time.Duration.ofSeconds(30));
        insert(server, 10);
        Lsn committed = flushed(server);
        receiver.awaitStored(1, committed);
      }
    }
  }
}
