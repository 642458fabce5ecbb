package com.thorbis.backup.postgres.wal;

import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/** Changes a server in every way that leaves files different, in an order of chance. */
final class Workload {
  private static final String LARGE_OBJECT =
      "SELECT lo_from_bytea(0, decode(repeat('ab', 3000), 'hex'))";
  private static final List<String> METHODS =
      List.of(
          "btree (n)",
          "hash (s)",
          "gin (w)",
          "gist (p)",
          "spgist (p)",
          "brin (n) WITH (pages_per_range = 1)");

  private final PostgresServer server;
  private final Random random;
  private final boolean strategies;
  private int made;

  Workload(PostgresServer server, Random random) {
    this.server = server;
    this.random = random;
    this.strategies = server.binaries().major() >= 15;
  }

  /** What all changes need. */
  void prepare() throws SQLException {
    server.execute("postgres", "CREATE DATABASE work", "CREATE DATABASE template");
    server.execute("template", "CREATE TABLE t AS SELECT g FROM generate_series(1, 3000) g");
    for (int i = 0; i < 4; i++) {
      table("t" + i);
    }
    server.execute("work", "CREATE SEQUENCE s");
  }

  private void table(String name) throws SQLException {
    List<String> all = new ArrayList<>();
    all.add("CREATE TABLE " + name + " (n int, s text, w int[], p point)");
    all.add(insert(name, 1000));
    for (String method : METHODS) {
      all.add("CREATE INDEX ON " + name + " USING " + method);
    }
    server.execute("work", all.toArray(new String[0]));
  }

  private String insert(String table, int rows) {
    return "INSERT INTO "
        + table
        + " SELECT g, repeat(md5(g::text), "
        + (1 + random.nextInt(4))
        + "), ARRAY[g, g % 10, g % 77], point(g % 91, random()) FROM generate_series(1, "
        + rows
        + ") g";
  }

  /** So many kinds of change, each at least once in {@code rounds} of all. */
  void run(int rounds) throws Exception {
    List<Integer> kinds = new ArrayList<>();
    for (int round = 0; round < rounds; round++) {
      for (int kind = 0; kind < 30; kind++) {
        kinds.add(kind);
      }
    }
    Collections.shuffle(kinds, random);
    for (int kind : kinds) {
      change(kind);
      if (random.nextInt(4) == 0) {
        server.execute("postgres", "CHECKPOINT");
      }
    }
  }

