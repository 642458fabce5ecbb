package com.thorbis.backup.dr.monitor;

import static com.thorbis.backup.dr.monitor.PlantedEvidence.SOURCE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.ServerLog;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.testkit.SettableClock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Each alarm is raised by what is stored, and cleared by it. */
class MonitorTest {
  private static final Instant NOW = Instant.parse("2026-03-01T12:00:00Z");

  private final SettableClock clock = SettableClock.at(NOW);
  private final PlantedEvidence stored = new PlantedEvidence(NOW);
  private final List<DrillFact> drills = new ArrayList<>();
  private final List<RunFact> runs = new ArrayList<>();
  private final List<RecoveryFact> recoveries = new ArrayList<>();
  private final List<TierFact> tiers = new ArrayList<>();

  private Monitor monitor(UnaryOperator<Expectation.Builder> expected) {
    return Monitor.builder(stored, List.of(SOURCE))
        .expect(expected.apply(Expectation.builder(SOURCE)).build())
        .drills(() -> List.copyOf(drills))
        .runs(() -> List.copyOf(runs))
        .recoveries(() -> List.copyOf(recoveries))
        .tiers(() -> List.copyOf(tiers))
        .clock(clock)
        .build();
  }

  private Monitor monitor() {
    return monitor(expected -> expected);
  }

  private static Alarm only(Look look, AlarmKind kind) {
    assertThat(look.alarms()).extracting(Alarm::kind).containsExactly(kind);
    Alarm alarm = look.alarms().get(0);
    assertThat(alarm.expected()).isNotEmpty();
    assertThat(alarm.found()).isNotEmpty();
    assertThat(alarm.remedy()).isNotEmpty();
    assertThat(AlarmKind.ofCode(kind.code())).contains(kind);
    return alarm;
  }

  private static void clear(Look look) {
    assertThat(look.alarms()).isEmpty();
    assertThat(look.unseen()).isEmpty();
  }

  @Test
  void nothingIsWrongWhereNothingIs() {
    stored.full(NOW.minusSeconds(3600));
    Look look = monitor().look();
    clear(look);
    assertThat(look.worst()).isEmpty();
    assertThat(look.sources().get(0).backupAge()).contains(Duration.ofHours(1));
    assertThat(look.sources().get(0).bytes()).contains(1L << 30);
  }

  @Test
  void aSourceThatNeverHadABackupIsAnAlarmWithoutAnyExpectation() {
    Alarm alarm = only(monitor().look(), AlarmKind.NEVER_SUCCEEDED);
    assertThat(alarm.severity()).isEqualTo(Severity.CRITICAL);
    assertThat(alarm.subject()).isEqualTo(SOURCE);
    assertThat(alarm.since()).contains(stored.registered);
    stored.registered = NOW.minusSeconds(60);
    Monitor daily = monitor(e -> e.maxAge(Duration.ofDays(1)));
    assertThat(only(daily.look(), AlarmKind.NEVER_SUCCEEDED).severity())
        .isEqualTo(Severity.WARNING);
    stored.full(NOW.minusSeconds(30));
    stored.partial();
    assertThat(only(monitor().look(), AlarmKind.NEVER_SUCCEEDED).found()).contains("none of them");
    stored.full(NOW.minusSeconds(30));
    clear(monitor().look());
  }

  @Test
  void aStoppedProcessRaisesWhatWentLateMeanwhileAtItsNextLook() {
    stored.full(NOW.minus(Duration.ofHours(25)));
    Monitor before = monitor(e -> e.maxAge(Duration.ofHours(26)));
    clear(before.look());
    clock.advance(Duration.ofDays(3));
    Monitor restarted = monitor(e -> e.maxAge(Duration.ofHours(26)));
    Alarm alarm = only(restarted.look(), AlarmKind.LATE);
    assertThat(alarm.severity()).isEqualTo(Severity.CRITICAL);
    assertThat(alarm.since()).contains(NOW.plus(Duration.ofHours(1)));
    assertThat(only(before.look(), AlarmKind.LATE)).isEqualTo(alarm);
    stored.full(clock.instant());
    clear(restarted.look());
  }

