package com.thorbis.backup.postgres.server;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.RestoreReport.Reached;
import com.thorbis.backup.postgres.settings.ServerAddress;
import java.io.IOException;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A server over restored files that has left recovery at its target, to be read and changed at will
 * and thrown away. It listens on a socket in a folder that only its account can enter.
 */
public final class ThrowAwayServer implements AutoCloseable {
  /** What every cluster has, and is restored whatever is left out. */
  static final List<String> MAINTENANCE = List.of("postgres", "template1");

  private static final int STATISTICS_IN_FILES_UNTIL = 14;
  private static final int EVENT_TRIGGERS_SWITCHED_SINCE = 17;

  private static final String SUPERUSER =
      "SELECT rolname FROM pg_roles WHERE rolsuper AND rolcanlogin ORDER BY oid LIMIT 1";

  private final RecoveryServer server;
  private final String superuser;
  private final Reached reached;

  private ThrowAwayServer(RecoveryServer server, String superuser, Reached reached) {
    this.server = server;
    this.superuser = superuser;
    this.reached = reached;
  }

  /** What a server of a version is started with. */
  static Map<String, String> hidden(int major) {
    Map<String, String> settings = new LinkedHashMap<>();
    settings.put("listen_addresses", "");
    settings.put("unix_socket_permissions", "0700");
    settings.put("unix_socket_group", "");
    settings.put("ssl", "off");
    // Nobody reads before recovery ends, so that nobody holds it up.
    settings.put("hot_standby", "off");
    // What runs jobs as soon as recovery ends, or is not installed here.
    settings.put("shared_preload_libraries", "");
    settings.put("session_preload_libraries", "");
    settings.put("local_preload_libraries", "");
    if (major >= EVENT_TRIGGERS_SWITCHED_SINCE) {
      settings.put("event_triggers", "off"); // one may act on whoever connects
    }
    if (major <= STATISTICS_IN_FILES_UNTIL) {
      settings.put("stats_temp_directory", "pg_stat_tmp"); // not that of a server which runs here
    }
    settings.put("autovacuum", "off");
    settings.put("archive_mode", "off");
    settings.put("max_logical_replication_workers", "0");
    // Sized for another machine, or for this one while the source runs on it, too.
    settings.put("shared_buffers", "128MB");
    settings.put("huge_pages", "off");
    // A crash ends it: nothing of it is used again.
    settings.put("fsync", "off");
    settings.put("full_page_writes", "off");
    settings.put("synchronous_commit", "off");
    return settings;
  }

  static ThrowAwayServer of(RecoveryServer server, Connection session, Reached reached)
      throws SQLException {
    try (Statement statement = session.createStatement();
        ResultSet row = statement.executeQuery(SUPERUSER)) {
      if (!row.next()) {
        throw BackupException.of(
                "restore.cannot-ask",
                FailureKind.PERMANENT,
                "No superuser of the restored cluster may log in")
            .remedy("Restore the cluster with restore --start.")
            .build();
      }
      return new ThrowAwayServer(server, row.getString(1), reached);
    }
  }

  /** Where its recovery ended. */
  public Reached reached() {
    return reached;
  }

  /** Where it listens. */
  public ServerAddress address() {
    return new ServerAddress(server.socketFolder().toString(), server.port());
  }

  /** The role that we are there. */
  public String superuser() {
    return superuser;
  }

  /** Opens a session that waits for its answers as long as it takes. */
  public Connection connect(String database) throws SQLException {
    Connection session = server.connect(superuser, database);
    session.setNetworkTimeout(Runnable::run, 0);
    return session;
  }

  /** Ends it in order, so that its files are at rest. */
  public void stop() throws IOException {
    server.stop("fast");
  }

  /** Ends it at once. */
  @Override
  public void close() {
    server.abandon();
  }
}
