package com.thorbis.backup.cli.story;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.thorbis.backup.cli.story.RecoveryStoryIT.Story;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A server that waits for the receiver before it confirms a commit is lost at a random moment, with
 * the receiver or without. What a client saw committed is recovered from the repository alone.
 */
class ZeroLossIT {
  private static final int KILLS = Boolean.getBoolean("thorbis.release") ? 100 : 3;
  private static final int CLIENTS = 4;
  private static final int NEW_BASE_EVERY = 10;

  @TempDir Path folder;

  private final long seed = Long.getLong("thorbis.seed", System.nanoTime());
  private final Random random = new Random(seed);

  /** What clients saw committed. */
  private final Set<Long> seen = ConcurrentHashMap.newKeySet();

  private long attempts;

  @Test
  void everyCommitThatAClientSawSurvivesTheServerAndTheReceiver() throws Exception {
    System.out.println("ZeroLossIT: -Dthorbis.seed=" + seed);
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("data"))
            .walSegmentMebibytes(1)
            .start()) {
      server.execute("postgres", "CREATE DATABASE bench");
      server.execute(
          "bench",
          "CREATE TABLE ledger (entry bigint PRIMARY KEY)",
          "CREATE TABLE bulk (filler text)");
      Story story = new Story(folder, server, "");
      story.command.json("init", "--recovery-key-file", folder.resolve("recovery.key").toString());
      int inJournal = 0;
      for (int kill = 0; kill < KILLS; kill++) {
        try (Command.Background receiver =
            story.command.start("wal", "receive", "main", "--synchronous")) {
          story.awaitSlot();
          if (kill % NEW_BASE_EVERY == 0) {
            story.command.json("backup", "main");
          }
          server.execute(
              "postgres",
              "ALTER SYSTEM SET synchronous_standby_names = '\"thorbis-main\"'",
              "SELECT pg_reload_conf()");
          Command.await(
              "the server waits for the receiver",
              () ->
                  "sync".equals(Story.query(server, "SELECT sync_state FROM pg_stat_replication")));
          lose(server, receiver, kill);
        }
        if (journalHoldsSomething()) {
          inJournal++;
          shipJournal(story);
        }
        Set<Long> recovered = recover(story, folder.resolve("recovered-" + kill));
        Set<Long> missing = new HashSet<>(seen);
        missing.removeAll(recovered);
        assertThat(missing).as("lost with kill " + kill + " of seed " + seed).isEmpty();
        server.start();
      }
      assertThat(seen).hasSizeGreaterThan(KILLS);
      String line =
          "zero-loss: servers killed that waited for the receiver: "
              + KILLS
              + ", commits that clients saw: "
              + seen.size()
              + ", times some were in the journal alone: "
              + inJournal
              + ", lost: 0, seed: "
              + seed;
      System.out.println(line);
      if (Boolean.getBoolean("thorbis.release")) {
        Path report = Files.createDirectories(Path.of("target", "release-report"));
        Files.writeString(report.resolve("zero-loss.md"), "* " + line + "\n");
      }
    }
  }

  /** Commits until the server is killed: before the receiver, after it, or without it. */
  private void lose(PostgresServer server, Command.Background receiver, int kill) throws Exception {
    int before = seen.size();
    List<Thread> clients = new ArrayList<>();
    for (int i = 0; i < CLIENTS; i++) {
      clients.add(new Thread(() -> commit(server), "client-" + i));
    }
    clients.forEach(Thread::start);
    Command.await("commits are seen", () -> seen.size() > before);
    TimeUnit.MILLISECONDS.sleep(random.nextInt(1500));
    switch (kill % 3) {
      case 0 -> {
        server.kill9();
        TimeUnit.MILLISECONDS.sleep(random.nextInt(20));
        receiver.kill();
      }
      case 1 -> {
        receiver.kill();
        TimeUnit.MILLISECONDS.sleep(random.nextInt(200));
        server.kill9();
      }
      default -> {
        server.kill9();
        receiver.stop();
      }
    }
    for (Thread client : clients) {
      client.join();
    }
  }

  private void commit(PostgresServer server) {
    try (Connection connection = server.connect("bench");
        PreparedStatement entry = connection.prepareStatement("INSERT INTO ledger VALUES (?)");
        PreparedStatement bulk =
            connection.prepareStatement(
                "INSERT INTO bulk SELECT repeat(md5(g::text), 20) FROM generate_series(1, 20) g")) {
      while (true) {
        long number = next();
        if (number % 5 == 0) {
          bulk.execute();
        }
        entry.setLong(1, number);
        entry.execute();
        seen.add(number);
      }
    } catch (SQLException e) {
      return; // the server is gone, and whether the last entry was committed is not known
    }
  }

  private synchronized long next() {
    return ++attempts;
  }

  private boolean journalHoldsSomething() throws IOException {
    Path journal = folder.resolve("state/journal");
    if (!Files.isDirectory(journal)) {
      return false;
    }
    try (Stream<Path> files = Files.walk(journal)) {
      return files.anyMatch(file -> file.toString().endsWith(".wal"));
    }
  }

  /** A receiver that never reaches the server ships what the one before acknowledged. */
  private void shipJournal(Story story) throws Exception {
    try (Command.Background receiver =
        story.command.start("wal", "receive", "main", "--synchronous")) {
      Command.await(
          "the journal is shipped",
          () -> {
            try {
              return !journalHoldsSomething();
            } catch (IOException e) {
              return false; // a file went while we looked
            }
          });
    }
  }

  private Set<Long> recover(Story story, Path data) throws Exception {
    JsonNode report =
        story.command.json(
            "restore", "main", "--target-dir", data.toString(), "--latest", "--start");
    Set<Long> entries = new HashSet<>();
    try (Connection restored =
            DriverManager.getConnection(
                "jdbc:postgresql://127.0.0.1:" + report.path("port").asInt() + "/bench",
                story.server.superuser(),
                null);
        Statement statement = restored.createStatement();
        ResultSet rows = statement.executeQuery("SELECT entry FROM ledger")) {
      while (rows.next()) {
        entries.add(rows.getLong(1));
      }
    } finally {
      Story.stop(data);
    }
    try (Stream<Path> all = Files.walk(data)) {
      for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(each);
      }
    }
    return entries;
  }
}
