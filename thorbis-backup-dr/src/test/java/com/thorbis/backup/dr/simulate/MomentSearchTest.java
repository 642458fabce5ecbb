package com.thorbis.backup.dr.simulate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.dr.simulate.Attempt.Outcome;
import com.thorbis.backup.dr.simulate.MomentSearch.Found;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class MomentSearchTest {
  private static final Instant T = Instant.parse("2027-01-26T10:00:00Z");
  private static final Duration NEAR = Duration.ofMillis(20);

  @Test
  void enclosesTheDamageWheneverItCameAndWhateverIsBelievedOfIt() throws IOException {
    Random random = new Random(20_270_126);
    for (int i = 0; i < 2000; i++) {
      Instant damage = T.plusNanos(1000L * (1 + random.nextInt(60_000_000)));
      // Believed to be sound at some moment, which may be after the damage.
      Instant believed = T.plusNanos(1000L * random.nextInt(60_000_000));
      Instant known =
          (believed.isAfter(damage) ? believed : damage)
              .plusNanos(1000L * random.nextInt(1_000_000));
      List<Instant> looked = new ArrayList<>();
      Found found =
          MomentSearch.between(
              T,
              believed,
              known,
              NEAR,
              moment -> {
                looked.add(moment);
                return moment.isBefore(damage);
              });
      assertThat(found.sound()).as("%s", damage).isBefore(damage);
      assertThat(found.damaged()).as("%s", damage).isAfterOrEqualTo(damage);
      assertThat(Duration.between(found.sound(), found.damaged())).isLessThanOrEqualTo(NEAR);
      assertThat(looked).contains(found.sound()).hasSize(found.looks()).doesNotHaveDuplicates();
      assertThat(looked).allMatch(moment -> !moment.isBefore(T));
    }
  }

  @Test
  void aNarrowSpanTakesFewLooks() throws IOException {
    Instant damage = T.plusMillis(1070);
    Found found =
        MomentSearch.between(
            T, T.plusMillis(1000), T.plusMillis(1150), NEAR, moment -> moment.isBefore(damage));
    assertThat(found.looks()).isEqualTo(3);
  }

  @Test
  void whatWasNeverSoundIsNotRecovered() {
    assertThatThrownBy(
            () ->
                MomentSearch.between(T, T.plusSeconds(5), T.plusSeconds(6), NEAR, moment -> false))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> assertThat(e.code()).isEqualTo("simulation.no-sound-moment"));
  }

  @Test
  void whatCameAfterTheMomentIsGivenUpAndNothingElse() {
    List<Attempt> attempts =
        List.of(at(1, 10), at(2, 100), at(3, 200), at(4, 300), at(5, 900), at(6, 1000));
    RecoveredPoint point =
        new RecoveredPoint(
            Optional.of(T.plusMillis(150)),
            Optional.of(T.plusMillis(160)),
            3,
            "",
            Lsn.parse("0/10"),
            Lsn.parse("0/30"));
    Instant last = T.plusMillis(300);
    GivenUp right =
        GivenUp.of(
            Loss.of(attempts, Set.of(1L, 2L, 5L, 6L)), attempts, point, T.plusMillis(150), last);
    assertThat(right).isEqualTo(new GivenUp(2, Duration.ofMillis(150), 32, 0));
    assertThat(right.holds()).isTrue();
    GivenUp earlier =
        GivenUp.of(Loss.of(attempts, Set.of(1L, 5L, 6L)), attempts, point, T.plusMillis(150), last);
    assertThat(earlier.others()).isEqualTo(1);
    assertThat(earlier.holds()).isFalse();
    GivenUp later =
        GivenUp.of(Loss.of(attempts, Set.of(1L, 2L, 6L)), attempts, point, T.plusMillis(150), last);
    assertThat(later.holds()).isFalse();
    GivenUp strange =
        GivenUp.of(
            Loss.of(attempts, Set.of(1L, 2L, 5L, 6L, 7L)),
            attempts,
            point,
            T.plusMillis(150),
            last);
    assertThat(strange.holds()).isFalse();
  }

  @Test
  void aLookoutKeepsWhatCameBeforeTheFirstDamage() {
    Lookout.Seen nothing = new Lookout.Seen(Optional.empty(), Optional.empty(), Optional.empty());
    Lookout.Seen seen =
        nothing
            .with(T, T.plusMillis(2), true)
            .with(T.plusMillis(50), T.plusMillis(52), true)
            .with(T.plusMillis(100), T.plusMillis(102), false)
            .with(T.plusMillis(150), T.plusMillis(152), true);
    assertThat(seen)
        .isEqualTo(
            new Lookout.Seen(
                Optional.of(T), Optional.of(T.plusMillis(50)), Optional.of(T.plusMillis(102))));
  }

  private static Attempt at(long number, long millis) {
    return new Attempt(
        number, T.plusMillis(millis - 5), T.plusMillis(millis), Outcome.ACKNOWLEDGED, "");
  }
}
