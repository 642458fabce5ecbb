package com.thorbis.backup.dr.schedule;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.time.zone.ZoneOffsetTransition;
import java.time.zone.ZoneRules;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** Ten years of every zone: what is due when, where clocks are put forward and back. */
class EveryTransitionTest {
  private static final LocalDate FIRST = LocalDate.of(2024, 1, 1);
  private static final LocalDate END = LocalDate.of(2034, 1, 1);
  private static final Instant START = FIRST.atStartOfDay(ZoneOffset.UTC).toInstant();
  private static final Instant STOP = END.atStartOfDay(ZoneOffset.UTC).toInstant();
  private static final Duration AROUND = Duration.ofHours(4);

  /** Of zones whose clocks go alike in these years, one. */
  private static Collection<ZoneId> zones() {
    Map<String, ZoneId> zones = new TreeMap<>();
    for (String name : new TreeSet<>(ZoneId.getAvailableZoneIds())) {
      ZoneId zone = ZoneId.of(name);
      zones.putIfAbsent(zone.getRules().getOffset(START) + " " + transitions(zone), zone);
    }
    return zones.values();
  }

  private static List<ZoneOffsetTransition> transitions(ZoneId zone) {
    List<ZoneOffsetTransition> found = new ArrayList<>();
    ZoneOffsetTransition turn = zone.getRules().nextTransition(START);
    for (;
        turn != null && turn.getInstant().isBefore(STOP);
        turn = zone.getRules().nextTransition(turn.getInstant())) {
      found.add(turn);
    }
    return found;
  }

  @Test
  void everyDayHasExactlyOneMomentInOrder() {
    long days = ChronoUnit.DAYS.between(FIRST, END);
    for (ZoneId zone : zones()) {
      for (String time : List.of("00:00", "02:30")) {
        Schedule schedule = Schedule.parse(time + " " + zone);
        Instant before = schedule.previous(FIRST.atStartOfDay(zone).toInstant().minusNanos(1));
        LocalDate day = FIRST;
        for (; day.isBefore(END); day = day.plusDays(1)) {
          Instant due = schedule.next(before);
          if (!due.isAfter(before) || !belongs(due, day, time, zone)) {
            assertThat(due).as("%s on %s in %s, after %s", time, day, zone, before).isNull();
          }
          if (!schedule.previous(due).equals(due)
              || !schedule.previous(due.minusNanos(1)).equals(before)) {
            assertThat(schedule.previous(due)).as("%s on %s in %s", time, day, zone).isNull();
          }
          before = due;
        }
        assertThat(ChronoUnit.DAYS.between(FIRST, day)).isEqualTo(days);
      }
    }
  }

  @Test
  void everyTimeAroundATransitionIsDueWhenClocksFirstShowItOrALaterOne() {
    int transitions = 0;
    for (ZoneId zone : zones()) {
      for (ZoneOffsetTransition turn : transitions(zone)) {
        transitions++;
        assertThat(turn.getDuration().abs()).isLessThan(AROUND);
        for (LocalDateTime wall : around(turn)) {
          Schedule schedule =
              Schedule.parse("%d %d * * * %s".formatted(wall.getMinute(), wall.getHour(), zone));
          Instant due = firstShown(wall, turn, zone.getRules());
          Instant found = schedule.next(due.minusSeconds(1));
          if (!found.equals(due)) {
            assertThat(found).as("%s in %s", wall, zone).isEqualTo(due);
          }
        }
      }
    }
    assertThat(transitions).isGreaterThan(500);
  }

  private static boolean belongs(Instant due, LocalDate day, String time, ZoneId zone) {
    LocalDateTime wall = LocalDateTime.ofInstant(due, zone);
    LocalDateTime asked = LocalDateTime.parse(day + "T" + time);
    ZoneOffsetTransition gap = zone.getRules().getTransition(asked);
    return wall.equals(asked) || gap != null && gap.isGap() && wall.equals(gap.getDateTimeAfter());
  }

  private static List<LocalDateTime> around(ZoneOffsetTransition turn) {
    LocalDateTime from = turn.getDateTimeBefore();
    LocalDateTime to = turn.getDateTimeAfter();
    LocalDateTime middle = from.plus(Duration.between(from, to).dividedBy(2));
    return List.of(
        from.minusMinutes(1),
        from,
        from.plusMinutes(1),
        middle.truncatedTo(ChronoUnit.MINUTES),
        to.minusMinutes(1),
        to,
        to.plusMinutes(1));
  }

  /** Looks at the clock minute by minute. */
  private static Instant firstShown(
      LocalDateTime asked, ZoneOffsetTransition turn, ZoneRules rules) {
    Instant minute = turn.getInstant().minus(AROUND);
    while (LocalDateTime.ofEpochSecond(minute.getEpochSecond(), 0, rules.getOffset(minute))
        .isBefore(asked)) {
      minute = minute.plusSeconds(60);
    }
    return minute;
  }
}
