package com.thorbis.backup.storage.internal.retention;

import com.thorbis.backup.api.RetentionPolicy.Frequency;
import java.time.Instant;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.time.temporal.ChronoUnit;
import java.time.temporal.IsoFields;

/** The periods of the calendar. */
final class Periods {
  private Periods() {}

  /**
   * The period that a moment lies in.
   *
   * @param frequency what kind: a month never equals a week, whatever their numbers
   * @param ordinal which of its kind; grows with time
   * @param local a moment in it, in the zone of the policy
   */
  record Period(Frequency frequency, long ordinal, OffsetDateTime local) {
    /** As reasons write it. */
    String name() {
      int year = local.getYear();
      return switch (frequency) {
        case HOURLY -> local.toLocalDate() + "T" + digits(2, local.getHour()) + local.getOffset();
        case DAILY -> local.toLocalDate().toString();
        case WEEKLY -> digits(4, ordinal / 100) + "-W" + digits(2, ordinal % 100);
        case MONTHLY -> digits(4, year) + "-" + digits(2, local.getMonthValue());
        case YEARLY -> digits(4, year);
      };
    }

    @Override
    public String toString() {
      return frequency.label() + " " + name();
    }

    /** Plans name many periods; a formatter would take most of their time. */
    private static String digits(int least, long number) {
      String text = Long.toString(number);
      return "0".repeat(Math.max(0, least - text.length())) + text;
    }
  }

  /** The period that a moment lies in. */
  static Period of(Frequency frequency, Instant moment, ZoneId zone) {
    OffsetDateTime local = moment.atZone(zone).toOffsetDateTime();
    LocalDate day = local.toLocalDate();
    long ordinal =
        switch (frequency) {
          // The hour that a change of clocks repeats begins at two moments.
          case HOURLY -> local.truncatedTo(ChronoUnit.HOURS).toEpochSecond();
          case DAILY -> day.toEpochDay();
          case WEEKLY ->
              day.get(IsoFields.WEEK_BASED_YEAR) * 100L
                  + day.get(IsoFields.WEEK_OF_WEEK_BASED_YEAR);
          case MONTHLY -> day.getYear() * 100L + day.getMonthValue();
          case YEARLY -> day.getYear();
        };
    return new Period(frequency, ordinal, local);
  }
}
