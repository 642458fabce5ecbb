package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** Changes behind a dump in a sealed repository, from the command line. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ChangesCommandIT {
  private static final String CONFIG =
      """
      state-directory: state
      repository:
        copies:
          - uri: %s
        encryption:
          recipients:
            - uri: keystore:target/keys.p12
              password: ${file:passphrase}
              alias: main
          accept-single-key-risk: true
      sources:
        shop:
          type: postgres
          url: "%s"
          user: follower
          reader: dump
          changes: { mode: slot }
          exclude-tables: cache_*
          retention: few
        rows:
          type: postgres
          url: "%s"
          user: follower
          reader: dump
          changes: { mode: column, columns: orders=at }
          retention: few
        plain:
          type: postgres
          url: "%s"
          user: follower
          reader: dump
      retention:
        few: { daily: 1, minimum: 1, most-deleted-percent: 100 }
      """;

  private Path folder;
  private PostgresServer server;
  private CommandRunner runner;

  @BeforeAll
  void startServer() throws Exception {
    folder =
        Files.createTempDirectory(
            "thorbis-changes",
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx--x--x")));
    server =
        PostgresServer.builder(PostgresBinaries.with("pg_dump"))
            .dataDirectory(folder.resolve("server"))
            .setting("wal_level", "logical")
            .start();
    server.execute(
        "postgres",
        "CREATE ROLE follower LOGIN",
        "GRANT pg_read_all_data TO follower",
        "CREATE ROLE loader LOGIN",
        "CREATE DATABASE shop",
        "CREATE DATABASE copy OWNER loader",
        "CREATE DATABASE rows",
        "CREATE DATABASE rows_copy OWNER loader");
    server.execute(
        "rows",
        "CREATE TABLE orders (id serial PRIMARY KEY, at timestamptz, note text)",
        "INSERT INTO orders (at, note) SELECT now() - interval '1 day', repeat(md5(n::text), 20)"
            + " FROM generate_series(1, 2000) n",
        "CREATE TABLE lines (id serial PRIMARY KEY, order_id int REFERENCES orders)");
    server.execute(
        "shop",
        "CREATE TABLE orders (id serial PRIMARY KEY, note text)",
        "INSERT INTO orders (note) SELECT repeat(md5(n::text), 20) FROM generate_series(1, 2000) n",
        "CREATE TABLE lines (id serial PRIMARY KEY, order_id int REFERENCES orders)",
        "CREATE TABLE cache_pages (x serial PRIMARY KEY)");
    Files.writeString(folder.resolve("passphrase"), "correct horse battery staple\n");
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        CONFIG.formatted(
            folder.resolve("repository").toUri(),
            server.jdbcUrl("shop"),
            server.jdbcUrl("rows"),
            server.jdbcUrl("shop")));
    runner = new CommandRunner(folder);
    run(0, "init");
  }

  @AfterAll
  void stopServer() throws Exception {
    server.close();
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(each);
      }
    }
  }

  @Test
  void whatWasChangedIsStoredShownVerifiedKeptAndLoaded() throws Exception {
    assertThat(run(2, "backup", "plain", "--type", "incremental").err()).contains("changes.mode");
    assertThat(run(1, "check", "shop").out()).contains("may not replicate", "check --grants");
    String grants = run(0, "check", "shop", "--grants").out();
    assertThat(grants)
        .contains("ALTER ROLE \"follower\" REPLICATION")
        .contains(
            "CREATE PUBLICATION thorbis_shop_changes FOR TABLE ONLY \"public\".\"lines\", ONLY"
                + " \"public\".\"orders\";");
    assertThat(run(2, "backup", "shop").err()).contains("check --grants");
    server.execute(
        "shop",
        grants
            .lines()
            .filter(line -> line.matches("(ALTER ROLE \"follower\" REPL|CREATE PUB).*"))
            .toArray(String[]::new));

    String dump = field(run(0, "backup", "shop", "--json"), "id");
    assertThat(run(0, "check", "shop").out())
        .contains("Publication thorbis_shop_changes is of 2 tables")
        .contains("Slot thorbis_shop_changes_1 keeps 0 MiB of log");
    server.execute(
        "shop",
        "UPDATE orders SET note = 'new' WHERE id <= 10",
        "INSERT INTO lines (order_id) SELECT id FROM orders",
        "DELETE FROM lines WHERE id <= 100",
        "INSERT INTO cache_pages DEFAULT VALUES");
    Result first = run(0, "backup", "shop", "--type", "incremental");
    assertThat(first.out())
        .contains(", changes since " + dump + ", is complete")
        .contains("3 transactions of 2 tables: 2000 inserts, 10 updates, 100 deletes, 0 truncates");
    server.execute("shop", "TRUNCATE lines", "INSERT INTO lines (order_id) VALUES (7)");
    Result second = run(0, "backup", "shop", "--type", "incremental", "--json");
    String id = field(second, "id");
    assertThat(second.out())
        .contains("\"type\":\"changes\"", "\"partial\":false", "\"truncates\":\"1\"");
    assertThat(Long.parseLong(field(second, "bytesChanged")))
        .isLessThan(Long.parseLong(field(run(0, "show", dump, "--json"), "bytesChanged")) / 20);
    assertThat(run(0, "list").out()).contains("changes");
    assertThat(run(0, "show", id).out()).contains("slot thorbis_shop_changes_1");
    assertThat(run(0, "show", id, "--files").out())
        .contains("database.dump", "changes-1.pgoutput", "changes-2.pgoutput");
    assertThat(run(4, "restore", "shop", "--target-dir", folder.resolve("new").toString()).err())
        .contains("is a dump", "with load");

    run(0, "verify");
    run(0, "prune", "shop", "--yes");
    assertThat(run(0, "list", "--json").out()).contains(id).doesNotContain(dump);
    run(0, "verify");

    Result loaded =
        run(0, "load", id, "--into", server.jdbcUrl("copy"), "--user", "loader", "--json");
    assertThat(loaded.out()).contains("\"warnings\":[]").doesNotContain("\"different\"");
    for (String table : new String[] {"orders", "lines"}) {
      String all = "SELECT * FROM " + table + " ORDER BY id";
      assertThat(server.rows("copy", all)).isEqualTo(server.rows("shop", all));
    }
    assertThat(server.query("copy", "INSERT INTO lines (order_id) VALUES (1) RETURNING id"))
        .isEqualTo(server.query("shop", "INSERT INTO lines (order_id) VALUES (1) RETURNING id"));
    assertThat(
            run(
                    4,
                    "load",
                    id,
                    "--into",
                    server.jdbcUrl("copy"),
                    "--user",
                    "loader",
                    "--clean",
                    "--yes")
                .err())
        .contains("cannot be loaded with what replaces");
    Path laid = folder.resolve("laid");
    run(0, "load", id, "--output", laid.toString());
    assertThat(laid.resolve("changes-2.pgoutput")).isNotEmptyFile();
  }

  @Test
  void whatRowsSayIsStoredShownVerifiedKeptAndLoaded() throws Exception {
    assertThat(run(0, "check", "rows").out())
        .contains("Changes are seen of 2 tables, of 1 by a column that an application fills")
        .contains("tables are read whole");
    String grants = run(0, "check", "rows", "--grants").out();
    assertThat(grants).contains("GRANT pg_read_all_stats TO \"follower\";");
    server.execute("rows", "GRANT pg_read_all_stats TO \"follower\"");
    Result dumped = run(0, "backup", "rows", "--json");
    String dump = field(dumped, "id");
    server.execute(
        "rows",
        "UPDATE orders SET note = 'new', at = now() WHERE id <= 10",
        "INSERT INTO lines (order_id) SELECT id FROM orders",
        "DELETE FROM lines WHERE id <= 100");
    Result first = run(0, "backup", "rows", "--type", "incremental");
    assertThat(first.out())
        .contains(", changes since " + dump + ", is completed")
        .contains("Changes of 2 tables: 1900 inserts, 10 updates, 0 deletes, 0 truncates")
        .contains("warning: not seen, if there were any: updates of public.orders since ");
    server.execute(
        "rows", "DELETE FROM lines WHERE order_id = 500", "DELETE FROM orders WHERE id = 500");
    run(0, "keys", "rotate");
    assertThat(run(0, "keys", "rekey", "rows", "--yes").out())
        .contains("2 backups written anew under key 2");
    assertThat(run(0, "list", "--json").out()).doesNotContain("\"id\":\"" + dump + "\"");
    Result second = run(0, "backup", "rows", "--type", "incremental", "--json");
    String id = field(second, "id");
    assertThat(second.out())
        .contains("\"type\":\"changes\"", "\"partial\":true", "\"mode\":\"column\"");
    assertThat(Long.parseLong(field(second, "bytesStored")))
        .isLessThan(Long.parseLong(field(dumped, "bytesStored")) / 2);
    assertThat(run(0, "show", id).out())
        .contains("columns public.orders by at, 1 tables by xmin")
        .contains("notSeen updates of public.orders since ");
    run(0, "verify");
    run(0, "prune", "rows", "--yes");
    assertThat(run(0, "list", "--json").out()).contains(id);
    String[] load = {"load", id, "--into", server.jdbcUrl("rows_copy"), "--user", "loader"};
    assertThat(
            run(0, Stream.concat(Stream.of(load), Stream.of("--plan")).toArray(String[]::new))
                .out())
        .contains("that left at alone");
    assertThat(run(0, load).out()).doesNotContain("different");
    for (String table : new String[] {"orders", "lines"}) {
      String all = "SELECT * FROM " + table + " ORDER BY id";
      assertThat(server.rows("rows_copy", all)).isEqualTo(server.rows("rows", all));
    }
  }

  private Result run(int code, String... words) {
    Result result = runner.run(words);
    assertThat(result.code())
        .as("%s%n%s%n%s", String.join(" ", words), result.out(), result.err())
        .isEqualTo(code);
    return result;
  }

  private static String field(Result result, String name) {
    Matcher field = Pattern.compile("\"" + name + "\":\"?([^\",}]+)").matcher(result.out());
    assertThat(field.find()).as("%s in %s%s", name, result.out(), result.err()).isTrue();
    return field.group(1);
  }
}
