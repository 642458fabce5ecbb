package com.thorbis.backup.dr.plan;

import java.time.DateTimeException;
import java.time.DayOfWeek;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Times that come back every week or at a fixed distance: {@code Sun 02:00 UTC}, {@code Mon-Sat
 * 01:00 Europe/Berlin}, {@code 01:00 UTC} for every day, {@code every 15m}.
 */
public final class Timetable {
  private static final Pattern FORM =
      Pattern.compile(
          "(?:([A-Za-z]{3}(?:[,-][A-Za-z]{3}){0,6}) )?([0-2][0-9]:[0-5][0-9]) ([A-Za-z0-9_+/:-]{1,60})");
  private static final Map<String, DayOfWeek> DAYS =
      Map.of(
          "mon", DayOfWeek.MONDAY,
          "tue", DayOfWeek.TUESDAY,
          "wed", DayOfWeek.WEDNESDAY,
          "thu", DayOfWeek.THURSDAY,
          "fri", DayOfWeek.FRIDAY,
          "sat", DayOfWeek.SATURDAY,
          "sun", DayOfWeek.SUNDAY);
  private static final String EVERY = "every ";
  private static final int MOST = 20_000;

  private final String text;
  private final Set<DayOfWeek> days;
  private final LocalTime time;
  private final ZoneId zone;
  private final Duration every;

  private Timetable(String text, Set<DayOfWeek> days, LocalTime time, ZoneId zone, Duration every) {
    this.text = text;
    this.days = Collections.unmodifiableSet(days);
    this.time = time;
    this.zone = zone;
    this.every = every;
  }

  /** Parses one of the forms; the zone is never guessed. */
  public static Timetable parse(String text) {
    if (text.startsWith(EVERY)) {
      Duration every = Spans.parse(text.substring(EVERY.length()));
      if (every.compareTo(Duration.ofMinutes(1)) < 0 || every.compareTo(Duration.ofDays(7)) > 0) {
        throw new IllegalArgumentException("\"" + text + "\" is not from 1m to 7d");
      }
      return new Timetable(
          text, EnumSet.allOf(DayOfWeek.class), LocalTime.MIDNIGHT, ZoneId.of("UTC"), every);
    }
    Matcher form = FORM.matcher(text);
    if (!form.matches()) {
      throw new IllegalArgumentException(
          "\"" + text + "\" is not a time such as Sun 02:00 UTC or every 15m");
    }
    try {
      return new Timetable(
          text,
          form.group(1) == null ? EnumSet.allOf(DayOfWeek.class) : days(text, form.group(1)),
          LocalTime.parse(form.group(2)),
          ZoneId.of(form.group(3)),
          Duration.ZERO);
    } catch (DateTimeException e) {
      throw new IllegalArgumentException(
          "\"" + text + "\" names no time or zone: " + e.getMessage(), e);
    }
  }

  /** Its starts from a day on, in order, as many as fit between. */
  List<Instant> starts(LocalDate from, LocalDate to) {
    List<Instant> starts = new ArrayList<>();
    if (!every.isZero()) {
      Instant end = to.atStartOfDay(zone).toInstant();
      for (Instant at = from.atStartOfDay(zone).toInstant();
          at.isBefore(end) && starts.size() < MOST;
          at = at.plus(every)) {
        starts.add(at);
      }
      return starts;
    }
    for (LocalDate day = from; day.isBefore(to); day = day.plusDays(1)) {
      if (days.contains(day.getDayOfWeek())) {
        starts.add(ZonedDateTime.of(day, time, zone).toInstant());
      }
    }
    return starts;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Timetable timetable && text.equals(timetable.text);
  }

  @Override
  public int hashCode() {
    return text.hashCode();
  }

  /** As it was written. */
  @Override
  public String toString() {
    return text;
  }

  private static Set<DayOfWeek> days(String text, String words) {
    Set<DayOfWeek> days = EnumSet.noneOf(DayOfWeek.class);
    for (String part : words.split(",", -1)) {
      String[] ends = part.split("-", -1);
      DayOfWeek day = day(text, ends[0]);
      DayOfWeek last = day(text, ends[ends.length - 1]);
      if (ends.length > 2) {
        throw new IllegalArgumentException("\"" + text + "\" has a range with three ends");
      }
      days.add(day);
      while (day != last) {
        day = day.plus(1);
        days.add(day);
      }
    }
    return days;
  }

  private static DayOfWeek day(String text, String word) {
    DayOfWeek day = DAYS.get(word.toLowerCase(Locale.ROOT));
    if (day == null) {
      throw new IllegalArgumentException("\"" + text + "\": " + word + " is not a day such as Sun");
    }
    return day;
  }
}
