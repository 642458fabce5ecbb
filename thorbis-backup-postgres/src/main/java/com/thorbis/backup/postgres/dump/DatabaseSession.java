package com.thorbis.backup.postgres.dump;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.postgres.dump.Contents.Apart;
import com.thorbis.backup.postgres.dump.Contents.DumpedTable;
import com.thorbis.backup.postgres.dump.Contents.Part;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.SqlConnections;
import java.io.IOException;
import java.math.BigInteger;
import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Collectors;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyOut;

/**
 * A session that looks at what a database holds, all under one snapshot. Its statements may take
 * hours; being cancelled ends them.
 */
public final class DatabaseSession implements AutoCloseable {
  /** Of its one transaction alone: a pool may give the session to others afterwards. */
  private static final String[] ALIKE_EVERYWHERE = {
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "SET LOCAL search_path = pg_catalog",
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    "SET LOCAL lock_timeout = '10min'",
    "SET LOCAL row_security = off",
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL IntervalStyle = 'postgres'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL xmlbinary = 'base64'",
    "SET LOCAL lc_monetary = 'C'",
  };

  static final int TRANSACTION_TIMEOUT_SINCE = 17;
  private static final int LOCKED_AT_ONCE = 500;
  private static final byte[] END_OF_ROWS = {'\\', '.', '\n'};
  private static final String LOCK_NOT_AVAILABLE = "55P03";
  private static final BigInteger WORD = BigInteger.ONE.shiftLeft(64);

  /** The encoding of databases that take any bytes. */
  static final String NO_CONVERSION = "SQL_ASCII";

  private static final String TABLES =
      """
      SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence,
             CASE WHEN c.relispartition THEN
               (SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid) END
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('r', 'p', 'm', 'f') AND c.relpersistence <> 't'
         AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                          WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                            AND d.objsubid = 0 AND d.deptype = 'e')
       ORDER BY n.nspname, c.relname
      """;

  private static final String PARTS =
      """
      SELECT a.adrelid, 'pg_catalog.pg_attrdef'::regclass::oid, a.oid, ''
        FROM pg_catalog.pg_attrdef a
      UNION ALL
      SELECT i.indrelid, 'pg_catalog.pg_class'::regclass::oid, i.indexrelid, c.relname
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
      UNION ALL
      SELECT k.conrelid, 'pg_catalog.pg_constraint'::regclass::oid, k.oid, ''
        FROM pg_catalog.pg_constraint k WHERE k.conrelid <> 0 AND k.contype IN ('p', 'u', 'x', 'c')
      UNION ALL
      SELECT d.refobjid, d.classid, d.objid, s.relname
        FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.objid
       WHERE d.classid = 'pg_catalog.pg_class'::regclass
         AND d.refclassid = 'pg_catalog.pg_class'::regclass
         AND d.deptype IN ('a', 'i') AND s.relkind = 'S'
      """;

  private final Connection sql;
  private final Cancellation.Registration registration;
  private final String encoding;

  private DatabaseSession(Connection sql, Cancellation cancellation) throws SQLException {
    this.sql = sql;
    this.registration = cancellation.onCancel(this::abort);
    this.encoding = text("SELECT pg_catalog.getdatabaseencoding()");
  }

  /** A relation with rows, or whose partitions have some. */
  public record Relation(
      long oid, Table table, char kind, boolean unlogged, OptionalLong partitionOf) {
    /** Whether rows lie in it, and not in its partitions or elsewhere. */
    public boolean hasRows() {
      return kind == 'r';
    }
  }

  /** What the rows of a table are. */
  public record Sum(OptionalLong rows, Optional<String> digest, Optional<String> problem) {
    /** Of no rows. */
    static final Sum NONE =
        new Sum(OptionalLong.of(0), Optional.of("0".repeat(32)), Optional.empty());

    /** Of these rows and others of the same table. */
    public Sum plus(Sum others) {
      return new Sum(
          rows.isPresent() && others.rows.isPresent()
              ? OptionalLong.of(rows.getAsLong() + others.rows.getAsLong())
              : OptionalLong.empty(),
          digest.flatMap(one -> others.digest.map(other -> plus(one, other))),
          problem.or(others::problem));
    }

    private static String plus(String one, String other) {
      return word(one, other, 0) + word(one, other, 16);
    }

