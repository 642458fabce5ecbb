package com.thorbis.backup.cli.story;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.thorbis.backup.testkit.postgres.Pgbench;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.IntSummaryStatistics;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The main job on every major: back up a live server, stream its WAL, lose it, and recover it to
 * moments whose truth was written down when they passed.
 */
class RecoveryStoryIT {
  /** The whole load before a release, a short one otherwise. */
  private static final boolean RELEASE = Boolean.getBoolean("thorbis.release");

  @TempDir Path folder;

  /**
   * Every major before a release; otherwise that with client tools, and by chance the oldest or the
   * newest.
   */
  static Stream<PostgresBinaries> servers() {
    String only = System.getProperty("thorbis.major", "");
    boolean oldest = new Random(Long.getLong("thorbis.seed", System.nanoTime())).nextBoolean();
    IntSummaryStatistics majors =
        PostgresBinaries.all().stream().mapToInt(PostgresBinaries::major).summaryStatistics();
    return PostgresBinaries.all().stream()
        .filter(
            binaries ->
                only.isEmpty()
                    ? RELEASE
                        || binaries.has("pg_verifybackup")
                        || binaries.major() == (oldest ? majors.getMin() : majors.getMax())
                    : only.equals("" + binaries.major()));
  }

  @ParameterizedTest
  @MethodSource("servers")
  void everyKindOfTargetIsReachedExactly(PostgresBinaries binaries) throws Exception {
    boolean big = RELEASE || binaries.has("pg_verifybackup");
    int scale = RELEASE ? 20 : big ? 5 : 1;
    Duration load = RELEASE ? Duration.ofSeconds(30) : Duration.ofSeconds(big ? 6 : 3);
    try (PostgresServer server =
        PostgresServer.builder(binaries)
            .dataDirectory(folder.resolve("data"))
            .checksums(true)
            .start()) {
      server.execute("postgres", "CREATE DATABASE bench");
      Path spare = folder.resolve("spare");
      server.createTablespace("spare", spare);
      boolean local = binaries.major() % 2 == 0;
      Story story =
          new Story(
              folder,
              server,
              local ? "    data-directory: " + server.dataDirectory() : "",
              local ? "local" : "replication");
      story.command.json("init", "--recovery-key-file", folder.resolve("recovery.key").toString());
      Pgbench bench = Pgbench.on(server, "bench");
      bench.init(scale);
      server.execute(
          "bench",
          "CREATE TABLE elsewhere (id int PRIMARY KEY) TABLESPACE spare",
          "INSERT INTO elsewhere SELECT generate_series(1, 1000)",
          "CREATE EXTENSION amcheck");

      try (Command.Background receiver = story.command.start("wal", "receive", "main")) {
        story.awaitSlot();
        JsonNode backup = story.command.json("backup", "main", "--label", "the first");
        assertThat(backup.path("status").asText()).isEqualTo("complete");
        assertThat(backup.path("type").asText()).isEqualTo("full");
        bench.run(load, 2);

        Truth named = story.truth();
        server.query("bench", "SELECT pg_create_restore_point('before the flood')");
        bench.run(50, 2);

        Truth timed = story.truth();
        Instant time = Instant.parse(server.query("bench", SERVER_TIME));
        bench.run(50, 2);

        Truth positioned = story.truth();
        String lsn = server.query("bench", "SELECT pg_current_wal_insert_lsn()");
        bench.run(load, 2);
        Truth last = story.truth();
        server.execute("bench", "CREATE TABLE doomed AS SELECT 1 AS id");
        Instant beforeTheDrop = Instant.parse(server.query("bench", SERVER_TIME));
        server.execute("bench", "DROP TABLE doomed");
        server.query("bench", "SELECT pg_switch_wal()");
        String end = server.query("bench", "SELECT pg_current_wal_lsn()");
        story.awaitStored(end);
        String dump = story.dump(server.port());
        server.stop();
        assertThat(receiver.alive()).as(receiver.err()).isTrue();
        receiver.stop();

        story.restoreAndCompare("named", named, "--to-name", "before the flood");
        story.restoreAndCompare("timed", timed, "--to-time", time.toString());
        story.restoreAndCompare("positioned", positioned, "--to-lsn", lsn, "--exclusive");
        story.restoreAndCompare(
            "latest",
            last,
            port -> {
              assertThat(story.dump(port)).isEqualTo(dump);
              story.checkEverything(port);
            },
            "--latest");
        JsonNode undone =
            story.restoreAndCompare(
                "undone",
                last,
                port ->
                    assertThat(story.count(port, "pg_class WHERE relname = 'doomed'"))
                        .isEqualTo("1"),
                "--to-time",
                beforeTheDrop.toString());
        assertThat(undone.path("next").toString())
            .contains("doomed")
            .contains("pg_wal_replay_resume()");
        story.restoreServeAndCompare("by-hand", named, "--to-name", "before the flood");
      }
    }
  }

