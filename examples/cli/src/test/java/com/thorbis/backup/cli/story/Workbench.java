package com.thorbis.backup.cli.story;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.api.ReceiveRequest;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.Compression;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.function.Consumer;

/** Servers in a folder, what protects them, and what is restored of them; the same process. */
final class Workbench implements AutoCloseable {
  private final Path folder;
  private final List<AutoCloseable> opened = new ArrayList<>();
  private final List<String> notes = Collections.synchronizedList(new ArrayList<>());
  private int restores;

  Workbench(Path folder) throws IOException {
    this.folder = folder;
    // Restored servers of root run as another account, which must get this far.
    Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwx--x--x"));
  }

  @Override
  public void close() throws Exception {
    Collections.reverse(opened);
    for (AutoCloseable one : opened) {
      one.close();
    }
    opened.clear();
  }

  Path folder() {
    return folder;
  }

  /** What was noted during backups. */
  List<String> notes() {
    return notes;
  }

  /** Closed with the rest. */
  <T extends AutoCloseable> T keep(T one) {
    opened.add(one);
    return one;
  }

  static PostgresBinaries binaries(int major) {
    return PostgresBinaries.all().stream()
        .filter(one -> one.major() == major)
        .findFirst()
        .orElseGet(() -> PostgresBinaries.embedded(major));
  }

  ThorbisBackup thorbis(PostgresServer server, String reader) throws IOException {
    return thorbis(server, "repo", "zstd", reader, "postgres");
  }

  ThorbisBackup thorbis(
      PostgresServer server, String repository, String codec, String reader, String database)
      throws IOException {
    Map<String, Object> source = new HashMap<>();
    source.put("reader", reader);
    if (reader.equals("local")) {
      source.put("data-directory", server.dataDirectory().toString());
    }
    source.put("url", server.jdbcUrl(database));
    source.put("user", server.superuser());
    source.put("bin-directory", server.binaries().binDirectory().toString());
    source.put("wal.ship-interval", "200ms");
    boolean first = !Files.exists(folder.resolve(repository));
    if (first) {
      Files.createDirectory(folder.resolve(repository));
    }
    ThorbisBackup thorbis =
        ThorbisBackup.builder()
            .stateDirectory(folder.resolve("state"))
            .copy(folder.resolve(repository).toUri(), Map.of())
            .recipient(
                URI.create("passphrase:ops"),
                Map.of("passphrase", SecretValue.ofText("correct horse battery staple")))
            .acceptSingleKeyRisk(true)
            .compression(new Compression(codec, codec.equals("zstd") ? 1 : 0))
            .source("main", "postgres", source)
            .build();
    keep(thorbis);
    if (first) {
      thorbis.init();
    }
    return thorbis;
  }

  BackupDescriptor take(ThorbisBackup thorbis, BackupType type) {
    Progress progress =
        new Progress() {
          @Override
          public void note(String message) {
            notes.add(message);
          }
        };
    return thorbis.backup(
        BackupRequest.builder("main").type(type).build(),
        new RunControl(new Cancellation(), progress));
  }

  static String attribute(ThorbisBackup thorbis, BackupDescriptor backup, String name)
      throws IOException {
    try (BackupReader reader = thorbis.repository().open(backup.id())) {
      return reader.facts().attributes().getOrDefault(name, "");
    }
  }

  RestoreRequest.Builder request(ThorbisBackup thorbis, BackupDescriptor backup, Path target)
      throws IOException {
    RestoreRequest.Builder request =
        RestoreRequest.builder("main", target)
            .backup(backup.id())
            .target(new RecoveryTarget.Immediate());
    try (BackupReader reader = thorbis.repository().open(backup.id())) {
      reader
          .facts()
          .tablespaces()
          .forEach(
              space ->
                  request.tablespace(space.name(), folder.resolve(target + "-" + space.oid())));
    }
    return request;
  }

  /** A place for the next restore. */
  Path next() {
    return folder.resolve("restored-" + ++restores);
  }

  /** Lays a backup down, and has PostgreSQL's own tool look at it where there is one. */
  Path laid(ThorbisBackup thorbis, BackupDescriptor backup, PostgresServer server)
      throws Exception {
    Path target = next();
    thorbis.restore(request(thorbis, backup, target).build(), RunControl.unattended());
    if (server.binaries().has("pg_verifybackup")) {
      RecoveryStoryIT.Story.asOwner(
          target, server.binaries().tool("pg_verifybackup"), "-n", target.toString());
    }
    return target;
  }

  /** Recovers a backup to its end; the first column of the last statement's row. */
  String started(
      ThorbisBackup thorbis,
      BackupDescriptor backup,
      PostgresServer server,
      RestoreRequest.Action action,
      String... statements)
      throws Exception {
    Path target = next();
    RestoreReport report =
        thorbis.restore(
            request(thorbis, backup, target).action(action).start(true).build(),
            RunControl.unattended());
    String last = "";
    try (Connection restored =
            DriverManager.getConnection(
                "jdbc:postgresql://127.0.0.1:" + report.port().orElseThrow() + "/postgres",
                server.superuser(),
                null);
        Statement statement = restored.createStatement()) {
      for (String sql : statements) {
        if (statement.execute(sql)) {
          try (ResultSet rows = statement.getResultSet()) {
            last = rows.next() ? rows.getString(1) : "";
          }
        }
      }
    } finally {
      RecoveryStoryIT.Story.stop(target);
    }
    return last;
  }

  /** Captures the log of the source until it is closed. */
  AutoCloseable receiving(ThorbisBackup thorbis) {
    return running(control -> thorbis.receiveWal(new ReceiveRequest("main", false), control));
  }

  /** Answers restored servers until it is closed. */
  AutoCloseable serving(ThorbisBackup thorbis) {
    return running(control -> thorbis.serveWal("main", control));
  }

  private static AutoCloseable running(Consumer<RunControl> job) {
    Cancellation enough = new Cancellation();
    FutureTask<?> task =
        new FutureTask<>(() -> job.accept(new RunControl(enough, Progress.NONE)), null);
    new Thread(task, "resident").start();
    return () -> {
      enough.cancel();
      try {
        task.get();
      } catch (ExecutionException e) {
        throw new AssertionError("It failed", e.getCause());
      }
    };
  }

  /** Returns when everything up to a position is acknowledged as durable. */
  static void awaitStored(PostgresServer server, String position) throws Exception {
    server.awaitTrue(
        "postgres",
        "SELECT coalesce(bool_or(restart_lsn >= '"
            + position
            + "'), false) FROM pg_replication_slots",
        Duration.ofMinutes(2));
  }
}
