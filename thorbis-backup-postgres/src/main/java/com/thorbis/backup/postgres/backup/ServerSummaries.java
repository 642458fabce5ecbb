package com.thorbis.backup.postgres.backup;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.postgres.capture.Pause;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wal.ChangedBlocks;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.postgres.wire.Failures;
import com.thorbis.backup.postgres.wire.SqlConnections;
import java.io.InterruptedIOException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Which blocks the log changed, as the server itself keeps it from version 17 on: PostgreSQL
 * documentation, "WAL Summarization Information Functions". Used by one thread.
 */
final class ServerSummaries {
  /** Older servers keep none. */
  static final int FIRST_MAJOR = 17;

  private static final int ROWS_AT_ONCE = 10_000;
  private static final String NO_PRIVILEGE = "42501";

  /** The server summarizes its log by and by; its own backups wait as long. */
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private static final Duration LOOK_EVERY = Duration.ofMillis(50);

  private final PostgresSettings settings;
  private final Cancellation cancellation;
  private final ChangedBlocks changed = new ChangedBlocks();

  ServerSummaries(PostgresSettings settings, Cancellation cancellation) {
    this.settings = settings;
    this.cancellation = cancellation;
  }

  private record Summary(Timeline timeline, Lsn start, Lsn end) {}

  /**
   * What the records that start from {@code from} on and before {@code to} have changed.
   *
   * @param history the line of the timeline that {@code to} lies on
   * @throws WalMap.Unknown if the server has no summaries of all of it
   */
  ChangedBlocks between(TimelineHistory history, Lsn from, Lsn to)
      throws InterruptedIOException, WalMap.Unknown {
    try (Connection sql = SqlConnections.open(settings)) {
      if (!summarizes(sql)) {
        throw new WalMap.Unknown("summarize_wal is off");
      }
      for (TimelineHistory.Piece piece : history.pieces()) {
        Lsn begin = from.compareTo(piece.begin()) > 0 ? from : piece.begin();
        Lsn end = piece.end().filter(limit -> limit.compareTo(to) < 0).orElse(to);
        if (begin.compareTo(end) < 0) {
          piece(sql, piece.timeline(), begin, end);
        }
      }
    } catch (SQLException e) {
      cancellation.check();
      if (NO_PRIVILEGE.equals(e.getSQLState())) {
        throw new WalMap.Unknown(
            "role \"" + settings.user() + "\" may not read the server's summaries");
      }
      throw Failures.of(settings, e);
    }
    if (changed.isEverything()) {
      throw new WalMap.Unknown("too much changed between " + from + " and " + to);
    }
    return changed;
  }

  private static boolean summarizes(Connection sql) throws SQLException {
    try (Statement statement = sql.createStatement();
        ResultSet row = statement.executeQuery("SHOW summarize_wal")) {
      return row.next() && row.getString(1).equals("on");
    }
  }

  private void piece(Connection sql, Timeline timeline, Lsn begin, Lsn end)
      throws SQLException, InterruptedIOException, WalMap.Unknown {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    for (Lsn at = begin; at.compareTo(end) < 0; ) {
      cancellation.check();
      Optional<Summary> next = furthest(available(sql, timeline), at);
      if (next.isPresent()) {
        add(sql, next.get());
        at = next.get().end();
      } else if (System.nanoTime() < deadline) {
        Pause.of(LOOK_EVERY, cancellation);
      } else {
        throw new WalMap.Unknown(
            "the server has no summary of its WAL from " + at + " on timeline " + timeline);
      }
    }
  }

  private static Optional<Summary> furthest(List<Summary> available, Lsn at) {
    return available.stream()
        .filter(one -> one.start().compareTo(at) <= 0 && one.end().compareTo(at) > 0)
        .max((one, other) -> one.end().compareTo(other.end()));
  }

  private static List<Summary> available(Connection sql, Timeline timeline) throws SQLException {
    List<Summary> found = new ArrayList<>();
    try (PreparedStatement statement =
        sql.prepareStatement(
            "SELECT start_lsn::text, end_lsn::text FROM pg_catalog.pg_available_wal_summaries()"
                + " WHERE tli = ?")) {
      statement.setLong(1, Integer.toUnsignedLong(timeline.number()));
      try (ResultSet rows = statement.executeQuery()) {
        while (rows.next()) {
          found.add(
              new Summary(timeline, Lsn.parse(rows.getString(1)), Lsn.parse(rows.getString(2))));
        }
      }
    }
    return found;
  }

  private void add(Connection sql, Summary summary) throws SQLException {
    sql.setAutoCommit(false); // or all rows come at once
    try (PreparedStatement statement =
        sql.prepareStatement(
            "SELECT reltablespace::bigint, reldatabase::bigint, relfilenode::bigint,"
                + " relblocknumber, is_limit_block"
                + " FROM pg_catalog.pg_wal_summary_contents(?, ?::pg_lsn, ?::pg_lsn)"
                + " WHERE relforknumber = 0")) {
      statement.setFetchSize(ROWS_AT_ONCE);
      statement.setLong(1, Integer.toUnsignedLong(summary.timeline().number()));
      statement.setString(2, summary.start().toString());
      statement.setString(3, summary.end().toString());
      try (ResultSet rows = statement.executeQuery()) {
        while (rows.next()) {
          int tablespace = (int) rows.getLong(1);
          int database = (int) rows.getLong(2);
          int relation = (int) rows.getLong(3);
          int block = (int) rows.getLong(4);
          if (relation == 0) {
            // Its files were copied as a whole: walsummarizer.c, SummarizeDbaseRecord.
            changed.database(tablespace, database);
          } else if (rows.getBoolean(5)) {
            changed.limit(tablespace, database, relation, block);
          } else {
            changed.block(tablespace, database, relation, block);
          }
        }
      }
      sql.rollback();
    } finally {
      sql.setAutoCommit(true);
    }
  }
}
