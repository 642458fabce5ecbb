package com.thorbis.backup.postgres.plan;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.postgres.plan.Oracle.Outcome;
import com.thorbis.backup.postgres.plan.Oracle.Recovery;
import com.thorbis.backup.postgres.wal.SyntheticLog.Kind;
import com.thorbis.backup.postgres.wal.SyntheticLog.Rec;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;
import org.junit.jupiter.api.Test;

/**
 * Plans against recoveries: what the planner promises must happen, what can happen it must find.
 */
class RestorePlannerOracleTest {

  /** Log that is stored only in the first segment of a timeline which the line left at once. */
  @Test
  void aTimelineThatOwnsNothingStillHasItsCopy() throws IOException {
    plansAreKeptAndNothingReachableIsRefused(27740558);
    plansAreKeptAndNothingReachableIsRefused(72770017);
  }

  @Property(tries = 200)
  void plansAreKeptAndNothingReachableIsRefused(
      @ForAll @LongRange(min = 0, max = 1L << 40) long seed) throws IOException {
    Random random = new Random(seed);
    History history = History.random(random, 20 + random.nextInt(80));
    if (random.nextBoolean() && !history.archive.segments().isEmpty()) {
      List<WalSegment> stored = history.archive.segments();
      history.archive.remove(stored.get(random.nextInt(stored.size())));
    }
    for (int i = 0; i < 12; i++) {
      Timeline timeline = new Timeline(1 + random.nextInt(history.logs.size()));
      check(history, timeline, target(history, timeline, random));
    }
  }

  @Test
  void d8w18w19PlannerAndBruteForceAgreeOn200TargetsOfHistoriesWithFailovers() throws IOException {
    int[] checked = new int[4];
    int failovers = 0;
    for (int seed = 0; checked[0] + checked[1] + checked[2] + checked[3] < 200; seed++) {
      Random random = new Random(seed);
      History history = History.random(random, 60);
      failovers += history.logs.size() - 1;
      for (int i = 0; i < 12; i++) {
        Timeline timeline = new Timeline(1 + random.nextInt(history.logs.size()));
        RecoveryTarget target = target(history, timeline, random);
        int kind =
            List.of(
                    RecoveryTarget.AtTime.class,
                    RecoveryTarget.AtLsn.class,
                    RecoveryTarget.AtTransaction.class,
                    RecoveryTarget.AtName.class)
                .indexOf(target.getClass());
        if (kind >= 0 && checked[kind] < 50) {
          check(history, timeline, target);
          checked[kind]++;
        }
      }
    }
    assertThat(checked).containsOnly(50);
    assertThat(failovers).isGreaterThan(10);
  }

  @Test
  void theRandomHistoriesOfferBoth() throws IOException {
    int reached = 0;
    int all = 0;
    for (int seed = 0; seed < 30; seed++) {
      Random random = new Random(seed);
      History history = History.random(random, 60);
      for (int i = 0; i < 10; i++) {
        Timeline timeline = new Timeline(1 + random.nextInt(history.logs.size()));
        reached += check(history, timeline, target(history, timeline, random)) ? 1 : 0;
        all++;
      }
    }
    assertThat(reached).isBetween(all / 5, all * 9 / 10);
  }

  private static RecoveryTarget target(History history, Timeline timeline, Random random) {
    List<Rec> records = history.logs.get(timeline.number() - 1).records();
    Rec record = records.get(random.nextInt(records.size()));
    boolean inclusive = random.nextBoolean();
    return switch (random.nextInt(7)) {
      case 0, 1, 2 -> {
        Instant moment = history.moments.get(random.nextInt(history.moments.size()));
        long nanos = new long[] {0, 0, 1000, -1000, 700, 2_000_000_000L}[random.nextInt(6)];
        yield new RecoveryTarget.AtTime(moment.plusNanos(nanos), inclusive);
      }
      case 3 ->
          new RecoveryTarget.AtLsn(record.start().plus(random.nextInt(3) == 0 ? 8 : 0), inclusive);
      case 4 -> new RecoveryTarget.AtTransaction(Math.max(690, record.xid()), inclusive);
      case 5 -> new RecoveryTarget.AtName("p" + random.nextInt(4));
      default ->
          random.nextBoolean() ? new RecoveryTarget.Latest() : new RecoveryTarget.Immediate();
    };
  }

