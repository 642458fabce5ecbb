package com.thorbis.backup.dr.monitor;

import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Locale;

/** How alarms say spans, times and sizes. */
final class Said {
  private static final String[] UNITS = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

  private Said() {}

  static String span(Duration span) {
    Duration size = span.abs();
    if (size.toDays() >= 2) {
      return size.toDays() + " d " + size.toHoursPart() + " h";
    }
    if (size.toHours() > 0) {
      return size.toHours() + " h " + size.toMinutesPart() + " min";
    }
    return size.toMinutes() > 0
        ? size.toMinutes() + " min " + size.toSecondsPart() + " s"
        : size.toSeconds() + " s";
  }

  static String time(Instant time) {
    return time.truncatedTo(ChronoUnit.SECONDS).toString();
  }

  static String bytes(long bytes) {
    int unit = bytes <= 0 ? 0 : (63 - Long.numberOfLeadingZeros(bytes)) / 10;
    return unit == 0
        ? bytes + " B"
        : String.format(Locale.ROOT, "%.1f %s", bytes / Math.scalb(1.0, 10 * unit), UNITS[unit]);
  }
}
