package com.thorbis.backup.storage.internal.retention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RetentionForecast;
import com.thorbis.backup.api.RetentionPlan;
import com.thorbis.backup.api.RetentionPlan.WalKeep;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.RetentionPolicy.Frequency;
import com.thorbis.backup.api.RetentionPolicy.Overlap;
import com.thorbis.backup.api.RetentionPolicy.Representative;
import com.thorbis.backup.api.RetentionPolicy.Rule;
import com.thorbis.backup.api.RetentionPolicy.Window;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RetentionTest {
  private final History history = new History();

  // What policies say

  @Test
  void r10AnEmptyPolicyKeepsEverythingAndSaysSo() {
    daily("2026-01-01", 200);
    RetentionPlan plan = plan(RetentionPolicy.builder().minimum(2).build());
    assertThat(plan.deleted()).isEmpty();
    assertThat(plan.alarms()).singleElement().asString().startsWith("retention.policy-empty: ");
    assertThat(plan.decisions())
        .allSatisfy(one -> assertThat(one.reasons()).contains("policy empty"));
    assertThat(plan.wal()).containsExactly(whole(history.last()));
  }

  @Test
  void r10AFigureTakenForAnotherIsStoppedBeforeItDeletesAlmostEverything() {
    daily("2026-01-01", 200);
    RetentionPlan plan = plan(RetentionPolicy.builder().yearly(7).build());
    assertThat(plan.deleted()).isEmpty();
    assertThat(plan.alarms()).singleElement().asString().startsWith("retention.most-deleted: 199");
    assertThat(plan.decisions().get(0).reasons()).containsExactly("guard most-deleted");
    assertThat(plan.wal()).containsExactly(whole(history.last()));
    assertThat(plan(RetentionPolicy.builder().yearly(7).mostDeletedPercent(100).build()).kept())
        .containsExactly(history.last().id());
  }

  @Test
  void r10AMinimumThatIsNotThereDeletesNothing() {
    daily("2026-01-01", 20);
    RetentionPlan plan = plan(policy().daily(1).minimum(21).build());
    assertThat(plan.deleted()).isEmpty();
    assertThat(plan.alarms())
        .singleElement()
        .asString()
        .startsWith("retention.below-minimum: 20 verified backups of at least 21");
  }

  @Test
  void aSmallRepositoryCanLetGoOfMostOfIt() {
    daily("2026-01-01", 6);
    assertThat(plan(RetentionPolicy.builder().daily(1).build()).deleted()).hasSize(5);
    daily("2026-01-07", 1);
    assertThat(plan(RetentionPolicy.builder().daily(1).build()).deleted()).isEmpty();
  }

  @Test
  void nothingIsDeletedWhileTheNewestIsTooOld() {
    daily("2026-01-01", 5);
    RetentionPolicy policy = policy().daily(3).freshWithin(Duration.ofHours(30)).build();
    Instant last = history.last().stoppedAt();
    assertThat(plan(policy, last.plus(Duration.ofHours(30))).deleted()).hasSize(2);
    RetentionPlan late = plan(policy, last.plus(Duration.ofHours(31)));
    assertThat(late.deleted()).isEmpty();
    assertThat(late.alarms()).singleElement().asString().startsWith("retention.not-fresh: ");
    assertThat(late.decisions().get(0).reasons()).containsExactly("guard not-fresh");
  }

  @Test
  void r6WindowsEndWithTheNewestBackupHoweverMuchLaterItIs() {
    daily("2026-01-01", 40);
    RetentionPolicy policy =
        policy()
            .rule(Frequency.DAILY, window(10, ChronoUnit.DAYS))
            .pitr(Duration.ofDays(3))
            .build();
    RetentionPlan soon = plan(policy, history.last().stoppedAt());
    RetentionPlan late = plan(policy, Instant.parse("2036-01-01T00:00:00Z"));
    assertThat(soon.kept()).hasSize(11).isEqualTo(late.kept());
    assertThat(soon.wal()).isEqualTo(late.wal());
  }

  @Test
  void aRuleWithBothPartsKeepsTheirUnion() {
    daily("2026-01-01", 10);
    daily("2026-03-01", 4);
    Rule both = new Rule(6, Optional.of(new Window(2, ChronoUnit.DAYS)));
    assertThat(plan(policy().rule(Frequency.DAILY, both).build()).kept()).hasSize(6);
    Rule wide = new Rule(2, Optional.of(new Window(70, ChronoUnit.DAYS)));
    assertThat(plan(policy().rule(Frequency.DAILY, wide).build()).kept()).hasSize(14);
  }

  @Test
  void sharedRulesEndTogetherAndAdditionalOnesFollowEachOther() {
    daily("2026-01-01", 180); // to Monday 2026-06-29
    RetentionPolicy.Builder policy = policy().daily(7).weekly(4).monthly(3);
    assertThat(periods(plan(policy.build()), "weekly"))
        .containsExactly("2026-W24", "2026-W25", "2026-W26", "2026-W27");
    assertThat(periods(plan(policy.build()), "monthly"))
        .containsExactly("2026-04", "2026-05", "2026-06");
    RetentionPlan additional = plan(policy.overlap(Overlap.ADDITIONAL).build());
    assertThat(periods(additional, "weekly"))
        .containsExactly("2026-W22", "2026-W23", "2026-W24", "2026-W25");
    // 31 May was a Sunday: the week kept it.
    assertThat(periods(additional, "monthly")).containsExactly("2026-02", "2026-03", "2026-04");
  }

  @Test
  void theOldestOfAPeriodResistsDisplacement() {
    Candidate first = history.verified("2026-01-01T01:00:00Z");
    Candidate second = history.verified("2026-01-01T13:00:00Z");
    Candidate next = history.verified("2026-01-02T01:00:00Z");
    assertThat(plan(policy().daily(2).build()).kept()).containsExactly(second.id(), next.id());
    assertThat(plan(policy().daily(2).representative(Representative.OLDEST).build()).kept())
        .containsExactly(first.id(), next.id());
  }

  // The calendar

  /** A month and an ISO week of the same figures once shared a slot elsewhere, and weeks went. */
  @Test
  void aMonthNeverTakesTheSlotOfAWeek() {
    daily("2023-06-01", 380); // to 2024-06-14
    RetentionPlan plan = plan(policy().weekly(26).monthly(12).build());
    assertThat(periods(plan, "monthly")).contains("2024-05").hasSize(12);
    List<String> weeks = new ArrayList<>();
    for (int week = 51; week <= 52; week++) {
      weeks.add("2023-W" + week);
    }
    for (int week = 1; week <= 24; week++) {
      weeks.add("2024-W%02d".formatted(week));
    }
    assertThat(periods(plan, "weekly")).containsExactlyElementsOf(weeks);
  }

  @Test
  void weeksAreThoseOfIsoOnEveryDayOfTenYears() {
    Map<String, Integer> days = new HashMap<>();
    Map<String, Long> ordinals = new HashMap<>();
    long before = 0;
    LocalDate end = LocalDate.parse("2031-01-06");
    for (LocalDate day = LocalDate.parse("2019-12-30"); day.isBefore(end); day = day.plusDays(1)) {
      Periods.Period week =
          Periods.of(Frequency.WEEKLY, day.atTime(12, 0).toInstant(ZoneOffset.UTC), ZoneOffset.UTC);
      assertThat(DateTimeFormatter.ISO_WEEK_DATE.format(day)).startsWith(week.name() + "-");
      assertThat(week.ordinal()).isGreaterThanOrEqualTo(before);
      before = week.ordinal();
      assertThat(ordinals.computeIfAbsent(week.name(), name -> week.ordinal()))
          .isEqualTo(week.ordinal());
      days.merge(week.name(), 1, Integer::sum);
    }
    assertThat(days.values()).containsOnly(7);
    assertThat(days).containsKeys("2020-W53", "2026-W53").hasSize(575);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 4, 26, 52, 53, 54, 105, 522})
  void soManyWeeksBackNoneIsMissingOverTenYears(int weeks) {
    daily("2016-01-01", 3_660);
    assertThat(periods(plan(policy().weekly(weeks).build()), "weekly")).hasSize(weeks);
    List<BackupId> kept = plan(policy().weekly(weeks).build()).kept();
    List<LocalDate> dates =
        history.backups().stream()
            .filter(one -> kept.contains(one.id()))
            .map(one -> LocalDate.ofInstant(one.stoppedAt(), ZoneOffset.UTC))
            .toList();
    for (int i = 1; i < dates.size() - 1; i++) {
      assertThat(dates.get(i)).isEqualTo(dates.get(i - 1).plusDays(7)); // Sundays
    }
  }

  @Test
  void anHourThatTheClockRepeatsIsTwo() {
    history.verified("2025-10-26T00:30:00Z"); // 02:30 in summer
    history.verified("2025-10-26T01:30:00Z"); // 02:30 again
    assertThat(periods(plan(policy().hourly(2).zone(ZoneId.of("Europe/Berlin")).build()), "hourly"))
        .containsExactly("2025-10-26T02+02:00", "2025-10-26T02+01:00");
  }

  @Test
  void daysBeginAtMidnightOfTheZone() {
    ZoneId saoPaulo = ZoneId.of("America/Sao_Paulo"); // no midnight on 2018-11-04
    history.verified("2018-11-04T02:59:00Z");
    history.verified("2018-11-04T03:00:00Z");
    history.verified("2018-11-05T01:59:00Z");
    history.verified("2018-11-05T02:00:00Z");
    assertThat(periods(plan(policy().daily(9).zone(saoPaulo).build()), "daily"))
        .containsExactly("2018-11-03", "2018-11-04", "2018-11-05");
    assertThat(periods(plan(policy().daily(9).build()), "daily"))
        .containsExactly("2018-11-04", "2018-11-05");
  }

  @Test
  void aDayThatTheZoneNeverHadIsNotMissed() {
    daily("2011-12-28", 6); // Samoa had no 30 December
    assertThat(periods(plan(policy().daily(3).zone(ZoneId.of("Pacific/Apia")).build()), "daily"))
        .containsExactly("2011-12-31", "2012-01-01", "2012-01-02");
    assertThat(
            Periods.of(
                    Frequency.DAILY,
                    Instant.parse("2011-12-30T10:00:00Z"),
                    ZoneId.of("Pacific/Apia"))
                .name())
        .isEqualTo("2011-12-31");
  }

  // What is not verified, not finished, or not believed

  @Test
  void whereNothingWasVerifiedNothingIsDeleted() {
    for (int day = 1; day <= 9; day++) {
      history.unverified("2026-01-0" + day + "T02:00:00Z");
    }
    RetentionPlan plan = plan(policy().daily(3).build());
    assertThat(plan.deleted()).isEmpty();
    assertThat(plan.alarms()).singleElement().asString().startsWith("retention.below-minimum: 0");
  }

  @Test
  void rulesLookAtVerifiedBackupsAloneAndAtAll() {
    Candidate first = history.verified("2026-01-01T02:00:00Z");
    Candidate second = history.verified("2026-01-02T02:00:00Z");
    history.unverified("2026-01-03T02:00:00Z");
    Candidate fourth = history.unverified("2026-01-04T02:00:00Z");
    Candidate fifth = history.unverified("2026-01-05T02:00:00Z");
    RetentionPlan plan = plan(policy().daily(2).build());
    assertThat(plan.kept()).containsExactly(first.id(), second.id(), fourth.id(), fifth.id());
    assertThat(reasons(plan, first)).containsExactly("daily 2026-01-01");
    assertThat(reasons(plan, second)).containsExactly("minimum", "daily 2026-01-02");
    assertThat(reasons(plan, fifth)).containsExactly("newest", "daily 2026-01-05 unverified");
  }

  @Test
  void whatAwaitsItsLogStaysAndCountsForNothing() {
    Candidate whole = history.verified("2026-01-01T02:00:00Z");
    Candidate waiting =
        history.add(Instant.parse("2026-01-02T02:00:00Z"), BackupStatus.AWAITING_WAL, true);
    RetentionPlan plan = plan(policy().daily(1).build());
    assertThat(reasons(plan, whole)).contains("newest", "minimum", "daily 2026-01-01");
    assertThat(reasons(plan, waiting)).containsExactly("awaiting-wal");
    assertThat(plan.alarms())
        .singleElement()
        .asString()
        .startsWith("retention.awaiting-wal: " + waiting.id());
  }

  @Test
  void whatIsDatedInTheFutureStaysAndCountsForNothing() {
    Candidate past = history.verified("2026-01-01T02:00:00Z");
    Candidate future = history.verified("2027-01-01T02:00:00Z");
    RetentionPlan plan =
        plan(policy().daily(1).yearly(1).build(), Instant.parse("2026-01-01T03:00:00Z"));
    assertThat(reasons(plan, past)).contains("minimum", "daily 2026-01-01", "yearly 2026");
    assertThat(reasons(plan, future)).containsExactly("newest", "future-dated");
    assertThat(plan.alarms()).singleElement().asString().startsWith("retention.future-dated: ");
  }

  @Test
  void holdsAlwaysWin() {
    daily("2026-01-01", 5);
    List<Candidate> held = new ArrayList<>(history.backups());
    held.set(0, History.hold(held.get(0), "legal case 7"));
    RetentionPlan plan =
        Retention.plan(policy().daily(1).build(), History.SOURCE, held, history.last().stoppedAt());
    assertThat(plan.kept()).containsExactly(held.get(0).id(), held.get(4).id());
    assertThat(reasons(plan, held.get(0))).containsExactly("hold: legal case 7");
  }

  @Test
  void aHoldDoesNotLetAStoppedPlanThrough() {
    daily("2026-01-01", 13);
    RetentionPolicy policy = RetentionPolicy.builder().daily(6).build(); // 7 of 13 are 54 %
    List<Candidate> held = new ArrayList<>(history.backups());
    held.replaceAll(one -> one.sequence() < 6 ? History.hold(one, "pin") : one);
    assertThat(plan(policy).deleted()).isEmpty();
    assertThat(Retention.plan(policy, History.SOURCE, held, history.last().stoppedAt()).deleted())
        .isEmpty();
  }

  // Order

  /** Names and clocks begin anew, and the new backups are not taken for old ones. */
  @Test
  void r12AfterAnUpgradeOrderIsThatOfCommits() {
    daily("2026-01-01", 6);
    history.promote();
    daily("2026-01-07", 3);
    Candidate lastOld = history.last();
    history.upgrade(); // timeline 1, first positions of the log, other system identifier
    daily("2026-01-10", 2);
    List<BackupId> names = history.backups().stream().map(Candidate::id).toList();
    assertThat(names)
        .isSortedAccordingTo((a, b) -> b.value().compareTo(a.value())); // names tell the contrary
    RetentionPlan plan = plan(policy().daily(3).minimum(3).build());
    assertThat(plan.kept()).containsExactlyElementsOf(names.subList(8, 11));
    assertThat(plan.kept()).contains(lastOld.id(), history.last().id());
    assertThat(plan.alarms()).isEmpty();
  }

  @Test
  void r12AClockThatWasSetBackNeverMakesNewBackupsOld() {
    daily("2026-01-01", 10);
    Candidate before = history.last();
    Candidate first = history.verified("1970-01-01T00:10:00Z");
    Candidate second = history.verified("2025-06-01T00:10:00Z");
    RetentionPlan plan = plan(policy().daily(2).pitr(Duration.ofHours(30)).build(), NOW);
    assertThat(plan.kept()).contains(before.id(), first.id(), second.id());
    assertThat(reasons(plan, first)).containsExactly("clock-step");
    assertThat(reasons(plan, second)).containsExactly("newest", "clock-step");
    assertThat(reasons(plan, before)).contains("minimum", "daily 2026-01-10", "pitr window");
    assertThat(plan.alarms())
        .singleElement()
        .asString()
        .startsWith("retention.clock-step: " + first.id() + ", " + second.id());
  }

  @Test
  void r12AClockThatWasAheadForAWhileNeverAgesOutWhatCameAfter() {
    daily("2026-01-01", 5);
    Candidate ahead = history.verified("2026-09-01T02:00:00Z");
    daily("2026-01-06", 5);
    RetentionPlan plan = plan(policy().rule(Frequency.DAILY, window(4, ChronoUnit.DAYS)).build());
    assertThat(periods(plan, "daily"))
        .containsExactly("2026-01-06", "2026-01-07", "2026-01-08", "2026-01-09", "2026-01-10");
    assertThat(reasons(plan, ahead)).containsExactly("clock-step");
  }

  @Test
  void backupsThatRanSideBySideAreNotAClockThatWasSet() {
    history.verified("2026-01-01T02:00:00Z");
    history.verified("2026-01-01T01:10:00Z");
    history.verified("2026-01-01T03:00:00Z");
    assertThat(plan(policy().daily(1).build()).alarms()).isEmpty();
  }

  @Test
  void aBackupOfAnotherSourceOrGivenTwiceIsRefused() {
    daily("2026-01-01", 1);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Retention.plan(policy().build(), "other", history.backups(), NOW));
    List<Candidate> twice = List.of(history.last(), history.last());
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Retention.plan(policy().build(), History.SOURCE, twice, NOW));
  }

  /** Each incremental is complete by itself: the full it was compared with may go before it. */
  @Test
  void r11TheMinimumCountsWhatCanBeRestoredAlone() {
    Candidate full = history.verified("2026-01-01T02:00:00Z");
    for (int day = 2; day <= 9; day++) {
      history.add(
          Instant.parse("2026-01-0" + day + "T02:00:00Z"),
          BackupStatus.COMPLETE,
          true,
          Optional.of(full.id()));
    }
    RetentionPlan plan = plan(policy().daily(1).minimum(2).build());
    assertThat(plan.kept())
        .containsExactly(history.backups().get(7).id(), history.backups().get(8).id());
    for (Candidate one : history.backups().subList(7, 9)) {
      assertThat(needs(plan, one)).isTrue();
    }
    // What is not verified, or awaits its log, does not make up the number.
    history.unverified("2026-01-10T02:00:00Z");
    history.add(Instant.parse("2026-01-11T02:00:00Z"), BackupStatus.AWAITING_WAL, true);
    plan = plan(policy().daily(1).minimum(2).build());
    assertThat(plan.kept()).hasSize(4).contains(history.backups().get(7).id());
  }

  // The log

  @Test
  void r13TheWindowRestsOnABackupThatStoppedBeforeItAndAllLogSince() {
    daily("2026-01-01", 30);
    RetentionPlan plan = plan(policy().daily(1).pitr(Duration.ofDays(7)).build());
    // The backup of the 23rd stopped exactly where the window begins, so the one before it stays.
    Candidate base = history.backups().get(21);
    assertThat(reasons(plan, base)).containsExactly("pitr base");
    assertThat(reasons(plan, history.backups().get(22))).containsExactly("pitr window");
    assertThat(plan.kept()).hasSize(9);
    assertThat(plan.wal()).singleElement().extracting(WalKeep::from).isEqualTo(start(base));
    assertThat(reasons(plan, history.backups().get(20)))
        .containsExactly("expired daily 2026-01-21", "expired pitr");
  }

  @Test
  void r13TheBaseOfTheWindowIsVerified() {
    daily("2026-01-01", 3);
    for (int day = 4; day <= 9; day++) {
      history.unverified("2026-01-0" + day + "T02:00:00Z");
    }
    daily("2026-01-10", 5);
    RetentionPlan plan = plan(policy().daily(1).pitr(Duration.ofDays(6)).build());
    assertThat(reasons(plan, history.backups().get(2))).containsExactly("pitr base");
    assertThat(plan.wal())
        .singleElement()
        .extracting(WalKeep::from)
        .isEqualTo(start(history.backups().get(2)));
  }

  @Test
  void r13WithoutAVerifiedBaseEverythingBeforeTheWindowStays() {
    for (int day = 1; day <= 9; day++) {
      history.unverified("2026-01-0" + day + "T02:00:00Z");
    }
    daily("2026-01-10", 3);
    RetentionPlan plan = plan(policy().daily(1).pitr(Duration.ofDays(5)).build());
    assertThat(plan.deleted()).isEmpty();
    assertThat(reasons(plan, history.backups().get(0))).containsExactly("pitr unproven");
    assertThat(plan.alarms()).singleElement().asString().startsWith("retention.pitr-unproven: ");
    assertThat(plan.wal()).containsExactly(whole(history.last()));
  }

  @Test
  void r13BetweenOldBackupsLogGoesAndAroundEachItStays() {
    daily("2026-01-01", 100);
    RetentionPlan plan = plan(policy().monthly(4).pitr(Duration.ofDays(2)).build());
    WalKeep keep = plan.wal().get(0);
    Candidate january = history.backups().get(30);
    assertThat(keep.from()).isEqualTo(start(january));
    assertThat(keep.stretches()).hasSize(4);
    assertThat(keep.needs(start(january), january.backup().stopLsn())).isTrue();
    Candidate next = history.backups().get(31);
    assertThat(keep.needs(start(next), next.backup().stopLsn())).isFalse();
    assertThat(keep.needs(history.last().backup().stopLsn().plus(1L << 40), WalKeep.END)).isTrue();
  }

  @Test
  void withoutAWindowTheLogStaysFromTheOldestBackupThatIsKept() {
    daily("2026-01-01", 10);
    RetentionPlan plan = plan(policy().daily(4).build());
    Candidate oldest = history.backups().get(6);
    assertThat(plan.wal())
        .containsExactly(
            new WalKeep(oldest.backup().incarnation(), oldest.backup().timeline(), start(oldest)));
  }

  @Test
  void r13AfterAPromotionTheOldTimelineStaysAsLongAsTheWindowReachesIt() {
    daily("2026-01-01", 10);
    Line first = history.last().line();
    history.promote();
    daily("2026-01-11", 5);
    RetentionPolicy policy = policy().daily(1).pitr(Duration.ofDays(7)).build();
    RetentionPlan plan =
        Retention.plan(policy, History.SOURCE, history.backups(), history.branches(), NOW);
    assertThat(wal(plan, first).from()).isEqualTo(start(history.backups().get(6)));
    assertThat(wal(plan, history.last().line())).isEqualTo(whole(history.last()));
    daily("2026-01-16", 10);
    plan = Retention.plan(policy, History.SOURCE, history.backups(), history.branches(), NOW);
    assertThat(wal(plan, first).stretches()).noneMatch(one -> one.end().equals(WalKeep.END));
    assertThat(plan.kept()).doesNotContain(history.backups().get(9).id());
  }

  /** Set back behind the newest base: that one is of no use to the new timeline. */
  @Test
  void r13ATimelineThatBeganBehindTheNewestBaseKeepsTheOneBeforeItsBeginning() {
    daily("2026-01-01", 10);
    Candidate before = history.backups().get(4);
    history.setBack(before);
    daily("2026-01-11", 2);
    RetentionPolicy policy = policy().daily(1).pitr(Duration.ofHours(36)).build();
    RetentionPlan known =
        Retention.plan(policy, History.SOURCE, history.backups(), history.branches(), NOW);
    assertThat(reasons(known, before)).containsExactly("pitr base");
    assertThat(known.deleted()).hasSize(8);
    assertThat(known.alarms()).isEmpty();
    RetentionPlan unknown = plan(policy, NOW);
    assertThat(unknown.kept()).containsAll(known.kept());
    assertThat(unknown.alarms())
        .singleElement()
        .asString()
        .startsWith("retention.descent-unknown: it is not known where timeline 2 of ");
  }

  /** One of the two left it further on, and where is not known. */
  @Test
  void r13LogOfATimelineWithoutABackupIsNotCutWhereOneOfTwoLeftIt() {
    daily("2026-01-01", 1);
    history.promote();
    Candidate between = history.unverified("2026-01-02T02:00:00Z");
    history.adopt(between);
    daily("2026-01-03", 1);
    Line further = history.last().line();
    history.setBack(between);
    daily("2026-01-04", 1);
    RetentionPlan plan =
        Retention.plan(
            policy().pitr(Duration.ofHours(36)).build(),
            History.SOURCE,
            history.backups().stream().filter(one -> !one.equals(between)).toList(),
            history.branches().stream().filter(one -> !one.line().equals(further)).toList(),
            NOW);
    assertThat(plan.deleted()).isEmpty();
    assertThat(plan.wal())
        .extracting(one -> new Line(one.incarnation(), one.timeline()))
        .containsExactly(history.backups().get(0).line(), further, history.last().line());
  }

  @Test
  void r13AnAdoptedCopyRestsOnTheLifeItLeftAndAnUpgradedSystemOnNone() {
    daily("2026-01-01", 10);
    Candidate restored = history.last();
    history.adopt(restored);
    daily("2026-01-11", 1);
    Line adopted = history.last().line();
    history.upgrade();
    daily("2026-01-12", 20);
    RetentionPolicy policy = policy().daily(1).pitr(Duration.ofDays(2)).build();
    RetentionPlan plan =
        Retention.plan(policy, History.SOURCE, history.backups(), history.branches(), NOW);
    assertThat(wal(plan, restored.line()))
        .isEqualTo(
            new WalKeep(restored.line().incarnation(), restored.line().timeline(), WalKeep.END));
    assertThat(wal(plan, adopted).from()).isEqualTo(WalKeep.END);
    assertThat(wal(plan, history.last().line()).from()).isEqualTo(start(history.backups().get(27)));
  }

  // Size and prediction

  /** A quadratic plan would not end within the time that every test has. */
  @Test
  void aHundredThousandBackupsArePlannedInOneGo() {
    Instant at = Instant.parse("2010-01-01T00:00:00Z");
    for (int i = 0; i < 100_000; i++) {
      at = at.plus(Duration.ofHours(1));
      history.verified(at);
      if (i % 5_000 == 4_999) {
        history.promote();
      }
    }
    RetentionPlan plan =
        plan(
            policy()
                .hourly(48)
                .daily(30)
                .weekly(12)
                .monthly(12)
                .yearly(20)
                .pitr(Duration.ofDays(7))
                .build());
    assertThat(plan.decisions()).hasSize(100_000);
    assertThat(periods(plan, "yearly")).hasSize(12);
  }

  @Test
  void aForecastIsWhatRetentionWillLeave() {
    RetentionPolicy policy = RetentionPolicy.critical();
    Instant start = Instant.parse("2026-01-01T02:00:00Z");
    Instant end = Instant.parse("2036-01-01T02:00:00Z");
    List<Instant> dates =
        List.of(start.plus(Duration.ofDays(10)), Instant.parse("2027-01-01T12:00:00Z"), end);
    List<RetentionForecast> forecasts =
        Retention.simulate(
            policy,
            History.SOURCE,
            List.of(),
            Stream.iterate(
                    start.plus(Duration.ofDays(1)),
                    at -> !at.isAfter(end),
                    at -> at.plus(Duration.ofDays(1)))
                .toList(),
            dates);
    assertThat(forecasts).extracting(RetentionForecast::at).containsExactlyElementsOf(dates);
    assertThat(forecasts.get(0).backups()).hasSize(10);
    RetentionForecast tenYears = forecasts.get(2);
    assertThat(periods(tenYears.plan(), "daily")).hasSize(30);
    assertThat(periods(tenYears.plan(), "weekly")).hasSize(12);
    assertThat(periods(tenYears.plan(), "monthly")).hasSize(12);
    assertThat(periods(tenYears.plan(), "yearly")).hasSize(7);
    // 30 days; 7 more weeks; the ends of 10 more months, one of which a week keeps; of 5 more
    // years.
    assertThat(tenYears.backups()).hasSize(30 + 7 + 10 + 5);
    assertThat(tenYears.plan().alarms()).isEmpty();
    assertThat(tenYears.plan().kept())
        .isEqualTo(tenYears.backups().stream().map(BackupDescriptor::id).toList());
  }

  private static List<BackupDescriptor> descriptors(List<Candidate> candidates) {
    return candidates.stream().map(Candidate::backup).toList();
  }

  @Test
  void aForecastGoesOnFromTheHistory() {
    daily("2026-01-01", 10);
    Instant last = history.last().stoppedAt();
    List<RetentionForecast> forecasts =
        Retention.simulate(
            policy().daily(4).build(),
            History.SOURCE,
            history.backups(),
            List.of(last.plus(Duration.ofDays(1))),
            List.of(last, last.plus(Duration.ofDays(1)), last.plus(Duration.ofDays(400))));
    assertThat(forecasts.get(0).backups()).isEqualTo(descriptors(history.backups().subList(6, 10)));
    assertThat(forecasts.get(1).backups()).startsWith(history.backups().get(7).backup()).hasSize(4);
    assertThat(forecasts.get(2).backups()).isEqualTo(forecasts.get(1).backups());
    assertThat(forecasts.get(1).backups().get(3).timeline())
        .isEqualTo(history.last().backup().timeline());
  }

  // The examples of docs/retention.md

  @Test
  void theFirstWorkedExampleIsAsTheDocumentTells() {
    daily("2026-10-20", 37); // to Wednesday 2026-11-25
    RetentionPolicy.Builder policy = RetentionPolicy.builder().daily(3).weekly(2).monthly(2);
    RetentionPlan stopped = plan(policy.build());
    assertThat(stopped.deleted()).isEmpty();
    assertThat(stopped.alarms().get(0))
        .startsWith("retention.most-deleted: 32 of 37 backups would go, more than 50 %");
    RetentionPlan plan = plan(policy.mostDeletedPercent(100).build());
    Map<String, List<String>> kept = new HashMap<>();
    for (Candidate one : history.backups()) {
      if (plan.kept().contains(one.id())) {
        kept.put(one.stoppedAt().toString().substring(5, 10), reasons(plan, one));
      }
    }
    assertThat(kept)
        .isEqualTo(
            Map.of(
                "11-25",
                List.of(
                    "newest", "minimum", "daily 2026-11-25", "weekly 2026-W48", "monthly 2026-11"),
                "11-24",
                List.of("daily 2026-11-24"),
                "11-23",
                List.of("daily 2026-11-23"),
                "11-22",
                List.of("weekly 2026-W47"),
                "10-31",
                List.of("monthly 2026-10")));
    assertThat(reasons(plan, history.backups().get(32)))
        .containsExactly(
            "expired daily 2026-11-21",
            "replaced weekly 2026-W47 by " + history.backups().get(33).id(),
            "replaced monthly 2026-11 by " + history.last().id());
  }

  @Test
  void theSecondWorkedExampleIsAsTheDocumentTells() {
    history.verified("2026-11-01T02:00:00Z");
    history.verified("2026-11-08T02:00:00Z");
    history.verified("2026-11-15T02:00:00Z");
    history.verified("2026-11-22T02:00:00Z");
    history.unverified("2026-11-25T02:00:00Z");
    RetentionPlan plan = plan(policy().pitr(Duration.ofDays(7)).build());
    assertThat(plan.decisions().stream().map(RetentionPlan.Decision::reasons))
        .containsExactly(
            List.of("expired pitr"),
            List.of("pitr base"),
            List.of("pitr window"),
            List.of("minimum", "pitr window"),
            List.of("newest", "pitr window"));
    assertThat(plan.wal().get(0).from()).isEqualTo(start(history.backups().get(1)));
  }

  private static final Instant NOW = Instant.parse("2030-01-01T00:00:00Z");

  /** Lets go of as much as the rules say. */
  // Dumps

  @Test
  void aDumpDisplacesNoOtherBackupAndNoneDisplacesIt() {
    Candidate full = history.verified("2026-01-01T02:00:00Z");
    Candidate older = history.dump("2026-01-02T02:00:00Z");
    Candidate dump = history.dump("2026-01-03T02:00:00Z");
    RetentionPlan plan = plan(RetentionPolicy.builder().daily(1).build());
    assertThat(plan.decisions().stream().map(RetentionPlan.Decision::backup))
        .containsExactly(full.id(), older.id(), dump.id());
    assertThat(plan.kept()).containsExactly(full.id(), dump.id());
    assertThat(reasons(plan, full)).contains("newest", "minimum");
    assertThat(reasons(plan, dump)).contains("newest", "minimum");
    assertThat(reasons(plan, older)).containsExactly("expired daily 2026-01-02");
    assertThat(plan.wal()).hasSize(1);
    assertThat(wal(plan, full.line()).from()).isEqualTo(start(full));
  }

  @Test
  void aPartialDumpNeverDisplacesAWholeOneWhichDisplacesPartialOnes() {
    RetentionPolicy policy = policy().daily(1).build();
    Candidate full = history.verified("2026-01-01T02:00:00Z");
    Candidate whole = history.dump("2026-01-02T02:00:00Z");
    Candidate partial = history.partialDump("2026-01-03T02:00:00Z");
    Candidate another = history.partialDump("2026-01-04T02:00:00Z");
    RetentionPlan plan = plan(policy);
    assertThat(plan.kept()).containsExactly(full.id(), whole.id(), another.id());
    assertThat(plan.deleted()).containsExactly(partial.id());
    assertThat(reasons(plan, whole)).contains("newest", "minimum", "daily 2026-01-02");
    assertThat(wal(plan, full.line()).from()).isEqualTo(start(full));

    Candidate next = history.dump("2026-01-05T02:00:00Z");
    plan = plan(policy);
    assertThat(plan.kept()).containsExactly(full.id(), next.id());
    assertThat(plan.deleted()).containsExactly(whole.id(), partial.id(), another.id());
  }

  @Test
  void theWholeDumpsThatGuardsAskForAreNotMadeUpForByPartialOnes() {
    Candidate old = history.dump("2026-01-01T02:00:00Z");
    Candidate whole = history.dump("2026-01-02T02:00:00Z");
    history.partialDump("2026-01-03T02:00:00Z");
    Candidate last = history.partialDump("2026-01-04T02:00:00Z");
    RetentionPlan plan = plan(policy().daily(1).minimum(3).build());
    assertThat(plan.kept()).contains(old.id(), whole.id(), last.id());
    assertThat(plan.alarms()).anyMatch(alarm -> alarm.startsWith("retention.below-minimum: 2 "));
  }

  @Test
  void dumpsKeepNoLogAndEndNoRecoveryWindow() {
    Candidate old = history.verified("2026-01-01T02:00:00Z");
    Candidate base = history.verified("2026-01-10T02:00:00Z");
    history.dump("2026-01-15T02:00:00Z");
    Candidate recent = history.dump("2026-01-28T02:00:00Z");
    Candidate last = history.verified("2026-01-30T02:00:00Z");
    RetentionPlan plan = plan(policy().pitr(Duration.ofDays(7)).build());
    assertThat(plan.kept()).containsExactly(base.id(), recent.id(), last.id());
    assertThat(reasons(plan, base)).containsExactly("pitr base");
    assertThat(reasons(plan, recent)).contains("pitr window");
    assertThat(plan.deleted()).contains(old.id());
    assertThat(wal(plan, last.line()).from()).isEqualTo(start(base));
  }

  @Test
  void whereThereIsNothingButDumpsNoLogIsJudged() {
    history.dump("2026-01-01T02:00:00Z");
    Candidate dump = history.dump("2026-01-02T02:00:00Z");
    RetentionPlan plan = plan(policy().daily(1).build());
    assertThat(plan.kept()).containsExactly(dump.id());
    assertThat(plan.wal()).isEmpty();
    assertThat(plan(RetentionPolicy.builder().minimum(1).build()).wal()).isEmpty();
    List<RetentionForecast> forecasts =
        Retention.simulate(
            policy().daily(1).build(),
            History.SOURCE,
            history.backups(),
            List.of(Instant.parse("2026-01-03T02:00:00Z")),
            List.of(Instant.parse("2026-01-03T03:00:00Z")));
    assertThat(forecasts.get(0).backups()).hasSize(1);
  }

  private static RetentionPolicy.Builder policy() {
    return RetentionPolicy.builder().mostDeletedPercent(100);
  }

  private static Rule window(int amount, ChronoUnit unit) {
    return new Rule(0, Optional.of(new Window(amount, unit)));
  }

  private void daily(String first, int days) {
    Instant at = Instant.parse(first + "T02:00:00Z");
    for (int day = 0; day < days; day++) {
      history.verified(at.plus(Duration.ofDays(day)));
    }
  }

  private RetentionPlan plan(RetentionPolicy policy) {
    Instant latest =
        history.backups().stream().map(Candidate::stoppedAt).max(Instant::compareTo).orElseThrow();
    return plan(policy, latest);
  }

  private RetentionPlan plan(RetentionPolicy policy, Instant now) {
    return Retention.plan(policy, History.SOURCE, history.backups(), now);
  }

  private static List<String> reasons(RetentionPlan plan, Candidate backup) {
    return plan.decisions().stream()
        .filter(one -> one.backup().equals(backup.id()))
        .findFirst()
        .orElseThrow()
        .reasons();
  }

  private static List<String> periods(RetentionPlan plan, String rule) {
    return plan.decisions().stream()
        .filter(RetentionPlan.Decision::keep)
        .flatMap(one -> one.reasons().stream())
        .filter(reason -> reason.startsWith(rule + " "))
        .map(reason -> reason.substring(rule.length() + 1))
        .toList();
  }

  private static Lsn start(Candidate one) {
    return one.backup().startLsn();
  }

  private static WalKeep whole(Candidate one) {
    return new WalKeep(one.backup().incarnation(), one.backup().timeline(), new Lsn(0));
  }

  private static WalKeep wal(RetentionPlan plan, Line line) {
    return plan.wal().stream()
        .filter(one -> line.equals(new Line(one.incarnation(), one.timeline())))
        .findFirst()
        .orElseThrow();
  }

  private static boolean needs(RetentionPlan plan, Candidate one) {
    return wal(plan, one.line()).stretches().stream()
        .anyMatch(
            part ->
                part.start().compareTo(start(one)) <= 0
                    && part.end().compareTo(one.backup().stopLsn()) >= 0);
  }
}