    private static String word(String one, String other, int at) {
      return String.format(
          Locale.ROOT,
          "%016x",
          Long.parseUnsignedLong(one, at, at + 16, 16)
              + Long.parseUnsignedLong(other, at, at + 16, 16));
    }
  }

  private static final Sum REWRITTEN =
      new Sum(
          OptionalLong.empty(),
          Optional.empty(),
          Optional.of("it was truncated or written anew meanwhile"));

  /** Takes a snapshot in a connection, which becomes its own. */
  public static DatabaseSession of(Connection sql, Cancellation cancellation) throws SQLException {
    return open(sql, Optional.empty(), cancellation);
  }

  /** Connects and takes a snapshot, which lasts as long as the session. */
  static DatabaseSession open(PostgresSettings settings, Cancellation cancellation)
      throws SQLException {
    return open(SqlConnections.open(settings), Optional.empty(), cancellation);
  }

  /** The same in another database of the server. */
  static DatabaseSession open(PostgresSettings settings, String database, Cancellation cancellation)
      throws SQLException {
    return open(SqlConnections.open(settings, database), Optional.empty(), cancellation);
  }

  /**
   * The same, and it reads what the session reads that exported the snapshot, which must still
   * last.
   */
  static DatabaseSession open(
      PostgresSettings settings, String database, String snapshot, Cancellation cancellation)
      throws SQLException {
    return open(SqlConnections.open(settings, database), Optional.of(snapshot), cancellation);
  }

  private static DatabaseSession open(
      Connection sql, Optional<String> snapshot, Cancellation cancellation) throws SQLException {
    boolean opened = false;
    try {
      sql.setNetworkTimeout(Runnable::run, 0);
      sql.setAutoCommit(false);
      try (Statement statement = sql.createStatement()) {
        for (String setting : ALIKE_EVERYWHERE) {
          statement.execute(setting);
        }
        if (snapshot.isPresent()) {
          statement.execute("SET TRANSACTION SNAPSHOT '" + snapshot.get().replace("'", "''") + "'");
        }
        if (sql.getMetaData().getDatabaseMajorVersion() >= TRANSACTION_TIMEOUT_SINCE) {
          statement.execute("SET LOCAL transaction_timeout = 0");
        }
      }
      DatabaseSession session = new DatabaseSession(sql, cancellation);
      opened = true;
      return session;
    } finally {
      if (!opened) {
        sql.close();
      }
    }
  }

  /** A name under which others read what this session reads. */
  String exportSnapshot() throws SQLException {
    return text("SELECT pg_catalog.pg_export_snapshot()");
  }

  /** For other questions under the same snapshot. */
  Connection connection() {
    return sql;
  }

  /** The database's encoding. */
  String encoding() {
    return encoding;
  }

  /** The server's major version. */
  int majorVersion() throws SQLException {
    return sql.getMetaData().getDatabaseMajorVersion();
  }

  /** What a statement with one value says; empty for NULL. */
  String text(String question) throws SQLException {
    try (Statement statement = sql.createStatement();
        ResultSet row = statement.executeQuery(question)) {
      row.next();
      String value = row.getString(1);
      return value == null ? "" : value;
    }
  }

  boolean flag(String question) throws SQLException {
    return text(question).equals("t");
  }

  /** Every database that can be connected to and is nobody's template, ordered by name. */
  List<String> databases() throws SQLException {
    return databases("datallowconn AND datconnlimit <> -2");
  }

  /** Every database that lets nobody connect and is nobody's template, ordered by name. */
  List<String> closedDatabases() throws SQLException {
    return databases("NOT datallowconn");
  }

