package com.thorbis.backup.api;

import java.util.List;
import java.util.OptionalLong;

/**
 * What a load did. Every table was counted and compared afterwards with what the source had when
 * the dump's snapshot was taken.
 *
 * @param backup the dump
 * @param target the server and database it went into
 * @param tables each table with rows
 * @param excluded tables that were left out of the dump
 * @param warnings what needs a look
 * @param durationMillis how long it took
 */
public record LoadReport(
    BackupId backup,
    String target,
    List<LoadedTable> tables,
    List<LoadRequest.Table> excluded,
    List<String> warnings,
    long durationMillis) {
  /** Copies the lists. */
  public LoadReport {
    tables = List.copyOf(tables);
    excluded = List.copyOf(excluded);
    warnings = List.copyOf(warnings);
  }

  /** How many tables were compared: all whose rows the dump knows. */
  public int compared() {
    return (int) tables.stream().filter(table -> table.outcome() != Outcome.UNKNOWN).count();
  }

  /** Whether every table that was compared has the same content. */
  public boolean same() {
    return tables.stream()
        .allMatch(table -> table.outcome() == Outcome.SAME || table.outcome() == Outcome.UNKNOWN);
  }

  /** Whether a table has other rows than were dumped, or can no longer be asked for them. */
  public boolean differs() {
    return tables.stream().anyMatch(table -> table.outcome() == Outcome.DIFFERENT);
  }

  /**
   * A table that was loaded.
   *
   * @param table which
   * @param expectedRows how many rows the source had; empty where it could not be asked
   * @param rows how many rows the target has; empty where it could not be asked
   * @param outcome what the comparison says
   */
  public record LoadedTable(
      LoadRequest.Table table, OptionalLong expectedRows, OptionalLong rows, Outcome outcome) {}

  /** What comparing a table says. Constants may be added. */
  public enum Outcome {
    /** As many rows, with the same content. */
    SAME("same"),
    /** As many rows; their content could not be compared. */
    COUNTED("counted"),
    /** Other rows than the source had, or rows that nobody could be asked for after the load. */
    DIFFERENT("different"),
    /** Nobody knows: the source could not be asked. */
    UNKNOWN("unknown");

    private final String label;

    Outcome(String label) {
      this.label = label;
    }

    /** The name on the command line; never changes. */
    public String label() {
      return label;
    }
  }
}