  private static RecoveryFact recovery(String run, Instant startedAt, RecoveryFact.State state) {
    return new RecoveryFact(
        run, "database-failure", startedAt, state, Optional.of(startedAt), "because");
  }

  @ParameterizedTest
  @CsvSource({
    "FAILED, RECOVERY_FAILED, CRITICAL",
    "STOPPED, RECOVERY_FAILED, WARNING",
    "BLOCKED, RECOVERY_BLOCKED, CRITICAL"
  })
  void aRecoveryThatDoesNotEndWellIsAnAlarm(
      RecoveryFact.State state, AlarmKind kind, Severity severity) {
    stored.full(NOW.minusSeconds(3600));
    recoveries.add(recovery("inc-1", NOW.minusSeconds(600), state));
    recoveries.add(recovery("inc-0", NOW.minusSeconds(900), RecoveryFact.State.SUCCEEDED));
    Alarm alarm = only(monitor().look(), kind);
    assertThat(alarm.severity()).isEqualTo(severity);
    assertThat(alarm.subject()).isEqualTo("inc-1");
    assertThat(alarm.found()).contains("because");
    assertThat(alarm.remedy()).contains("dr status inc-1");

    recoveries.add(recovery("inc-2", NOW.minusSeconds(60), RecoveryFact.State.GOING_ON));
    only(monitor().look(), kind);
    recoveries.add(recovery("inc-3", NOW.minusSeconds(30), RecoveryFact.State.SUCCEEDED));
    clear(monitor().look());
  }

  @Test
  void recoveriesThatCannotBeLookedAtAreNotWell() {
    stored.full(NOW.minusSeconds(3600));
    Monitor monitor =
        Monitor.builder(stored, List.of(SOURCE))
            .recoveries(
                () -> {
                  throw new IllegalStateException("the journal is away");
                })
            .clock(clock)
            .build();
    Look look = monitor.look();
    assertThat(only(look, AlarmKind.NOT_LOOKED).found()).contains("the journal is away");
    assertThat(look.unseen()).contains("recoveries");
  }

  private void tier(List<String> sources, Optional<TierFact.Measured> measured) {
    tiers.clear();
    tiers.add(
        new TierFact("tier-1", Duration.ofMinutes(15), Duration.ofMinutes(5), sources, measured));
  }

  @Test
  void aTierIsComparedWithItsSourcesAndWithWhatWasMeasuredLast() {
    stored.full(NOW.minusSeconds(299));
    tier(List.of(SOURCE), Optional.empty());
    clear(monitor().look());

    clock.advance(Duration.ofSeconds(2));
    Alarm loss = only(monitor().look(), AlarmKind.TIER_RPO);
    assertThat(loss.severity()).isEqualTo(Severity.CRITICAL);
    assertThat(loss.subject()).isEqualTo("tier-1");
    assertThat(loss.found()).contains("of orders");

    stored.full(clock.instant());
    clear(monitor().look());
    Instant at = NOW.minusSeconds(60);
    tier(
        List.of(SOURCE),
        Optional.of(new TierFact.Measured(Duration.ofMinutes(15), at, "run inc-1")));
    clear(monitor().look());
    tier(
        List.of(SOURCE),
        Optional.of(new TierFact.Measured(Duration.ofMinutes(16), at, "run inc-1")));
    assertThat(only(monitor().look(), AlarmKind.TIER_RTO).found()).contains("run inc-1");

    tier(List.of(SOURCE, "ledger"), Optional.empty());
    Alarm unknown = only(monitor().look(), AlarmKind.TIER_RPO);
    assertThat(unknown.severity()).isEqualTo(Severity.WARNING);
    assertThat(unknown.found()).contains("there is no source ledger here");
  }

