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
}
