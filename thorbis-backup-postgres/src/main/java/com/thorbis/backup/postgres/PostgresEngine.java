package com.thorbis.backup.postgres;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.LoadPlan;
import com.thorbis.backup.api.LoadReport;
import com.thorbis.backup.api.LoadRequest;
import com.thorbis.backup.api.ReceiveRequest;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.ServerLog;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.TableRestorePlan;
import com.thorbis.backup.api.TableRestoreReport;
import com.thorbis.backup.api.TableRestoreRequest;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.postgres.backup.ClusterBackup;
import com.thorbis.backup.postgres.capture.WalReceiver;
import com.thorbis.backup.postgres.check.Preflight;
import com.thorbis.backup.postgres.check.ServerLogReader;
import com.thorbis.backup.postgres.dump.ChangeBackup;
import com.thorbis.backup.postgres.dump.DumpBackup;
import com.thorbis.backup.postgres.dump.DumpLoad;
import com.thorbis.backup.postgres.plan.RecoverySettings;
import com.thorbis.backup.postgres.plan.StatusReader;
import com.thorbis.backup.postgres.restore.Adoption;
import com.thorbis.backup.postgres.restore.Fence;
import com.thorbis.backup.postgres.restore.ThawedRestore;
import com.thorbis.backup.postgres.serve.FetchCommand;
import com.thorbis.backup.postgres.serve.WalFiles;
import com.thorbis.backup.postgres.serve.WalServer;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.table.TableRestore;
import com.thorbis.backup.postgres.trial.PostgresTrial;
import com.thorbis.backup.postgres.wire.Failures;
import com.thorbis.backup.postgres.wire.SqlConnections;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.engine.SqlEngine;
import com.thorbis.backup.spi.engine.Trial;
import com.thorbis.backup.spi.engine.TrialEngine;
import com.thorbis.backup.spi.engine.TrialRequest;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Protects one PostgreSQL cluster. Each job lives in a package of its own; this hands them out. */
final class PostgresEngine implements SqlEngine, TrialEngine {
  static final String TYPE = "postgres";

  private final PostgresSettings settings;

  PostgresEngine(PostgresSettings settings) {
    this.settings = settings;
  }

  @Override
  public List<CheckItem> check(Repository repository) throws IOException {
    return new Preflight(settings, repository).run();
  }

  @Override
  public String grants() throws IOException {
    return Preflight.grants(settings);
  }

  @Override
  public BackupDescriptor backup(BackupRequest request, Repository repository, RunControl control)
      throws IOException {
    BackupType chosen = request.chosenType().orElse(BackupType.FULL);
    if (chosen == BackupType.CHANGES
        || chosen == BackupType.INCREMENTAL
            && settings.reader() == PostgresSettings.Reader.DUMP
            && settings.changes().isPresent()) {
      return changes(request, repository, control);
    }
    if (settings.reader() == PostgresSettings.Reader.DUMP
        && request.chosenType().filter(BackupType::physical).isPresent()) {
      throw BackupException.of(
              "backup.reader-dump",
              FailureKind.CONFIGURATION,
              "Source "
                  + settings.source()
                  + " has reader: dump, so no backup of type "
                  + request.type().label()
                  + " can be taken of it")
          .remedy(
              "Take one of type dump, or let another reader have the server's files."
                  + " Incrementals behind a dump need changes.mode.")
          .build();
    }
    boolean dump =
        request.chosenType().orElse(BackupType.FULL) == BackupType.DUMP
            || settings.reader() == PostgresSettings.Reader.DUMP;
    if (!dump && !request.excludedTables().isEmpty()) {
      throw BackupException.of(
              "backup.only-dumps-exclude",
              FailureKind.CONFIGURATION,
              "A backup of type " + request.type().label() + " cannot leave tables out")
          .remedy("Take one of type dump, or leave nothing out.")
          .build();
    }
    return dump
        ? new DumpBackup(settings, request, repository, control).run()
        : new ClusterBackup(settings, request, repository, control).run();
  }

  private BackupDescriptor changes(BackupRequest request, Repository repository, RunControl control)
      throws IOException {
    if (settings.changes().isEmpty()) {
      throw BackupException.of(
              "changes.not-configured",
              FailureKind.CONFIGURATION,
              "Source " + settings.source() + " does not say how changes are followed")
          .remedy("Set changes.mode, and take a dump, which changes can follow.")
          .build();
    }
    if (!request.excludedTables().isEmpty()) {
      throw BackupException.of(
              "changes.excludes",
              FailureKind.CONFIGURATION,
              "An incremental has the tables of its dump, and can leave none out")
          .remedy("Write them under exclude-tables of the source; the next one is a dump then.")
          .build();
    }
    return new ChangeBackup(settings, request, repository, control).run();
  }

  @Override
  public void receiveWal(ReceiveRequest request, Repository repository, RunControl control)
      throws IOException {
    new WalReceiver(settings, request, repository, control).run();
  }

  @Override
  public RestorePlan plan(RestoreRequest request, Repository repository) throws IOException {
    refuseIncludes(request);
    return new ThawedRestore(settings, source(repository), repository).plan(request);
  }

