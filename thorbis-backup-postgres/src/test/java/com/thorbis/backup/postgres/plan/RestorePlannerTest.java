package com.thorbis.backup.postgres.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.postgres.wal.SyntheticLog.Kind;
import com.thorbis.backup.postgres.wal.SyntheticLog.Rec;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.SourceInfo;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

class RestorePlannerTest {
  private static final Timeline ONE = new Timeline(1);
  private static final Timeline TWO = new Timeline(2);

  /** A backup and a transaction in each of 20 segments, one after another. */
  private static History twentySegments() {
    History history = new History(new Random(4));
    history.backup();
    history.backups.set(0, complete(history.backups.get(0)));
    while (history.logs.get(0).end().value() < 25L * History.MIB) {
      history.end();
      history.filler(400_000);
    }
    history.end();
    history.store();
    return history;
  }

  @Test
  void w5EveryMissingSegmentIsNamedAndNothingBeyondItIsPromised() throws IOException {
    for (int gone = 0; gone < 20; gone++) {
      History history = twentySegments();
      WalSegment missing = history.archive.segments().get(gone);
      StoredBackup backup = history.backups.get(0);
      history.archive.remove(missing);
      SourceStatus status =
          new StatusReader(History.SOURCE, List.copyOf(history.backups), history.archive)
              .read(Instant.parse("2026-03-02T00:00:00Z"), false);
      WalRange gap = new WalRange(ONE, missing.start(), missing.end());
      boolean atTheEdge = missing.start().value() == 3L * History.MIB;
      assertThat(history.archive.segments()).hasSizeGreaterThan(20);
      assertThat(status.gaps()).isEqualTo(atTheEdge ? List.of() : List.of(WalGap.unexplained(gap)));
      boolean whole = missing.start().compareTo(backup.stopLsn()) >= 0;
      assertThat(status.windows()).hasSize(whole ? 1 : 0);
      List<Rec> records = history.logs.get(0).records();
      Rec last = records.get(records.size() - 1);
      for (RecoveryTarget target :
          List.of(
              new RecoveryTarget.Latest(),
              new RecoveryTarget.AtLsn(last.start(), true),
              new RecoveryTarget.AtTransaction(last.xid(), true),
              new RecoveryTarget.AtTime(last.time().minusMillis(1), true))) {
        BackupException refusal =
            catchThrowableOfType(BackupException.class, () -> plan(history, target, null));
        assertThat(refusal.code()).isEqualTo("restore.unreachable");
        if (whole) {
          assertThat(status.windows().get(0).toLsn()).isEqualTo(missing.start());
          assertThat(refusal.details().get("backup." + backup.id()))
              .contains(missing.start().toString())
              .contains(missing.end().toString());
          if (!(target instanceof RecoveryTarget.AtTransaction)) { // there may be none
            assertThat(refusal.details()).containsKey("nearest");
          }
        }
      }
    }
  }

  private static History manySegments() {
    History history = new History(new Random(4));
    history.backup();
    history.backups.set(0, complete(history.backups.get(0)));
    for (int i = 0; i < 150; i++) {
      history.end();
      history.filler(400_000);
    }
    return history;
  }

