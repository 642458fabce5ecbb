package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.thorbis.backup.api.BackupException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.TimeZone;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TimesTest {
  @ParameterizedTest
  @CsvSource({
    "2026-01-02T03:04:05Z,             2026-01-02T03:04:05Z",
    "2026-01-02t03:04:05z,             2026-01-02T03:04:05Z",
    "2026-01-02 03:04:05Z,             2026-01-02T03:04:05Z",
    "2026-01-02 03:04Z,                2026-01-02T03:04:00Z",
    "2026-01-02 03:04:05 UTC,          2026-01-02T03:04:05Z",
    "2026-01-02 03:04:05.123456+01:00, 2026-01-02T02:04:05.123456Z",
    "2026-01-02 03:04:05.5+01,         2026-01-02T02:04:05.5Z",
    "2026-01-02T03:04:05-0230,         2026-01-02T05:34:05Z",
    "2026-01-02 03:04:05 +05:30,       2026-01-01T21:34:05Z",
  })
  void readsMoments(String text, Instant moment) {
    assertThat(Times.parse("--to-time", text)).isEqualTo(moment);
  }

  @Test
  void readsLengthsOfTime() {
    assertThat(Times.span("--every", "6h")).isEqualTo(Duration.ofHours(6));
    for (String wrong : List.of("", "0s", "-6h", "6", "never")) {
      assertThat(catchThrowableOfType(BackupException.class, () -> Times.span("--every", wrong)))
          .as(wrong)
          .hasMessage("--every: \"" + wrong + "\" is no length of time");
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"2026-01-02", "2026-01-02 03:04", "2026-01-02T03:04:05", "2026-01-02 03:04:05.1"})
  void w20AMomentWithoutAZoneIsRefused(String text) {
    BackupException failure = failure(text);

    assertThat(failure).hasMessageContaining("does not say in which time zone");
    assertThat(failure.remedy()).contains("2026-01-02T03:04:05Z");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "yesterday",
        "2026-02-30T00:00:00Z",
        "2026-01-02T25:00:00Z",
        "2026-01-02Z",
        "2026-01-02T03:04:05.1234567Z",
        "2026-01-02T03:04:05 Europe/Berlin",
        "1767323045",
        "2016-12-31T23:59:60Z"
      })
  void refusesWhatIsNoMoment(String text) {
    assertThat(failure(text)).hasMessageContaining("is not a moment");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"UTC", "Asia/Kolkata", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"})
  void w20NoClocksZoneAndNoSummerTimeMovesAMoment(String zone) {
    TimeZone before = TimeZone.getDefault();
    TimeZone.setDefault(TimeZone.getTimeZone(zone));
    try {
      // Where clocks in Berlin leave an hour out, and where they run through one twice.
      assertThat(Times.parse("--to-time", "2026-03-29 02:30:00+01:00"))
          .isEqualTo(Instant.parse("2026-03-29T01:30:00Z"));
      assertThat(Times.parse("--to-time", "2026-10-25 02:30:00+02:00"))
          .isEqualTo(Instant.parse("2026-10-25T00:30:00Z"));
      assertThat(Times.parse("--to-time", "2026-10-25 02:30:00+01:00"))
          .isEqualTo(Instant.parse("2026-10-25T01:30:00Z"));
    } finally {
      TimeZone.setDefault(before);
    }
  }

  private static BackupException failure(String text) {
    return catchThrowableOfType(BackupException.class, () -> Times.parse("--to-time", text));
  }
}
