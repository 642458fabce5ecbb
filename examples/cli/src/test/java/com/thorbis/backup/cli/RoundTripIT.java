package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;

/** The operator's round with a real server: each step builds on the one before. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class RoundTripIT {
  private static final String CONFIG =
      """
      state-directory: state
      repository:
        copies:
          - uri: %s
        encryption:
          recipients:
            - uri: passphrase:main
              passphrase: ${file:passphrase}
            - uri: "recovery:"
      sources:
        orders:
          type: postgres
          url: %s
          user: thorbis_backup
          password: ${env:ORDERS_PASSWORD}
          bin-directory: %s
          server-user: %s
          wal: { ship-interval: 1s, wait: 1m, max-delay: 5m }
      """;

  private Path folder;
  private PostgresServer server;
  private CommandRunner runner;
  private String backup;

  @BeforeAll
  void startServer() throws Exception {
    folder =
        Files.createTempDirectory(
            "thorbis-cli",
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx--x--x")));
    PostgresBinaries binaries = PostgresBinaries.newest();
    server =
        PostgresServer.builder(binaries)
            .dataDirectory(folder.resolve("server"))
            .password("super")
            .start();
    server.execute(
        "postgres",
        "CREATE ROLE thorbis_backup LOGIN REPLICATION PASSWORD 'orders secret'",
        "CREATE TABLE orders AS SELECT n AS id, md5(n::text) AS item"
            + " FROM generate_series(1, 20000) n");
    Files.writeString(folder.resolve("passphrase"), "correct horse battery staple\n");
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        CONFIG.formatted(
            folder.resolve("repository").toUri(),
            server.jdbcUrl("postgres"),
            binaries.binDirectory(),
            Files.getOwner(server.dataDirectory()).getName()));
    runner = new CommandRunner(folder).with("ORDERS_PASSWORD", "orders secret");
  }

  @AfterAll
  void stopServers() throws Exception {
    for (String restored : List.of("restored", "recovered")) {
      stop(folder.resolve(restored));
    }
    server.close();
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(each);
      }
    }
  }

  @Test
  @Order(1)
  void nothingIsThereYet() {
    assertThat(ok("list", 1).err()).contains("does not exist");
    assertThat(runner.run("backup", "orders").code()).isEqualTo(2);
    assertThat(runner.run("init").err()).contains("--recovery-key-file");
  }

  @Test
  @Order(2)
  void initMakesARepositoryAndItsRecoveryKeyOnce() throws IOException {
    Result made = ok("--json init --recovery-key-file recovery.key", 0);
    assertThat(made.out()).contains("\"created\":true").contains("recovery.key\"");
    String key = Files.readString(folder.resolve("recovery.key"));
    assertThat(made.out() + made.err()).doesNotContain(key.strip());

    Result again = ok("--json init --recovery-key-file other.key", 0);
    assertThat(again.out()).contains("\"created\":false").contains("\"recoveryKeyFile\":null");
    assertThat(folder.resolve("other.key")).doesNotExist();
    assertThat(field(again, "repositoryId")).isEqualTo(field(made, "repositoryId"));
    assertThat(field(again, "recoveryKeyFingerprint"))
        .isEqualTo(field(made, "recoveryKeyFingerprint"));
  }

  @Test
  @Order(3)
  void checkFindsItReady() {
    Result checked = ok("check orders --json", 0);

    assertThat(checked.out()).contains("\"subject\":\"repository.open\",\"outcome\":\"ok\"");
    assertThat(checked.out()).doesNotContain("\"fail\"");
    assertThat(ok("check --grants", 0).out()).contains("thorbis_backup");
  }

  @Test
  @Order(4)
  void backupIsListedAndShown() {
    Result made = ok("backup orders --label first --json", 0);
    backup = field(made, "id");
    assertThat(field(made, "status")).isEqualTo("complete");

    assertThat(ok("list --json", 0).out())
        .startsWith("{\"items\":[{\"id\":\"" + backup + "\",\"source\":\"orders\"");
    assertThat(ok("list orders", 0).out()).contains(backup).contains("first");
    assertThat(ok("show " + backup, 0).out()).contains(backup);
    assertThat(ok("show --files --json " + backup, 0).out()).contains("\"path\":\"PG_VERSION\"");
    assertThat(ok("show 20260101T000000Z-00000000", 5).err()).contains("No backup");
    assertThat(ok("status --json", 0).out())
        .startsWith("{\"sources\":[{\"name\":\"orders\",\"windows\":[{\"fromTime\":\"")
        .contains("\"targetMillis\":300000")
        .contains("\"lastProvenRestore\":null");
    assertThat(ok("status", 0).out()).contains("recoverable from").contains(backup);
    assertThat(ok("wal show orders", 0).out()).contains("stored");
    assertThat(ok("status nobody", 5).err()).contains("No source");
  }

  @Test
  @Order(5)
  void walIsDeliveredOrPositivelyAbsent() throws IOException {
    assertThat(ok("wal get orders 000000090000000000000001 wal", 81).out())
        .isEqualTo("absent 000000090000000000000001\n");
    assertThat(folder.resolve("wal")).doesNotExist();
    Files.move(folder.resolve("passphrase"), folder.resolve("lost"));
    assertThat(ok("wal get orders 000000090000000000000001 wal", 126).out()).isEmpty();
    Files.move(folder.resolve("lost"), folder.resolve("passphrase"));
  }

  @Test
  @Order(6)
  void restoresWithAServerThatIsStarted() throws Exception {
    assertThat(ok("restore orders --target-dir restored --plan", 0).out()).contains("Reachable");
    assertThat(folder.resolve("restored")).doesNotExist();

    Result restored = ok("restore orders --target-dir restored --start --json", 0);

    assertThat(restored.out()).startsWith("{\"backup\":\"" + backup + "\"");
    assertThat(count(field(restored, "port"))).isEqualTo(20_000);
    assertThat(ok("restore orders --target-dir restored", 4).err()).contains("not empty");
  }

  @Test
  @Order(7)
  void recoversTheMomentBeforeAnAccident() throws Exception {
    CommandRunner.Running receiver = runner.start("wal", "receive", "orders");
    try {
      server.execute("postgres", "INSERT INTO orders VALUES (20001, 'late')");
      String moment = server.query("postgres", "SELECT clock_timestamp()");
      server.execute("postgres", "DROP TABLE orders", "CREATE TABLE later (id int)");
      String end = server.query("postgres", "SELECT pg_current_wal_lsn()");
      server.awaitTrue(
          "postgres",
          "SELECT flush_lsn >= '" + end + "' FROM pg_stat_replication",
          Duration.ofMinutes(1));

      Result recovered =
          runner.run(
              "restore",
              "orders",
              "--target-dir",
              "recovered",
              "--to-time",
              moment,
              "--action",
              "promote",
              "--start",
              "--json");

      assertThat(recovered.code()).as(recovered.err()).isZero();
      assertThat(count(field(recovered, "port"))).isEqualTo(20_001);
    } finally {
      assertThat(receiver.stop().code()).isZero();
    }
    assertThat(
            ok("restore orders --target-dir no --plan --json --to-time 2020-01-01T00:00Z", 4).out())
        .contains("\"code\":\"restore.unreachable\"")
        .contains("\"nearest\"");
  }

  @Test
  @Order(8)
  void aBlankMachineNeedsTheRecoveryKeyAlone() throws IOException {
    Files.move(folder.resolve("state"), folder.resolve("state.lost"));
    Files.move(folder.resolve("passphrase"), folder.resolve("lost"));
    CommandRunner blank = new CommandRunner(folder);

    assertThat(blank.run("list").code()).isEqualTo(2);
    Result list = blank.run("--recovery-key-file", "recovery.key", "list", "--json");
    assertThat(list.err()).isEmpty();
    assertThat(list.out()).contains(backup);

    Files.move(folder.resolve("lost"), folder.resolve("passphrase"));
    assertThat(ok("list", 0).out()).contains(backup);
    assertThat(ok("init", 2).err()).contains("does not remember");
    assertThat(ok("backup orders", 2).err()).contains("does not remember");
  }

  @Test
  @Order(9)
  void verifyFindsAFlippedByte() throws IOException {
    assertThat(ok("verify --json", 0).out()).contains("\"damaged\":[]", "\"coverage\":null");
    assertThat(ok("verify --budget 1B --json", 0).out())
        .contains("\"damaged\":[]", "\"openedObjects\":1", "\"unprovenObjects\":0");
    assertThat(ok("verify --budget 30m", 0).out()).contains("Every one was found whole since ");
    assertThat(ok("copies", 0).out()).contains("READ BACK SINCE").doesNotContain("never: ");
    assertThat(ok("status", 0).out()).contains("each of its backups was read back since ");
    Path pack;
    try (Stream<Path> packs = Files.walk(folder.resolve("repository/packs"))) {
      pack = packs.filter(Files::isRegularFile).max(Comparator.comparing(RoundTripIT::size)).get();
    }
    byte[] content = Files.readAllBytes(pack);
    content[content.length / 2] ^= 1;
    Files.setPosixFilePermissions(pack, PosixFilePermissions.fromString("rw-------"));
    Files.write(pack, content);

    Result found = ok("verify --json", 3);

    assertThat(found.out()).contains(pack.getFileName().toString()).contains(backup);
    assertThat(ok("verify", 3).out()).contains("damaged: ").contains("needed by " + backup);
    Result first = ok("verify --budget 1B --json", 3);
    assertThat(first.out()).contains(pack.getFileName().toString(), "\"unprovenObjects\":1");
    assertThat(ok("decode " + pack, 0).out()).startsWith("pack");
  }

  private Result ok(String line, int code) {
    Result result = runner.run(line.split(" "));
    assertThat(result.code()).as("%s%n%s%n%s", line, result.out(), result.err()).isEqualTo(code);
    return result;
  }

  private static String field(Result result, String name) {
    Matcher field = Pattern.compile("\"" + name + "\":\"?([^\",}]+)").matcher(result.out());
    assertThat(field.find()).as("%s in %s%s", name, result.out(), result.err()).isTrue();
    return field.group(1);
  }

  private static long count(String port) throws SQLException {
    String url = "jdbc:postgresql://127.0.0.1:" + port + "/postgres";
    try (Connection connection = DriverManager.getConnection(url, "postgres", "super");
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery("SELECT count(*) FROM orders")) {
      row.next();
      return row.getLong(1);
    }
  }

  private static long size(Path file) {
    try {
      return Files.size(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void stop(Path dataDirectory) throws Exception {
    Path pidFile = dataDirectory.resolve("postmaster.pid");
    if (Files.exists(pidFile)) {
      long pid = Long.parseLong(Files.readAllLines(pidFile).get(0).strip());
      ProcessHandle process = ProcessHandle.of(pid).orElseThrow();
      process.destroyForcibly();
      process.onExit().get(60, TimeUnit.SECONDS);
    }
  }
}
