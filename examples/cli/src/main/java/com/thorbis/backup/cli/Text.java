package com.thorbis.backup.cli;

import com.thorbis.backup.api.WalGap;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/** How people read sizes, times and lists. */
final class Text {
  private static final String[] UNITS = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

  private static final Pattern DISGUISES =
      Pattern.compile("[\\p{Cc}\\u061C\\u200E\\u200F\\u2028\\u2029\\u202A-\\u202E\\u2066-\\u2069]");

  private Text() {}

  static String bytes(long bytes) {
    if (bytes < 0) {
      return "unknown";
    }
    int unit = bytes == 0 ? 0 : (63 - Long.numberOfLeadingZeros(bytes)) / 10;
    if (unit == 0) {
      return bytes + " B";
    }
    return String.format(Locale.ROOT, "%.1f %s", bytes / Math.scalb(1.0, 10 * unit), UNITS[unit]);
  }

  static String span(long millis) {
    if (millis < 1000) {
      return millis + " ms";
    }
    if (millis < 60_000) {
      return String.format(Locale.ROOT, "%.1f s", millis / 1000.0);
    }
    Duration span = Duration.ofMillis(millis);
    if (span.toHours() == 0) {
      return span.toMinutes() + " min " + span.toSecondsPart() + " s";
    }
    return span.toHours() + " h " + span.toMinutesPart() + " min";
  }

  static String time(Instant time) {
    return time.truncatedTo(ChronoUnit.SECONDS).toString();
  }

  /** The first whole second that is not before a moment: what can be asked for. */
  static String timeFrom(Instant time) {
    Instant second = time.truncatedTo(ChronoUnit.SECONDS);
    return (second.equals(time) ? second : second.plusSeconds(1)).toString();
  }

  static String maybe(Optional<?> value) {
    return value.map(Object::toString).orElse("-");
  }

  /** One line that looks like what it says, whoever chose the names in it. */
  static String plain(String text) {
    return DISGUISES
        .matcher(text)
        .replaceAll(
            found -> String.format(Locale.ROOT, "\\\\u%04X", (int) found.group().charAt(0)));
  }

  /** Lines of columns, the first one the heading. */
  static List<String> table(List<List<String>> cells) {
    List<List<String>> rows =
        cells.stream().map(row -> row.stream().map(Text::plain).toList()).toList();
    List<Integer> widths = new ArrayList<>();
    for (List<String> row : rows) {
      for (int i = 0; i < row.size(); i++) {
        if (i == widths.size()) {
          widths.add(0);
        }
        widths.set(i, Math.max(widths.get(i), row.get(i).length()));
      }
    }
    List<String> lines = new ArrayList<>();
    for (List<String> row : rows) {
      StringBuilder line = new StringBuilder();
      for (int i = 0; i < row.size(); i++) {
        line.append(row.get(i)).append(" ".repeat(widths.get(i) - row.get(i).length() + 2));
      }
      lines.add(line.toString().stripTrailing());
    }
    return lines;
  }

  /** Why log is missing, and since when that is known. */
  static String why(WalGap gap) {
    return gap.reason().orElse("")
        + gap.noticedAt().map(at -> " (noticed at " + time(at) + ")").orElse("");
  }
}