  private static boolean check(History history, Timeline timeline, RecoveryTarget target)
      throws IOException {
    Oracle oracle = new Oracle(history, timeline);
    RestorePlanner planner =
        new RestorePlanner(History.SOURCE, List.copyOf(history.backups), history.archive);
    RestoreRequest request =
        RestoreRequest.builder(StoredBackup.SOURCE, Path.of("restored"))
            .target(target)
            .timeline(timeline)
            .build();
    Optional<Recovery> best = best(history, oracle, target);
    try {
      RestorePlan plan = planner.plan(request);
      assertThat(plan.timeline()).contains(timeline);
      StoredBackup backup = (StoredBackup) plan.backup();
      assertThat(backup.status().restorable()).isTrue();
      Recovery recovery = oracle.recover(backup, plan.target());
      assertThat(recovery.outcome()).as("%s", plan).isEqualTo(Outcome.REACHED);
      assertThat(best).as("%s", plan).isPresent();
      assertThat(recovery.replayed()).as("%s", plan).isEqualTo(best.get().replayed());
      assertThat(plan.wal().get(0).start()).isEqualTo(backup.startLsn());
      for (int i = 1; i < plan.wal().size(); i++) {
        assertThat(plan.wal().get(i).start()).isEqualTo(plan.wal().get(i - 1).end());
      }
      return true;
    } catch (BackupException e) {
      assertThat(e.code()).isEqualTo("restore.unreachable");
      assertThat(e.kind()).isEqualTo(FailureKind.REFUSED);
      assertThat(best).as("%s: %s %s", target, e.getMessage(), e.details()).isEmpty();
      assertNearestIsReachable(planner, timeline, target, e.details().get("nearest"));
      return false;
    }
  }

  private static void assertNearestIsReachable(
      RestorePlanner planner, Timeline timeline, RecoveryTarget target, String nearest)
      throws IOException {
    if (nearest == null) {
      return;
    }
    RecoveryTarget there;
    if (nearest.equals("immediate")) {
      there = new RecoveryTarget.Immediate();
    } else if (target instanceof RecoveryTarget.AtTime) {
      there = new RecoveryTarget.AtTime(Instant.parse(nearest), true);
    } else if (target instanceof RecoveryTarget.AtTransaction) {
      there = new RecoveryTarget.AtTransaction(Long.parseLong(nearest), true);
    } else if (target instanceof RecoveryTarget.AtName) {
      there = new RecoveryTarget.AtName(nearest);
    } else {
      there = new RecoveryTarget.AtLsn(Lsn.parse(nearest), true);
    }
    RestorePlan plan =
        planner.plan(
            RestoreRequest.builder(StoredBackup.SOURCE, Path.of("restored"))
                .target(there)
                .timeline(timeline)
                .build());
    assertThat(plan.until()).isPresent();
  }

  /** The way that the newest backup offers by which a server gets where the target means. */
  private static Optional<Recovery> best(History history, Oracle oracle, RecoveryTarget target) {
    List<StoredBackup> newestFirst = new ArrayList<>(history.backups);
    newestFirst.sort((a, b) -> b.stopLsn().compareTo(a.stopLsn()));
    for (StoredBackup backup : newestFirst) {
      if (!backup.status().restorable() || !oracle.onLine(backup)) {
        continue;
      }
      if (target instanceof RecoveryTarget.AtTime time && backup.stoppedAt().isAfter(time.time())) {
        continue;
      }
      if (target instanceof RecoveryTarget.AtLsn lsn
          && backup.stopLsn().compareTo(lsn.position()) > 0) {
        continue; // A server would take the last record of the backup too, which proves nothing.
      }
      Recovery recovery = oracle.recover(backup, target);
      if (target instanceof RecoveryTarget.Latest && !oracle.endsThere(recovery.replayed())) {
        continue;
      }
      if (recovery.outcome() == Outcome.REACHED) {
        return Optional.of(recovery);
      }
      Optional<Recovery> translated = translated(history, oracle, backup, target);
      if (translated.isPresent()) {
        return translated;
      }
    }
    return Optional.empty();
  }

  /** A target that no record meets, in a log that is known to that point. */
  private static Optional<Recovery> translated(
      History history, Oracle oracle, StoredBackup backup, RecoveryTarget target) {
    int readable = oracle.readable(backup);
    Recovery all = oracle.recover(backup, new RecoveryTarget.Latest());
    if (all.outcome() != Outcome.REACHED || readable == 0) {
      return Optional.empty();
    }
    Rec last = oracle.records().get(readable - 1);
    if (target instanceof RecoveryTarget.AtLsn lsn) {
      return lsn.position().compareTo(last.start()) > 0
              && lsn.position().compareTo(last.end()) <= 0
              && lsn.position().compareTo(backup.stopLsn()) >= 0
          ? Optional.of(all)
          : Optional.empty();
    }
    if (target instanceof RecoveryTarget.AtTime time) {
      OptionalInt before = oracle.before(time);
      if (before.isPresent() && before.getAsInt() < readable) {
        return Optional.empty();
      }
      Instant known = backup.stoppedAt();
      for (int i = 0; i < readable; i++) {
        Rec record = oracle.records().get(i);
        boolean end = record.kind() == Kind.COMMIT || record.kind() == Kind.ABORT;
        if (end
            && record.start().compareTo(backup.startLsn()) >= 0
            && record.time().isAfter(known)) {
          known = record.time();
        }
      }
      for (WalSegment segment : history.archive.segments()) {
        Optional<Instant> asOf = history.archive.marks(segment).orElseThrow().asOf();
        if (readable == oracle.records().size()
            && asOf.isPresent()
            && asOf.get().isAfter(known)
            && segment.timeline().equals(oracle.timeline())) {
          known = asOf.get();
        }
      }
      return time.time().isAfter(known) ? Optional.empty() : Optional.of(all);
    }
    return Optional.empty();
  }
}
