package com.thorbis.backup.postgres.settings;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** How changes are followed behind a dump. */
public sealed interface ChangesSettings {
  /**
   * The server decodes its log, for a slot.
   *
   * @param slot how the slots are called, but for {@code _1} or {@code _2} behind it: a new dump
   *     begins one of them while the other still keeps what is behind the last dump
   * @param publication which tables they are of
   */
  record Slot(String slot, String publication) implements ChangesSettings {
    /** Both slots. */
    public List<String> slots() {
      return List.of(slot + "_1", slot + "_2");
    }
  }

  /**
   * Rows are looked at: a column says whether one is another than it was.
   *
   * @param chosen which column, for some tables; the first that matches counts
   * @param usual which column elsewhere, of those tables that have it
   * @param margin how much older than the begin of its transaction the time in a row may be
   * @param wholeEvery how long updates may stay unseen that leave the column alone
   * @param verify whether the content of tables is digested with each incremental
   */
  record Columns(
      List<Choice> chosen, String usual, Duration margin, Duration wholeEvery, boolean verify)
      implements ChangesSettings {
    /** The column that every table has: the number of the transaction that wrote the row. */
    public static final String EVERY_ROW = "xmin";

    /** Copies the list. */
    public Columns {
      chosen = List.copyOf(chosen);
    }

    /** What is chosen for a table; empty if nothing but what is usual. */
    public Optional<String> chosen(String schema, String name) {
      return chosen.stream()
          .filter(each -> each.tables().matches(schema, name))
          .map(Choice::column)
          .findFirst();
    }

    /** Whether any column is meant that an application fills. */
    public boolean trustsApplications() {
      return !usual.equals(EVERY_ROW)
          || chosen.stream().anyMatch(each -> !each.column().equals(EVERY_ROW));
    }
  }

  /** The column of some tables. */
  record Choice(TablePattern tables, String column) {}
}
