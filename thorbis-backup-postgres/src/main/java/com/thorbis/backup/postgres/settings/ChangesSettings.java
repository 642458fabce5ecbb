package com.thorbis.backup.postgres.settings;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.Settings;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * How changes are followed behind a dump.
 *
 * @param slot how the slots are called, but for {@code _1} or {@code _2} behind it: a new dump
 *     begins one of them while the other still keeps what is behind the last dump
 * @param publication which tables they are of
 */
public record ChangesSettings(String slot, String publication) {
  private static final Pattern NAME = Pattern.compile("[a-z0-9_]{1,61}");
  private static final int LONGEST = 61;

  /** Both slots. */
  public List<String> slots() {
    return List.of(slot + "_1", slot + "_2");
  }

  static Optional<ChangesSettings> of(Settings settings, String source) {
    Optional<String> mode = settings.find("changes.mode");
    if (mode.isEmpty()) {
      return Optional.empty();
    }
    if (!mode.get().equals("slot")) {
      throw wrong(settings, "changes.mode", mode.get(), "slot");
    }
    String derived =
        "thorbis_" + source.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9_]", "_") + "_changes";
    String fallback = derived.substring(0, Math.min(LONGEST, derived.length()));
    return Optional.of(
        new ChangesSettings(
            name(settings, "changes.slot", fallback),
            name(settings, "changes.publication", fallback)));
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
