package com.thorbis.backup.postgres.changes;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.postgres.changes.ChangeLog.Sequence;
import com.thorbis.backup.postgres.changes.PgOutput.Column;
import com.thorbis.backup.postgres.changes.PgOutput.Delete;
import com.thorbis.backup.postgres.changes.PgOutput.Insert;
import com.thorbis.backup.postgres.changes.PgOutput.Message;
import com.thorbis.backup.postgres.changes.PgOutput.Null;
import com.thorbis.backup.postgres.changes.PgOutput.Relation;
import com.thorbis.backup.postgres.changes.PgOutput.Text;
import com.thorbis.backup.postgres.changes.PgOutput.Truncate;
import com.thorbis.backup.postgres.changes.PgOutput.Unchanged;
import com.thorbis.backup.postgres.changes.PgOutput.Update;
import com.thorbis.backup.postgres.changes.PgOutput.Value;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Does to a copy what was done to the source, row by row and in the same order, in the one
 * transaction of a session. Values go as parameters, as text that the columns' types read. The copy
 * must have no triggers, rules and foreign keys yet: what they did at the source comes by itself.
 */
public final class ChangeApply implements AutoCloseable {
  private static final String[] ALIKE_EVERYWHERE = {
    "SET LOCAL search_path = pg_catalog",
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    "SET LOCAL lock_timeout = '10min'",
    "SET LOCAL row_security = off",
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL IntervalStyle = 'postgres'",
    "SET LOCAL lc_monetary = 'C'",
    "SET CONSTRAINTS ALL DEFERRED",
  };

  private static final int MOST_ROWS = 1000;
  private static final int MOST_CHARACTERS = 4 << 20;
  private static final int MOST_SHOWN = 200;

  private static final String TYPES =
      """
      SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attidentity = 'a',
             c.relispartition,
             (SELECT pg_catalog.format('OPERATOR(%I.%s)', s.nspname, o.oprname)
                FROM pg_catalog.pg_opclass k
                JOIN pg_catalog.pg_am h ON h.oid = k.opcmethod AND h.amname = 'btree'
                JOIN pg_catalog.pg_amop e ON e.amopfamily = k.opcfamily AND e.amopstrategy = 3
                     AND e.amoplefttype = k.opcintype AND e.amoprighttype = k.opcintype
                JOIN pg_catalog.pg_operator o ON o.oid = e.amopopr
                JOIN pg_catalog.pg_namespace s ON s.oid = o.oprnamespace
               WHERE k.opcdefault AND k.opcintype = CASE t.typtype WHEN 'd' THEN t.typbasetype
                                                                   ELSE t.oid END)
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
       WHERE n.nspname = ? AND c.relname = ? AND a.attnum > 0 AND NOT a.attisdropped
      """;

  private final Connection sql;
  private final Predicate<Table> wanted;
  private final Map<Long, Optional<Target>> targets = new HashMap<>();
  private final List<String> keys = new ArrayList<>();
  private final Set<String> settable = new LinkedHashSet<>();
  private @Nullable PreparedStatement batch;
  private String batchSql = "";
  private Table batchTable = new Table("", "");
  private int characters;

  /**
   * Begins.
   *
   * @param sql a session that does not commit by itself; whoever opened it commits
   * @param wanted which tables are in the copy
   */
  public ChangeApply(Connection sql, Predicate<Table> wanted) throws SQLException {
    this.sql = sql;
    this.wanted = wanted;
    try (Statement statement = sql.createStatement()) {
      for (String setting : ALIKE_EVERYWHERE) {
        statement.execute(setting);
      }
    }
  }

  /** A table of the copy, and how its columns come. */
  private record Target(
      Table table,
      boolean whole,
      List<Column> columns,
      List<String> types,
      List<Boolean> fixed,
      List<String> equal) {
    String named() {
      return Publication.named(table);
    }

    String column(int at) {
      return Publication.quoted(columns.get(at).name());
    }

    String parameter(int at) {
      return "?::" + types.get(at);
    }
  }

