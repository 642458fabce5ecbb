package com.thorbis.backup.dr.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.thorbis.backup.api.BackupException;
import java.time.Instant;
import java.time.ZoneId;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ScheduleTest {
  private static final Instant START = Instant.parse("2026-03-04T12:34:56.789Z"); // a Wednesday

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          02:00 UTC               | 2026-03-05T02:00:00Z | 2026-03-06T02:00:00Z | 2026-03-04T02:00:00Z
          Sun 02:00 UTC           | 2026-03-08T02:00:00Z | 2026-03-15T02:00:00Z | 2026-03-01T02:00:00Z
          Mon-Sat 01:00 UTC       | 2026-03-05T01:00:00Z | 2026-03-06T01:00:00Z | 2026-03-04T01:00:00Z
          Sat-Mon 1:05 UTC        | 2026-03-07T01:05:00Z | 2026-03-08T01:05:00Z | 2026-03-02T01:05:00Z
          tue,THU 23:59 UTC       | 2026-03-05T23:59:00Z | 2026-03-10T23:59:00Z | 2026-03-03T23:59:00Z
          02:00 Europe/Berlin     | 2026-03-05T01:00:00Z | 2026-03-06T01:00:00Z | 2026-03-04T01:00:00Z
          02:00 +05:30            | 2026-03-04T20:30:00Z | 2026-03-05T20:30:00Z | 2026-03-03T20:30:00Z
          hourly UTC              | 2026-03-04T13:00:00Z | 2026-03-04T14:00:00Z | 2026-03-04T12:00:00Z
          daily UTC               | 2026-03-05T00:00:00Z | 2026-03-06T00:00:00Z | 2026-03-04T00:00:00Z
          daily 12:34 UTC         | 2026-03-05T12:34:00Z | 2026-03-06T12:34:00Z | 2026-03-04T12:34:00Z
          weekly 02:00 UTC        | 2026-03-08T02:00:00Z | 2026-03-15T02:00:00Z | 2026-03-01T02:00:00Z
          monthly 03:00 UTC       | 2026-04-01T03:00:00Z | 2026-05-01T03:00:00Z | 2026-03-01T03:00:00Z
          quarterly UTC           | 2026-04-01T00:00:00Z | 2026-07-01T00:00:00Z | 2026-01-01T00:00:00Z
          yearly UTC              | 2027-01-01T00:00:00Z | 2028-01-01T00:00:00Z | 2026-01-01T00:00:00Z
          0 2 * * * UTC           | 2026-03-05T02:00:00Z | 2026-03-06T02:00:00Z | 2026-03-04T02:00:00Z
          */15 * * * * UTC        | 2026-03-04T12:45:00Z | 2026-03-04T13:00:00Z | 2026-03-04T12:30:00Z
          5/20 9-17/4 * * * UTC   | 2026-03-04T13:05:00Z | 2026-03-04T13:25:00Z | 2026-03-04T09:45:00Z
          0 2 * * 0 UTC           | 2026-03-08T02:00:00Z | 2026-03-15T02:00:00Z | 2026-03-01T02:00:00Z
          0 2 * * 7 UTC           | 2026-03-08T02:00:00Z | 2026-03-15T02:00:00Z | 2026-03-01T02:00:00Z
          0 2 * JAN-FEB mon UTC   | 2027-01-04T02:00:00Z | 2027-01-11T02:00:00Z | 2026-02-23T02:00:00Z
          0 2 29 2 * UTC          | 2028-02-29T02:00:00Z | 2032-02-29T02:00:00Z | 2024-02-29T02:00:00Z
          0 2 31 * * UTC          | 2026-03-31T02:00:00Z | 2026-05-31T02:00:00Z | 2026-01-31T02:00:00Z
          0 2 6 * 1 UTC           | 2026-03-06T02:00:00Z | 2026-03-09T02:00:00Z | 2026-03-02T02:00:00Z
          0 2 30 2 1 UTC          | 2027-02-01T02:00:00Z | 2027-02-08T02:00:00Z | 2026-02-23T02:00:00Z
          0 2 */2 * 1 UTC         | 2026-03-09T02:00:00Z | 2026-03-23T02:00:00Z | 2026-02-23T02:00:00Z
          """)
  void isDueWhenItsTextSays(String text, Instant next, Instant afterNext, Instant previous) {
    Schedule schedule = Schedule.parse(text);

    assertThat(schedule.next(START)).isEqualTo(next);
    assertThat(schedule.next(next)).isEqualTo(afterNext);
    assertThat(schedule.previous(START)).isEqualTo(previous);
    assertThat(schedule.previous(next)).isEqualTo(next);
    assertThat(schedule.previous(next.minusNanos(1))).isEqualTo(previous);
    assertThat(Schedule.parse(schedule.toString())).isEqualTo(schedule).hasSameHashCodeAs(schedule);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ''                      | says nothing                                         | Write "Sun 02:00 UTC"
          02:00                   | does not say in which time zone                      | "02:00 UTC"
          sun 2:00                | does not say in which time zone                      | "Sun 02:00 UTC"
          0 2 * * *               | does not say in which time zone                      | "0 2 * * * UTC"
          daily                   | does not say in which time zone                      | "daily 00:00 UTC"
          02:00 Europe/Berln      | there is no time zone "Europe/Berln"                 | Europe/Berlin?
          0 2 * * * EDT           | there is no time zone "EDT"                          | ?
          02:00 +99:00            | there is no time zone "+99:00"                       | UTC
          Dayly 02:00 UTC         | is not a schedule                                    | Did you mean daily?
          Sin 02:00 UTC           | "Sin" is not a day of the week                       | Sun, Mon
          Mon-Wed-Fri 02:00 UTC   | "Mon-Wed-Fri" is not a range of days                 | Mon-Fri
          24:00 UTC               | is not a schedule                                    | 02:00
          daily noon UTC          | "noon" is not a time                                 | 23:30
          0 2 30 2 * UTC          | no month that it names has such a day                | Write
          0 2 31 4,6,9,11 * UTC   | no month that it names has such a day                | Write
          60 2 * * * UTC          | the minute "60" is not from 0 to 59                  | Write
          0 24 * * * UTC          | the hour "24" is not from 0 to 23                    | Write
          0 2 0 * * UTC           | the day of the month "0" is not from 1 to 31         | Write
          0 2 * 13 * UTC          | the month "13" is not from 1 to 12                   | Write
          0 2 * * 8 UTC           | the day of the week "8" is not from 0 to 7           | Write
          0 2 * * fri-mon UTC     | the day of the week "fri-mon" ends before it begins  | Write
          */0 2 * * * UTC         | the minute "*/0" has a step of 0                     | Write
          0 2 L * * UTC           | the day of the month "l" is not from 1 to 31         | Write
          0 0 2 * * * UTC         | is not a schedule                                    | Write
          """)
  void refusesWhatIsNoScheduleOrNeverDue(String text, String problem, String remedy) {
    BackupException refused =
        catchThrowableOfType(BackupException.class, () -> Schedule.parse(text));

    assertThat(refused.code()).isEqualTo("schedule.invalid");
    assertThat(refused).hasMessageContaining(problem);
    assertThat(refused.remedy()).contains(remedy);
  }

  @Test
  void aZoneInTheTextWinsOverTheOneGivenWithIt() {
    ZoneId berlin = ZoneId.of("Europe/Berlin");

    assertThat(Schedule.parse("02:00", berlin)).hasToString("02:00 Europe/Berlin");
    assertThat(Schedule.parse("02:00 UTC", berlin)).hasToString("02:00 UTC");
    assertThat(Schedule.parse(" sun   2:00 ", berlin).zone()).isEqualTo(berlin);
  }

  @Test
  void aTimeInTheGapIsDueWhereTheGapEndsAndOneThatComesTwiceOnlyAtFirst() {
    Schedule berlin = Schedule.parse("02:30 Europe/Berlin");

    assertThat(moments(berlin, "2026-03-28T00:00:00Z", 3))
        .containsExactly("2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z");
    assertThat(moments(berlin, "2026-10-24T00:00:00Z", 3))
        .containsExactly("2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z");
    assertThat(berlin.previous(Instant.parse("2026-10-25T01:10:00Z")))
        .isEqualTo("2026-10-25T00:30:00Z");
    assertThat(moments(Schedule.parse("*/20 2 * * * Europe/Berlin"), "2026-03-28T23:00:00Z", 3))
        .containsExactly("2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z", "2026-03-30T00:20:00Z");
  }

  @Test
  void aZoneWhoseClocksJumpAtMidnightLosesNoDay() {
    Schedule cairo = Schedule.parse("00:00 Africa/Cairo");

    assertThat(moments(cairo, "2024-04-24T00:00:00Z", 4))
        .containsExactly(
            "2024-04-24T22:00:00Z", // Thursday's
            "2024-04-25T22:00:00Z", // Friday has no 00:00: it begins at 01:00
            "2024-04-26T21:00:00Z",
            "2024-04-27T21:00:00Z");
  }

  @Test
  void aDayThatAZoneLeftOutIsDueWhereTheNextBegins() {
    assertThat(moments(Schedule.parse("12:00 Pacific/Apia"), "2011-12-29T00:00:00Z", 3))
        .containsExactly("2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z");
  }

  private static List<String> moments(Schedule schedule, String after, int count) {
    return Stream.iterate(schedule.next(Instant.parse(after)), schedule::next)
        .limit(count)
        .map(Instant::toString)
        .toList();
  }
}
