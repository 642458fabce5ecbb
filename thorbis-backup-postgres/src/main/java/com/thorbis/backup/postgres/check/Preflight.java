package com.thorbis.backup.postgres.check;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.postgres.capture.Descent;
import com.thorbis.backup.postgres.cluster.BackupRights;
import com.thorbis.backup.postgres.cluster.DataDirectoryProof;
import com.thorbis.backup.postgres.cluster.LocalFiles;
import com.thorbis.backup.postgres.cluster.SqlFiles;
import com.thorbis.backup.postgres.dump.ChangeCheck;
import com.thorbis.backup.postgres.dump.DumpBackup;
import com.thorbis.backup.postgres.plan.StatusReader;
import com.thorbis.backup.postgres.settings.ChangesSettings;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.settings.PostgresSettings.Reader;
import com.thorbis.backup.postgres.table.TableRestore;
import com.thorbis.backup.postgres.tools.ClientTools;
import com.thorbis.backup.postgres.tools.ClientTools.Tool;
import com.thorbis.backup.postgres.wire.Failures;
import com.thorbis.backup.postgres.wire.ReplicationConnection;
import com.thorbis.backup.postgres.wire.ReplicationConnection.SystemIdentity;
import com.thorbis.backup.postgres.wire.SqlConnections;
import com.thorbis.backup.postgres.wire.SqlSession;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.SourceInfo;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/** Looks at everything that must be so before a source is protected. Changes nothing. */
public final class Preflight {
  private final PostgresSettings settings;
  private final Repository repository;
  private final List<CheckItem> items = new ArrayList<>();

  /** Looks at one source. */
  public Preflight(PostgresSettings settings, Repository repository) {
    this.settings = settings;
    this.repository = repository;
  }

  /** The statements that give the configured role what it needs; asks the server its version. */
  public static String grants(PostgresSettings settings) {
    OptionalInt major;
    try (Connection connection = SqlConnections.open(settings)) {
      major = OptionalInt.of(connection.getMetaData().getDatabaseMajorVersion());
    } catch (SQLException e) {
      // The role may be what is missing.
      major = OptionalInt.empty();
    }
    String script =
        settings.reader() == Reader.DUMP
            ? Grants.dumps(
                settings.user(),
                settings.database().orElse("postgres"),
                !settings.dumpedDatabases().isEmpty())
            : Grants.script(settings.user(), major);
    return script + followed(settings);
  }

  private static String followed(PostgresSettings settings) {
    if (settings.changes().isEmpty()) {
      return "";
    }
    if (settings.changes().get() instanceof ChangesSettings.Columns columns) {
      return columns.trustsApplications() ? Grants.openTransactions(settings.user()) : "";
    }
    List<String> statements;
    try {
      statements = ChangeCheck.statements(settings);
    } catch (SQLException | BackupException e) {
      // The role may be what is missing; once it is there, the same says the rest.
      return Grants.changes(settings.user(), List.of())
          + "-- Ask again when the role can connect: it may need a publication besides.\n";
    }
    return Grants.changes(settings.user(), statements);
  }

  /** Everything that was found, whatever of it failed. */
  public List<CheckItem> run() throws IOException {
    if (settings.reader() == Reader.DUMP) {
      dumps();
      changes();
      repository();
      return List.copyOf(items);
    }
    Optional<ServerState> server = server();
    replication();
    server.ifPresent(
        state -> {
          identity(state.systemId());
          items.addAll(
              new ServerJudge(
                      state, settings.slot(), settings.slotBudget(), settings.address().local())
                  .items());
        });
    changes();
    repository();
    TableRestore.check(settings).ifPresent(items::add);
    return List.copyOf(items);
  }