  private static Rec firstEndBehind(History history, Instant time) {
    return history.logs.get(0).records().stream()
        .filter(record -> record.start().compareTo(history.backups.get(0).stopLsn()) >= 0)
        .filter(record -> record.kind() == Kind.COMMIT || record.kind() == Kind.ABORT)
        .filter(record -> record.time().isAfter(time))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void aTimeIsFoundByTheMarksOfFewSegments() throws IOException {
    History history = manySegments();
    history.store();
    assertThat(history.archive.segments()).hasSizeGreaterThan(50);
    for (int i = 10; i < 140; i += 17) {
      Instant time = history.moments.get(i);
      history.archive.asked.set(0);
      RestorePlan plan = plan(history, new RecoveryTarget.AtTime(time, true), null);
      assertThat(plan.until()).contains(firstEndBehind(history, time).start());
      // Those that the search looks at, and the next ones from there, asked for at once.
      assertThat(history.archive.asked.get()).isLessThan(35);
    }
  }

  @Test
  void aClockThatWasSetBackHidesNoEarlierMoment() throws IOException {
    History history = manySegments();
    Instant late = history.moments.get(history.moments.size() - 1);
    history.clock(Duration.ofHours(-1));
    for (int i = 0; i < 40; i++) {
      history.end();
      history.filler(400_000);
    }
    history.store();
    Instant time = late.minusSeconds(60);
    RestorePlan plan = plan(history, new RecoveryTarget.AtTime(time, true), null);
    // A server stops before it, and would not come to the end of the log.
    assertThat(plan.target()).isEqualTo(new RecoveryTarget.AtTime(time, true));
    assertThat(plan.until()).contains(firstEndBehind(history, time).start());
  }

  @Test
  void w18AMomentBeforeTheOldestBackupIsRefused() {
    History history = twentySegments();
    Instant stopped = history.backups.get(0).stoppedAt();
    assertThatThrownBy(() -> plan(history, new RecoveryTarget.AtTime(Instant.EPOCH, true), null))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> assertThat(e.details()).containsEntry("nearest", stopped.toString()));
  }

  @Test
  void w4ABackupWithoutItsWalIsNotUsed() {
    History history = twentySegments();
    StoredBackup backup = history.backups.get(0);
    history.backups.set(0, with(backup, BackupStatus.AWAITING_WAL, backup.incarnation()));
    assertThatThrownBy(() -> plan(history, new RecoveryTarget.Immediate(), null))
        .isInstanceOfSatisfying(
            BackupException.class,
            e ->
                assertThat(e.details())
                    .containsEntry("backup." + backup.id(), "its WAL is not stored yet"));
  }

  @Test
  void timelineWithoutItsHistoryIsRefusedAndNeverCutShort() {
    History history = forked();
    history.archive.removeHistory(TWO);
    for (Timeline timeline : new Timeline[] {null, TWO}) {
      assertThatThrownBy(() -> plan(history, new RecoveryTarget.Latest(), timeline))
          .isInstanceOfSatisfying(
              BackupException.class, e -> assertThat(e.code()).isEqualTo("restore.unreachable"))
          .hasMessageContaining("00000002.history is not stored");
    }
  }

  @Test
  void w9AnAnnouncedTimelineWithoutWalIsNotFollowed() throws IOException {
    History history = forked();
    Timeline announced = new Timeline(255);
    Lsn left = history.lines.get(1).ancestors().get(0).switchPoint();
    history.archive.put(
        new TimelineHistory(
            announced,
            List.of(
                new TimelineHistory.Ancestor(ONE, left, "x"),
                new TimelineHistory.Ancestor(TWO, history.logs.get(1).end(), "x"))));
    RestorePlan plan = plan(history, new RecoveryTarget.Latest(), null);
    assertThat(plan.timeline()).contains(TWO);
    assertThat(plan.notes()).anyMatch(note -> note.contains("Timeline 255"));
    assertThatThrownBy(() -> plan(history, new RecoveryTarget.Latest(), announced))
        .hasMessageContaining("no WAL of timeline 255");
  }

