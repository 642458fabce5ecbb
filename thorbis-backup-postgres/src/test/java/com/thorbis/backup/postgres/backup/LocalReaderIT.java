package com.thorbis.backup.postgres.backup;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.support.LaidDown;
import com.thorbis.backup.postgres.support.MemoryRepository;
import com.thorbis.backup.postgres.support.MemoryRepository.StoredBackup;
import com.thorbis.backup.postgres.support.Sources;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile.Area;
import com.thorbis.backup.testkit.postgres.Pgbench;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class LocalReaderIT {
  /** The counts of the catalogue of failures before a release, few otherwise. */
  private static final boolean RELEASE = Boolean.getBoolean("thorbis.release");

  @TempDir Path folder;

  static List<PostgresBinaries> versions() {
    return PostgresBinaries.all();
  }

  /** The server itself is the oracle of what belongs into a backup. */
  @ParameterizedTest
  @MethodSource("versions")
  void takesWhatTheServersOwnBackupTakes(PostgresBinaries binaries) throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(binaries)
            .dataDirectory(folder.resolve("data"))
            .configDirectory(folder.resolve("etc"))
            .checksums(true)
            .setting("autovacuum", "off")
            .start()) {
      server.createTablespace("fast", folder.resolve("a fast one"));
      server.execute(
          "postgres",
          "CREATE TABLE t TABLESPACE fast AS SELECT g, repeat('x', 100) FROM"
              + " generate_series(1, 5000) g",
          "CREATE UNLOGGED TABLE u (n int PRIMARY KEY)",
          "INSERT INTO u SELECT generate_series(1, 1000)",
          "VACUUM");
      if (binaries.major() >= 16) { // older ones forget those in place
        server.execute(
            "postgres",
            "SET allow_in_place_tablespaces = on",
            "CREATE TABLESPACE inside LOCATION ''",
            "CREATE TABLE i TABLESPACE inside AS SELECT g FROM generate_series(1, 100) g");
      }
      Path data = server.dataDirectory();
      Files.writeString(data.resolve("backup_label"), "of long ago\n");
      Files.writeString(data.resolve("tablespace_map"), "1 /nowhere\n");
      Files.writeString(data.resolve("notes é.txt"), "mine");
      Files.createDirectory(data.resolve("base/pgsql_tmp"));
      Files.writeString(data.resolve("base/pgsql_tmp/pgsql_tmp1.0"), "x");
      Files.writeString(data.resolve("pg_stat_tmp/old.stat"), "x");
      Files.writeString(data.resolve("pg_internal.init.17"), "x");
      try (Connection session = server.connect("postgres");
          Statement statement = session.createStatement()) {
        statement.execute("CREATE TEMP TABLE mine AS SELECT 1");
        statement.execute("CHECKPOINT");
        MemoryRepository repository = new MemoryRepository();
        StoredBackup theirs = backup(repository, settings(server, "reader", "replication"));
        StoredBackup ours = backup(repository, local(server));

        assertThat(ours.facts().attributes()).containsEntry("postgres.reader", "local");
        assertThat(ours.descriptor().warnings()).isEmpty();
        assertThat(difference(shape(theirs), shape(ours))).isEmpty();
        for (String name : theirs.entries().keySet()) {
          if (!differs(name)) {
            assertThat(ours.entries().get(name).content())
                .as(name)
                .isEqualTo(theirs.entries().get(name).content());
          }
        }
        assertThat(ours.facts().tablespaces()).isEqualTo(theirs.facts().tablespaces());
      }
    }
  }

  private static boolean differs(String name) {
    return List.of(
            "data:backup_label",
            "meta:backup_manifest",
            "data:global/pg_control",
            "data:pg_xact/0000")
        .contains(name);
  }

  private static List<String> difference(Map<String, String> theirs, Map<String, String> ours) {
    List<String> different = new ArrayList<>();
    Set<String> names = new TreeSet<>(theirs.keySet());
    names.addAll(ours.keySet());
    for (String name : names) {
      if (!Objects.equals(theirs.get(name), ours.get(name))) {
        different.add(name + ": " + theirs.get(name) + ", ours " + ours.get(name));
      }
    }
    return different;
  }

  private static Map<String, String> shape(StoredBackup backup) {
    Map<String, String> shape = new TreeMap<>();
    backup
        .entries()
        .forEach(
            (name, entry) ->
                shape.put(
                    name,
                    entry.file().kind()
                        + " "
                        + Integer.toOctalString(entry.file().mode())
                        + (name.equals("meta:backup_manifest")
                            ? ""
                            : " " + entry.content().length)));
    return shape;
  }

  @ParameterizedTest
  @MethodSource("versions")
  void w24w25WhatIsCopiedWhileFilesComeGoGrowAndShrinkStartsAndIsWhole(PostgresBinaries binaries)
      throws Exception {
    underLoad(binaries, true);
  }

  @Test
  void w24w25TheSameWithoutChecksums() throws Exception {
    underLoad(PostgresBinaries.with("pg_amcheck"), false);
  }

  private void underLoad(PostgresBinaries binaries, boolean checksums) throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(binaries)
            .dataDirectory(folder.resolve("data"))
            .checksums(checksums)
            .setting("wal_keep_size", "1GB")
            .start()) {
      Pgbench.on(server, "postgres").init(2);
      server.execute("postgres", "CREATE TABLE sentinel (n int)");
      MemoryRepository repository = new MemoryRepository();
      AtomicBoolean over = new AtomicBoolean();
      CompletableFuture<Void> load = CompletableFuture.runAsync(() -> churn(server, over));
      StoredBackup full;
      StoredBackup incremental;
      try {
        full = backup(repository, local(server));
        incremental = backup(repository, local(server), BackupType.INCREMENTAL);
      } finally {
        over.set(true);
        load.join();
      }
      assertThat(full.descriptor().warnings()).isEmpty();
      assertThat(incremental.descriptor().warnings()).isEmpty();
      assertThat(incremental.descriptor().type()).isEqualTo(BackupType.INCREMENTAL);
      assertThat(incremental.facts().attributes())
          .containsEntry("postgres.change-detection", "wal-map");
      server.execute("postgres", "INSERT INTO sentinel VALUES (42)", "SELECT pg_switch_wal()");
      for (StoredBackup each : List.of(full, incremental)) {
        Path copy = LaidDown.of(each, folder.resolve("copy" + each.descriptor().id()));
        verified(each, copy);
        log(server.dataDirectory(), copy);
        try (PostgresServer restored =
            PostgresServer.builder(binaries).dataDirectory(copy).adopt().start()) {
          assertThat(restored.query("postgres", "SELECT n FROM sentinel")).isEqualTo("42");
          assertThat(
                  restored.query(
                      "postgres",
                      "SELECT (SELECT sum(abalance) FROM pgbench_accounts)"
                          + " = (SELECT sum(delta) FROM pgbench_history)"))
              .isEqualTo("t");
          sound(restored);
        }
      }
    }
  }

  @Test
  void w26NoPageIsTakenForDamagedWhileItIsWritten() throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.with("pgbench"))
            .dataDirectory(folder.resolve("data"))
            .checksums(true)
            .setting("shared_buffers", "1MB") // so that pages are written all the time
            .start()) {
      Pgbench.on(server, "postgres").init(1);
      AtomicBoolean over = new AtomicBoolean();
      CompletableFuture<Void> load = CompletableFuture.runAsync(() -> churn(server, over));
      try {
        for (int i = 0; i < (RELEASE ? 200 : 4); i++) {
          assertThat(backup(new MemoryRepository(), local(server)).descriptor().warnings())
              .isEmpty();
        }
      } finally {
        over.set(true);
        load.join();
      }
    }
  }

  @Test
  void aClusterOfManyRelationsIsWhole() throws Exception {
    int tables = RELEASE ? 10_000 : 1_000;
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.with("pg_verifybackup"))
            .dataDirectory(folder.resolve("data"))
            .setting("autovacuum", "off")
            .setting("fsync", "off")
            .start()) {
      server.execute(
          "postgres",
          "CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1.."
              + tables
              + " LOOP EXECUTE format('CREATE %s TABLE t%s AS SELECT %s AS n', CASE i % 10 WHEN 0"
              + " THEN 'UNLOGGED' ELSE '' END, i, i); IF i % 500 = 0 THEN COMMIT; END IF; END"
              + " LOOP; END $$",
          "CALL fill()",
          "CHECKPOINT");
      StoredBackup backup = backup(new MemoryRepository(), local(server));
      assertThat(backup.descriptor().warnings()).isEmpty();
      Path copy = LaidDown.of(backup, folder.resolve("copy"));
      verified(backup, copy);
      log(server.dataDirectory(), copy);
      try (PostgresServer restored =
          PostgresServer.builder(server.binaries()).dataDirectory(copy).adopt().start()) {
        String counted =
            "SELECT count(*) || ' ' || sum((xpath('/row/c/text()', query_to_xml(format('SELECT"
                + " count(*) AS c FROM %I', relname), false, true, '')))[1]::text::int) FROM"
                + " pg_class WHERE relname ~ '^t[0-9]+$'";
        assertThat(restored.query("postgres", counted)).isEqualTo(tables + " " + tables * 9 / 10);
      }
    }
  }

  /** Changes, creates, drops and truncates until it is told to stop. */
  private static void churn(PostgresServer server, AtomicBoolean over) {
    try (Connection connection = server.connect("postgres");
        Statement statement = connection.createStatement()) {
      statement.execute("CREATE TABLE IF NOT EXISTS cut (g int, t text)");
      for (int i = 0; !over.get(); i++) {
        int account = 1 + i * 7919 % 200_000;
        statement.execute(
            "BEGIN; UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = "
                + account
                + "; INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, "
                + account
                + ", 1, now()); COMMIT");
        if (i % 20 == 0) {
          statement.execute(
              "TRUNCATE cut; INSERT INTO cut SELECT g, repeat('z', 400) FROM"
                  + " generate_series(1, 3000) g; DELETE FROM cut WHERE g > "
                  + i % 300);
          statement.execute("VACUUM cut");
          statement.execute(
              "DROP TABLE IF EXISTS gone; CREATE TABLE gone AS SELECT g, repeat('y', 500) FROM"
                  + " generate_series(1, 2000) g; CREATE INDEX ON gone (g); DELETE FROM gone WHERE"
                  + " g > 100; ");
          statement.execute("VACUUM gone");
        }
      }
    } catch (SQLException e) {
      throw new CompletionException(e);
    }
  }

  /** By PostgreSQL's own program, with the manifest that we wrote. */
  private static void verified(StoredBackup backup, Path copy) throws IOException {
    PostgresBinaries programs = PostgresBinaries.with("pg_verifybackup");
    if (backup.descriptor().cluster().majorVersion() >= 17 && programs.major() < 17) {
      return; // its manifest has another version; a server reads it in another test
    }
    Files.write(
        copy.resolve("backup_manifest"),
        backup.entry(Area.META, "backup_manifest").orElseThrow().content());
    String said = run(programs.tool("pg_verifybackup").toString(), "-n", copy.toString());
    assertThat(said).contains("backup successfully verified");
    Files.delete(copy.resolve("backup_manifest"));
  }

  private static void sound(PostgresServer server) throws IOException, SQLException {
    if (server.binaries().major() != PostgresBinaries.with("pg_amcheck").major()) {
      return;
    }
    server.execute("postgres", "CREATE EXTENSION amcheck");
    run(
        PostgresBinaries.with("pg_amcheck").tool("pg_amcheck").toString(),
        "-h",
        "127.0.0.1",
        "-p",
        Integer.toString(server.port()),
        "-U",
        server.superuser(),
        "--heapallindexed",
        "postgres");
  }

  private static String run(String... words) throws IOException {
    Process process = new ProcessBuilder(words).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    try {
      assertThat(process.waitFor()).as(said).isZero();
    } catch (InterruptedException e) {
      throw new IOException(e);
    }
    return said;
  }

  private static void log(Path from, Path to) throws IOException {
    try (Stream<Path> segments = Files.list(from.resolve("pg_wal"))) {
      for (Path segment : segments.filter(Files::isRegularFile).toList()) {
        Files.copy(segment, to.resolve("pg_wal").resolve(segment.getFileName()));
      }
    }
  }

  @Test
  void aStandbyIsASource() throws Exception {
    PostgresBinaries binaries = PostgresBinaries.with("pg_verifybackup");
    try (PostgresServer primary =
        PostgresServer.builder(binaries)
            .dataDirectory(folder.resolve("data"))
            .checksums(true)
            .setting("wal_keep_size", "1GB")
            .start()) {
      Pgbench.on(primary, "postgres").init(1);
      MemoryRepository repository = new MemoryRepository();
      try (PostgresServer standby = standby(primary, repository)) {
        AtomicBoolean over = new AtomicBoolean();
        CompletableFuture<Void> load = CompletableFuture.runAsync(() -> churn(primary, over));
        StoredBackup backup;
        try {
          backup = backup(repository, local(standby));
        } finally {
          over.set(true);
          load.join();
        }
        assertThat(backup.facts().attributes())
            .containsEntry("postgres.reader", "local")
            .containsEntry("postgres.in-recovery", "true");
        assertThat(backup.descriptor().warnings()).isEmpty();
        Path copy = LaidDown.of(backup, folder.resolve("copy"));
        verified(backup, copy);
        Files.delete(copy.resolve("standby.signal"));
        primary.execute("postgres", "CREATE TABLE sentinel AS SELECT 42 AS n");
        primary.execute("postgres", "SELECT pg_switch_wal()");
        log(primary.dataDirectory(), copy);
        try (PostgresServer restored =
            PostgresServer.builder(binaries).dataDirectory(copy).adopt().start()) {
          assertThat(restored.query("postgres", "SELECT n FROM sentinel")).isEqualTo("42");
          sound(restored);
        }
      }
    }
  }

  /** A server of version 17 reads our manifest, and sends what changed since. */
  @Test
  void aServerBuildsOnWhatWasReadLocally() throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("data"))
            .setting("summarize_wal", "on")
            .start()) {
      server.execute("postgres", "CREATE TABLE t AS SELECT g FROM generate_series(1, 9999) g");
      MemoryRepository repository = new MemoryRepository();
      StoredBackup full = backup(repository, local(server));
      server.execute("postgres", "UPDATE t SET g = 0 WHERE g = 5", "CHECKPOINT");
      StoredBackup next =
          backup(repository, settings(server, "reader", "replication"), BackupType.INCREMENTAL);
      assertThat(next.descriptor().base()).contains(full.descriptor().id());
      assertThat(next.descriptor().warnings()).isEmpty();
      assertThat(next.facts().attributes())
          .containsEntry("postgres.change-detection", "wal-summaries");
    }
  }

  private PostgresServer standby(PostgresServer primary, MemoryRepository repository)
      throws Exception {
    StoredBackup first = backup(repository, local(primary));
    Path copy = LaidDown.of(first, folder.resolve("standby"));
    Files.createFile(copy.resolve("standby.signal"));
    PostgresServer standby =
        PostgresServer.builder(primary.binaries())
            .dataDirectory(copy)
            .setting("primary_conninfo", "host=127.0.0.1 user=postgres port=" + primary.port())
            .adopt();
    return standby.start();
  }

  /** When a backup is disturbed. */
  enum Moment {
    AT_ITS_BEGINNING,
    IN_THE_MIDDLE
  }

  @ParameterizedTest
  @EnumSource
  void w29PromotionOfTheStandbyFailsTheBackup(Moment moment) throws Exception {
    try (PostgresServer primary =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("data"))
            .start()) {
      MemoryRepository repository = new MemoryRepository();
      try (PostgresServer standby = standby(primary, repository)) {
        assertThatThrownBy(
                () ->
                    backup(
                        repository,
                        local(standby),
                        BackupType.FULL,
                        disturbed(moment, () -> standby.query("postgres", "SELECT pg_promote()"))))
            .isInstanceOfSatisfying(
                BackupException.class,
                e -> assertThat(e.code()).isEqualTo("backup.timeline-changed"));
        assertThat(repository.backups(Optional.of("orders"))).hasSize(1);
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void w28TheEndOfItsSessionFailsTheBackup(Moment moment) throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("data"))
            .start()) {
      MemoryRepository repository = new MemoryRepository();
      assertThatThrownBy(
              () ->
                  backup(
                      repository,
                      local(server),
                      BackupType.FULL,
                      disturbed(
                          moment,
                          () ->
                              server.query(
                                  "postgres",
                                  "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                                      + " WHERE backend_type = 'client backend' AND"
                                      + " application_name = 'thorbis-orders'"))))
          .isInstanceOfSatisfying(
              BackupException.class, e -> assertThat(e.code()).isEqualTo("postgres.unreachable"));
      assertThat(repository.backups(Optional.of("orders"))).isEmpty();
      assertThat(backup(repository, local(server)).descriptor().status())
          .isEqualTo(BackupStatus.COMPLETE);
    }
  }

  /** Something that is done to a server. */
  private interface Disturbance {
    void happen() throws SQLException;
  }

  private static Progress disturbed(Moment moment, Disturbance disturbance) {
    AtomicBoolean happened = new AtomicBoolean();
    return new Progress() {
      @Override
      public void begin(String stage, long expectedBytes) {
        if (moment == Moment.AT_ITS_BEGINNING && stage.equals("copy")) {
          once();
        }
      }

      @Override
      public void advance(long bytes, long expectedBytes) {
        if (moment == Moment.IN_THE_MIDDLE && bytes > expectedBytes / 2) {
          once();
        }
      }

      private void once() {
        try {
          if (happened.compareAndSet(false, true)) {
            disturbance.happen();
          }
        } catch (SQLException e) {
          throw new AssertionError(e);
        }
      }
    };
  }

  @Test
  void cancellationEndsTheWaitForTheCheckpoint() throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("data"))
            .setting("checkpoint_timeout", "1h")
            .start()) {
      Pgbench.on(server, "postgres").init(1);
      Cancellation cancellation = new Cancellation();
      MemoryRepository repository = new MemoryRepository();
      CompletableFuture<BackupDescriptor> running =
          CompletableFuture.supplyAsync(
              () -> {
                try {
                  return new ClusterBackup(
                          settings(
                              server,
                              "reader",
                              "local",
                              "data-directory",
                              server.dataDirectory().toString(),
                              "checkpoint",
                              "spread"),
                          BackupRequest.builder("orders").build(),
                          repository,
                          new RunControl(cancellation, Progress.NONE))
                      .run();
                } catch (IOException e) {
                  throw new CompletionException(e);
                }
              });
      server.awaitTrue(
          "postgres",
          "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%pg_backup_start%'"
              + " AND pid <> pg_backend_pid() AND wait_event LIKE 'Checkpoint%'",
          Duration.ofSeconds(60));
      cancellation.cancel();
      assertThatThrownBy(running::join)
          .cause()
          .isInstanceOfSatisfying(
              BackupException.class, e -> assertThat(e.code()).isEqualTo("cancelled"));
    }
  }

  @Test
  void aDamagedPageIsAWarningAndEveryOtherIsFine() throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("data"))
            .checksums(true)
            .start()) {
      server.execute(
          "postgres", "CREATE TABLE t AS SELECT g FROM generate_series(1, 10000) g", "CHECKPOINT");
      String file = server.query("postgres", "SELECT pg_relation_filepath('t')");
      try (FileChannel channel =
          FileChannel.open(server.dataDirectory().resolve(file), StandardOpenOption.WRITE)) {
        channel.write(ByteBuffer.wrap(new byte[] {1, 2, 3}), 3 * 8192 + 5000);
      }
      StoredBackup backup = backup(new MemoryRepository(), local(server));
      assertThat(backup.descriptor().status()).isEqualTo(BackupStatus.COMPLETED_WITH_WARNING);
      assertThat(backup.descriptor().warnings())
          .singleElement()
          .asString()
          .startsWith("damaged page: " + file + " block 3");
    }
  }

  @Test
  void theDataDirectoryOfAnotherServerIsRefused() throws Exception {
    PostgresBinaries binaries = PostgresBinaries.newest();
    try (PostgresServer primary =
            PostgresServer.builder(binaries).dataDirectory(folder.resolve("data")).start();
        PostgresServer stranger =
            PostgresServer.builder(binaries).dataDirectory(folder.resolve("other")).start()) {
      MemoryRepository repository = new MemoryRepository();
      try (PostgresServer standby = standby(primary, repository)) {
        for (Path wrong : List.of(stranger.dataDirectory(), standby.dataDirectory())) {
          assertThatThrownBy(() -> backup(repository, local(primary, wrong)))
              .isInstanceOfSatisfying(
                  BackupException.class,
                  e -> assertThat(e.code()).isEqualTo("postgres.other-data-directory"));
          StoredBackup otherWay =
              backup(repository, settings(primary, "data-directory", wrong.toString()));
          assertThat(otherWay.facts().attributes())
              .containsEntry("postgres.reader", "replication")
              .hasEntrySatisfying(
                  "postgres.reader-because", why -> assertThat(why).contains(wrong.toString()));
        }
        StoredBackup right =
            backup(
                repository,
                settings(primary, "data-directory", primary.dataDirectory().toString()));
        assertThat(right.facts().attributes()).containsEntry("postgres.reader", "local");
      }
    }
  }

  @Test
  void aRoleThatMayNotBeginABackupIsToldWhatItLacks() throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("data"))
            .start()) {
      server.execute("postgres", "CREATE ROLE plain LOGIN REPLICATION");
      MemoryRepository repository = new MemoryRepository();
      PostgresSettings plain =
          Sources.settings(
              folder,
              server.jdbcUrl("postgres"),
              "plain",
              "reader",
              "local",
              "data-directory",
              server.dataDirectory().toString());
      assertThatThrownBy(() -> backup(repository, plain))
          .isInstanceOfSatisfying(
              BackupException.class,
              e -> {
                assertThat(e.code()).isEqualTo("postgres.privilege");
                assertThat(e.remedy()).contains("GRANT EXECUTE");
                try {
                  server.execute("postgres", e.remedy());
                } catch (SQLException problem) {
                  throw new AssertionError(problem);
                }
              });
      assertThat(backup(repository, plain).descriptor().status()).isEqualTo(BackupStatus.COMPLETE);
    }
  }

  private PostgresSettings local(PostgresServer server) {
    return local(server, server.dataDirectory());
  }

  private PostgresSettings local(PostgresServer server, Path dataDirectory) {
    return settings(server, "reader", "local", "data-directory", dataDirectory.toString());
  }

  private PostgresSettings settings(PostgresServer server, String... pairs) {
    return Sources.settings(folder, server.jdbcUrl("postgres"), server.superuser(), pairs);
  }

  private static StoredBackup backup(MemoryRepository repository, PostgresSettings settings)
      throws IOException {
    return backup(repository, settings, BackupType.FULL);
  }

  private static StoredBackup backup(
      MemoryRepository repository, PostgresSettings settings, BackupType type) throws IOException {
    return backup(repository, settings, type, Progress.NONE);
  }

  private static StoredBackup backup(
      MemoryRepository repository, PostgresSettings settings, BackupType type, Progress progress)
      throws IOException {
    return repository.stored(
        new ClusterBackup(
                settings,
                BackupRequest.builder("orders").type(type).build(),
                repository,
                new RunControl(new Cancellation(), progress))
            .run()
            .id());
  }
}
