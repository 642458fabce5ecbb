package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.cli.CommandRunner.Running;
import com.thorbis.backup.dr.failover.RestoredServer;
import com.thorbis.backup.dr.failover.ServerAccess;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * What a restore by the plan that is shipped is about: a primary whose log was kept, files and an
 * application beside it, what clients go through, and a place for the server that is restored.
 */
final class RecoverySite implements AutoCloseable {
  private static final PostgresBinaries BINARIES = PostgresBinaries.with("pg_controldata");
  private static final String CONFIG =
      """
      state-directory: DIR/state
      repository:
        copies:
          - uri: DIR_URI/copy
        encryption:
          accept-single-key-risk: true
          recipients:
            - uri: passphrase:main
              passphrase: correct horse battery staple
      sources:
        database:
          type: postgres
          url: jdbc:postgresql://127.0.0.1:SERVED/postgres
          user: USER
          bin-directory: BIN
          server-user: OWNER
          wal: { ship-interval: 1s, wait: 1m }
        user-files: { type: files, paths: DIR/files }
        shop:
          type: nextjs
          source: none
          configuration:
            web-server: { kind: files, paths: DIR/etc }
          artifacts: none
          deployment: none
          files: none
      notify:
        notifiers:
          - { name: file, kind: exec, command: [/bin/sh, -c, "cat >> DIR/told"] }
      dr:
        plan: plan.yaml
        journal: { store: { uri: DIR_URI/journal } }
        keys: { first-dba: first.key, second-dba: second.key, security-officer: security.key, recovery-lead: recovery.key }
        servers:
          db1: { host: 127.0.0.1, port: PRIMARY, user: USER, data-directory: DIR/db, bin-directory: BIN }
          db2: { host: 127.0.0.1, port: STANDBY, user: USER }
          restored: { host: 127.0.0.1, port: RESTORED, user: USER, data-directory: DIR/restored/db, bin-directory: BIN }
        failover:
          database: { primary: db1, standby: db2 }
        switches:
          connections: { type: connection-file, file: DIR/place }
          pool: POOL
      """;

  private final Path folder;
  private final Portal portal;
  private final PostgresServer primary;
  private final Pool pool;
  private final int standbyPort = PostgresServer.freePort();
  private final int restoredPort = PostgresServer.freePort();

