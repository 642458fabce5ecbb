package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.RetentionForecast;
import com.thorbis.backup.api.RetentionPlan;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.ThorbisBackup;
import java.io.PrintStream;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** What retention will have left of sources, at dates from now to a moment. */
final class PruneForecast {
  private static final int DATES = 12;
  private static final int MOST_BACKUPS = 100_000;

  private static final Comparator<Map.Entry<String, Long>> MOST_FIRST =
      Map.Entry.<String, Long>comparingByValue().reversed().thenComparing(Map.Entry::getKey);

  private final List<Instant> regular;
  private final boolean asked;
  private final List<Instant> dates;
  private final Map<String, List<RetentionForecast>> found = new LinkedHashMap<>();

  private PruneForecast(List<Instant> regular, boolean asked, List<Instant> dates) {
    this.regular = regular;
    this.asked = asked;
    this.dates = dates;
  }

  /**
   * As far ahead as somebody wrote, with a backup as often as they wrote; else as the schedule of a
   * source says, and every day where it has none.
   */
  static PruneForecast until(String ahead, @Nullable String every) {
    Duration length = Times.span("--forecast", ahead);
    Duration interval = Times.span("--every", every == null ? "1d" : every);
    if (length.dividedBy(interval) > MOST_BACKUPS) {
      throw tooMany();
    }
    Instant now = Instant.now();
    Instant end = now.plus(length);
    return new PruneForecast(
        Stream.iterate(now.plus(interval), at -> !at.isAfter(end), at -> at.plus(interval))
            .toList(),
        every != null,
        LongStream.rangeClosed(0, DATES)
            .mapToObj(i -> now.plus(length.multipliedBy(i).dividedBy(DATES)))
            .toList());
  }

  private static BackupException tooMany() {
    return Failure.usage(
        "That makes more than " + MOST_BACKUPS + " backups",
        "Look less far ahead, or at fewer backups with --every.");
  }

  /** Foretells one source. */
  void of(ThorbisBackup opened, String source, RetentionPolicy policy, Timetable timetable) {
    List<Instant> scheduled =
        asked ? List.of() : timetable.backups(source, dates.get(0), dates.get(DATES));
    if (scheduled.size() > MOST_BACKUPS) {
      throw tooMany();
    }
    found.put(
        source, opened.forecast(source, policy, scheduled.isEmpty() ? regular : scheduled, dates));
  }

  Map<String, @Nullable Object> json() {
    List<Map<String, @Nullable Object>> items = new ArrayList<>();
    found.forEach(
        (source, forecasts) -> {
          for (RetentionForecast one : forecasts) {
            items.add(
                Json.object(
                    "source", source,
                    "at", one.at(),
                    "backups", one.backups().size(),
                    "oldest", oldest(one).orElse(null),
                    "rules", rules(one),
                    "alarms", one.plan().alarms()));
          }
        });
    return Json.object("items", items);
  }

  void show(PrintStream out) {
    List<List<String>> rows = new ArrayList<>();
    rows.add(List.of("SOURCE", "AT", "BACKUPS", "OLDEST", "KEPT BY"));
    found.forEach(
        (source, forecasts) -> {
          for (RetentionForecast one : forecasts) {
            rows.add(
                List.of(
                    source,
                    Text.time(one.at()),
                    Integer.toString(one.backups().size()),
                    oldest(one).map(Text::time).orElse("-"),
                    rules(one).entrySet().stream()
                        .sorted(MOST_FIRST)
                        .map(rule -> rule.getValue() + " " + rule.getKey())
                        .collect(Collectors.joining(", "))));
          }
        });
    Text.table(rows).forEach(out::println);
    found.forEach(
        (source, forecasts) ->
            forecasts.stream()
                .flatMap(one -> one.plan().alarms().stream())
                .distinct()
                .forEach(alarm -> out.println("alarm: " + source + ": " + alarm)));
  }

  private static Optional<Instant> oldest(RetentionForecast one) {
    return one.backups().stream().map(BackupDescriptor::stoppedAt).min(Comparator.naturalOrder());
  }

  /** How many backups stay because of each rule; one may stay because of several. */
  private static Map<String, Long> rules(RetentionForecast one) {
    return one.plan().decisions().stream()
        .filter(RetentionPlan.Decision::keep)
        .flatMap(kept -> kept.reasons().stream().map(PruneForecast::rule).distinct())
        .collect(Collectors.groupingBy(rule -> rule, LinkedHashMap::new, Collectors.counting()));
  }

  /** The word that a reason begins with. */
  private static String rule(String reason) {
    return reason.replaceFirst("[ :].*", "");
  }
}
