package com.thorbis.backup.cli.story;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.cli.story.RecoveryStoryIT.Story;
import com.thorbis.backup.testkit.postgres.Pgbench;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Processes killed at random moments, by the operating system and without a word, then started
 * again.
 */
class KilledProcessIT {
  private static final int KILLS = Boolean.getBoolean("thorbis.release") ? 20 : 3;

  @TempDir Path folder;

  private final long seed = Long.getLong("thorbis.seed", System.nanoTime());
  private final Random random = new Random(seed);
  private PostgresServer server;
  private Story story;

  @BeforeEach
  void serve() throws Exception {
    System.out.println("KilledProcessIT: -Dthorbis.seed=" + seed);
    server =
        PostgresServer.builder(PostgresBinaries.with("pgbench"))
            .dataDirectory(folder.resolve("data"))
            .checksums(true)
            .start();
    server.execute("postgres", "CREATE DATABASE bench");
    server.createTablespace("spare", folder.resolve("spare"));
    story = new Story(folder, server, "");
    story.command.json("init", "--recovery-key-file", folder.resolve("recovery.key").toString());
    Pgbench.on(server, "bench").init(2);
    server.execute(
        "bench",
        "CREATE TABLE elsewhere AS SELECT generate_series(1, 1000) AS id",
        "CREATE TABLE written (id bigserial PRIMARY KEY, filler text)",
        "CREATE EXTENSION amcheck");
  }

  @AfterEach
  void stop() throws Exception {
    server.close();
  }

  @Test
  void aKilledReceiverLosesNothingThatItAcknowledged() throws Exception {
    try (Command.Background first = story.command.start("wal", "receive", "main")) {
      story.awaitSlot();
      story.command.json("backup", "main");
      first.stop();
    }
    try (Writer writer = new Writer()) {
      for (int kill = 0; kill < KILLS; kill++) {
        try (Command.Background receiver = story.command.start("wal", "receive", "main")) {
          story.awaitSlot();
          TimeUnit.MILLISECONDS.sleep(random.nextInt(1500));
          receiver.kill();
        }
        Command.await(
            "the server noticed",
            () ->
                "0"
                    .equals(
                        Story.query(
                            server, "SELECT count(*) FROM pg_replication_slots WHERE active")));
        Lsn acknowledged =
            Lsn.parse(Story.query(server, "SELECT restart_lsn FROM pg_replication_slots"));
        assertStoredWithoutAHole(acknowledged, "after kill " + kill);
      }
    }
    try (Command.Background last = story.command.start("wal", "receive", "main")) {
      story.awaitSlot();
      server.execute("bench", "CHECKPOINT");
      Lsn written = Lsn.parse(Story.query(server, "SELECT pg_current_wal_lsn()"));
      story.awaitStored(written.toString());
      last.stop();
      assertStoredWithoutAHole(written, "at the end");
    }
    RecoveryStoryIT.Truth truth = story.truth();
    String written = server.query("bench", "SELECT count(*) || ' ' || sum(id) FROM written");
    server.stop();
    story.restoreAndCompare("recovered", truth, "--latest");
    assertThat(written).isNotBlank();
  }

  @Test
  void aKilledBackupIsNotListedAndTheNextOneSucceeds() throws Exception {
    try (Writer writer = new Writer()) {
      int complete = 0;
      for (int kill = 0; kill < KILLS; kill++) {
        try (Command.Background backup = story.command.start("backup", "main")) {
          TimeUnit.MILLISECONDS.sleep(200 + random.nextInt(2500));
          backup.kill();
        }
        for (JsonNode item : story.command.json("list", "main").path("items")) {
          assertThat(item.path("status").asText()).isIn("complete", "awaiting-wal");
        }
      }
      JsonNode next = story.command.json("backup", "main");
      assertThat(next.path("status").asText()).isEqualTo("complete");
      for (JsonNode item : story.command.json("list", "main").path("items")) {
        complete += item.path("status").asText().equals("complete") ? 1 : 0;
      }
      assertThat(complete).isPositive();
    }
    Command.Result verified = story.command.run("--json", "verify", "--level", "data");
    assertThat(verified.exit()).as(verified.toString()).isZero();
    assertThat(verified.json().path("damaged")).isEmpty();
  }

  /**
   * Two segments are stored at a time, so that a kill may leave a hole behind what was
   * acknowledged; the next receiver begins before it.
   */
  private void assertStoredWithoutAHole(Lsn upTo, String when) throws Exception {
    Lsn end = null;
    for (JsonNode range : story.command.json("wal", "show", "main").path("ranges")) {
      Lsn from = Lsn.parse(range.path("fromLsn").asText());
      if (end != null && !end.equals(from)) {
        break;
      }
      end = Lsn.parse(range.path("toLsn").asText());
    }
    assertThat(end).as("stored " + when).isNotNull().isGreaterThanOrEqualTo(upTo);
  }

  /** Commits rows until closed. */
  private final class Writer implements AutoCloseable {
    private final AtomicBoolean enough = new AtomicBoolean();
    private final Thread thread = new Thread(this::write, "writer");

    Writer() {
      thread.start();
    }

    private void write() {
      try (Connection connection = server.connect("bench");
          Statement statement = connection.createStatement()) {
        while (!enough.get()) {
          statement.execute(
              "INSERT INTO written (filler) SELECT repeat(md5(g::text), 20) FROM"
                  + " generate_series(1, 50) g");
        }
      } catch (SQLException e) {
        throw new IllegalStateException(e);
      }
    }

    @Override
    public void close() throws InterruptedException {
      enough.set(true);
      thread.join();
    }
  }
}
