package com.thorbis.backup.dr.schedule;

import java.time.DayOfWeek;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.Month;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The five fields of cron: minutes on which clocks on a wall show a time that is asked for. Knows
 * nothing of zones.
 *
 * @param text the fields, one space between them
 * @param either whether a day counts if it fits the month or the week, and need not fit both
 */
record CronFields(
    String text,
    BitSet minutes,
    BitSet hours,
    BitSet monthDays,
    BitSet months,
    BitSet weekDays,
    boolean either) {
  private static final List<String> MONTHS =
      List.of("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec");
  private static final List<String> DAYS = List.of("sun", "mon", "tue", "wed", "thu", "fri", "sat");
  private static final Pattern PART =
      Pattern.compile("(?:(\\*)|([0-9a-z]{1,9})(?:-([0-9a-z]{1,9}))?)(?:/([0-9]{1,3}))?");
  private static final int SUNDAY_TOO = 7;

  /** A field that is not one; the message says what is wrong with it. */
  static final class FieldException extends Exception {
    private static final long serialVersionUID = 1L;

    FieldException(String message) {
      super(message);
    }
  }

  static CronFields parse(List<String> fields) throws FieldException {
    BitSet weekDays = field("day of the week", fields.get(4), 0, SUNDAY_TOO, DAYS, 0);
    if (weekDays.get(SUNDAY_TOO)) {
      weekDays.clear(SUNDAY_TOO);
      weekDays.set(0);
    }
    CronFields parsed =
        new CronFields(
            String.join(" ", fields),
            field("minute", fields.get(0), 0, 59, List.of(), 0),
            field("hour", fields.get(1), 0, 23, List.of(), 0),
            field("day of the month", fields.get(2), 1, 31, List.of(), 0),
            field("month", fields.get(3), 1, 12, MONTHS, 1),
            weekDays,
            !fields.get(2).startsWith("*") && !fields.get(4).startsWith("*"));
    if (!parsed.either && !parsed.hasDay()) {
      throw new FieldException("no month that it names has such a day, so it would never run");
    }
    return parsed;
  }

  /** The first minute that fits from a minute on. */
  LocalDateTime from(LocalDateTime minute) {
    LocalDate day = minute.toLocalDate();
    if (fits(day)) {
      for (int hour = hours.nextSetBit(minute.getHour());
          hour >= 0;
          hour = hours.nextSetBit(hour + 1)) {
        int within = minutes.nextSetBit(hour == minute.getHour() ? minute.getMinute() : 0);
        if (within >= 0) {
          return day.atTime(hour, within);
        }
      }
    }
    do {
      day = months.get(day.getMonthValue()) ? day.plusDays(1) : nextMonth(day);
    } while (!fits(day));
    return day.atTime(hours.nextSetBit(0), minutes.nextSetBit(0));
  }

  /** The last minute that fits up to a minute. */
  LocalDateTime upTo(LocalDateTime minute) {
    LocalDate day = minute.toLocalDate();
    if (fits(day)) {
      for (int hour = hours.previousSetBit(minute.getHour());
          hour >= 0;
          hour = hours.previousSetBit(hour - 1)) {
        int within = minutes.previousSetBit(hour == minute.getHour() ? minute.getMinute() : 59);
        if (within >= 0) {
          return day.atTime(hour, within);
        }
      }
    }
    do {
      day = months.get(day.getMonthValue()) ? day.minusDays(1) : day.withDayOfMonth(1).minusDays(1);
    } while (!fits(day));
    return day.atTime(hours.previousSetBit(23), minutes.previousSetBit(59));
  }

  private static LocalDate nextMonth(LocalDate day) {
    return day.withDayOfMonth(1).plusMonths(1);
  }

  private boolean fits(LocalDate day) {
    if (!months.get(day.getMonthValue())) {
      return false;
    }
    boolean ofMonth = monthDays.get(day.getDayOfMonth());
    boolean ofWeek = weekDays.get(day.getDayOfWeek().getValue() % DayOfWeek.values().length);
    return either ? ofMonth || ofWeek : ofMonth && ofWeek;
  }

  private boolean hasDay() {
    int first = monthDays.nextSetBit(0);
    return months.stream().anyMatch(month -> first <= Month.of(month).maxLength());
  }

  private static BitSet field(
      String name, String text, int least, int most, List<String> names, int firstName)
      throws FieldException {
    BitSet set = new BitSet();
    for (String part : text.toLowerCase(Locale.ROOT).split(",", -1)) {
      Matcher form = PART.matcher(part);
      if (!form.matches()) {
        throw new FieldException("the " + name + " \"" + text + "\" is not one");
      }
      int from = least;
      int to = most;
      if (form.group(1) == null) {
        from = value(name, form.group(2), least, most, names, firstName);
        to =
            form.group(3) != null
                ? value(name, form.group(3), least, most, names, firstName)
                : form.group(4) == null ? from : most;
      }
      if (to < from) {
        throw new FieldException("the " + name + " \"" + part + "\" ends before it begins");
      }
      int step = form.group(4) == null ? 1 : Integer.parseInt(form.group(4));
      if (step == 0) {
        throw new FieldException("the " + name + " \"" + part + "\" has a step of 0");
      }
      for (int i = from; i <= to; i += step) {
        set.set(i);
      }
    }
    return set;
  }

  private static int value(
      String name, String text, int least, int most, List<String> names, int firstName)
      throws FieldException {
    int named = names.indexOf(text);
    if (named >= 0) {
      return named + firstName;
    }
    Optional<Integer> number =
        text.matches("[0-9]{1,3}") ? Optional.of(Integer.parseInt(text)) : Optional.empty();
    return number
        .filter(n -> n >= least && n <= most)
        .orElseThrow(
            () ->
                new FieldException(
                    "the " + name + " \"" + text + "\" is not from " + least + " to " + most));
  }
}
