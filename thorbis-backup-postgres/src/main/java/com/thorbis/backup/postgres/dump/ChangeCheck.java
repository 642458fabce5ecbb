package com.thorbis.backup.postgres.dump;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.postgres.changes.LogicalSlots;
import com.thorbis.backup.postgres.changes.Publication;
import com.thorbis.backup.postgres.changes.TableStates;
import com.thorbis.backup.postgres.dump.DatabaseSession.Relation;
import com.thorbis.backup.postgres.settings.ChangesSettings;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.SqlConnections;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/** Looks at what following changes needs, and at what it costs the server. Changes nothing. */
public final class ChangeCheck {
  private static final int MOST_NAMED = 5;

  private final PostgresSettings settings;
  private final ChangesSettings.Slot changes;
  private final List<CheckItem> items = new ArrayList<>();

  private ChangeCheck(PostgresSettings settings, ChangesSettings.Slot changes) {
    this.settings = settings;
    this.changes = changes;
  }

  /** What was found; nothing where changes are not followed. */
  public static List<CheckItem> items(PostgresSettings settings) throws SQLException {
    if (settings.changes().isEmpty()) {
      return List.of();
    }
    if (settings.changes().get() instanceof ChangesSettings.Columns columns) {
      return ColumnCheck.items(settings, columns);
    }
    ChangeCheck check = new ChangeCheck(settings, (ChangesSettings.Slot) settings.changes().get());
    String database = database(settings);
    try (Connection sql = SqlConnections.open(settings, database)) {
      check.server(sql);
      check.publication(sql, states(settings, database, false));
      for (String slot : check.changes.slots()) {
        check.slot(sql, slot, database);
      }
    }
    return List.copyOf(check.items);
  }

  /** What somebody who owns the tables runs for the publication; nothing if that is as it must. */
  public static List<String> statements(PostgresSettings settings) throws SQLException {
    if (settings.changes().isEmpty()
        || !(settings.changes().get() instanceof ChangesSettings.Slot slot)) {
      return List.of();
    }
    String database = database(settings);
    List<Table> tables = ChangeStart.followable(states(settings, database, false));
    if (tables.isEmpty()) {
      return List.of();
    }
    try (Connection sql = SqlConnections.open(settings, database)) {
      return new Publication(slot.publication()).statements(sql, tables);
    }
  }

  static String database(PostgresSettings settings) throws SQLException {
    List<String> databases = DumpBackup.databases(settings, new Cancellation());
    DumpBackup.requireOne(databases);
    return databases.get(0);
  }

  static List<TableStates.State> states(PostgresSettings settings, String database, boolean byKey)
      throws SQLException {
    try (DatabaseSession session = DatabaseSession.open(settings, database, new Cancellation())) {
      List<Relation> relations = session.relations();
      Set<Long> excluded = DumpBackup.excluded(settings.excludedTables(), relations);
      List<Long> oids = ChangeBackup.withRows(relations, excluded);
      return byKey
          ? TableStates.readByKey(session.connection(), oids)
          : TableStates.read(session.connection(), oids);
    }
  }

  private void server(Connection sql) throws SQLException {
    try {
      ChangeStart.requirePrimary(settings, sql);
    } catch (BackupException e) {
      add("postgres.changes.server", Outcome.FAIL, String.valueOf(e.getMessage()), e.remedy());
      return;
    }
    try (Statement statement = sql.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT pg_catalog.current_setting('wal_level'), rolreplication OR rolsuper FROM"
                    + " pg_catalog.pg_roles WHERE rolname = current_user")) {
      row.next();
      boolean logical = row.getString(1).equals("logical");
      boolean role = row.getBoolean(2);
      if (logical && role) {
        add("postgres.changes.server", Outcome.OK, "The server can decode its log", "");
      }
      if (!logical) {
        add(
            "postgres.changes.server",
            Outcome.FAIL,
            "wal_level is " + row.getString(1) + ", and changes are decoded with logical",
            "Set wal_level = logical, and restart the server; or leave changes.mode out.");
      }
      if (!role) {
        add(
            "postgres.changes.role",
            Outcome.FAIL,
            "Role \"" + settings.user() + "\" may not replicate",
            "Run what check --grants prints.");
      }
    }
  }

  private void publication(Connection sql, List<TableStates.State> states) throws SQLException {
    Publication publication = new Publication(changes.publication());
    List<Table> followed = ChangeStart.followable(states);
    Set<Table> published = publication.tables(sql);
    List<String> failing =
        states.stream()
            .filter(state -> !state.followable() && published.contains(state.table()))
            .map(state -> state.table().toString())
            .toList();
    if (!failing.isEmpty()) {
      add(
          "postgres.changes.publication",
          Outcome.FAIL,
          "Updates and deletes of "
              + named(failing)
              + " fail at the server: published, and without a key",
          "Run ALTER PUBLICATION "
              + changes.publication()
              + " DROP TABLE for them, or give them keys again.");
    } else if (publication.covers(sql, followed)) {
      add(
          "postgres.changes.publication",
          Outcome.OK,
          "Publication " + changes.publication() + " is of " + followed.size() + " tables",
          "");
    } else {
      add(
          "postgres.changes.publication",
          Outcome.WARN,
          "Publication "
              + changes.publication()
              + " is not of exactly the "
              + followed.size()
              + " tables that can be followed",
          "The next dump makes it so if the role may; else run what check --grants prints.");
    }
    List<String> others =
        states.stream()
            .filter(state -> !state.followable())
            .map(state -> state.table() + " (" + state.why() + ")")
            .toList();
    if (!others.isEmpty()) {
      add(
          "postgres.changes.tables",
          Outcome.WARN,
          "Changes of " + named(others) + " are not followed: only dumps have them",
          "Give them primary keys, or a replica identity.");
    }
  }

  private void slot(Connection sql, String name, String database) throws SQLException {
    Optional<LogicalSlots.Slot> slot = LogicalSlots.find(sql, name, database);
    if (slot.isEmpty()) {
      return;
    }
    String held = "Slot " + name + " keeps " + (slot.get().heldBytes() >> 20) + " MiB of log";
    if (slot.get().lost()) {
      add(
          "postgres.changes.slot",
          Outcome.WARN,
          "The server has removed log that slot " + name + " was to keep",
          "Take a dump: incrementals begin anew behind it.");
    } else {
      boolean much = slot.get().heldBytes() > settings.slotBudget();
      add(
          "postgres.changes.slot",
          much ? Outcome.WARN : Outcome.OK,
          held,
          much
              ? "Take incrementals more often; or drop the slot with SELECT"
                  + " pg_drop_replication_slot('"
                  + name
                  + "'), and the next backup is a dump."
              : "");
    }
  }

  static String named(List<String> names) {
    return names.stream().limit(MOST_NAMED).collect(Collectors.joining(", "))
        + (names.size() > MOST_NAMED ? " and " + (names.size() - MOST_NAMED) + " more" : "");
  }

  private void add(String subject, Outcome outcome, String message, String remedy) {
    items.add(new CheckItem(subject, outcome, message, remedy));
  }
}
