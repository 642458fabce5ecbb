package com.thorbis.backup.spi.engine;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.LoadPlan;
import com.thorbis.backup.api.LoadReport;
import com.thorbis.backup.api.LoadRequest;
import com.thorbis.backup.api.ReceiveRequest;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.TableRestorePlan;
import com.thorbis.backup.api.TableRestoreReport;
import com.thorbis.backup.api.TableRestoreRequest;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Protects a source that has no server. What needs a server is refused with code {@code
 * source.no-server}, and how to bring a backup back.
 */
public abstract class ServerlessEngine implements SourceEngine {
  private final String source;
  private final String remedy;
  private final Clock clock;

  /**
   * Of one source.
   *
   * @param source the host's name for it
   * @param remedy how a backup of it is brought back
   */
  protected ServerlessEngine(String source, String remedy, Clock clock) {
    this.source = source;
    this.remedy = remedy;
    this.clock = clock;
  }

  /** The host's name for the source. */
  public final String source() {
    return source;
  }

  /** The time. */
  protected final Clock clock() {
    return clock;
  }

  /** The types of backup there are of it; full ones alone unless overridden. */
  protected Set<BackupType> types() {
    return EnumSet.of(BackupType.FULL);
  }

  /** Takes a backup of one of the {@link #types}, or of the engine's choice where none was made. */
  protected abstract BackupDescriptor take(
      BackupRequest request, Repository repository, RunControl control) throws IOException;

  @Override
  public final BackupDescriptor backup(
      BackupRequest request, Repository repository, RunControl control) throws IOException {
    Set<BackupType> types = types();
    Optional<BackupType> other = request.chosenType().filter(chosen -> !types.contains(chosen));
    if (other.isPresent()) {
      throw BackupException.of(
              "source.no-server",
              FailureKind.REFUSED,
              "Source "
                  + source
                  + " has no server, so there is no "
                  + other.get().label()
                  + " backup of it: "
                  + (types.equals(EnumSet.of(BackupType.FULL))
                      ? "each is full, and complete in itself"
                      : "each is "
                          + String.join(" or ", types.stream().map(BackupType::label).toList())))
          .detail("source", source)
          .remedy("Leave the type out.")
          .build();
    }
    if (!request.excludedTables().isEmpty()) {
      throw noServer("a table to leave out");
    }
    return take(request, repository, control);
  }

  @Override
  public SourceStatus status(Repository repository) throws IOException {
    Optional<BackupDescriptor> last =
        repository.source(source).isEmpty()
            ? Optional.empty()
            : repository.backups(Optional.of(source)).stream()
                .filter(backup -> backup.status().restorable())
                .max(Comparator.comparing(BackupDescriptor::stoppedAt));
    Instant now = clock.instant();
    return new SourceStatus(
        source,
        List.of(),
        List.of(),
        last,
        List.<BackupId>of(),
        last.map(BackupDescriptor::startedAt)
            .map(from -> from.isAfter(now) ? Duration.ZERO : Duration.between(from, now)),
        false);
  }

  @Override
  public String grants() {
    return "-- Source " + source + " has no server: there is nothing to grant.\n";
  }

  @Override
  public void receiveWal(ReceiveRequest request, Repository repository, RunControl control) {
    throw noLog();
  }

  @Override
  public RestorePlan plan(RestoreRequest request, Repository repository) {
    throw noDirectory();
  }

  @Override
  public RestoreReport restore(RestoreRequest request, Repository repository, RunControl control) {
    throw noDirectory();
  }

  @Override
  public TableRestorePlan planTables(TableRestoreRequest request, Repository repository) {
    throw noServer("a table");
  }

  @Override
  public TableRestoreReport restoreTables(
      TableRestoreRequest request, Repository repository, RunControl control) {
    throw noServer("a table");
  }

  @Override
  public LoadPlan planLoad(LoadRequest request, Repository repository) {
    throw noServer("a dump to load");
  }

  @Override
  public LoadReport load(LoadRequest request, Repository repository, RunControl control) {
    throw noServer("a dump to load");
  }

  @Override
  public List<WalRange> walRanges(Repository repository) {
    throw noLog();
  }

  @Override
  public WalArchive.Stored pushWal(Path file, Repository repository) {
    throw noLog();
  }

  @Override
  public boolean getWal(String fileName, Path destination, Repository repository) {
    throw noLog();
  }

  @Override
  public void serveWal(RepositoryAccess repository, RunControl control) {
    throw noLog();
  }

  @Override
  public String walHook(Hook hook) {
    throw noLog();
  }

  @Override
  public SourceInfo adopt(Repository repository, RunControl control) {
    throw noServer("a restored cluster to adopt");
  }

  private BackupException noLog() {
    return noServer("a write-ahead log");
  }

  private BackupException noDirectory() {
    return noServer("a data directory to restore, or a moment between two backups");
  }

  private BackupException noServer(String what) {
    return BackupException.of(
            "source.no-server",
            FailureKind.REFUSED,
            "Source " + source + " has no server, and so not " + what)
        .detail("source", source)
        .remedy(remedy)
        .build();
  }
}