  /**
   * Does what one message says.
   *
   * @throws BackupException code {@code load.row-missing} if a row is not there that was changed,
   *     {@code load.change-refused} if the copy does not take a change
   */
  public void apply(ByteBuffer bytes) throws IOException, SQLException {
    Message message = PgOutput.read(bytes);
    if (message instanceof Relation relation) {
      targets.put(relation.oid(), target(relation));
    } else if (message instanceof Insert insert) {
      Optional<Target> target = known(insert.relation());
      if (target.isPresent()) {
        insert(target.get(), insert.row());
      }
    } else if (message instanceof Update update) {
      Optional<Target> target = known(update.relation());
      if (target.isPresent()) {
        update(target.get(), update);
      }
    } else if (message instanceof Delete delete) {
      Optional<Target> target = known(delete.relation());
      if (target.isPresent()) {
        delete(target.get(), delete.old());
      }
    } else if (message instanceof Truncate truncate) {
      truncate(truncate);
    }
  }

  private Optional<Target> known(long relation) throws IOException {
    Optional<Target> target = targets.get(relation);
    if (target == null) {
      throw new IOException("Damaged: a change of a table that was not said to be one");
    }
    return target;
  }

  private Optional<Target> target(Relation relation) throws IOException, SQLException {
    Table table = new Table(relation.schema(), relation.name());
    if (!wanted.test(table)) {
      return Optional.empty();
    }
    Map<String, String> types = new HashMap<>();
    Map<String, Boolean> fixed = new HashMap<>();
    Map<String, String> equal = new HashMap<>();
    List<String> identities = new ArrayList<>();
    try (PreparedStatement statement = sql.prepareStatement(TYPES)) {
      statement.setString(1, table.schema());
      statement.setString(2, table.name());
      try (ResultSet row = statement.executeQuery()) {
        while (row.next()) {
          types.put(row.getString(1), row.getString(2));
          boolean always = row.getBoolean(3);
          // A partition has this from its parent, and nobody can say otherwise of it alone.
          fixed.put(row.getString(1), always && row.getBoolean(4));
          if (always && !row.getBoolean(4)) {
            identities.add(row.getString(1));
          }
          // What is an extension's own is found nowhere but where that lies.
          equal.put(row.getString(1), row.getString(5) == null ? "=" : row.getString(5));
        }
      }
    }
    for (Column column : relation.columns()) {
      if (!types.containsKey(column.name())) {
        throw new IOException("The copy of table " + table + " has no column " + column.name());
      }
    }
    for (String column : identities) {
      settable(Publication.named(table) + " ALTER " + Publication.quoted(column));
    }
    return Optional.of(
        new Target(
            table,
            relation.identity() == 'f',
            relation.columns(),
            relation.columns().stream().map(each -> types.get(each.name())).toList(),
            relation.columns().stream().map(each -> fixed.get(each.name())).toList(),
            relation.columns().stream().map(each -> equal.get(each.name())).toList()));
  }

  /** Lets a column take what it had at the source, until all changes have come. */
  private void settable(String column) throws SQLException {
    if (settable.add(column)) {
      flush();
      try (Statement statement = sql.createStatement()) {
        statement.execute("ALTER TABLE ONLY " + column + " SET GENERATED BY DEFAULT");
      }
    }
  }

  private void insert(Target target, List<Value> row) throws IOException, SQLException {
    requireLength(target, row);
    String columns = "";
    String values = "DEFAULT VALUES";
    if (!row.isEmpty()) {
      List<String> names = new ArrayList<>();
      List<String> parameters = new ArrayList<>();
      for (int i = 0; i < row.size(); i++) {
        names.add(target.column(i));
        parameters.add(target.parameter(i));
      }
      columns = " (" + String.join(", ", names) + ") OVERRIDING SYSTEM VALUE ";
      values = "VALUES (" + String.join(", ", parameters) + ")";
    }
    add(target, "INSERT INTO " + target.named() + columns + " " + values, row, row);
  }

