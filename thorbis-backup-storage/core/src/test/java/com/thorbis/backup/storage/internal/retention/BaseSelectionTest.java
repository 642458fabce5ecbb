package com.thorbis.backup.storage.internal.retention;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RetentionPlan;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.WalRange;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Which backup a recovery window rests on, over every history of up to eight backups. */
class BaseSelectionTest {
  private static final int MOST = 8;
  // A state is one of these, or 1: complete and not verified.
  private static final int AWAITING = 0;
  private static final int VERIFIED = 2;
  private static final Instant FIRST = Instant.parse("2026-01-01T02:00:00Z");

  @Test
  void r20TheBaseIsTheNewestVerifiedBackupFromBeforeTheWindow() {
    int plans = 0;
    for (int count = 1; count <= MOST; count++) {
      for (int of = 0; of < Math.pow(3, count); of++) {
        int[] states = states(of, count);
        History history = new History();
        for (int day = 0; day < count; day++) {
          BackupStatus status =
              states[day] == AWAITING ? BackupStatus.AWAITING_WAL : BackupStatus.COMPLETE;
          history.add(FIRST.plus(Duration.ofDays(day)), status, states[day] == VERIFIED);
        }
        for (int days = 0; days < count; days++) {
          check(history.backups(), states, days);
          plans++;
        }
      }
    }
    assertThat(plans).isEqualTo(73_812);
  }

  private static int[] states(int of, int count) {
    int[] states = new int[count];
    int rest = of;
    for (int day = 0; day < count; day++) {
      states[day] = rest % 3;
      rest /= 3;
    }
    return states;
  }

  /** One backup a day; the window reaches half a day beyond so many days. */
  private static void check(List<Candidate> backups, int[] states, int days) {
    RetentionPolicy policy =
        RetentionPolicy.builder()
            .mostDeletedPercent(100)
            .pitr(Duration.ofDays(days).plusHours(12))
            .build();
    RetentionPlan plan =
        Retention.plan(policy, History.SOURCE, backups, backups.get(states.length - 1).stoppedAt());
    int newest = lastVerified(states, states.length - 1);
    int base = newest < 0 ? -1 : lastVerified(states, newest - days - 1);
    List<Integer> based = new ArrayList<>();
    List<Integer> deleted = new ArrayList<>();
    for (int day = 0; day < states.length; day++) {
      if (plan.decisions().get(day).reasons().contains("pitr base")) {
        based.add(day);
      }
      if (!plan.decisions().get(day).keep()) {
        deleted.add(day);
      }
    }
    assertThat(based).isEqualTo(base < 0 ? List.of() : List.of(base));
    assertThat(deleted)
        .isEqualTo(
            IntStream.range(0, Math.max(0, base))
                .filter(day -> states[day] != AWAITING)
                .boxed()
                .toList());
    List<WalRange> stretches = plan.wal().get(0).stretches();
    Lsn from = stretches.get(stretches.size() - 1).start();
    assertThat(from).isEqualTo(base < 0 ? new Lsn(0) : backups.get(base).backup().startLsn());
  }

  private static int lastVerified(int[] states, int most) {
    return IntStream.rangeClosed(0, most).filter(day -> states[day] == VERIFIED).max().orElse(-1);
  }
}
