package com.thorbis.backup.postgres.backup;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.postgres.cluster.BackupBracket;
import com.thorbis.backup.postgres.cluster.BackupRights;
import com.thorbis.backup.postgres.cluster.DataDirectoryProof;
import com.thorbis.backup.postgres.cluster.LocalFiles;
import com.thorbis.backup.postgres.cluster.SqlFiles;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.settings.PostgresSettings.Reader;
import com.thorbis.backup.postgres.wire.ReplicationConnection;
import com.thorbis.backup.postgres.wire.ServerSession;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Chooses the way in which a cluster is read, and records which, and why. */
final class ReaderChoice {
  private static final String CONFIGURED = "it is configured";

  private ReaderChoice() {}

  /**
   * The one that is configured, or the best that can be had.
   *
   * @param connection to the same server; stays the caller's
   * @throws BackupException if the one that is configured cannot be had
   */
  static ClusterReader of(
      PostgresSettings settings,
      RunControl control,
      ServerSession connection,
      Repository repository,
      ClusterIdentity cluster,
      Journal journal)
      throws IOException {
    if (settings.reader() == Reader.LOCAL) {
      return chosen(local(settings, control, cluster), CONFIGURED, journal);
    }
    if (settings.reader() == Reader.SQL) {
      return chosen(sql(settings, control), CONFIGURED, journal);
    }
    String reason = "data-directory is not configured";
    if (settings.reader() == Reader.AUTO && settings.dataDirectory().isPresent()) {
      try {
        return chosen(local(settings, control, cluster), "data-directory can be read", journal);
      } catch (BackupException e) {
        control.cancellation().check();
        reason = "data-directory cannot be used: " + e.getMessage();
      }
    }
    if (connection instanceof ReplicationConnection replication) {
      return chosen(
          new ReplicationReader(settings, control, replication, repository),
          settings.reader() == Reader.AUTO ? reason : CONFIGURED,
          journal);
    }
    return chosen(sql(settings, control), reason + ", and the role may not replicate", journal);
  }

  private static ClusterReader chosen(ClusterReader reader, String reason, Journal journal) {
    journal.put("reader", reader.name());
    journal.put("reader-because", reason);
    journal.note("Reads with reader: " + reader.name() + ", because " + reason);
    return reader;
  }

  private static ClusterReader local(
      PostgresSettings settings, RunControl control, ClusterIdentity cluster) throws IOException {
    Optional<Path> folder = settings.dataDirectory();
    if (folder.isEmpty()) {
      throw PostgresSettings.dataDirectoryMissing(settings.source());
    }
    BackupBracket bracket = BackupBracket.open(settings, control.cancellation());
    try {
      LocalFiles files =
          DataDirectoryProof.usable(
              settings, folder.get(), bracket.sql(), bracket.majorVersion(), cluster.systemId());
      return new FilesReader(Reader.LOCAL.label(), settings, control, files, bracket);
    } catch (IOException | RuntimeException e) {
      bracket.close();
      throw e;
    }
  }

  private static ClusterReader sql(PostgresSettings settings, RunControl control) {
    BackupBracket bracket = BackupBracket.open(settings, control.cancellation());
    boolean opened = false;
    try {
      List<String> functions = new ArrayList<>(BackupRights.functions(bracket.majorVersion()));
      functions.addAll(SqlFiles.functions());
      BackupRights.require(settings, bracket.sql(), functions);
      SqlFiles files = SqlFiles.open(settings, control.cancellation(), bracket.sql());
      opened = true;
      return new FilesReader(Reader.SQL.label(), settings, control, files, bracket);
    } finally {
      if (!opened) {
        bracket.close();
      }
    }
  }
}