  private void update(Target target, Update update) throws IOException, SQLException {
    List<Value> row = update.row();
    requireLength(target, row);
    List<Value> old = update.old().orElse(row);
    List<String> sets = new ArrayList<>();
    List<Value> values = new ArrayList<>();
    for (int i = 0; i < row.size(); i++) {
      // What a partition always generates cannot be set.
      if (!(row.get(i) instanceof Unchanged) && !target.fixed().get(i)) {
        sets.add(target.column(i) + " = " + target.parameter(i));
        values.add(row.get(i));
      }
    }
    if (sets.isEmpty()) {
      return; // nothing that is stored
    }
    String where = where(target, old, values);
    add(
        target,
        "UPDATE ONLY " + target.named() + " SET " + String.join(", ", sets) + where,
        values,
        old);
  }

  private void delete(Target target, List<Value> old) throws IOException, SQLException {
    requireLength(target, old);
    List<Value> values = new ArrayList<>();
    String where = where(target, old, values);
    add(target, "DELETE FROM ONLY " + target.named() + where, values, old);
  }

  /** Which row; its values go behind the others. */
  private static String where(Target target, List<Value> old, List<Value> values)
      throws IOException {
    List<String> columns = new ArrayList<>();
    List<String> parameters = new ArrayList<>();
    List<String> operators = new ArrayList<>();
    for (int i = 0; i < target.columns().size(); i++) {
      if (target.columns().get(i).key()) {
        if (old.size() <= i || old.get(i) instanceof Unchanged) {
          throw new IOException("Damaged: a change of table " + target.table() + " without a key");
        }
        columns.add("t." + target.column(i));
        parameters.add(target.parameter(i));
        operators.add(target.equal().get(i));
        values.add(old.get(i));
      }
    }
    if (columns.isEmpty()) {
      throw new IOException("Damaged: a change of table " + target.table() + ", which has no key");
    }
    if (target.whole()) {
      // Rows that are alike are told apart by their place; whichever goes, as many stay.
      return " WHERE ctid = (SELECT t.ctid FROM ONLY "
          + target.named()
          + " t WHERE pg_catalog.record_image_eq(ROW("
          + String.join(", ", columns)
          + "), ROW("
          + String.join(", ", parameters)
          + ")) LIMIT 1)";
    }
    List<String> equal = new ArrayList<>();
    for (int i = 0; i < columns.size(); i++) {
      equal.add(columns.get(i).substring(2) + " " + operators.get(i) + " " + parameters.get(i));
    }
    return " WHERE " + String.join(" AND ", equal);
  }

  private static void requireLength(Target target, List<Value> row) throws IOException {
    if (row.size() != target.columns().size()) {
      throw new IOException(
          "Damaged: a row of " + row.size() + " columns in table " + target.table());
    }
  }

  private void add(Target target, String statement, List<Value> values, List<Value> row)
      throws IOException, SQLException {
    if (!batchSql.equals(statement)) {
      flush();
      close();
      batch = sql.prepareStatement(statement);
      batchSql = statement;
      batchTable = target.table();
    }
    PreparedStatement adding = batch;
    if (adding == null) {
      throw new IllegalStateException("No statement");
    }
    for (int i = 0; i < values.size(); i++) {
      Value value = values.get(i);
      if (value instanceof Text text) {
        adding.setObject(i + 1, text.text(), Types.OTHER);
        characters += text.text().length();
      } else if (value instanceof Null) {
        adding.setNull(i + 1, Types.OTHER);
      } else {
        throw new IOException("Damaged: no value in table " + target.table());
      }
    }
    adding.addBatch();
    keys.add(key(target, row));
    if (keys.size() >= MOST_ROWS || characters > MOST_CHARACTERS) {
      flush();
    }
  }