  /** In an empty folder. */
  RecoverySite(Path folder) throws Exception {
    this.folder = folder;
    portal =
        Portal.start(
            () ->
                Files.exists(running()) && !Files.exists(frozen())
                    ? Optional.of("")
                    : Optional.empty());
    for (String each : new String[] {"journal", "files", "etc"}) {
      Files.createDirectory(folder.resolve(each));
    }
    Files.createFile(running());
    primary =
        PostgresServer.builder(BINARIES)
            .dataDirectory(folder.resolve("db"))
            .setting("fsync", "off")
            .setting("unix_socket_directories", "")
            .start();
    pool = Pool.start(folder.resolve("pool"), primary);
    Files.writeString(folder.resolve("place"), first());
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        CONFIG
            .replace("DIR_URI", folder.toUri().toString().replaceFirst("/$", ""))
            .replace("DIR", folder.toString())
            .replace("BIN", BINARIES.binDirectory().toString())
            .replace("OWNER", Files.getOwner(primary.dataDirectory()).getName())
            .replace("SERVED", Integer.toString(primary.port()))
            .replace("PRIMARY", Integer.toString(primary.port()))
            .replace("STANDBY", Integer.toString(standbyPort))
            .replace("RESTORED", Integer.toString(restoredPort))
            .replace("USER", primary.superuser())
            .replace("POOL", pool.asSwitch()));
    String plan =
        ShippedPlan.of(portal, folder)
            .replace("db1.example.com:5432", first())
            .replace("db1.example.com:5433", second())
            .replace("action: switch-dns", "action: switch-connection-file")
            .replace(
                "{ switch: names, from: 198.51.100.10, to: 203.0.113.10, ttl: 60s }",
                "{ switch: connections, from: \"" + first() + "\", to: \"" + second() + "\" }")
            .replace("/srv/recovery/", folder.resolve("restored") + "/");
    Files.writeString(
        folder.resolve("plan.yaml"),
        ShippedPlan.startedBy(running(), ShippedPlan.frozenBy(frozen(), plan)));
  }

  /** The address that is served at first. */
  String first() {
    return "127.0.0.1:" + primary.port();
  }

  /** The address of the server that is restored. */
  String second() {
    return "127.0.0.1:" + restoredPort;
  }

  PostgresServer primary() {
    return primary;
  }

  Pool pool() {
    return pool;
  }

  /** The file that clients read. */
  String place() throws IOException {
    return Files.readString(folder.resolve("place")).strip();
  }

  /** There while nobody may write. */
  Path frozen() {
    return folder.resolve("frozen");
  }

  /** There while the application runs. */
  Path running() {
    return folder.resolve("running");
  }

  Path file(String name) {
    return folder.resolve(name);
  }

  CommandRunner command() {
    return new CommandRunner(folder);
  }

  /**
   * Backs the database up, and writes 1, 2 and 3 into the table {@code told}; then they are made 0,
   * and 4 is added. Returns the moment in between.
   */
  Instant wronged() throws Exception {
    primary.execute("postgres", "CREATE TABLE told AS SELECT 1 AS x");
    Running receiver = command().start("wal", "receive", "database");
    primary.awaitTrue(
        "postgres",
        "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'",
        Duration.ofMinutes(1));
    command().ok("backup", "database");
    primary.execute("postgres", "INSERT INTO told VALUES (2)", "INSERT INTO told VALUES (3)");
    Instant moment = Instant.now().truncatedTo(ChronoUnit.MICROS);
    primary.execute("postgres", "UPDATE told SET x = 0", "INSERT INTO told VALUES (4)");
    String end = primary.query("postgres", "SELECT pg_current_wal_lsn()");
    primary.awaitTrue(
        "postgres",
        "SELECT bool_or(flush_lsn >= '" + end + "') FROM pg_stat_replication",
        Duration.ofSeconds(30));
    assertThat(receiver.stop().code()).isZero();
    return moment;
  }

  /** A standby that follows the primary. */
  PostgresServer follow() throws Exception {
    Path data = folder.resolve("standby");
    String primaryAt = "host=127.0.0.1 user=" + primary.superuser() + " port=" + primary.port();
    primary.run(
        "pg_basebackup",
        "--dbname=" + primaryAt,
        "--pgdata=" + data,
        "--checkpoint=fast",
        "--no-sync",
        "--write-recovery-conf");
    return PostgresServer.builder(BINARIES)
        .dataDirectory(data)
        .port(standbyPort)
        .setting("fsync", "off")
        .setting("primary_conninfo", primaryAt)
        .adopt()
        .start();
  }

  /** From now on the restored server is what is backed up. */
  void followsTheRestoredServer() throws IOException {
    Path config = folder.resolve("thorbis.yaml");
    Files.writeString(
        config,
        Files.readString(config)
            .replace("url: jdbc:postgresql://" + first(), "url: jdbc:postgresql://" + second()));
  }

  /** Asks whoever is there. */
  static String ask(String address, String query) throws SQLException {
    try (Connection session =
            DriverManager.getConnection(
                "jdbc:postgresql://" + address + "/postgres", "postgres", "");
        Statement statement = session.createStatement();
        ResultSet row = statement.executeQuery(query)) {
      row.next();
      return row.getString(1);
    }
  }

  RestoredServer restored() {
    return RestoredServer.of(
        ServerAccess.builder(
                "restored",
                "127.0.0.1",
                restoredPort,
                () ->
                    DriverManager.getConnection(
                        "jdbc:postgresql://" + second() + "/postgres", primary.superuser(), ""))
            .cluster(folder.resolve("restored/db"), BINARIES.binDirectory())
            .build());
  }

  /** Who lets somebody write, from now on. */
  Watch watch() {
    return new Watch();
  }

  /** Which of the two servers let somebody write, one right after the other. */
  final class Watch implements AutoCloseable {
    private final AtomicInteger first = new AtomicInteger();
    private final AtomicInteger restored = new AtomicInteger();
    private final AtomicInteger both = new AtomicInteger();
    private final AtomicBoolean over = new AtomicBoolean();
    private final Thread thread;

    private Watch() {
      thread =
          new Thread(
              () -> {
                while (!over.get()) {
                  boolean one = writes(second());
                  boolean other = writes(first());
                  restored.addAndGet(one ? 1 : 0);
                  first.addAndGet(other ? 1 : 0);
                  both.addAndGet(one && other ? 1 : 0);
                }
              },
              "watch");
      thread.start();
    }

    private static boolean writes(String address) {
      try {
        return "off".equals(ask(address, "SHOW transaction_read_only"));
      } catch (SQLException e) {
        return false;
      }
    }

    /** First the one, then the other, and never both. */
    void sawOneAtATime() {
      assertThat(first.get()).isPositive();
      assertThat(restored.get()).isPositive();
      assertThat(both.get()).isZero();
    }

    @Override
    public void close() throws InterruptedException {
      over.set(true);
      thread.join();
    }
  }

  @Override
  public void close() throws Exception {
    portal.close();
    try (primary;
        pool) {
      restored().stop(Duration.ofSeconds(30));
    }
  }
}