  /** What a dump needs, which is neither log nor a slot. */
  private void dumps() throws IOException {
    try (SqlSession session = SqlSession.open(settings)) {
      add("postgres.connection.sql", Outcome.OK, settings.address() + " answers SQL", "");
      identity(session.identify().systemId());
      ClientTools tools =
          ClientTools.find(
              settings.clientToolsDirectory(),
              EnumSet.of(Tool.PG_DUMP, Tool.PG_DUMPALL, Tool.PG_RESTORE),
              session.majorVersion(),
              settings.stateDirectory());
      add(
          "postgres.tools",
          Outcome.OK,
          "pg_dump, pg_dumpall and pg_restore of PostgreSQL "
              + tools.version()
              + " lie in "
              + tools.folder(),
          "");
      if (!settings.dumpedDatabases().isEmpty()) {
        databases();
      }
    } catch (BackupException e) {
      refused(e.code().startsWith("tools.") ? "postgres.tools" : "postgres.connection.sql", e);
    }
  }

  private void changes() {
    try {
      items.addAll(ChangeCheck.items(settings));
    } catch (BackupException e) {
      refused("postgres.changes.server", e);
    } catch (SQLException e) {
      refused("postgres.changes.server", Failures.of(settings, e));
    }
  }

  private void databases() {
    try {
      List<String> found = DumpBackup.databases(settings, new Cancellation());
      for (String database : found) {
        SqlConnections.open(settings, database).close();
      }
      add("postgres.databases", Outcome.OK, "Dumps are of " + String.join(", ", found), "");
    } catch (BackupException e) {
      refused("postgres.databases", e);
    } catch (SQLException e) {
      refused("postgres.databases", Failures.of(settings, e));
    }
  }

  private Optional<ServerState> server() {
    try (Connection connection = SqlConnections.open(settings)) {
      ServerState state = ServerState.read(connection, settings.slot());
      add("postgres.connection.sql", Outcome.OK, settings.address() + " answers SQL", "");
      reader(connection, state);
      return Optional.of(state);
    } catch (SQLException e) {
      refused("postgres.connection.sql", Failures.of(settings, e));
      return Optional.empty();
    }
  }

  /** Whether backups can be read in the way that is configured, and in which one otherwise. */
  private void reader(Connection connection, ServerState state) {
    Optional<Path> folder = settings.dataDirectory();
    if (settings.reader() == Reader.SQL) {
      List<String> functions = new ArrayList<>(BackupRights.functions(state.major()));
      functions.addAll(SqlFiles.functions());
      try {
        BackupRights.require(settings, connection, functions);
        add("postgres.reader", Outcome.OK, "Backups are read over SQL", "");
      } catch (BackupException e) {
        refused("postgres.reader", e);
      }
      return;
    }
    if (settings.reader() == Reader.REPLICATION || folder.isEmpty()) {
      add("postgres.reader", Outcome.OK, "Backups are read over the replication protocol", "");
      return;
    }
    BackupException problem;
    try {
      LocalFiles files =
          DataDirectoryProof.usable(
              settings, folder.get(), connection, state.major(), state.systemId());
      files.close();
      add("postgres.reader", Outcome.OK, "Backups are read from " + files.root(), "");
      return;
    } catch (BackupException e) {
      problem = e;
    } catch (IOException e) {
      problem =
          BackupException.of("postgres.unreadable", FailureKind.TRANSIENT, String.valueOf(e))
              .remedy("See whether the file system of " + folder.get() + " is well.")
              .build();
    }
    boolean other = settings.reader() == Reader.AUTO;
    add(
        "postgres.reader",
        other ? Outcome.WARN : Outcome.FAIL,
        problem.getMessage() + (other ? "; backups are read over the replication protocol" : ""),
        problem.remedy());
  }

  private void replication() {
    try (ReplicationConnection connection =
        ReplicationConnection.open(settings, new Cancellation())) {
      SystemIdentity server = connection.identify();
      add(
          "postgres.connection.replication",
          Outcome.OK,
          settings.address() + " speaks the replication protocol",
          "");
      Optional<SourceInfo> source = repository.source(settings.source());
      if (source.isPresent()) {
        descent(source.get(), connection, server);
      }
    } catch (IOException e) {
      refused("postgres.connection.replication", Failures.of(settings, e));
    } catch (BackupException e) {
      refused("postgres.connection.replication", e);
    }
  }

