package com.thorbis.backup.dr.drill;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport.Reached;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.dr.drill.Checks.Finding;
import com.thorbis.backup.dr.drill.Checks.Scope;
import com.thorbis.backup.dr.drill.DrillCheck.Outcome;
import com.thorbis.backup.dr.drill.Plant.Result;
import com.thorbis.backup.spi.engine.Trial;
import java.io.IOException;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The negative control: makes damage of the kind that each check is for, and sees whether the very
 * check names it. What is made lies in a schema of its own, or is undone.
 */
final class Plants {
  private static final String SCHEMA = "thorbis_plant";
  private static final long MOST_DELETED_BYTES = 1L << 28;

  private final Checks checks;
  private final String database;
  private final List<Plant> plants = new ArrayList<>();

  /**
   * In a database of the restored server.
   *
   * @param database where tables for it are made
   */
  Plants(Checks checks, String database) {
    this.checks = checks;
    this.database = database;
  }

  List<Plant> plants() {
    return plants;
  }

  /** Says what came of a check that was made over planted damage. */
  void judged(String check, String damage, Finding found, String named) {
    if (found.outcome() == Outcome.FAILED && found.detail().contains(named)) {
      plants.add(new Plant(check, damage, Result.DETECTED, found.detail()));
    } else {
      plants.add(
          new Plant(
              check,
              damage,
              found.outcome() == Outcome.NOT_PERFORMED ? Result.NOT_PLANTED : Result.UNDETECTED,
              found.detail()));
    }
  }

  /** The server's position, branch and log as others would have them. */
  void told(RestorePlan plan, Reached reached) throws SQLException {
    judged(
        Checks.TARGET,
        "the position is one before the backup's end",
        Checks.target(
            plan,
            new Reached(
                new Lsn(plan.backup().stopLsn().value() - 1), reached.time(), reached.timeline())),
        "before the backup's end");
    Timeline other = new Timeline(reached.timeline().number() + 1);
    judged(
        Checks.CLUSTER,
        "timeline " + other + " was planned",
        checks.cluster(other),
        "not off " + other);
    Lsn stop = plan.backup().stopLsn();
    WalRange hole =
        new WalRange(
            plan.backup().timeline(),
            stop,
            new Lsn(stop.value() + plan.backup().cluster().segmentSize().bytes()));
    judged(
        Checks.LOG,
        "log is missing from " + stop,
        Checks.log(List.of(WalGap.unexplained(hole)), plan),
        stop.toString());
  }

  /** A table whose file is gone. */
  void lostFile(Duration budget) throws SQLException {
    prepare("CREATE TABLE %s.lost (id int)", "INSERT INTO %s.lost VALUES (1)");
    prepare("UPDATE pg_class SET relfilenode = 4294967290 WHERE oid = '%s.lost'::regclass");
    judged(
        Checks.TABLES, "a table's file is gone", checks.tables(scope(), budget), SCHEMA + ".lost");
    prepare("UPDATE pg_class SET relfilenode = oid WHERE oid = '%s.lost'::regclass");
    drop();
  }

  /** An index that misses a row. */
  void missingEntry() throws SQLException {
    prepare("CREATE TABLE %s.rows (id int)", "CREATE INDEX entries ON %s.rows (id)");
    prepare("INSERT INTO %s.rows SELECT generate_series(1, 100)");
    prepare("UPDATE pg_index SET indisready = false WHERE indexrelid = '%s.entries'::regclass");
    prepare("INSERT INTO %s.rows VALUES (101)");
    prepare("UPDATE pg_index SET indisready = true WHERE indexrelid = '%s.entries'::regclass");
    judged(
        Checks.INDEXES,
        "an index misses a row of its table",
        checks.indexes(scope()),
        "lacks matching index tuple");
    drop();
  }

  /** Rows older than their table says that any can be. */
  void tooOldRow() throws SQLException {
    prepare("CREATE TABLE %s.old (id int)");
    prepare("INSERT INTO %s.old VALUES (1)");
    prepare(
        "UPDATE pg_class SET relfrozenxid = pg_current_xact_id()::xid WHERE oid ="
            + " '%s.old'::regclass");
    judged(
        Checks.HEAP,
        "a row is older than its table's oldest transaction",
        checks.heap(scope()),
        "precedes relation freeze threshold");
    drop();
  }

  /** A row that points at nothing, and one that a check forbids. */
  void brokenConstraints() throws SQLException {
    prepare(
        "CREATE TABLE %s.parent (id int PRIMARY KEY)",
        "CREATE TABLE %s.child (id int CONSTRAINT orphaned REFERENCES %1$s.parent)",
        "INSERT INTO %s.parent VALUES (1)",
        "INSERT INTO %s.child VALUES (1)",
        "DELETE FROM %s.parent");
    judged(
        Checks.CONSTRAINTS,
        "a row points at one that is gone",
        checks.constraints(scope()),
        "constraint orphaned");
    drop();
    prepare(
        "CREATE TABLE %s.child (id int)",
        "INSERT INTO %s.child VALUES (1)",
        "ALTER TABLE %s.child ADD CONSTRAINT forbidden CHECK (id > 1) NOT VALID",
        "UPDATE pg_constraint SET convalidated = true WHERE conrelid = '%s.child'::regclass");
    judged(
        Checks.CONSTRAINTS,
        "a row breaks a check",
        checks.constraints(scope()),
        "constraint forbidden");
    drop();
  }

