package com.thorbis.backup.postgres.settings;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.settings.ChangesSettings.Choice;
import com.thorbis.backup.postgres.settings.ChangesSettings.Columns;
import com.thorbis.backup.postgres.settings.ChangesSettings.Slot;
import com.thorbis.backup.spi.Settings;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/** Reads how changes are followed. */
final class ChangesParser {
  private static final Pattern NAME = Pattern.compile("[a-z0-9_]{1,61}");
  private static final int LONGEST = 61;

  private ChangesParser() {}

  /** What the settings say; empty if changes are not followed. */
  static Optional<ChangesSettings> of(Settings settings, String source) {
    Optional<String> mode = settings.find("changes.mode");
    if (mode.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        switch (mode.get()) {
          case "slot" -> slot(settings, source);
          case "column" -> columns(settings);
          default -> throw wrong(settings, "changes.mode", mode.get(), "slot or column");
        });
  }

  private static Slot slot(Settings settings, String source) {
    String derived =
        "thorbis_" + source.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9_]", "_") + "_changes";
    String fallback = derived.substring(0, Math.min(LONGEST, derived.length()));
    return new Slot(
        name(settings, "changes.slot", fallback), name(settings, "changes.publication", fallback));
  }

  private static Columns columns(Settings settings) {
    List<Choice> chosen = new ArrayList<>();
    for (String each :
        settings.find("changes.columns").map(TablePattern::split).orElseGet(List::of)) {
      int at = sign(each);
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
  private static int sign(String text) {
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
    String name = quoted ? text.substring(1, text.length() - 1).replace("\"\"", "\"") : text;
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
