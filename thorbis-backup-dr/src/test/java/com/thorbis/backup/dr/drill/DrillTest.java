package com.thorbis.backup.dr.drill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestoreReport.Reached;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.dr.drill.DrillCheck.Category;
import com.thorbis.backup.dr.drill.DrillCheck.Outcome;
import com.thorbis.backup.dr.drill.DrillReport.Loss;
import com.thorbis.backup.dr.drill.Plant.Result;
import com.thorbis.backup.dr.evidence.EvidenceLog;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DrillTest {
  private static final TestBackup BACKUP = TestBackup.of(1, "2026-01-01T00:00:00Z", "0/2000");

  private static DrillCheck check(String name, boolean required, Outcome outcome) {
    return new DrillCheck(name, Category.INTEGRITY, required, outcome, "", 1);
  }

  @Test
  void whatNobodyLookedAtDoesNotHold() {
    assertThat(check("a", true, Outcome.PASSED).holds()).isTrue();
    assertThat(check("a", true, Outcome.FAILED).holds()).isFalse();
    assertThat(check("a", true, Outcome.NOT_PERFORMED).holds()).isFalse();
    assertThat(check("a", false, Outcome.FAILED).holds()).isTrue();
  }

  @Test
  void aCheckIsBlindThatPassesOverDamageAndIsRequired() {
    List<DrillCheck> checks =
        List.of(check("sees", true, Outcome.PASSED), check("told", false, Outcome.PASSED));
    assertThat(
            Drill.blind(
                checks,
                List.of(
                    new Plant("sees", "one", Result.DETECTED, ""),
                    new Plant("sees", "two", Result.UNDETECTED, ""),
                    new Plant("sees", "three", Result.NOT_PLANTED, ""),
                    new Plant("told", "four", Result.UNDETECTED, ""))))
        .extracting(Plant::damage)
        .containsExactly("two");
  }

  @Test
  void whatThisHostLacksProvesNothing() {
    assertThat(Drill.proves(failure("restore.unreachable", FailureKind.REFUSED))).isTrue();
    assertThat(Drill.proves(failure("pack.damaged", FailureKind.DAMAGED))).isTrue();
    assertThat(Drill.proves(failure("restore.target-not-reached", FailureKind.PERMANENT))).isTrue();
    assertThat(Drill.proves(failure("restore.no-room", FailureKind.REFUSED))).isFalse();
    assertThat(Drill.proves(failure("restore.no-programs", FailureKind.CONFIGURATION))).isFalse();
    assertThat(Drill.proves(failure("storage.unavailable", FailureKind.TRANSIENT))).isFalse();
    assertThat(Drill.proves(failure("file.refused", FailureKind.PERMANENT))).isFalse();
  }

  private static BackupException failure(String code, FailureKind kind) {
    return BackupException.of(code, kind, "").build();
  }

  @Test
  void lossIsJudgedWhereItIsKnown() {
    Duration most = Duration.ofMinutes(1);
    assertThat(Drill.withinLoss(loss(Optional.of(most)), most).outcome()).isEqualTo(Outcome.PASSED);
    assertThat(Drill.withinLoss(loss(Optional.of(most.plusMillis(1))), most).outcome())
        .isEqualTo(Outcome.FAILED);
    assertThat(Drill.withinLoss(loss(Optional.empty()), most).outcome())
        .isEqualTo(Outcome.NOT_PERFORMED);
  }

  @Test
  void lostLogIsCountedInTheFilesThatHaveAnyOfIt() {
    WalSegmentSize size = new WalSegmentSize(16 << 20);
    Lsn from = Lsn.parse("0/2FFFFFF");
    assertThat(Drill.files(from, 0, size)).isZero();
    assertThat(Drill.files(from, 1, size)).isEqualTo(1);
    assertThat(Drill.files(from, 2, size)).isEqualTo(2);
    assertThat(Drill.files(Lsn.parse("0/3000000"), 16 << 20, size)).isEqualTo(1);
    assertThat(Drill.files(Lsn.parse("FFFFFFFF/FE000000"), 1, size)).isEqualTo(1);
  }

  private static Loss loss(Optional<Duration> time) {
    return new Loss(true, 1, OptionalLong.of(1), OptionalLong.of(1), time);
  }

  @Test
  void paceIsComparedWithWhatWasUsual() {
    assertThat(Drill.inPace(900, OptionalLong.empty(), 300).outcome())
        .isEqualTo(Outcome.NOT_PERFORMED);
    assertThat(Drill.inPace(600, OptionalLong.of(200), 300).outcome()).isEqualTo(Outcome.PASSED);
    assertThat(Drill.inPace(601, OptionalLong.of(200), 300).outcome()).isEqualTo(Outcome.FAILED);
    assertThat(Drill.inPace(49, OptionalLong.of(1), 300).outcome()).isEqualTo(Outcome.PASSED);
  }

  @Test
  void aPositionBeforeThePlansFails() {
    Reached there = new Reached(Lsn.parse("0/3000"), Optional.empty(), new Timeline(2));
    Optional<Lsn> until = Optional.of(Lsn.parse("0/3000"));
    assertThat(Checks.target(BACKUP.plan(new RecoveryTarget.Latest(), until), there).outcome())
        .isEqualTo(Outcome.PASSED);
    Optional<Lsn> further = Optional.of(Lsn.parse("0/3001"));
    assertThat(Checks.target(BACKUP.plan(new RecoveryTarget.Latest(), further), there).outcome())
        .isEqualTo(Outcome.FAILED);
    Reached early = new Reached(Lsn.parse("0/1FFF"), Optional.empty(), new Timeline(2));
    assertThat(
            Checks.target(BACKUP.plan(new RecoveryTarget.Immediate(), Optional.empty()), early)
                .outcome())
        .isEqualTo(Outcome.FAILED);
    Instant time = Instant.parse("2026-01-02T00:00:00Z");
    Reached late =
        new Reached(Lsn.parse("0/3000"), Optional.of(time.plusSeconds(1)), new Timeline(2));
    assertThat(
            Checks.target(
                    BACKUP.plan(new RecoveryTarget.AtTime(time, true), Optional.empty()), late)
                .outcome())
        .isEqualTo(Outcome.FAILED);
  }

  @Test
  void missingLogIsNamedIfItLiesBehindTheBackup() {
    WalGap before =
        WalGap.unexplained(new WalRange(TestBackup.ONE, Lsn.parse("0/100"), Lsn.parse("0/1000")));
    WalGap behind =
        WalGap.unexplained(new WalRange(TestBackup.ONE, Lsn.parse("0/3000"), Lsn.parse("0/4000")));
    var plan = BACKUP.plan(new RecoveryTarget.Latest(), Optional.empty());
    assertThat(Checks.log(List.of(before), plan).outcome()).isEqualTo(Outcome.PASSED);
    assertThat(Checks.log(List.of(before, behind), plan))
        .isEqualTo(Checks.Finding.failed("log of timeline 1 is missing from 0/3000 to 0/4000"));
  }

  @Test
  void aCopyIsBehindByWhatItLacks() {
    TestBackup later = TestBackup.of(2, "2026-01-02T00:00:00Z", "0/5000");
    SourceStatus all = status(later, "0/6000", "2026-01-02T01:00:00Z");
    SourceStatus copy = status(BACKUP, "0/3000", "2026-01-02T00:00:00Z");
    assertThat(Checks.behind(all, all, Optional.empty()).outcome()).isEqualTo(Outcome.PASSED);
    String lacks =
        "it is behind: it lacks backup "
            + later.id()
            + " and log of timeline 1 from 0/3000 to 0/6000, up to PT1H";
    assertThat(Checks.behind(all, copy, Optional.empty())).isEqualTo(Checks.Finding.failed(lacks));
    Duration hour = Duration.ofHours(1);
    assertThat(Checks.behind(all, copy, Optional.of(hour.minusMillis(1))).outcome())
        .isEqualTo(Outcome.FAILED);
    assertThat(Checks.behind(all, copy, Optional.of(hour))).isEqualTo(Checks.Finding.passed(lacks));
    assertThat(
            Checks.behind(
                    all, SourceStatus.nothing("orders", false), Optional.of(Duration.ofDays(9)))
                .outcome())
        .isEqualTo(Outcome.FAILED); // nobody knows how much is missing
  }

  @Test
  void whatACopyGotSinceTheOthersWereAskedIsNotLacking() {
    TestBackup later = TestBackup.of(2, "2026-01-02T00:00:00Z", "0/5000");
    SourceStatus all = status(BACKUP, "0/3000", "2026-01-02T00:00:00Z");
    SourceStatus copy = status(later, "0/6000", "2026-01-02T01:00:00Z");
    assertThat(Checks.behind(all, copy, Optional.empty()))
        .isEqualTo(Checks.Finding.passed("it has what all copies have"));
  }

  @Test
  void aCopyIsBehindOnEachTimelineByItself() {
    SourceStatus.Window old = window("0/9000", "2026-01-02T00:00:00Z", TestBackup.ONE);
    SourceStatus.Window now = window("0/5000", "2026-01-02T01:00:00Z", new Timeline(2));
    SourceStatus all = status(BACKUP, old, now);
    assertThat(Checks.behind(all, status(BACKUP, old), Optional.empty()))
        .isEqualTo(
            Checks.Finding.failed(
                "it is behind: it lacks log of timeline 2 from the first to 0/5000, up to PT1H"));
    SourceStatus.Window less = window("0/4000", "2026-01-02T00:30:00Z", new Timeline(2));
    assertThat(Checks.behind(all, status(BACKUP, old, less), Optional.empty()).detail())
        .isEqualTo("it is behind: it lacks log of timeline 2 from 0/4000 to 0/5000, up to PT30M");
    // Log of a branch that was left is newer: nobody knows how much of the other is missing.
    SourceStatus.Window left = window("0/9900", "2026-01-02T02:00:00Z", TestBackup.ONE);
    assertThat(Checks.behind(all, status(BACKUP, left), Optional.of(Duration.ofDays(9))))
        .isEqualTo(
            Checks.Finding.failed(
                "it is behind: it lacks log of timeline 2 from the first to 0/5000"));
    // A copy may have let go of all that is older.
    assertThat(Checks.behind(all, status(BACKUP, now), Optional.empty()).outcome())
        .isEqualTo(Outcome.PASSED);
  }

  private static SourceStatus status(TestBackup last, String to, String time) {
    return status(last, window(to, time, TestBackup.ONE));
  }

  private static SourceStatus.Window window(String to, String time, Timeline timeline) {
    return new SourceStatus.Window(
        Instant.EPOCH,
        Optional.of(Instant.parse(time)),
        Lsn.parse("0/1000"),
        Lsn.parse(to),
        timeline);
  }

  private static SourceStatus status(TestBackup last, SourceStatus.Window... windows) {
    return new SourceStatus(
        "orders",
        List.of(windows),
        List.of(),
        Optional.of(last),
        List.of(),
        Optional.empty(),
        false);
  }

  private static List<String> turns(Path state, Optional<String> setting, int count)
      throws IOException {
    SettableClock clock = SettableClock.at(Instant.parse("2030-01-01T00:00:00Z"));
    DrillHistory history = new DrillHistory(state, "orders");
    Repository repository =
        (Repository)
            Proxy.newProxyInstance(
                DrillTest.class.getClassLoader(),
                new Class<?>[] {Repository.class},
                (proxy, method, arguments) ->
                    method.getName().equals("id") ? "0".repeat(32) : Optional.empty());
    DrillSettings.Builder settings = DrillSettings.builder();
    setting.ifPresent(settings::copy);
    DrillJob job =
        DrillJob.of(
            "orders",
            turn -> {
              throw new IllegalStateException("nothing is to be done");
            },
            settings.build(),
            List.of("one", "two"),
            EvidenceLog.builder(() -> repository, state).build(),
            history,
            clock);
    // Of a clock that was ahead: it would be the last one for ten years.
    history.add(
        DrillReportTest.of(
            "drill-ahead", "random", Optional.of("one"), clock.instant().plusSeconds(3600)));
    List<String> turns = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      DrillJob.Turn next = job.next();
      String selection = next.latest() ? "latest" : "random";
      turns.add(selection + next.copy().map(copy -> " of " + copy).orElse(""));
      clock.advance(Duration.ofMinutes(1));
      history.add(DrillReportTest.of("drill-" + i, selection, next.copy(), clock.instant()));
    }
    return turns;
  }

  @Test
  void theLatestMomentAndARandomOneAreTriedInTurn(@TempDir Path state) throws IOException {
    assertThat(turns(state, Optional.empty(), 4))
        .containsExactly("latest", "random", "latest", "random");
  }

  @Test
  void copiesAreTriedInTurnAndEachInBothWays(@TempDir Path state) throws IOException {
    assertThat(turns(state, Optional.of(DrillSettings.EACH_COPY), 5))
        .containsExactly(
            "latest of one", "latest of two", "random of one", "random of two", "latest of one");
    assertThat(turns(state.resolve("other"), Optional.of("two"), 2))
        .containsExactly("latest of two", "random of two");
  }

  @Test
  void theBranchOfTheLiveSourceIsTheRightOne() {
    assertThat(Checks.timeline(TestBackup.ONE, TestBackup.ONE).outcome()).isEqualTo(Outcome.PASSED);
    assertThat(Checks.timeline(new Timeline(2), TestBackup.ONE))
        .isEqualTo(
            Checks.Finding.failed(
                "the log leads along timeline 2, and the live source is on timeline 1"));
  }

  @Test
  void theBranchOfAHistoryIsItsLastLines() {
    assertThat(Checks.parent("1\t0/100\tone\n# words\n\n3\t0/200\tthree\n"))
        .contains(new Timeline(3));
    assertThat(Checks.parent("")).isEmpty();
  }

  @Test
  void theSentinelThatIsDueIsTheNewestThatIsWhollyBefore() {
    Sentinels.Written first = written("a", "0/100", "0/110");
    Sentinels.Written second = written("b", "0/200", "0/210");
    List<Sentinels.Written> known = List.of(first, second);
    assertThat(Sentinels.due(known, Lsn.parse("0/20F"))).contains(first);
    assertThat(Sentinels.due(known, Lsn.parse("0/210"))).contains(second);
    assertThat(Sentinels.due(known, Lsn.parse("0/10F"))).isEmpty();
  }

  private static Sentinels.Written written(String id, String before, String after) {
    return new Sentinels.Written(id, Instant.EPOCH, Lsn.parse(before), Lsn.parse(after));
  }

  @Test
  void namesOfChecksAreKnownAndOnlyGivenOnce() {
    Assertion.Pace pace = new Assertion.Pace("count", "shop", "SELECT 1", 200);
    assertThatThrownBy(() -> DrillSettings.builder().pace(pace).pace(pace).build())
        .hasMessage("Two checks are named \"count\"");
    assertThatThrownBy(() -> DrillSettings.builder().advisory("indices").build())
        .hasMessageStartingWith("advisory: there is no check \"indices\", but started");
    assertThat(DrillSettings.builder().advisory("indexes").build().digest())
        .isNotEqualTo(DrillSettings.builder().build().digest())
        .hasSize(64);
  }
}
