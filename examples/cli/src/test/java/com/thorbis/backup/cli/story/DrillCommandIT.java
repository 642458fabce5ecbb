package com.thorbis.backup.cli.story;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.thorbis.backup.cli.story.RecoveryStoryIT.Story;
import com.thorbis.backup.dr.plan.PlanReader;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Drills as an operator does them, and one whose process is killed. */
class DrillCommandIT {
  private static final String DRILL =
      """
          drill:
            schedule: { at: yearly UTC, window: 360d }
            copy: each
            work-directory: %s
            sentinel: { database: bench, table: public.sentinel }
            assertions:
              - { name: rows, database: bench, query: "SELECT count(*) FROM kept", equals: 1000 }
          masking:
            - database: bench
              statements: ["UPDATE kept SET id = 0"]
              proof: "SELECT count(*) FROM kept WHERE id > 0"
      """;

  @TempDir Path folder;

  @Test
  void whatAKilledDrillLeftGoesAndTheNextOnePasses() throws Exception {
    Path work = Files.createDirectory(folder.resolve("work"));
    Files.setPosixFilePermissions(work, PosixFilePermissions.fromString("rwx--x--x"));
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("data"))
            .start()) {
      server.execute("postgres", "CREATE DATABASE bench");
      server.execute("bench", "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS id");
      Story story = new Story(folder, server, DRILL.formatted(work));
      Command command = story.command;
      command.json("init", "--recovery-key-file", folder.resolve("recovery.key").toString());
      Command.Background receiver = command.start("wal", "receive", "main");
      try {
        story.awaitSlot();
        String id = command.json("backup", "main").path("id").asText();
        String grants = command.json("check", "main", "--grants").at("/items/0/grants").asText();
        assertThat(grants).contains("-- For drills, in database bench:");
        for (String grant : grants.substring(grants.indexOf("CREATE TABLE")).split(";\n")) {
          server.execute("bench", grant);
        }
        assertThat(command.json("drill", "--write-sentinel").path("writtenAt").asText())
            .isNotEmpty();
        JsonNode plan = command.json("drill", "main", "--plan");
        assertThat(plan.at("/plan/backup").asText()).isEqualTo(id);
        assertThat(plan.at("/needsRetest/0").asText()).isEqualTo("no drill of it has passed yet");
        assertThat(list(work)).isEmpty();

        Command.Background killed = command.start("drill", "main");
        Command.await("its files are laid", () -> !list(work).isEmpty());
        killed.kill();
        assertThat(list(work)).isNotEmpty();

        // The one that was killed is not done, and one that is known by its evidence alone is.
        Command.Result due = command.run("run", "--once");
        assertThat(due.exit()).as(due.out() + due.err()).isZero();
        assertThat(due.out()).contains("finished main.drill");
        String copy = "file://" + folder + "/repo";
        assertThat(list(folder.resolve("state/drills/main")).stream().map(DrillCommandIT::text))
            .anyMatch(report -> report.contains("\"copy\":\"" + copy + "\""));
        Command.Result unknown = command.run("drill", "main", "--copy", "elsewhere");
        assertThat(unknown.exit()).isEqualTo(5);
        assertThat(unknown.err()).contains("No copy \"elsewhere\" is configured", copy);
        assertThat(list(work)).isEmpty();
        Files.move(folder.resolve("state/drills"), folder.resolve("lost"));
        Files.move(folder.resolve("state/schedule"), folder.resolve("lost/schedule"));
        assertThat(command.run("run", "--once").out()).doesNotContain("main.drill");

        JsonNode report = command.json("drill", "main");
        assertThat(report.path("verdict").asText()).isEqualTo("passed");
        assertThat(report.toString()).contains("\"check\":\"sentinel\"", "\"check\":\"rows\"");
        assertThat(list(work)).isEmpty();
        assertThat(list(folder.resolve("state/tables/main"))).isEmpty();

        // What it took is what a plan is held against.
        Path promised = folder.resolve("plan.yaml");
        Files.writeString(
            promised,
            PlanReader.example()
                .replaceAll("(source: |- id: |sources: \\[|from: )database\\b(?!-)", "$1main"));
        JsonNode checked = command.json("dr", "validate", promised.toString());
        assertThat(checked.path("findings").toString())
            .doesNotContain("procedures.point-in-time-recovery.steps.restore")
            .contains("procedures.cross-region-failover.steps.restore");

        JsonNode masked = command.json("dr", "test", "masked-recovery", "main");
        assertThat(masked.path("verdict").asText()).isEqualTo("passed");
        assertThat(masked.path("environment").asText()).isEqualTo("dr-test-secondary");
        assertThat(masked.toString()).contains("\"name\":\"masked-bench\"");
        assertThat(server.query("bench", "SELECT max(id) FROM kept")).isEqualTo("1000");
        assertThat(command.run("dr", "test", "masked-recovery", "nothing").err())
            .contains("There is no source nothing");

        // What was expected, two drills and the exercise.
        assertThat(command.json("list", "evidence").path("items")).hasSize(4);

        Command.Result verified = command.run("verify", id, "--level", "restore");
        assertThat(verified.exit()).as(verified.out() + verified.err()).isZero();
        assertThat(verified.out()).contains("detected: indexes", "passed");
        assertThat(
                command.json("status", "main").at("/sources/0/lastProvenRestore/backup").asText())
            .isEqualTo(id);
      } finally {
        receiver.stop();
      }
    }
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static List<Path> list(Path folder) {
    try (Stream<Path> found = Files.list(folder)) {
      return found.toList();
    } catch (NoSuchFileException e) {
      return List.of();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
