package com.thorbis.backup.api;

import java.util.List;
import java.util.OptionalLong;

/**
 * What a load would do.
 *
 * @param backup the dump
 * @param database the database that was dumped
 * @param target the server and database it goes into
 * @param tables the tables with rows that it brings
 * @param existing tables of these names that the target has; they refuse a load that does not
 *     replace them
 * @param excluded tables that were left out of the dump
 * @param notes what else a person should know
 */
public record LoadPlan(
    BackupId backup,
    String database,
    String target,
    List<PlannedTable> tables,
    List<LoadRequest.Table> existing,
    List<LoadRequest.Table> excluded,
    List<String> notes) {
  /** Copies the lists. */
  public LoadPlan {
    tables = List.copyOf(tables);
    existing = List.copyOf(existing);
    excluded = List.copyOf(excluded);
    notes = List.copyOf(notes);
  }

  /**
   * A table in the dump.
   *
   * @param table which
   * @param rows how many rows the dump has of it; empty where the source could not be asked
   */
  public record PlannedTable(LoadRequest.Table table, OptionalLong rows) {}
}
