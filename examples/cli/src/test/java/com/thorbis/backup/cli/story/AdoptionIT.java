package com.thorbis.backup.cli.story;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.thorbis.backup.cli.story.RecoveryStoryIT.Story;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The server is gone for good, and the restored one takes its place: fenced until it is adopted,
 * protected from then on. Its configuration lies outside the data directory, as Debian lays it.
 */
class AdoptionIT {
  private static final String PASSWORD = "a-keeper-of-backups";

  @TempDir Path folder;

  @Test
  void aRestoredClusterTakesTheSourcesPlaceAndCanBeLostInTurn() throws Exception {
    Path data = folder.resolve("restored");
    Story story;
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.with("pgbench"))
            .dataDirectory(folder.resolve("data"))
            .configDirectory(folder.resolve("etc"))
            .checksums(true)
            .start()) {
      server.execute(
          "postgres",
          "CREATE DATABASE bench",
          "CREATE ROLE keeper LOGIN SUPERUSER REPLICATION PASSWORD '" + PASSWORD + "'");
      story = new Story(folder, server, "").with("KEEPER_PASSWORD", PASSWORD);
      Path config = folder.resolve("thorbis.yaml");
      Files.writeString(
          config,
          Files.readString(config)
              .replace("user: postgres", "user: keeper\n    password: ${env:KEEPER_PASSWORD}"));
      story.command.json("init", "--recovery-key-file", folder.resolve("recovery.key").toString());
      JsonNode before = story.command.json("status").at("/sources/0");
      assertThat(before.path("windows")).isEmpty();
      assertThat(before.path("fenced").asBoolean()).isFalse();
      try (Command.Background receiver = story.command.start("wal", "receive", "main")) {
        story.awaitSlot();
        story.command.json("backup", "main");
        server.execute("bench", "CREATE TABLE kept AS SELECT generate_series(1, 100) AS id");
        server.query("bench", "SELECT pg_switch_wal()");
        story.awaitStored(Story.query(server, "SELECT pg_current_wal_lsn()"));
        receiver.stop();
      }
      server.stop();

      JsonNode report =
          story.command.json("restore", "main", "--target-dir", data.toString(), "--start");
      pointTo(server.port(), report.path("port").asInt());
      assertThat(report.at("/reached/timeline").asInt()).isEqualTo(2);
    }
    try {
      assertFencedUntilAdopted(story);

      JsonNode adopted = story.command.json("source", "adopt", "main");
      assertThat(adopted.path("forkTimeline").asInt()).isEqualTo(1);
      assertThat(adopted.at("/backup/status").asText()).isEqualTo("complete");
      assertThat(adopted.at("/backup/timeline").asInt()).isEqualTo(2);
      assertThat(story.command.json("status").at("/sources/0/fenced").asBoolean()).isFalse();

      assertThat(count(port())).isEqualTo("100");
      execute(port(), "INSERT INTO kept SELECT generate_series(101, 150)");
      story.command.json("backup", "main");
    } finally {
      Story.stop(data);
    }
    Path again = folder.resolve("again");
    JsonNode report =
        story.command.json("restore", "main", "--target-dir", again.toString(), "--start");
    try {
      assertThat(count(report.path("port").asInt())).isEqualTo("150");
    } finally {
      Story.stop(again);
    }
    // The cluster of the first life can still be brought back to a moment of its own.
    JsonNode list = story.command.json("list", "main").path("items");
    assertThat(list).hasSize(3);
    story.command.json(
        "restore",
        "main",
        "--target-dir",
        folder.resolve("first").toString(),
        "--backup",
        list.get(0).path("id").asText(),
        "--immediate");
  }

  private void assertFencedUntilAdopted(Story story) throws Exception {
    Command.Result checked = story.command.run("check", "main");
    assertThat(checked.exit()).isEqualTo(1);
    assertThat(checked.out()).contains("FENCED: NOT PROTECTED").contains("source adopt");
    assertThat(story.command.json("status").at("/sources/0/fenced").asBoolean()).isTrue();
    assertThat(story.command.run("status").out()).contains("main: FENCED: NOT PROTECTED");
  }

  private int port() throws Exception {
    String config = Files.readString(folder.resolve("thorbis.yaml"));
    return Integer.parseInt(config.replaceAll("(?s).*127\\.0\\.0\\.1:([0-9]+)/.*", "$1"));
  }

  private void pointTo(int before, int after) throws Exception {
    Path config = folder.resolve("thorbis.yaml");
    Files.writeString(
        config, Files.readString(config).replace(":" + before + "/", ":" + after + "/"));
  }

  private static String count(int port) throws Exception {
    try (Connection connection = connect(port);
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery("SELECT count(DISTINCT id) FROM kept")) {
      row.next();
      return row.getString(1);
    }
  }

  private static void execute(int port, String sql) throws Exception {
    try (Connection connection = connect(port);
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  private static Connection connect(int port) throws Exception {
    return DriverManager.getConnection(
        "jdbc:postgresql://127.0.0.1:" + port + "/bench", "keeper", PASSWORD);
  }
}
