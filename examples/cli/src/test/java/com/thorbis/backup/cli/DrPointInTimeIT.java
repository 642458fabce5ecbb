package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.cli.CommandRunner.Running;
import com.thorbis.backup.dr.failover.RestoredServer;
import com.thorbis.backup.dr.failover.ServerAccess;
import com.thorbis.backup.dr.run.Result.Outcome;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
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
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A wrong statement on a live primary: the plan that is shipped brings the moment before it back on
 * another server, which takes over from the first one and is protected from then on.
 */
class DrPointInTimeIT {
  private static final PostgresBinaries BINARIES = PostgresBinaries.with("pg_controldata");
  private static final String PROCEDURE = "point-in-time-recovery.";
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
      notify:
        notifiers:
          - { name: file, kind: exec, command: [/bin/sh, -c, "cat >> DIR/told"] }
      dr:
        plan: plan.yaml
        journal: { store: { uri: DIR_URI/journal } }
        keys: { first-dba: first.key, second-dba: second.key }
        servers:
          db1: { host: 127.0.0.1, port: PRIMARY, user: USER, data-directory: DIR/db, bin-directory: BIN }
          db2: { host: 127.0.0.1, port: STANDBY, user: USER }
          restored: { host: 127.0.0.1, port: RESTORED, user: USER, data-directory: DIR/restored/db, bin-directory: BIN }
        failover:
          database: { primary: db1, standby: db2 }
        switches:
          connections: { type: connection-file, file: DIR/place }
      """;

  @TempDir Path folder;

  private final int primaryPort = PostgresServer.freePort();
  private final int restoredPort = PostgresServer.freePort();
  private HttpServer portal;

  @AfterEach
  void close() throws Exception {
    if (portal != null) {
      portal.stop(0);
    }
    restored("postgres").stop(Duration.ofSeconds(30));
  }

  @Test
  void theMomentBeforeAWrongStatementIsServedAgain() throws Exception {
    portal = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    portal.createContext(
        "/health",
        exchange -> {
          exchange.sendResponseHeaders(Files.exists(frozen()) ? 503 : 200, -1);
          exchange.close();
        });
    portal.start();
    Files.createDirectories(folder.resolve("journal"));
    try (PostgresServer primary =
        PostgresServer.builder(BINARIES)
            .dataDirectory(folder.resolve("db"))
            .port(primaryPort)
            .setting("fsync", "off")
            .setting("unix_socket_directories", "")
            .start()) {
      configure(primary);
      primary.execute("postgres", "CREATE TABLE told AS SELECT 1 AS x");
      command().ok("init");
      Running receiver = receive(primary);
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

      try (Watch watch = new Watch(primary.superuser())) {
        recover(moment);
        assertThat(watch.first.get()).isPositive();
        assertThat(watch.restored.get()).isPositive();
        assertThat(watch.both.get()).isZero();
      }

      assertThat(primary.isRunning()).isFalse();
      assertThat(folder.resolve("db/standby.signal")).exists();
      assertThat(Files.readString(folder.resolve("place")).strip())
          .isEqualTo("127.0.0.1:" + restoredPort);
      assertThat(frozen()).doesNotExist();
      assertThat(
              ask(restoredPort, primary.superuser(), "SELECT string_agg(x::text, ',') FROM told"))
          .isEqualTo("1,2,3");

      Path config = folder.resolve("thorbis.yaml");
      Files.writeString(
          config,
          Files.readString(config)
              .replace("127.0.0.1:" + primaryPort + "/", "127.0.0.1:" + restoredPort + "/"));
      command().ok("backup", "database");

      RestoredServer server = restored(primary.superuser());
      assertThat(server.check().outcome()).isEqualTo(Outcome.DONE);
      server.stop(Duration.ofSeconds(30));
      assertThat(server.check().outcome()).isEqualTo(Outcome.NOT_DONE);
      server.start(Duration.ofSeconds(30));
      assertThat(server.check().outcome()).isEqualTo(Outcome.DONE);
    }
  }

  private void recover(Instant moment) throws InterruptedException {
    Running run =
        command()
            .start(
                "dr",
                "run",
                "database-failure",
                "--cause",
                "database-corruption",
                "--incident",
                "wrong",
                "--before",
                moment.toString(),
                "--as",
                "recovery-lead",
                "--yes");
    run.awaits("WAITS    " + PROCEDURE + "agree");
    assertThat(frozen()).exists();
    command().ok("dr", "approve", "wrong", PROCEDURE + "agree", "--as", "first-dba");
    command().ok("dr", "approve", "wrong", PROCEDURE + "agree", "--as", "second-dba");
    run.awaits("WAITS    it counts when it is committed");
    command().ok("dr", "commit", "wrong", "--as", "recovery-lead");
    Result end = run.end();
    assertThat(end.code()).as(end.out() + end.err()).isZero();
    assertThat(end.out())
        .contains("succeeded: committed by recovery-lead")
        .containsPattern("done +" + PROCEDURE + "fence")
        .containsPattern("done +" + PROCEDURE + "restore .* its server is restored")
        .containsPattern("done +" + PROCEDURE + "validate .* takes writes")
        .containsPattern("done +" + PROCEDURE + "adopt")
        .containsPattern("done +" + PROCEDURE + "thaw");
  }

  /** Which of the two servers let somebody write, one right after the other. */
  private final class Watch implements AutoCloseable {
    private final AtomicInteger first = new AtomicInteger();
    private final AtomicInteger restored = new AtomicInteger();
    private final AtomicInteger both = new AtomicInteger();
    private final AtomicBoolean over = new AtomicBoolean();
    private final Thread thread;

    Watch(String user) {
      thread =
          new Thread(
              () -> {
                while (!over.get()) {
                  boolean one = writes(restoredPort, user);
                  boolean other = writes(primaryPort, user);
                  restored.addAndGet(one ? 1 : 0);
                  first.addAndGet(other ? 1 : 0);
                  both.addAndGet(one && other ? 1 : 0);
                }
              },
              "watch");
      thread.start();
    }

    private static boolean writes(int port, String user) {
      try {
        return "off".equals(ask(port, user, "SHOW transaction_read_only"));
      } catch (SQLException e) {
        return false;
      }
    }

    @Override
    public void close() throws InterruptedException {
      over.set(true);
      thread.join();
    }
  }

  private static String ask(int port, String user, String query) throws SQLException {
    try (Connection session =
            DriverManager.getConnection(
                "jdbc:postgresql://127.0.0.1:" + port + "/postgres", user, "");
        Statement statement = session.createStatement();
        ResultSet row = statement.executeQuery(query)) {
      row.next();
      return row.getString(1);
    }
  }

  private RestoredServer restored(String user) {
    return RestoredServer.of(
        ServerAccess.builder(
                "restored",
                "127.0.0.1",
                restoredPort,
                () ->
                    DriverManager.getConnection(
                        "jdbc:postgresql://127.0.0.1:" + restoredPort + "/postgres", user, ""))
            .cluster(folder.resolve("restored/db"), BINARIES.binDirectory())
            .build());
  }

  private Running receive(PostgresServer server) throws Exception {
    Running receiver = command().start("wal", "receive", "database");
    server.awaitTrue(
        "postgres",
        "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'",
        Duration.ofMinutes(1));
    return receiver;
  }

  private void configure(PostgresServer primary) throws IOException {
    String one = "127.0.0.1:" + primaryPort;
    Files.writeString(folder.resolve("place"), one);
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        CONFIG
            .replace("DIR_URI", folder.toUri().toString().replaceFirst("/$", ""))
            .replace("DIR", folder.toString())
            .replace("BIN", BINARIES.binDirectory().toString())
            .replace("OWNER", Files.getOwner(primary.dataDirectory()).getName())
            .replace("SERVED", Integer.toString(primaryPort))
            .replace("PRIMARY", Integer.toString(primaryPort))
            .replace("STANDBY", Integer.toString(PostgresServer.freePort()))
            .replace("RESTORED", Integer.toString(restoredPort))
            .replace("USER", primary.superuser()));
    String plan =
        ShippedPlan.of(portal, folder)
            .replaceAll(" +- \\{ id: pool, .*5433.*\n", "")
            .replace("db1.example.com:5432", one)
            .replace("db1.example.com:5433", "127.0.0.1:" + restoredPort);
    Files.writeString(folder.resolve("plan.yaml"), ShippedPlan.frozenBy(frozen(), plan));
  }

  private Path frozen() {
    return folder.resolve("frozen");
  }

  private CommandRunner command() {
    return new CommandRunner(folder);
  }
}
