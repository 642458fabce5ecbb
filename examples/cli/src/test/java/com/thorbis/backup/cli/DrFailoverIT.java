package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.cli.CommandRunner.Running;
import com.thorbis.backup.crypto.SigningKey;
import com.thorbis.backup.dr.plan.PlanReader;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The plan that is shipped, carried out by the command after the primary was killed. */
class DrFailoverIT {
  private static final PostgresBinaries BINARIES = PostgresBinaries.with("pg_controldata");
  private static final String CONFIG =
      """
      state-directory: DIR/state
      repository:
        copies:
          - uri: DIR_URI/away
        encryption:
          accept-single-key-risk: true
          recipients:
            - uri: passphrase:main
              passphrase: none
      dr:
        plan: plan.yaml
        journal: { store: { uri: DIR_URI/journal } }
        keys: { first-dba: first.key, second-dba: second.key }
        servers:
          db1: { host: 127.0.0.1, port: PRIMARY, user: USER, data-directory: DIR/primary, bin-directory: BIN }
          db2: { host: 127.0.0.1, port: STANDBY, user: USER, data-directory: DIR/standby, bin-directory: BIN }
          pool: { host: 127.0.0.1, port: STANDBY, user: USER }
        failover:
          database:
            primary: db1
            standby: db2
            detect:
              - { kind: port, from: here, patience: 1s }
              - { kind: standby, patience: 1s }
              - { kind: process, from: host }
        switches:
          connections: { type: connection-file, file: DIR/place }
      """;

  @TempDir Path folder;

  @Test
  void theStandbyTakesOverWhenTwoPeopleHaveAgreed() throws Exception {
    HttpServer portal =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    portal.createContext(
        "/health",
        exchange -> {
          exchange.sendResponseHeaders(200, -1);
          exchange.close();
        });
    portal.start();
    try (PostgresServer primary = primary();
        PostgresServer standby = standby(primary)) {
      standby.awaitTrue(
          "postgres",
          "SELECT count(*) = 1 FROM pg_stat_wal_receiver WHERE status = 'streaming'",
          Duration.ofSeconds(30));
      primary.execute("postgres", "CREATE TABLE told AS SELECT 1 AS x");
      standby.awaitTrue(
          "postgres", "SELECT to_regclass('told') IS NOT NULL", Duration.ofSeconds(20));
      prepare(primary, standby, portal.getAddress().getPort());
      primary.kill9();

      Running run =
          new CommandRunner(folder)
              .start(
                  "dr",
                  "run",
                  "database-failure",
                  "--cause",
                  "database-connection-failure",
                  "--incident",
                  "inc-1",
                  "--as",
                  "recovery-lead",
                  "--yes");
      until(run, "WAITS    database-failover.agree");
      say("approve", "inc-1", "database-failover.agree", "--as", "first-dba");
      say("approve", "inc-1", "database-failover.agree", "--as", "second-dba");
      until(run, "WAITS    it counts when it is committed");
      assertThat(standby.query("postgres", "SELECT pg_is_in_recovery()")).isEqualTo("f");
      assertThat(Files.readString(folder.resolve("place")).strip())
          .isEqualTo("127.0.0.1:" + standby.port());
      say("commit", "inc-1", "--as", "recovery-lead");
      Result end = run.end();
      assertThat(end.code()).as(end.out() + end.err()).isZero();
      assertThat(end.out())
          .contains("succeeded: committed by recovery-lead")
          .containsPattern("done +database-failover.fence")
          .containsPattern("done +database-failover.validate .* takes writes");
    } finally {
      portal.stop(0);
    }
  }

  private PostgresServer primary() throws Exception {
    Path data = folder.resolve("primary");
    try (PostgresServer made = PostgresServer.builder(BINARIES).dataDirectory(data).start()) {
      made.stop();
    }
    copy(data, folder.resolve("standby"));
    return quick(data).adopt().start();
  }

  private PostgresServer standby(PostgresServer primary) throws Exception {
    Path data = folder.resolve("standby");
    Files.createFile(data.resolve("standby.signal"));
    return quick(data)
        .setting("primary_conninfo", "host=127.0.0.1 user=postgres port=" + primary.port())
        .adopt()
        .start();
  }

  private static PostgresServer.Builder quick(Path data) {
    return PostgresServer.builder(BINARIES)
        .dataDirectory(data)
        .setting("fsync", "off")
        .setting("wal_receiver_timeout", "1s")
        .setting("wal_retrieve_retry_interval", "100ms");
  }

  private static void copy(Path from, Path to) throws IOException {
    try (Stream<Path> tree = Files.walk(from)) {
      for (Path each : tree.toList()) {
        Files.copy(
            each,
            to.resolve(from.relativize(each).toString()),
            LinkOption.NOFOLLOW_LINKS,
            StandardCopyOption.COPY_ATTRIBUTES);
      }
    }
  }

  private void prepare(PostgresServer primary, PostgresServer standby, int portal)
      throws IOException {
    Files.createDirectory(folder.resolve("journal"));
    Files.writeString(folder.resolve("place"), "127.0.0.1:" + primary.port());
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        CONFIG
            .replace("DIR_URI", folder.toUri().toString().replaceFirst("/$", ""))
            .replace("DIR", folder.toString())
            .replace("BIN", BINARIES.binDirectory().toString())
            .replace("PRIMARY", Integer.toString(primary.port()))
            .replace("STANDBY", Integer.toString(standby.port()))
            .replace("USER", primary.superuser()));
    String plan =
        PlanReader.example()
            .replaceFirst(" +- id: pool\n +action: switch-pgbouncer\n(?:.*\n){5}", "")
            .replace("db1.example.com:5432", "127.0.0.1:" + primary.port())
            .replace("db2.example.com:5432", "127.0.0.1:" + standby.port())
            .replace("https://portal.example.com", "http://127.0.0.1:" + portal);
    for (String name : List.of("first", "second")) {
      try (SigningKey key = SigningKey.generate(new SecureRandom())) {
        key.writeTo(folder.resolve(name + ".key"));
        plan =
            plan.replaceFirst(
                "(id: " + name + "-dba\n(?:.*\n){3} *signs-with: ).*",
                "$1" + key.verifier().text());
      }
    }
    Files.writeString(folder.resolve("plan.yaml"), plan);
  }

  private void say(String... words) {
    Result said =
        new CommandRunner(folder)
            .run(Stream.concat(Stream.of("dr"), Stream.of(words)).toArray(String[]::new));
    assertThat(said.code()).as(said.out() + said.err()).isZero();
  }

  private static void until(Running run, String text) throws InterruptedException {
    for (int turns = 0; turns < 3000 && !run.err().contains(text); turns++) {
      Thread.sleep(20);
    }
    assertThat(run.err()).contains(text);
  }
}