  @Test
  void aCopyThatIsWrongIsWrongForTheTiersThatNeedIt() {
    stored.full(NOW.minusSeconds(60));
    tier(List.of(SOURCE), Optional.empty());
    stored.copies.add(item("repository.copy-behind", Outcome.FAIL, "two"));
    assertThat(monitor().look().alarms())
        .filteredOn(alarm -> alarm.kind() == AlarmKind.TIER_COPIES)
        .singleElement()
        .satisfies(alarm -> assertThat(alarm.subject()).isEqualTo("tier-1"));
  }

  @Test
  void aTierWhoseSourceWasNotSeenIsNotWell() {
    stored.full(NOW.minusSeconds(3600));
    tier(List.of(SOURCE), Optional.empty());
    stored.failure = new IllegalStateException("away");
    Look look = monitor().look();
    assertThat(look.unseen()).contains("tiers");
    assertThat(look.alarms()).extracting(Alarm::kind).containsOnly(AlarmKind.NOT_LOOKED);
  }

  @Test
  void aPartialBackupIsNotFresh() {
    stored.full(NOW.minus(Duration.ofHours(30)));
    stored.full(NOW);
    stored.partial();
    only(monitor(e -> e.maxAge(Duration.ofHours(26))).look(), AlarmKind.LATE);
  }

  @Test
  void aBackupFromTheFutureIsNotFreshForEver() {
    stored.full(NOW.minus(Duration.ofHours(30)));
    stored.full(NOW.plus(Duration.ofDays(400)));
    assertThat(monitor(e -> e.maxAge(Duration.ofHours(26))).look().alarms())
        .extracting(Alarm::kind)
        .containsExactlyInAnyOrder(AlarmKind.LATE, AlarmKind.CLOCK);
  }

  @Test
  void aTimeOfTheScheduleWithoutABackupIsMissed() {
    UnaryOperator<Instant> midnight = at -> at.truncatedTo(ChronoUnit.DAYS);
    UnaryOperator<Expectation.Builder> nightly =
        e -> e.due(BackupType.INCREMENTAL, midnight, Duration.ofHours(4));
    Instant today = NOW.truncatedTo(ChronoUnit.DAYS);
    stored.full(today.minus(Duration.ofHours(12)));
    Alarm alarm = only(monitor(nightly).look(), AlarmKind.MISSED);
    assertThat(alarm.severity()).isEqualTo(Severity.WARNING);
    assertThat(alarm.since()).contains(today.plus(Duration.ofHours(4)));
    assertThat(alarm.subject()).isEqualTo("orders (incremental)");
    clock.set(today.plus(Duration.ofHours(3))); // the window is open
    clear(monitor(nightly).look());
    clock.set(NOW.plus(Duration.ofDays(1)));
    assertThat(only(monitor(nightly).look(), AlarmKind.MISSED).severity())
        .isEqualTo(Severity.CRITICAL);
    stored.full(clock.instant().truncatedTo(ChronoUnit.DAYS).plusSeconds(1800));
    clear(monitor(nightly).look());
    only(
        monitor(e -> e.due(BackupType.DUMP, midnight, Duration.ofHours(4))).look(),
        AlarmKind.MISSED);
  }

  @Test
  void runsThatFailAreAnAlarmUntilOneSucceeds() {
    stored.full(NOW.minus(Duration.ofHours(30)));
    runs.add(new RunFact(SOURCE, NOW.minusSeconds(200), false, "no route"));
    runs.add(new RunFact("other", NOW.minusSeconds(150), false, "else"));
    Alarm alarm = only(monitor().look(), AlarmKind.FAILING);
    assertThat(alarm.severity()).isEqualTo(Severity.WARNING);
    assertThat(alarm.found()).contains("no route");
    runs.add(new RunFact(SOURCE, NOW.minusSeconds(100), false, "no space"));
    alarm = only(monitor().look(), AlarmKind.FAILING);
    assertThat(alarm.severity()).isEqualTo(Severity.CRITICAL);
    assertThat(alarm.since()).contains(NOW.minusSeconds(200));
    stored.full(NOW.minusSeconds(50)); // by hand
    clear(monitor().look());
    stored.backups.remove(1);
    runs.add(new RunFact(SOURCE, NOW.minusSeconds(20), true, ""));
    clear(monitor().look());
  }

