package com.thorbis.backup.postgres.changes;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.Locale;
import java.util.Optional;

/**
 * The oldest time that a transaction may still write into a row, of those that a snapshot does not
 * see: what is committed late has an early time. Read before the snapshot is taken, so that a
 * transaction which it does not see either was open here, or began later.
 *
 * @param now the server's clock
 * @param oldest when the oldest transaction began that was open; empty if none was
 * @param complete whether all that were open could be seen
 */
public record Watermark(Instant now, Optional<Instant> oldest, boolean complete) {
  private static final DateTimeFormatter TEXT =
      DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm:ss.SSSSSS", Locale.ROOT)
          .withZone(ZoneOffset.UTC);

  /** No zone is further behind. */
  private static final Duration FURTHEST_ZONE = Duration.ofHours(16);

  /** When a prepared transaction began is told by nobody. */
  private static final String QUESTION =
      """
      SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint,
             (extract(epoch FROM pg_catalog.min(a.xact_start)) * 1000000)::bigint,
             pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')
               AND NOT coalesce(pg_catalog.bool_or(a.state = 'disabled'), false)
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts p
                                WHERE p.database = pg_catalog.current_database())
        FROM pg_catalog.pg_stat_activity a
       WHERE a.datname = pg_catalog.current_database()
      """;

  /** How it is now in the database that a session is in. */
  public static Watermark read(Connection sql) throws SQLException {
    try (Statement statement = sql.createStatement();
        ResultSet row = statement.executeQuery(QUESTION)) {
      row.next();
      Instant now = instant(row.getLong(1));
      long oldest = row.getLong(2);
      return new Watermark(
          now, row.wasNull() ? Optional.empty() : Optional.of(instant(oldest)), row.getBoolean(3));
    }
  }

  private static Instant instant(long micros) {
    return Instant.EPOCH.plus(micros, ChronoUnit.MICROS);
  }

  /**
   * The time from which on rows have to be looked at again.
   *
   * @param margin how much older than the begin of its transaction a time may be
   * @param before what it was for the snapshot before: what this one does not see, that one did not
   *     either, so it holds on where nothing newer is known
   */
  public Optional<Instant> from(Duration margin, Optional<Instant> before) {
    if (!complete) {
      return before;
    }
    Instant open = oldest.filter(begun -> begun.isBefore(now)).orElse(now);
    return Optional.of(open.minus(margin).truncatedTo(ChronoUnit.MICROS));
  }

  /** A time as the server reads it where it knows the zone. */
  public static String literal(Instant time) {
    return "'" + TEXT.format(time) + "+00'::pg_catalog.timestamptz";
  }

  /** The earliest that a clock on a wall may have shown then, wherever it hangs. */
  public static String literalWithoutZone(Instant time) {
    return "'" + TEXT.format(time.minus(FURTHEST_ZONE)) + "'::pg_catalog.timestamp";
  }
}
