package com.thorbis.backup.dr.failover;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Lsn;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Optional;

/**
 * What a server says about itself.
 *
 * @param standby whether it is in recovery, and so takes no writes
 * @param system the identifier of its cluster
 * @param timeline the one it writes to, or has got the log of
 * @param position the end of the log that it wrote, or has got
 * @param follows whether it is told whom to follow
 * @param receiver what it has from that one now; empty: nothing is connected
 */
record ServerView(
    boolean standby,
    long system,
    long timeline,
    Lsn position,
    boolean follows,
    Optional<Receiver> receiver) {
  private static final int PATIENCE_SECONDS = 10;
  private static final String QUESTION =
      """
      SELECT s.standby,
        (SELECT system_identifier FROM pg_catalog.pg_control_system()),
        CASE WHEN s.standby THEN GREATEST(
            (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint())::bigint,
            (SELECT min_recovery_end_timeline FROM pg_catalog.pg_control_recovery())::bigint,
            r.received_tli::bigint)
          ELSE ('x' || substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))
            ::bit(32)::bigint END,
        CASE WHEN s.standby THEN GREATEST(
            pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())
          ELSE pg_catalog.pg_current_wal_flush_lsn() END,
        pg_catalog.current_setting('primary_conninfo') <> '',
        r.pid, r.status,
        (extract(epoch FROM pg_catalog.clock_timestamp() - r.last_msg_receipt_time) * 1000)::bigint
      FROM (SELECT pg_catalog.pg_is_in_recovery() AS standby) s
        LEFT JOIN pg_catalog.pg_stat_wal_receiver r ON true
      """;

  /**
   * The connection of a standby to the one it follows.
   *
   * @param streams whether log comes over it
   * @param silence since when nothing was heard; empty: we may not see that
   */
  record Receiver(boolean streams, Optional<Duration> silence) {}

  /**
   * Asks a server.
   *
   * @throws SQLException if it does not answer
   */
  static ServerView of(ServerAccess server) throws SQLException {
    try (Connection session = open(server);
        Statement statement = session.createStatement()) {
      statement.setQueryTimeout(PATIENCE_SECONDS);
      // primary_conninfo may hold a password, and only those who read all settings see it
      try (ResultSet row = statement.executeQuery(QUESTION)) {
        if (!row.next()) {
          throw new SQLException("No answer");
        }
        return read(row);
      }
    }
  }

  /** A session that ends when its server falls silent. */
  static Connection open(ServerAccess server) throws SQLException {
    try {
      Connection session = server.connector().connect();
      session.setNetworkTimeout(Runnable::run, PATIENCE_SECONDS * 2000);
      return session;
    } catch (BackupException e) {
      if (e.getCause() instanceof SQLException cause) {
        throw cause;
      }
      throw new SQLException(e.getMessage(), e);
    }
  }

  private static ServerView read(ResultSet row) throws SQLException {
    Optional<Receiver> receiver = Optional.empty();
    if (row.getString(6) != null) {
      long silence = row.getLong(8);
      receiver =
          Optional.of(
              new Receiver(
                  "streaming".equals(row.getString(7)),
                  row.wasNull() ? Optional.empty() : Optional.of(Duration.ofMillis(silence))));
    }
    String position = row.getString(4);
    if (position == null) {
      throw new SQLException("Does not say how far its log goes");
    }
    return new ServerView(
        row.getBoolean(1),
        row.getLong(2),
        row.getLong(3),
        Lsn.parse(position),
        row.getBoolean(5),
        receiver);
  }
}
