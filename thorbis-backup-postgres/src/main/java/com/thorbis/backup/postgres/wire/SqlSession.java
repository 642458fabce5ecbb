package com.thorbis.backup.postgres.wire;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.ReplicationConnection.SystemIdentity;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Locale;
import java.util.Optional;

/** Asks a server over SQL, for a role that may not replicate. */
public final class SqlSession implements ServerSession {
  private static final int MOST_HISTORY_BYTES = 1 << 24;

  private final PostgresSettings settings;
  private final Connection sql;
  private final String version;

  private SqlSession(PostgresSettings settings, Connection sql) throws SQLException {
    this.settings = settings;
    this.sql = sql;
    this.version = text("SELECT pg_catalog.current_setting('server_version')");
  }

  /** Connects. */
  public static SqlSession open(PostgresSettings settings) {
    try {
      Connection sql = SqlConnections.open(settings);
      boolean opened = false;
      try {
        SqlSession session = new SqlSession(settings, sql);
        opened = true;
        return session;
      } finally {
        if (!opened) {
          sql.close();
        }
      }
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    }
  }

  /** A standby does not say on which timeline it is; its control file says where it began. */
  @Override
  public SystemIdentity identify() {
    try {
      long systemId =
          Long.parseLong(
              text("SELECT system_identifier::text FROM pg_catalog.pg_control_system()"));
      if (text("SELECT pg_catalog.pg_is_in_recovery()::text").equals("true")) {
        return new SystemIdentity(
            systemId,
            new Timeline(
                Integer.parseUnsignedInt(
                    text(
                        "SELECT greatest(c.timeline_id, r.min_recovery_end_timeline)::text FROM"
                            + " pg_catalog.pg_control_checkpoint() c,"
                            + " pg_catalog.pg_control_recovery() r"))),
            Lsn.parse(text("SELECT pg_catalog.pg_last_wal_replay_lsn()::text")));
      }
      String position = text("SELECT pg_catalog.pg_current_wal_flush_lsn()::text");
      String file =
          text("SELECT pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn())");
      return new SystemIdentity(
          systemId,
          new Timeline(Integer.parseUnsignedInt(file.substring(0, 8), 16)),
          Lsn.parse(position));
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    }
  }

  @Override
  public String serverVersion() {
    return version;
  }

  @Override
  public String show(String name) {
    try {
      return text("SELECT pg_catalog.current_setting(?)", name);
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    }
  }

  @Override
  public Optional<String> find(String name) {
    try {
      return Optional.of(text("SELECT coalesce(pg_catalog.current_setting(?, true), '')", name))
          .filter(value -> !value.isEmpty());
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    }
  }

  @Override
  public byte[] timelineHistory(Timeline timeline) throws ProtocolException {
    String file = String.format(Locale.ROOT, "pg_wal/%08X.history", timeline.number());
    try (PreparedStatement statement =
        sql.prepareStatement("SELECT pg_catalog.pg_read_binary_file(?, 0, ?, true)")) {
      statement.setString(1, file);
      statement.setLong(2, MOST_HISTORY_BYTES);
      try (ResultSet row = statement.executeQuery()) {
        row.next();
        byte[] content = row.getBytes(1);
        if (content == null) {
          throw new ProtocolException("timeline " + timeline + " without its history");
        }
        return content;
      }
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    }
  }

  private String text(String question, String... values) throws SQLException {
    try (PreparedStatement statement = sql.prepareStatement(question)) {
      for (int i = 0; i < values.length; i++) {
        statement.setString(i + 1, values[i]);
      }
      try (ResultSet row = statement.executeQuery()) {
        row.next();
        return String.valueOf(row.getString(1));
      }
    }
  }

  @Override
  public void close() {
    try {
      sql.close();
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    }
  }
}
