package com.thorbis.backup.cli.story;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.thorbis.backup.cli.story.RecoveryStoryIT.Story;
import com.thorbis.backup.testkit.postgres.Pgbench;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A cluster larger than the 256 MiB of heap that the launcher gives every command: of 3 GB before a
 * release, of a fifth of that otherwise.
 */
class SmallHeapIT {
  private static final boolean RELEASE = Boolean.getBoolean("thorbis.release");
  private static final int SCALE = RELEASE ? 210 : 42;
  private static final long BYTES = RELEASE ? 3_000_000_000L : 600_000_000L;

  @TempDir Path folder;

  @Test
  void aClusterLargerThanTheHeapIsBackedUpVerifiedAndRestored() throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.with("pgbench"))
            .dataDirectory(folder.resolve("data"))
            .checksums(true)
            .start()) {
      server.execute("postgres", "CREATE DATABASE bench");
      Pgbench.on(server, "bench").init(SCALE);
      Story story = new Story(folder, server, "");
      story.command.json("init", "--recovery-key-file", folder.resolve("recovery.key").toString());
      JsonNode backup = story.command.json("backup", "main");
      assertThat(backup.path("status").asText()).isEqualTo("complete");
      assertThat(backup.path("bytesRead").asLong()).isGreaterThan(BYTES);
      server.stop();
      JsonNode verified = story.command.json("verify", "--level", "data");
      assertThat(verified.path("damaged")).isEmpty();
      JsonNode restored =
          story.command.json(
              "restore", "main", "--target-dir", folder.resolve("back").toString(), "--immediate");
      assertThat(restored.path("bytesWritten").asLong()).isGreaterThan(BYTES);
      Path report = Path.of("target/release-report/small-heap.md");
      if (RELEASE) {
        Files.createDirectories(report.getParent());
        Files.writeString(
            report,
            "* Small heap: "
                + backup.path("bytesRead").asLong()
                + " bytes backed up, verified and restored with a heap of 256 MiB\n");
      }
    }
  }

  @Test
  void logInLongSegmentsIsReceivedBackedUpOverAndReplayed() throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.with("pgbench"))
            .dataDirectory(folder.resolve("data"))
            .walSegmentMebibytes(64)
            .checksums(false)
            .start()) {
      server.execute("postgres", "CREATE DATABASE bench");
      server.execute("bench", "CREATE TABLE t (id serial, t text)");
      Story story = new Story(folder, server, "");
      story.command.json("init", "--recovery-key-file", folder.resolve("recovery.key").toString());
      String fill =
          "INSERT INTO t (t) SELECT repeat(md5(g::text), 20) FROM generate_series(1, 30000) g";
      try (Command.Background receiver = story.command.start("wal", "receive", "main")) {
        story.awaitSlot();
        story.command.json("backup", "main");
        for (int i = 0; i < 4; i++) {
          server.execute("bench", fill);
        }
        story.awaitStored(Story.query(server, "SELECT pg_current_wal_flush_lsn()"));
        receiver.kill(); // inside of a segment
      }
      try (Command.Background receiver = story.command.start("wal", "receive", "main")) {
        server.execute("bench", fill);
        story.awaitStored(Story.query(server, "SELECT pg_current_wal_flush_lsn()"));
        JsonNode next = story.command.json("backup", "main", "--type", "incremental");
        assertThat(next.path("type").asText()).isEqualTo("incremental");
        server.execute("bench", fill, "SELECT pg_switch_wal()");
        story.awaitStored(Story.query(server, "SELECT pg_current_wal_flush_lsn()"));
        assertThat(receiver.alive()).as(receiver.err()).isTrue();
        receiver.stop();
      }
      server.stop();
      Path back = folder.resolve("back");
      JsonNode restored =
          story.command.json(
              "restore",
              "main",
              "--target-dir",
              back.toString(),
              "--backup",
              story.command.json("list", "main").at("/items/0/id").asText(),
              "--start");
      try {
        assertThat(story.count(restored.path("port").asInt(), "t")).isEqualTo("180000");
      } finally {
        Story.stop(back);
      }
    }
  }
}
