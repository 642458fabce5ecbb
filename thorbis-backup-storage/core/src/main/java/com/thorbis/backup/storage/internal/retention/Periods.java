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
   * A period.
   *
   * @param frequency what kind: a month never equals a week, whatever their numbers
   * @param ordinal grows with time among periods of a kind
   * @param name as reasons write it
   */
  record Period(Frequency frequency, long ordinal, String name) {
    @Override
    public String toString() {
      return frequency.label() + " " + name;
    }
  }

  /** The period that a moment lies in. */
  static Period of(Frequency frequency, Instant moment, ZoneId zone) {
    OffsetDateTime local = moment.atZone(zone).toOffsetDateTime();
    LocalDate day = local.toLocalDate();
    return switch (frequency) {
      case HOURLY -> {
        // With its offset, for an hour that a change of clocks repeats is two.
        OffsetDateTime hour = local.truncatedTo(ChronoUnit.HOURS);
        yield new Period(
            frequency,
            hour.toEpochSecond(),
            day + "T" + "%02d".formatted(hour.getHour()) + hour.getOffset());
      }
      case DAILY -> new Period(frequency, day.toEpochDay(), day.toString());
      case WEEKLY -> {
        int year = day.get(IsoFields.WEEK_BASED_YEAR);
        int week = day.get(IsoFields.WEEK_OF_WEEK_BASED_YEAR);
        yield new Period(frequency, year * 100L + week, "%04d-W%02d".formatted(year, week));
      }
      case MONTHLY ->
          new Period(
              frequency,
              day.getYear() * 100L + day.getMonthValue(),
              "%04d-%02d".formatted(day.getYear(), day.getMonthValue()));
      case YEARLY -> new Period(frequency, day.getYear(), "%04d".formatted(day.getYear()));
    };
  }
}
