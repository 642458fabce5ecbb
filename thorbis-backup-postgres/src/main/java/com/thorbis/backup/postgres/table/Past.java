package com.thorbis.backup.postgres.table;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.TableName;
import com.thorbis.backup.postgres.server.ThrowAwayServer;
import com.thorbis.backup.spi.Names;
import java.io.IOException;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyOut;

/**
 * A database as it was, on a server that is ours: what is wanted of it is found, and made ready to
 * leave. Used by one thread.
 */
final class Past implements AutoCloseable {
  private static final String MAINTENANCE = "template1";
  private static final int MOST_NAMES = 100_000;
  private static final int MOST_SHOWN = 5;

  /**
   * No trigger of the cluster's acts on what we change, and no setting of a role gets in between.
   */
  private static final String OURS =
      "SET session_replication_role = replica; SET default_transaction_read_only = off; SET"
          + " statement_timeout = 0; SET lock_timeout = 0; SET idle_session_timeout = 0";

  private static final String RELATION =
      "SELECT c.oid, n.nspname, c.relname, c.relkind IN ('r', 'm'), c.relpersistence = 'u',"
          + " pg_get_userbyid(c.relowner), c.relkind::text"
          + " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace ";

  private static final String PARTS =
      "WITH RECURSIVE part(oid) AS (SELECT ?::oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN"
          + " part p ON i.inhparent = p.oid) ";

  private final ThrowAwayServer server;
  private final String database;
  private final Connection session;
  private final Map<TableName, List<Relation>> wanted = new LinkedHashMap<>();
  private final List<String> next = new ArrayList<>();
  private final List<String> attachments = new ArrayList<>();

