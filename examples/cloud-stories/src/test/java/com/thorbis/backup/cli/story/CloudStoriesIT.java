package com.thorbis.backup.cli.story;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.thorbis.backup.cli.story.RecoveryStoryIT.Story;
import com.thorbis.backup.cli.story.RecoveryStoryIT.Truth;
import com.thorbis.backup.testkit.cloud.HttpFaultProxy;
import com.thorbis.backup.testkit.cloud.HttpFaultProxy.Fault;
import com.thorbis.backup.testkit.cloud.S3Server;
import com.thorbis.backup.testkit.postgres.Pgbench;
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
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The main job with the repository in a bucket: a table is lost, and comes back. */
class CloudStoriesIT {
  private static final long SEED = Long.getLong("thorbis.seed", 20_261_126L);
  private static final String SERVER_TIME =
      "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";

  private static S3Server s3Server;

  @TempDir Path folder;

  @BeforeAll
  static void startServer() throws IOException {
    s3Server = S3Server.s3Proxy();
  }

  @AfterAll
  static void stopServer() throws IOException {
    s3Server.close();
  }

  @Test
  void aLostTableComesBackFromS3() throws Exception {
    try (Cloud s3 = Cloud.s3(s3Server, "acme-backups")) {
      loseATableAndRecover(s3, s3.endpoint());
      assertThat(s3.openUploads()).isZero();
    }
  }

  @Test
  void aLostTableComesBackFromGoogle() throws Exception {
    try (Cloud gcs = Cloud.gcs()) {
      loseATableAndRecover(gcs, gcs.endpoint());
      assertThat(gcs.openUploads()).isZero();
    }
  }

  @Test
  void aLostTableComesBackFromAzure() throws Exception {
    try (Cloud azure = Cloud.azure()) {
      loseATableAndRecover(azure, azure.endpoint());
      assertThat(azure.openUploads()).isZero();
    }
  }

  @Test
  void aLostTableComesBackWhereOneRequestInTwentyFails() throws Exception {
    try (Cloud s3 = Cloud.s3(s3Server, "acme-backups-far");
        HttpFaultProxy proxy = HttpFaultProxy.before(s3.endpoint())) {
      List<Fault> faults =
          List.of(
              Fault.lostRequest(),
              Fault.cutRequest(1000),
              Fault.lostAnswer(),
              Fault.cutAnswer(1000),
              Fault.duplicate(),
              Fault.late(1),
              Fault.answer(503, "<Error><Code>SlowDown</Code></Error>", "Retry-After: 0"),
              Fault.answer(500, "<Error><Code>InternalError</Code></Error>"),
              Fault.answerAfterwards(500, "<Error><Code>InternalError</Code></Error>"));
      AtomicInteger struck = new AtomicInteger();
      proxy.script(
          request -> {
            Random random = new Random(SEED * 1_000_003 + request.number());
            random.nextInt(); // the first one of neighbours is alike
            if (random.nextInt(20) != 0) {
              return Fault.none();
            }
            struck.incrementAndGet();
            return faults.get(random.nextInt(faults.size()));
          });
      loseATableAndRecover(s3, proxy.endpoint());
      assertThat(struck.get()).as("seed " + SEED).isGreaterThan(10);
    }
  }

  private void loseATableAndRecover(Cloud cloud, URI endpoint) throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.with("pg_checksums"))
            .dataDirectory(folder.resolve("data"))
            .checksums(true)
            .start()) {
      server.execute("postgres", "CREATE DATABASE bench");
      server.createTablespace("spare", folder.resolve("spare")); // which a story lays elsewhere
      Story story =
          new Story(
              folder,
              server,
              "",
              "replication",
              cloud.copy(endpoint, folder),
              new Command(launcher(), folder, Map.of()));
      story.command.json("init", "--recovery-key-file", folder.resolve("recovery.key").toString());
      JsonNode checked = story.command.json("check", "main");
      assertThat(checked.toString())
          .contains(cloud.scheme() + "://")
          .contains("\"ok\"")
          .doesNotContain("\"fail\"");
      Pgbench bench = Pgbench.on(server, "bench");
      bench.init(1);
      server.execute(
          "bench",
          "CREATE TABLE elsewhere (id int PRIMARY KEY) TABLESPACE spare",
          "INSERT INTO elsewhere SELECT generate_series(1, 1000)",
          "CREATE EXTENSION amcheck");
      try (Command.Background receiver = story.command.start("wal", "receive", "main")) {
        story.awaitSlot();
        JsonNode backup = story.command.json("backup", "main");
        assertThat(backup.path("status").asText()).isEqualTo("complete");
        server.execute(
            "bench",
            "CREATE TABLE orders (id int PRIMARY KEY, note text)",
            "INSERT INTO orders SELECT id, 'order ' || id FROM generate_series(1, 5000) id");
        bench.run(200, 2);
        Truth truth = story.truth();
        Instant beforeTheLoss = Instant.parse(server.query("bench", SERVER_TIME));
        server.execute(
            "bench", "INSERT INTO orders VALUES (5001, 'too late')", "DROP TABLE orders");
        server.query("bench", "SELECT pg_switch_wal()");
        story.awaitStored(server.query("bench", "SELECT pg_current_wal_lsn()"));
        server.stop();
        assertThat(receiver.alive()).as(receiver.err()).isTrue();
        assertThat(receiver.stop().exit()).as(receiver.err()).isZero();

        JsonNode report =
            story.restoreAndCompare(
                "undone",
                truth,
                port ->
                    assertThat(
                            query(
                                port,
                                "SELECT count(*) || ' to ' || max(id) || ', ' || count(DISTINCT"
                                    + " note) FROM orders"))
                        .isEqualTo("5000 to 5000, 5000"),
                "--to-time",
                beforeTheLoss.toString());
        assertThat(Instant.parse(report.at("/reached/time").asText())).isBefore(beforeTheLoss);
        JsonNode verified = story.command.json("verify");
        assertThat(verified.path("checked").asLong()).isGreaterThan(10);
        assertThat(verified.path("damaged")).isEmpty();
      }
    }
  }

  private static String query(int port, String sql) throws SQLException {
    try (Connection restored =
            DriverManager.getConnection(
                "jdbc:postgresql://127.0.0.1:" + port + "/bench", "postgres", null);
        Statement statement = restored.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      rows.next();
      return rows.getString(1);
    }
  }

  /**
   * The command with every store on its class path, and the memory that {@code bin/thorbis} has.
   */
  private Path launcher() throws IOException {
    Path launcher = folder.resolve("thorbis");
    Files.writeString(
        launcher,
        """
        #!/bin/sh
        exec '%s/bin/java' -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '%s' com.thorbis.backup.cli.Main "$@"
        """
            .formatted(
                System.getProperty("java.home"),
                Files.readString(Path.of(System.getProperty("thorbis.class-path"))).strip()));
    return Files.setPosixFilePermissions(launcher, PosixFilePermissions.fromString("rwxr-xr-x"));
  }
}