  /** Without a finding of its own where nothing was ever adopted. */
  private void descent(SourceInfo source, ReplicationConnection connection, SystemIdentity server)
      throws IOException {
    try {
      Descent.require(settings, source, connection, server);
    } catch (BackupException e) {
      refused("postgres.descent", e);
    }
  }

  private void refused(String subject, BackupException failure) {
    String message = String.valueOf(failure.getMessage());
    if (message.contains("unsupported startup parameter")) {
      add(
          subject,
          Outcome.FAIL,
          settings.address() + " is a connection pooler, which passes no replication on",
          "Name the PostgreSQL server itself in url, past PgBouncer.");
    } else {
      add(subject, Outcome.FAIL, message, failure.remedy());
    }
  }

  private void identity(long systemId) {
    Optional<SourceInfo> source = repository.source(settings.source());
    if (source.isEmpty()) {
      add(
          "postgres.identity",
          Outcome.OK,
          "The repository does not know " + settings.source() + " yet; the first backup adds it",
          "");
    } else if (source.get().current().cluster().systemId() != systemId) {
      add(
          "postgres.identity",
          Outcome.FAIL,
          "The server is cluster "
              + Long.toUnsignedString(systemId)
              + ", the repository's "
              + settings.source()
              + " is cluster "
              + source.get().current().cluster().systemIdText(),
          "Correct url, or give the other cluster a source of its own.");
    } else {
      add("postgres.identity", Outcome.OK, "The server is the one that was registered", "");
    }
  }

  private void repository() throws IOException {
    String name = settings.source();
    Optional<SourceInfo> source = repository.source(name);
    if (source.isEmpty()) {
      return;
    }
    // A dump beside them does not make backups of the files and their log any better.
    List<BackupDescriptor> backups =
        repository.backups(Optional.of(name)).stream()
            .filter(one -> settings.reader() == Reader.DUMP || one.physical())
            .toList();
    SourceStatus status =
        new StatusReader(source.get(), backups, repository.wal(name))
            .read(settings.clock().instant(), false);
    if (status.lastBackup().isEmpty()) {
      add("postgres.backup", Outcome.WARN, "There is no backup yet", "Run backup " + name + ".");
    } else {
      add(
          "postgres.backup",
          Outcome.OK,
          "The last backup ended at " + status.lastBackup().get().stoppedAt(),
          "");
    }
    if (settings.reader() != Reader.DUMP) {
      gaps(status);
    }
    status
        .lag()
        .filter(lag -> !status.windows().isEmpty())
        .ifPresent(
            lag -> {
              boolean late = lag.compareTo(settings.maxDelay()) > 0;
              add(
                  "postgres.wal.delay",
                  late ? Outcome.WARN : Outcome.OK,
                  "The stored WAL ends " + lag.toSeconds() + " s ago",
                  late ? "See whether wal receive or the archiver runs." : "");
            });
  }

  private void gaps(SourceStatus status) {
    if (status.gaps().isEmpty()) {
      add("postgres.wal.gaps", Outcome.OK, "The stored WAL has no gaps", "");
      return;
    }
    for (WalGap missing : status.gaps()) {
      WalRange gap = missing.range();
      boolean past =
          status
              .lastBackup()
              .filter(backup -> backup.startLsn().compareTo(gap.end()) >= 0)
              .isPresent();
      add(
          "postgres.wal.gaps",
          past ? Outcome.WARN : Outcome.FAIL,
          "WAL of timeline "
              + gap.timeline()
              + " is missing from "
              + gap.start()
              + " to "
              + gap.end()
              + missing.reason().map(reason -> ": " + reason).orElse(""),
          past
              ? "Nothing in it can be reached. If the server still has it, push it with wal push."
              : "Push what the server still has with wal push, or take a full backup.");
    }
  }

  private void add(String subject, Outcome outcome, String message, String remedy) {
    items.add(new CheckItem(subject, outcome, message, remedy));
  }
}