  private static final String SERVER_TIME =
      "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";

  /** What was committed at a moment at which nobody wrote. */
  record Truth(String history, String accounts, String tellers, String branches) {}

  /** A look at a restored server. */
  interface Look {
    void at(int port) throws Exception;
  }

  /** One configured source and its repository. */
  static final class Story {
    final Command command;
    final PostgresServer server;
    private final Path folder;

    Story(Path folder, PostgresServer server, String more) throws IOException {
      this(folder, server, more, "replication");
    }

    Story(Path folder, PostgresServer server, String more, String reader) throws IOException {
      this(
          folder,
          server,
          more,
          reader,
          "uri: file://" + folder + "/repo",
          new Command(folder, Map.of()));
      Files.createDirectory(folder.resolve("repo"));
    }

    /** With a copy as the configuration names it. */
    Story(
        Path folder,
        PostgresServer server,
        String more,
        String reader,
        String copy,
        Command command)
        throws IOException {
      this.folder = folder;
      this.server = server;
      // Restored servers of root run as another account, which must get this far.
      Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwx--x--x"));
      Path secret = folder.resolve("passphrase.txt");
      Files.createFile(
          secret,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
      Files.writeString(secret, "correct horse battery staple\n");
      Files.writeString(
          folder.resolve("thorbis.yaml"),
          """
          state-directory: %1$s/state
          repository:
            copies:
              - %7$s
            encryption:
              recipients:
                - uri: passphrase:ops
                  passphrase: ${file:%1$s/passphrase.txt}
                - uri: 'recovery:'
          sources:
            main:
              type: postgres
              url: %2$s
              user: %3$s
              reader: %6$s
              bin-directory: %4$s
              wal: { mode: stream, ship-interval: 1s }
          %5$s
          """
              .formatted(
                  folder,
                  server.jdbcUrl("bench").replaceAll("\\?.*", ""),
                  server.superuser(),
                  server.binaries().binDirectory(),
                  more,
                  reader,
                  copy.replace("\n", "\n      ")));
      this.command = command.with("THORBIS_CONFIG", folder + "/thorbis.yaml");
    }

    private Story(Story other, Command command) {
      this.folder = other.folder;
      this.server = other.server;
      this.command = command;
    }

    /** The same story under another environment. */
    Story with(String name, String value) {
      return new Story(this, command.with(name, value));
    }

    void awaitSlot() throws InterruptedException {
      Command.await(
          "the receiver streams",
          () ->
              "1".equals(query(server, "SELECT count(*) FROM pg_replication_slots WHERE active")));
    }

    /** Until everything before a position is acknowledged as durable. */
    void awaitStored(String position) throws InterruptedException {
      Command.await(
          "WAL is stored up to " + position,
          () ->
              "t"
                  .equals(
                      query(
                          server,
                          "SELECT coalesce(bool_or(restart_lsn >= '"
                              + position
                              + "'), false) FROM pg_replication_slots")));
    }

    Truth truth() throws SQLException {
      try (Connection connection = server.connect("bench")) {
        return truth(connection);
      }
    }

    private static Truth truth(Connection connection) throws SQLException {
      return new Truth(
          one(connection, "SELECT count(*) || ' ' || coalesce(sum(delta), 0) FROM pgbench_history"),
          one(connection, "SELECT count(*) || ' ' || sum(abalance) FROM pgbench_accounts"),
          one(connection, "SELECT count(*) || ' ' || sum(tbalance) FROM pgbench_tellers"),
          one(connection, "SELECT count(*) || ' ' || sum(bbalance) FROM pgbench_branches"));
    }

    void restoreAndCompare(String name, Truth truth, String... target) throws Exception {
      restoreAndCompare(name, truth, port -> {}, target);
    }

    JsonNode restoreAndCompare(String name, Truth truth, Look look, String... target)
        throws Exception {
      Path data = folder.resolve(name);
      JsonNode report = restore(data, name, Stream.concat(Stream.of(target), Stream.of("--start")));
      int port = report.path("port").asInt();
      assertThat(report.at("/reached/lsn").asText()).matches("[0-9A-F]+/[0-9A-F]+");
      assertThat(report.path("walSegments").asLong()).isPositive();
      try {
        compare(port, truth);
        look.at(port);
      } finally {
        stop(data);
      }
      check(data);
      return report;
    }

    String count(int port, String what) {
      return query(port, "SELECT count(*) FROM " + what);
    }

    /** The digest of the database as text; empty where the version at hand lacks the tool. */
    String dump(int port) throws Exception {
      if (!server.binaries().has("pg_dump")) {
        return "";
      }
      Path text = folder.resolve("dump-" + port + ".sql");
      tool("pg_dump", port, "-f", text.toString(), "bench");
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      try (Stream<String> lines = Files.lines(text)) {
        // Newer versions guard a dump with a word that they draw each time.
        lines
            .filter(line -> !line.startsWith("\\restrict") && !line.startsWith("\\unrestrict"))
            .forEach(line -> digest.update(line.getBytes(StandardCharsets.UTF_8)));
      }
      Files.delete(text);
      return HexFormat.of().formatHex(digest.digest());
    }

    /** Every table and index of every database, by PostgreSQL's own tool where it is there. */
    void checkEverything(int port) throws IOException, InterruptedException {
      if (server.binaries().has("pg_amcheck")) {
        tool("pg_amcheck", port, "--all", "--install-missing", "--heapallindexed");
      }
    }

    private String tool(String name, int port, String... options)
        throws IOException, InterruptedException {
      List<String> words =
          new ArrayList<>(
              List.of(server.binaries().tool(name).toString(), "-h", "127.0.0.1", "-U"));
      words.addAll(List.of(server.superuser(), "-p", Integer.toString(port)));
      words.addAll(List.of(options));
      return run(words);
    }

    void restoreServeAndCompare(String name, Truth truth, String... target) throws Exception {
      Path data = folder.resolve(name);
      restore(data, name, Stream.of(target));
      verifyBackup(data);
      int port = PostgresServer.freePort();
      Path sockets = Files.createTempDirectory(Path.of("/tmp"), "s");
      Files.setPosixFilePermissions(sockets, PosixFilePermissions.fromString("rwxrwxrwx"));
      try (Command.Background serving = command.start("wal", "serve", "main")) {
        Path log = data.resolve("by-hand.log");
        try {
          asOwner(
              data,
              server.binaries().tool("pg_ctl"),
              "start",
              "-w",
              "-D",
              data.toString(),
              "-l",
              log.toString(),
              "-o",
              "-p "
                  + port
                  + " -c listen_addresses=127.0.0.1 -c unix_socket_directories="
                  + sockets);
        } catch (AssertionError e) {
          throw new AssertionError(Files.readString(log) + serving.err(), e);
        }
        Command.await(
            "replay pauses at the target",
            () -> "t".equals(query(port, "SELECT pg_get_wal_replay_pause_state() = 'paused'")));
        compare(port, truth);
        assertThat(serving.alive()).as(serving.err()).isTrue();
        stop(data);
      }
    }

    private JsonNode restore(Path data, String name, Stream<String> target) throws Exception {
      List<String> words =
          new ArrayList<>(List.of("restore", "main", "--target-dir", data.toString()));
      words.addAll(List.of("--tablespace", "spare=" + folder.resolve(name + "-spare")));
      target.forEach(words::add);
      return command.json(words.toArray(String[]::new));
    }

    private static void compare(int port, Truth truth) throws SQLException {
      try (Connection restored =
          DriverManager.getConnection(
              "jdbc:postgresql://127.0.0.1:" + port + "/bench", "postgres", null)) {
        assertThat(truth(restored)).isEqualTo(truth);
        assertThat(one(restored, "SELECT count(*) FROM elsewhere")).isEqualTo("1000");
        assertThat(
                one(
                    restored,
                    "SELECT count(bt_index_check(c.oid, true)) FROM pg_class c JOIN pg_am a ON"
                        + " a.oid = c.relam WHERE c.relkind = 'i' AND a.amname = 'btree' AND"
                        + " c.relpersistence = 'p'"))
            .isNotEqualTo("0");
      }
    }

    static void stop(Path data) throws IOException, InterruptedException {
      long pid = Long.parseLong(Files.readAllLines(data.resolve("postmaster.pid")).get(0).trim());
      ProcessHandle postmaster = ProcessHandle.of(pid).orElseThrow();
      run(List.of("kill", "-INT", Long.toString(pid)));
      postmaster.onExit().join();
    }

    private void verifyBackup(Path data) throws IOException, InterruptedException {
      if (server.binaries().has("pg_verifybackup")) {
        asOwner(data, server.binaries().tool("pg_verifybackup"), "-n", data.toString());
      }
    }

    private void check(Path data) throws IOException, InterruptedException {
      if (server.binaries().has("pg_checksums")) {
        asOwner(data, server.binaries().tool("pg_checksums"), "--check", "-D", data.toString());
      }
    }

    /** PostgreSQL's tools refuse root; what root restored belongs to another account. */
    static void asOwner(Path data, Path tool, String... options)
        throws IOException, InterruptedException {
      List<String> words = new ArrayList<>();
      String owner = Files.getOwner(data).getName();
      if (!owner.equals(System.getProperty("user.name"))) {
        words.addAll(List.of("setpriv", "--reuid=" + owner, "--clear-groups", "--"));
      }
      words.add(tool.toString());
      words.addAll(List.of(options));
      run(words);
    }

    static String run(List<String> words) throws IOException, InterruptedException {
      Process process = new ProcessBuilder(words).redirectErrorStream(true).start();
      String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertThat(process.waitFor()).as(String.join(" ", words) + "\n" + said).isZero();
      return said;
    }

    static String query(PostgresServer server, String sql) {
      try {
        return server.query("postgres", sql);
      } catch (SQLException e) {
        throw new AssertionError(e);
      }
    }

    private static String query(int port, String sql) {
      try (Connection restored =
          DriverManager.getConnection(
              "jdbc:postgresql://127.0.0.1:" + port + "/bench", "postgres", null)) {
        return one(restored, sql);
      } catch (SQLException e) {
        return "not yet: " + e.getMessage();
      }
    }

    private static String one(Connection connection, String sql) throws SQLException {
      try (Statement statement = connection.createStatement();
          ResultSet rows = statement.executeQuery(sql)) {
        rows.next();
        return String.valueOf(rows.getString(1));
      }
    }
  }
}
