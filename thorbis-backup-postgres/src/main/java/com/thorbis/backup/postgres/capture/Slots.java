package com.thorbis.backup.postgres.capture;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.Failures;
import com.thorbis.backup.postgres.wire.ReplicationConnection;
import com.thorbis.backup.postgres.wire.ReplicationConnection.Slot;
import com.thorbis.backup.postgres.wire.ServerException;
import com.thorbis.backup.postgres.wire.SqlConnections;
import java.io.IOException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Optional;

/** The physical slot that keeps WAL for us. */
public final class Slots {
  private static final String DUPLICATE_OBJECT = "42710";

  private Slots() {}

  /**
   * Creates the source's slot where it is not there yet.
   *
   * @return whether it was created now
   */
  public static boolean ensure(ReplicationConnection connection, PostgresSettings settings)
      throws IOException {
    if (find(connection, settings).isPresent()) {
      return false;
    }
    try {
      connection.createSlot(settings.slot());
      return true;
    } catch (ServerException e) {
      if (e.sqlState().equals(DUPLICATE_OBJECT)) {
        return false;
      }
      throw e;
    }
  }

  /** The source's slot, if it exists. */
  static Optional<Slot> find(ReplicationConnection connection, PostgresSettings settings)
      throws IOException {
    if (connection.majorVersion() >= 15) {
      return connection.readSlot(settings.slot());
    }
    try (Connection sql = SqlConnections.open(settings);
        PreparedStatement statement =
            sql.prepareStatement(
                "SELECT slot_type, restart_lsn::text FROM pg_catalog.pg_replication_slots"
                    + " WHERE slot_name = ?")) {
      statement.setString(1, settings.slot());
      try (ResultSet rows = statement.executeQuery()) {
        if (!rows.next()) {
          return Optional.empty();
        }
        return Optional.of(
            new Slot(rows.getString(1), Optional.ofNullable(rows.getString(2)).map(Lsn::parse)));
      }
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    }
  }
}
