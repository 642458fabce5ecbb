package com.thorbis.backup.spi.engine;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.CheckItem;
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
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Protects one source. Writes to the repository it is given and never sees a store, a key or the
 * format. Failures are {@link com.thorbis.backup.api.BackupException}s, or {@code IOException}s of
 * the repository passed on as they are.
 */
public interface SourceEngine extends AutoCloseable {
  /**
   * Every precondition, privilege and setting, each with its remedy. Contacts the source and
   * changes nothing.
   */
  List<CheckItem> check(Repository repository) throws IOException;

  /** The statements that give the configured role what it needs and nothing more. */
  String grants() throws IOException;

  /** Takes a backup. */
  BackupDescriptor backup(BackupRequest request, Repository repository, RunControl control)
      throws IOException;

  /** Captures WAL until cancelled; reconnects by itself. */
  void receiveWal(ReceiveRequest request, Repository repository, RunControl control)
      throws IOException;

  /**
   * Proves that a moment can be reached and how, or throws code {@code restore.unreachable} with
   * {@code nearest}.
   */
  RestorePlan plan(RestoreRequest request, Repository repository) throws IOException;

  /** Brings the source back. */
  RestoreReport restore(RestoreRequest request, Repository repository, RunControl control)
      throws IOException;

  /**
   * The command that brings a backup back which does not go into a folder, and is for a person to
   * run; empty if {@link #restore} does it.
   */
  default Optional<String> restoreCommand(BackupDescriptor backup) {
    return Optional.empty();
  }

  /** Proves the way to the moment from which tables are wanted. Changes nothing. */
  TableRestorePlan planTables(TableRestoreRequest request, Repository repository)
      throws IOException;

  /** Brings tables back, and leaves nothing else behind. */
  TableRestoreReport restoreTables(
      TableRestoreRequest request, Repository repository, RunControl control) throws IOException;

  /** Says what loading a dump would do; changes nothing. */
  default LoadPlan planLoad(LoadRequest request, Repository repository) throws IOException {
    throw new UnsupportedOperationException("This engine takes no dumps");
  }

  /** Brings a dump into a running server, whole or not at all, and compares what is there then. */
  default LoadReport load(LoadRequest request, Repository repository, RunControl control)
      throws IOException {
    throw new UnsupportedOperationException("This engine takes no dumps");
  }

  /**
   * What the source says of its log, asked for a moment; empty if it keeps none that is stored.
   *
   * @throws BackupException if it cannot be asked
   */
  default Optional<ServerLog> serverLog() {
    return Optional.empty();
  }

  /**
   * What is recoverable, by what is stored; of a source that was never backed up, nothing. Whether
   * a restored cluster waits to be adopted may be asked of the source, which need not answer.
   */
  SourceStatus status(Repository repository) throws IOException;

  /** Timelines and stretches of stored WAL, in order. */
  List<WalRange> walRanges(Repository repository) throws IOException;

  /** Stores one segment or history file by hand. */
  WalArchive.Stored pushWal(Path file, Repository repository) throws IOException;

  /**
   * Delivers one segment or history file whole under {@code destination}.
   *
   * @return false only if it is positively absent
   */
  boolean getWal(String fileName, Path destination, Repository repository) throws IOException;

  /**
   * Serves {@code archive_command} and {@code restore_command} on local sockets until cancelled.
   */
  void serveWal(RepositoryAccess repository, RunControl control) throws IOException;

  /** The exact setting for the server's configuration. */
  String walHook(Hook hook);

  /**
   * Lifts the fence of a restored cluster: new incarnation from the proven position, and a slot.
   */
  SourceInfo adopt(Repository repository, RunControl control) throws IOException;

  @Override
  void close() throws IOException;

  /** Which setting to print. */
  enum Hook {
    /** {@code archive_command}. */
    ARCHIVE,
    /** {@code restore_command}. */
    RESTORE
  }

  /** Opens the repository when it is needed, again after trouble. */
  @FunctionalInterface
  interface RepositoryAccess {
    /** The open repository; the engine does not close it. */
    Repository open() throws IOException;
  }
}