  @Test
  void w6AHoleThatAFailoverLeftIsNamedAndNothingBehindItIsPromised() throws IOException {
    History history = forked();
    Lsn left = history.lines.get(1).ancestors().get(0).switchPoint();
    // The old primary archived nothing of its last two segments; the new one did from its first on.
    WalSegment last = WalSegment.containing(ONE, left, History.CLUSTER.segmentSize());
    WalSegment before = WalSegment.containing(ONE, new Lsn(last.start().value() - 1), last.size());
    history.archive.remove(last);
    history.archive.remove(before);
    SourceStatus status =
        new StatusReader(History.SOURCE, List.copyOf(history.backups), history.archive)
            .read(Instant.parse("2026-03-02T00:00:00Z"), false);
    // The other one is of what the old primary wrote behind the place where the new one left it.
    assertThat(status.gaps())
        .extracting(WalGap::range)
        .containsExactlyInAnyOrder(
            new WalRange(ONE, before.start(), before.end()),
            new WalRange(ONE, before.start(), last.end()));
    assertThat(status.windows())
        .extracting(SourceStatus.Window::toLsn)
        .containsExactly(before.start());
    for (RecoveryTarget target :
        List.of(
            new RecoveryTarget.AtLsn(before.start().plus(1000), true),
            new RecoveryTarget.AtLsn(history.logs.get(1).end(), false),
            new RecoveryTarget.Latest())) {
      BackupException refusal =
          catchThrowableOfType(BackupException.class, () -> plan(history, target, TWO));
      assertThat(refusal.code()).isEqualTo("restore.unreachable");
      assertThat(refusal.details().get("backup." + history.backups.get(0).id()))
          .contains(before.start().toString())
          .contains(before.end().toString());
      assertThat(refusal.details()).containsKey("nearest");
    }
  }

  @Test
  void w10WhereWhatWasWrittenDownOfAGapIsDamagedTheGapSaysSo() throws IOException {
    History history = twentySegments();
    WalSegment missing = history.archive.segments().get(9);
    history.archive.remove(missing);
    history.archive.gapsUnreadable = RepositoryException.damaged("wal/x.gap", "was cut", null);
    StatusReader reader =
        new StatusReader(History.SOURCE, List.copyOf(history.backups), history.archive);
    assertThat(reader.read(Instant.EPOCH, false).gaps())
        .singleElement()
        .satisfies(
            gap -> {
              assertThat(gap.range().start()).isEqualTo(missing.start());
              assertThat(gap.reason().orElseThrow()).contains("cannot be read", "wal/x.gap");
            });
    history.archive.gapsUnreadable =
        new RepositoryException(
            "key.unreachable", FailureKind.TRANSIENT, "nobody answers", Map.of(), "Wait.", null);
    assertThatThrownBy(() -> reader.read(Instant.EPOCH, false))
        .isSameAs(history.archive.gapsUnreadable);
  }

  @Test
  void w1WhereNothingComesAnyMoreTheStatusAgesByItself() throws IOException {
    History history = twentySegments();
    Instant last = history.moments.get(history.moments.size() - 1);
    StatusReader reader =
        new StatusReader(History.SOURCE, List.copyOf(history.backups), history.archive);
    Duration fresh = reader.read(last.plusSeconds(10), false).lag().orElseThrow();
    Duration old = reader.read(last.plusSeconds(10 + 86_400), false).lag().orElseThrow();
    assertThat(old.minus(fresh)).isEqualTo(Duration.ofDays(1));
  }

  @Test
  void tailThatOnlyTheNextTimelineHasIsEnough() throws IOException {
    History history = forked();
    Lsn left = history.lines.get(1).ancestors().get(0).switchPoint();
    history.archive.remove(WalSegment.containing(ONE, left, History.CLUSTER.segmentSize()));
    RestorePlan plan = plan(history, new RecoveryTarget.Latest(), null);
    assertThat(plan.wal()).extracting(WalRange::timeline).containsExactly(ONE, TWO);
    assertThat(plan.wal().get(1).start()).isLessThan(left);
  }

  @Test
  void planFollowsTheTimelineThatTheTargetLiesOn() throws IOException {
    History history = forked();
    StoredBackup backup = history.backups.get(0);
    RestorePlan plan = plan(history, new RecoveryTarget.AtLsn(backup.stopLsn(), true), null);
    assertThat(plan.timeline()).contains(ONE);
    assertThat(plan.bytes()).isEqualTo(backup.bytes());
    RestorePlan asked = plan(history, new RecoveryTarget.AtLsn(backup.stopLsn(), true), TWO);
    assertThat(asked.timeline()).contains(TWO);
  }

