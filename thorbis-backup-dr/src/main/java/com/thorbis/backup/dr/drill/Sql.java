package com.thorbis.backup.dr.drill;

import com.thorbis.backup.api.Cancellation;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

/** Questions to a server that end when the drill is to end. Used by one thread. */
final class Sql implements AutoCloseable {
  private final Connection session;
  private final Cancellation cancellation;

  /** Over a session, which is closed with it. */
  Sql(Connection session, Cancellation cancellation) {
    this.session = session;
    this.cancellation = cancellation;
  }

  /** A name as SQL takes it, whatever it holds. */
  static String name(String name) {
    return "\"" + name.replace("\"", "\"\"") + "\"";
  }

  static String literal(String text) {
    return text.indexOf('\\') < 0
        ? "'" + text.replace("'", "''") + "'"
        : "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'";
  }

  /** Makes something of a row. */
  @FunctionalInterface
  interface Row<T> {
    T of(ResultSet row) throws SQLException;
  }

  <T> List<T> rows(Row<T> form, String sql) throws SQLException {
    return run(
        statement -> {
          try (ResultSet rows = statement.executeQuery(sql)) {
            List<T> found = new ArrayList<>();
            while (rows.next()) {
              found.add(form.of(rows));
            }
            return found;
          }
        });
  }

  List<String> texts(String sql) throws SQLException {
    return rows(row -> String.valueOf(row.getString(1)), sql);
  }

  String text(String sql) throws SQLException {
    List<String> found = texts(sql);
    if (found.isEmpty()) {
      throw new SQLException("No answer to: " + sql);
    }
    return found.get(0);
  }

  void execute(String sql) throws SQLException {
    run(statement -> statement.execute(sql));
  }

  private interface Work<T> {
    T with(Statement statement) throws SQLException;
  }

  private <T> T run(Work<T> work) throws SQLException {
    cancellation.check();
    try (Statement statement = session.createStatement();
        Cancellation.Registration registered =
            cancellation.onCancel(
                () -> {
                  try {
                    statement.cancel();
                  } catch (SQLException e) {
                    return; // it has ended, or ends with its server
                  }
                })) {
      statement.setEscapeProcessing(false);
      return work.with(statement);
    } catch (SQLException e) {
      cancellation.check();
      throw e;
    }
  }

  /** In a transaction that leaves nothing behind. */
  <T> T undone(Undone<T> work) throws SQLException {
    session.setAutoCommit(false);
    try {
      return work.run();
    } finally {
      session.rollback();
      session.setAutoCommit(true);
    }
  }

  /** What leaves nothing behind. */
  @FunctionalInterface
  interface Undone<T> {
    T run() throws SQLException;
  }

  @Override
  public void close() throws SQLException {
    session.close();
  }
}