  @Test
  void aBackupThatWaitsForItsLogTooLongIsAnAlarm() {
    stored.full(NOW.minus(Duration.ofHours(5)));
    stored.full(NOW.minus(Duration.ofMinutes(50)));
    stored.awaiting();
    clear(monitor().look());
    clock.advance(Duration.ofMinutes(30));
    Alarm alarm = only(monitor().look(), AlarmKind.AWAITING_LOG);
    assertThat(alarm.since()).contains(NOW.plus(Duration.ofMinutes(10)));
  }

  @Test
  void aGapIsCriticalUntilAFullBackupLiesBehindIt() {
    stored.full(NOW.minusSeconds(60));
    WalRange range = new WalRange(new Timeline(1), Lsn.parse("0/3000000"), Lsn.parse("0/4000000"));
    stored.gaps.add(new WalGap(range, Optional.of(NOW.minusSeconds(9)), Optional.of("dropped")));
    Alarm alarm = only(monitor().look(), AlarmKind.GAP);
    assertThat(alarm.severity()).isEqualTo(Severity.CRITICAL);
    assertThat(alarm.since()).contains(NOW.minusSeconds(9));
    assertThat(alarm.found()).contains("0/3000000", "dropped");
    stored.gaps.clear();
    stored.gaps.add(
        WalGap.unexplained(
            new WalRange(new Timeline(1), Lsn.parse("0/1000000"), Lsn.parse("0/1800000"))));
    assertThat(only(monitor().look(), AlarmKind.GAP).severity()).isEqualTo(Severity.WARNING);
  }

  @Test
  void lagIsWhatTheServerWroteAndNobodyStored() {
    stored.full(NOW.minusSeconds(60));
    Monitor monitor = monitor(e -> e.maxDelay(Duration.ofMinutes(15)));
    stored.lag = Optional.of(Duration.ofHours(1));
    assertThat(only(monitor.look(), AlarmKind.LAG).found()).contains("did not say");
    stored.log = Optional.of(new ServerLog(stored.stored, Optional.empty()));
    clear(monitor.look()); // quiet: all of it is stored
    stored.log = Optional.of(new ServerLog(Lsn.parse("0/6000000"), Optional.empty()));
    clock.advance(Duration.ofMinutes(10));
    clear(monitor.look()); // written since the last look at the earliest
    clock.advance(Duration.ofMinutes(6));
    Alarm alarm = only(monitor.look(), AlarmKind.LAG);
    assertThat(alarm.since()).contains(NOW.plus(Duration.ofMinutes(15)));
    stored.stored = Lsn.parse("0/6000000");
    clear(monitor.look());
  }

  @ParameterizedTest
  @CsvSource({"false,10,", "false,60,WARNING", "false,95,CRITICAL", "true,0,CRITICAL"})
  void aSlotNearItsBudgetIsAnAlarm(boolean lost, long percent, Severity severity) {
    stored.full(NOW.minusSeconds(60));
    stored.log =
        Optional.of(
            new ServerLog(
                stored.stored,
                Optional.of(new ServerLog.Slot("s", true, lost, percent << 20, 100 << 20))));
    if (severity == null) {
      clear(monitor().look());
    } else {
      assertThat(only(monitor().look(), AlarmKind.SLOT).severity()).isEqualTo(severity);
    }
  }

  @Test
  void aFencedClusterIsNotProtected() {
    stored.full(NOW.minusSeconds(60));
    stored.fenced = true;
    assertThat(only(monitor().look(), AlarmKind.FENCED).severity()).isEqualTo(Severity.CRITICAL);
  }

