package com.thorbis.backup.api;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What was brought back.
 *
 * @param backup what it started from
 * @param tables the tables that were asked for
 * @param bytesFetched sealed bytes read from the repository for files, the log not among them
 * @param reached the proven position
 * @param durationMillis how long it took
 * @param stages how long each stage took, in milliseconds, in order
 * @param next what to know and to do next, a line each
 */
public record TableRestoreReport(
    BackupId backup,
    List<Table> tables,
    long bytesFetched,
    RestoreReport.Reached reached,
    long durationMillis,
    Map<String, Long> stages,
    List<String> next) {
  /** Copies the collections. */
  public TableRestoreReport {
    tables = List.copyOf(tables);
    stages = Collections.unmodifiableMap(new LinkedHashMap<>(stages));
    next = List.copyOf(next);
  }

  /**
   * One table.
   *
   * @param name as it was asked for
   * @param schema where it is now
   * @param rows how many rows it has, those of its partitions among them
   * @param partitions how many tables came with it
   */
  public record Table(TableName name, String schema, long rows, int partitions) {}

  /** The rows of all tables. */
  public long rows() {
    return tables.stream().mapToLong(Table::rows).sum();
  }
}
