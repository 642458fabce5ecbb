package com.thorbis.backup.postgres.dump;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.postgres.changes.Horizon;
import com.thorbis.backup.postgres.changes.KeyOrder;
import com.thorbis.backup.postgres.changes.PgOutput.Column;
import com.thorbis.backup.postgres.changes.TableStates;
import com.thorbis.backup.postgres.changes.Watermark;
import com.thorbis.backup.postgres.settings.ChangesSettings;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.postgresql.copy.CopyOut;

/** Reads the keys and the rows of one table under the snapshot of a session. */
final class ColumnTable {
  private static final int PRIVATE_MODE = 0600;
  private static final long TIMESTAMP = 1114;
  private static final long TIMESTAMP_WITH_ZONE = 1184;
  private static final List<Long> WHOLE_NUMBERS = List.of(20L, 21L, 23L);

  private final DatabaseSession session;
  private final TableStates.State state;
  private final KeyOrder order;
  private final String from;

  ColumnTable(DatabaseSession session, TableStates.State state) {
    this.session = session;
    this.state = state;
    this.order = new KeyOrder(state.columns().stream().filter(Column::key).toList());
    this.from = " FROM ONLY " + DatabaseSession.named(state.table()) + " t";
  }

  /** Reads what {@code COPY} says. A failure of the session is thrown as it is. */
  static final class Lines {
    private final CopyOut copy;

    private Lines(CopyOut copy) {
      this.copy = copy;
    }

    byte @Nullable [] next() throws Broken {
      try {
        return copy.readFromCopy();
      } catch (SQLException e) {
        throw new Broken(e);
      }
    }
  }

  /** A failure of the session, on its way through what reads files. */
  static final class Broken extends IOException {
    private static final long serialVersionUID = 1L;
    private final SQLException failure;

    Broken(SQLException failure) {
      super(failure);
      this.failure = failure;
    }

    SQLException failure() {
      return failure;
    }
  }

  /**
   * By which of its columns a table is read.
   *
   * @throws BackupException code {@code changes.column-unusable} if one was chosen that will not do
   */
  static String column(ChangesSettings.Columns settings, TableStates.State state) {
    Table table = state.table();
    Optional<String> chosen = settings.chosen(table.schema(), table.name());
    String name = chosen.orElse(settings.usual());
    // An update that is not seen leaves a row as it was: it must not stand in another one's way.
    if (name.equals(ChangesSettings.Columns.EVERY_ROW) || !hasKey(state) || state.uniqueBesides()) {
      return ChangesSettings.Columns.EVERY_ROW;
    }
    Optional<Column> found =
        state.columns().stream().filter(each -> each.name().equals(name)).findFirst();
    boolean time =
        found
            .filter(each -> each.type() == TIMESTAMP || each.type() == TIMESTAMP_WITH_ZONE)
            .isPresent();
    if (chosen.isPresent() && !time) {
      boolean number = found.filter(each -> WHOLE_NUMBERS.contains(each.type())).isPresent();
      throw BackupException.of(
              "changes.column-unusable",
              FailureKind.CONFIGURATION,
              number
                  ? "Column "
                      + name
                      + " of table "
                      + table
                      + " is a number: a sequence gives numbers out before a commit, and nobody can"
                      + " be asked which of them are still to come"
                  : "Table " + table + " has no column " + name + " that is a timestamp")
          .remedy(
              "Choose a timestamp in changes.columns, or xmin, which every table has and which sees"
                  + " every change.")
          .detail("table", table.toString())
          .build();
    }
    return time ? name : ChangesSettings.Columns.EVERY_ROW;
  }

  static boolean hasKey(TableStates.State state) {
    return state.columns().stream().anyMatch(Column::key);
  }

  KeyOrder order() {
    return order;
  }

  /** The condition on rows that may be new by a column that an application fills. */
  String since(String column, Instant watermark, Horizon horizon) {
    Column found =
        state.columns().stream()
            .filter(each -> each.name().equals(column))
            .findFirst()
            .orElseThrow();
    return "t."
        + DatabaseSession.quoted(column)
        + " >= "
        + (found.type() == TIMESTAMP
            ? Watermark.literalWithoutZone(watermark)
            : Watermark.literal(watermark))
        + " AND "
        + horizon.condition();
  }

  /** How many rows there are, and how many of them may be new. */
  record Counts(long rows, long changed) {}

  Counts count(String changed) throws SQLException {
    String[] counts =
        session
            .text(
                "SELECT pg_catalog.concat_ws(' ', pg_catalog.count(*), pg_catalog.count(*) FILTER"
                    + " (WHERE "
                    + changed
                    + "))"
                    + from)
            .split(" ", 2);
    return new Counts(Long.parseLong(counts[0]), Long.parseLong(counts[1]));
  }

  boolean empty() throws SQLException {
    return !session.flag("SELECT EXISTS (SELECT" + from + ")");
  }

  /** Every key in order, and whether its row may be new. */
  Lines keys(String changed, boolean byIndex) throws SQLException {
    String rows =
        byIndex
            ? "SELECT "
                + order.selected()
                + ", false AS c"
                + from
                + " UNION ALL SELECT "
                + order.selected()
                + ", true"
                + from
                + " WHERE "
                + changed
            : "SELECT " + order.selected() + ", (" + changed + ") AS c" + from;
    return ordered(", s.c", rows);
  }

  /** The keys of some rows in order, all of which may be new. */
  Lines changedKeys(String changed) throws SQLException {
    return ordered(
        ", s.c", "SELECT " + order.selected() + ", true AS c" + from + " WHERE " + changed);
  }

  private Lines ordered(String rest, String rows) throws SQLException {
    return lines(
        "SELECT " + order.names() + rest + " FROM (" + rows + ") s ORDER BY " + order.ordered());
  }

  /** Rows, with the columns that changes have. */
  Lines rows(String which) throws SQLException {
    return lines(
        "SELECT "
            + state.columns().stream()
                .map(each -> "t." + DatabaseSession.quoted(each.name()))
                .collect(Collectors.joining(", "))
            + from
            + " WHERE "
            + which);
  }

  private Lines lines(String question) throws SQLException {
    return new Lines(session.copy(question));
  }

  /** The file that has its keys. */
  static String keysFile(long oid) {
    return "keys-" + oid + ".copy";
  }

  /**
   * Writes every key down, in order.
   *
   * @return how many there are
   */
  long writeKeys(BackupWriter writer, Instant now) throws IOException, SQLException {
    try (BackupWriter.FileWriter out =
        writer.file(
            new StoredFile(
                StoredFile.Area.DATA,
                keysFile(state.oid()),
                StoredFile.Kind.FILE,
                0,
                PRIVATE_MODE,
                now),
            PieceCheck.NONE,
            new Arrival.Chunked())) {
      long count = 0;
      Lines keys = ordered("", "SELECT " + order.selected() + from);
      for (byte[] key = keys.next(); key != null; key = keys.next()) {
        out.write(key, 0, key.length);
        count++;
      }
      out.finish();
      return count;
    }
  }
}