  @Test
  void aKeyThatIsUsedForTooLongIsAnAlarm() {
    stored.full(NOW.minusSeconds(60));
    stored.keySince = NOW.minus(Duration.ofDays(9_000));
    Alarm alarm = only(monitor().look(), AlarmKind.KEY_OLD);
    assertThat(alarm.subject()).isEqualTo("key of orders");
    assertThat(alarm.since().orElseThrow()).isBefore(NOW).isAfter(stored.keySince);
  }

  @Test
  void recipientsAreTriedOnceADayAndWhileOneIsWrongAtEachLook() {
    stored.full(NOW.minusSeconds(60));
    stored.recipients.add(item("repository.key", Outcome.OK, "passphrase"));
    Monitor monitor = monitor();
    clear(monitor.look());
    clear(monitor.look());
    assertThat(stored.recipientTrials).isEqualTo(1);
    clock.advance(Duration.ofDays(1));
    stored.recipients.add(item("repository.key", Outcome.FAIL, "keystore"));
    assertThat(only(monitor.look(), AlarmKind.KEY_REFUSED).subject()).isEqualTo("keystore");
    stored.recipients.remove(1);
    clear(monitor.look());
    assertThat(stored.recipientTrials).isEqualTo(3);
    stored.recipients.add(item("repository.key-unreachable", Outcome.FAIL, "kms"));
    clock.advance(Duration.ofDays(1));
    assertThat(only(monitor.look(), AlarmKind.NOT_LOOKED).subject()).isEqualTo("kms");
  }

  @ParameterizedTest
  @CsvSource({
    "repository.copy-behind,WARN,COPY_BEHIND",
    "repository.copy-unreachable,FAIL,COPY_UNREACHABLE",
    "repository.copy,FAIL,COPY_WRONG"
  })
  void aCopyThatIsNotWellIsAnAlarmUnderItsName(String subject, Outcome outcome, AlarmKind kind) {
    stored.full(NOW.minusSeconds(60));
    stored.copies.add(item("repository.copy", Outcome.OK, "one"));
    stored.copies.add(item(subject, outcome, "two"));
    Alarm alarm = only(monitor().look(), kind);
    assertThat(alarm.subject()).isEqualTo("two");
    assertThat(alarm.severity())
        .isEqualTo(outcome == Outcome.FAIL ? Severity.CRITICAL : Severity.WARNING);
  }

  @ParameterizedTest
  @CsvSource({"repository.key-slot,KEY_DAMAGED", "repository.erasure,ERASURE"})
  void whatElseIsFoundOfKeysIsAnAlarm(String subject, AlarmKind kind) {
    stored.full(NOW.minusSeconds(60));
    stored.recipients.add(item(subject, Outcome.FAIL, "x"));
    only(monitor().look(), kind);
  }

  @Test
  void aCommitOfSomebodyElseAndClocksApartAreAlarms() {
    stored.full(NOW.minusSeconds(60));
    stored.writers.add(item("repository.writers", Outcome.WARN, "w"));
    clear(monitor().look());
    stored.writers.add(item("repository.foreign-commit", Outcome.FAIL, "c"));
    only(monitor().look(), AlarmKind.FOREIGN_COMMIT);
    stored.writers.clear();
    stored.skew = Duration.ofMinutes(-6);
    assertThat(only(monitor().look(), AlarmKind.CLOCK).found()).contains("behind");
  }

  @Test
  void whatOneCopyProvesIsNoProofOfAnother() {
    stored.full(NOW.minusSeconds(60));
    drills.add(fact("two", 3, false));
    drills.add(fact("one", 2, true));
    Alarm failing = only(monitor().look(), AlarmKind.DRILL_FAILING);
    assertThat(failing.found()).contains("of copy two").doesNotContain("of copy one");
    drills.add(fact("two", 1, true));
    clear(monitor().look());
  }

  private static DrillFact fact(String copy, int daysAgo, boolean passed) {
    return new DrillFact(
        SOURCE,
        Optional.of(copy),
        NOW.minus(Duration.ofDays(daysAgo)),
        passed,
        "as it went",
        List.of());
  }

