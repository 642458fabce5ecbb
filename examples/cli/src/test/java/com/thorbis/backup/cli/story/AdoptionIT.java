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
import java.util.stream.Stream;
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
  void w11ARestoredClusterTakesTheSourcesPlaceAndCanBeLostInTurn() throws Exception {
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
          "CREATE ROLE keeper LOGIN SUPERUSER REPLICATION PASSWORD '" + PASSWORD + "'",
          "CREATE ROLE modest LOGIN REPLICATION PASSWORD '" + PASSWORD + "'",
          "GRANT pg_read_all_settings TO modest",
          "ALTER SYSTEM SET wal_keep_size = '64MB'");
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

      as("modest");
      Command.Result modest = story.command.run("--json", "source", "adopt", "main");
      assertThat(modest.exit()).as(modest.toString()).isEqualTo(4);
      assertThat(modest.errorCode()).isEqualTo("adopt.still-fenced");
      assertThat(modest.json().at("/error/remedy").asText())
          .contains("ALTER SYSTEM RESET archive_mode;\n");
      assertThat(story.command.json("status").at("/sources/0/fenced").asBoolean()).isTrue();
      as("keeper");
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
    assertTheOriginalIsRefused(story);
    story.command.json(
        "restore",
        "main",
        "--target-dir",
        folder.resolve("first").toString(),
        "--backup",
        list.get(0).path("id").asText(),
        "--immediate");
  }

  /** It comes up again, with the same identity, when nobody counts on it any more. */
  private void assertTheOriginalIsRefused(Story story) throws Exception {
    String config = Files.readString(folder.resolve("thorbis.yaml"));
    try (PostgresServer original =
        PostgresServer.builder(story.server.binaries())
            .dataDirectory(folder.resolve("data"))
            .configDirectory(folder.resolve("etc"))
            .adopt()
            .start()) {
      pointTo(port(), original.port());
      for (String[] words : new String[][] {{"backup", "main"}, {"wal", "receive", "main"}}) {
        Command.Result refused = story.command.run(join("--json", words));
        assertThat(refused.exit()).as(refused.toString()).isEqualTo(4);
        assertThat(refused.errorCode()).isEqualTo("source.abandoned");
      }
      Command.Result checked = story.command.run("check", "main");
      assertThat(checked.exit()).isEqualTo(1);
      assertThat(checked.out()).contains("postgres.descent");
    } finally {
      Files.writeString(folder.resolve("thorbis.yaml"), config);
    }
  }

  private static String[] join(String first, String[] more) {
    return Stream.concat(Stream.of(first), Stream.of(more)).toArray(String[]::new);
  }

  private void as(String role) throws Exception {
    Path config = folder.resolve("thorbis.yaml");
    Files.writeString(
        config, Files.readString(config).replaceAll("user: (keeper|modest)", "user: " + role));
  }

  private void assertFencedUntilAdopted(Story story) throws Exception {
    Command.Result checked = story.command.run("check", "main");
    assertThat(checked.exit()).isEqualTo(1);
    assertThat(checked.out()).contains("FENCED: NOT PROTECTED").contains("source adopt");
    assertThat(story.command.json("status").at("/sources/0/fenced").asBoolean()).isTrue();
    assertThat(story.command.run("status").out()).contains("main: FENCED: NOT PROTECTED");
    for (String[] words : new String[][] {{"backup", "main"}, {"wal", "receive", "main"}}) {
      Command.Result refused = story.command.run(join("--json", words));
      assertThat(refused.exit()).as(refused.toString()).isEqualTo(4);
      assertThat(refused.errorCode()).isEqualTo("source.fenced");
    }
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
