package com.thorbis.backup.postgres.dump;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.postgres.changes.ChangeLog;
import com.thorbis.backup.postgres.changes.LogicalSlots;
import com.thorbis.backup.postgres.changes.Publication;
import com.thorbis.backup.postgres.changes.TableStates;
import com.thorbis.backup.postgres.dump.Contents.DumpedTable;
import com.thorbis.backup.postgres.settings.ChangesSettings;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.ReplicationConnection;
import com.thorbis.backup.postgres.wire.ReplicationConnection.LogicalStart;
import com.thorbis.backup.postgres.wire.ServerException;
import com.thorbis.backup.postgres.wire.SqlConnections;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Repository;
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
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where changes begin that follow a dump: a slot of its own, and the snapshot that the dump reads.
 * The slot of the last dump stays until this one is committed; without that this one goes again.
 */
final class ChangeStart implements Following {
  private static final Logger LOG = LoggerFactory.getLogger(ChangeStart.class);

  private final PostgresSettings settings;
  private final ChangesSettings.Slot changes;
  private final String database;
  private final String slot;
  private final ReplicationConnection connection;
  private final LogicalStart start;
  private boolean kept;

  private ChangeStart(
      PostgresSettings settings,
      ChangesSettings.Slot changes,
      String database,
      String slot,
      ReplicationConnection connection,
      LogicalStart start) {
    this.settings = settings;
    this.changes = changes;
    this.database = database;
    this.slot = slot;
    this.connection = connection;
    this.start = start;
  }

  /**
   * Publishes the tables that can be followed, and creates the slot.
   *
   * @param oids the tables that will be dumped
   */
  static ChangeStart open(
      PostgresSettings settings,
      ChangesSettings.Slot changes,
      String database,
      Collection<Long> oids,
      Repository repository,
      RunControl control)
      throws IOException, SQLException {
    Optional<String> used =
        ChangeChain.newest(settings, repository)
            .chain()
            .filter(chain -> chain.log().means() instanceof ChangeLog.Slot)
            .map(chain -> ((ChangeLog.Slot) chain.log().means()).slot());
    String slot =
        changes.slots().stream()
            .filter(one -> !used.equals(Optional.of(one)))
            .findFirst()
            .orElseThrow();
    try (Connection sql = SqlConnections.open(settings, database)) {
      requirePrimary(settings, sql);
      List<Table> tables = followable(TableStates.read(sql, oids));
      if (tables.isEmpty()) {
        throw BackupException.of(
                "changes.nothing-to-follow",
                FailureKind.CONFIGURATION,
                "No table of database "
                    + database
                    + " has a primary key or another replica identity, so no change of it can be"
                    + " followed")
            .remedy("Give tables primary keys, or leave changes.mode out.")
            .build();
      }
      new Publication(changes.publication()).ensure(sql, tables);
      dropLeftover(settings, sql, slot, database);
    }
    control.progress().note("Waiting until every transaction has ended that is open now");
    ReplicationConnection connection = null;
    boolean begun = false;
    try {
      connection = ReplicationConnection.open(settings, database, control.cancellation());
      LogicalStart start = connection.createLogicalSlot(slot);
      ChangeStart made = new ChangeStart(settings, changes, database, slot, connection, start);
      begun = true;
      return made;
    } catch (ServerException e) {
      throw BackupException.of(
              "changes.slot-refused",
              FailureKind.CONFIGURATION,
              settings.address() + " makes no slot that keeps changes: " + e.getMessage())
          .remedy(
              "It needs wal_level = logical, two free replication slots, and a role with"
                  + " REPLICATION; check says what is missing. Where none of it can be had, set"
                  + " changes.mode: column.")
          .cause(e)
          .build();
    } finally {
      if (!begun && connection != null) {
        connection.close();
      }
    }
  }

  static BackupException tablesChanged(String database) {
    return BackupException.of(
            "changes.tables-changed",
            FailureKind.TRANSIENT,
            "Tables of database " + database + " were made or altered while the dump began")
        .remedy("Take it again.")
        .build();
  }

  /** The tables whose changes can be followed. */
  static List<Table> followable(List<TableStates.State> states) {
    return states.stream()
        .filter(TableStates.State::followable)
        .map(TableStates.State::table)
        .toList();
  }