  @Test
  void drillsAreWantedWhereTheyAreExpected() {
    stored.full(NOW.minusSeconds(60));
    clear(monitor().look());
    UnaryOperator<Expectation.Builder> fortnightly = e -> e.drillEvery(Duration.ofDays(15));
    stored.registered = NOW.minus(Duration.ofDays(20));
    assertThat(only(monitor(fortnightly).look(), AlarmKind.DRILL_NEVER).severity())
        .isEqualTo(Severity.CRITICAL);
    drills.add(
        new DrillFact(
            SOURCE, Optional.empty(), NOW.minus(Duration.ofDays(10)), true, "fine", List.of()));
    clear(monitor(fortnightly).look());
    drills.set(
        0,
        new DrillFact(
            SOURCE,
            Optional.empty(),
            NOW.minus(Duration.ofDays(10)),
            true,
            "fine",
            List.of("the plan was changed")));
    Alarm outdated = only(monitor(fortnightly).look(), AlarmKind.DRILL_OUTDATED);
    assertThat(outdated.severity()).isEqualTo(Severity.WARNING);
    assertThat(outdated.found()).contains("the plan was changed");
    clock.advance(Duration.ofDays(6));
    Alarm stale = only(monitor(fortnightly).look(), AlarmKind.DRILL_STALE);
    assertThat(stale.since()).contains(NOW.plus(Duration.ofDays(5)));
    clock.set(NOW);
    drills.add(
        new DrillFact(
            SOURCE,
            Optional.empty(),
            NOW.minus(Duration.ofDays(2)),
            false,
            "index broken",
            List.of()));
    drills.add(
        new DrillFact(
            SOURCE,
            Optional.empty(),
            NOW.minus(Duration.ofDays(1)),
            false,
            "index broken",
            List.of()));
    Alarm failing = only(monitor().look(), AlarmKind.DRILL_FAILING);
    assertThat(failing.since()).contains(NOW.minus(Duration.ofDays(2)));
    assertThat(failing.found()).contains("index broken");
  }

  @ParameterizedTest
  @CsvSource({
    // MiB, then seconds; what they are compared with has a median of about 1000 and 600
    "1000,600,",
    "1300,900,",
    "2000,600,UNUSUAL_SIZE",
    "400,600,UNUSUAL_SIZE",
    "0,600,UNUSUAL_SIZE",
    "1000,3600,UNUSUAL_DURATION",
    "1000,30,"
  })
  void whatIsFarFromThoseBeforeIsUnusual(long mebibytes, long seconds, AlarmKind kind) {
    for (int day = 12; day > 1; day--) {
      // One of them is a giant, and hides nothing.
      stored.taken(
          BackupType.FULL,
          NOW.minus(Duration.ofDays(day)),
          (day == 5 ? 9000L : 995 + day) << 20,
          0,
          Duration.ofSeconds(595 + day));
    }
    stored.taken(
        BackupType.FULL, NOW.minusSeconds(60), mebibytes << 20, 0, Duration.ofSeconds(seconds));
    if (kind == null) {
      clear(monitor().look());
    } else {
      Alarm alarm = only(monitor().look(), kind);
      assertThat(alarm.since()).contains(NOW.minusSeconds(60));
      clear(monitor(e -> e.usual(false)).look());
    }
  }

  @Test
  void churnIsComparedWithinItsTypeAndNotBeforeThereAreEnough() {
    for (int day = 10; day > 3; day--) {
      incremental(day, 100);
    }
    incremental(3, 9000);
    clear(monitor().look()); // seven before it are too few
    incremental(2, 100);
    clear(monitor().look());
    incremental(1, 5000);
    assertThat(only(monitor().look(), AlarmKind.UNUSUAL_CHURN).expected())
        .contains("9 incremental");
    stored.backups.remove(stored.backups.size() - 1);
    incremental(1, 0);
    only(monitor().look(), AlarmKind.UNUSUAL_CHURN);
    stored.full(NOW);
    clear(monitor().look());
  }

