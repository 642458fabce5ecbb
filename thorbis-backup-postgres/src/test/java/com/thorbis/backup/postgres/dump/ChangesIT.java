package com.thorbis.backup.postgres.dump;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.LoadReport;
import com.thorbis.backup.api.LoadReport.Outcome;
import com.thorbis.backup.api.LoadRequest;
import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.postgres.changes.ChangeLog;
import com.thorbis.backup.postgres.dump.DatabaseSession.Relation;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.support.MemoryRepository;
import com.thorbis.backup.postgres.support.Sources;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** What is changed behind a dump, stored piece by piece, and done again to a copy. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ChangesIT {
  private static final String ODD = "\"odd \"\"schema\"\"\nnew\".\"t\u00e4ble ? \"\"x\"\".y\"";

  private static final String[] SCHEMA = {
    "CREATE EXTENSION ltree",
    "CREATE TABLE paths (path ltree PRIMARY KEY, n int)",
    "INSERT INTO paths VALUES ('a.b', 1), ('a', 2), ('c', 3)",
    "CREATE TYPE mood AS ENUM ('sad', 'it''s ok')",
    "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
    "CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name varchar(20),"
        + " big text, doc json, doubled int GENERATED ALWAYS AS (age * 2) STORED, age positive,"
        + " price money, at timestamptz, took interval, raw bytea, ratio float8, feeling mood,"
        + " tags text[], fixed char(5), bits bit(3))",
    "ALTER TABLE customers ALTER big SET STORAGE EXTERNAL",
    "CREATE SCHEMA \"odd \"\"schema\"\"\nnew\"",
    "CREATE TABLE "
        + ODD
        + " (\"col ? \u00fcmn 1\" text, \"\"\"\nb\" int, n serial, PRIMARY KEY"
        + " (\"col ? \u00fcmn 1\", \"\"\"\nb\"))",
    "CREATE TABLE parent (id int PRIMARY KEY)",
    "CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE)",
    "CREATE TABLE audit (id serial PRIMARY KEY, what text)",
    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        + " 'BEGIN INSERT INTO public.audit (what) VALUES (TG_OP); RETURN NULL; END'",
    "CREATE TRIGGER notes AFTER INSERT OR UPDATE OR DELETE ON child FOR EACH ROW EXECUTE FUNCTION"
        + " note()",
    "COMMENT ON TRIGGER notes ON child IS 'notes it'",
    "CREATE TABLE whole (a int, j json)",
    "ALTER TABLE whole REPLICA IDENTITY FULL",
    "CREATE TABLE by_index (a int NOT NULL, b text)",
    "CREATE UNIQUE INDEX by_a ON by_index (a)",
    "ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_a",
    "CREATE TABLE parts (id int, day int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)",
    "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10)",
    "CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20)",
    "CREATE TABLE swaps (id int PRIMARY KEY, place int UNIQUE DEFERRABLE INITIALLY DEFERRED)",
    "CREATE TABLE emptied (id serial PRIMARY KEY)",
    "CREATE TABLE keyless (x int)",
    "CREATE UNLOGGED TABLE passing (x int PRIMARY KEY)",
    "CREATE TABLE untouched (x int PRIMARY KEY)",
    "CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM customers",
    "INSERT INTO customers (name, big, age) SELECT 'n' || n, repeat(md5(n::text), 300), n FROM"
        + " generate_series(1, 50) n",
    "INSERT INTO " + ODD + " VALUES ('o''ne\n', 1), ('tw\u00f6', 2)",
    "INSERT INTO parent SELECT generate_series(1, 5)",
    "INSERT INTO child SELECT n, n % 5 + 1 FROM generate_series(1, 20) n",
    "INSERT INTO whole VALUES (1, '{\"a\": 1}'), (1, '{\"a\": 1}'), (NULL, NULL)",
    "INSERT INTO by_index VALUES (1, 'one'), (2, NULL)",
    "INSERT INTO parts SELECT n, n FROM generate_series(0, 19) n",
    "INSERT INTO swaps VALUES (1, 1), (2, 2)",
    "INSERT INTO emptied SELECT FROM generate_series(1, 10)",
    "INSERT INTO keyless VALUES (1)",
    "INSERT INTO untouched VALUES (1)",
  };

  @TempDir static Path folder;
  private PostgresServer server;

  @BeforeAll
  void startServer() throws Exception {
    server =
        PostgresServer.builder(PostgresBinaries.with("pg_dump"))
            .dataDirectory(folder.resolve("server"))
            .setting("wal_level", "logical")
            .setting("max_replication_slots", "20")
            .start();
    server.execute(
        "postgres",
        "CREATE ROLE follower LOGIN REPLICATION",
        "GRANT pg_read_all_data TO follower",
        "CREATE ROLE loader LOGIN");
  }

  @AfterAll
  void stopServer() throws IOException {
    server.close();
  }

  @Test
  void aCopyBecomesWhatTheSourceWasAtEachIncremental() throws Exception {
    server.execute("postgres", "CREATE DATABASE shop");
    server.execute("shop", SCHEMA);
    MemoryRepository repository = new MemoryRepository();
    PostgresSettings settings = source("shop");
    assertThatThrownBy(() -> dump(settings, repository))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> assertThat(e.code()).isEqualTo("changes.publication-refused"));
    assertThat(repository.backups(Optional.empty())).isEmpty();
    publish(settings);
    BackupDescriptor dump = dump(settings, repository);
    assertThat(dump.type()).isEqualTo(BackupType.DUMP);
    assertThat(dump.partial()).isFalse();
    Map<String, String> asDumped = rows("shop");

    server.execute(
        "shop",
        "INSERT INTO customers (name, big, doc, age, price, at, took, raw, ratio, feeling, tags,"
            + " fixed, bits) VALUES ('new', repeat('y', 5000), '{\"b\":  2}', 7, 12.34, '2026-01-01"
            + " 12:00+05', '1 month 2 days 03:00:00.5', '\\x00ff', 1e-300, 'it''s ok',"
            + " ARRAY['a \"b\" \\', NULL, ''], 'ab', B'101')",
        "UPDATE customers SET name = 'only this' WHERE id = 3",
        "UPDATE paths SET path = 'a.c' WHERE n = 1",
        "DELETE FROM paths WHERE n = 3",
        "UPDATE customers SET id = DEFAULT WHERE id = 6",
        "UPDATE customers SET big = NULL WHERE id = 4",
        "UPDATE customers SET big = repeat('z', 9000), age = 9 WHERE id = 5",
        "DELETE FROM customers WHERE id BETWEEN 10 AND 19",
        "UPDATE "
            + ODD
            + " SET \"col ? \u00fcmn 1\" = E'line\\nbreak ? ''\"\u00fc' WHERE"
            + " \"\"\"\nb\" = 1",
        "INSERT INTO " + ODD + " VALUES ('three', 3)",
        "DELETE FROM parent WHERE id = 2",
        "INSERT INTO child VALUES (100, 1)",
        "UPDATE child SET id = 101 WHERE id = 100",
        "UPDATE keyless SET x = 2",
        "DELETE FROM whole WHERE ctid = '(0,1)'",
        "UPDATE whole SET j = '[1]' WHERE a IS NULL",
        "UPDATE by_index SET a = 3 WHERE a = 1",
        "DELETE FROM by_index WHERE a = 2",
        "UPDATE parts SET day = 15 WHERE id = 3",
        "UPDATE swaps SET place = 3 - place",
        "BEGIN; INSERT INTO swaps VALUES (9, 9); ROLLBACK",
        "REFRESH MATERIALIZED VIEW totals");
    BackupDescriptor first = incremental(settings, repository);
    assertThat(first.type()).isEqualTo(BackupType.CHANGES);
    assertThat(first.base()).contains(dump.id());
    assertThat(first.physical()).isFalse();
    assertThat(first.status()).isEqualTo(BackupStatus.COMPLETED_WITH_WARNING);
    assertThat(first.warnings())
        .singleElement()
        .asString()
        .contains("public.keyless (no primary key)", "public.passing (unlogged)");
    Map<String, String> afterFirst = rows("shop");
    List<String> sequencesAfterFirst = sequences("shop");
    assertThat(confirmed("shop_s_1")).isEqualTo(first.stopLsn().toString());

    server.execute(
        "shop",
        "TRUNCATE emptied RESTART IDENTITY",
        "INSERT INTO emptied DEFAULT VALUES",
        "TRUNCATE parent CASCADE",
        "INSERT INTO parent VALUES (77)",
        "SELECT setval('public.audit_id_seq', 5000)",
        "UPDATE customers SET tags = ARRAY[name]");
    BackupDescriptor second = incremental(settings, repository);
    BackupDescriptor third = incremental(settings, repository);
    assertThat(third.base()).contains(second.id());
    ChangeLog log = log(repository, third);
    assertThat(log.segments())
        .extracting(ChangeLog.Segment::transactions)
        .containsExactly(19L, 5L, 0L);
    assertThat(log.segments().get(1).truncates()).isEqualTo(2);
    assertThat(log.to()).isEqualTo(third.stopLsn());

    LoadReport loaded = load(settings, repository, third, "shop_3");
    assertThat(rows("shop_3"))
        .isEqualTo(withFrom(asDumped, rows("shop"), "public.keyless", "public.passing"));
    assertThat(sequences("shop_3")).isEqualTo(sequences("shop"));
    assertThat(schema("shop_3")).isEqualTo(schema("shop"));
    assertThat(server.query("shop_3", "SELECT * FROM totals"))
        .isEqualTo(server.query("shop_3", "SELECT count(*) FROM customers"));
    assertThat(loaded.tables())
        .noneMatch(table -> table.outcome() == Outcome.DIFFERENT)
        .anySatisfy(
            table -> {
              assertThat(table.table()).isEqualTo(new Table("public", "untouched"));
              assertThat(table.outcome()).isEqualTo(Outcome.SAME);
            })
        .anySatisfy(
            table -> {
              assertThat(table.table()).isEqualTo(new Table("public", "customers"));
              assertThat(table.outcome()).isEqualTo(Outcome.COUNTED);
            });

    load(settings, repository, first, "shop_1");
    assertThat(rows("shop_1"))
        .isEqualTo(withFrom(asDumped, afterFirst, "public.keyless", "public.passing"));
    assertThat(sequences("shop_1")).isEqualTo(sequencesAfterFirst);

    load(settings, repository, third, "shop_part", new Table("public", "audit"));
    assertThat(server.rows("shop_part", "SELECT id, what FROM audit ORDER BY id"))
        .isEqualTo(server.rows("shop", "SELECT id, what FROM audit ORDER BY id"));
  }

  @Test
  void whatWasStoredBeforeTheServerHeardOfItIsThereOnce() throws Exception {
    PostgresSettings settings = simple("dying");
    MemoryRepository repository = new MemoryRepository();
    BackupDescriptor dump = dump(settings, repository);
    server.execute("dying", "INSERT INTO t VALUES (1), (2)");
    String before = confirmed("dying_s_1");
    assertThatThrownBy(() -> incremental(settings, dyingBehindTheCommit(repository)))
        .hasMessage("died");
    assertThat(repository.backups(Optional.empty())).hasSize(2);
    assertThat(confirmed("dying_s_1")).isEqualTo(before);

    server.execute("dying", "INSERT INTO t VALUES (3)", "DELETE FROM t WHERE id = 1");
    BackupDescriptor next = incremental(settings, repository);
    assertThat(next.type()).isEqualTo(BackupType.CHANGES);
    assertThat(next.base()).isNotEqualTo(Optional.of(dump.id()));
    assertThat(log(repository, next).segments())
        .extracting(ChangeLog.Segment::inserts)
        .containsExactly(2L, 1L);
    load(settings, repository, next, "dying_2");
    assertThat(server.rows("dying_2", "SELECT id FROM t ORDER BY 1"))
        .isEqualTo(server.rows("dying", "SELECT id FROM t ORDER BY 1"));
  }

  @Test
  void whereSomethingMayBeMissingADumpIsTakenThatSaysWhy() throws Exception {
    PostgresSettings settings = simple("lossy");
    MemoryRepository repository = new MemoryRepository();
    server.execute("lossy", "CREATE PUBLICATION lossy_p FOR ALL TABLES");
    assertThatThrownBy(() -> incremental(settings, repository))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> assertThat(e.code()).isEqualTo("changes.publication-of-others"));
    server.execute("lossy", "DROP PUBLICATION lossy_p");
    assertThat(incremental(settings, repository).warnings())
        .containsExactly(
            "a dump and no incremental, because there is no dump yet that changes could follow");
    assertThat(slots("lossy")).containsExactly("lossy_s_1");

    server.execute("lossy", "SELECT pg_drop_replication_slot('lossy_s_1')");
    assertDump(settings, repository, "slot lossy_s_1 is gone");
    assertThat(slots("lossy")).containsExactly("lossy_s_2");

    server.execute(
        "lossy",
        "INSERT INTO t VALUES (10)",
        "SELECT pg_replication_slot_advance('lossy_s_2', pg_current_wal_flush_lsn())");
    assertDump(settings, repository, "somebody has read from slot lossy_s_2");
    assertThat(slots("lossy")).containsExactly("lossy_s_1");

    server.execute("lossy", "CREATE TABLE more (id int PRIMARY KEY)");
    server.execute("lossy", "ALTER PUBLICATION lossy_p ADD TABLE more");
    assertDump(settings, repository, "publication lossy_p was altered");

    server.execute("lossy", "ALTER TABLE t ADD c int DEFAULT 7");
    assertDump(settings, repository, "table public.t was altered");
    server.execute("lossy", "ALTER TABLE t ADD d int DEFAULT 7", "ALTER TABLE t DROP d");
    assertDump(settings, repository, "table public.t was altered");
    server.execute("lossy", "CREATE TABLE keyless (x int)");
    assertDump(settings, repository, "table public.keyless is new");
    server.execute("lossy", "CREATE VIEW v AS SELECT id FROM t");
    assertDump(settings, repository, "definitions in the database are not what they were");

    server.execute("lossy", "INSERT INTO t VALUES (11)");
    assertThat(incremental(settings, repository).type()).isEqualTo(BackupType.CHANGES);
  }

  @Test
  void aServerThatHasRemovedLogIsToldApart() throws Exception {
    try (PostgresServer small =
        PostgresServer.builder(PostgresBinaries.with("pg_dump"))
            .dataDirectory(folder.resolve("small"))
            .walSegmentMebibytes(1)
            .setting("wal_level", "logical")
            .setting("max_slot_wal_keep_size", "2MB")
            .setting("max_wal_size", "4MB")
            .setting("min_wal_size", "2MB")
            .start()) {
      small.execute("postgres", "CREATE TABLE t (id int PRIMARY KEY, filler text)");
      PostgresSettings settings = settings(small, "postgres", small.superuser());
      MemoryRepository repository = new MemoryRepository();
      dump(settings, repository);
      assertThat(ChangeCheck.items(settings))
          .allMatch(item -> item.outcome() == CheckItem.Outcome.OK)
          .extracting(CheckItem::message)
          .anyMatch(message -> message.matches("Slot postgres_s_1 keeps [0-9]+ MiB of log"));
      for (int i = 0; i < 12; i++) {
        small.execute(
            "postgres",
            "INSERT INTO t SELECT n + "
                + i * 5000
                + ", repeat('x', 100) FROM"
                + " generate_series(1, 5000) n",
            "SELECT pg_switch_wal()",
            "CHECKPOINT");
      }
      assertThat(small.query("postgres", "SELECT wal_status FROM pg_replication_slots"))
          .isEqualTo("lost");
      assertThat(ChangeCheck.items(settings))
          .anyMatch(item -> item.message().contains("has removed log"));
      assertDump(settings, repository, "the server has removed log that slot postgres_s_1");
    }
  }

  @Test
  void aLargeTransactionPassesThroughALittleMemory() throws Exception {
    PostgresSettings settings = simple("large");
    MemoryRepository repository = new MemoryRepository();
    dump(settings, repository);
    server.execute(
        "large", "INSERT INTO t SELECT n, md5(n::text) FROM generate_series(1, 50000) n");
    server.execute("large", "UPDATE t SET note = 'x' WHERE id % 2 = 0");
    BackupDescriptor changes = incremental(settings, repository);
    load(settings, repository, changes, "large_2");
    assertThat(rows("large_2")).isEqualTo(rows("large"));
  }

  @Test
  void aRowThatIsNotThereIsNamedAndNothingOfTheChangesStays() throws Exception {
    PostgresSettings settings = simple("missing");
    MemoryRepository repository = new MemoryRepository();
    server.execute("missing", "INSERT INTO t VALUES (1), (2), (3)");
    dump(settings, repository);
    server.execute("missing", "DELETE FROM t WHERE id = 1", "UPDATE t SET note = 'x' WHERE id = 2");
    BackupDescriptor first = incremental(settings, repository);
    byte[] changes =
        repository
            .stored(first.id())
            .entry(StoredFile.Area.DATA, "changes-1.pgoutput")
            .orElseThrow()
            .content();
    for (int i = 0; i < changes.length - 7; i++) {
      // The row with key 2 becomes one that never was.
      if (changes[i] == 't' && changes[i + 4] == 1 && changes[i + 5] == '2') {
        changes[i + 5] = '8';
      }
    }
    assertThatThrownBy(() -> load(settings, repository, first, "missing_2"))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("load.row-missing");
              assertThat(e)
                  .hasMessageContaining("Table public.t has no row with id = 8")
                  .hasMessageContaining("has the dump, and nothing of the changes");
            });
    assertThat(server.query("missing_2", "SELECT count(*) FROM t")).isEqualTo("3");
  }

  /** A database with one table. */
  private PostgresSettings simple(String database) throws SQLException {
    server.execute("postgres", "CREATE DATABASE " + database);
    server.execute(database, "CREATE TABLE t (id int PRIMARY KEY, note text)");
    return settings(server, database, server.superuser());
  }

  private PostgresSettings source(String database) {
    return settings(server, database, "follower");
  }

  private PostgresSettings settings(PostgresServer server, String database, String user) {
    return Sources.settings(
        folder.resolve("state"),
        server.jdbcUrl(database),
        user,
        "reader",
        "dump",
        "changes.mode",
        "slot",
        "changes.slot",
        database + "_s",
        "changes.publication",
        database + "_p");
  }

  /** As whoever owns the tables does it. */
  private void publish(PostgresSettings settings) throws SQLException {
    server.execute("shop", ChangeCheck.statements(settings).toArray(String[]::new));
  }

  private static BackupDescriptor dump(PostgresSettings settings, Repository repository)
      throws IOException {
    return new DumpBackup(
            settings, BackupRequest.builder("orders").build(), repository, RunControl.unattended())
        .run();
  }

  private static BackupDescriptor incremental(PostgresSettings settings, Repository repository)
      throws IOException {
    return new ChangeBackup(
            settings, BackupRequest.builder("orders").build(), repository, RunControl.unattended())
        .run();
  }

  private static void assertDump(PostgresSettings settings, Repository repository, String why)
      throws IOException {
    BackupDescriptor taken = incremental(settings, repository);
    assertThat(taken.type()).isEqualTo(BackupType.DUMP);
    assertThat(taken.warnings())
        .anySatisfy(
            warning ->
                assertThat(warning)
                    .startsWith("a dump and no incremental, because ")
                    .contains(why));
  }

  private LoadReport load(
      PostgresSettings settings,
      Repository repository,
      BackupDescriptor backup,
      String database,
      Table... tables)
      throws Exception {
    server.execute("postgres", "CREATE DATABASE " + database + " OWNER loader");
    LoadRequest.Builder request =
        LoadRequest.builder(backup.id(), server.jdbcUrl(database)).user("loader");
    for (Table table : tables) {
      request.table(table);
    }
    return new DumpLoad(settings, request.build(), repository, RunControl.unattended()).run();
  }

  private static ChangeLog log(MemoryRepository repository, BackupDescriptor backup)
      throws IOException {
    return ChangeLog.parse(
        repository
            .stored(backup.id())
            .entry(StoredFile.Area.META, ChangeLog.FILE)
            .orElseThrow()
            .content());
  }

  /** The rows of every table, and a digest of them. */
  private Map<String, String> rows(String database) throws SQLException {
    Map<String, String> found = new TreeMap<>();
    try (DatabaseSession session =
        DatabaseSession.open(settings(server, database, server.superuser()), new Cancellation())) {
      for (Relation relation : session.relations()) {
        if (relation.hasRows()) {
          found.put(relation.table().toString(), session.sum(relation.table()).toString());
        }
      }
    }
    return found;
  }

  private static Map<String, String> withFrom(
      Map<String, String> old, Map<String, String> now, String... tables) {
    Map<String, String> mixed = new TreeMap<>(now);
    for (String table : tables) {
      mixed.put(table, String.valueOf(old.get(table)));
    }
    return mixed;
  }

  private List<String> sequences(String database) throws SQLException {
    return server.rows(
        database, "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2");
  }

  private List<String> schema(String database) throws IOException {
    List<String> lines = new ArrayList<>();
    server
        .run(
            "pg_dump",
            "--host=" + server.socketDirectory(),
            "--port=" + server.port(),
            "--username=" + server.superuser(),
            "--schema-only",
            "--no-owner",
            "--no-privileges",
            "--no-publications",
            database)
        .lines()
        .filter(line -> !line.startsWith("--") && !line.matches("\\\\(un)?restrict .*"))
        .forEach(lines::add);
    assertThat(lines).hasSizeGreaterThan(50);
    return lines;
  }

  private String confirmed(String slot) throws SQLException {
    return server.query(
        "postgres",
        "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '" + slot + "'");
  }

  private List<String> slots(String database) throws SQLException {
    return server.rows(
        "postgres",
        "SELECT slot_name FROM pg_replication_slots WHERE database = '" + database + "'");
  }

  /** The commit of a backup is its last word. */
  private static Repository dyingBehindTheCommit(MemoryRepository repository) {
    return (Repository)
        Proxy.newProxyInstance(
            ChangesIT.class.getClassLoader(),
            new Class<?>[] {Repository.class},
            (proxy, method, arguments) -> {
              Object result = invoke(method, repository, arguments);
              return result instanceof BackupWriter writer ? dying(writer) : result;
            });
  }

  private static BackupWriter dying(BackupWriter writer) {
    return (BackupWriter)
        Proxy.newProxyInstance(
            ChangesIT.class.getClassLoader(),
            new Class<?>[] {BackupWriter.class},
            (proxy, method, arguments) -> {
              Object result = invoke(method, writer, arguments);
              if (method.getName().equals("commit")) {
                throw new IOException("died");
              }
              return result;
            });
  }

  private static Object invoke(Method method, Object target, Object[] arguments) throws Throwable {
    try {
      return method.invoke(target, arguments);
    } catch (InvocationTargetException e) {
      throw e.getTargetException();
    }
  }
}
