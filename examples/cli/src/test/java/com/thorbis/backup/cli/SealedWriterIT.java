package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** A database host that opens nothing, and another host that adopts and restores what it stored. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class SealedWriterIT {
  private static final String CONFIG =
      """
      state-directory: %s
      repository:
        copies:
          - uri: %s
      %s
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

  @BeforeAll
  void startServer() throws Exception {
    folder =
        Files.createTempDirectory(
            "thorbis-sealed",
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx--x--x")));
    server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("server"))
            .password("super")
            .start();
    server.execute(
        "postgres",
        "CREATE ROLE thorbis_backup LOGIN REPLICATION PASSWORD 'orders secret'",
        "CREATE TABLE orders AS SELECT n AS id, md5(n::text) AS item"
            + " FROM generate_series(1, 20000) n");
    Files.writeString(folder.resolve("passphrase"), "correct horse battery staple\n");
    runner = new CommandRunner(folder).with("ORDERS_PASSWORD", "orders secret");
  }

  @AfterAll
  void stopServers() throws Exception {
    stop(folder.resolve("restored"));
    server.close();
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(each);
      }
    }
  }

  private void configure(String file, String state, String repository) throws IOException {
    Files.writeString(
        folder.resolve(file),
        CONFIG.formatted(
            state,
            folder.resolve("repository").toUri(),
            repository.indent(2),
            server.jdbcUrl("postgres"),
            PostgresBinaries.newest().binDirectory(),
            Files.getOwner(server.dataDirectory()).getName()));
  }

  private static String recipients(String recovery) {
    return """
    signing-key: admin.key
    encryption:
      recipients:
        - uri: passphrase:main
          passphrase: ${file:passphrase}
        - uri: "recovery:"
    """
        + recovery;
  }

  @Test
  void aSealedHostBacksUpAndStreamsAndAnotherAdoptsAndRestores() throws Exception {
    String administrator = ok("keys signing-key admin.key", 0).out().strip();
    String writer = ok("keys signing-key db1.key", 0).out().strip();
    configure("thorbis.yaml", "state", recipients(""));
    ok("init --recovery-key-file recovery.key", 0);
    configure(
        "thorbis.yaml",
        "state",
        recipients("      key-file: " + folder.resolve("recovery.key") + "\n"));
    ok("keys writers add admin " + administrator + " --administrator", 0);
    ok("keys writers add db1 " + writer, 0);
    assertThat(ok("keys sealed-writer db1 db1.sealed --source orders", 0).out())
        .contains("access: sealed", "administrators: [" + administrator + "]");
    assertThat(ok("keys sealed-writer db1 db1.sealed --source orders", 4).err())
        .contains("was not written");
    String sealed =
        """
        access: sealed
        sealed-writer: db1.sealed
        administrators: [%s]
        signing-key: db1.key
        """
            .formatted(administrator);
    configure("sealed.yaml", "sealed-state", sealed);

    CommandRunner.Running receiver = runner.start("-c", "sealed.yaml", "wal", "receive", "orders");
    String backup;
    try {
      server.awaitTrue(
          "postgres",
          "SELECT count(*) > 0 FROM pg_stat_replication WHERE flush_lsn IS NOT NULL",
          Duration.ofMinutes(1));
      Result made = ok("-c sealed.yaml --json backup orders", 0);
      backup = field(made, "id");
      assertThat(field(made, "status")).isEqualTo("complete");
      server.execute("postgres", "INSERT INTO orders VALUES (20001, 'late')");
      String end = server.query("postgres", "SELECT pg_current_wal_lsn()");
      server.awaitTrue(
          "postgres",
          "SELECT flush_lsn >= '" + end + "' FROM pg_stat_replication",
          Duration.ofMinutes(1));
    } finally {
      Result stopped = receiver.stop();
      assertThat(stopped.code()).as(stopped.err()).isZero();
    }
    for (String reading :
        List.of("list", "status", "verify", "restore orders --target-dir no", "wal show orders")) {
      assertThat(ok("-c sealed.yaml " + reading, 4).err()).contains("sealed writer");
    }
    ok("-c sealed.yaml wal get orders 000000090000000000000001 wal", 126);
    assertThat(ok("-c sealed.yaml check --json", 0).out())
        .contains("\"subject\":\"repository.sealed\",\"outcome\":\"ok\"");
    assertThat(ok("-c sealed.yaml offers adopt", 4).err()).contains("sealed writer");

    assertThat(ok("list --json", 0).out()).doesNotContain(backup);
    assertThat(ok("offers list", 0).out()).contains("db1", "waiting", backup);
    assertThat(ok("check --json", 0).out()).contains("repository.offers");
    assertThat(ok("offers adopt", 0).out()).contains("Adopted backup " + backup, "WAL segments");
    assertThat(ok("offers list", 0).out()).contains("Nothing is offered");
    assertThat(ok("list --json", 0).out()).contains(backup, "\"status\":\"complete\"");
    assertThat(ok("verify --json", 0).out()).contains("\"damaged\":[]");
    Result restored = ok("restore orders --target-dir restored --start --json", 0);
    assertThat(restored.out()).startsWith("{\"backup\":\"" + backup + "\"");
    assertThat(count(field(restored, "port"))).isEqualTo(20_001);
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
