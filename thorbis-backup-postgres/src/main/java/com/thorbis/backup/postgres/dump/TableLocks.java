package com.thorbis.backup.postgres.dump;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.postgres.dump.ChangeBackup.NotWhole;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.SqlConnections;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.stream.Collectors;

/** Keeps tables from being truncated, rewritten or altered for as long as it is open. */
final class TableLocks implements AutoCloseable {
  private static final int LOCKED_AT_ONCE = 500;
  private static final String UNDEFINED_TABLE = "42P01";
  private static final String UNDEFINED_SCHEMA = "3F000";
  private static final String LOCK_NOT_AVAILABLE = "55P03";

  private final Connection sql;
  private final Cancellation.Registration registration;

  private TableLocks(Connection sql, Cancellation cancellation) {
    this.sql = sql;
    this.registration = cancellation.onCancel(this::abort);
  }

  /**
   * Waits for who alters one of them now.
   *
   * @throws NotWhole if one is gone
   */
  static TableLocks take(
      PostgresSettings settings, String database, List<Table> tables, Cancellation cancellation)
      throws IOException, SQLException {
    Connection sql = SqlConnections.open(settings, database);
    TableLocks locks = new TableLocks(sql, cancellation);
    boolean taken = false;
    try {
      locks.take(tables);
      taken = true;
      return locks;
    } catch (SQLException e) {
      String state = String.valueOf(e.getSQLState());
      if (state.equals(UNDEFINED_TABLE) || state.equals(UNDEFINED_SCHEMA)) {
        throw new NotWhole("a table is gone: " + e.getMessage());
      }
      if (state.equals(LOCK_NOT_AVAILABLE)) {
        throw BackupException.of(
                "changes.tables-locked",
                FailureKind.TRANSIENT,
                "Somebody alters a table of database " + database + ": " + e.getMessage())
            .remedy("Take it again when that is done.")
            .cause(e)
            .build();
      }
      throw e;
    } finally {
      if (!taken) {
        locks.close();
      }
    }
  }

  private void take(List<Table> tables) throws SQLException {
    sql.setNetworkTimeout(Runnable::run, 0);
    sql.setAutoCommit(false);
    try (Statement statement = sql.createStatement()) {
      statement.execute("SET TRANSACTION READ ONLY");
      statement.execute("SET LOCAL search_path = pg_catalog");
      statement.execute("SET LOCAL statement_timeout = 0");
      statement.execute("SET LOCAL idle_in_transaction_session_timeout = 0");
      statement.execute("SET LOCAL lock_timeout = '10min'");
      if (sql.getMetaData().getDatabaseMajorVersion()
          >= DatabaseSession.TRANSACTION_TIMEOUT_SINCE) {
        statement.execute("SET LOCAL transaction_timeout = 0");
      }
      for (int i = 0; i < tables.size(); i += LOCKED_AT_ONCE) {
        statement.execute(
            "LOCK TABLE "
                + tables.subList(i, Math.min(i + LOCKED_AT_ONCE, tables.size())).stream()
                    .map(one -> "ONLY " + DatabaseSession.named(one))
                    .collect(Collectors.joining(", "))
                + " IN ACCESS SHARE MODE");
      }
    }
  }

  /** For questions besides, which see what is committed at each. */
  Connection connection() {
    return sql;
  }

  private void abort() {
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
