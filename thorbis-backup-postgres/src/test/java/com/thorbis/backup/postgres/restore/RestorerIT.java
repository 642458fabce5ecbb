package com.thorbis.backup.postgres.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile.Area;
import com.thorbis.backup.spi.repository.StoredFile.Kind;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** Restores of a cluster with a tablespace, judged by PostgreSQL's own programs and servers. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class RestorerIT {
  private static final PostgresBinaries BINARIES = PostgresBinaries.with("pg_verifybackup");

  private Path shared;

  private PostgresServer source;
  private FolderRepository repository;
  private Instant afterTwo;
  private Lsn afterThree;
  private long four;

  @BeforeAll
  void backUp(@TempDir Path folder) throws Exception {
    shared = folder;
    Path archive = Files.createDirectory(shared.resolve("archive"));
    source =
        PostgresServer.builder(BINARIES)
            .dataDirectory(shared.resolve("source"))
            .setting("archive_mode", "on")
            .setting("archive_command", "cp %p " + archive + "/%f")
            .setting("max_connections", "37")
            .start();
    source.createTablespace("fast", shared.resolve("fast"));
    source.execute(
        "postgres",
        "CREATE TABLE t (n int) TABLESPACE fast",
        "INSERT INTO t VALUES (1)",
        "ALTER SYSTEM SET synchronous_standby_names = ''",
        "ALTER SYSTEM SET timezone = 'Asia/Kolkata'",
        "ALTER SYSTEM SET recovery_target_name = 'of an earlier recovery'");
    for (String database : new String[] {"mine", "others"}) {
      source.execute("postgres", "CREATE DATABASE " + database);
      source.execute(database, "CREATE TABLE d AS SELECT generate_series(1, 20000) n");
    }
    Path base = shared.resolve("base");
    Instant started = Instant.now();
    run(
        "pg_basebackup",
        "-h",
        "127.0.0.1",
        "-p",
        Integer.toString(source.port()),
        "-U",
        "postgres",
        "-D",
        base.toString(),
        "-X",
        "none",
        "-c",
        "fast",
        "-T",
        shared.resolve("fast") + "=" + shared.resolve("base-fast"));
    Instant stopped = Instant.now();
    source.execute("postgres", "INSERT INTO t VALUES (2)");
    afterTwo =
        Instant.parse(
            source.query(
                "postgres",
                "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC',"
                    + " 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"));
    source.execute(
        "postgres",
        "SELECT pg_create_restore_point('two')",
        "SELECT pg_sleep(0.01)",
        "INSERT INTO t VALUES (3)");
    afterThree = Lsn.parse(source.query("postgres", "SELECT pg_current_wal_insert_lsn()"));
    source.execute("postgres", "CREATE TABLE filler AS SELECT generate_series(1, 600000) n");
    try (Connection connection = source.connect("postgres");
        Statement statement = connection.createStatement()) {
      connection.setAutoCommit(false);
      statement.execute("INSERT INTO t VALUES (4)");
      try (ResultSet row = statement.executeQuery("SELECT txid_current()")) {
        row.next();
        four = row.getLong(1);
      }
      connection.commit();
    }
    for (String database : new String[] {"mine", "others"}) {
      source.execute(database, "UPDATE d SET n = n + 1", "CREATE INDEX ON d (n)", "VACUUM d");
    }
    source.execute("postgres", "INSERT INTO t VALUES (5)", "SELECT pg_switch_wal()");
    String last = source.query("postgres", "SELECT pg_walfile_name(pg_current_wal_lsn())");
    source.awaitTrue(
        "postgres",
        "SELECT coalesce(last_archived_wal, '') >= pg_walfile_name('"
            + afterThree
            + "') AND last_archived_wal >= '"
            + previous(last)
            + "' FROM pg_stat_archiver",
        java.time.Duration.ofSeconds(60));

    String label = Files.readString(base.resolve("backup_label"));
    String manifest = Files.readString(base.resolve("backup_manifest"));
    Matcher end = Pattern.compile("\"End-LSN\": \"([^\"]+)\"").matcher(manifest);
    assertThat(end.find()).isTrue();
    Matcher start = Pattern.compile("START WAL LOCATION: (\\S+)").matcher(label);
    assertThat(start.find()).isTrue();
    String oid = source.query("postgres", "SELECT oid FROM pg_tablespace WHERE spcname = 'fast'");
    BackupFacts facts =
        new BackupFacts(
            Lsn.parse(start.group(1)),
            Lsn.parse(end.group(1)),
            new Timeline(1),
            started,
            stopped,
            List.of(
                new BackupFacts.Tablespace(
                    Long.parseLong(oid), "fast", shared.resolve("fast").toString())),
            Map.of(),
            List.of());
    ClusterIdentity cluster =
        new ClusterIdentity(
            Long.parseUnsignedLong(
                source.query("postgres", "SELECT system_identifier FROM pg_control_system()")),
            BINARIES.major(),
            WalSegmentSize.DEFAULT);
    String databases =
        source.query(
            "postgres",
            "SELECT string_agg(oid || E'\\t' || datname || E'\\n', '') FROM pg_database");
    repository =
        new FolderRepository(cluster, archive, facts)
            .addTree(base)
            .add(Area.META, "databases", Kind.FILE, databases.getBytes(StandardCharsets.UTF_8));
  }

  private static String previous(String segment) {
    com.thorbis.backup.api.WalSegment now =
        com.thorbis.backup.api.WalSegment.parse(segment, WalSegmentSize.DEFAULT);
    return new com.thorbis.backup.api.WalSegment(
            now.timeline(), now.number() - 1, WalSegmentSize.DEFAULT)
        .fileName();
  }

  @AfterAll
  void stop() throws IOException {
    if (source != null) {
      source.close();
    }
  }

  @Test
  void aRestoredTreePassesTheServersOwnCheckAndRecoversToTheEnd(@TempDir Path folder)
      throws Exception {
    Path target = folder.resolve("target");
    RestoreReport report =
        restore(
            folder,
            RestoreRequest.builder("orders", target)
                .tablespace("fast", folder.resolve("new-fast"))
                .build(),
            new RecoveryTarget.Latest());

    run("pg_verifybackup", "-n", target.toString());
    assertPrivate(target);
    assertPrivate(folder.resolve("new-fast"));
    assertThat(Files.readSymbolicLink(onlyFile(target.resolve("pg_tblspc"))))
        .isEqualTo(folder.resolve("new-fast").toRealPath());
    assertThat(report.stages().keySet()).containsExactly("plan", "copy", "sync");
    assertThat(report.reached()).isEmpty();
    assertThat(report.next().toString()).contains("thorbis wal serve orders");
    try (Stream<Path> files = Files.walk(target, java.nio.file.FileVisitOption.FOLLOW_LINKS)) {
      // Our marker for the log's own folder is no file of the cluster.
      assertThat(report.files()).isEqualTo(files.filter(Files::isRegularFile).count() - 2);
    }

    com.thorbis.backup.api.Cancellation enough = new com.thorbis.backup.api.Cancellation();
    Thread serving = serve(folder, enough);
    try (PostgresServer restored =
        PostgresServer.builder(BINARIES).dataDirectory(target).adopt().start()) {
      restored.awaitTrue(
          "postgres", "SELECT NOT pg_is_in_recovery()", java.time.Duration.ofSeconds(60));
      assertThat(restored.rows("postgres", "SELECT n FROM t ORDER BY n"))
          .containsExactly("1", "2", "3", "4", "5");
      assertThat(restored.query("postgres", "SHOW archive_mode")).isEqualTo("off");
      assertThat(restored.query("postgres", "SHOW thorbis.fenced"))
          .isEqualTo(FolderRepository.ID + "/" + FolderRepository.INCARNATION);
    } finally {
      enough.cancel();
      serving.join();
    }
  }

  @Test
  void aStartedRestorePromotesAtTheEndAndProvesIt(@TempDir Path folder) throws Exception {
    RestoreReport report = restore(folder, start(folder).build(), new RecoveryTarget.Latest());
    try (Restored restored = new Restored(folder.resolve("target"), report)) {
      assertThat(restored.rows()).containsExactly(1, 2, 3, 4, 5);
      assertThat(report.reached().orElseThrow().timeline()).isEqualTo(new Timeline(2));
      assertThat(report.reached().orElseThrow().lsn()).isGreaterThan(afterThree);
      assertThat(report.reached().orElseThrow().time()).isPresent();
      assertThat(report.walSegments().orElseThrow()).isGreaterThan(1);
      assertThat(report.stages().keySet())
          .containsExactly("plan", "copy", "sync", "start", "recover");
    }
  }

  @Test
  void onlyChosenDatabasesAreLaidAndTheOthersCanBeDropped(@TempDir Path folder) throws Exception {
    Path target = folder.resolve("target");
    RestoreRequest.Builder request =
        RestoreRequest.builder("orders", target)
            .tablespace("fast", folder.resolve("new-fast"))
            .database("mine");
    RestoreReport laid = restore(folder, request.build(), new RecoveryTarget.Latest());
    run("pg_verifybackup", "-n", target.toString());
    assertThat(laid.next().toString()).contains("to be dropped").contains("others");
    RestoreReport report =
        restore(folder, request.delta(true).start(true).build(), new RecoveryTarget.Latest());
    assertThat(report.bytesKept()).isGreaterThan(report.bytesWritten());
    try (Restored restored = new Restored(target, report)) {
      assertThat(restored.rows()).containsExactly(1, 2, 3, 4, 5);
      assertThat(restored.text("mine", "SELECT count(*) || ' ' || sum(n) FROM d"))
          .isEqualTo("20000 " + 20000L * 20003 / 2);
      assertThatThrownBy(() -> restored.text("others", "SELECT count(*) FROM d"))
          .isInstanceOf(java.sql.SQLException.class);
      restored.run("DROP DATABASE others");
      assertThat(
              restored.text(
                  "postgres", "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database"))
          .isEqualTo("mine postgres template0 template1");
    }
    assertThatThrownBy(
            () ->
                restore(
                    folder,
                    RestoreRequest.builder("orders", folder.resolve("no"))
                        .tablespace("fast", folder.resolve("no-fast"))
                        .database("mien")
                        .build(),
                    new RecoveryTarget.Latest()))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("restore.unknown-database");
              assertThat(e.remedy()).contains("mine");
            });
  }

  @Test
  void aClusterThatWentOnIsBroughtBackInPlace(@TempDir Path folder) throws Exception {
    Path target = folder.resolve("target");
    RestoreRequest.Builder request =
        RestoreRequest.builder("orders", target)
            .tablespace("fast", folder.resolve("new-fast"))
            .start(true);
    RestoreReport first = restore(folder, request.build(), new RecoveryTarget.Latest());
    try (Restored restored = new Restored(target, first)) {
      assertThatThrownBy(
              () -> restore(folder, request.delta(true).build(), new RecoveryTarget.Latest()))
          .isInstanceOfSatisfying(
              BackupException.class, e -> assertThat(e.code()).isEqualTo("restore.target-running"));
      restored.run("CREATE TABLE later AS SELECT generate_series(1, 100000) n");
      restored.run("DELETE FROM t");
      restored.run("CREATE DATABASE later");
    }
    RestoreReport again = restore(folder, request.delta(true).build(), new RecoveryTarget.Latest());
    assertThat(again.bytesWritten()).isLessThan(first.bytesWritten() / 2);
    assertThat(again.removed()).isPositive();
    try (Restored restored = new Restored(target, again)) {
      assertThat(restored.rows()).containsExactly(1, 2, 3, 4, 5);
      assertThat(restored.text("postgres", "SELECT count(*) FROM pg_class WHERE relname = 'later'"))
          .isEqualTo("0");
    }
  }

  @Test
  void w1TheLiveClusterIsNeverWrittenTo(@TempDir Path folder) throws Exception {
    Path live = source.dataDirectory();
    for (boolean delta : new boolean[] {false, true}) {
      RestoreRequest request =
          RestoreRequest.builder("orders", live)
              .tablespace("fast", folder.resolve("new-fast"))
              .delta(delta)
              .build();
      assertThatThrownBy(() -> restore(folder, request, new RecoveryTarget.Latest()))
          .isInstanceOfSatisfying(
              BackupException.class,
              e ->
                  assertThat(e.code())
                      .isEqualTo(delta ? "restore.target-running" : "restore.target-not-empty"));
    }
    assertThat(live.resolve("recovery.signal")).doesNotExist();
    assertThat(source.query("postgres", "SELECT count(*) FROM t")).isEqualTo("5");
  }

  @Test
  void w9OrphanedHistoryFilesLeadNoRestoreAstray(@TempDir Path folder) throws Exception {
    Path archive = shared.resolve("archive");
    List<Path> orphans =
        List.of(archive.resolve("00000002.history"), archive.resolve("000000FF.history"));
    for (Path orphan : orphans) {
      Files.writeString(orphan, "1\t0/1000028\tof a server that is gone\n");
    }
    try {
      RestoreReport latest =
          restore(
              folder.resolve("latest"),
              start(folder.resolve("latest")).build(),
              new RecoveryTarget.Latest());
      try (Restored restored = new Restored(folder.resolve("latest/target"), latest)) {
        assertThat(restored.rows()).containsExactly(1, 2, 3, 4, 5);
        // Numbers that somebody may have taken are not taken again.
        assertThat(latest.reached().orElseThrow().timeline()).isEqualTo(new Timeline(3));
      }
      RestoreReport earlier =
          restore(
              folder.resolve("time"),
              start(folder.resolve("time")).build(),
              new RecoveryTarget.AtTime(afterTwo, true));
      try (Restored restored = new Restored(folder.resolve("time/target"), earlier)) {
        assertThat(restored.rows()).containsExactly(1, 2);
      }
    } finally {
      for (Path orphan : orphans) {
        Files.delete(orphan);
      }
    }
  }

  @Test
  void w11WhatARestoredClusterWritesIsNotTakenForItsSources(@TempDir Path folder) throws Exception {
    RestoreReport report = restore(folder, start(folder).build(), new RecoveryTarget.Latest());
    Path target = folder.resolve("target");
    try (Restored restored = new Restored(target, report)) {
      String segment =
          restored.text("SELECT pg_walfile_name(pg_switch_wal())"); // the last of what it wrote
      com.thorbis.backup.postgres.serve.WalFiles files =
          new com.thorbis.backup.postgres.serve.WalFiles(settings(folder));
      for (String name : List.of(segment, "00000002.history")) {
        assertThatThrownBy(() -> files.push(target.resolve("pg_wal").resolve(name), repository))
            .isInstanceOfSatisfying(
                BackupException.class,
                e -> {
                  assertThat(e.code()).isEqualTo("source.fenced");
                  assertThat(e.remedy()).contains("source adopt orders");
                });
      }
      assertThat(shared.resolve("archive/00000002.history")).doesNotExist();
    }
  }

  @Test
  void aStandbyFollowsItsSource(@TempDir Path folder) throws Exception {
    Path target = folder.resolve("target");
    String conninfo = "host=127.0.0.1 user=postgres port=" + source.port();
    source.execute("postgres", "SELECT pg_create_physical_replication_slot('follower')");
    RestoreReport report =
        restore(
            folder,
            RestoreRequest.builder("orders", target)
                .tablespace("fast", folder.resolve("new-fast"))
                .standby(new RestoreRequest.Standby(Optional.of(conninfo), Optional.of("follower")))
                .start(true)
                .build(),
            new RecoveryTarget.Latest());
    assertThat(target.resolve("standby.signal")).exists();
    assertThat(target.resolve("recovery.signal")).doesNotExist();
    source.execute("postgres", "CREATE TABLE followed AS SELECT 1 n");
    com.thorbis.backup.api.Cancellation enough = new com.thorbis.backup.api.Cancellation();
    Thread serving = serve(folder, enough);
    try (Restored standby = new Restored(target, report)) {
      source.awaitTrue(
          "postgres",
          "SELECT bool_or(replay_lsn >= pg_current_wal_lsn()) FROM pg_stat_replication",
          java.time.Duration.ofSeconds(60));
      assertThat(standby.text("postgres", "SELECT pg_is_in_recovery() || ' ' || n FROM followed"))
          .isEqualTo("true 1");
      assertThat(standby.text("postgres", "SHOW primary_slot_name")).isEqualTo("follower");
      assertThat(standby.text("postgres", "SHOW archive_mode")).isEqualTo("off");
    } finally {
      enough.cancel();
      serving.join();
    }
    source.execute("postgres", "SELECT pg_drop_replication_slot('follower')");
  }

  @Test
  void anAdoptedClusterLeavesItsFence(@TempDir Path folder) throws Exception {
    RestoreReport report = restore(folder, start(folder).build(), new RecoveryTarget.Latest());
    try (Restored restored = new Restored(folder.resolve("target"), report)) {
      PostgresSettings settings =
          TestSettings.of(
              folder.resolve("state"),
              Map.of(
                  "url",
                  "jdbc:postgresql://127.0.0.1:" + report.port().orElseThrow() + "/postgres"));
      com.thorbis.backup.spi.repository.SourceInfo source =
          repository.source("orders").orElseThrow();
      com.thorbis.backup.spi.repository.SourceInfo adopted =
          new Adoption(settings, repository, RunControl.unattended()).run(source);

      com.thorbis.backup.spi.repository.SourceInfo.Fork fork =
          adopted.current().fork().orElseThrow();
      assertThat(fork.parent()).isEqualTo(FolderRepository.INCARNATION);
      assertThat(fork.timeline()).isEqualTo(new Timeline(1));
      assertThat(fork.position()).isEqualTo(report.reached().orElseThrow().lsn());
      assertThat(restored.text("SELECT slot_name FROM pg_replication_slots"))
          .isEqualTo("thorbis_orders");
      assertThat(Files.readString(folder.resolve("target/postgresql.auto.conf")))
          .doesNotContain("thorbis", "archive_mode", "restore_command", "recovery_target");

      assertThatThrownBy(
              () -> new Adoption(settings, repository, RunControl.unattended()).run(adopted))
          .isInstanceOfSatisfying(
              BackupException.class, e -> assertThat(e.code()).isEqualTo("adopt.not-fenced"));
    } finally {
      repository.fork = null;
      Files.deleteIfExists(shared.resolve("archive/00000002.history"));
    }
  }

  @Test
  void w20AStartedRestorePausesAtATimeInWhateverZoneTheServerIs(@TempDir Path folder)
      throws Exception {
    RestoreReport report =
        restore(folder, start(folder).build(), new RecoveryTarget.AtTime(afterTwo, true));
    try (Restored restored = new Restored(folder.resolve("target"), report)) {
      assertThat(restored.rows()).containsExactly(1, 2);
      assertThat(report.reached().orElseThrow().time().orElseThrow()).isBeforeOrEqualTo(afterTwo);
      assertThat(report.reached().orElseThrow().timeline()).isEqualTo(new Timeline(1));
    }
  }

  @Test
  void aStartedRestoreStopsAtANameAPositionAndATransaction(@TempDir Path folder) throws Exception {
    RestoreReport named =
        restore(
            folder.resolve("name"),
            start(folder.resolve("name")).action(RestoreRequest.Action.PROMOTE).build(),
            new RecoveryTarget.AtName("two"));
    try (Restored restored = new Restored(folder.resolve("name/target"), named)) {
      assertThat(restored.rows()).containsExactly(1, 2);
    }
    RestoreReport position =
        restore(
            folder.resolve("lsn"),
            start(folder.resolve("lsn")).build(),
            new RecoveryTarget.AtLsn(afterThree, false));
    try (Restored restored = new Restored(folder.resolve("lsn/target"), position)) {
      assertThat(restored.rows()).containsExactly(1, 2, 3);
      assertThat(position.reached().orElseThrow().lsn()).isLessThanOrEqualTo(afterThree);
    }
    RestoreReport transaction =
        restore(
            folder.resolve("xid"),
            start(folder.resolve("xid")).action(RestoreRequest.Action.SHUTDOWN).build(),
            new RecoveryTarget.AtTransaction(four, true));
    assertThat(transaction.port()).isEmpty();
    assertThat(transaction.reached()).isPresent();
    assertThat(folder.resolve("xid/target/postmaster.pid")).doesNotExist();
  }

  @Test
  void w19ATargetThatTheLogDoesNotReachIsNoSuccess(@TempDir Path folder) {
    assertThatThrownBy(
            () -> restore(folder, start(folder).build(), new RecoveryTarget.AtName("never made")))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> assertThat(e.code()).isEqualTo("restore.target-not-reached"))
        .hasMessageContaining("recovery ended before configured recovery target was reached");
    assertThat(folder.resolve("target/postmaster.pid")).doesNotExist();
  }

  @Test
  void aStoreThatCannotBeReachedIsNotTheEndOfTheLog(@TempDir Path folder) {
    repository.reachable = false;
    try {
      assertThatThrownBy(() -> restore(folder, start(folder).build(), new RecoveryTarget.Latest()))
          .isInstanceOfSatisfying(
              BackupException.class,
              e -> assertThat(e.code()).isEqualTo("restore.target-not-reached"))
          .hasMessageContaining("The store cannot be reached");
    } finally {
      repository.reachable = true;
    }
  }

  @Test
  void anUnmappedTablespaceThatTheSourceUsesIsRefused(@TempDir Path folder) {
    assertThatThrownBy(
            () ->
                restore(
                    folder,
                    RestoreRequest.builder("orders", folder.resolve("target")).build(),
                    new RecoveryTarget.Latest()))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("restore.tablespace-in-use");
              assertThat(e.remedy()).contains("--tablespace");
            });
    assertThat(folder.resolve("target")).doesNotExist();
  }

  private RestoreRequest.Builder start(Path folder) {
    return RestoreRequest.builder("orders", folder.resolve("target"))
        .tablespace("fast", folder.resolve("new-fast"))
        .start(true);
  }

  private PostgresSettings settings(Path folder) {
    return TestSettings.of(
        folder.resolve("state"),
        Map.of("bin-directory", BINARIES.binDirectory().toString(), "wal.get-deadline", "1s"));
  }

  private RestoreReport restore(Path folder, RestoreRequest request, RecoveryTarget target)
      throws IOException {
    RestoreRequest.Builder complete =
        RestoreRequest.builder("orders", request.targetDirectory())
            .target(target)
            .start(request.start());
    request.tablespaces().forEach(complete::tablespace);
    request.databases().forEach(complete::database);
    request.standby().ifPresent(complete::standby);
    complete.delta(request.delta());
    if (request.action() != RestoreRequest.Action.PROMOTE
        || !(target instanceof RecoveryTarget.Latest)) {
      complete.action(
          request.action() == RestoreRequest.Action.PROMOTE
                  && !(target instanceof RecoveryTarget.AtName)
              ? RestoreRequest.Action.PAUSE
              : request.action());
    }
    RestorePlan plan =
        new RestorePlan(
            repository.descriptor(),
            target,
            new Timeline(1),
            List.of(),
            0,
            0,
            List.of(),
            Optional.empty(),
            Optional.empty());
    return new Restorer(settings(folder))
        .restore(
            complete.build(),
            plan,
            FolderRepository.INCARNATION,
            repository,
            RunControl.unattended());
  }

  /** What "wal serve" does, until it is cancelled. */
  private Thread serve(Path folder, com.thorbis.backup.api.Cancellation enough) {
    Thread serving =
        new Thread(
            () -> {
              try {
                new com.thorbis.backup.postgres.serve.WalServer(settings(folder), () -> repository)
                    .serveAll(new RunControl(enough, com.thorbis.backup.api.Progress.NONE));
              } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
              }
            });
    serving.start();
    return serving;
  }

  private static Path onlyFile(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.findFirst().orElseThrow();
    }
  }

  private static void assertPrivate(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.filter(path -> !Files.isSymbolicLink(path)).toList()) {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
            .as(file.toString())
            .isEqualTo(Files.isDirectory(file) ? "rwx------" : "rw-------");
      }
    }
  }

  private static void run(String tool, String... arguments) throws Exception {
    List<String> words = new ArrayList<>();
    words.add(BINARIES.tool(tool).toString());
    words.addAll(List.of(arguments));
    Process process = new ProcessBuilder(words).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(said).isZero();
  }

  /** The server that a restore left running. */
  private static final class Restored implements AutoCloseable {
    private final Path dataDirectory;
    private final int port;

    Restored(Path dataDirectory, RestoreReport report) {
      this.dataDirectory = dataDirectory;
      this.port = report.port().orElseThrow();
    }

    void run(String sql) throws Exception {
      try (Connection connection =
              DriverManager.getConnection(
                  "jdbc:postgresql://127.0.0.1:" + port + "/postgres?user=postgres");
          Statement statement = connection.createStatement()) {
        statement.execute(sql);
      }
    }

    String text(String sql) throws Exception {
      return text("postgres", sql);
    }

    String text(String database, String sql) throws Exception {
      try (Connection connection =
              DriverManager.getConnection(
                  "jdbc:postgresql://127.0.0.1:" + port + "/" + database + "?user=postgres");
          Statement statement = connection.createStatement();
          ResultSet result = statement.executeQuery(sql)) {
        assertThat(result.next()).isTrue();
        return result.getString(1);
      }
    }

    List<Integer> rows() throws Exception {
      try (Connection connection =
              DriverManager.getConnection(
                  "jdbc:postgresql://127.0.0.1:" + port + "/postgres?user=postgres");
          Statement statement = connection.createStatement();
          ResultSet result = statement.executeQuery("SELECT n FROM t ORDER BY n")) {
        List<Integer> rows = new ArrayList<>();
        while (result.next()) {
          rows.add(result.getInt(1));
        }
        return rows;
      }
    }

    @Override
    public void close() throws IOException {
      long pid = Long.parseLong(Files.readAllLines(dataDirectory.resolve("postmaster.pid")).get(0));
      ProcessHandle server = ProcessHandle.of(pid).orElseThrow();
      new ProcessBuilder("kill", "-QUIT", Long.toString(pid)).start();
      server.onExit().join();
    }
  }
}