  private static String key(Target target, List<Value> row) {
    StringBuilder key = new StringBuilder();
    for (int i = 0; i < row.size() && key.length() < MOST_SHOWN; i++) {
      if (target.columns().get(i).key()) {
        String value =
            row.get(i) instanceof Text text
                ? text.text().substring(0, Math.min(MOST_SHOWN, text.text().length()))
                : "NULL";
        key.append(key.isEmpty() ? "" : ", ")
            .append(target.columns().get(i).name())
            .append(" = ")
            .append(value);
      }
    }
    return key.toString();
  }

  private void flush() throws SQLException {
    PreparedStatement flushed = batch;
    if (flushed == null || keys.isEmpty()) {
      return;
    }
    int[] counts;
    try {
      counts = flushed.executeBatch();
    } catch (SQLException e) {
      SQLException first = e.getNextException() == null ? e : e.getNextException();
      String state = first.getSQLState() == null ? "08" : first.getSQLState();
      if (state.startsWith("08") || state.startsWith("57")) {
        throw first; // of the connection, not of the change
      }
      throw BackupException.of(
              "load.change-refused",
              FailureKind.PERMANENT,
              "Table " + batchTable + " does not take a change: " + first.getMessage())
          .remedy("See what of the table is another than at the source, or load an earlier backup.")
          .detail("table", batchTable.toString())
          .cause(e)
          .build();
    }
    for (int i = 0; i < counts.length; i++) {
      if (counts[i] != 1) {
        throw BackupException.of(
                "load.row-missing",
                FailureKind.PERMANENT,
                "Table "
                    + batchTable
                    + " has "
                    + (counts[i] == 0 ? "no row" : counts[i] + " rows")
                    + " with "
                    + keys.get(i)
                    + ", which was changed at the source")
            .remedy("Verify the backup; load an earlier one, or the dump that it builds on.")
            .detail("table", batchTable.toString())
            .detail("key", keys.get(i))
            .build();
      }
    }
    keys.clear();
    characters = 0;
  }

  private void truncate(Truncate truncate) throws IOException, SQLException {
    flush();
    List<String> names = new ArrayList<>();
    for (long relation : truncate.relations()) {
      known(relation).ifPresent(target -> names.add("ONLY " + target.named()));
    }
    if (!names.isEmpty()) {
      try (Statement statement = sql.createStatement()) {
        statement.execute("TRUNCATE " + String.join(", ", names));
      }
    }
  }

  /**
   * All changes have come.
   *
   * @return the sequences that the copy does not have
   */
  public List<Table> end(List<Sequence> sequences) throws SQLException {
    flush();
    try (Statement statement = sql.createStatement()) {
      if (!settable.isEmpty()) {
        statement.execute("SET CONSTRAINTS ALL IMMEDIATE"); // nothing may wait for its check
      }
      for (String column : settable) {
        statement.execute("ALTER TABLE ONLY " + column + " SET GENERATED ALWAYS");
      }
    }
    List<Table> missing = new ArrayList<>();
    try (PreparedStatement statement =
        sql.prepareStatement(
            "SELECT pg_catalog.setval(s.n::regclass, ?, ?) FROM (SELECT pg_catalog.format('%I.%I',"
                + " ?::text, ?::text)) s(n) WHERE pg_catalog.to_regclass(s.n) IS NOT NULL")) {
      for (Sequence each : sequences) {
        statement.setLong(1, each.value());
        statement.setBoolean(2, each.called());
        statement.setString(3, each.name().schema());
        statement.setString(4, each.name().name());
        try (ResultSet row = statement.executeQuery()) {
          if (!row.next()) {
            missing.add(each.name());
          }
        }
      }
    }
    return missing;
  }

  /** Ends what it began; commits nothing. */
  @Override
  public void close() throws SQLException {
    PreparedStatement closed = batch;
    batch = null;
    batchSql = "";
    if (closed != null) {
      closed.close();
    }
  }
}
