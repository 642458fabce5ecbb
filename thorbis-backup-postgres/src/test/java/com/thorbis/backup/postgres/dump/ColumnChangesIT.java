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
import com.thorbis.backup.api.LoadPlan;
import com.thorbis.backup.api.LoadReport;
import com.thorbis.backup.api.LoadReport.Outcome;
import com.thorbis.backup.api.LoadRequest;
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
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** What is changed behind a dump on a server that decodes no log and replicates to nobody. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ColumnChangesIT {
  private static final boolean RELEASE = Boolean.getBoolean("thorbis.release");
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
    "CREATE TABLE parent (id uuid PRIMARY KEY)",
    "CREATE TABLE child (id numeric PRIMARY KEY, parent uuid REFERENCES parent ON DELETE CASCADE)",
    "CREATE TABLE audit (id serial PRIMARY KEY, what text)",
    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        + " 'BEGIN INSERT INTO public.audit (what) VALUES (TG_OP); RETURN NULL; END'",
    "CREATE TRIGGER notes AFTER INSERT OR UPDATE OR DELETE ON child FOR EACH ROW EXECUTE FUNCTION"
        + " note()",
    "CREATE TABLE by_index (a timestamptz NOT NULL, b text)",
    "CREATE UNIQUE INDEX by_a ON by_index (a) INCLUDE (b)",
    "ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_a",
    "CREATE TABLE parts (id int, day int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)",
    "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10)",
    "CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20)",
    "CREATE TABLE swaps (id int PRIMARY KEY, place int UNIQUE)",
    "CREATE TABLE emptied (id serial PRIMARY KEY)",
    "CREATE TABLE keyless (x int, y text)",
    "CREATE TABLE columnless ()",
    "CREATE UNLOGGED TABLE passing (x int PRIMARY KEY)",
    "CREATE TABLE untouched (x int PRIMARY KEY)",
    "CREATE TABLE included (id int, more text, PRIMARY KEY (id) INCLUDE (more))",
    "CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM customers",
    "INSERT INTO customers (name, big, age) SELECT 'n' || n, repeat(md5(n::text), 300), n FROM"
        + " generate_series(1, 50) n",
    "INSERT INTO "
        + ODD
        + " VALUES ('o''ne\n', 1), ('tw\u00f6', 2), ('', 3), (E'\\\\\\t', 4),"
        + " ('\ud83d\ude00', 5), ('\uffee', 6), ('Z', 7), ('a', 8)",
    "INSERT INTO parent SELECT md5(n::text)::uuid FROM generate_series(1, 5) n",
    "INSERT INTO child SELECT n / 10.0, md5((n % 5 + 1)::text)::uuid FROM generate_series(1, 20) n",
    "INSERT INTO by_index VALUES ('2026-01-01', 'one'), ('2026-01-02 00:00:00.000001+05', NULL)",
    "INSERT INTO parts SELECT n, n FROM generate_series(0, 19) n",
    "INSERT INTO swaps VALUES (1, 1), (2, 2)",
    "INSERT INTO emptied SELECT FROM generate_series(1, 10)",
    "INSERT INTO keyless VALUES (1, NULL), (1, NULL), (2, E'\\\\N')",
    "INSERT INTO columnless DEFAULT VALUES",
    "INSERT INTO passing VALUES (1)",
    "INSERT INTO untouched VALUES (1)",
    "INSERT INTO included VALUES (1, 'x'), (2, 'y')",
  };

  @TempDir static Path folder;
  private PostgresServer server;

  @BeforeAll
  void startServer() throws Exception {
    server =
        PostgresServer.builder(PostgresBinaries.with("pg_dump"))
            .dataDirectory(folder.resolve("server"))
            .setting("wal_level", "minimal")
            .setting("max_wal_senders", "0")
            .setting("archive_mode", "off")
            .setting("max_prepared_transactions", "2")
            .start();
    server.execute(
        "postgres",
        "CREATE ROLE follower LOGIN",
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
    PostgresSettings settings = settings("shop", "changes.verify", "true");
    BackupDescriptor dump = dump(settings, repository);
    assertThat(dump.status()).isEqualTo(BackupStatus.COMPLETE);
    server.execute(
        "shop",
        "INSERT INTO customers (name, big, doc, age, price, at, took, raw, ratio, feeling, tags,"
            + " fixed, bits) VALUES (E'n\\te\\nw\\\\', repeat('y', 5000), '{\"b\":  2}', 7, 12.34,"
            + " '2026-01-01 12:00+05', '1 month 2 days 03:00:00.5', '\\x00ff', 1e-300, 'it''s ok',"
            + " ARRAY['a \"b\" \\', NULL, ''], 'ab', B'101')",
        "UPDATE customers SET name = 'only this' WHERE id = 3",
        "UPDATE paths SET path = 'a.c' WHERE n = 1",
        "DELETE FROM paths WHERE n = 3",
        "UPDATE customers SET big = NULL WHERE id = 4",
        "UPDATE customers SET big = repeat('z', 9000), age = 9 WHERE id = 5",
        "DELETE FROM customers WHERE id BETWEEN 10 AND 19",
        "UPDATE "
            + ODD
            + " SET \"col ? \u00fcmn 1\" = E'line\\nbreak ? ''\"\u00fc' WHERE"
            + " \"\"\"\nb\" = 1",
        "INSERT INTO " + ODD + " VALUES ('three', 3)",
        "DELETE FROM " + ODD + " WHERE \"\"\"\nb\" IN (4, 5)",
        "DELETE FROM parent WHERE id = md5('2')::uuid",
        "INSERT INTO child VALUES (100, md5('1')::uuid)",
        "UPDATE child SET id = 101.50 WHERE id = 100",
        "UPDATE child SET id = 101.5 WHERE id = 101.50",
        "UPDATE keyless SET y = 'z' WHERE x = 2",
        "UPDATE by_index SET a = '2026-01-03' WHERE b = 'one'",
        "DELETE FROM by_index WHERE b IS NULL",
        "UPDATE parts SET day = 15 WHERE id = 3",
        "UPDATE swaps SET place = -1 WHERE id = 1",
        "UPDATE swaps SET place = 1 WHERE id = 2",
        "UPDATE swaps SET place = 2 WHERE id = 1",
        "BEGIN; INSERT INTO swaps VALUES (9, 9); ROLLBACK",
        "INSERT INTO passing VALUES (2)",
        "UPDATE included SET more = 'z' WHERE id = 2",
        "REFRESH MATERIALIZED VIEW totals");
    BackupDescriptor first = incremental(settings, repository);
    assertThat(first.type()).isEqualTo(BackupType.CHANGES);
    assertThat(first.base()).contains(dump.id());
    assertThat(first.status()).isEqualTo(BackupStatus.COMPLETE);
    Map<String, String> afterFirst = rows("shop");
    List<String> sequencesAfterFirst = sequences("shop");

    server.execute(
        "shop",
        "TRUNCATE emptied RESTART IDENTITY",
        "TRUNCATE parent CASCADE",
        "INSERT INTO parent VALUES (md5('77')::uuid)",
        "SELECT setval('public.audit_id_seq', 5000)",
        "DELETE FROM keyless WHERE x = 1",
        "INSERT INTO columnless DEFAULT VALUES",
        "VACUUM FREEZE customers",
        "UPDATE customers SET tags = ARRAY[name] WHERE id % 3 = 0",
        "VACUUM FULL customers");
    BackupDescriptor second = incremental(settings, repository);
    BackupDescriptor third = incremental(settings, repository);
    assertThat(third.base()).contains(second.id());
    ChangeLog log = log(repository, third);
    ChangeLog.Segment one = log.segments().get(1);
    assertThat(one.truncates()).isEqualTo(4);
    assertThat(one.updates()).isEqualTo(14);
    ChangeLog.Segment nothing = log.segments().get(2);
    assertThat(nothing.inserts() + nothing.updates() + nothing.deletes() + nothing.truncates())
        .isZero();

    LoadReport loaded = load(settings, repository, third, "shop_3");
    assertThat(rows("shop_3")).isEqualTo(rows("shop"));
    assertThat(sequences("shop_3")).isEqualTo(sequences("shop"));
    assertThat(schema("shop_3")).isEqualTo(schema("shop"));
    assertThat(loaded.tables()).allMatch(table -> table.outcome() == Outcome.SAME);
    load(settings, repository, first, "shop_1");
    assertThat(rows("shop_1")).isEqualTo(afterFirst);
    assertThat(sequences("shop_1")).isEqualTo(sequencesAfterFirst);
  }

  @Test
  void whatIsCommittedLateIsInTheNextOne() throws Exception {
    PostgresSettings settings = simple("late", "changes.column", "at");
    server.execute("postgres", "GRANT pg_read_all_stats TO follower");
    server.execute("late", "INSERT INTO t SELECT n, now(), 'old' FROM generate_series(1, 9) n");
    MemoryRepository repository = new MemoryRepository();
    try (Connection open = server.connect("late");
        Statement statement = open.createStatement()) {
      open.setAutoCommit(false);
      statement.execute("UPDATE t SET at = now(), note = 'before the dump' WHERE id = 1");
      BackupDescriptor dump = dump(settings, repository);
      ChangeLog.Columns means = (ChangeLog.Columns) log(repository, dump).means();
      assertThat(means.watermark().orElseThrow())
          .isBefore(
              java.time.Instant.parse(
                  server
                      .query("late", "SELECT (max(at) - interval '59 min')::text FROM t")
                      .replace(' ', 'T')
                      .replaceAll("\\+00$", "Z")));
      Savepoint part = open.setSavepoint();
      statement.execute("INSERT INTO t VALUES (10, now(), 'in a part')");
      open.releaseSavepoint(part);
      server.execute("late", "UPDATE t SET at = clock_timestamp(), note = 'now' WHERE id = 2");
      BackupDescriptor first = incremental(settings, repository);
      assertThat(log(repository, first).segments().get(0).updates()).isEqualTo(1);
      assertThat(log(repository, first).segments().get(0).inserts()).isZero();
      open.commit();
    }
    BackupDescriptor second = incremental(settings, repository);
    // What was written while another one was open comes again: the same, in the same place.
    assertThat(log(repository, second).segments().get(1).updates()).isEqualTo(2);
    assertThat(log(repository, second).segments().get(1).inserts()).isEqualTo(1);
    assertThat(second.type()).isEqualTo(BackupType.CHANGES);
    load(settings, repository, second, "late_2");
    assertThat(rows("late_2")).isEqualTo(rows("late"));
  }

  @Test
  void whatAColumnDoesNotShowIsSaidAndFoundInTheEnd() throws Exception {
    PostgresSettings settings = simple("trusting", "changes.columns", "public.t=at");
    server.execute("postgres", "GRANT pg_read_all_stats TO follower");
    server.execute(
        "trusting",
        "INSERT INTO t SELECT n, now() - interval '1 day', 'old' FROM generate_series(1, 9) n");
    MemoryRepository repository = new MemoryRepository();
    BackupDescriptor dump = dump(settings, repository);
    assertThat(log(repository, dump).followed().get(0).reading().orElseThrow().column())
        .isEqualTo("at");
    server.execute(
        "trusting",
        "UPDATE t SET note = 'seen', at = now() WHERE id = 1",
        "UPDATE t SET note = 'unseen' WHERE id = 2",
        "UPDATE t SET note = 'unseen', at = NULL WHERE id = 3",
        "DELETE FROM t WHERE id = 4");
    BackupDescriptor first = incremental(settings, repository);
    assertThat(first.warnings())
        .singleElement()
        .asString()
        .startsWith("not seen, if there were any: updates of public.t since ")
        .endsWith("that left at alone");
    assertThat(repository.stored(first.id()).facts().attributes())
        .containsEntry("postgres.changes.columns", "public.t by at, 0 tables by xmin")
        .extractingByKey("postgres.changes.not-seen")
        .asString()
        .contains("updates of public.t since ");
    LoadPlan plan =
        new DumpLoad(
                settings,
                LoadRequest.builder(first.id(), server.jdbcUrl("postgres"))
                    .user(server.superuser())
                    .build(),
                repository,
                RunControl.unattended())
            .plan();
    assertThat(plan.notes()).anyMatch(note -> note.contains("that left at alone"));
    load(settings, repository, first, "trusting_1");
    assertThat(server.rows("trusting_1", "SELECT id, note FROM t ORDER BY id LIMIT 4"))
        .isEqualTo(
            server.rows(
                "trusting",
                "SELECT id, CASE WHEN id IN (2, 3) THEN 'old' ELSE note END FROM t ORDER BY id"
                    + " LIMIT 4"));

    // A row that is new, and says nothing of it, gives the others away.
    server.execute("trusting", "INSERT INTO t VALUES (20, '2000-01-01', 'imported')");
    BackupDescriptor second = incremental(settings, repository);
    assertThat(second.warnings()).isEmpty();
    // With what was seen already, which is not told apart from it.
    assertThat(log(repository, second).segments().get(1).updates()).isEqualTo(3);
    load(settings, repository, second, "trusting_2");
    assertThat(rows("trusting_2")).isEqualTo(rows("trusting"));

    // So does reading the table whole, which is done now and then.
    server.execute("trusting", "UPDATE t SET note = 'unseen again' WHERE id = 5");
    assertThat(incremental(settings, repository).warnings()).hasSize(1);
    BackupDescriptor whole =
        incremental(
            settings("trusting", "changes.columns", "public.t=at", "changes.whole-every", "0s"),
            repository);
    assertThat(whole.warnings()).isEmpty();
    assertThat(log(repository, whole).segments().get(3).updates()).isEqualTo(1);
    load(settings, repository, whole, "trusting_3");
    assertThat(rows("trusting_3")).isEqualTo(rows("trusting"));
  }

  @Test
  void whereOpenTransactionsCannotBeSeenTablesAreReadWhole() throws Exception {
    PostgresSettings settings = simple("hidden", "changes.column", "at");
    PostgresSettings blind =
        Sources.settings(
            folder.resolve("state"),
            server.jdbcUrl("hidden"),
            "blind",
            "reader",
            "dump",
            "changes.mode",
            "column",
            "changes.column",
            "at");
    server.execute("postgres", "CREATE ROLE blind LOGIN", "GRANT pg_read_all_data TO blind");
    MemoryRepository repository = new MemoryRepository();
    BackupDescriptor dump = dump(blind, repository);
    assertThat(((ChangeLog.Columns) log(repository, dump).means()).watermark()).isEmpty();
    assertThat(ChangeCheck.items(blind))
        .anySatisfy(
            item -> {
              assertThat(item.outcome()).isEqualTo(CheckItem.Outcome.WARN);
              assertThat(item.message()).contains("tables are read whole");
            });
    server.execute("hidden", "INSERT INTO t VALUES (1, NULL, 'unstamped')");
    BackupDescriptor first = incremental(blind, repository);
    assertThat(first.warnings()).isEmpty();

    server.execute(
        "hidden", "BEGIN; INSERT INTO t VALUES (2, now(), 'x'); PREPARE TRANSACTION 'p'");
    server.execute("postgres", "GRANT pg_read_all_stats TO follower");
    incremental(settings, repository);
    server.execute("hidden", "COMMIT PREPARED 'p'");
    BackupDescriptor last = incremental(settings, repository);
    assertThat(log(repository, last).segments())
        .extracting(ChangeLog.Segment::inserts)
        .containsExactly(1L, 0L, 1L);
  }

  @Test
  void whatDiesOnItsWayIsTakenAgain() throws Exception {
    PostgresSettings settings = simple("dying");
    MemoryRepository repository = new MemoryRepository();
    server.execute("dying", "INSERT INTO t SELECT n FROM generate_series(1, 1000) n");
    BackupDescriptor dump = dump(settings, repository);
    server.execute("dying", "INSERT INTO t VALUES (1001), (1002)", "DELETE FROM t WHERE id < 500");
    assertThatThrownBy(() -> incremental(settings, dying(repository, "file", 4)))
        .hasMessage("died");
    assertThat(repository.backups(Optional.empty())).hasSize(1);
    assertThatThrownBy(() -> incremental(settings, dying(repository, "commit", 1)))
        .hasMessage("died");
    assertThat(repository.backups(Optional.empty())).hasSize(2);
    server.execute("dying", "INSERT INTO t VALUES (1), (1003)", "DELETE FROM t WHERE id = 600");
    BackupDescriptor next = incremental(settings, repository);
    assertThat(next.base()).isNotEqualTo(Optional.of(dump.id()));
    assertThat(log(repository, next).segments())
        .extracting(ChangeLog.Segment::inserts)
        .containsExactly(2L, 2L);
    load(settings, repository, next, "dying_2");
    assertThat(rows("dying_2")).isEqualTo(rows("dying"));
  }

  @Test
  void whereSomethingMayBeMissingADumpIsTakenThatSaysWhy() throws Exception {
    PostgresSettings settings = simple("lossy", "changes.verify", "true");
    MemoryRepository repository = new MemoryRepository();
    assertDump(settings, repository, "there is no dump yet");
    server.execute("lossy", "ALTER TABLE t ADD c int DEFAULT 7");
    assertDump(settings, repository, "table public.t was altered");
    server.execute(
        "lossy",
        "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (9)");
    assertDump(settings, repository, "table public.p1 is new");
    server.execute("lossy", "DROP TABLE p1");
    assertDump(settings, repository, "a table is gone");

    server.execute("lossy", "INSERT INTO t VALUES (11)");
    BackupDescriptor taken = incremental(settings, repository);
    assertThat(taken.type()).isEqualTo(BackupType.CHANGES);
    // What is stored becomes another than what is there, without a transaction that says so.
    byte[] content =
        repository
            .stored(taken.id())
            .entry(StoredFile.Area.META, ChangeLog.FILE)
            .orElseThrow()
            .content();
    String text = new String(content, StandardCharsets.UTF_8);
    int digest = text.indexOf("\"digest\":\"", text.indexOf("\"name\":\"t\"")) + 10;
    content[digest] = (byte) (content[digest] == 'a' ? 'b' : 'a');
    assertDump(settings, repository, "the content of table public.t is another");

    PostgresSettings slot =
        Sources.settings(
            folder.resolve("state"),
            server.jdbcUrl("lossy"),
            server.superuser(),
            "reader",
            "dump",
            "changes.mode",
            "slot");
    assertThatThrownBy(() -> incremental(slot, repository))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("changes.slot-refused"));
  }

  @Test
  void aPoolOfSessionsIsAsGoodAsTheServer() throws Exception {
    simple("pooled");
    server.execute("pooled", "INSERT INTO t SELECT n FROM generate_series(1, 9) n");
    int port = PostgresServer.freePort();
    Path sockets = Files.createTempDirectory(Path.of("/tmp"), "pgb"); // the name must stay short
    Path users = Files.writeString(folder.resolve("users"), "\"follower\" \"\"\n");
    Path ini =
        Files.writeString(
            folder.resolve("pgbouncer.ini"),
            """
            [databases]
            * = host=127.0.0.1 port=%d
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = %d
            unix_socket_dir = %s
            auth_type = trust
            auth_file = %s
            pool_mode = session
            ignore_startup_parameters = extra_float_digits, options
            """
                .formatted(server.port(), port, sockets, users));
    List<String> command = new ArrayList<>();
    if (System.getProperty("user.name").equals("root")) {
      command.addAll(List.of("unshare", "-U", "--")); // it does not run as root
    }
    command.addAll(List.of("/usr/sbin/pgbouncer", ini.toString()));
    Path log = folder.resolve("pgbouncer.log");
    Process bouncer =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    try {
      PostgresSettings settings =
          Sources.settings(
              folder.resolve("state"),
              "jdbc:postgresql://127.0.0.1:" + port + "/pooled?sslmode=disable",
              "follower",
              "reader",
              "dump",
              "changes.mode",
              "column");
      awaitPort(bouncer, port, log);
      MemoryRepository repository = new MemoryRepository();
      dump(settings, repository);
      server.execute("pooled", "DELETE FROM t WHERE id < 4", "UPDATE t SET note = 'x'");
      BackupDescriptor taken = incremental(settings, repository);
      assertThat(log(repository, taken).segments().get(0).deletes()).isEqualTo(3);
      assertThat(log(repository, taken).segments().get(0).updates()).isEqualTo(6);
    } finally {
      bouncer.destroyForcibly();
      bouncer.waitFor(20, TimeUnit.SECONDS);
      Files.deleteIfExists(sockets.resolve(".s.PGSQL." + port));
      Files.delete(sockets);
    }
  }

  private static void awaitPort(Process process, int port, Path log) throws Exception {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    while (true) {
      try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
        assertThat(socket.isConnected()).isTrue();
        return;
      } catch (IOException e) {
        assertThat(process.isAlive() && System.nanoTime() < deadline)
            .as("%s", Files.readString(log))
            .isTrue();
        Thread.sleep(20);
      }
    }
  }

  @Test
  void aColumnThatWillNotDoIsRefused() throws Exception {
    server.execute("postgres", "CREATE DATABASE refusing");
    server.execute(
        "refusing",
        "CREATE TABLE t (id int PRIMARY KEY, version bigint, \"o\"\"dd\" timestamp)",
        "CREATE TABLE u (id int PRIMARY KEY, mail text UNIQUE, at timestamptz)");
    MemoryRepository repository = new MemoryRepository();
    for (String[] each :
        new String[][] {{"t=version", "nobody can be asked"}, {"public.t=other", "no column"}}) {
      assertThatThrownBy(() -> dump(settings("refusing", "changes.columns", each[0]), repository))
          .isInstanceOfSatisfying(
              BackupException.class,
              e -> {
                assertThat(e.code()).isEqualTo("changes.column-unusable");
                assertThat(e).hasMessageContaining(each[1]);
              });
    }
    PostgresSettings settings =
        settings("refusing", "changes.columns", "t=\"o\"\"dd\", u=at", "changes.column", "xmin");
    assertThat(ChangeCheck.items(settings))
        .extracting(CheckItem::message)
        .anyMatch(message -> message.startsWith("public.u are read whole"));
    BackupDescriptor dump = dump(settings, repository);
    assertThat(log(repository, dump).followed())
        .extracting(each -> each.reading().orElseThrow().column())
        .containsExactly("o\"dd", "xmin");
  }

  @Test
  void historiesAtRandomComeAcross() throws Exception {
    server.execute("postgres", "CREATE DATABASE histories");
    server.execute(
        "histories",
        "CREATE SEQUENCE places START 1000",
        "CREATE TABLE a (id int PRIMARY KEY, place int UNIQUE DEFERRABLE INITIALLY DEFERRED,"
            + " at timestamptz)",
        "CREATE TABLE b (id text, n int, note text, at timestamp, PRIMARY KEY (n, id))",
        "INSERT INTO a SELECT n, n FROM generate_series(1, 100) n",
        "INSERT INTO b SELECT chr(n), n % 7, 'x' FROM generate_series(1, 300) n");
    PostgresSettings settings =
        settings("histories", "changes.column", "at", "changes.verify", "true");
    server.execute("postgres", "GRANT pg_read_all_stats TO follower");
    MemoryRepository repository = new MemoryRepository();
    dump(settings, repository);
    Random random = new Random(7);
    int rounds = RELEASE ? 60 : 4;
    Optional<BackupDescriptor> middle = Optional.empty();
    Map<String, String> then = Map.of();
    try (Connection one = server.connect("histories");
        Connection two = server.connect("histories")) {
      one.setAutoCommit(false);
      two.setAutoCommit(false);
      for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < 25; i++) {
          Connection who = random.nextBoolean() ? one : two;
          // Each has keys of its own, so that neither waits for the other.
          change(who, who == one ? 0 : 1, random);
          if (random.nextInt(8) == 0) {
            if (random.nextInt(4) == 0) {
              who.rollback();
            } else {
              who.commit();
            }
          }
        }
        BackupDescriptor taken = incremental(settings, repository);
        assertThat(taken.type()).as("%s", taken.warnings()).isEqualTo(BackupType.CHANGES);
        if (round == rounds / 2) {
          middle = Optional.of(taken);
          then = rows("histories");
        }
      }
      one.commit();
      two.commit();
    }
    BackupDescriptor last = incremental(settings, repository);
    assertThat(load(settings, repository, last, "histories_2").tables())
        .allMatch(table -> table.outcome() == Outcome.SAME);
    assertThat(rows("histories_2")).isEqualTo(rows("histories"));
    load(settings, repository, middle.orElseThrow(), "histories_1");
    assertThat(rows("histories_1")).isEqualTo(then);
  }

  private static void change(Connection sql, int parity, Random random) throws SQLException {
    int key = (1 + random.nextInt(60)) * 2 + parity;
    int other = (1 + random.nextInt(60)) * 2 + parity;
    String letter = "chr(" + (1 + random.nextInt(400)) + ")";
    try (Statement statement = sql.createStatement()) {
      Savepoint part = random.nextInt(3) == 0 ? sql.setSavepoint() : null;
      switch (random.nextInt(7)) {
        case 0 ->
            statement.execute(
                "INSERT INTO a VALUES ("
                    + key
                    + ", nextval('places')) ON CONFLICT (id) DO UPDATE"
                    + " SET at = now()");
        case 1 -> statement.execute("DELETE FROM a WHERE id = " + key);
        case 2 ->
            statement.execute(
                "UPDATE a SET place = x.place FROM a x WHERE (a.id, x.id) IN (("
                    + key
                    + ", "
                    + other
                    + "), ("
                    + other
                    + ", "
                    + key
                    + "))");
        case 3 ->
            statement.execute(
                "UPDATE a SET id = "
                    + other
                    + " WHERE id = "
                    + key
                    + " AND NOT EXISTS (SELECT FROM a x WHERE x.id = "
                    + other
                    + ")");
        case 4 ->
            statement.execute(
                "INSERT INTO b VALUES ("
                    + letter
                    + ", "
                    + (parity + 20)
                    + ", 'new', now())"
                    + " ON CONFLICT DO NOTHING");
        case 5 ->
            statement.execute("DELETE FROM b WHERE n = " + (parity + 20) + " AND id < " + letter);
        default ->
            statement.execute(
                "UPDATE b SET note = note || E'\\t', id = id || E'\\n' WHERE n % 2 = "
                    + parity
                    + " AND id = "
                    + letter);
      }
      if (part != null) {
        if (random.nextInt(4) == 0) {
          sql.rollback(part);
        } else {
          sql.releaseSavepoint(part);
        }
      }
    }
  }

  /** A database with one table. */
  private PostgresSettings simple(String database, String... pairs) throws SQLException {
    server.execute("postgres", "CREATE DATABASE " + database);
    server.execute(database, "CREATE TABLE t (id int PRIMARY KEY, at timestamptz, note text)");
    return settings(database, pairs);
  }

  private PostgresSettings settings(String database, String... pairs) {
    List<String> all = new ArrayList<>(List.of("reader", "dump", "changes.mode", "column"));
    all.addAll(List.of(pairs));
    return Sources.settings(
        folder.resolve("state"), server.jdbcUrl(database), "follower", all.toArray(String[]::new));
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
      PostgresSettings settings, Repository repository, BackupDescriptor backup, String database)
      throws Exception {
    server.execute("postgres", "CREATE DATABASE " + database + " OWNER loader");
    LoadRequest request =
        LoadRequest.builder(backup.id(), server.jdbcUrl(database)).user("loader").build();
    return new DumpLoad(settings, request, repository, RunControl.unattended()).run();
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
    PostgresSettings settings =
        Sources.settings(folder.resolve("state"), server.jdbcUrl(database), server.superuser());
    try (DatabaseSession session = DatabaseSession.open(settings, new Cancellation())) {
      for (Relation relation : session.relations()) {
        if (relation.hasRows()) {
          found.put(relation.table().toString(), session.sum(relation.table()).toString());
        }
      }
    }
    return found;
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
            database)
        .lines()
        .filter(line -> !line.startsWith("--") && !line.matches("\\\\(un)?restrict .*"))
        .forEach(lines::add);
    assertThat(lines).hasSizeGreaterThan(50);
    return lines;
  }

  /** A repository whose writer does something for the last time, and dies. */
  private static Repository dying(MemoryRepository repository, String method, int times) {
    return (Repository)
        Proxy.newProxyInstance(
            ColumnChangesIT.class.getClassLoader(),
            new Class<?>[] {Repository.class},
            (proxy, called, arguments) -> {
              Object result = invoke(called, repository, arguments);
              return result instanceof BackupWriter writer ? dying(writer, method, times) : result;
            });
  }

  private static BackupWriter dying(BackupWriter writer, String named, int times) {
    int[] left = {times};
    return (BackupWriter)
        Proxy.newProxyInstance(
            ColumnChangesIT.class.getClassLoader(),
            new Class<?>[] {BackupWriter.class},
            (proxy, method, arguments) -> {
              Object result = invoke(method, writer, arguments);
              if (method.getName().equals(named)) {
                left[0]--;
                if (left[0] == 0) {
                  throw new IOException("died");
                }
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
