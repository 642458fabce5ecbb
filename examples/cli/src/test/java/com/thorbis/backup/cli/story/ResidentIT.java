package com.thorbis.backup.cli.story;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.thorbis.backup.cli.story.RecoveryStoryIT.Story;
import com.thorbis.backup.testkit.postgres.Pgbench;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** One process takes the backups that are due and captures log, until a signal stops it. */
class ResidentIT {
  private static final String SCHEDULE =
      """
          schedule: { full: "* * * * * UTC", window: 1m }
      """;

  @TempDir Path folder;

  @Test
  void itBacksUpAndCapturesUntilItIsToldToStop() throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.with("pgbench"))
            .dataDirectory(folder.resolve("data"))
            .start()) {
      server.execute("postgres", "CREATE DATABASE bench");
      Pgbench.on(server, "bench").init(1);
      Story story = new Story(folder, server, SCHEDULE);
      story.command.json("init", "--recovery-key-file", folder.resolve("recovery.key").toString());
      try (Command.Background one = story.command.start("--json", "run");
          Command.Background other = story.command.start("--json", "run")) {
        Command.await("a backup", () -> happened("finished", "main.full", one, other) > 0);
        Command.await("log", () -> happened("started", "main.wal", one, other) > 0);
        assertThat(happened("started", "main.wal", one, other)).isEqualTo(1);
        server.execute("bench", "CREATE TABLE written AS SELECT 1 AS id", "CHECKPOINT");
        story.awaitStored(Story.query(server, "SELECT pg_current_wal_lsn()"));
        Command.Result stopped = one.stop();
        assertThat(stopped.exit()).as(stopped.toString()).isZero();
        assertThat(stopped.json().path("stopped").asBoolean()).isTrue();
        assertThat(stopped.json().path("failed").asInt()).as(stopped.err()).isZero();
        Command.Result last = other.stop();
        assertThat(last.exit()).as(last.toString()).isZero();
        int finished =
            stopped.json().path("finished").asInt() + last.json().path("finished").asInt();
        JsonNode backups = story.command.json("list", "main").path("items");
        // Besides the backups the one that captured has finished.
        assertThat(backups).as(stopped + " " + last).hasSize(finished - 1);
        assertThat(backups.findValuesAsText("startedAt"))
            .extracting(at -> at.substring(0, "2026-01-02T03:04".length()))
            .doesNotHaveDuplicates();
        for (JsonNode backup : backups) {
          assertThat(backup.path("status").asText()).isEqualTo("complete");
        }
      }
    }
  }

  private static int happened(String event, String job, Command.Background... processes) {
    int found = 0;
    for (Command.Background process : processes) {
      try {
        String text = "{\"event\":\"" + event + "\",\"job\":\"" + job + "\"";
        found += process.err().split(Pattern.quote(text), -1).length - 1;
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    return found;
  }
}
