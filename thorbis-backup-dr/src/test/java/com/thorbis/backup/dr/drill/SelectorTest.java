package com.thorbis.backup.dr.drill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.Timeline;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

class SelectorTest {
  private static final Instant NOW = Instant.parse("2026-03-01T00:00:00Z");
  private static final TestBackup OLD = TestBackup.of(1, "2026-01-01T00:00:00Z", "0/1000");
  private static final TestBackup FIRST = TestBackup.of(2, "2026-02-20T00:00:00Z", "0/2000");
  private static final TestBackup SECOND = TestBackup.of(3, "2026-02-25T00:00:00Z", "0/3000");
  private static final TestBackup OTHER =
      new TestBackup(
          TestBackup.of(4, "2026-02-26T00:00:00Z", "0/3500").id(),
          Instant.parse("2026-02-26T00:00:00Z"),
          Lsn.parse("0/3500"),
          new Timeline(2),
          com.thorbis.backup.api.BackupType.FULL);
  private static final SourceStatus.Window WINDOW =
      new SourceStatus.Window(
          FIRST.stoppedAt(),
          Optional.of(Instant.parse("2026-02-28T00:00:00Z")),
          Lsn.parse("0/1000"),
          Lsn.parse("0/4000"),
          TestBackup.ONE);

  private static Selector select(long seed, Optional<Instant> to) {
    return Selector.random(
        "orders",
        List.<BackupDescriptor>of(SECOND, OTHER, OLD, FIRST),
        List.of(WINDOW),
        Duration.ofDays(30),
        NOW,
        to,
        seed);
  }

  @Test
  void theSameSeedChoosesTheSame() {
    assertThat(select(7, Optional.empty())).isEqualTo(select(7, Optional.empty()));
  }

  @Test
  void eachMomentLiesBehindItsBackupAndWithinWhatCanBeRecovered() {
    Set<Object> backups = new HashSet<>();
    Set<RecoveryTarget> targets = new HashSet<>();
    for (long seed = 0; seed < 200; seed++) {
      Selector chosen = select(seed, Optional.empty());
      backups.add(chosen.backup().orElseThrow());
      targets.add(chosen.target());
      TestBackup backup = chosen.backup().equals(Optional.of(FIRST.id())) ? FIRST : SECOND;
      assertThat(chosen.target())
          .isInstanceOfSatisfying(
              RecoveryTarget.AtTime.class,
              at ->
                  assertThat(at.time())
                      .isAfter(backup.stoppedAt())
                      .isBefore(WINDOW.toTime().orElseThrow()));
      assertThat(chosen.timeline()).contains(TestBackup.ONE);
    }
    // Neither the one that is too old, nor the one of a branch that nothing recovers.
    assertThat(backups).containsExactlyInAnyOrder(FIRST.id(), SECOND.id());
    assertThat(targets).hasSize(200);
  }

  @Test
  void aMomentThatIsGivenNeedsABackupBeforeIt() {
    Instant between = Instant.parse("2026-02-22T00:00:00Z");
    for (long seed = 0; seed < 20; seed++) {
      Selector chosen = select(seed, Optional.of(between));
      assertThat(chosen.backup()).contains(FIRST.id());
      assertThat(chosen.target()).isEqualTo(new RecoveryTarget.AtTime(between, true));
    }
  }

  @Test
  void nothingToTryIsSaid() {
    assertThatThrownBy(() -> select(1, Optional.of(Instant.parse("2025-01-01T00:00:00Z"))))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("drill.nothing-to-try"));
  }
}
