package com.thorbis.backup.dr.schedule;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.schedule.CronFields.FieldException;
import com.thorbis.backup.spi.Names;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.time.zone.ZoneOffsetTransition;
import java.time.zone.ZoneRules;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The moments at which something is due: times on the clocks of one zone.
 *
 * <p>A time that the clocks leave out, where they are put forward, is due at the moment at which
 * they are. A time that they show twice, where they are put back, is due the first time. So a day
 * that has such a time has exactly one moment for it, and none is lost or doubled; times that all
 * fall into one gap share its one moment.
 */
public final class Schedule {
  private static final Pattern TIME = Pattern.compile("([01]?[0-9]|2[0-3]):([0-5][0-9])");
  private static final Pattern DAY_LIST = Pattern.compile("(?i)[a-z]{3}([,-][a-z]{3})*");
  private static final Pattern OFFSET = Pattern.compile("Z|[+-][0-9]{2}:[0-9]{2}");
  private static final List<String> DAYS = List.of("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat");
  private static final int WEEK = 7;
  private static final Instant EXAMPLE = Instant.parse("2026-01-01T00:00:00Z");
  private static final Duration EXAMPLES = Duration.ofDays(2 * 366);
  private static final int MOST_EXAMPLES = 2000;

  /** How often, and the three fields of cron that say so. */
  private static final Map<String, String> WORDS =
      Map.of(
          "daily", "* * *",
          "weekly", "* * 0",
          "monthly", "1 * *",
          "quarterly", "1 1,4,7,10 *",
          "yearly", "1 1 *");

  private static final String HOURLY = "hourly";
  private static final String FORMS =
      "Write \"Sun 02:00 UTC\", \"Mon-Sat 01:00 Europe/Berlin\", \"02:00 UTC\", \"daily 02:00 UTC\","
          + " \"monthly 03:00 UTC\", or five fields of cron and a zone: \"0 2 * * * UTC\".";

  private final CronFields fields;
  private final ZoneId zone;
  private final String text;

  private Schedule(CronFields fields, ZoneId zone, String text) {
    this.fields = fields;
    this.zone = zone;
    this.text = text;
  }

  /**
   * Parses {@code Sun 02:00 UTC}, {@code 02:00 Europe/Berlin}, {@code daily UTC} or five fields of
   * cron with a zone, {@code 0 2 * * * UTC}.
   *
   * @throws BackupException code {@code schedule.invalid} if it is none of these, names no zone, or
   *     would never be due
   */
  public static Schedule parse(String text) {
    return parse(text, null);
  }

  /**
   * Parses the same.
   *
   * @param otherwise the zone of a text that names none; one that it names wins
   */
  public static Schedule parse(String text, @Nullable ZoneId otherwise) {
    List<String> words =
        new ArrayList<>(
            Arrays.stream(text.strip().split("\\s+", -1)).filter(w -> !w.isEmpty()).toList());
    if (words.isEmpty()) {
      throw invalid(text, "says nothing", FORMS);
    }
    Optional<ZoneId> named = words.size() > 1 ? zone(words) : Optional.empty();
    if (named.isPresent()) {
      words.remove(words.size() - 1);
    }
    Form form = form(text, words);
    ZoneId zone =
        named
            .or(() -> Optional.ofNullable(otherwise))
            .orElseThrow(
                () ->
                    invalid(
                        text,
                        "does not say in which time zone",
                        "Add one, such as \""
                            + form.words()
                            + " UTC\" or \""
                            + form.words()
                            + " Europe/Berlin\"."));
    return new Schedule(form.fields(), zone, form.words() + " " + zone);
  }

  /** The first moment after one. */
  public Instant next(Instant moment) {
    // A time on the wall before this one cannot lead to a later moment: the rule keeps the order.
    LocalDateTime due = fields.from(wall(moment));
    while (true) {
      Instant at = moment(due);
      if (at.isAfter(moment)) {
        return at;
      }
      due = fields.from(due.plusMinutes(1));
    }
  }

  /** The last moment that is not after one. */
  public Instant previous(Instant moment) {
    LocalDateTime wall = wall(moment);
    ZoneOffsetTransition turn = zone.getRules().getTransition(wall);
    // Within an hour that comes twice, later times on the wall have been due already.
    LocalDateTime due =
        fields.upTo(turn != null && turn.isOverlap() ? turn.getDateTimeBefore() : wall);
    while (moment(due).isAfter(moment)) {
      due = fields.upTo(due.minusMinutes(1));
    }
    return moment(due);
  }

  /** The shortest time between two moments, as far as two years show it. */
  Duration shortestInterval() {
    Instant before = next(EXAMPLE);
    Duration shortest = Duration.ofDays(Integer.MAX_VALUE);
    for (int i = 0; i < MOST_EXAMPLES && (i < 2 || before.isBefore(EXAMPLE.plus(EXAMPLES))); i++) {
      Instant at = next(before);
      Duration interval = Duration.between(before, at);
      shortest = interval.compareTo(shortest) < 0 ? interval : shortest;
      before = at;
    }
    return shortest;
  }

  /** Whose clocks count. */
  public ZoneId zone() {
    return zone;
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Schedule that && that.text.equals(text);
  }

  @Override
  public int hashCode() {
    return Objects.hash(text);
  }

  /** The form that parses, with its zone. */
  @Override
  public String toString() {
    return text;
  }

  private LocalDateTime wall(Instant moment) {
    return LocalDateTime.ofInstant(moment, zone).truncatedTo(ChronoUnit.MINUTES);
  }

