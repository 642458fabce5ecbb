package com.thorbis.backup.postgres.cluster;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.Failures;
import com.thorbis.backup.postgres.wire.ProtocolException;
import com.thorbis.backup.postgres.wire.ReplicationConnection.WalPosition;
import com.thorbis.backup.postgres.wire.SqlConnections;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one session in which a server is told that its files are being copied, from before the first
 * of them to after the last. Used by one thread. A session that ends in between ends the backup on
 * the server, which needs nothing else to be as it was.
 */
public final class BackupBracket implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(BackupBracket.class);

  private static final int FIRST_WITH_NEW_NAMES = 15;
  private static final int FIRST_WITH_TRANSACTION_TIMEOUT = 17;
  private static final long LOOK_EVERY = Duration.ofSeconds(5).toNanos();
  private static final String NOT_IN_STATE = "55000";
  private static final Pattern START =
      Pattern.compile("^START WAL LOCATION: ([0-9A-F]+/[0-9A-F]+) ", Pattern.MULTILINE);
  private static final Pattern START_TIMELINE =
      Pattern.compile("^START TIMELINE: ([0-9]+)$", Pattern.MULTILINE);

  private final PostgresSettings settings;
  private final Cancellation cancellation;
  private final Connection sql;
  private final int majorVersion;
  private final boolean standby;
  private @Nullable WalPosition start;
  private long looked = System.nanoTime();

  private BackupBracket(PostgresSettings settings, Cancellation cancellation, Connection sql)
      throws SQLException {
    this.settings = settings;
    this.cancellation = cancellation;
    this.sql = sql;
    this.majorVersion = sql.getMetaData().getDatabaseMajorVersion();
    try (Statement statement = sql.createStatement()) {
      // Whatever the role or the database is set to: this session is idle for hours.
      statement.execute("SET statement_timeout = 0");
      statement.execute("SET lock_timeout = 0");
      statement.execute("SET idle_in_transaction_session_timeout = 0");
      statement.execute("SET idle_session_timeout = 0");
      statement.execute("SET tcp_keepalives_idle = 60");
      if (majorVersion >= FIRST_WITH_TRANSACTION_TIMEOUT) {
        statement.execute("SET transaction_timeout = 0");
      }
    }
    this.standby = inRecovery();
  }

  /**
   * What the server says when the files are copied.
   *
   * @param stop up to where its log is needed
   * @param label the content of {@code backup_label}
   * @param tablespaceMap the content of {@code tablespace_map}; empty if there is none
   */
  public record End(WalPosition stop, byte[] label, byte[] tablespaceMap) {}

  /** Connects; nothing is begun. */
  public static BackupBracket open(PostgresSettings settings, Cancellation cancellation) {
    cancellation.check();
    try {
      Connection sql = SqlConnections.open(settings);
      try {
        return new BackupBracket(settings, cancellation, sql);
      } catch (SQLException e) {
        close(sql, e);
        throw e;
      }
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    }
  }

  /** Whether it is a standby, and was one when this session began. */
  public boolean standby() {
    return standby;
  }

  /** The server's major version. */
  public int majorVersion() {
    return majorVersion;
  }

  /** The session, for questions between the others. */
  public Connection sql() {
    return sql;
  }

  /**
   * Begins, with a checkpoint; a cancellation ends the wait for it.
   *
   * @param fast whether the checkpoint is made at once, instead of spread over time
   * @return where the log begins that a restore needs
   */
  public WalPosition start(String label, boolean fast) {
    String call =
        majorVersion >= FIRST_WITH_NEW_NAMES
            ? "SELECT pg_catalog.pg_backup_start(?, ?)::pg_catalog.text"
            : "SELECT pg_catalog.pg_start_backup(?, ?, false)::pg_catalog.text";
    try (PreparedStatement statement = sql.prepareStatement(call)) {
      statement.setString(1, label);
      statement.setBoolean(2, fast);
      sql.setNetworkTimeout(Runnable::run, 0); // a checkpoint takes as long as it takes
      Lsn position;
      try (Cancellation.Registration ending = cancellation.onCancel(() -> cancel(statement));
          ResultSet row = statement.executeQuery()) {
        row.next();
        position = Lsn.parse(row.getString(1));
      }
      sql.setNetworkTimeout(Runnable::run, Math.toIntExact(settings.readTimeout().toMillis()));
      WalPosition begun = new WalPosition(position, timeline("timeline_id", "checkpoint"));
      start = begun;
      return begun;
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  private static void cancel(Statement statement) {
    try {
      statement.cancel();
    } catch (SQLException e) {
      LOG.debug("A checkpoint is waited for to its end", e);
    }
  }

  /**
   * Fails if the server or this session has ended, or the standby was promoted. Asks now and then;
   * to be called often.
   */
  public void check() {
    cancellation.check();
    if (System.nanoTime() - looked < LOOK_EVERY) {
      return;
    }
    try {
      requireSameRole();
    } catch (SQLException e) {
      throw failed(e);
    }
    looked = System.nanoTime();
  }

  /**
   * Ends. On a standby the log is needed up to where the copied {@code pg_control} says that it is
   * consistent, so that file must have been read after all others.
   *
   * @throws BackupException code {@code backup.timeline-changed} if the standby was promoted, or
   *     follows another timeline now
   */
  public End stop() throws ProtocolException {
    cancellation.check();
    WalPosition begun = start;
    if (begun == null) {
      throw new IllegalStateException("Not started");
    }
    String call =
        "SELECT lsn::pg_catalog.text,"
            + " pg_catalog.convert_to(labelfile, pg_catalog.getdatabaseencoding()),"
            + " pg_catalog.convert_to(spcmapfile, pg_catalog.getdatabaseencoding()) FROM "
            + (majorVersion >= FIRST_WITH_NEW_NAMES
                ? "pg_catalog.pg_backup_stop(false)"
                : "pg_catalog.pg_stop_backup(false, false)");
    try (Statement statement = sql.createStatement()) {
      requireSameRole();
      Lsn position;
      byte[] label;
      byte[] map;
      try (ResultSet row = statement.executeQuery(call)) {
        row.next();
        position = Lsn.parse(row.getString(1));
        label = row.getBytes(2);
        map = row.getBytes(3);
      }
      start = null;
      Timeline timeline =
          standby
              ? timeline("min_recovery_end_timeline", "recovery")
              : timeline("timeline_id", "checkpoint");
      WalPosition labelled = begun(label);
      if (!labelled.timeline().equals(begun.timeline()) || !timeline.equals(begun.timeline())) {
        throw timelineChanged(
            "The server went from timeline "
                + labelled.timeline()
                + " to "
                + timeline
                + " during the backup",
            null);
      }
      if (!labelled.equals(begun)) {
        throw new ProtocolException("a backup that began at " + labelled.lsn());
      }
      return new End(new WalPosition(position, timeline), label, map == null ? new byte[0] : map);
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  private static WalPosition begun(byte[] label) throws ProtocolException {
    String text = new String(label, StandardCharsets.ISO_8859_1);
    Matcher position = START.matcher(text);
    Matcher timeline = START_TIMELINE.matcher(text);
    if (!position.find() || !timeline.find()) {
      throw new ProtocolException("a backup_label that does not say where the backup began");
    }
    return new WalPosition(
        Lsn.parse(position.group(1)), new Timeline(Integer.parseUnsignedInt(timeline.group(1))));
  }

  private Timeline timeline(String column, String function) throws SQLException {
    try (Statement statement = sql.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT " + column + " FROM pg_catalog.pg_control_" + function + "()")) {
      row.next();
      return new Timeline((int) row.getLong(1));
    }
  }

  private boolean inRecovery() throws SQLException {
    try (Statement statement = sql.createStatement();
        ResultSet row = statement.executeQuery("SELECT pg_catalog.pg_is_in_recovery()")) {
      row.next();
      return row.getBoolean(1);
    }
  }

  private void requireSameRole() throws SQLException {
    boolean recovering = inRecovery(); // asked of a primary, too: the session must be there
    if (standby && !recovering) {
      throw timelineChanged("The standby was promoted during the backup", null);
    }
  }

  private RuntimeException failed(SQLException e) {
    if (cancellation.requested()) {
      try {
        cancellation.check();
      } catch (BackupException cancelled) {
        cancelled.addSuppressed(e);
        return cancelled;
      }
    }
    if (standby && NOT_IN_STATE.equals(e.getSQLState())) {
      try {
        if (!inRecovery()) {
          return timelineChanged("The standby was promoted during the backup", e);
        }
      } catch (SQLException again) {
        e.addSuppressed(again);
      }
    }
    return Failures.of(settings, e);
  }

  private static BackupException timelineChanged(String message, @Nullable Exception cause) {
    return BackupException.of("backup.timeline-changed", FailureKind.TRANSIENT, message)
        .remedy("Run the backup again.")
        .cause(cause)
        .build();
  }

  /** Ends the session; a backup that was not stopped is none. */
  @Override
  public void close() {
    close(sql, null);
  }

  private static void close(Connection sql, @Nullable Exception reason) {
    try {
      sql.close();
    } catch (SQLException e) {
      if (reason != null) {
        reason.addSuppressed(e);
      } else {
        LOG.debug("The session of a backup did not end as it should", e);
      }
    }
  }
}
