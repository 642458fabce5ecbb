package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.cli.CommandRunner.Running;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.UserPrincipal;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Comparator;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * One region is lost with its database and its copy of the repository; the other one takes over by
 * the plan that is shipped, and gives back when the first is built anew from backups.
 */
class RegionFailoverIT {
  private static final PostgresBinaries BINARIES = PostgresBinaries.with("pg_controldata");
  private static final String SCENARIO = "data-center-outage";
  private static final String CONFIG =
      """
      state-directory: DIR/state
      repository:
        copies:
          - uri: DIR_URI/region-a/copy
          - uri: DIR_URI/region-b/copy
        encryption:
          accept-single-key-risk: true
          recipients:
            - uri: passphrase:main
              passphrase: correct horse battery staple
      sources:
        database:
          type: postgres
          url: URL
          user: USER
          bin-directory: BIN
          server-user: OWNER
          wal: { ship-interval: 1s, wait: 1m }
        user-files: { type: files, paths: DIR/region-a/files }
      notify:
        notifiers:
          - { name: file, kind: exec, command: [/bin/sh, -c, "cat >> DIR/told"] }
      dr:
        plan: plan.yaml
        journal: { store: { uri: DIR_URI/region-b/journal } }
        keys: { first-dba: first.key, second-dba: second.key }
        servers:
          db1: { host: 127.0.0.1, port: PRIMARY, user: USER, data-directory: DIR/region-a/db, bin-directory: BIN }
          db2: { host: 127.0.0.1, port: STANDBY, user: USER, data-directory: DIR/region-b/db, bin-directory: BIN }
        failover:
          database:
            primary: db1
            standby: db2
            detect:
              - { kind: port, from: second-region, patience: 1s }
              - { kind: standby, patience: 1s }
              - { kind: process, from: host }
        switches:
          connections: { type: connection-file, file: DIR/place }
      """;

  @TempDir Path folder;

  private final int primaryPort = PostgresServer.freePort();
  private final int standbyPort = PostgresServer.freePort();
  private Portal portal;
  private String user = "";

  @AfterEach
  void close() {
    if (portal != null) {
      portal.close();
    }
  }

  @Test
  void theOtherRegionTakesOverAndGivesBack() throws Exception {
    portal = Portal.start(this::serves);
    Files.createDirectories(folder.resolve("region-a/files"));
    Files.createDirectories(folder.resolve("region-b/journal"));
    Files.writeString(folder.resolve("region-a/files/contract"), "signed");
    Path first = folder.resolve("region-a/db");
    Path second = folder.resolve("region-b/db");
    try (PostgresServer primary = builder(first, primaryPort).start()) {
      UserPrincipal owner = Files.getOwner(first);
      configure(primary);
      primary.execute("postgres", "CREATE TABLE told AS SELECT 1 AS x");
      command().ok("init");
      Running receiver = command().start("wal", "receive", "database");
      primary.awaitTrue(
          "postgres",
          "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'",
          Duration.ofMinutes(1));
      command().ok("backup", "database");
      assertThat(receiver.stop().code()).isZero();
      command().ok("backup", "user-files");
      command().ok("copies", "sync");

      try (PostgresServer standby = follow(second, standbyPort, primaryPort, owner)) {
        standby.awaitTrue(
            "postgres", "SELECT to_regclass('told') IS NOT NULL", Duration.ofSeconds(30));
        Instant outage = Instant.now().truncatedTo(ChronoUnit.SECONDS);
        primary.kill9();
        Files.move(folder.resolve("region-a/copy"), folder.resolve("lost"));
        remove(folder.resolve("region-a/files"));

        failOver(outage);
        assertThat(standby.query("postgres", "SELECT pg_is_in_recovery()")).isEqualTo("f");
        assertThat(place()).isEqualTo("127.0.0.1:" + standbyPort);
        assertThat(Files.readString(folder.resolve("told")))
            .contains("Notify stakeholders", "Tell customers", "Tell everybody on call");
        try (Stream<Path> restored = Files.walk(folder.resolve("region-b/files"))) {
          assertThat(restored.map(it -> it.getFileName().toString())).contains("contract");
        }
        standby.execute("postgres", "INSERT INTO told VALUES (2)");

        Files.move(folder.resolve("lost"), folder.resolve("region-a/copy"));
        remove(first);
        try (PostgresServer again = follow(first, primaryPort, standbyPort, owner)) {
          // A question for log that is on its way when nobody serves any more waits half a minute.
          again.awaitTrue("postgres", "SELECT count(*) = 2 FROM told", Duration.ofMinutes(2));
          failBack();
          assertThat(again.query("postgres", "SELECT pg_is_in_recovery()")).isEqualTo("f");
          assertThat(again.query("postgres", "SELECT sum(x) FROM told")).isEqualTo("3");
          again.execute("postgres", "INSERT INTO told VALUES (3)");
          assertThat(place()).isEqualTo("127.0.0.1:" + primaryPort);
          assertThat(second.resolve("standby.signal")).exists();
          assertThat(standby.isRunning()).isFalse();
        }
      }
    }
  }