  private Instant moment(LocalDateTime wall) {
    ZoneRules rules = zone.getRules();
    List<ZoneOffset> offsets = rules.getValidOffsets(wall);
    return offsets.isEmpty()
        ? rules.getTransition(wall).getInstant()
        : wall.toInstant(offsets.get(0)); // of two the first is the one before clocks are put back
  }

  /** What was written, without its zone, in one way of writing. */
  private record Form(CronFields fields, String words) {}

  private static Form form(String text, List<String> words) {
    String first = words.get(0).toLowerCase(Locale.ROOT);
    if (words.size() == 5) {
      return new Form(fields(text, words), String.join(" ", words));
    }
    if (words.size() == 1 && first.equals(HOURLY)) {
      return new Form(fields(text, List.of("0", "*", "*", "*", "*")), HOURLY);
    }
    String time = words.get(words.size() - 1);
    if (words.size() == 1 && TIME.matcher(time).matches()) {
      return at(text, "", "* * *", time);
    }
    if (words.size() <= 2 && WORDS.containsKey(first)) {
      return at(
          text,
          first + " ",
          Objects.requireNonNull(WORDS.get(first)),
          words.size() == 1 ? "00:00" : time);
    }
    if (words.size() == 2 && DAY_LIST.matcher(first).matches()) {
      List<Integer> days = days(text, words.get(0));
      StringBuilder list = new StringBuilder();
      days.forEach(day -> list.append(list.isEmpty() ? "" : ",").append(day));
      return at(text, named(words.get(0)) + " ", "* * " + list, time);
    }
    throw invalid(
        text,
        "is not a schedule",
        Names.nearest(first, WORDS.keySet())
                .filter(near -> !near.equals(first))
                .map(near -> "Did you mean " + near + "? ")
                .orElse("")
            + FORMS);
  }

  private static Form at(String text, String before, String days, String time) {
    Matcher clock = TIME.matcher(time);
    if (!clock.matches()) {
      throw invalid(text, "\"" + time + "\" is not a time", "Write one such as 02:00 or 23:30.");
    }
    int hour = Integer.parseInt(clock.group(1));
    int minute = Integer.parseInt(clock.group(2));
    List<String> fields = new ArrayList<>(List.of(minute + "", hour + ""));
    fields.addAll(List.of(days.split(" ", -1)));
    return new Form(
        fields(text, fields), before + String.format(Locale.ROOT, "%02d:%02d", hour, minute));
  }

  private static CronFields fields(String text, List<String> words) {
    try {
      return CronFields.parse(words);
    } catch (FieldException e) {
      throw invalid(text, String.valueOf(e.getMessage()), FORMS);
    }
  }

  /** The numbers of days, where {@code Sat-Mon} goes over the end of the week. */
  private static List<Integer> days(String text, String list) {
    List<Integer> days = new ArrayList<>();
    for (String part : list.split(",", -1)) {
      String[] ends = part.split("-", -1);
      int from = day(text, ends[0]);
      int to = day(text, ends[ends.length - 1]);
      if (ends.length > 2) {
        throw invalid(
            text, "\"" + part + "\" is not a range of days", "Write one such as Mon-Fri.");
      }
      for (int day = from; ; day = (day + 1) % WEEK) {
        days.add(day);
        if (day == to) {
          break;
        }
      }
    }
    return days;
  }

  private static int day(String text, String name) {
    for (int i = 0; i < WEEK; i++) {
      if (DAYS.get(i).equalsIgnoreCase(name)) {
        return i;
      }
    }
    throw invalid(
        text, "\"" + name + "\" is not a day of the week", "Take " + String.join(", ", DAYS) + ".");
  }

  /** The same days, each with one capital letter. */
  private static String named(String list) {
    StringBuilder named = new StringBuilder();
    for (String part : list.split("(?<=[,-])|(?=[,-])", -1)) {
      named.append(
          part.length() == 1
              ? part
              : part.substring(0, 1).toUpperCase(Locale.ROOT)
                  + part.substring(1).toLowerCase(Locale.ROOT));
    }
    return named.toString();
  }

  /** The zone at the end; empty if what stands there is not meant as one. */
  private static Optional<ZoneId> zone(List<String> words) {
    String name = words.get(words.size() - 1);
    boolean offset = OFFSET.matcher(name).matches();
    if (offset || ZoneId.getAvailableZoneIds().contains(name)) {
      try {
        return Optional.of(ZoneId.of(name));
      } catch (DateTimeException e) {
        throw unknown(words, name);
      }
    }
    boolean meant =
        words.size() == 6
            || words.size() > 1 && TIME.matcher(words.get(words.size() - 2)).matches()
            || name.contains("/") && !name.startsWith("*") && words.size() < 5;
    if (meant) {
      throw unknown(words, name);
    }
    return Optional.empty();
  }

  private static BackupException unknown(List<String> words, String name) {
    return invalid(
        String.join(" ", words),
        "there is no time zone \"" + name + "\"",
        Names.nearest(name, ZoneId.getAvailableZoneIds())
            .map(near -> "Did you mean " + near + "?")
            .orElse("Write UTC, an offset such as +01:00, or a name such as Europe/Berlin."));
  }

  private static BackupException invalid(String text, String problem, String remedy) {
    return BackupException.of(
            "schedule.invalid", FailureKind.CONFIGURATION, "Schedule \"" + text + "\": " + problem)
        .remedy(remedy)
        .build();
  }
}