  /** A page of the stopped server that a disk has changed. */
  void changedPage(Trial trial) throws IOException {
    String page = trial.damagePage();
    judged(Checks.PAGES, "bytes of " + page + " were changed", checks.pages(), page + ":");
  }

  /** The newest row gone, and one from the future there. */
  void sentinels(Sentinels sentinels, List<Sentinels.Written> known, Reached reached)
      throws SQLException {
    Optional<Sentinels.Written> due = Sentinels.due(known, reached.lsn());
    if (due.isEmpty()) {
      plants.add(
          new Plant(
              Checks.SENTINEL, "its row is gone", Result.NOT_PLANTED, "there is none to remove"));
      return;
    }
    String table = sentinels.table().sql();
    try (Sql session = checks.session(sentinels.table().database())) {
      judged(
          Checks.SENTINEL,
          "the newest row is gone",
          session.undone(
              () -> {
                session.execute("DELETE FROM " + table + " WHERE id = '" + due.get().id() + "'");
                return sentinels.judge(session, known, reached.lsn());
              }),
          "is missing");
      Sentinels.Written later =
          new Sentinels.Written(
              "planted", due.get().at(), reached.lsn(), new Lsn(reached.lsn().value() + 8));
      List<Sentinels.Written> more = new ArrayList<>(known);
      more.add(later);
      judged(
          Checks.SENTINEL,
          "a row of after the target is there",
          session.undone(
              () -> {
                session.execute(
                    "INSERT INTO " + table + " (id, written_at) VALUES ('planted', now())");
                return sentinels.judge(session, more, reached.lsn());
              }),
          "after the target");
    }
  }

  /** Data of which an assertion is not true. */
  void assertion(Assertion assertion, Instant moment, Duration timeout) throws SQLException {
    List<String> breaks = new ArrayList<>();
    try (Sql session = checks.session(assertion.database())) {
      if (assertion.breakWith().isPresent()) {
        breaks.add(assertion.breakWith().get());
      } else {
        for (String[] table : session.undone(() -> read(session, assertion))) {
          breaks.add(
              Long.parseLong(table[1]) > MOST_DELETED_BYTES
                  ? "TRUNCATE " + table[0] + " CASCADE"
                  : "DELETE FROM " + table[0]);
        }
        breaks.addAll(
            breaks.stream()
                .filter(one -> one.startsWith("DELETE"))
                .map(one -> one.replaceFirst("DELETE FROM (.*)", "INSERT INTO $1 TABLE $1"))
                .toList());
      }
      String last = "";
      for (String statement : breaks) {
        Finding found;
        try {
          found =
              session.undone(
                  () -> {
                    Checks.ask(session, timeout);
                    session.execute(statement);
                    return Checks.judge(session, assertion, moment, timeout);
                  });
        } catch (SQLException e) {
          last = statement + " fails: " + Checks.words(e);
          continue;
        }
        if (found.outcome() == Outcome.FAILED && !found.detail().startsWith("the query fails")) {
          plants.add(new Plant(assertion.name(), statement, Result.DETECTED, found.detail()));
          return;
        }
        last = "after " + statement + " " + found.detail();
      }
      plants.add(
          new Plant(
              assertion.name(),
              breaks.isEmpty() ? "its query reads no table" : String.join("; or ", breaks),
              Result.UNDETECTED,
              (last.isEmpty() ? "nothing could make it untrue" : last)
                  + ". Give the assertion break-with: a statement that makes it untrue"));
    }
  }

  /** The tables that a query reads, and how long they are: the server tells of a view over it. */
  private static List<String[]> read(Sql session, Assertion assertion) throws SQLException {
    session.execute("SET LOCAL search_path = \"$user\", public");
    session.execute("CREATE TEMPORARY VIEW thorbis_reads AS " + assertion.query());
    return session.rows(
        row -> new String[] {row.getString(1), row.getString(2)},
        "WITH RECURSIVE reads(oid) AS (SELECT 'pg_temp.thorbis_reads'::regclass::oid UNION SELECT"
            + " d.refobjid FROM reads v JOIN pg_rewrite r ON r.ev_class = v.oid JOIN pg_depend d ON"
            + " d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid ="
            + " 'pg_class'::regclass) SELECT format('%I.%I', n.nspname, c.relname),"
            + " pg_table_size(c.oid) FROM reads JOIN pg_class c ON c.oid = reads.oid JOIN"
            + " pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname"
            + " NOT IN ('pg_catalog', 'information_schema') ORDER BY c.oid");
  }

  private Scope scope() {
    return new Scope(Optional.of(database), Optional.of(SCHEMA));
  }

  private void prepare(String... statements) throws SQLException {
    try (Sql session = checks.session(database)) {
      session.execute("CREATE SCHEMA IF NOT EXISTS " + SCHEMA);
      for (String each : statements) {
        session.execute(each.formatted(SCHEMA));
      }
    }
  }

  private void drop() throws SQLException {
    try (Sql session = checks.session(database)) {
      session.execute("DROP SCHEMA " + SCHEMA + " CASCADE");
    }
  }
}