  static void requirePrimary(PostgresSettings settings, Connection sql) throws SQLException {
    if (text(sql, "SELECT pg_catalog.pg_is_in_recovery()").equals("t")) {
      throw BackupException.of(
              "changes.standby",
              FailureKind.CONFIGURATION,
              settings.address() + " is a standby, and changes are followed at the primary")
          .remedy("Name the primary in url, or take dumps of the standby without changes.mode.")
          .build();
    }
    if (text(sql, "SELECT pg_catalog.getdatabaseencoding()")
        .equals(DatabaseSession.NO_CONVERSION)) {
      throw BackupException.of(
              "changes.encoding",
              FailureKind.CONFIGURATION,
              "The database is in SQL_ASCII, whose texts nobody can tell the characters of")
          .remedy("Leave changes.mode out: dumps keep the bytes as they are.")
          .build();
    }
  }

  private static String text(Connection sql, String question) throws SQLException {
    try (var statement = sql.createStatement();
        var row = statement.executeQuery(question)) {
      row.next();
      return String.valueOf(row.getString(1));
    }
  }

  /** One that a dump made which was never committed. */
  private static void dropLeftover(
      PostgresSettings settings, Connection sql, String slot, String database) throws SQLException {
    Optional<LogicalSlots.Slot> left = LogicalSlots.find(sql, slot, database);
    if (left.isEmpty()) {
      return;
    }
    if (!left.get().decodes() || left.get().active()) {
      throw inUse(settings, slot, left.get().decodes());
    }
    LogicalSlots.drop(sql, slot);
  }

  static BackupException inUse(PostgresSettings settings, String slot, boolean ours) {
    return BackupException.of(
            "changes.slot-in-use",
            ours ? FailureKind.TRANSIENT : FailureKind.CONFIGURATION,
            "Slot "
                + slot
                + " of "
                + settings.address()
                + (ours ? " is read by somebody now" : " is of another database or plugin"))
        .remedy(
            ours
                ? "Wait until the other run ends, or end it."
                : "Set changes.slot to a name that nobody uses.")
        .detail("slot", slot)
        .build();
  }

  @Override
  public Optional<String> snapshot() {
    return Optional.of(start.snapshot());
  }

  @Override
  public Optional<Lsn> position() {
    return Optional.of(start.position());
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
      throws SQLException {
    Map<Long, DumpedTable> dumped =
        contents.tables().stream()
            .filter(each -> !each.partitioned())
            .collect(Collectors.toMap(DumpedTable::oid, Function.identity()));
    List<TableStates.State> states = TableStates.read(session.connection(), dumped.keySet());
    Publication publication = new Publication(changes.publication());
    if (states.size() != dumped.size()
        || !publication.covers(session.connection(), followable(states))) {
      throw tablesChanged(database);
    }
    List<ChangeLog.Followed> followed = new ArrayList<>();
    List<ChangeLog.Other> others = new ArrayList<>();
    for (TableStates.State state : states) {
      OptionalLong rows = Objects.requireNonNull(dumped.get(state.oid())).rows();
      if (state.followable()) {
        followed.add(
            new ChangeLog.Followed(
                state.table(),
                state.oid(),
                state.shape(),
                state.columns(),
                rows,
                false,
                Optional.empty()));
      } else {
        others.add(new ChangeLog.Other(state.table(), state.why()));
      }
    }
    return new ChangeLog(
        database,
        new ChangeLog.Slot(
            slot, changes.publication(), publication.state(session.connection()).orElseThrow()),
        schema,
        timeline,
        start.position(),
        asOf,
        followed,
        others,
        List.of(),
        List.of());
  }

  /** The dump is committed: this slot counts from now on, and the other one goes. */
  @Override
  public void keep() {
    kept = true;
    try (Connection sql = SqlConnections.open(settings, database)) {
      for (String other : changes.slots()) {
        if (!other.equals(slot)) {
          LogicalSlots.drop(sql, other);
        }
      }
    } catch (SQLException e) {
      LOG.warn("The slot of the last dump holds log until it is dropped", e);
    }
  }

  @Override
  public void close() {
    connection.close();
    if (kept) {
      return;
    }
    try (Connection sql = SqlConnections.open(settings, database)) {
      LogicalSlots.drop(sql, slot);
    } catch (SQLException e) {
      LOG.warn("Slot {} of a dump that failed holds log until the next one", slot, e);
    }
  }
}
