package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.spi.Settings;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.format.DateTimeParseException;
import java.time.format.ResolverStyle;
import java.time.temporal.ChronoField;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;

/** Reads moments and lengths of time as people and PostgreSQL write them. */
final class Times {
  private static final Pattern NO_ZONE =
      Pattern.compile(
          "[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}(:[0-9]{2}(:[0-9]{2}([.][0-9]*)?)?)?)?");
  private static final DateTimeFormatter FORM =
      new DateTimeFormatterBuilder()
          .parseCaseInsensitive()
          .appendPattern("uuuu-MM-dd'T'HH:mm[:ss")
          .optionalStart()
          .appendFraction(ChronoField.NANO_OF_SECOND, 1, 6, true)
          .optionalEnd()
          .appendPattern("][XXX][XX][X]")
          .parseDefaulting(ChronoField.SECOND_OF_MINUTE, 0)
          .toFormatter(Locale.ROOT)
          .withResolverStyle(ResolverStyle.STRICT);

  private Times() {}

  /** A length of time, more than none. */
  static Duration span(String option, String text) {
    try {
      Duration span = Settings.of("", Map.of(option, text)).duration(option, Duration.ZERO);
      if (!span.isZero() && !span.isNegative()) {
        return span;
      }
    } catch (BackupException e) {
      // said below
    }
    throw Failure.usage(
        option + ": \"" + text + "\" is no length of time", "Write one such as 31d, or 6h.");
  }

  /** A moment with its zone; microseconds at most, as PostgreSQL keeps no more. */
  static Instant parse(String option, String text) {
    String given = text.strip();
    if (NO_ZONE.matcher(given).matches()) {
      throw Failure.usage(
          option + ": \"" + text + "\" does not say in which time zone",
          "Write Z for UTC or an offset, such as 2026-01-02T03:04:05Z or"
              + " 2026-01-02T03:04:05+01:00.");
    }
    String joined = given.replaceFirst("^(\\S{10}) +", "$1T").replaceFirst("(?i) *(UTC|GMT)$", "Z");
    try {
      return OffsetDateTime.parse(joined.replace(" ", ""), FORM).toInstant();
    } catch (DateTimeParseException e) {
      throw Failure.usage(
          option + ": \"" + text + "\" is not a moment",
          "Write one such as 2026-01-02T03:04:05Z, 2026-01-02 03:04:05.123456+01:00.");
    }
  }
}