  /**
   * Finds all tables that hold rows of a database.
   *
   * @param as what the database is called from now on, so that what {@code pg_dump} says of it is
   *     said of that name
   */
  static Past whole(ThrowAwayServer server, String wanted, Optional<String> as) throws IOException {
    try {
      String database = database(server, wanted);
      List<String> prepared = rollBackPrepared(server, database);
      if (as.isPresent()) {
        String other = database.equals(MAINTENANCE) ? "postgres" : MAINTENANCE;
        try (Connection any = server.connect(other)) {
          Sql.execute(any, OURS);
          Sql.execute(
              any, "ALTER DATABASE " + Sql.name(database) + " RENAME TO " + Sql.name(as.get()));
        }
      }
      String now = as.orElse(database);
      Past past = new Past(server, now, server.connect(now));
      past.next.addAll(prepared);
      boolean found = false;
      try {
        Sql.execute(past.session, OURS);
        Sql.rows(
                past.session,
                Past::relation,
                RELATION
                    + "WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'"
                    + " AND n.nspname <> 'information_schema' AND NOT EXISTS (SELECT FROM"
                    + " pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid"
                    + " AND d.objsubid = 0 AND d.deptype = 'e') ORDER BY n.nspname, c.relname")
            .forEach(
                one ->
                    past.wanted.put(
                        new TableName(database, one.schema(), one.name()), List.of(one)));
        found = true;
        return past;
      } finally {
        if (!found) {
          past.close();
        }
      }
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  /** Their locks would keep us waiting, and whether they were to be committed nobody knows here. */
  private static List<String> rollBackPrepared(ThrowAwayServer server, String database)
      throws SQLException {
    List<String> said = new ArrayList<>();
    try (Connection session = server.connect(database)) {
      Sql.execute(session, OURS);
      for (String gid :
          Sql.rows(
              session,
              row -> row.getString(1),
              "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() ORDER BY 1")) {
        Sql.execute(session, "ROLLBACK PREPARED " + Sql.literal(gid));
        said.add("Transaction " + gid + " was prepared then and not committed: it is left out");
      }
    }
    return said;
  }

  private Past(ThrowAwayServer server, String database, Connection session) {
    this.server = server;
    this.database = database;
    this.session = session;
  }

  /**
   * Finds the tables.
   *
   * @throws BackupException code {@code restore.table-not-found} if one did not exist
   */
  static Past find(ThrowAwayServer server, List<TableName> tables) throws IOException {
    try {
      String database = database(server, tables.get(0).database());
      List<String> prepared = rollBackPrepared(server, database);
      Past past = new Past(server, database, server.connect(database));
      past.next.addAll(prepared);
      boolean found = false;
      try {
        Sql.execute(past.session, OURS);
        for (TableName table : tables) {
          past.wanted.put(table, past.parts(past.table(table)));
        }
        found = true;
        return past;
      } finally {
        if (!found) {
          past.close();
        }
      }
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  static BackupException failed(SQLException e) {
    return BackupException.of(
            "restore.past-failed",
            FailureKind.PERMANENT,
            "The throw-away server: " + e.getMessage())
        .remedy("Look at the moment as a whole with restore --start.")
        .cause(e)
        .build();
  }

  private static String database(ThrowAwayServer server, String wanted) throws SQLException {
    try (Connection any = server.connect(MAINTENANCE)) {
      return Sql.rows(
              any,
              row -> row.getString(1),
              "SELECT datname FROM pg_database WHERE datname = ? OR oid::text = ?"
                  + " ORDER BY datname = ? DESC",
              wanted,
              wanted,
              wanted)
          .stream()
          .findFirst()
          .orElseThrow(
              () ->
                  BackupException.of(
                          "restore.unknown-database",
                          FailureKind.NOT_FOUND,
                          "There was no database \"" + wanted + "\" at that moment")
                      .remedy("Choose another moment.")
                      .build());
    }
  }

  private Relation table(TableName table) throws SQLException {
    List<Map.Entry<String, Relation>> found =
        Sql.rows(
            session,
            row -> Map.entry(row.getString(7), relation(row)),
            RELATION + "WHERE n.nspname = ? AND c.relname = ?",
            table.schema(),
            table.table());
    if (found.isEmpty()) {
      throw BackupException.of(
              "restore.table-not-found",
              FailureKind.NOT_FOUND,
              "There was no table " + table + " at that moment (" + moment() + ")")
          .remedy(near(table))
          .detail("table", table.toString())
          .build();
    }
    String kind = found.get(0).getKey();
    if (!kind.equals("r") && !kind.equals("p")) {
      throw BackupException.of(
              "restore.not-a-table",
              FailureKind.CONFIGURATION,
              table
                  + " was "
                  + switch (kind) {
                    case "v" -> "a view";
                    case "m" -> "a materialized view";
                    case "f" -> "a foreign table";
                    case "S" -> "a sequence";
                    default -> "an index or a type";
                  }
                  + " at that moment")
          .remedy("Name tables. Their indexes, and the sequences they own, come with them.")
          .build();
    }
    return found.get(0).getValue();
  }

  private String moment() {
    return server.reached().lsn() + server.reached().time().map(time -> ", " + time).orElse("");
  }

  private String near(TableName table) throws SQLException {
    List<TableName> all =
        Sql.rows(
            session,
            row -> new TableName(table.database(), row.getString(1), row.getString(2)),
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid ="
                + " c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND"
                + " n.nspname <> 'information_schema' LIMIT "
                + MOST_NAMES);
    Set<TableName> near = new LinkedHashSet<>();
    all.stream()
        .filter(
            one ->
                one.table().equalsIgnoreCase(table.table())
                    && (one.schema().equalsIgnoreCase(table.schema())
                        || one.table().equals(table.table())))
        .forEach(near::add);
    List<TableName> inSchema =
        all.stream().filter(one -> one.schema().equals(table.schema())).toList();
    Names.nearest(lower(table), inSchema.stream().map(Past::lower).toList())
        .ifPresent(
            name -> inSchema.stream().filter(one -> lower(one).equals(name)).forEach(near::add));
    if (near.isEmpty()) {
      return all.isEmpty()
          ? "The database had no tables at all then; choose another moment."
          : "It had "
              + all.size()
              + (all.size() == MOST_NAMES ? " or more" : "")
              + " tables; check the name, and the moment.";
    }
    return near.stream()
        .limit(MOST_SHOWN)
        .map(TableName::toString)
        .collect(Collectors.joining(" or ", "Did you mean ", "?"));
  }

  private static String lower(TableName table) {
    return table.table().toLowerCase(Locale.ROOT);
  }

  /** A table, and those that its rows lie in; the table first. */
  private List<Relation> parts(Relation table) throws SQLException {
    List<Relation> parts = new ArrayList<>(List.of(table));
    parts.addAll(
        Sql.rows(
            session,
            Past::relation,
            PARTS
                + RELATION
                + "JOIN part p ON p.oid = c.oid WHERE c.oid <> ?::oid AND c.relkind IN ('r', 'p',"
                + " 'f') ORDER BY n.nspname, c.relname",
            table.oid(),
            table.oid()));
    return parts;
  }

  private static Relation relation(ResultSet row) throws SQLException {
    return new Relation(
        row.getLong(1),
        row.getString(2),
        row.getString(3),
        row.getBoolean(4),
        row.getBoolean(5),
        row.getString(6));
  }

  /** Another session in the database. */
  Connection connect() throws SQLException {
    return server.connect(database);
  }

  /** The server. */
  ThrowAwayServer server() {
    return server;
  }

  /** The database's name here: its own, or the one it was given. */
  String database() {
    return database;
  }

  /** What was asked for, each with what its rows lie in. */
  Map<TableName, List<Relation>> wanted() {
    return wanted;
  }

  /** All that leaves, each once. */
  List<Relation> all() {
    Map<Long, Relation> all = new LinkedHashMap<>();
    wanted.values().stream().flatMap(List::stream).forEach(one -> all.put(one.oid(), one));
    return List.copyOf(all.values());
  }

  /** What a person should know about it. */
  List<String> next() {
    return next;
  }

  /**
   * Makes them ready.
   *
   * @param schema where they go; empty for where they were
   * @param foreignKeys whether those to tables that stay are kept
   * @param live whether they go into a running database
   */
  void prepare(Optional<String> schema, boolean foreignKeys, boolean live) throws IOException {
    try {
      unlogged();
      if (schema.isPresent()) {
        detach();
      }
      if (schema.isPresent() || !foreignKeys) {
        for (String statement : dropForeignKeys()) {
          next.add("Left out, as the other table stays as it is: " + statement);
        }
      }
      if (schema.isEmpty()) {
        pointers();
        if (live) {
          attachAtLast();
        }
      } else {
        move(schema.get());
      }
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  private void unlogged() {
    for (Relation one : all()) {
      if (one.unlogged() && one.holdsRows()) {
        next.add(one.sql() + " was unlogged: its rows are in no backup, and it comes empty");
      }
    }
  }

  /**
   * Takes out of a whole database what cannot be loaded, or must not be.
   *
   * @param superuser whether a superuser loads it; empty where it goes into a file
   * @param owners whether what belongs to roles comes with it
   * @throws BackupException code {@code restore.security-definer} where functions would get the
   *     rights of a superuser
   */
  void prepareWhole(Optional<Boolean> superuser, boolean owners) throws IOException {
    try {
      unlogged();
      readOnly();
      subscriptions();
      if (superuser.orElse(false) && !owners) {
        refuseDefiners();
      }
      if (!superuser.orElse(true)) {
        eventTriggers();
        settingsOfSuperusers();
      }
      if (!owners) {
        settingsOfRoles();
      }
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  /**
   * Keeps all but superusers out of the database until it is whole, where one loads it.
   *
   * @return how many could connect to it, which what is dumped from now on does not say
   */
  int limitConnections(boolean superuser) {
    int before =
        ask(
                row -> row.getInt(1),
                "SELECT datconnlimit FROM pg_database WHERE datname = current_database()")
            .get(0);
    try {
      // A superuser is not counted; for others it takes two sessions at once.
      Sql.execute(
          session,
          "ALTER DATABASE " + Sql.name(database) + " CONNECTION LIMIT " + (superuser ? 0 : -1));
    } catch (SQLException e) {
      throw failed(e);
    }
    return before;
  }

  /** Nothing could be loaded then. */
  private void readOnly() throws SQLException {
    for (String[] setting : settings("split_part(one, '=', 1) = 'default_transaction_read_only'")) {
      reset(setting);
      next.add("It was set to " + setting[2] + " then, and is not now");
    }
  }

  private void settingsOfSuperusers() throws SQLException {
    for (String[] setting :
        settings(
            // Those of extensions, too, which this server does not load.
            "split_part(one, '=', 1) NOT IN (SELECT name FROM pg_settings WHERE context ="
                + " 'user')")) {
      reset(setting);
      next.add("Setting " + setting[2] + " is left out: only a superuser may make it");
    }
  }

  /** Of the database; each as the role or nothing, the setting's name, and all of it. */
  private List<String[]> settings(String which) throws SQLException {
    return Sql.rows(
        session,
        row -> new String[] {row.getString(1), row.getString(2), row.getString(3)},
        "SELECT coalesce(r.rolname, ''), split_part(one, '=', 1), one FROM pg_db_role_setting s JOIN"
            + " pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole,"
            + " unnest(s.setconfig) AS one WHERE d.datname = current_database() AND "
            + which);
  }

  private void reset(String[] setting) throws SQLException {
    Sql.execute(
        session,
        (setting[0].isEmpty()
                ? "ALTER DATABASE " + Sql.name(database)
                : "ALTER ROLE " + Sql.name(setting[0]) + " IN DATABASE " + Sql.name(database))
            + " RESET "
            + setting[1]);
  }

  /** They would act with all rights, for whoever calls them. */
  private void refuseDefiners() throws SQLException {
    List<String> functions =
        Sql.rows(
            session,
            row -> row.getString(1),
            "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner"
                + " WHERE p.prosecdef AND NOT r.rolsuper ORDER BY 1 LIMIT "
                + MOST_SHOWN);
    if (!functions.isEmpty()) {
      throw BackupException.of(
              "restore.security-definer",
              FailureKind.REFUSED,
              "Functions that act with the rights of their owner would get those of a superuser: "
                  + String.join(", ", functions))
          .remedy(
              "Load as a role that is no superuser, with --user, or with owners, without"
                  + " --no-owner.")
          .build();
    }
  }

  /** Only said: what is dumped is without them. */
  private void subscriptions() throws SQLException {
    for (String name :
        Sql.rows(
            session,
            row -> Sql.name(row.getString(1)),
            "SELECT subname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE"
                + " d.datname = current_database() ORDER BY 1")) {
      next.add("Subscription " + name + " is left out: a copy that follows somebody is none");
    }
  }

  private void eventTriggers() throws SQLException {
    for (String name :
        Sql.rows(
            session,
            row -> Sql.name(row.getString(1)),
            "SELECT evtname FROM pg_event_trigger t WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE"
                + " d.classid = 'pg_event_trigger'::regclass AND d.objid = t.oid AND d.deptype ="
                + " 'e') ORDER BY 1")) {
      Sql.execute(session, "DROP EVENT TRIGGER " + name + " CASCADE");
      next.add("Event trigger " + name + " is left out: only a superuser may make it");
    }
  }

  private void settingsOfRoles() throws SQLException {
    for (String[] setting : settings("s.setrole <> 0")) {
      reset(setting);
      next.add("Setting " + setting[2] + " of role " + Sql.name(setting[0]) + " is left out");
    }
  }

  /** Beside the live one, it must not become a part of what is live. */
  private void detach() throws SQLException {
    for (Relation one : all()) {
      for (String statement :
          Sql.rows(
              session,
              row -> row.getString(1),
              "SELECT CASE WHEN c.relispartition THEN format('ALTER TABLE %s DETACH PARTITION %s',"
                  + " i.inhparent::regclass, c.oid::regclass) ELSE format('ALTER TABLE %s NO"
                  + " INHERIT %s', c.oid::regclass, i.inhparent::regclass) END FROM pg_inherits i"
                  + " JOIN pg_class c ON c.oid = i.inhrelid WHERE c.oid = ?::oid AND NOT"
                  + " i.inhparent = ANY (?::oid[])",
              one.oid(),
              oids())) {
        dropPointersAtParents(one);
        Sql.execute(session, statement);
        next.add("It was a part of another table, and is on its own now: undone was " + statement);
      }
    }
  }

  /**
   * What was a partition leaves on its own, and is attached again when it is whole: the triggers of
   * a live table must not act on rows that come back, and its indexes take over those that are
   * there.
   */
  private void attachAtLast() throws SQLException {
    Sql.execute(session, "SET datestyle = 'ISO'; SET intervalstyle = 'postgres'");
    for (Relation one : all()) {
      for (String[] statements :
          Sql.rows(
              session,
              row -> new String[] {row.getString(1), row.getString(2)},
              "SELECT format('ALTER TABLE %I.%I DETACH PARTITION %I.%I', pn.nspname, p.relname,"
                  + " n.nspname, c.relname), format('ALTER TABLE ONLY %I.%I ATTACH PARTITION"
                  + " %I.%I ', pn.nspname, p.relname, n.nspname, c.relname) ||"
                  + " pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON"
                  + " c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN"
                  + " pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid ="
                  + " p.relnamespace WHERE c.relispartition AND c.oid = ?::oid AND NOT i.inhparent"
                  + " = ANY (?::oid[])",
              one.oid(),
              oids())) {
        dropPointersAtParents(one);
        Sql.execute(session, statements[0]);
        attachments.add(statements[1]);
      }
    }
  }

  /** With them nothing can be detached that they point at. */
  private void dropPointersAtParents(Relation partition) throws SQLException {
    for (String[] key :
        Sql.rows(
            session,
            row ->
                new String[] {
                  row.getString(1), row.getString(2), row.getString(3), row.getString(4)
                },
            "WITH RECURSIVE parent(oid) AS (SELECT inhparent FROM pg_inherits WHERE inhrelid ="
                + " ?::oid UNION SELECT i.inhparent FROM pg_inherits i JOIN parent p ON i.inhrelid"
                + " = p.oid) SELECT k.conrelid::regclass, quote_ident(k.conname),"
                + " pg_get_constraintdef(k.oid), k.conrelid = ANY (?::oid[]) FROM pg_constraint k"
                + " JOIN parent p ON p.oid = k.confrelid WHERE k.contype = 'f' AND k.conparentid ="
                + " 0 ORDER BY 1, 2",
            partition.oid(),
            oids())) {
      Sql.execute(session, "ALTER TABLE " + key[0] + " DROP CONSTRAINT " + key[1]);
      if (key[3].equals("t")) {
        next.add(
            "Left out, as the other table stays as it is: ALTER TABLE "
                + key[0]
                + " ADD CONSTRAINT "
                + key[1]
                + " "
                + key[2]);
      }
    }
  }

  private List<String> dropForeignKeys() throws SQLException {
    List<String> statements = new ArrayList<>();
    for (String[] key :
        Sql.rows(
            session,
            row -> new String[] {row.getString(1), row.getString(2), row.getString(3)},
            "SELECT conrelid::regclass, quote_ident(conname), pg_get_constraintdef(oid) FROM"
                + " pg_constraint WHERE contype = 'f' AND conparentid = 0 AND conrelid = ANY"
                + " (?::oid[]) AND NOT confrelid = ANY (?::oid[]) ORDER BY 1, 2",
            oids(),
            oids())) {
      Sql.execute(session, "ALTER TABLE " + key[0] + " DROP CONSTRAINT " + key[1]);
      statements.add("ALTER TABLE " + key[0] + " ADD CONSTRAINT " + key[1] + " " + key[2]);
    }
    return statements;
  }

  /** What pointed at them from outside, and went with them if they were dropped. */
  private void pointers() throws SQLException {
    Sql.rows(
            session,
            row ->
                "ALTER TABLE "
                    + row.getString(1)
                    + " ADD CONSTRAINT "
                    + row.getString(2)
                    + " "
                    + row.getString(3),
            "SELECT conrelid::regclass, quote_ident(conname), pg_get_constraintdef(oid) FROM"
                + " pg_constraint WHERE contype = 'f' AND conparentid = 0 AND confrelid = ANY"
                + " (?::oid[]) AND NOT conrelid = ANY (?::oid[]) ORDER BY 1, 2",
            oids(),
            oids())
        .forEach(
            statement ->
                next.add("A foreign key pointed at it then. If it is gone: " + statement + ";"));
    List<String> views =
        Sql.rows(
            session,
            row -> row.getString(1),
            "SELECT DISTINCT v.oid::regclass::text FROM pg_depend d JOIN pg_rewrite r ON r.oid ="
                + " d.objid JOIN pg_class v ON v.oid = r.ev_class WHERE d.classid ="
                + " 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid"
                + " = ANY (?::oid[]) AND NOT v.oid = ANY (?::oid[]) ORDER BY 1",
            oids(),
            oids());
    if (!views.isEmpty()) {
      next.add(
          "These used it then, and are not restored if they went with it: "
              + String.join(", ", views));
    }
  }

  private void move(String schema) throws SQLException {
    boolean taken =
        !Sql.rows(
                session,
                row -> row.getString(1),
                "SELECT nspname FROM pg_namespace WHERE nspname = ?",
                schema)
            .isEmpty();
    if (taken) {
      Sql.execute(
          session,
          "ALTER SCHEMA " + Sql.name(schema) + " RENAME TO " + Sql.name("thorbis was " + schema));
    }
    List<Relation> all = all();
    Sql.execute(
        session,
        "CREATE SCHEMA " + Sql.name(schema) + " AUTHORIZATION " + Sql.name(all.get(0).owner()));
    for (Relation one : all) {
      // Under another name where its schema was just renamed.
      String now =
          taken && one.schema().equals(schema)
              ? Sql.name("thorbis was " + schema, one.name())
              : one.sql();
      Sql.execute(session, "ALTER TABLE " + now + " SET SCHEMA " + Sql.name(schema));
    }
    wanted.replaceAll((name, parts) -> parts.stream().map(one -> one.in(schema)).toList());
  }

  private String oids() {
    return all().stream()
        .map(one -> Long.toString(one.oid()))
        .collect(Collectors.joining(",", "{", "}"));
  }

  /** The statements that make them parts again of what they were parts of. */
  List<String> attachments() {
    return attachments;
  }

  /** How many rows lie in a table itself. */
  long rows(Relation relation) {
    if (!relation.holdsRows()) {
      return 0;
    }
    return ask(row -> row.getLong(1), "SELECT count(*) FROM ONLY " + relation.sql()).get(0);
  }

  /**
   * The columns that hold what was given, in order.
   *
   * @return as a list in SQL; empty if there are none
   */
  String columns(Relation relation) {
    List<String> columns =
        ask(
            row -> Sql.name(row.getString(1)),
            "SELECT attname FROM pg_attribute WHERE attrelid = ?::oid AND attnum > 0 AND NOT"
                + " attisdropped AND attgenerated = '' ORDER BY attnum",
            relation.oid());
    return columns.isEmpty() ? "" : " (" + String.join(", ", columns) + ")";
  }

  /** The statements that put the sequences that the tables own to where they were. */
  List<String> sequences() {
    List<String> statements = new ArrayList<>();
    for (String sequence :
        ask(
            row -> Sql.name(row.getString(1), row.getString(2)),
            "SELECT n.nspname, s.relname FROM pg_depend d JOIN pg_class s ON s.oid = d.objid JOIN"
                + " pg_namespace n ON n.oid = s.relnamespace WHERE d.classid ="
                + " 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND s.relkind ="
                + " 'S' AND d.deptype IN ('a', 'i') AND d.refobjid = ANY (?::oid[]) ORDER BY 1, 2",
            oids())) {
      statements.addAll(
          ask(
              row ->
                  "SELECT setval("
                      + Sql.literal(sequence)
                      + "::regclass, "
                      + row.getLong(1)
                      + ", "
                      + row.getBoolean(2)
                      + ")",
              "SELECT last_value, is_called FROM " + sequence));
    }
    return statements;
  }

  /** The tablespaces that a whole database and what is in it lie in, besides the cluster's own. */
  List<String> allTablespaces() {
    return ask(
        row -> row.getString(1),
        "SELECT t.spcname FROM pg_tablespace t WHERE t.spcname <> 'pg_default' AND (t.oid IN"
            + " (SELECT reltablespace FROM pg_class WHERE NOT relisshared) OR t.oid IN (SELECT"
            + " dattablespace FROM pg_database WHERE datname = current_database())) ORDER BY 1");
  }

  /** The tablespaces that they and their indexes lie in, besides the database's own. */
  List<String> tablespaces() {
    return ask(
        row -> row.getString(1),
        "SELECT DISTINCT t.spcname FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace"
            + " LEFT JOIN pg_index i ON i.indexrelid = c.oid WHERE coalesce(i.indrelid, c.oid) ="
            + " ANY (?::oid[]) ORDER BY 1",
        oids());
  }

  /** Who owned a schema; empty if there is none of the name. */
  Optional<String> schemaOwner(String schema) {
    return ask(
            row -> row.getString(1),
            "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = ?",
            schema)
        .stream()
        .findFirst();
  }

  /** Begins to read the rows of a table. */
  CopyOut rows(Relation relation, String columns, String format) {
    try {
      Sql.execute(
          session,
          "SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; SET extra_float_digits = 3");
      return session
          .unwrap(PGConnection.class)
          .getCopyAPI()
          .copyOut("COPY " + relation.sql() + columns + " TO STDOUT" + format);
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  /** The next of them; nothing after the last. */
  static byte @Nullable [] row(CopyOut rows) {
    try {
      return rows.readFromCopy();
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  /** How the server writes text. */
  String encoding() {
    return ask(row -> row.getString(1), "SHOW server_encoding").get(0);
  }

  private <T> List<T> ask(Sql.Row<T> form, String sql, Object... values) {
    try {
      return Sql.rows(session, form, sql, values);
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  @Override
  public void close() {
    try {
      session.close();
    } catch (SQLException e) {
      return; // the server goes anyway
    }
  }
}
