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

/** The operator loses a copy, restores from the other, and gets both again: step by step. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class CopiesIT {
  private static final String CONFIG =
      """
      state-directory: state
      repository:
        copies:
      %s
        write-policy: primary
        encryption:
          recipients:
            - uri: keystore:target/keys.p12
              password: ${file:passphrase}
              alias: main
          accept-single-key-risk: true
      sources:
        orders:
          type: postgres
          url: %s
          user: thorbis_backup
          password: ${env:ORDERS_PASSWORD}
          bin-directory: %s
          server-user: %s
          wal: { ship-interval: 1s, wait: 1m }
      """;

  private Path folder;
  private PostgresServer server;
  private CommandRunner runner;
  private String backup;

  @BeforeAll
  void startServer() throws Exception {
    folder =
        Files.createTempDirectory(
            "thorbis-copies",
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
        "CREATE TABLE orders AS SELECT n AS id FROM generate_series(1, 20000) n");
    Files.writeString(folder.resolve("passphrase"), "correct horse battery staple\n");
    String one = place("one") + "      medium: disk\n      domain: host-a\n";
    String two = place("two") + "      medium: disk\n      domain: host-b\n      offsite: true\n";
    write("thorbis.yaml", one + two, binaries);
    write("two.yaml", two, binaries);
    runner = new CommandRunner(folder).with("ORDERS_PASSWORD", "orders secret");
  }

  private String place(String name) {
    return "    - uri: " + folder.resolve(name).toUri() + "\n";
  }

  private void write(String name, String copies, PostgresBinaries binaries) throws IOException {
    Files.writeString(
        folder.resolve(name),
        CONFIG.formatted(
            copies.stripTrailing(),
            server.jdbcUrl("postgres"),
            binaries.binDirectory(),
            Files.getOwner(server.dataDirectory()).getName()));
  }

  @AfterAll
  void stopServers() throws Exception {
    for (String restored : List.of("restored", "again")) {
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
  void bothCopiesHoldTheBackup() throws Exception {
    assertThat(ok("init --json", 0).out()).contains("\"created\":true").contains("\"notes\":[]");
    backup = field(ok("backup orders --json", 0), "id");
    whileReceiving(() -> {}); // from now on the slot keeps what is not stored
    assertThat(ok("copies", 0).out()).contains("behind by ").contains("Write policy: primary");

    assertThat(ok("copies sync", 0).out()).contains("; complete").doesNotContain("not complete");

    String state = ok("copies --json", 0).out();
    assertThat(state)
        .contains("\"writePolicy\":\"primary\"")
        .contains("\"primary\":true,\"reachable\":true")
        .doesNotContain("\"behindObjects\":1")
        .contains("{\"name\":\"copies\",\"verdict\":\"unknown\"")
        .contains("{\"name\":\"immutable\",\"verdict\":\"missing\"");
    assertThat(ok("verify --json", 0).out()).contains("\"damaged\":[]");
    assertThat(ok("check orders", 0).out()).contains("it decides who writes").contains("/two");
    assertThat(ok("status --json", 0).out()).contains("\"copies\":[{\"outcome\":\"ok\"");
    ok("copies sync", 0); // what was proven is a commit, too
  }

  @Test
  @Order(2)
  void withoutTheFirstCopyTheSecondServes() throws Exception {
    Files.move(folder.resolve("one"), folder.resolve("lost"));

    assertThat(ok("list --json", 0).out()).contains(backup);
    assertThat(ok("status", 0).out()).contains("fail: ").contains(backup);
    assertThat(ok("check", 1).out()).contains("repository.copy");
    assertThat(runner.run("backup", "orders").code()).isNotZero();
    assertThat(ok("-c two.yaml backup orders", 4).err()).contains("copies promote");

    Result restored = ok("-c two.yaml restore orders --target-dir restored --start --json", 0);

    assertThat(restored.out()).startsWith("{\"backup\":\"" + backup + "\"");
    assertThat(count(field(restored, "port"))).isEqualTo(20_000);
  }

  @Test
  @Order(3)
  void theFirstComesBackEmptyAndIsFilled() throws Exception {
    Result init = ok("init", 0);
    assertThat(init.out()).contains("copies sync").contains("copies promote");
    assertThat(ok("backup orders", 4).err()).contains("copies promote");
    assertThat(ok("copies promote", 4).err()).contains("copies sync");

    assertThat(ok("copies sync --json", 0).out()).startsWith("{\"complete\":true");

    assertThat(ok("copies promote", 4).err()).contains("copies promote --yes");
    ok("copies promote --yes", 0);
    assertThat(ok("verify --json", 0).out()).contains("\"damaged\":[]");
    whileReceiving(() -> ok("backup orders --label second", 0));
    assertThat(ok("copies sync", 0).out()).doesNotContain("not complete");
    assertThat(ok("-c two.yaml list", 0).out()).contains(backup).contains("second");
    assertThat(ok("verify --json", 0).out()).contains("\"damaged\":[]");
    assertThat(ok("check orders", 0).out()).contains("it decides who writes");
  }

  @Test
  @Order(4)
  void damageOfOneCopyIsHealedFromTheOther() throws Exception {
    damage(folder.resolve("one"), 0);
    assertThat(ok("verify --json", 3).out()).contains("\"healable\":true");
    damage(folder.resolve("two"), 1);

    assertThat(ok("copies heal", 0).out()).contains("healed: ").doesNotContain("damaged: ");
    assertThat(ok("verify --json", 0).out()).contains("\"damaged\":[]");

    damage(folder.resolve("one"), 0);
    Matcher needing =
        Pattern.compile("\"backups\":\\[\"([^\"]+)").matcher(ok("verify --json", 3).out());
    assertThat(needing.find()).isTrue();
    Result again =
        ok("restore orders --backup " + needing.group(1) + " --target-dir again --start --json", 0);
    assertThat(count(field(again, "port"))).isEqualTo(20_000);
    assertThat(ok("verify --json", 0).out()).as("healed by the way").contains("\"damaged\":[]");
  }

  private void whileReceiving(Runnable work) throws Exception {
    CommandRunner.Running receiver = runner.start("wal", "receive", "orders");
    try {
      String end = server.query("postgres", "SELECT pg_current_wal_lsn()");
      server.awaitTrue(
          "postgres",
          "SELECT flush_lsn >= '" + end + "' FROM pg_stat_replication",
          Duration.ofMinutes(1));
      work.run();
    } finally {
      assertThat(receiver.stop().code()).isZero();
    }
  }

  /** Flips a byte in the middle of one of the largest packs. */
  private static void damage(Path copy, int which) throws IOException {
    Path pack;
    try (Stream<Path> packs = Files.walk(copy.resolve("packs"))) {
      pack =
          packs
              .filter(Files::isRegularFile)
              .sorted(Comparator.comparing(CopiesIT::size).reversed())
              .skip(which)
              .findFirst()
              .orElseThrow();
    }
    byte[] content = Files.readAllBytes(pack);
    content[content.length / 2] ^= 1;
    Files.write(pack, content);
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
