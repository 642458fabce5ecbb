package com.thorbis.backup.cli.story;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.thorbis.backup.cli.story.RecoveryStoryIT.Story;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A database, the files that its rows speak of, and secrets: lost together, back by one id. */
class RecoveryPointIT {
  @TempDir Path folder;

  @Test
  void everythingComesBackByOneIdAndRowsAndFilesAreCompared() throws Exception {
    Path uploads = Files.createDirectory(folder.resolve("uploads"));
    Path env = folder.resolve("app.env");
    Files.writeString(env, "API_KEY=one\n");
    Path restored = folder.resolve("back");
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("data"))
            .start()) {
      server.execute("postgres", "CREATE DATABASE bench");
      server.execute(
          "bench",
          "CREATE TABLE attachments (path text)",
          "INSERT INTO attachments SELECT 'a/' || n || '.txt' FROM generate_series(1, 100) n",
          "INSERT INTO attachments VALUES (NULL), ('a/1.txt'), ('gone.txt')");
      Files.createDirectory(uploads.resolve("a"));
      for (int n = 1; n <= 100; n++) {
        Files.writeString(uploads.resolve("a/" + n + ".txt"), "file " + n);
      }
      Files.writeString(uploads.resolve("nobody's.txt"), "no row");
      Story story =
          new Story(
              folder,
              server,
              """
                uploads: { type: files, paths: %s }
                tokens: { type: secrets, places: [ { name: app, kind: env-file, path: %s } ] }
                shop:
                  type: recovery-point
                  members: [tokens, uploads, main]
                  reconcile: { query: select path from attachments, files: uploads, prefix: %s/ }
              """
                  .formatted(uploads, env, uploads.toString().substring(1)));
      Command command = story.command;
      command.json("init", "--recovery-key-file", folder.resolve("recovery.key").toString());

      JsonNode point = command.json("recovery-point", "create", "shop");
      assertThat(point.at("/members/0/source").asText()).isEqualTo("main");
      assertThat(point.at("/members/0/position").asText()).matches("[0-9A-F]+/[0-9A-F]+");
      String id = point.path("id").asText();

      // All that comes later is not of this point.
      server.execute("bench", "DELETE FROM attachments WHERE path = 'a/2.txt'");
      Files.delete(uploads.resolve("a/2.txt"));
      Files.writeString(uploads.resolve("a/1.txt"), "another");
      Files.writeString(env, "API_KEY=two\n");
      command.json("backup", "uploads");

      JsonNode report =
          command.json(
              "recovery-point", "restore", id, "--target-dir", restored.toString(), "--start");
      assertThat(report.path("done").asBoolean()).isTrue();
      assertThat(report.at("/members/0/restore/reached/lsn").asText()).contains("/");
      int port = report.at("/members/0/restore/port").asInt();
      Path back = restored.resolve("uploads").resolve(uploads.toString().substring(1));
      assertThat(back.resolve("a/1.txt")).hasContent("file 1");
      assertThat(back.resolve("a/2.txt")).hasContent("file 2");
      try {
        Command.Result compared =
            command.run(
                "--json",
                "recovery-point",
                "reconcile",
                id,
                "--into",
                "jdbc:postgresql://127.0.0.1:" + port + "/bench",
                "--user",
                server.superuser());
        assertThat(compared.exit()).as(compared.out() + compared.err()).isEqualTo(3);
        Command.Result told =
            command.run(
                "recovery-point",
                "reconcile",
                id,
                "--into",
                "jdbc:postgresql://127.0.0.1:" + port + "/bench?password=planted-3xQ");
        assertThat(told.exit()).isEqualTo(2);
        assertThat(told.out() + told.err()).doesNotContain("planted-3xQ");
        JsonNode found = compared.json();
        assertThat(found.path("rows").asLong()).isEqualTo(103);
        assertThat(found.path("rowsWithoutPath").asLong()).isEqualTo(1);
        assertThat(found.path("files").asLong()).isEqualTo(101);
        assertThat(found.path("missingPaths").toString()).isEqualTo("[\"gone.txt\"]");
        assertThat(found.path("orphanPaths").toString()).isEqualTo("[\"nobody's.txt\"]");
      } finally {
        Story.stop(restored.resolve("main"));
      }

      Command.Result again =
          command.run("recovery-point", "restore", id, "--target-dir", restored.toString());
      assertThat(again.exit()).isEqualTo(4);
      List<String> words =
          List.of(report.at("/members/1/command").asText().replace("PLACE", "app").split(" "));
      Files.delete(env);
      command.json(words.toArray(String[]::new));
      assertThat(env).hasContent("API_KEY=one");
    }
  }
}
