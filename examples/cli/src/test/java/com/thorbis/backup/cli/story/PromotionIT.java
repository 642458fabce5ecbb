package com.thorbis.backup.cli.story;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ReceiveRequest;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A primary is lost under load, and its standby takes its place: seen from both of them. */
class PromotionIT {
  private static final int CLIENTS = 3;

  @TempDir Path folder;

  private final Set<Long> confirmed = ConcurrentHashMap.newKeySet();
  private final AtomicLong attempts = new AtomicLong();
  private Workbench bench;

  @BeforeEach
  void prepare() throws Exception {
    bench = new Workbench(folder);
  }

  @AfterEach
  void close() throws Exception {
    bench.close();
  }

  @ParameterizedTest
  @ValueSource(ints = {15, 18})
  void theReceiverFollowsTheStandbyAndTheOldPrimaryIsRefused(int major) throws Exception {
    PostgresServer primary =
        bench.keep(
            PostgresServer.builder(Workbench.binaries(major))
                .dataDirectory(folder.resolve("primary"))
                .walSegmentMebibytes(1)
                .setting("wal_keep_size", "512MB")
                .start());
    primary.execute("postgres", "CREATE TABLE ledger (entry bigint PRIMARY KEY)");
    BackupDescriptor full;
    Path copy = folder.resolve("standby");
    try (ThorbisBackup first = bench.thorbis(primary, "replication")) {
      full = bench.take(first, BackupType.FULL);
      first.restore(
          RestoreRequest.builder("main", copy)
              .standby(
                  new RestoreRequest.Standby(
                      Optional.of(
                          "host=127.0.0.1 user=postgres application_name=second port="
                              + primary.port()),
                      Optional.empty()))
              .build(),
          RunControl.unattended());
    }
    // Root restores for another account than the one that runs the servers of tests.
    try (Stream<Path> all = Files.walk(copy)) {
      for (Path each : all.toList()) {
        Files.setOwner(each, Files.getOwner(folder));
      }
    }
    PostgresServer standby =
        bench.keep(PostgresServer.builder(primary.binaries()).dataDirectory(copy).adopt());
    ThorbisBackup thorbis = bench.thorbis(standby, "replication");
    AutoCloseable service = bench.keep(bench.serving(thorbis));
    standby.start();
    List<Thread> clients = new ArrayList<>();
    try (AutoCloseable receiver = bench.receiving(thorbis)) {
      assertThat(receiver).isNotNull();
      standby.awaitTrue(
          "postgres",
          "SELECT count(*) = 1 FROM pg_replication_slots WHERE active",
          Duration.ofMinutes(1));
      // What a client saw is on the standby, and so what the promotion keeps.
      primary.execute(
          "postgres",
          "ALTER SYSTEM SET synchronous_standby_names = 'second'",
          "SELECT pg_reload_conf()");
      primary.awaitTrue(
          "postgres",
          "SELECT bool_or(sync_state = 'sync') FROM pg_stat_replication",
          Duration.ofMinutes(1));
      for (int i = 0; i < CLIENTS; i++) {
        clients.add(client(primary));
      }
      Command.await("commits are seen", () -> confirmed.size() > 100);
      primary.kill9();
      assertThat(standby.query("postgres", "SELECT pg_promote()")).isEqualTo("t");
      for (Thread client : clients) {
        client.join();
      }
      clients.clear();
      int before = confirmed.size();
      for (int i = 0; i < CLIENTS; i++) {
        clients.add(client(standby));
      }
      Command.await("commits are seen", () -> confirmed.size() > before + 100);
      standby.execute("postgres", "CREATE TABLE fence AS SELECT 1 AS n");
      Workbench.awaitStored(
          standby, standby.query("postgres", "SELECT pg_current_wal_flush_lsn()"));
      standby.stop();
      for (Thread client : clients) {
        client.join();
      }
      standby.start();
      Workbench.awaitStored(
          standby, standby.query("postgres", "SELECT pg_current_wal_flush_lsn()"));
    }
    service.close();
    SourceStatus status = thorbis.status("main");
    assertThat(status.gaps()).isEmpty();
    List<WalRange> stored = thorbis.walRanges("main");
    assertThat(stored).extracting(range -> range.timeline().number()).containsExactly(1, 2);
    thorbis.close();

    // The old primary comes back and knows of nothing.
    primary.start();
    primary.execute(
        "postgres", "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()");
    primary.awaitTrue(
        "postgres",
        "SELECT setting = '' FROM pg_settings WHERE name = 'synchronous_standby_names'",
        Duration.ofMinutes(1));
    primary.execute("postgres", "CREATE TABLE alone AS SELECT generate_series(1, 50000) AS n");
    try (ThorbisBackup old = bench.thorbis(primary, "replication")) {
      assertThatThrownBy(
              () -> old.receiveWal(new ReceiveRequest("main", false), RunControl.unattended()))
          .isInstanceOfSatisfying(
              BackupException.class, e -> assertThat(e.code()).isEqualTo("wal.timeline-diverged"));
      assertThat(old.walRanges("main")).isEqualTo(stored);

      RestoreReport report =
          old.restore(
              bench
                  .request(old, full, folder.resolve("back"))
                  .target(new RecoveryTarget.Latest())
                  .action(RestoreRequest.Action.PROMOTE)
                  .start(true)
                  .build(),
              RunControl.unattended());
      try {
        Set<Long> missing = new HashSet<>(confirmed);
        missing.removeAll(entries(report.port().orElseThrow()));
        assertThat(missing).isEmpty();
        assertThat(confirmed).hasSizeGreaterThan(200);
        assertThat(report.reached().orElseThrow().timeline().number()).isEqualTo(3);
      } finally {
        RecoveryStoryIT.Story.stop(folder.resolve("back"));
      }
    }
  }

  /** Commits until its server is gone. */
  private Thread client(PostgresServer server) {
    Thread client =
        new Thread(
            () -> {
              try (Connection connection = server.connect("postgres");
                  PreparedStatement insert =
                      connection.prepareStatement("INSERT INTO ledger VALUES (?)")) {
                while (true) {
                  long entry = attempts.incrementAndGet();
                  insert.setLong(1, entry);
                  insert.execute();
                  confirmed.add(entry);
                }
              } catch (SQLException e) {
                return; // whether the last one was committed is not known
              }
            },
            "client");
    client.start();
    return client;
  }

  private static Set<Long> entries(int port) throws SQLException {
    Set<Long> entries = new HashSet<>();
    try (Connection connection =
            DriverManager.getConnection(
                "jdbc:postgresql://127.0.0.1:" + port + "/postgres", "postgres", null);
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("SELECT entry FROM ledger")) {
      while (rows.next()) {
        entries.add(rows.getLong(1));
      }
    }
    return entries;
  }
}