  @Override
  public RestoreReport restore(RestoreRequest request, Repository repository, RunControl control)
      throws IOException {
    refuseIncludes(request);
    return new ThawedRestore(settings, source(repository), repository).restore(request, control);
  }

  @Override
  public Connection connect(String url, Optional<String> user, Optional<SecretValue> password) {
    PostgresSettings target = settings.into(url, user, password);
    try {
      return withNames(SqlConnections.open(target));
    } catch (SQLException e) {
      throw Failures.of(target, e);
    }
  }

  @Override
  public RestorePlan planTrial(TrialRequest request, Repository repository) throws IOException {
    return PostgresTrial.plan(settings, source(repository), request, repository);
  }

  @Override
  public Trial begin(TrialRequest request, Repository repository, RunControl control)
      throws IOException {
    return PostgresTrial.begin(settings, source(repository), request, repository, control);
  }

  @Override
  public Connection connectSource(Optional<String> database) {
    try {
      return withNames(
          database.isPresent()
              ? SqlConnections.open(settings, database.get())
              : SqlConnections.open(settings));
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    }
  }

  /** Whoever asks writes names as in a session of his own; ours find none without a schema. */
  private static Connection withNames(Connection session) throws SQLException {
    try (Statement statement = session.createStatement()) {
      statement.execute("SET search_path = \"$user\", public");
      return session;
    } catch (SQLException e) {
      try (session) {
        throw e;
      }
    }
  }

  private void refuseIncludes(RestoreRequest request) {
    if (!request.includes().isEmpty()) {
      throw BackupException.of(
              "restore.option-refused",
              FailureKind.CONFIGURATION,
              "--include: source "
                  + request.source()
                  + " is a server, and single files of one are of no use")
          .remedy("Leave it out; restore-table and --databases bring back parts of a server.")
          .build();
    }
  }

  @Override
  public TableRestorePlan planTables(TableRestoreRequest request, Repository repository)
      throws IOException {
    return new TableRestore(settings, source(repository), repository).plan(request);
  }

  @Override
  public TableRestoreReport restoreTables(
      TableRestoreRequest request, Repository repository, RunControl control) throws IOException {
    return new TableRestore(settings, source(repository), repository).restore(request, control);
  }

  @Override
  public Optional<String> restoreCommand(BackupDescriptor backup) {
    return backup.physical()
        ? Optional.empty()
        : Optional.of("load " + backup.id() + " --into JDBC-URL");
  }

  @Override
  public LoadPlan planLoad(LoadRequest request, Repository repository) throws IOException {
    return new DumpLoad(settings, request, repository, RunControl.unattended()).plan();
  }

  @Override
  public LoadReport load(LoadRequest request, Repository repository, RunControl control)
      throws IOException {
    return new DumpLoad(settings, request, repository, control).run();
  }

  @Override
  public SourceStatus status(Repository repository) throws IOException {
    String name = settings.source();
    boolean fenced = Fence.stands(settings);
    Optional<SourceInfo> source = repository.source(name);
    return source.isEmpty()
        ? SourceStatus.nothing(name, fenced)
        : new StatusReader(
                source.get(), repository.backups(Optional.of(name)), repository.wal(name))
            .read(settings.clock().instant(), fenced);
  }

  @Override
  public Optional<ServerLog> serverLog() {
    return settings.reader() == PostgresSettings.Reader.DUMP
        ? Optional.empty()
        : Optional.of(ServerLogReader.read(settings));
  }

  @Override
  public List<WalRange> walRanges(Repository repository) throws IOException {
    WalArchive archive = repository.wal(source(repository).name());
    List<WalRange> ranges = new ArrayList<>();
    for (Timeline timeline : archive.timelines().stream().sorted().toList()) {
      ranges.addAll(archive.ranges(timeline));
    }
    return ranges;
  }

  @Override
  public WalArchive.Stored pushWal(Path file, Repository repository) throws IOException {
    return new WalFiles(settings).push(file, repository);
  }

  @Override
  public boolean getWal(String fileName, Path destination, Repository repository)
      throws IOException {
    return new WalFiles(settings).get(fileName, destination, repository);
  }

  @Override
  public void serveWal(RepositoryAccess repository, RunControl control) throws IOException {
    new WalServer(settings, repository).serveAll(control);
  }

  @Override
  public String walHook(Hook hook) {
    return switch (hook) {
      case ARCHIVE ->
          RecoverySettings.line("archive_command", FetchCommand.archiveCommand(settings)).strip();
      case RESTORE ->
          RecoverySettings.line("restore_command", FetchCommand.restoreCommand(settings)).strip();
    };
  }

  @Override
  public SourceInfo adopt(Repository repository, RunControl control) throws IOException {
    return new Adoption(settings, repository, control).run(source(repository));
  }

  @Override
  public void close() {
    settings.close();
  }

  private SourceInfo source(Repository repository) {
    return repository
        .source(settings.source())
        .orElseThrow(
            () ->
                BackupException.of(
                        "source.not-found",
                        FailureKind.NOT_FOUND,
                        "The repository has no source " + settings.source())
                    .remedy("Take a backup of it first; that registers it.")
                    .build());
  }
}
