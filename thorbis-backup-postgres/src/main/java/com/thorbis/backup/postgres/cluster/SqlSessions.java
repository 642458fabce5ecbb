package com.thorbis.backup.postgres.cluster;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.Failures;
import com.thorbis.backup.postgres.wire.SqlConnections;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sessions with one and the same server, as many as threads ask at once, kept until the end. Safe
 * for several threads.
 */
final class SqlSessions implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(SqlSessions.class);

  private final PostgresSettings settings;
  private final Cancellation cancellation;
  private final String witness;
  private final Deque<Connection> idle = new ArrayDeque<>();
  private final Set<Connection> all = new HashSet<>();
  private boolean closed;

  /** Asks one thing. */
  @FunctionalInterface
  interface Question<T> {
    /** Asks it. */
    T ask(Connection sql) throws SQLException;
  }

  /**
   * Sessions with the server of another one. Behind one address there may be several servers.
   *
   * @param other stays the caller's and open
   */
  SqlSessions(PostgresSettings settings, Cancellation cancellation, Connection other)
      throws SQLException {
    this.settings = settings;
    this.cancellation = cancellation;
    try (Statement statement = other.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT pid::text || ' ' || backend_start::text FROM pg_catalog.pg_stat_activity"
                    + " WHERE pid = pg_catalog.pg_backend_pid()")) {
      row.next();
      this.witness = row.getString(1);
    }
  }

  /** Asks, on a session that nobody else uses meanwhile. */
  <T> T ask(Question<T> question) {
    cancellation.check();
    Connection sql = take();
    boolean answered = false;
    try {
      T answer = question.ask(sql);
      answered = true;
      return answer;
    } catch (SQLException e) {
      cancellation.check();
      throw Failures.of(settings, e);
    } finally {
      giveBack(sql, answered);
    }
  }

  private Connection take() {
    synchronized (this) {
      if (closed) {
        throw new IllegalStateException("The sessions were closed");
      }
      Connection free = idle.poll();
      if (free != null) {
        return free;
      }
    }
    try {
      Connection sql = SqlConnections.open(settings);
      boolean good = false;
      try {
        prepare(sql);
        good = true;
      } finally {
        if (!good) {
          end(sql);
        }
      }
      synchronized (this) {
        if (!closed) {
          all.add(sql);
          return sql;
        }
      }
      end(sql);
      throw new IllegalStateException("The sessions were closed");
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    }
  }

  private void prepare(Connection sql) throws SQLException {
    try (Statement statement = sql.createStatement()) {
      statement.execute("SET statement_timeout = 0");
      statement.execute("SET idle_session_timeout = 0");
      statement.execute("SET standard_conforming_strings = on");
      statement.execute("SET client_encoding = 'UTF8'");
    }
    try (PreparedStatement statement =
        sql.prepareStatement(
            "SELECT count(*) FROM pg_catalog.pg_stat_activity"
                + " WHERE pid::text || ' ' || backend_start::text = ?")) {
      statement.setString(1, witness);
      try (ResultSet row = statement.executeQuery()) {
        row.next();
        if (row.getInt(1) != 1) {
          throw BackupException.of(
                  "postgres.several-servers",
                  FailureKind.REFUSED,
                  "Behind " + settings.address() + " there is more than one server, or a pooler")
              .remedy("Name the server itself in the source's url.")
              .build();
        }
      }
    }
  }

  private void giveBack(Connection sql, boolean good) {
    synchronized (this) {
      if (good && !closed) {
        idle.push(sql);
        return;
      }
      all.remove(sql);
    }
    end(sql);
  }

  private static void end(Connection sql) {
    try {
      sql.close();
    } catch (SQLException e) {
      LOG.debug("A session did not end as it should", e);
    }
  }

  @Override
  public void close() {
    Set<Connection> left;
    synchronized (this) {
      closed = true;
      left = new HashSet<>(all);
      all.clear();
      idle.clear();
    }
    left.forEach(SqlSessions::end);
  }
}
