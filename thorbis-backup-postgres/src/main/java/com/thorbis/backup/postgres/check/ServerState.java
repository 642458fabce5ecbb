package com.thorbis.backup.postgres.check;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a session sees of its server. Every name is qualified, so nothing that somebody put into a
 * schema is run.
 *
 * @param version as {@code server_version_num}
 * @param systemId the system identifier
 * @param inRecovery whether it is a standby
 * @param encrypted whether this session is
 * @param fenced the restore that a fenced cluster comes from
 * @param parameters settings by name
 * @param role the session's role
 * @param senders how many connections for replication there are
 * @param slots how many slots there are
 * @param slot our slot
 */
record ServerState(
    int version,
    long systemId,
    boolean inRecovery,
    boolean encrypted,
    Optional<String> fenced,
    Map<String, String> parameters,
    Role role,
    int senders,
    int slots,
    Optional<Slot> slot) {
  private static final String PARAMETERS =
      "SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ('wal_level',"
          + " 'max_wal_senders', 'max_replication_slots', 'max_slot_wal_keep_size',"
          + " 'data_checksums', 'wal_log_hints', 'full_page_writes', 'archive_mode',"
          + " 'wal_sender_timeout')";

  private static final String FACTS =
      "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4,"
          + " (SELECT system_identifier FROM pg_catalog.pg_control_system()),"
          + " pg_catalog.pg_is_in_recovery(),"
          + " COALESCE((SELECT ssl FROM pg_catalog.pg_stat_ssl"
          + " WHERE pid = pg_catalog.pg_backend_pid()), false),"
          + " NULLIF(pg_catalog.current_setting('thorbis.fenced', true), ''),"
          + " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication),"
          + " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots)";

  private static final String ROLE =
      "SELECT rolname, rolsuper, rolreplication, rolcreaterole, rolcreatedb, rolbypassrls"
          + " FROM pg_catalog.pg_roles WHERE rolname = current_user";

  /** Roles that come with the server, and whether ours may use what they may. */
  private static final String MEMBERSHIPS =
      "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname ~ '^pg_'"
          + " AND pg_catalog.pg_has_role(current_user, oid, 'USAGE')";

  private static final String SLOT =
      "SELECT slot_type, active, COALESCE(wal_status, ''),"
          + " pg_catalog.pg_wal_lsn_diff(CASE WHEN pg_catalog.pg_is_in_recovery()"
          + " THEN pg_catalog.pg_last_wal_receive_lsn() ELSE pg_catalog.pg_current_wal_lsn() END,"
          + " restart_lsn)::pg_catalog.int8"
          + " FROM pg_catalog.pg_replication_slots WHERE slot_name = ?";

  /**
   * A role.
   *
   * @param memberships the server's own roles whose rights it has
   */
  record Role(
      String name,
      boolean superuser,
      boolean replication,
      boolean createRole,
      boolean createDatabase,
      boolean bypassRowSecurity,
      List<String> memberships) {}

  /**
   * A slot.
   *
   * @param kept how many bytes of WAL it keeps, where it keeps any
   */
  record Slot(String type, boolean active, String walStatus, Optional<Long> kept) {}

  int major() {
    return version / 10_000;
  }

  String parameter(String name) {
    return parameters.getOrDefault(name, "");
  }

  int number(String name) {
    String value = parameters.get(name);
    return value == null ? 0 : Integer.parseInt(value);
  }

  boolean on(String name) {
    return "on".equals(parameters.get(name));
  }

  static ServerState read(Connection connection, String slotName) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute("SET statement_timeout = '30s'");
      Map<String, String> parameters = new HashMap<>();
      try (ResultSet rows = statement.executeQuery(PARAMETERS)) {
        while (rows.next()) {
          parameters.put(rows.getString(1), rows.getString(2));
        }
      }
      List<String> memberships = new ArrayList<>();
      try (ResultSet rows = statement.executeQuery(MEMBERSHIPS)) {
        while (rows.next()) {
          memberships.add(rows.getString(1));
        }
      }
      Role role;
      try (ResultSet row = statement.executeQuery(ROLE)) {
        row.next();
        role =
            new Role(
                row.getString(1),
                row.getBoolean(2),
                row.getBoolean(3),
                row.getBoolean(4),
                row.getBoolean(5),
                row.getBoolean(6),
                List.copyOf(memberships));
      }
      Optional<Slot> slot = slot(connection, slotName);
      try (ResultSet row = statement.executeQuery(FACTS)) {
        row.next();
        return new ServerState(
            row.getInt(1),
            row.getLong(2),
            row.getBoolean(3),
            row.getBoolean(4),
            Optional.ofNullable(row.getString(5)),
            Map.copyOf(parameters),
            role,
            row.getInt(6),
            row.getInt(7),
            slot);
      }
    }
  }

  private static Optional<Slot> slot(Connection connection, String name) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(SLOT)) {
      statement.setString(1, name);
      try (ResultSet row = statement.executeQuery()) {
        if (!row.next()) {
          return Optional.empty();
        }
        long kept = row.getLong(4);
        return Optional.of(
            new Slot(
                row.getString(1),
                row.getBoolean(2),
                row.getString(3),
                row.wasNull() ? Optional.empty() : Optional.of(kept)));
      }
    }
  }
}
