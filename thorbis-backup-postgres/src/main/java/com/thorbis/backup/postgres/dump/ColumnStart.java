package com.thorbis.backup.postgres.dump;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.postgres.changes.ChangeLog;
import com.thorbis.backup.postgres.changes.Horizon;
import com.thorbis.backup.postgres.changes.TableStates;
import com.thorbis.backup.postgres.changes.Watermark;
import com.thorbis.backup.postgres.dump.Contents.DumpedTable;
import com.thorbis.backup.postgres.settings.ChangesSettings;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.SqlConnections;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * Where changes begin that rows are looked at for: with the keys that every table has, and with
 * which transactions and times belong to what the dump does not see.
 */
final class ColumnStart implements Following {
  private static final int FIRST_MAJOR = 13;

  private final PostgresSettings settings;
  private final ChangesSettings.Columns columns;
  private final String database;
  private final RunControl control;
  private final Watermark watermark;

  private ColumnStart(
      PostgresSettings settings,
      ChangesSettings.Columns columns,
      String database,
      RunControl control,
      Watermark watermark) {
    this.settings = settings;
    this.columns = columns;
    this.database = database;
    this.control = control;
    this.watermark = watermark;
  }

  /**
   * Begins, before the dump takes its snapshot.
   *
   * @param oids the tables that will be dumped
   */
  static ColumnStart open(
      PostgresSettings settings,
      ChangesSettings.Columns columns,
      String database,
      Collection<Long> oids,
      RunControl control)
      throws SQLException {
    try (Connection sql = SqlConnections.open(settings, database)) {
      ChangeStart.requirePrimary(settings, sql);
      int major = sql.getMetaData().getDatabaseMajorVersion();
      if (major < FIRST_MAJOR) {
        throw BackupException.of(
                "changes.server-too-old",
                FailureKind.CONFIGURATION,
                settings.address()
                    + " is PostgreSQL "
                    + major
                    + ", and changes are followed from "
                    + FIRST_MAJOR
                    + " on")
            .remedy("Leave changes.mode out.")
            .build();
      }
      TableStates.readByKey(sql, oids).forEach(state -> ColumnTable.column(columns, state));
      return new ColumnStart(settings, columns, database, control, Watermark.read(sql));
    }
  }

  @Override
  public Optional<String> snapshot() {
    return Optional.empty();
  }

  @Override
  public Optional<Lsn> position() {
    return Optional.empty();
  }

  @Override
  public ChangeLog log(
      DatabaseSession session,
      BackupWriter writer,
      Contents contents,
      String schema,
      Timeline timeline,
      Lsn position,
      Instant asOf)
      throws IOException, SQLException {
    Map<Long, DumpedTable> dumped =
        contents.tables().stream()
            .filter(each -> !each.partitioned())
            .collect(Collectors.toMap(DumpedTable::oid, Function.identity()));
    List<TableStates.State> states = TableStates.readByKey(session.connection(), dumped.keySet());
    if (states.size() != dumped.size()) {
      throw ChangeStart.tablesChanged(database);
    }
    Horizon.Snapshot snapshot = ColumnBackup.snapshot(session);
    control.progress().begin("keys", -1);
    try {
      return log(session, writer, dumped, states, snapshot, schema, timeline, position, asOf);
    } catch (ColumnTable.Broken e) {
      throw e.failure();
    }
  }

  private ChangeLog log(
      DatabaseSession session,
      BackupWriter writer,
      Map<Long, DumpedTable> dumped,
      List<TableStates.State> states,
      Horizon.Snapshot snapshot,
      String schema,
      Timeline timeline,
      Lsn position,
      Instant asOf)
      throws IOException, SQLException {
    List<ChangeLog.Followed> followed = new ArrayList<>();
    List<ChangeLog.Other> others = new ArrayList<>();
    for (TableStates.State state : states) {
      control.cancellation().check();
      if (!state.followable()) {
        others.add(new ChangeLog.Other(state.table(), state.why()));
        continue;
      }
      ColumnTable table = new ColumnTable(session, state);
      boolean keyed = ColumnTable.hasKey(state);
      long rows =
          keyed ? table.writeKeys(writer, settings.clock().instant()) : table.count("true").rows();
      OptionalLong counted = Objects.requireNonNull(dumped.get(state.oid())).rows();
      // Of rows that were truncated or written anew this snapshot does not say what was dumped.
      if (counted.isEmpty() || counted.getAsLong() != rows || session.rewritten(state.table())) {
        throw ChangeStart.tablesChanged(database);
      }
      followed.add(
          new ChangeLog.Followed(
              state.table(),
              state.oid(),
              state.shape(),
              state.columns(),
              counted,
              false,
              Optional.of(
                  new ChangeLog.Reading(
                      ColumnTable.column(columns, state),
                      keyed ? ColumnTable.keysFile(state.oid()) : "",
                      snapshot.since(),
                      asOf,
                      Optional.empty()))));
      control.progress().advance(writer.bytesRead(), -1);
    }
    control.progress().end("keys");
    return new ChangeLog(
        database,
        new ChangeLog.Columns(snapshot.since(), watermark.from(columns.margin(), Optional.empty())),
        schema,
        timeline,
        position,
        asOf,
        followed,
        others,
        List.of(),
        List.of());
  }

  @Override
  public void keep() {}

  @Override
  public void close() {}
}