  private List<String> databases(String which) throws SQLException {
    List<String> found = new ArrayList<>();
    try (Statement statement = sql.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT datname FROM pg_catalog.pg_database WHERE "
                    + which
                    + " AND NOT datistemplate ORDER BY datname")) {
      while (row.next()) {
        found.add(row.getString(1));
      }
    }
    return found;
  }

  /** Every relation of the users. */
  public List<Relation> relations() throws SQLException {
    List<Relation> found = new ArrayList<>();
    try (Statement statement = sql.createStatement();
        ResultSet row = statement.executeQuery(TABLES)) {
      while (row.next()) {
        long parent = row.getLong(6);
        OptionalLong partitionOf = row.wasNull() ? OptionalLong.empty() : OptionalLong.of(parent);
        found.add(
            new Relation(
                row.getLong(1),
                new Table(row.getString(2), row.getString(3)),
                row.getString(4).charAt(0),
                row.getString(5).equals("u"),
                partitionOf));
      }
    }
    return found;
  }

  /**
   * The blocks of those of the tables that are this large, with what lies out of line. Of no
   * partition by hash: {@code pg_dump} may give its rows to the parent, as those of an enum, whose
   * hash is another in the next database, and rows that are read by themselves go into the same
   * partition.
   */
  Map<Long, Long> blocks(List<Relation> tables, long leastBytes) throws SQLException {
    Map<Long, Long> found = new HashMap<>();
    try (PreparedStatement statement =
        sql.prepareStatement(
            "SELECT c.oid, pg_relation_size(c.oid) / current_setting('block_size')::bigint FROM"
                + " unnest(?::oid[]) AS c(oid) WHERE pg_table_size(c.oid) >= ? AND NOT EXISTS"
                + " (SELECT FROM pg_partition_ancestors(c.oid) AS a(p) JOIN pg_partitioned_table h"
                + " ON h.partrelid = a.p WHERE h.partstrat = 'h')")) {
      statement.setArray(
          1,
          sql.createArrayOf(
              "oid", tables.stream().filter(Relation::hasRows).map(Relation::oid).toArray()));
      statement.setLong(2, leastBytes);
      try (ResultSet row = statement.executeQuery()) {
        while (row.next()) {
          found.put(row.getLong(1), row.getLong(2));
        }
      }
    }
    return found;
  }

  /** The columns of a table that COPY can fill, in their order. */
  List<String> filled(Table table) throws SQLException {
    return columns(table, " AND a.attgenerated = '' ORDER BY a.attnum");
  }

  /** Takes rows. */
  interface RowTarget {
    /** One row as COPY writes it; becomes the target's. */
    void row(byte[] row) throws InterruptedException;
  }

  /** Begins to copy what a question says; one copy at a time, read to its end. */
  CopyOut copy(String question) throws SQLException {
    return sql.unwrap(PGConnection.class).getCopyAPI().copyOut("COPY (" + question + ") TO STDOUT");
  }

  /** Hands out rows of some blocks of a table, as COPY writes them. */
  void copy(Table table, List<String> columns, String where, RowTarget target)
      throws SQLException, IOException, InterruptedException {
    CopyOut rows =
        copy(
            "SELECT "
                + columns.stream().map(one -> "t." + quoted(one)).collect(Collectors.joining(", "))
                + from(table, where));
    for (byte[] row = rows.readFromCopy(); row != null; row = rows.readFromCopy()) {
      if (!isRow(row)) {
        throw new IOException("The server sent something else than a row of table " + table);
      }
      target.row(row);
    }
  }

  /** A load has {@code psql} read them line by line; what else they say would be run there. */
  static boolean isRow(byte[] row) {
    for (int i = 0; i < row.length - 1; i++) {
      if (row[i] == '\n' || row[i] == '\r') {
        return false;
      }
    }
    return row.length > 0 && row[row.length - 1] == '\n' && !Arrays.equals(row, END_OF_ROWS);
  }

  /** What belongs to each table. */
  Map<Long, List<Part>> parts() throws SQLException {
    Map<Long, List<Part>> found = new HashMap<>();
    try (Statement statement = sql.createStatement();
        ResultSet row = statement.executeQuery(PARTS)) {
      while (row.next()) {
        found
            .computeIfAbsent(row.getLong(1), any -> new ArrayList<>())
            .add(new Part(row.getLong(2), row.getLong(3), row.getString(4)));
      }
    }
    return found;
  }

  /** Tables of extensions with rows that a dump has. */
  List<Table> configurations() throws SQLException {
    List<Table> found = new ArrayList<>();
    try (Statement statement = sql.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT n.nspname, c.relname FROM pg_catalog.pg_extension e,"
                    + " pg_catalog.unnest(e.extconfig) AS t(oid) JOIN pg_catalog.pg_class c ON"
                    + " c.oid = t.oid AND c.relkind IN ('r', 'p') JOIN pg_catalog.pg_namespace n"
                    + " ON n.oid = c.relnamespace ORDER BY 1, 2")) {
      while (row.next()) {
        found.add(new Table(row.getString(1), row.getString(2)));
      }
    }
    return found;
  }

  /** Those of the tables that are there, or anything else under their names. */
  Set<Table> existing(List<Table> tables) throws SQLException {
    Set<Table> found = new HashSet<>();
    Array schemas = array(tables.stream().map(Table::schema).toList());
    Array names = array(tables.stream().map(Table::name).toList());
    try (PreparedStatement statement =
        sql.prepareStatement(
            "SELECT w.s, w.t FROM unnest(?::text[], ?::text[]) AS w(s, t)"
                + " JOIN pg_catalog.pg_namespace n ON n.nspname = w.s"
                + " JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.t")) {
      statement.setArray(1, schemas);
      statement.setArray(2, names);
      try (ResultSet row = statement.executeQuery()) {
        while (row.next()) {
          found.add(new Table(row.getString(1), row.getString(2)));
        }
      }
    }
    return found;
  }

  static boolean schemaExists(Connection sql, String name) throws SQLException {
    try (PreparedStatement statement =
        sql.prepareStatement("SELECT FROM pg_catalog.pg_namespace WHERE nspname = ?")) {
      statement.setString(1, name);
      try (ResultSet row = statement.executeQuery()) {
        return row.next();
      }
    }
  }

  private Array array(List<String> values) throws SQLException {
    return sql.createArrayOf("text", values.toArray());
  }

  /**
   * Keeps tables from being truncated or rewritten, which no snapshot outlasts, for as long as the
   * session lasts. Waits for nobody: who waits for a table already goes before.
   */
  void lock(List<Relation> relations) throws SQLException {
    List<String> names =
        relations.stream()
            .filter(Relation::hasRows)
            .map(one -> "ONLY " + named(one.table()))
            .toList();
    for (int i = 0; i < names.size(); i += LOCKED_AT_ONCE) {
      List<String> some = names.subList(i, Math.min(i + LOCKED_AT_ONCE, names.size()));
      if (!lock(String.join(", ", some))) {
        for (String one : some) {
          lock(one);
        }
      }
    }
  }

  /** Locks all of them in the same way; nothing if that would mean to wait for somebody. */
  boolean lockAll(List<Table> tables) throws SQLException {
    Savepoint before = sql.setSavepoint();
    try {
      lockNow(tables.stream().map(one -> "ONLY " + named(one)).collect(Collectors.joining(", ")));
      sql.releaseSavepoint(before);
      return true;
    } catch (SQLException e) {
      if (!LOCK_NOT_AVAILABLE.equals(e.getSQLState())) {
        throw e;
      }
      sql.rollback(before);
      return false;
    }
  }

  private boolean lock(String names) throws SQLException {
    Savepoint before = sql.setSavepoint();
    try {
      lockNow(names);
      sql.releaseSavepoint(before);
      return true;
    } catch (SQLException e) {
      passOn(e);
      sql.rollback(before);
      return false; // what that means for its rows shows when they are read
    }
  }

  private void lockNow(String names) throws SQLException {
    try (Statement statement = sql.createStatement()) {
      statement.execute("LOCK TABLE " + names + " IN ACCESS SHARE MODE NOWAIT");
    }
  }

  /** Counts and digests a table's own rows; where that fails, counts them. */
  Sum sum(Table table) throws SQLException {
    return sum(table, "");
  }

  /** The same of those rows alone that a condition holds for. */
  Sum sum(Table table, String where) throws SQLException {
    return sum(table, where, stored(table));
  }

  /** The same of all rows, without the columns that the server computes. */
  public Sum sumOfGiven(Table table) throws SQLException {
    return sum(table, "", filled(table).stream().sorted().toList());
  }

  private Sum sum(Table table, String where, List<String> columns) throws SQLException {
    String from = from(table, where);
    Savepoint before = sql.setSavepoint();
    String why;
    try {
      Sum sum = digested(from, columns);
      return rewritten(table) ? REWRITTEN : sum;
    } catch (SQLException e) {
      why = String.valueOf(passOn(e).getMessage());
      sql.rollback(before);
    }
    try (Statement statement = sql.createStatement();
        ResultSet count = statement.executeQuery("SELECT count(*)" + from)) {
      count.next();
      return rewritten(table)
          ? REWRITTEN
          : new Sum(OptionalLong.of(count.getLong(1)), Optional.empty(), Optional.of(why));
    } catch (SQLException e) {
      passOn(e);
      sql.rollback(before);
      return new Sum(OptionalLong.empty(), Optional.empty(), Optional.of(String.valueOf(e)));
    }
  }

  /**
   * The columns are named, and no cast is used: the order they lie in does not matter then, and an
   * owner's own cast of the row is not called with our rights.
   */
  private Sum digested(String from, List<String> columns) throws SQLException {
    String row =
        "sha256(convert_to(textin(record_out(ROW("
            + columns.stream().map(one -> "t." + quoted(one)).collect(Collectors.joining(", "))
            + "))), '"
            + (encoding.equals(NO_CONVERSION) ? NO_CONVERSION : "UTF8")
            + "'))";
    String digested =
        "SELECT count(*), coalesce(sum("
            + word(1)
            + "), 0)::text, coalesce(sum("
            + word(9)
            + "), 0)::text FROM (SELECT "
            + row
            + " AS h"
            + from
            + ") s";
    try (Statement statement = sql.createStatement();
        ResultSet sums = statement.executeQuery(digested)) {
      sums.next();
      return new Sum(
          OptionalLong.of(sums.getLong(1)),
          Optional.of(hex(sums.getString(2)) + hex(sums.getString(3))),
          Optional.empty());
    }
  }

  private static String from(Table table, String where) {
    return " FROM ONLY " + named(table) + " t" + where;
  }

  /** What a table stores, in an order that does not depend on the server. */
  private List<String> stored(Table table) throws SQLException {
    return columns(table, " AND a.attgenerated <> 'v'").stream().sorted().toList();
  }

  private List<String> columns(Table table, String rest) throws SQLException {
    try (PreparedStatement statement =
        sql.prepareStatement(
            "SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN"
                + " pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ? AND c.relname = ?"
                + " AND a.attnum > 0 AND NOT a.attisdropped"
                + rest)) {
      statement.setString(1, table.schema());
      statement.setString(2, table.name());
      List<String> names = new ArrayList<>();
      try (ResultSet row = statement.executeQuery()) {
        while (row.next()) {
          names.add(row.getString(1));
        }
      }
      return names;
    }
  }

  /**
   * Whether a table's rows lie elsewhere now than when the snapshot was taken: that they were
   * truncated or written anew shows at once, in whatever snapshot. Asked once it is locked.
   */
  boolean rewritten(Table table) throws SQLException {
    try (PreparedStatement statement =
        sql.prepareStatement(
            "SELECT c.relfilenode IS DISTINCT FROM pg_relation_filenode(c.oid) FROM pg_class c JOIN"
                + " pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ? AND c.relname ="
                + " ?")) {
      statement.setString(1, table.schema());
      statement.setString(2, table.name());
      try (ResultSet row = statement.executeQuery()) {
        return !row.next() || row.getBoolean(1);
      }
    }
  }

  /** A broken connection and a wish to stop are no answer about a table. */
  private static SQLException passOn(SQLException e) throws SQLException {
    String state = e.getSQLState() == null ? "08" : e.getSQLState();
    if (state.startsWith("08") || state.startsWith("57")) {
      throw e;
    }
    return e;
  }

  private static String word(int from) {
    return "('x' || encode(substr(h, " + from + ", 8), 'hex'))::bit(64)::bigint";
  }

  private static String hex(String sum) {
    return String.format(Locale.ROOT, "%016x", new BigInteger(sum).mod(WORD));
  }

  /** The relations as they are recorded, without their rows. */
  static DumpedTable recorded(Relation relation, Sum sum, List<Part> parts, Optional<Apart> apart) {
    return new DumpedTable(
        relation.table(),
        relation.oid(),
        relation.partitionOf(),
        relation.kind() == 'p',
        sum.rows(),
        sum.digest(),
        parts,
        apart);
  }

  static String named(Table table) {
    return quoted(table.schema()) + "." + quoted(table.name());
  }

  static String quoted(String identifier) {
    return '"' + identifier.replace("\"", "\"\"") + '"';
  }

  /** Ends it from another thread than the one that waits for an answer. */
  void abort() {
    try {
      sql.unwrap(PGConnection.class).cancelQuery(); // or the server would go on for nobody
    } catch (SQLException e) {
      // Then it ends when it notices that nobody listens.
    }
    try {
      sql.abort(Runnable::run);
    } catch (SQLException e) {
      // The session is on its way out either way.
    }
  }

  @Override
  public void close() throws SQLException {
    registration.close();
    if (!sql.isClosed()) {
      sql.close();
    }
  }
}
