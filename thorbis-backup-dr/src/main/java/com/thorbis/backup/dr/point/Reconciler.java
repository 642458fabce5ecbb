package com.thorbis.backup.dr.point;

import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Compares what rows say of files with the files of a backup. Holds the path of each file, some
 * hundred bytes; rows come in batches.
 */
final class Reconciler {
  private static final int BATCH = 10_000;
  private final Map<String, Boolean> named = new LinkedHashMap<>();

  private Reconciler() {}

  /**
   * Compares.
   *
   * @param prefix what comes before the rows' paths in the backup; may be empty
   */
  static Reconciliation compare(
      BackupReader files, String prefix, Connection rows, String query, RunControl control)
      throws IOException, SQLException {
    Reconciler reconciler = new Reconciler();
    reconciler.look(files, prefix, control);
    return reconciler.read(rows, query, control);
  }

  private void look(BackupReader files, String prefix, RunControl control) throws IOException {
    files.entries(
        entry -> {
          control.cancellation().check();
          if (entry.area() == StoredFile.Area.DATA
              && entry.kind() != StoredFile.Kind.DIRECTORY
              && entry.path().startsWith(prefix)) {
            named.put(entry.path().substring(prefix.length()), false);
          }
        });
  }

  private Reconciliation read(Connection rows, String query, RunControl control)
      throws SQLException, IOException {
    long count = 0;
    long withoutPath = 0;
    long missing = 0;
    List<String> missingPaths = new ArrayList<>();
    rows.setReadOnly(true);
    rows.setAutoCommit(false); // else the driver holds every row at once
    try (Statement statement = rows.createStatement()) {
      statement.setFetchSize(BATCH);
      try (ResultSet result = statement.executeQuery(query)) {
        while (result.next()) {
          if (count % BATCH == 0) {
            control.cancellation().check();
          }
          count++;
          String path = result.getString(1);
          if (path == null) {
            withoutPath++;
          } else if (named.computeIfPresent(path, (there, before) -> true) == null) {
            missing++;
            if (missingPaths.size() < Reconciliation.MOST_NAMED) {
              missingPaths.add(path);
            }
          }
        }
      }
    } finally {
      rows.rollback();
    }
    List<String> orphans =
        named.entrySet().stream().filter(file -> !file.getValue()).map(Map.Entry::getKey).toList();
    return new Reconciliation(
        count,
        withoutPath,
        named.size(),
        missing,
        missingPaths,
        orphans.size(),
        orphans.subList(0, Math.min(orphans.size(), Reconciliation.MOST_NAMED)));
  }
}
