package com.thorbis.backup.postgres.backup;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.postgres.check.Grants;
import com.thorbis.backup.postgres.page.PageLsnJudge;
import com.thorbis.backup.postgres.page.RelationFiles;
import com.thorbis.backup.postgres.serve.WalFiles;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.support.LaidDown;
import com.thorbis.backup.postgres.support.MemoryRepository;
import com.thorbis.backup.postgres.support.MemoryRepository.StoredBackup;
import com.thorbis.backup.postgres.support.Sources;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile.Kind;
import com.thorbis.backup.testkit.postgres.Pgbench;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.ClosedWatchServiceException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchService;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Backups through nothing but sessions, by a role that has exactly what the script grants. */
class SqlReaderIT {
  private static final String ROLE = "keeper \"of\" copies";

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
            .checksums(true)
            .setting("autovacuum", "off")
            .start()) {
      server.createTablespace("fast", folder.resolve("a fast one"));
      server.execute(
          "postgres",
          Grants.script(ROLE, OptionalInt.of(binaries.major())),
          "CREATE TABLE t TABLESPACE fast AS SELECT g, repeat('x', 100) FROM"
              + " generate_series(1, 25000) g",
          "CREATE UNLOGGED TABLE u (n int PRIMARY KEY)",
          "INSERT INTO u SELECT generate_series(1, 1000)",
          "VACUUM",
          "CHECKPOINT");
      Files.writeString(server.dataDirectory().resolve("it's é.txt"), "mine");
      Files.createFile(server.dataDirectory().resolve("pg_logical/empty"));
      MemoryRepository repository = new MemoryRepository();
      // The questions themselves set hints in the catalogue.
      backup(repository, settings(server, "sql"), BackupType.FULL);
      StoredBackup theirs = backup(repository, settings(server, "replication"), BackupType.FULL);
      StoredBackup ours = backup(repository, settings(server, "sql"), BackupType.FULL);

      assertThat(ours.facts().attributes()).containsEntry("postgres.reader", "sql");
      assertThat(ours.descriptor().warnings()).isEmpty();
      Set<String> names = new TreeSet<>(ours.entries().keySet());
      assertThat(names).isEqualTo(new TreeSet<>(theirs.entries().keySet()));
      for (String name : names) {
        assertThat(ours.entries().get(name).file().kind())
            .as(name)
            .isEqualTo(theirs.entries().get(name).file().kind());
        if (!name.endsWith(".txt") && !name.endsWith("/empty") && !name.startsWith("meta:")) {
          assertThat(ours.entries().get(name).file().mode())
              .as(name)
              .isEqualTo(theirs.entries().get(name).file().mode());
        }
        if (!differs(name) && ours.entries().get(name).file().kind() == Kind.FILE) {
          assertThat(ours.entries().get(name).content())
              .as(name)
              .isEqualTo(theirs.entries().get(name).content());
        }
      }
      assertThat(ours.facts().tablespaces()).isEqualTo(theirs.facts().tablespaces());
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

  @Test
  void whatIsReadUnderLoadStartsAndIsWhole() throws Exception {
    PostgresBinaries binaries = PostgresBinaries.with("pg_verifybackup");
    try (PostgresServer server =
        PostgresServer.builder(binaries)
            .dataDirectory(folder.resolve("data"))
            .checksums(true)
            .setting("wal_keep_size", "1GB")
            .start()) {
      Pgbench.on(server, "postgres").init(2);
      server.execute(
          "postgres",
          Grants.script(ROLE, OptionalInt.of(binaries.major())),
          "CREATE TABLE sentinel (n int)");
      MemoryRepository repository = new MemoryRepository();
      AtomicBoolean over = new AtomicBoolean();
      CompletableFuture<Void> load = CompletableFuture.runAsync(() -> churn(server, over));
      StoredBackup full;
      StoredBackup incremental;
      try {
        full = backup(repository, settings(server, "sql"), BackupType.FULL);
        incremental = backup(repository, settings(server, "sql"), BackupType.INCREMENTAL);
      } finally {
        over.set(true);
        load.join();
      }
      assertThat(incremental.descriptor().type()).isEqualTo(BackupType.INCREMENTAL);
      server.execute("postgres", "INSERT INTO sentinel VALUES (42)", "SELECT pg_switch_wal()");
      for (StoredBackup each : List.of(full, incremental)) {
        assertThat(each.descriptor().warnings()).isEmpty();
        Path copy = LaidDown.of(each, folder.resolve("copy" + each.descriptor().id()));
        try (Stream<Path> segments = Files.list(server.dataDirectory().resolve("pg_wal"))) {
          for (Path segment : segments.filter(Files::isRegularFile).toList()) {
            Files.copy(segment, copy.resolve("pg_wal").resolve(segment.getFileName()));
          }
        }
        try (PostgresServer restored =
            PostgresServer.builder(binaries).dataDirectory(copy).adopt().start()) {
          assertThat(restored.query("postgres", "SELECT n FROM sentinel")).isEqualTo("42");
          assertThat(
                  restored.query(
                      "postgres",
                      "SELECT (SELECT sum(abalance) FROM pgbench_accounts)"
                          + " = (SELECT sum(delta) FROM pgbench_history)"))
              .isEqualTo("t");
        }
      }
    }
  }

  /** Changes, and drops what is being read. */
  private static void churn(PostgresServer server, AtomicBoolean over) {
    try (Connection connection = server.connect("postgres");
        Statement statement = connection.createStatement()) {
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
              "DROP TABLE IF EXISTS gone; CREATE TABLE gone AS SELECT g, repeat('y', 500) FROM"
                  + " generate_series(1, 2000) g; CREATE INDEX ON gone (g); CHECKPOINT");
        }
      }
    } catch (SQLException e) {
      throw new CompletionException(e);
    }
  }

  static List<PostgresBinaries> versionsWithSummaries() {
    return versions().stream().filter(each -> each.major() >= 17).toList();
  }

  @ParameterizedTest
  @MethodSource("versionsWithSummaries")
  void theServersSummariesSayWhatToRead(PostgresBinaries binaries) throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(binaries)
            .dataDirectory(folder.resolve("data"))
            .checksums(false)
            .setting("summarize_wal", "on")
            .setting("autovacuum", "off")
            .start()) {
      Pgbench.on(server, "postgres").init(1);
      server.execute(
          "postgres",
          Grants.script(ROLE, OptionalInt.of(binaries.major())),
          "CREATE TABLE cut AS SELECT g, repeat('x', 500) FROM generate_series(1, 5000) g",
          "CREATE TABLE gone AS SELECT g FROM generate_series(1, 5000) g");
      MemoryRepository repository = new MemoryRepository();
      backup(repository, settings(server, "sql"), BackupType.FULL);
      server.execute(
          "postgres",
          "UPDATE pgbench_accounts SET abalance = 7 WHERE aid % 5000 = 0",
          "DELETE FROM cut WHERE g > 100",
          "VACUUM cut",
          "INSERT INTO cut SELECT g, repeat('z', 500) FROM generate_series(1, 3000) g",
          "DROP TABLE gone",
          "VACUUM FULL pgbench_branches",
          "CREATE DATABASE copied STRATEGY file_copy",
          "CREATE DATABASE logged STRATEGY wal_log",
          "VACUUM");
      StoredBackup incremental =
          backup(repository, settings(server, "sql"), BackupType.INCREMENTAL);
      StoredBackup full = backup(repository, settings(server, "sql"), BackupType.FULL);
      assertThat(incremental.facts().attributes())
          .containsEntry("postgres.change-detection", "wal-summaries")
          .containsEntry("postgres.cross-check", "sample");
      assertThat(incremental.descriptor().warnings()).isEmpty();
      assertThat(incremental.descriptor().type()).isEqualTo(BackupType.INCREMENTAL);
      Set<String> names = new TreeSet<>(full.entries().keySet());
      assertThat(new TreeSet<>(incremental.entries().keySet())).isEqualTo(names);
      for (String name : names) {
        if (!differs(name)) {
          assertThat(sameButForHints(name, incremental, full)).as(name).isTrue();
        }
      }
    }
  }

  /** Hints are set without a trace in the log. */
  private static boolean sameButForHints(String name, StoredBackup one, StoredBackup other) {
    byte[] left = one.entries().get(name).content();
    byte[] right = other.entries().get(name).content();
    if (left.length != right.length || !RelationFiles.isMainFork(name.replaceFirst("data:", ""))) {
      return Arrays.equals(left, right);
    }
    PageLsnJudge judge = new PageLsnJudge(new Lsn(0), false, 0);
    for (int at = 0; at < left.length; at += Arrival.PAGE) {
      if (!judge.same(
          at,
          ByteBuffer.wrap(left, at, Arrival.PAGE).slice(),
          ByteBuffer.wrap(right, at, Arrival.PAGE).slice())) {
        return false;
      }
    }
    return true;
  }

  /** Where an archiver brings the log, sessions are all that a backup needs. */
  @ParameterizedTest
  @MethodSource("versions")
  void aRoleThatMayNotReplicateBacksUp(PostgresBinaries binaries) throws Exception {
    Path archive = Files.createDirectory(folder.resolve("archive"));
    Files.setPosixFilePermissions(archive, PosixFilePermissions.fromString("rwxrwxrwx"));
    try (PostgresServer server =
        PostgresServer.builder(binaries)
            .dataDirectory(folder.resolve("data"))
            .setting("archive_mode", "on")
            .setting(
                "archive_command",
                "cp %p " + archive + "/%f.new && mv " + archive + "/%f.new " + archive + "/%f")
            .start()) {
      server.execute(
          "postgres",
          Grants.script(ROLE, OptionalInt.of(binaries.major())),
          "ALTER ROLE \"" + ROLE.replace("\"", "\"\"") + "\" NOREPLICATION",
          "CREATE TABLE t AS SELECT 42 AS n");
      PostgresSettings settings = settings(server, "auto");
      MemoryRepository repository = new MemoryRepository();
      assertThatThrownBy(() -> backup(repository, settings, BackupType.FULL))
          .isInstanceOfSatisfying(
              BackupException.class,
              e -> {
                assertThat(e.code()).isEqualTo("backup.wal-not-captured");
                assertThat(e.remedy()).contains("archive_command").contains("REPLICATION");
              });
      StoredBackup full;
      StoredBackup next;
      try (Archiver archiver = new Archiver(settings, archive, repository)) {
        server.execute("postgres", "SELECT pg_switch_wal()");
        server.awaitTrue(
            "postgres",
            "SELECT last_archived_wal IS NOT NULL FROM pg_stat_archiver",
            Duration.ofSeconds(60));
        full = whenArchived(server, archiver, repository, settings, BackupType.FULL);
        next = whenArchived(server, archiver, repository, settings, BackupType.INCREMENTAL);
      }
      assertThat(full.facts().attributes()).containsEntry("postgres.reader", "sql");
      assertThat(full.descriptor().status()).isEqualTo(BackupStatus.COMPLETE);
      assertThat(next.descriptor().base()).contains(full.descriptor().id());
      assertThat(next.descriptor().warnings()).isEmpty();
    }
  }

  /** Backs up when this test's archiver has brought what the server's has taken. */
  private static StoredBackup whenArchived(
      PostgresServer server,
      Archiver archiver,
      MemoryRepository repository,
      PostgresSettings settings,
      BackupType type)
      throws Exception {
    archiver.await(server.query("postgres", "SELECT last_archived_wal FROM pg_stat_archiver"));
    return backup(repository, settings, type);
  }

  /** Brings what an archiver leaves in a folder. */
  private static final class Archiver implements AutoCloseable {
    private final Set<String> brought = new HashSet<>();
    private final WatchService news;
    private final CompletableFuture<Void> running;

    Archiver(PostgresSettings settings, Path from, MemoryRepository repository) throws IOException {
      news = from.getFileSystem().newWatchService();
      from.register(news, StandardWatchEventKinds.ENTRY_CREATE);
      running = CompletableFuture.runAsync(() -> work(settings, from, repository));
    }

    private void work(PostgresSettings settings, Path from, MemoryRepository repository) {
      try {
        while (true) {
          try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.sorted().toList()) {
              String name = file.getFileName().toString();
              if (!name.endsWith(".new") && !brought.contains(name)) {
                new WalFiles(settings).push(file, repository);
                synchronized (this) {
                  brought.add(name);
                  notifyAll();
                }
              }
            }
          }
          news.take().reset();
        }
      } catch (ClosedWatchServiceException e) {
        return; // enough
      } catch (IOException | InterruptedException e) {
        throw new CompletionException(e);
      }
    }

    synchronized void await(String name) throws InterruptedException {
      while (!brought.contains(name) && !running.isDone()) {
        wait(1000);
      }
    }

    @Override
    public void close() throws IOException {
      news.close();
      running.join();
    }
  }

  @Test
  void aRoleThatLacksAFunctionIsToldWhatToRun() throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("data"))
            .start()) {
      server.execute("postgres", "CREATE ROLE \"keeper \"\"of\"\" copies\" LOGIN REPLICATION");
      MemoryRepository repository = new MemoryRepository();
      assertThatThrownBy(() -> backup(repository, settings(server, "sql"), BackupType.FULL))
          .isInstanceOfSatisfying(
              BackupException.class,
              e -> {
                assertThat(e.code()).isEqualTo("postgres.privilege");
                assertThat(e.remedy())
                    .contains("pg_read_binary_file(text, bigint, bigint, boolean)")
                    .contains("pg_backup_start");
                try {
                  server.execute("postgres", e.remedy());
                } catch (SQLException problem) {
                  throw new AssertionError(problem);
                }
              });
      assertThat(backup(repository, settings(server, "sql"), BackupType.FULL).descriptor().status())
          .isEqualTo(BackupStatus.COMPLETE);
    }
  }

  private PostgresSettings settings(PostgresServer server, String reader) {
    return Sources.settings(folder, server.jdbcUrl("postgres"), ROLE, "reader", reader);
  }

  private static StoredBackup backup(
      MemoryRepository repository, PostgresSettings settings, BackupType type) throws IOException {
    return repository.stored(
        new ClusterBackup(
                settings,
                BackupRequest.builder("orders").type(type).build(),
                repository,
                RunControl.unattended())
            .run()
            .id());
  }
}
