package com.thorbis.backup.postgres.dump;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import com.thorbis.backup.postgres.changes.TableStates;
import com.thorbis.backup.postgres.changes.Watermark;
import com.thorbis.backup.postgres.settings.ChangesSettings;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.SqlConnections;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** Looks at what following changes by columns needs. Changes nothing. */
final class ColumnCheck {
  private final List<CheckItem> items = new ArrayList<>();

  private ColumnCheck() {}

  static List<CheckItem> items(PostgresSettings settings, ChangesSettings.Columns columns)
      throws SQLException {
    ColumnCheck check = new ColumnCheck();
    String database = ChangeCheck.database(settings);
    try (Connection sql = SqlConnections.open(settings, database)) {
      ChangeStart.requirePrimary(settings, sql);
      check.tables(columns, ChangeCheck.states(settings, database, true));
      if (columns.trustsApplications() && !Watermark.read(sql).complete()) {
        check.add(
            "postgres.changes.role",
            Outcome.WARN,
            "Which transactions are open cannot be seen, so tables are read whole, whatever column"
                + " was chosen",
            "Run what check --grants prints; end prepared transactions.");
      }
    } catch (BackupException e) {
      check.add(
          "postgres.changes.server", Outcome.FAIL, String.valueOf(e.getMessage()), e.remedy());
    }
    return List.copyOf(check.items);
  }

  private void tables(ChangesSettings.Columns columns, List<TableStates.State> states) {
    long trusted =
        states.stream()
            .filter(TableStates.State::followable)
            .map(state -> ColumnTable.column(columns, state))
            .filter(column -> !column.equals(ChangesSettings.Columns.EVERY_ROW))
            .count();
    long all = states.stream().filter(TableStates.State::followable).count();
    add(
        "postgres.changes.columns",
        Outcome.OK,
        "Changes are seen of "
            + all
            + " tables, of "
            + trusted
            + " by a column that an application fills",
        "");
    warn(
        states.stream()
            .filter(state -> !state.followable())
            .map(state -> state.table() + " (" + state.why() + ")"),
        "Changes of %s are not seen: only dumps have them",
        "Take dumps more often.");
    warn(
        states.stream()
            .filter(state -> state.followable() && state.uniqueBesides())
            .filter(
                state ->
                    columns
                        .chosen(state.table().schema(), state.table().name())
                        .filter(column -> !column.equals(ChangesSettings.Columns.EVERY_ROW))
                        .isPresent())
            .map(state -> state.table().toString()),
        "%s are read whole, whatever column was chosen: more than their keys has to be unique",
        "Leave them out of changes.columns.");
    warn(
        states.stream()
            .filter(state -> state.followable() && !ColumnTable.hasKey(state))
            .map(state -> state.table().toString()),
        "Without a key, all rows of %s are stored anew whenever one is changed",
        "Give them primary keys.");
  }

  private void warn(Stream<String> tables, String what, String remedy) {
    List<String> names = tables.toList();
    if (!names.isEmpty()) {
      add(
          "postgres.changes.tables",
          Outcome.WARN,
          what.replace("%s", ChangeCheck.named(names)),
          remedy);
    }
  }

  private void add(String subject, Outcome outcome, String message, String remedy) {
    items.add(new CheckItem(subject, outcome, message, remedy));
  }
}