  private void failOver(Instant outage) throws InterruptedException {
    Running run =
        command()
            .start(
                "dr",
                "run",
                SCENARIO,
                "--cause",
                "region-outage",
                "--incident",
                "lost",
                "--outage",
                outage.toString(),
                "--as",
                "recovery-lead",
                "--yes");
    run.awaits("WAITS    cross-region-failover.activate");
    command().ok("dr", "approve", "lost", "cross-region-failover.activate", "--as", "first-dba");
    command().ok("dr", "approve", "lost", "cross-region-failover.activate", "--as", "second-dba");
    run.awaits("WAITS    it counts when it is committed");
    command().ok("dr", "commit", "lost", "--as", "recovery-lead");
    Result end = run.end();
    assertThat(end.code()).as(end.out() + end.err()).isZero();
    assertThat(end.out())
        .contains("succeeded: committed by recovery-lead")
        .containsPattern("done +cross-region-failover.fence")
        .containsPattern("done +cross-region-failover.files .* files of the backup are there")
        .containsPattern("done +emergency-communications.customers .* told recovery-lead")
        .containsPattern("done +emergency-communications.staff")
        .containsPattern("done +emergency-communications.written")
        .containsPattern("tier-1 .* kept +5 min 0 s +- +unknown");
  }

  private void failBack() throws InterruptedException {
    Running run =
        command()
            .start(
                "dr",
                "run",
                SCENARIO,
                "--cause",
                "region-outage",
                "--incident",
                "back",
                "--failback",
                "--as",
                "recovery-lead",
                "--yes");
    run.awaits("WAITS    region-failback.rebuild for approval");
    command().ok("dr", "approve", "back", "region-failback.rebuild", "--as", "first-dba");
    command().ok("dr", "approve", "back", "region-failback.rebuild", "--as", "second-dba");
    run.awaits("WAITS    region-failback.rebuild for manual");
    command().ok("dr", "done", "back", "region-failback.rebuild", "--as", "recovery-lead");
    Result end = run.end();
    assertThat(end.code()).as(end.out() + end.err()).isZero();
    assertThat(end.out())
        .containsPattern("done +region-failback.freeze")
        .containsPattern("done +region-failback.thaw");
    assertThat(Files.exists(folder.resolve("frozen"))).isFalse();
  }

  /** A standby that is made from a backup. */
  private PostgresServer follow(Path data, int port, int of, UserPrincipal owner) throws Exception {
    command()
        .ok(
            "restore",
            "database",
            "--target-dir",
            data.toString(),
            "--standby",
            "--primary-conninfo",
            "host=127.0.0.1 user=postgres port=" + of);
    try (Stream<Path> all = Files.walk(data)) {
      for (Path each : all.toList()) {
        Files.setOwner(each, owner);
      }
    }
    Running serving = command().start("wal", "serve", "database");
    PostgresServer standby = builder(data, port).adopt().start();
    standby.awaitTrue(
        "postgres",
        "SELECT count(*) = 1 FROM pg_stat_wal_receiver WHERE status = 'streaming'",
        Duration.ofMinutes(1));
    standby.execute("postgres", "ALTER SYSTEM SET restore_command = ''", "SELECT pg_reload_conf()");
    standby.awaitTrue(
        "postgres",
        "SELECT setting = '' FROM pg_settings WHERE name = 'restore_command'",
        Duration.ofSeconds(20));
    assertThat(serving.stop().code()).isZero();
    return standby;
  }

  private static PostgresServer.Builder builder(Path data, int port) {
    return PostgresServer.builder(BINARIES)
        .dataDirectory(data)
        .port(port)
        .setting("fsync", "off")
        .setting("wal_keep_size", "512MB")
        .setting("wal_receiver_timeout", "1s")
        .setting("wal_retrieve_retry_interval", "100ms");
  }

  private void configure(PostgresServer primary) throws IOException {
    user = primary.superuser();
    String one = "127.0.0.1:" + primaryPort;
    String two = "127.0.0.1:" + standbyPort;
    Files.writeString(folder.resolve("place"), one);
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        CONFIG
            .replace("DIR_URI", folder.toUri().toString().replaceFirst("/$", ""))
            .replace("DIR", folder.toString())
            .replace("BIN", BINARIES.binDirectory().toString())
            .replace("URL", primary.jdbcUrl("postgres"))
            .replace("OWNER", Files.getOwner(primary.dataDirectory()).getName())
            .replace("PRIMARY", Integer.toString(primaryPort))
            .replace("STANDBY", Integer.toString(standbyPort))
            .replace("USER", user));
    String plan =
        ShippedPlan.of(portal, folder)
            .replace("action: switch-dns", "action: switch-connection-file")
            .replace(
                "{ switch: names, from: 198.51.100.10, to: 203.0.113.10, ttl: 60s }",
                "{ switch: connections, from: \"" + one + "\", to: \"" + two + "\" }")
            .replace(
                "{ switch: names, from: 203.0.113.10, to: 198.51.100.10, ttl: 60s }",
                "{ switch: connections, from: \"" + two + "\", to: \"" + one + "\" }")
            .replace("/srv/recovery/files", folder.resolve("region-b/files").toString());
    Files.writeString(
        folder.resolve("plan.yaml"), ShippedPlan.frozenBy(folder.resolve("frozen"), plan));
  }

  /** Where clients are led, writes have to be taken. */
  private Optional<String> serves() throws IOException, SQLException {
    try (Connection session =
            DriverManager.getConnection("jdbc:postgresql://" + place() + "/postgres", user, "");
        Statement statement = session.createStatement();
        ResultSet row = statement.executeQuery("SELECT pg_is_in_recovery()")) {
      row.next();
      return row.getBoolean(1) ? Optional.empty() : Optional.of("");
    }
  }

  private String place() throws IOException {
    return Files.readString(folder.resolve("place")).strip();
  }

  private static void remove(Path tree) throws IOException {
    try (Stream<Path> all = Files.walk(tree)) {
      for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(each);
      }
    }
  }

  private CommandRunner command() {
    return new CommandRunner(folder);
  }
}
