package com.thorbis.backup.postgres.cluster;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.Failures;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Proves that a data directory is the one of the server that answers SQL, and not that of a copy or
 * a standby, which share the system identifier: the server is made to write a file whose name and
 * content nobody else can have now, an exported snapshot. Works on primaries and standbys, and
 * needs no privilege.
 */
public final class DataDirectoryProof {
  private static final Pattern NAME = Pattern.compile("[0-9A-F]{8}-[0-9A-F]{8}-[0-9]+");
  private static final int MOST_BYTES = 4 << 20;

  private DataDirectoryProof() {}

  /**
   * The files of a folder from which a backup can be read.
   *
   * @param sql a session outside of a transaction
   * @param systemId the server's
   * @throws BackupException codes {@code postgres.data-directory}, {@code postgres.unreadable},
   *     {@code postgres.privilege}, {@code postgres.other-data-directory}
   */
  public static LocalFiles usable(
      PostgresSettings settings, Path folder, Connection sql, int majorVersion, long systemId)
      throws IOException {
    LocalFiles files = LocalFiles.open(folder);
    BackupRights.require(settings, sql, BackupRights.functions(majorVersion));
    require(settings, files, sql, systemId);
    files.requireReadable();
    return files;
  }

  private static void require(
      PostgresSettings settings, LocalFiles files, Connection sql, long systemId)
      throws IOException {
    ControlData control = ControlFileCopy.of(files).data();
    if (control.systemId() != systemId) {
      throw refused(
          settings,
          files,
          "is of cluster "
              + Long.toUnsignedString(control.systemId())
              + ", the server is cluster "
              + Long.toUnsignedString(systemId));
    }
    try {
      sql.setAutoCommit(false);
      try (Statement statement = sql.createStatement();
          ResultSet row =
              statement.executeQuery(
                  "SELECT pg_catalog.pg_export_snapshot(), pg_catalog.pg_backend_pid()")) {
        row.next();
        String name = row.getString(1);
        if (!NAME.matcher(name).matches()) {
          throw refused(settings, files, "cannot be proven to be the server's");
        }
        Optional<byte[]> written = files.read("pg_snapshots/" + name, MOST_BYTES);
        String expected = "\npid:" + row.getInt(2) + "\n";
        if (written
            .filter(content -> new String(content, StandardCharsets.US_ASCII).contains(expected))
            .isEmpty()) {
          throw refused(
              settings, files, "is of another server: what this one writes does not appear in it");
        }
      } finally {
        sql.rollback();
        sql.setAutoCommit(true);
      }
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    }
  }

  private static BackupException refused(
      PostgresSettings settings, LocalFiles files, String problem) {
    return BackupException.of(
            "postgres.other-data-directory",
            FailureKind.REFUSED,
            "data-directory: " + files.root() + " " + problem)
        .remedy(
            "Name the data directory of the server at "
                + settings.address()
                + ", as SHOW data_directory says it, or correct url.")
        .detail("path", files.root().toString())
        .build();
  }
}
