package com.thorbis.backup.postgres.restore;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A cluster that was promoted again and again since its backup. */
class TimelinesIT {
  private static final PostgresBinaries BINARIES = PostgresBinaries.with("pg_basebackup");
  private static final WalSegmentSize SEGMENT = new WalSegmentSize(1 << 20);

  /** Beyond the digits that decimal and hexadecimal numbers share. */
  private static final int LAST = 11;

  @TempDir Path folder;

  @Test
  void w7w12ReadingAheadFollowsTheHistoryOverEverySwitch() throws Exception {
    Path archive = Files.createDirectory(folder.resolve("archive"));
    Path data = folder.resolve("data");
    FolderRepository repository;
    try (PostgresServer server =
        PostgresServer.builder(BINARIES)
            .dataDirectory(data)
            .walSegmentMebibytes(1)
            .setting("archive_mode", "on")
            .setting("archive_command", "cp %p " + archive + "/%f")
            .setting("restore_command", "cp " + archive + "/%f %p")
            .start()) {
      server.execute("postgres", "CREATE TABLE t (n int)");
      repository = backUp(server, archive);
      for (int life = 1; life < LAST; life++) {
        if (life <= 3) {
          fill(server, life);
        } else {
          server.execute("postgres", "INSERT INTO t VALUES (" + life + ")");
        }
        server.stop();
        Files.createFile(data.resolve("recovery.signal"));
        server.start();
        server.awaitTrue("postgres", "SELECT NOT pg_is_in_recovery()", Duration.ofMinutes(1));
      }
      fill(server, LAST);
      String last = server.query("postgres", "SELECT pg_walfile_name(pg_switch_wal())");
      server.awaitTrue(
          "postgres",
          "SELECT last_archived_wal >= '" + last + "' FROM pg_stat_archiver",
          Duration.ofMinutes(1));
    }

    RestoreReport report = restore(repository);
    Path target = folder.resolve("target");
    try (Connection connection =
            DriverManager.getConnection(
                "jdbc:postgresql://127.0.0.1:"
                    + report.port().orElseThrow()
                    + "/postgres?user=postgres");
        Statement statement = connection.createStatement();
        ResultSet row =
            statement.executeQuery("SELECT string_agg(n::text, ',' ORDER BY n) FROM t")) {
      row.next();
      assertThat(row.getString(1)).isEqualTo("1,2,3,4,5,6,7,8,9,10,11");
      assertThat(report.reached().orElseThrow().timeline()).isEqualTo(new Timeline(LAST + 1));
    } finally {
      long pid = Long.parseLong(Files.readAllLines(target.resolve("postmaster.pid")).get(0));
      ProcessHandle server = ProcessHandle.of(pid).orElseThrow();
      new ProcessBuilder("kill", "-QUIT", Long.toString(pid)).start();
      server.onExit().join();
    }
  }

  /** A row, and several segments of log. */
  private static void fill(PostgresServer server, int life) throws Exception {
    server.execute(
        "postgres",
        "INSERT INTO t VALUES (" + life + ")",
        "CREATE TABLE filler" + life + " AS SELECT generate_series(1, 60000) n");
  }

  private RestoreReport restore(FolderRepository repository) throws IOException {
    RestorePlan plan =
        new RestorePlan(
            repository.descriptor(),
            new RecoveryTarget.Latest(),
            new Timeline(LAST),
            List.of(),
            0,
            0,
            List.of(),
            Optional.empty(),
            Optional.empty());
    return new Restorer(
            TestSettings.of(
                folder.resolve("state"),
                Map.of("bin-directory", BINARIES.binDirectory().toString())))
        .restore(
            RestoreRequest.builder("orders", folder.resolve("target")).start(true).build(),
            plan,
            FolderRepository.INCARNATION,
            repository,
            RunControl.unattended());
  }

  private FolderRepository backUp(PostgresServer server, Path archive) throws Exception {
    Path base = folder.resolve("base");
    List<String> words =
        new ArrayList<>(
            List.of(
                BINARIES.tool("pg_basebackup").toString(),
                "-h",
                "127.0.0.1",
                "-p",
                Integer.toString(server.port()),
                "-U",
                "postgres",
                "-D",
                base.toString(),
                "-X",
                "none",
                "-c",
                "fast"));
    Process process = new ProcessBuilder(words).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(said).isZero();
    String manifest = Files.readString(base.resolve("backup_manifest"));
    Matcher range =
        Pattern.compile("\"Start-LSN\": \"([^\"]+)\", \"End-LSN\": \"([^\"]+)\"").matcher(manifest);
    assertThat(range.find()).isTrue();
    return new FolderRepository(
            new ClusterIdentity(
                Long.parseUnsignedLong(
                    server.query("postgres", "SELECT system_identifier FROM pg_control_system()")),
                BINARIES.major(),
                SEGMENT),
            archive,
            new BackupFacts(
                Lsn.parse(range.group(1)),
                Lsn.parse(range.group(2)),
                new Timeline(1),
                Instant.now(),
                Instant.now(),
                List.of(),
                Map.of(),
                List.of()))
        .addTree(base);
  }
}
