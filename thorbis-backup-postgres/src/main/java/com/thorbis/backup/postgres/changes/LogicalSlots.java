package com.thorbis.backup.postgres.changes;

import com.thorbis.backup.api.Lsn;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Optional;

/** The slots for which the server keeps what was changed. */
public final class LogicalSlots {
  private static final String QUESTION =
      """
      SELECT s.plugin, s.database, s.active, s.confirmed_flush_lsn::text,
             coalesce(s.wal_status = 'lost', false)
               OR pg_catalog.to_jsonb(s) ->> 'invalidation_reason' IS NOT NULL
               OR coalesce((pg_catalog.to_jsonb(s) ->> 'conflicting')::boolean, false),
             coalesce(pg_catalog.pg_wal_lsn_diff(
               CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                    ELSE pg_catalog.pg_current_wal_lsn() END, s.restart_lsn), 0)::bigint
        FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = ?
      """;

  private LogicalSlots() {}

  /**
   * A slot.
   *
   * @param decodes whether it is one of {@code pgoutput} for this database
   * @param active whether somebody reads from it now
   * @param confirmed what was committed before is not given out again
   * @param lost whether the server has removed what it was to keep
   * @param heldBytes how much log the server keeps for it
   */
  public record Slot(
      String name,
      boolean decodes,
      boolean active,
      Optional<Lsn> confirmed,
      boolean lost,
      long heldBytes) {}

  /** The slot of this name. */
  public static Optional<Slot> find(Connection sql, String name, String database)
      throws SQLException {
    try (PreparedStatement statement = sql.prepareStatement(QUESTION)) {
      statement.setString(1, name);
      try (ResultSet row = statement.executeQuery()) {
        if (!row.next()) {
          return Optional.empty();
        }
        return Optional.of(
            new Slot(
                name,
                "pgoutput".equals(row.getString(1)) && database.equals(row.getString(2)),
                row.getBoolean(3),
                Optional.ofNullable(row.getString(4)).map(Lsn::parse),
                row.getBoolean(5),
                row.getLong(6)));
      }
    }
  }

  /** Removes it, if it is there. */
  public static void drop(Connection sql, String name) throws SQLException {
    try (PreparedStatement statement =
        sql.prepareStatement(
            "SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM"
                + " pg_catalog.pg_replication_slots WHERE slot_name = ?")) {
      statement.setString(1, name);
      statement.executeQuery().close();
    }
  }
}