  @Test
  void latestThatMustNotPromoteGetsTheLastRecord() throws IOException {
    History history = twentySegments();
    List<Rec> records = history.logs.get(0).records();
    RestoreRequest request =
        RestoreRequest.builder(StoredBackup.SOURCE, Path.of("restored"))
            .action(RestoreRequest.Action.PAUSE)
            .build();
    RestorePlan plan =
        new RestorePlanner(History.SOURCE, List.copyOf(history.backups), history.archive)
            .plan(request);
    assertThat(plan.target())
        .isIn(
            records.stream()
                .map(record -> new RecoveryTarget.AtLsn(record.start(), true))
                .toList());
  }

  @Test
  void backupsOfAnEarlierLifeServeUpToTheFork() throws IOException {
    History history = forked();
    Lsn left = history.lines.get(1).ancestors().get(0).switchPoint();
    SourceInfo adopted =
        new SourceInfo(
            StoredBackup.SOURCE,
            "postgres",
            List.of(
                new SourceInfo.Incarnation("aaaaaaaaaaaaaaaa", History.CLUSTER, Optional.empty()),
                new SourceInfo.Incarnation(
                    "bbbbbbbbbbbbbbbb",
                    History.CLUSTER,
                    Optional.of(new SourceInfo.Fork("aaaaaaaaaaaaaaaa", ONE, left)))));
    StoredBackup parent = with(history.backups.get(0), BackupStatus.COMPLETE, "aaaaaaaaaaaaaaaa");
    RestorePlan plan = new RestorePlanner(adopted, List.of(parent), history.archive).plan(latest());
    assertThat(plan.backup()).isEqualTo(parent);
    assertThat(plan.timeline()).contains(TWO);
    for (StoredBackup other :
        List.of(
            with(parent, BackupStatus.COMPLETE, "cccccccccccccccc"),
            new StoredBackup(
                parent.id(),
                parent.incarnation(),
                parent.cluster(),
                parent.status(),
                parent.startedAt(),
                parent.stoppedAt(),
                left.plus(8),
                left.plus(16),
                TWO))) {
      assertThatThrownBy(
              () -> new RestorePlanner(adopted, List.of(other), history.archive).plan(latest()))
          .isInstanceOf(BackupException.class);
    }
  }

