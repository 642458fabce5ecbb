package com.thorbis.backup.postgres.backup;

import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.SqlConnections;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** What SQL says about a server, each answer as far as the role may see it. */
final class ServerFacts implements AutoCloseable {
  private static final long LARGEST_CONFIGURATION = 16 << 20;

  /** What a restore must know, and the attribute's name without its prefix. */
  private static final List<String> SETTINGS =
      List.of(
          "max_connections",
          "max_worker_processes",
          "max_wal_senders",
          "max_prepared_transactions",
          "max_locks_per_transaction",
          "wal_level",
          "wal_log_hints",
          "data_checksums",
          "block_size",
          "wal_segment_size",
          "server_encoding",
          "server_version",
          "shared_preload_libraries",
          "data_directory",
          "stats_temp_directory",
          "config_file",
          "hba_file",
          "ident_file");

  private final Connection sql;

  private ServerFacts(Connection sql) {
    this.sql = sql;
  }

  static ServerFacts open(PostgresSettings settings) throws SQLException {
    return new ServerFacts(SqlConnections.open(settings));
  }

  Instant clock() throws SQLException {
    try (Statement statement = sql.createStatement();
        ResultSet row = statement.executeQuery("SELECT pg_catalog.clock_timestamp()")) {
      row.next();
      return row.getObject(1, OffsetDateTime.class).toInstant();
    }
  }

  /** The parameters that the role may see, under their own names. */
  Map<String, String> parameters() throws SQLException {
    Map<String, String> found = new LinkedHashMap<>();
    try (Statement statement = sql.createStatement();
        ResultSet rows =
            statement.executeQuery("SELECT name, setting FROM pg_catalog.pg_settings")) {
      while (rows.next()) {
        String value = rows.getString(2);
        if (value != null && SETTINGS.contains(rows.getString(1))) {
          found.put(rows.getString(1), value);
        }
      }
    }
    return found;
  }

  /** Names of tablespaces by object id. */
  Map<Long, String> tablespaces() throws SQLException {
    Map<Long, String> found = new LinkedHashMap<>();
    try (Statement statement = sql.createStatement();
        ResultSet rows =
            statement.executeQuery("SELECT oid::bigint, spcname FROM pg_catalog.pg_tablespace")) {
      while (rows.next()) {
        found.put(rows.getLong(1), rows.getString(2));
      }
    }
    return found;
  }

  /** Names of the tablespaces that are folders inside the data directory. */
  List<String> tablespacesInPlace() throws SQLException {
    List<String> found = new ArrayList<>();
    try (Statement statement = sql.createStatement();
        ResultSet rows =
            statement.executeQuery(
                "SELECT spcname FROM pg_catalog.pg_tablespace"
                    + " WHERE pg_catalog.pg_tablespace_location(oid) LIKE 'pg\\_tblspc/%'")) {
      while (rows.next()) {
        found.add(rows.getString(1));
      }
    }
    return found;
  }

  /** Names of databases by object id. */
  Map<Long, String> databases() throws SQLException {
    Map<Long, String> found = new LinkedHashMap<>();
    try (Statement statement = sql.createStatement();
        ResultSet rows =
            statement.executeQuery("SELECT oid::bigint, datname FROM pg_catalog.pg_database")) {
      while (rows.next()) {
        found.put(rows.getLong(1), rows.getString(2));
      }
    }
    return found;
  }

  /** When the server was started, by its clock. */
  Instant postmasterStart() throws SQLException {
    try (Statement statement = sql.createStatement();
        ResultSet row = statement.executeQuery("SELECT pg_catalog.pg_postmaster_start_time()")) {
      row.next();
      return row.getObject(1, OffsetDateTime.class).toInstant();
    }
  }

  boolean inRecovery() throws SQLException {
    return flag("SELECT pg_catalog.pg_is_in_recovery()");
  }

  /** Whether somebody streams through this slot now. */
  boolean slotActive(String slot) throws SQLException {
    try (PreparedStatement statement =
        sql.prepareStatement(
            "SELECT active FROM pg_catalog.pg_replication_slots WHERE slot_name = ?")) {
      statement.setString(1, slot);
      try (ResultSet rows = statement.executeQuery()) {
        return rows.next() && rows.getBoolean(1);
      }
    }
  }

  /** The file the server archived last, if archiving works now. */
  Optional<String> lastArchived() throws SQLException {
    try (Statement statement = sql.createStatement();
        ResultSet rows =
            statement.executeQuery(
                "SELECT last_archived_wal FROM pg_catalog.pg_stat_archiver"
                    + " WHERE last_archived_time IS NOT NULL"
                    + " AND (last_failed_time IS NULL OR last_failed_time < last_archived_time)"
                    + " AND pg_catalog.current_setting('archive_mode') <> 'off'")) {
      return rows.next() ? Optional.ofNullable(rows.getString(1)) : Optional.empty();
    }
  }

  /** The files that configure the server, as far as the role may see where they lie. */
  Set<String> configurationFiles(Map<String, String> parameters) throws SQLException {
    Set<String> files = new LinkedHashSet<>();
    for (String name : List.of("config_file", "hba_file", "ident_file")) {
      String file = parameters.get(name);
      if (file != null && !file.isEmpty()) {
        files.add(file);
      }
    }
    try (Statement statement = sql.createStatement();
        ResultSet rows =
            statement.executeQuery(
                "SELECT DISTINCT sourcefile FROM pg_catalog.pg_settings"
                    + " WHERE sourcefile IS NOT NULL ORDER BY 1")) {
      while (rows.next()) {
        files.add(rows.getString(1));
      }
    }
    return files;
  }

  /** A file of the server's host. */
  ConfigurationFile read(String path) throws SQLException {
    try (PreparedStatement statement =
        sql.prepareStatement(
            "SELECT pg_catalog.pg_read_binary_file(?, 0, ?),"
                + " (pg_catalog.pg_stat_file(?)).modification")) {
      statement.setString(1, path);
      statement.setLong(2, LARGEST_CONFIGURATION);
      statement.setString(3, path);
      try (ResultSet row = statement.executeQuery()) {
        row.next();
        return new ConfigurationFile(
            row.getBytes(1), row.getObject(2, OffsetDateTime.class).toInstant());
      }
    }
  }

  /** A small file, and when it was changed last. */
  static final class ConfigurationFile {
    private final byte[] content;
    private final Instant modifiedAt;

    private ConfigurationFile(byte[] content, Instant modifiedAt) {
      this.content = content;
      this.modifiedAt = modifiedAt;
    }

    byte[] content() {
      return content;
    }

    Instant modifiedAt() {
      return modifiedAt;
    }
  }

  private boolean flag(String query) throws SQLException {
    try (Statement statement = sql.createStatement();
        ResultSet row = statement.executeQuery(query)) {
      row.next();
      return row.getBoolean(1);
    }
  }

  /** The names of parameters that a backup records. */
  static List<String> recorded() {
    return new ArrayList<>(SETTINGS);
  }

  @Override
  public void close() throws SQLException {
    sql.close();
  }
}
