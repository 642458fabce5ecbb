package com.thorbis.backup.postgres.check;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.ServerLog;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.Failures;
import com.thorbis.backup.postgres.wire.SqlConnections;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Optional;

/** Asks a server how far its log has come, and what our slot keeps of it. */
public final class ServerLogReader {
  private static final String FACTS =
      "WITH log AS (SELECT CASE WHEN pg_catalog.pg_is_in_recovery()"
          + " THEN pg_catalog.pg_last_wal_replay_lsn()"
          + " ELSE pg_catalog.pg_current_wal_flush_lsn() END AS written)"
          + " SELECT written, slot_name, active, wal_status,"
          + " pg_catalog.pg_wal_lsn_diff(written, restart_lsn)::pg_catalog.int8"
          + " FROM log LEFT JOIN pg_catalog.pg_replication_slots ON slot_name = ?";

  private ServerLogReader() {}

  /** Asks once. */
  public static ServerLog read(PostgresSettings settings) {
    try (Connection connection = SqlConnections.open(settings)) {
      try (Statement statement = connection.createStatement()) {
        statement.execute("SET statement_timeout = '10s'");
      }
      try (PreparedStatement statement = connection.prepareStatement(FACTS)) {
        statement.setString(1, settings.slot());
        try (ResultSet row = statement.executeQuery()) {
          row.next();
          return new ServerLog(Lsn.parse(row.getString(1)), slot(row, settings.slotBudget()));
        }
      }
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    }
  }

  private static Optional<ServerLog.Slot> slot(ResultSet row, long budget) throws SQLException {
    String name = row.getString(2);
    return name == null
        ? Optional.empty()
        : Optional.of(
            new ServerLog.Slot(
                name,
                row.getBoolean(3),
                "lost".equals(row.getString(4)),
                Math.max(0, row.getLong(5)),
                budget));
  }
}