  @Test
  void unknownBackupIsNotFound() {
    RestoreRequest request =
        RestoreRequest.builder(StoredBackup.SOURCE, Path.of("restored"))
            .backup(new BackupId("20200101T000000Z-00000000"))
            .build();
    History history = twentySegments();
    assertThatThrownBy(
            () ->
                new RestorePlanner(History.SOURCE, List.copyOf(history.backups), history.archive)
                    .plan(request))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("backup.not-found"));
  }

  @Test
  void aDumpIsNoWayToAnyMomentAndSaysSo() throws IOException {
    History history = twentySegments();
    StoredBackup full = history.backups.get(0);
    StoredBackup dump = full.dump("20260301T000000Z-0000abcd");
    RestoreRequest chosen =
        RestoreRequest.builder(StoredBackup.SOURCE, Path.of("restored")).backup(dump.id()).build();
    for (List<BackupDescriptor> backups :
        List.of(List.<BackupDescriptor>of(full, dump), List.<BackupDescriptor>of(dump))) {
      RestorePlanner planner = new RestorePlanner(History.SOURCE, backups, history.archive);
      assertThatThrownBy(() -> planner.plan(chosen))
          .isInstanceOfSatisfying(
              BackupException.class,
              e -> {
                assertThat(e.code()).isEqualTo("restore.dump");
                assertThat(e.kind()).isEqualTo(FailureKind.REFUSED);
                assertThat(e.remedy()).contains("load");
              });
    }
    RestoreRequest latest =
        RestoreRequest.builder(StoredBackup.SOURCE, Path.of("restored")).build();
    assertThat(
            new RestorePlanner(History.SOURCE, List.of(full, dump), history.archive)
                .plan(latest)
                .backup()
                .id())
        .isEqualTo(full.id());
    assertThatThrownBy(
            () -> new RestorePlanner(History.SOURCE, List.of(dump), history.archive).plan(latest))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("restore.dump"));
  }

  @Test
  void statusCountsADumpWhereThereIsNothingElse() throws IOException {
    History history = twentySegments();
    StoredBackup full = history.backups.get(0);
    StoredBackup dump = full.dump("20260301T000000Z-0000abcd");
    Instant now = dump.startedAt().plusSeconds(90);
    SourceStatus both =
        new StatusReader(History.SOURCE, List.of(dump, full), history.archive).read(now, false);
    assertThat(both.windows()).hasSize(1);
    assertThat(both.lastBackup()).contains(full);
    SourceStatus alone =
        new StatusReader(History.SOURCE, List.of(dump), history.archive).read(now, false);
    assertThat(alone.windows()).isEmpty();
    assertThat(alone.lastBackup()).contains(dump);
    assertThat(alone.lag()).contains(Duration.ofSeconds(90));
    StoredBackup partial = full.dump("20260301T000000Z-0000abce", 30, true);
    SourceStatus later =
        new StatusReader(History.SOURCE, List.of(dump, partial), history.archive).read(now, false);
    assertThat(later.lastBackup()).contains(partial);
    assertThat(later.lag()).contains(Duration.ofSeconds(90));
    SourceStatus withoutLog =
        new StatusReader(History.SOURCE, List.of(dump, full), new MemoryWalArchive(History.CLUSTER))
            .read(now, false);
    assertThat(withoutLog.windows()).isEmpty();
    assertThat(withoutLog.lag()).isEmpty();
  }

  @Test
  void windowsFollowTheTimelines() throws IOException {
    History history = forked();
    Lsn left = history.lines.get(1).ancestors().get(0).switchPoint();
    SourceStatus status =
        new StatusReader(History.SOURCE, List.copyOf(history.backups), history.archive)
            .read(Instant.parse("2026-03-02T00:00:00Z"), true);
    assertThat(status.windows())
        .extracting(SourceStatus.Window::timeline)
        .containsExactly(ONE, TWO);
    assertThat(status.windows().get(0).fromLsn()).isEqualTo(history.backups.get(0).stopLsn());
    assertThat(status.windows().get(0).fromTime()).isEqualTo(history.backups.get(0).stoppedAt());
    assertThat(status.windows().get(1).fromLsn()).isEqualTo(left);
    assertThat(status.lag()).isPresent();
    assertThat(status.fenced()).isTrue();
    assertThat(status.lastBackup()).contains(history.backups.get(0));
  }

  /** A backup on timeline 1, a promotion, transactions on timeline 2. */
  private static History forked() {
    History history = new History(new Random(6));
    history.backup();
    history.backups.set(0, complete(history.backups.get(0)));
    for (int i = 0; i < 30; i++) {
      history.end();
      history.filler(100_000);
    }
    history.fork();
    for (int i = 0; i < 30; i++) {
      history.end();
      history.filler(100_000);
    }
    history.store();
    return history;
  }

  private static StoredBackup complete(StoredBackup backup) {
    return with(backup, BackupStatus.COMPLETE, backup.incarnation());
  }

  private static StoredBackup with(StoredBackup backup, BackupStatus status, String incarnation) {
    return new StoredBackup(
        backup.id(),
        incarnation,
        backup.cluster(),
        status,
        backup.startedAt(),
        backup.stoppedAt(),
        backup.startLsn(),
        backup.stopLsn(),
        backup.timeline());
  }

  private static RestoreRequest latest() {
    return RestoreRequest.builder(StoredBackup.SOURCE, Path.of("restored")).build();
  }

  private static RestorePlan plan(History history, RecoveryTarget target, Timeline timeline)
      throws IOException {
    RestoreRequest.Builder request =
        RestoreRequest.builder(StoredBackup.SOURCE, Path.of("restored"))
            .target(target)
            .action(RestoreRequest.Action.PROMOTE);
    if (timeline != null) {
      request.timeline(timeline);
    }
    return new RestorePlanner(History.SOURCE, List.copyOf(history.backups), history.archive)
        .plan(request.build());
  }
}
