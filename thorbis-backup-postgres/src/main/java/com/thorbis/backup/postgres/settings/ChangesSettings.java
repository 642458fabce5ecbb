package com.thorbis.backup.postgres.settings;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.Settings;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

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

  /** What the settings say; empty if changes are not followed. */
  static Optional<ChangesSettings> of(Settings settings, String source) {
    Optional<String> mode = settings.find("changes.mode");
    if (mode.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        switch (mode.get()) {
          case "slot" -> Parsing.slot(settings, source);
          case "column" -> Parsing.columns(settings);
          default -> throw Parsing.wrong(settings, "changes.mode", mode.get(), "slot or column");
        });
  }

  /** Reads them. */
  final class Parsing {
    private static final Pattern NAME = Pattern.compile("[a-z0-9_]{1,61}");
    private static final int LONGEST = 61;

    private Parsing() {}

    private static Slot slot(Settings settings, String source) {
      String derived =
          "thorbis_" + source.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9_]", "_") + "_changes";
      String fallback = derived.substring(0, Math.min(LONGEST, derived.length()));
      return new Slot(
          name(settings, "changes.slot", fallback),
          name(settings, "changes.publication", fallback));
    }

    private static Columns columns(Settings settings) {
      List<Choice> chosen = new ArrayList<>();
      for (String each :
          settings.find("changes.columns").map(TablePattern::split).orElseGet(List::of)) {
        int at = equals(each);
        if (at < 0) {
          throw wrong(settings, "changes.columns", each, "a table and its column, table=column");
        }
        chosen.add(
            new Choice(
                TablePattern.parse(
                    settings.describe("changes.columns"), each.substring(0, at).strip()),
                column(settings, "changes.columns", each.substring(at + 1).strip())));
      }
      return new Columns(
          chosen,
          settings
              .find("changes.column")
              .map(each -> column(settings, "changes.column", each))
              .orElse(Columns.EVERY_ROW),
          settings.duration("changes.column-margin", Duration.ofHours(1)),
          settings.duration("changes.whole-every", Duration.ofDays(7)),
          settings.flag("changes.verify", false));
    }

    /** The last equals sign that is not in quotes. */
    private static int equals(String text) {
      int found = -1;
      boolean quoted = false;
      for (int i = 0; i < text.length(); i++) {
        if (text.charAt(i) == '"') {
          quoted = !quoted;
        } else if (text.charAt(i) == '=' && !quoted) {
          found = i;
        }
      }
      return found;
    }

    private static String column(Settings settings, String key, String text) {
      boolean quoted = text.length() > 2 && text.startsWith("\"") && text.endsWith("\"");
      String name =
          quoted ? text.substring(1, text.length() - 1).replace("\"\"", "\"") : text;
      if (name.isEmpty() || !quoted && name.indexOf('"') >= 0) {
        throw wrong(settings, key, text, "the name of a column");
      }
      return name;
    }

    private static String name(Settings settings, String key, String fallback) {
      String name = settings.find(key).orElse(fallback);
      if (!NAME.matcher(name).matches()) {
        throw wrong(settings, key, name, "1 to 61 lower-case letters, digits and underscores");
      }
      return name;
    }

    private static BackupException wrong(
        Settings settings, String key, String value, String expected) {
      return BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              settings.describe(key) + ": \"" + value + "\" is not " + expected)
          .remedy("Write " + expected + ".")
          .build();
    }
  }
}
