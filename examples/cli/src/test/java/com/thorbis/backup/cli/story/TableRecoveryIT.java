package com.thorbis.backup.cli.story;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.thorbis.backup.cli.story.RecoveryStoryIT.Story;
import com.thorbis.backup.testkit.postgres.Pgbench;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tables are dropped, and damaged, in a database that goes on working, and brought back into it.
 * One cluster for all tests, as what is dropped at first is what the later ones bring back.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class TableRecoveryIT {
  private static final String SECRET = "tr0ub4dor-and-more";
  private static final String ODD_SQL = "\"My.Schema\".\"Odd \"\"näme\"\" of.rows\nand more\"";
  private static final String SHOP = "Odd = 'shop'";
  private static final String SHOP_SQL = "\"" + SHOP + "\"";
  private static final String ODD_TABLE = "bench." + ODD_SQL;

  /** Of 20 kB each, most of which lies out of line. */
  private static final int DOCUMENTS = Boolean.getBoolean("thorbis.release") ? 50_000 : 100;

  private static final String[] ALL = {
    "orders", "documents", "measurements", "accounts_kept", "elsewhere"
  };

  @TempDir static Path folder;

  private PostgresServer server;
  private Story story;
  private Path work;
  private Command.Background receiver;
  private Instant before;
  private List<String> truth;
  private List<String> shop;
  private long bigBytes;

  @BeforeAll
  void dropTables() throws Exception {
    server =
        PostgresServer.builder(PostgresBinaries.with("pgbench"))
            .dataDirectory(folder.resolve("data"))
            .checksums(true)
            .setting("max_prepared_transactions", "2")
            .password(SECRET)
            .start();
    server.createTablespace("spare", folder.resolve("spare"));
    server.createTablespace("fast", folder.resolve("fast"));
    server.execute(
        "postgres",
        "CREATE DATABASE bench",
        "CREATE DATABASE big",
        "CREATE ROLE clerk",
        "CREATE ROLE maker LOGIN CREATEDB PASSWORD '" + SECRET + "'",
        "CREATE DATABASE \"Odd = 'shop'\" OWNER clerk TEMPLATE template0 ENCODING 'UTF8'"
            + " LC_COLLATE 'C' LC_CTYPE 'C' TABLESPACE spare");
    work = Files.createDirectory(folder.resolve("work"));
    Files.setPosixFilePermissions(work, PosixFilePermissions.fromString("rwx--x--x"));
    Path secret = folder.resolve("database.txt");
    Files.writeString(secret, SECRET + "\n");
    Files.setPosixFilePermissions(secret, PosixFilePermissions.fromString("rw-------"));
    story = new Story(folder, server, "    password: ${file:" + secret + "}");
    story.command.json("init", "--recovery-key-file", folder.resolve("recovery.key").toString());
    Pgbench.on(server, "bench").init(1);
    server.execute(
        "bench",
        "CREATE SCHEMA \"My.Schema\"",
        "CREATE TYPE mood AS ENUM ('fine', 'not fine')",
        "CREATE TABLE customers (id int PRIMARY KEY, name text)",
        "INSERT INTO customers SELECT i, 'customer ' || i FROM generate_series(1, 100) i",
        "CREATE TABLE orders (id bigserial PRIMARY KEY, customer int NOT NULL REFERENCES customers,"
            + " note text DEFAULT 'x', amount numeric CHECK (amount >= 0), twice numeric GENERATED"
            + " ALWAYS AS (amount * 2) STORED, state mood NOT NULL DEFAULT 'fine')",
        "CREATE INDEX orders_by_note ON orders (lower(note)) WHERE note <> ''",
        "CREATE TABLE items (id int PRIMARY KEY, ordered bigint REFERENCES orders)",
        "CREATE VIEW dear_orders AS SELECT * FROM orders WHERE amount > 50",
        "COMMENT ON TABLE orders IS 'what is \\restrict ed\n\\restrict nothing'",
        "ALTER TABLE orders OWNER TO clerk",
        "CREATE TABLE documents (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text)",
        "ALTER TABLE documents ALTER body SET STORAGE EXTERNAL",
        "CREATE TABLE measurements (at timestamptz NOT NULL, device int NOT NULL, value real,"
            + " PRIMARY KEY (at, device)) PARTITION BY RANGE (at)",
        "CREATE TABLE m2025 PARTITION OF measurements FOR VALUES FROM ('2025-01-01') TO"
            + " ('2026-01-01')",
        "CREATE TABLE readings (at timestamptz, device int,"
            + " FOREIGN KEY (at, device) REFERENCES measurements)",
        "CREATE TABLE \"My.Schema\".m2026 PARTITION OF measurements FOR VALUES FROM ('2026-01-01')"
            + " TO ('2027-01-01') PARTITION BY LIST (device)",
        "CREATE TABLE \"My.Schema\".m2026_1 PARTITION OF \"My.Schema\".m2026 FOR VALUES IN (1)",
        "CREATE TABLE \"My.Schema\".m2026_rest PARTITION OF \"My.Schema\".m2026 DEFAULT",
        "CREATE TABLE " + ODD_SQL + " (\"a \"\"b\"\"\" int, c text)",
        "CREATE TABLE elsewhere (id int PRIMARY KEY, t text) TABLESPACE spare",
        "CREATE TABLE accounts_kept AS SELECT * FROM pgbench_accounts",
        "CREATE UNLOGGED TABLE passing (id int)");
    server.execute(
        "big",
        "CREATE TABLE ballast AS SELECT i, (SELECT string_agg(md5(random()::text || i::text || j),"
            + " '') FROM generate_series(1, 100) j) AS filler FROM generate_series(1, 10000) i");
    server.execute(
        SHOP,
        "ALTER DATABASE " + SHOP_SQL + " SET work_mem = '7MB'",
        "ALTER ROLE clerk IN DATABASE " + SHOP_SQL + " SET statement_timeout = '9min'",
        "COMMENT ON DATABASE " + SHOP_SQL + " IS 'where we sell'",
        "GRANT CONNECT ON DATABASE " + SHOP_SQL + " TO maker",
        "CREATE EXTENSION hstore",
        "CREATE SCHEMA stock AUTHORIZATION clerk",
        "CREATE TYPE stock.size AS ENUM ('S', 'L')",
        "CREATE TABLE stock.things (id bigserial PRIMARY KEY, size stock.size, tags hstore, bytes"
            + " bytea, doubled int GENERATED ALWAYS AS (2) STORED)",
        "ALTER TABLE stock.things OWNER TO clerk",
        "CREATE TABLE stock.places (id int PRIMARY KEY, thing bigint REFERENCES stock.things)"
            + " PARTITION BY RANGE (id)",
        "CREATE TABLE stock.places_1 PARTITION OF stock.places FOR VALUES FROM (0) TO (1000)",
        "CREATE UNLOGGED TABLE passing (id int)",
        "INSERT INTO passing VALUES (1)",
        "CREATE INDEX things_by_size ON stock.things (size) TABLESPACE fast",
        "CREATE FUNCTION stock.answer() RETURNS int LANGUAGE sql AS 'SELECT 42'",
        "CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN NULL; END$$",
        "CREATE EVENT TRIGGER watches ON ddl_command_end EXECUTE FUNCTION watch()",
        "CREATE TABLE stock.sorts (size stock.size, n int) PARTITION BY HASH (size)",
        "CREATE TABLE stock.sorts_0 PARTITION OF stock.sorts FOR VALUES WITH (MODULUS 2, REMAINDER"
            + " 0)",
        "CREATE TABLE stock.sorts_1 PARTITION OF stock.sorts FOR VALUES WITH (MODULUS 2, REMAINDER"
            + " 1)",
        "CREATE FUNCTION stock.mighty() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "ALTER FUNCTION stock.mighty() OWNER TO clerk",
        "ALTER DATABASE " + SHOP_SQL + " SET log_statement = 'none'",
        "ALTER DATABASE " + SHOP_SQL + " CONNECTION LIMIT 77",
        "CREATE MATERIALIZED VIEW stock.total AS SELECT count(*) AS things FROM stock.things");
    bigBytes = Long.parseLong(server.query("big", "SELECT pg_table_size('ballast')"));
    receiver = story.command.start("wal", "receive", "main");
    story.awaitSlot();
    story.command.json("backup", "main");
    server.execute(
        "bench",
        "INSERT INTO orders (customer, note, amount, state) SELECT 1 + i % 100, E'n\\\\N\\t\\n' ||"
            + " i, i % 100, 'not fine' FROM generate_series(1, 5000) i",
        "INSERT INTO items SELECT i, i FROM generate_series(1, 10) i",
        "INSERT INTO documents (body) SELECT (SELECT string_agg(md5(random()::text || i::text ||"
            + " j), '') FROM generate_series(1, 625) j) FROM generate_series(1, "
            + DOCUMENTS
            + ") i",
        "INSERT INTO measurements SELECT timestamptz '2025-12-01' + i * interval '1 hour', i % 3, i"
            + " FROM generate_series(1, 2000) i",
        "INSERT INTO readings SELECT at, device FROM measurements LIMIT 5",
        "INSERT INTO " + ODD_SQL + " SELECT i, 'ünï ' || i FROM generate_series(1, 50) i",
        "INSERT INTO elsewhere SELECT i, 'e' || i FROM generate_series(1, 1000) i",
        "INSERT INTO passing VALUES (1)",
        "SELECT setval('orders_id_seq', 9000, true)");
    server.execute(
        SHOP,
        "INSERT INTO stock.things (size, tags, bytes) SELECT 'L', hstore('n', i::text),"
            + " sha256(i::text::bytea) FROM generate_series(1, 3000) i",
        "INSERT INTO stock.places SELECT i, i FROM generate_series(1, 500) i",
        "INSERT INTO stock.sorts SELECT (CASE WHEN i % 3 = 0 THEN 'S' ELSE 'L' END)::stock.size, i"
            + " FROM generate_series(1, 90) i",
        "REFRESH MATERIALIZED VIEW stock.total",
        "SELECT lo_from_bytea(4711, 'a large object')",
        "ALTER TABLE stock.things ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY mine ON stock.things USING (id > 0)",
        "BEGIN; DELETE FROM stock.sorts; PREPARE TRANSACTION 'never ended'",
        "ALTER DATABASE " + SHOP_SQL + " SET default_transaction_read_only = on");
    shop = shopDigests(SHOP);
    truth = digests("bench", "public");
    before = Instant.parse(server.query("bench", SERVER_TIME));
    server.execute(
        "bench",
        "DROP TABLE orders, documents, measurements, elsewhere, accounts_kept, "
            + ODD_SQL
            + " CASCADE");
    server.query("bench", "SELECT pg_switch_wal()");
    story.awaitStored(server.query("bench", "SELECT pg_current_wal_lsn()"));
  }

  /** What a database is known by: what each table has, and what belongs to the database. */
  private List<String> shopDigests(String database) throws SQLException {
    return List.of(
        digest(database, "stock.things"),
        digest(database, "stock.places"),
        digest(database, "stock.sorts"),
        server.query(database, "SELECT things FROM stock.total"),
        server.query(database, "SELECT convert_from(lo_get(4711), 'UTF8')"),
        server.query(database, "SELECT stock.answer()"),
        server.query(
            database,
            "SELECT string_agg(polname, ',') FROM pg_policy WHERE polrelid ="
                + " 'stock.things'::regclass"),
        server.query(
            database,
            "SELECT shobj_description(oid, 'pg_database') || pg_get_userbyid(datdba) || datcollate"
                + " || datconnlimit"
                + " || has_database_privilege('maker', oid, 'CONNECT') FROM pg_database WHERE"
                + " datname = current_database()"),
        server.query(
            database,
            "SELECT string_agg(coalesce(r.rolname, '') || one, ' ' ORDER BY s.setrole, one) FROM"
                + " pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole JOIN"
                + " pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) AS one WHERE"
                + " d.datname = current_database() AND one NOT LIKE '%read_only%'"));
  }

  private static final String SERVER_TIME =
      "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";

  @AfterAll
  void stop() throws Exception {
    if (receiver != null) {
      receiver.stop();
    }
    server.close();
    for (Path output : story.command.outputs()) {
      assertThat(Files.readString(output)).doesNotContain(SECRET);
    }
  }

  @AfterEach
  void nothingRemains() throws Exception {
    assertThat(listed(work)).isEmpty();
    assertThat(listed(folder.resolve("state/tables/main"))).isEmpty();
    assertThat(processesBelow(work)).isEmpty();
  }

  @Test
  @Order(1)
  void whatDidNotExistOrCannotBeReachedIsRefusedAndTheServerStaysAsItIs() throws Exception {
    Command.Result early =
        story.command.run(into("2001-01-01T00:00:00Z", "--table", "bench.public.orders"));
    assertThat(early.exit()).as(early.toString()).isEqualTo(4);
    assertThat(early.errorCode()).isEqualTo("restore.unreachable");
    assertThat(early.json().at("/error/details/nearest").asText()).isNotBlank();

    Command.Result unknown =
        story.command.run(into(before.toString(), "--table", "bench.public.Ordres"));
    assertThat(unknown.exit()).as(unknown.toString()).isEqualTo(5);
    assertThat(unknown.errorCode()).isEqualTo("restore.table-not-found");
    assertThat(unknown.json().at("/error/remedy").asText()).contains("bench.public.orders");

    Command.Result database =
        story.command.run(into(before.toString(), "--table", "bnech.public.orders"));
    assertThat(database.exit()).as(database.toString()).isEqualTo(5);
    assertThat(database.errorCode()).isEqualTo("restore.unknown-database");
    assertThat(database.json().at("/error/remedy").asText()).contains("bench");

    assertThat(server.query("bench", "SELECT to_regclass('orders') IS NULL")).isEqualTo("t");
  }

  @Test
  @Order(2)
  void aPlanProvesTheMomentAndNamesFilesRoomAndTools() throws Exception {
    List<String> words = new ArrayList<>(List.of(into(before.toString(), "--table", ODD_TABLE)));
    words.add("--plan");
    Command.Result planned = story.command.run(words.toArray(String[]::new));
    assertThat(planned.exit()).as(planned.toString()).isZero();
    JsonNode plan = planned.json();
    assertThat(plan.path("backup").asText()).isNotBlank();
    assertThat(plan.path("bytes").asLong()).isPositive();
    assertThat(plan.path("bytes").asLong() - 40_000_000).isLessThan(bigBytes);
    assertThat(plan.path("neededBytes").asLong()).isGreaterThan(plan.path("bytes").asLong());
    assertThat(plan.path("freeBytes").asLong()).isPositive();
    assertThat(plan.path("workDir").asText()).isEqualTo(work.toString());
    assertThat(plan.path("tools").toString()).contains("pg_dump").contains("postgres");
  }

  @Test
  @Order(3)
  void whoAsksItToStopOrKillsItLeavesNothingOnTheServerAndTheNextRunRemovesTheRest()
      throws Exception {
    String[] words = into(before.toString(), "--table", "bench.public.orders");
    try (Connection holder = server.connect("bench");
        Statement statement = holder.createStatement()) {
      // The foreign key waits for it, after the rows and the indexes.
      holder.setAutoCommit(false);
      statement.execute("LOCK TABLE customers");
      try (Command.Background stopped = story.command.start(words)) {
        awaitWaiting();
        assertThat(processesBelow(work)).isNotEmpty();
        Command.Result result = stopped.stop();
        assertThat(result.exit()).as(result.toString()).isEqualTo(1);
        assertThat(result.errorCode()).isEqualTo("cancelled");
      }
      nothingRemains();
      try (Command.Background killed = story.command.start(words)) {
        awaitWaiting();
        for (Path commandLine : commandLines()) {
          assertThat(read(commandLine)).doesNotContain(SECRET);
        }
        // It alone, and none of what it started.
        ProcessHandle command = ProcessHandle.of(killed.pid()).orElseThrow();
        command.destroyForcibly();
        command.onExit().join();
      }
    }
    server.awaitTrue(
        "bench",
        "SELECT to_regclass('orders') IS NULL AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE"
            + " state = 'active' AND query LIKE 'ALTER TABLE%')",
        Duration.ofMinutes(1));
    List<String> left = listed(work);
    assertThat(left).hasSize(1);
    assertThat(processesBelow(work)).isNotEmpty();
    String checked = story.command.run("--json", "check", "main").out();
    assertThat(checked).contains("postgres.throw-away").contains(left.get(0));

    Command.Result next =
        story.command.run(into(before.toString(), "--table", "bench.public.dear_orders"));
    assertThat(next.exit()).as(next.toString()).isEqualTo(2);
    assertThat(next.errorCode()).isEqualTo("restore.not-a-table");
    nothingRemains();
    assertThat(Files.exists(Path.of("/tmp").resolve(left.get(0)))).isFalse();
    assertThat(story.command.run("--json", "check", "main").out())
        .doesNotContain("postgres.throw-away");
  }

  @Test
  @Order(4)
  void droppedTablesComeBackWholeWhileTheServerGoesOn() throws Exception {
    String[] words =
        Stream.concat(
                Stream.of(into(before.toString(), "--table", ODD_TABLE)).skip(1),
                Stream.of(ALL).flatMap(name -> Stream.of("--table", "bench.public." + name)))
            .toArray(String[]::new);
    JsonNode report;
    try (Load load = new Load()) {
      Command.await("the server is at work", () -> load.transactions.get() > 0);
      long busy = load.transactions.get();
      report = story.command.json(words);
      assertThat(load.transactions.get()).isGreaterThan(busy);
    }

    assertThat(digests("bench", "public")).isEqualTo(truth);
    assertThat(report.path("bytesFetched").asLong()).isPositive().isLessThan(bigBytes / 2);
    assertThat(report.path("rows").asLong())
        .isEqualTo(50 + 5000 + DOCUMENTS + 2000 + 100_000 + 1000);
    assertThat(report.path("tables")).hasSize(6);
    assertThat(report.path("tables").get(3).path("partitions").asInt()).isEqualTo(4);
    assertThat(report.at("/reached/lsn").asText()).matches("[0-9A-F]+/[0-9A-F]+");
    assertThat(report.path("into").asText()).isEqualTo(server.jdbcUrl("bench"));
    assertThat(report.path("output").isNull()).isTrue();
    assertThat(report.path("next").toString())
        .contains("items_ordered_fkey")
        .contains("dear_orders");

    assertThat(server.query("bench", "SELECT nextval('orders_id_seq')")).isEqualTo("9001");
    assertThat(server.query("bench", "SELECT tableowner FROM pg_tables WHERE tablename = 'orders'"))
        .isEqualTo("clerk");
    assertThat(server.query("bench", "SELECT obj_description('orders'::regclass)"))
        .isEqualTo("what is \\restrict ed\n\\restrict nothing");
    assertThat(
            server.rows(
                "bench",
                "SELECT conname FROM pg_constraint WHERE conrelid = 'orders'::regclass ORDER BY 1"))
        .contains("orders_amount_check", "orders_customer_fkey", "orders_pkey");
    assertThat(
            server.query(
                "bench",
                "SELECT indisvalid FROM pg_index WHERE indexrelid ="
                    + " 'orders_by_note'::regclass"))
        .isEqualTo("t");
    assertThat(server.query("bench", "SELECT count(*) FROM pg_partition_tree('measurements')"))
        .isEqualTo("5");
    assertThat(
            server.query(
                "bench",
                "SELECT spcname FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace"
                    + " WHERE relname = 'elsewhere'"))
        .isEqualTo("spare");
    assertThat(server.query("bench", "SELECT reltuples FROM pg_class WHERE relname = 'elsewhere'"))
        .isEqualTo("1000");
    server.execute("bench", "INSERT INTO documents (body) VALUES ('new'), ('newer')");
    // The log counts a sequence ahead, up to 32 values.
    assertThat(Integer.parseInt(server.query("bench", "SELECT max(id) FROM documents")))
        .isBetween(DOCUMENTS + 2, DOCUMENTS + 34);
    server.execute("bench", "DELETE FROM documents WHERE id > " + DOCUMENTS);
  }

  @Test
  @Order(5)
  void aPartitionComesBackIntoALiveTableWithoutItsTriggersActing() throws Exception {
    server.execute(
        "bench",
        "CREATE TABLE outbox (what text)",
        "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS"
            + " $$BEGIN INSERT INTO outbox VALUES (NEW::text); RETURN NEW; END$$",
        "CREATE TRIGGER tells AFTER INSERT ON measurements FOR EACH ROW EXECUTE FUNCTION tell()",
        "DROP TABLE m2025");
    JsonNode report =
        story.command.json(
            Stream.of(into(before.toString(), "--table", "bench.public.m2025"))
                .skip(1)
                .toArray(String[]::new));
    assertThat(report.path("rows").asLong()).isEqualTo(31 * 24 - 1);
    assertThat(server.query("bench", "SELECT count(*) FROM outbox")).isEqualTo("0");
    assertThat(digest("bench", "public.measurements")).isEqualTo(truth.get(2));
    assertThat(server.query("bench", "SELECT count(*) FROM pg_partition_tree('measurements')"))
        .isEqualTo("5");
    assertThat(
            server.query(
                "bench",
                "SELECT count(*) FROM pg_partition_tree('measurements_pkey') WHERE relid ="
                    + " 'm2025_pkey'::regclass"))
        .isEqualTo("1");
    server.execute("bench", "INSERT INTO measurements VALUES ('2025-06-01', 1, 1)");
    assertThat(server.query("bench", "SELECT count(*) FROM outbox")).isEqualTo("1");
    server.execute(
        "bench",
        "DELETE FROM measurements WHERE at = '2025-06-01'",
        "DROP TRIGGER tells ON measurements",
        "DROP TABLE outbox",
        "DROP FUNCTION tell");
  }

  @Test
  @Order(5)
  void whatIsThereNowIsNotTouchedAndTheOldOneCanLieBesideIt() throws Exception {
    server.execute("bench", "UPDATE orders SET note = 'damaged' WHERE id % 2 = 0");
    List<String> damaged = digests("bench", "public");
    Command.Result refused =
        story.command.run(
            into(
                before.toString(),
                "--table",
                "bench.public.orders",
                "--table",
                "bench.public.passing"));
    assertThat(refused.exit()).as(refused.toString()).isEqualTo(4);
    assertThat(refused.errorCode()).isEqualTo("restore.table-exists");

    JsonNode report =
        story.command.json(
            Stream.of(
                    into(
                        before.toString(),
                        "--table",
                        "bench.public.orders",
                        "--table",
                        "bench.public.m2025",
                        "--table",
                        "bench.public.passing",
                        "--as-schema",
                        "As it \"was\""))
                .skip(1)
                .toArray(String[]::new));
    assertThat(digests("bench", "public")).isEqualTo(damaged);
    assertThat(digest("bench", "\"As it \"\"was\"\"\".orders")).isEqualTo(truth.get(0));
    assertThat(server.query("bench", "SELECT count(*) FROM \"As it \"\"was\"\"\".m2025"))
        .isEqualTo(Long.toString(31 * 24 - 1));
    assertThat(server.query("bench", "SELECT count(*) FROM pg_partition_tree('measurements')"))
        .isEqualTo("5");
    assertThat(server.query("bench", "SELECT count(*) FROM \"As it \"\"was\"\"\".passing"))
        .isEqualTo("0");
    assertThat(
            server.query(
                "bench",
                "SELECT pg_get_serial_sequence('\"As it \"\"was\"\"\".orders', 'id') LIKE '%was%'"))
        .isEqualTo("t");
    assertThat(report.path("next").toString())
        .contains("orders_customer_fkey")
        .contains("DETACH PARTITION")
        .contains("unlogged");
    assertThat(report.path("tables").get(0).path("schema").asText()).isEqualTo("As it \"was\"");

    Command.Result again =
        story.command.run(
            into(
                before.toString(),
                "--table",
                "bench.public.orders",
                "--as-schema",
                "As it \"was\""));
    assertThat(again.exit()).as(again.toString()).isEqualTo(4);
    assertThat(again.errorCode()).isEqualTo("restore.schema-exists");
  }

  @Test
  @Order(6)
  void aLoadThatTheServerRefusesLeavesNothing() throws Exception {
    server.execute("bench", "DROP TABLE orders CASCADE", "DELETE FROM customers WHERE id = 7");
    String[] words = into(before.toString(), "--table", "bench.public.orders");
    Command.Result refused = story.command.run(words);
    assertThat(refused.exit()).as(refused.toString()).isEqualTo(1);
    assertThat(refused.errorCode()).isEqualTo("restore.load-failed");
    assertThat(refused.json().at("/error/remedy").asText()).contains("--no-foreign-keys");
    assertThat(
            server.query(
                "bench",
                "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND"
                    + " relname LIKE 'orders%'"))
        .isEqualTo("0");

    String[] without = Arrays.copyOf(words, words.length + 1);
    without[words.length] = "--no-foreign-keys";
    Command.Result loaded = story.command.run(without);
    assertThat(loaded.exit()).as(loaded.toString()).isZero();
    assertThat(digest("bench", "public.orders")).isEqualTo(truth.get(0));
    assertThat(loaded.json().path("next").toString()).contains("orders_customer_fkey");
  }

  @Test
  @Order(7)
  void aFileIsItsOwnersAloneAndLoadsElsewhere() throws Exception {
    Path script = folder.resolve("orders.sql");
    Path archive = folder.resolve("some.dump");
    JsonNode report = story.command.json(output(script, "--table", "bench.public.orders"));
    assertThat(report.path("output").asText()).isEqualTo(script.toString());
    assertThat(report.path("into").isNull()).isTrue();
    assertThat(report.path("rows").asLong()).isEqualTo(5000);
    story.command.json(
        output(
            archive,
            "--table",
            ODD_TABLE,
            "--table",
            "bench.public.measurements",
            "--as-schema",
            "beside",
            "--no-owner"));
    for (Path file : List.of(script, archive)) {
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
          .isEqualTo("rw-------");
    }
    byte[] first = Files.readAllBytes(script);
    Command.Result taken =
        story.command.run(
            Stream.concat(
                    Stream.of("--json"),
                    Stream.of(output(script, "--table", "bench.public.documents")))
                .toArray(String[]::new));
    assertThat(taken.exit()).as(taken.toString()).isEqualTo(4);
    assertThat(taken.errorCode()).isEqualTo("restore.output-exists");
    assertThat(Files.readAllBytes(script)).isEqualTo(first);
    try (Stream<Path> files = Files.list(folder)) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .noneMatch(name -> name.startsWith("."));
    }

    server.execute("postgres", "CREATE DATABASE fresh", "ALTER ROLE clerk SUPERUSER");
    server.execute(
        "fresh",
        "CREATE TYPE mood AS ENUM ('fine', 'not fine')",
        "CREATE TABLE customers (id int PRIMARY KEY, name text)",
        "INSERT INTO customers SELECT i FROM generate_series(1, 100) i");
    client("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", script.toString());
    client("pg_restore", "-e", archive.toString());
    assertThat(digest("fresh", "public.orders")).isEqualTo(truth.get(0));
    assertThat(digest("fresh", "beside.measurements")).isEqualTo(truth.get(2));
    assertThat(digest("fresh", ODD_SQL.replace("My.Schema", "beside"))).isEqualTo(truth.get(5));
  }

  @Test
  @Order(8)
  void aDroppedDatabaseComesBackWholeUnderItsNameAndNobodySeesItBefore() throws Exception {
    Command.Result taken = story.command.run(database(SHOP, server.jdbcUrl(SHOP)));
    assertThat(taken.exit()).as(taken.toString()).isEqualTo(4);
    assertThat(taken.errorCode()).isEqualTo("restore.database-exists");
    Command.Result both =
        story.command.run(
            Stream.concat(
                    Stream.of(database(SHOP, server.jdbcUrl("new"))),
                    Stream.of("--as-schema", "beside"))
                .toArray(String[]::new));
    assertThat(both.exit()).as(both.toString()).isEqualTo(2);

    // What is unfinished of a run that is killed goes with the next one into the same server.
    server.execute(
        SHOP, "SET default_transaction_read_only = off", "ROLLBACK PREPARED 'never ended'");
    server.execute(
        "postgres",
        "ALTER TABLESPACE spare RENAME TO spared",
        "ALTER TABLESPACE fast RENAME TO faster",
        "DROP DATABASE " + SHOP_SQL);
    String[] words = database(SHOP, server.jdbcUrl(SHOP));
    try (Command.Background killed = story.command.start(words)) {
      Command.await("the unfinished database", () -> !unfinished().isEmpty());
      Command.await("nobody else may connect", this::closed);
      ProcessHandle command = ProcessHandle.of(killed.pid()).orElseThrow();
      command.destroyForcibly();
      command.onExit().join();
    }
    List<String> left = unfinished();
    assertThat(left).hasSize(1);
    assertThat(story.command.run("--json", "check", "main").out())
        .contains("postgres.throw-away")
        .contains(left.get(0));

    JsonNode report = story.command.json(Stream.of(words).skip(1).toArray(String[]::new));
    assertThat(unfinished()).isEmpty();
    assertThat(shopDigests(SHOP)).isEqualTo(shop);
    assertThat(report.path("rows").asLong()).isEqualTo(3590);
    assertThat(report.path("tables")).hasSize(5);
    assertThat(report.path("tables").get(4).path("name").asText())
        .isEqualTo(SHOP + ".stock.things");
    assertThat(report.path("next").toString())
        .contains("unlogged")
        .contains("never ended")
        .contains("no tablespace fast, spare")
        .contains("default_transaction_read_only=on");
    server.execute(
        "postgres",
        "ALTER TABLESPACE spared RENAME TO spare",
        "ALTER TABLESPACE faster RENAME TO fast");
    assertThat(server.query(SHOP, "SHOW default_transaction_read_only")).isEqualTo("off");
    assertThat(server.query(SHOP, "SELECT evtname FROM pg_event_trigger")).isEqualTo("watches");
    assertThat(server.query(SHOP, "SELECT nextval('stock.things_id_seq') BETWEEN 3001 AND 3033"))
        .isEqualTo("t");
    assertThat(server.query(SHOP, "SELECT reltuples FROM pg_class WHERE relname = 'things'"))
        .isEqualTo("3000");
  }

  @Test
  @Order(9)
  void aDatabaseComesToARoleThatMayLittleAndToAFile() throws Exception {
    Path secret = folder.resolve("database.txt");
    String url = server.jdbcUrl("copied");
    Command.Result refused =
        story.command.run(
            Stream.concat(
                    Stream.of(database(SHOP, url)),
                    Stream.of("--user", "maker", "--password-file", secret.toString()))
                .toArray(String[]::new));
    assertThat(refused.exit()).as(refused.toString()).isEqualTo(1);
    assertThat(refused.errorCode()).isEqualTo("restore.load-failed");
    assertThat(refused.json().at("/error/remedy").asText()).contains("--no-owner");
    assertThat(unfinished()).isEmpty();
    assertThat(server.query("postgres", "SELECT count(*) FROM pg_database WHERE datname='copied'"))
        .isEqualTo("0");

    Command.Result mighty =
        story.command.run(
            Stream.concat(Stream.of(database(SHOP, url)), Stream.of("--no-owner"))
                .toArray(String[]::new));
    assertThat(mighty.exit()).as(mighty.toString()).isEqualTo(4);
    assertThat(mighty.errorCode()).isEqualTo("restore.security-definer");
    assertThat(mighty.toString()).contains("stock.mighty()");

    JsonNode without =
        story.command.json(
            Stream.concat(
                    Stream.of(database(SHOP, url)).skip(1),
                    Stream.of(
                        "--user", "maker", "--password-file", secret.toString(), "--no-owner"))
                .toArray(String[]::new));
    assertThat(without.path("next").toString())
        .contains("watches")
        .contains("clerk")
        .contains("log_statement");
    assertThat(shopDigests("copied").subList(0, 7)).isEqualTo(shop.subList(0, 7));
    assertThat(
            server.query("copied", "SELECT tableowner FROM pg_tables WHERE tablename = 'things'"))
        .isEqualTo("maker");

    Path archive = folder.resolve("shop.dump");
    Path script = folder.resolve("shop.sql");
    for (Path file : List.of(archive, script)) {
      JsonNode report =
          story.command.json(
              "restore-table",
              "main",
              "--to-time",
              before.toString(),
              "--database",
              SHOP,
              "--work-dir",
              work.toString(),
              "--output",
              file.toString());
      assertThat(report.path("rows").asLong()).isEqualTo(3590);
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
          .isEqualTo("rw-------");
    }
    for (String fresh : List.of("from_archive", "from_script")) {
      server.execute(
          "postgres",
          "CREATE DATABASE "
              + fresh
              + " OWNER clerk TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'");
    }
    String[] server = {
      "-h",
      this.server.socketDirectory().toString(),
      "-p",
      Integer.toString(this.server.port()),
      "-U",
      this.server.superuser()
    };
    this.server.run(
        "pg_restore",
        Stream.concat(Stream.of(server), Stream.of("-e", "-d", "from_archive", archive.toString()))
            .toArray(String[]::new));
    this.server.run(
        "psql",
        Stream.concat(
                Stream.of(server),
                Stream.of(
                    "-q", "-v", "ON_ERROR_STOP=1", "-d", "from_script", "-f", script.toString()))
            .toArray(String[]::new));
    assertThat(shopDigests("from_archive").subList(0, 7)).isEqualTo(shop.subList(0, 7));
    assertThat(shopDigests("from_script").subList(0, 7)).isEqualTo(shop.subList(0, 7));
  }

  private boolean closed() {
    try {
      return server
          .rows("postgres", "SELECT datconnlimit FROM pg_database WHERE datname LIKE 'thorbis-%'")
          .equals(List.of("0"));
    } catch (SQLException e) {
      throw new AssertionError(e);
    }
  }

  private List<String> unfinished() {
    try {
      return server.rows(
          "postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'thorbis-%'");
    } catch (SQLException e) {
      throw new AssertionError(e);
    }
  }

  private String[] database(String name, String url) {
    return new String[] {
      "--json",
      "restore-table",
      "main",
      "--to-time",
      before.toString(),
      "--database",
      name,
      "--into",
      url,
      "--work-dir",
      work.toString()
    };
  }

  @Test
  @Order(10)
  void aTablespaceThatReplayWouldMakeAgainOverTheLiveOneIsRefused() throws Exception {
    server.createTablespace("later", folder.resolve("later"));
    server.execute("bench", "DROP TABLE orders CASCADE");
    server.query("bench", "SELECT pg_switch_wal()");
    String lsn = server.query("bench", "SELECT pg_current_wal_lsn()");
    story.awaitStored(lsn);
    String[] words = into(before.toString(), "--table", "bench.public.orders", "--plan");
    assertThat(story.command.run(words).exit()).isZero();

    List<String> latest = new ArrayList<>(List.of(words));
    int moment = latest.indexOf("--to-time");
    latest.remove(moment + 1);
    latest.set(moment, "--latest");
    Command.Result refused = story.command.run(latest.toArray(String[]::new));
    assertThat(refused.exit()).as(refused.toString()).isEqualTo(4);
    assertThat(refused.errorCode()).isEqualTo("restore.newer-tablespace");

    Path target = folder.resolve("whole");
    String spare = "spare=" + folder.resolve("whole-spare"); // where it was, the server has it
    String fast = "fast=" + folder.resolve("whole-fast");
    Command.Result whole =
        story.command.run(
            "--json",
            "restore",
            "main",
            "--target-dir",
            target.toString(),
            "--tablespace",
            spare,
            "--tablespace",
            fast,
            "--latest",
            "--start");
    assertThat(whole.exit()).as(whole.toString()).isEqualTo(4);
    assertThat(whole.errorCode()).isEqualTo("restore.newer-tablespace");
    assertThat(target).doesNotExist();
    server.execute("postgres", "DROP TABLESPACE later");
    assertThat(
            story
                .command
                .run(
                    "restore",
                    "main",
                    "--target-dir",
                    target.toString(),
                    "--tablespace",
                    spare,
                    "--tablespace",
                    fast,
                    "--latest",
                    "--plan")
                .exit())
        .isZero();
  }

  private String[] into(String time, String... more) {
    List<String> words =
        new ArrayList<>(List.of("--json", "restore-table", "main", "--to-time", time));
    words.addAll(List.of("--into", server.jdbcUrl("bench"), "--work-dir", work.toString()));
    words.addAll(List.of(more));
    return words.toArray(String[]::new);
  }

  private String[] output(Path file, String... more) {
    List<String> words =
        new ArrayList<>(List.of("restore-table", "main", "--to-time", before.toString()));
    words.addAll(List.of("--output", file.toString(), "--work-dir", work.toString()));
    words.addAll(List.of(more));
    return words.toArray(String[]::new);
  }

  private void client(String tool, String... more) throws IOException {
    List<String> words =
        new ArrayList<>(List.of("-h", server.socketDirectory().toString(), "-d", "fresh"));
    words.addAll(List.of("-p", Integer.toString(server.port()), "-U", server.superuser()));
    words.addAll(List.of(more));
    server.run(tool, words.toArray(String[]::new));
  }

  private List<String> digests(String database, String schema) throws SQLException {
    List<String> digests = new ArrayList<>();
    for (String table : ALL) {
      digests.add(digest(database, schema + "." + table));
    }
    digests.add(digest(database, ODD_SQL));
    return digests;
  }

  private String digest(String database, String table) throws SQLException {
    return server.query(
        database,
        "SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM "
            + table
            + " t");
  }

  private void awaitWaiting() throws InterruptedException {
    Command.await(
        "the load waits for the lock",
        () -> {
          try {
            return !server
                .query(
                    "bench",
                    "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation ="
                        + " 'customers'::regclass")
                .equals("0");
          } catch (SQLException e) {
            throw new AssertionError(e);
          }
        });
  }

  private static List<String> listed(Path place) throws IOException {
    List<String> names = new ArrayList<>();
    if (Files.isDirectory(place)) {
      try (DirectoryStream<Path> entries = Files.newDirectoryStream(place)) {
        entries.forEach(entry -> names.add(entry.getFileName().toString()));
      }
    }
    return names;
  }

  private static List<Path> commandLines() throws IOException {
    List<Path> found = new ArrayList<>();
    try (DirectoryStream<Path> all = Files.newDirectoryStream(Path.of("/proc"), "[0-9]*")) {
      all.forEach(process -> found.add(process.resolve("cmdline")));
    }
    return found;
  }

  private static String read(Path file) {
    try {
      return Files.readString(file, StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      return ""; // it ended
    }
  }

  private static List<Path> processesBelow(Path place) throws IOException {
    List<Path> found = new ArrayList<>();
    for (Path commandLine : commandLines()) {
      try {
        if (Files.readSymbolicLink(commandLine.resolveSibling("cwd")).startsWith(place)) {
          found.add(commandLine);
        }
      } catch (IOException e) {
        // It ended.
      }
    }
    return found;
  }

  /** The server's other work, which goes on as if nothing happened. */
  private final class Load implements AutoCloseable {
    private final AtomicLong transactions = new AtomicLong();
    private final AtomicBoolean enough = new AtomicBoolean();
    private final FutureTask<?> task;

    Load() {
      Pgbench bench = Pgbench.on(server, "bench");
      task =
          new FutureTask<>(
              () -> {
                while (!enough.get()) {
                  transactions.addAndGet(bench.run(50, 2));
                }
                return null;
              });
      new Thread(task, "pgbench").start();
    }

    @Override
    public void close() throws InterruptedException, ExecutionException {
      enough.set(true);
      task.get();
    }
  }
}