  private void change(int kind) throws Exception {
    String t = "t" + random.nextInt(4);
    String some = " WHERE n % " + (2 + random.nextInt(20)) + " = 1";
    String fresh = "x" + made++;
    switch (kind) {
      case 0, 1 -> work(insert(t, 1 + random.nextInt(3000)));
      case 2, 3 -> work("UPDATE " + t + " SET s = s || 'u', p = point(n % 7, n)" + some);
      case 4 -> work("DELETE FROM " + t + some);
      case 5 -> work("BEGIN", "TRUNCATE " + t, insert(t, 2000), "COMMIT");
      case 6 -> work("BEGIN", "TRUNCATE " + t, insert(t, 100), "ROLLBACK");
      case 7 -> work("VACUUM " + t);
      case 8 -> work("VACUUM (FREEZE) " + t, "SELECT count(*) FROM " + t);
      case 9 -> work("VACUUM FULL " + t);
      case 10 -> work("CLUSTER " + t + " USING " + t + "_n_idx");
      case 11 ->
          work(
              "CREATE TABLE " + fresh + " AS SELECT * FROM " + t,
              "CREATE INDEX ON " + fresh + " USING " + METHODS.get(random.nextInt(6)),
              random.nextBoolean() ? "DROP TABLE " + fresh : "SELECT 1");
      case 12 -> {
        String index = fresh + "_i";
        work(
            "CREATE INDEX "
                + (random.nextBoolean() ? "CONCURRENTLY " : "")
                + index
                + " ON "
                + t
                + " USING "
                + METHODS.get(random.nextInt(6)),
            random.nextBoolean() ? "DROP INDEX " + index : "REINDEX INDEX " + index);
      }
      case 13, 14 -> {
        String strategy = strategies ? " STRATEGY " + (kind == 13 ? "file_copy" : "wal_log") : "";
        server.execute("postgres", "CREATE DATABASE " + fresh + " TEMPLATE template" + strategy);
        server.execute(fresh, "UPDATE t SET g = g + 1 WHERE g % 500 = 1");
        if (random.nextBoolean()) {
          server.execute("postgres", "DROP DATABASE " + fresh);
        }
      }
      case 15 -> {
        server.execute("postgres", "CREATE DATABASE " + fresh + " TEMPLATE template");
        server.execute("postgres", "ALTER DATABASE " + fresh + " SET TABLESPACE side");
        server.execute(fresh, "DELETE FROM t WHERE g % 700 = 1");
      }
      case 16 ->
          work(
              "ALTER TABLE "
                  + t
                  + " SET TABLESPACE "
                  + (random.nextBoolean() ? "side" : "pg_default"));
      case 17 -> work("SELECT nextval('s') FROM generate_series(1, 40)");
      case 18 -> work("CREATE SEQUENCE " + fresh, "SELECT nextval('" + fresh + "')");
      case 19 -> work(LARGE_OBJECT);
      case 20 ->
          work(
              "SELECT lo_unlink(oid) FROM pg_largeobject_metadata LIMIT 1",
              "VACUUM pg_largeobject");
      case 21 ->
          work(
              "BEGIN",
              "CREATE TABLE " + fresh + " AS SELECT 1 AS a",
              "TRUNCATE " + t,
              insert(t, 300),
              "PREPARE TRANSACTION '" + fresh + "'",
              (random.nextBoolean() ? "COMMIT" : "ROLLBACK") + " PREPARED '" + fresh + "'");
      case 22 ->
          work(
              "CREATE UNLOGGED TABLE " + fresh + " AS SELECT * FROM " + t,
              "CREATE INDEX ON " + fresh + " USING gist (p)",
              random.nextBoolean() ? "ALTER TABLE " + fresh + " SET LOGGED" : "SELECT 1");
      case 23 -> work("ALTER TABLE " + t + " SET UNLOGGED", "ALTER TABLE " + t + " SET LOGGED");
      case 24 ->
          work(
              "BEGIN",
              "CREATE TABLE " + fresh + " AS SELECT * FROM " + t,
              "SAVEPOINT a",
              "CREATE INDEX ON " + fresh + " (n)",
              "ROLLBACK TO a",
              random.nextBoolean() ? "COMMIT" : "ROLLBACK");
      case 25 -> {
        // The end is cut off, and grows again.
        work(
            "DELETE FROM " + t + " WHERE ctid >= '(2,0)'",
            "VACUUM " + t,
            random.nextBoolean() ? insert(t, 700) : "SELECT 1");
      }
      case 26 -> work("ALTER TABLE " + t + " ALTER COLUMN n TYPE bigint");
      case 27 -> work("CREATE TEMPORARY TABLE " + fresh + " AS SELECT * FROM " + t);
      case 28 ->
          work(
              "CREATE TABLE " + fresh + " (LIKE " + t + ")",
              "INSERT INTO " + fresh + " SELECT * FROM " + t,
              "TRUNCATE " + fresh,
              "DROP TABLE " + fresh);
      case 29 -> {
        if (random.nextBoolean()) {
          server.kill9();
        } else {
          server.stopImmediately();
        }
        server.start();
      }
      default -> throw new IllegalStateException();
    }
  }

  private void work(String... statements) throws SQLException {
    try (Connection connection = server.connect("work");
        Statement statement = connection.createStatement()) {
      for (String one : statements) {
        statement.execute(one);
      }
    }
  }
}