  private void incremental(int daysAgo, long changedMebibytes) {
    stored.taken(
        BackupType.INCREMENTAL,
        NOW.minus(Duration.ofDays(daysAgo)),
        50L << 30,
        changedMebibytes << 20,
        Duration.ofMinutes(2));
  }

  @Test
  void whatCannotBeLookedAtIsAnAlarmAndNeverHealthy() {
    stored.full(NOW.minusSeconds(60));
    stored.failure =
        BackupException.of("storage.unavailable", FailureKind.TRANSIENT, "The store is away")
            .remedy("Bring it back.")
            .build();
    Monitor monitor = monitor(e -> e.maxAge(Duration.ofDays(1)));
    Look look = monitor.look();
    Alarm alarm = only(look, AlarmKind.NOT_LOOKED);
    assertThat(alarm.severity()).isEqualTo(Severity.CRITICAL);
    assertThat(alarm.found()).contains("The store is away", "storage.unavailable");
    assertThat(alarm.remedy()).isEqualTo("Bring it back.");
    assertThat(look.unseen()).contains("repository", "copies", "source orders");
    assertThat(monitor.health(Duration.ofMinutes(5)).state()).isEqualTo(Health.State.DOWN);
    stored.failure = null;
    clear(monitor.look());
    stored.serverFailure = new IllegalStateException("refused");
    look = monitor.look();
    assertThat(only(look, AlarmKind.NOT_LOOKED).subject()).isEqualTo("the server of orders");
    assertThat(look.unseen()).containsExactly("server of orders");
  }

  @Test
  void aPartThatDoesNotEndIsLeftBehindAndNotStartedAgain() throws Exception {
    stored.full(NOW.minusSeconds(60));
    CountDownLatch answer = new CountDownLatch(1);
    int[] started = {0};
    stored.beforeStatus =
        () -> {
          started[0]++;
          while (answer.getCount() > 0) {
            try {
              answer.await();
            } catch (InterruptedException e) {
              // A store that heeds no interrupt.
            }
          }
        };
    Monitor monitor =
        Monitor.builder(stored, List.of(SOURCE)).clock(clock).limit(Duration.ofMillis(50)).build();
    assertThat(only(monitor.look(), AlarmKind.NOT_LOOKED).found()).contains("no answer within");
    assertThat(only(monitor.look(), AlarmKind.NOT_LOOKED).found()).contains("has not ended");
    assertThat(started[0]).isEqualTo(1);
    answer.countDown();
    stored.beforeStatus = () -> {};
    Look look = monitor.look();
    for (int i = 0; i < 100 && !look.alarms().isEmpty(); i++) {
      Thread.sleep(10);
      look = monitor.look();
    }
    clear(look);
  }

  @Test
  void healthIsWhatTheLastLookSaidAsLongAsItIsFresh() {
    stored.full(NOW.minusSeconds(60));
    Monitor monitor = monitor();
    assertThat(monitor.health(Duration.ofMinutes(5)).state()).isEqualTo(Health.State.DOWN);
    monitor.look();
    assertThat(monitor.health(Duration.ofMinutes(5)).state()).isEqualTo(Health.State.UP);
    clock.advance(Duration.ofMinutes(6));
    assertThat(monitor.health(Duration.ofMinutes(5)).state()).isEqualTo(Health.State.DOWN);
    stored.skew = Duration.ofHours(1);
    monitor.look();
    assertThat(monitor.health(Duration.ofMinutes(5)).state()).isEqualTo(Health.State.DEGRADED);
  }

  @Test
  void nothingIsExpectedOfASourceThatIsNotThere() {
    assertThatThrownBy(
            () ->
                Monitor.builder(stored, List.of(SOURCE))
                    .expect(Expectation.builder("ordres").build()))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("ordres");
  }

  private static CheckItem item(String subject, Outcome outcome, String about) {
    return new CheckItem(subject, outcome, about + " is so", "Do it.", Optional.of(about));
  }
}
