package com.thorbis.backup.dr.simulate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.dr.simulate.Attempt.Outcome;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OutageTest {
  private static final Instant T = Instant.parse("2027-01-26T10:00:00Z");

  private long numbers;

  private Attempt attempt(long begun, long ended, Outcome outcome) {
    return new Attempt(++numbers, T.plusMillis(begun), T.plusMillis(ended), outcome, "");
  }

  private List<Attempt> outage() {
    List<Attempt> attempts = new ArrayList<>();
    for (int at = -1000; at <= 0; at += 100) {
      attempts.add(attempt(at, at + 5, Outcome.ACKNOWLEDGED));
    }
    attempts.add(attempt(8, 12, Outcome.ACKNOWLEDGED)); // its answer was on the way already
    attempts.add(attempt(20, 2020, Outcome.UNKNOWN));
    attempts.add(attempt(2030, 2040, Outcome.REFUSED));
    attempts.add(attempt(3000, 3010, Outcome.REFUSED));
    for (int at = 5000; at < 6000; at += 100) {
      attempts.add(attempt(at, at + 8, Outcome.ACKNOWLEDGED));
    }
    return attempts;
  }

  @Test
  void reachesFromTheLastSuccessToTheFirst() {
    Outage seen = Outage.of(outage(), T.plusMillis(10));
    assertThat(seen.lastSuccess()).isEqualTo(T.plusMillis(12));
    assertThat(seen.firstSuccess()).contains(T.plusMillis(5008));
    assertThat(seen.downtime()).isEqualTo(Duration.ofMillis(4996));
    assertThat(seen.refused()).isEqualTo(2);
    assertThat(seen.unknown()).isEqualTo(1);
    assertThat(seen.observedUntil()).isEqualTo(T.plusMillis(5908));
  }

  @Test
  void lastsUntilTheEndOfTryingWhereNothingWorksAgain() {
    List<Attempt> attempts = outage();
    attempts.removeIf(it -> it.begun().isAfter(T.plusMillis(4000)));
    Outage seen = Outage.of(attempts, T.plusMillis(10));
    assertThat(seen.firstSuccess()).isEmpty();
    assertThat(seen.downtime()).isEqualTo(Duration.ofMillis(3010 - 12));
  }

  @Test
  void isNothingWhereNothingWorkedBefore() {
    List<Attempt> attempts = outage();
    assertThatThrownBy(() -> Outage.of(attempts, T.minusSeconds(10)))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void ignoresAPauseThatWasOverBeforeTheDisaster() {
    List<Attempt> attempts = outage();
    attempts.add(attempt(-9000, -8990, Outcome.ACKNOWLEDGED)); // eight seconds of nothing after it
    assertThat(Outage.of(attempts, T.plusMillis(10)).downtime()).isEqualTo(Duration.ofMillis(4996));
  }

  @Test
  void stagesTogetherAreTheDowntime() {
    Outage seen = Outage.of(outage(), T.plusMillis(10));
    Map<String, Duration> stages =
        seen.stages(
            List.of(
                new Outage.Mark("detect", T.plusMillis(2012)),
                new Outage.Mark("decide", T.plusMillis(2112)),
                new Outage.Mark("fence", T.plusMillis(2512)),
                new Outage.Mark("promote", T.plusMillis(3512)),
                new Outage.Mark("switch", T.plusMillis(4012))));
    assertThat(stages)
        .containsExactly(
            Map.entry("detect", Duration.ofMillis(2000)),
            Map.entry("decide", Duration.ofMillis(100)),
            Map.entry("fence", Duration.ofMillis(400)),
            Map.entry("promote", Duration.ofMillis(1000)),
            Map.entry("switch", Duration.ofMillis(500)),
            Map.entry("reconnect", Duration.ofMillis(996)));
  }

  @Test
  void aStageCountsOnlyWhereClientsWereWithout() {
    Outage seen = Outage.of(outage(), T.plusMillis(10));
    Map<String, Duration> stages =
        seen.stages(
            List.of(
                new Outage.Mark("detect", T), // it was told before clients noticed
                new Outage.Mark("promote", T.plusMillis(4000)),
                new Outage.Mark("switch", T.plusMillis(7000)))); // clients were back before
    assertThat(stages.get("detect")).isZero();
    assertThat(stages.get("switch")).isEqualTo(Duration.ofMillis(1008));
    assertThat(stages.get("reconnect")).isZero();
    assertThat(stages.values().stream().reduce(Duration.ZERO, Duration::plus))
        .isEqualTo(seen.downtime());
  }

  @Test
  void aPromisedRowThatIsGoneIsLostAndAnUnansweredOneIsNot() {
    List<Attempt> attempts =
        List.of(
            attempt(0, 1, Outcome.ACKNOWLEDGED),
            attempt(1, 2, Outcome.ACKNOWLEDGED),
            attempt(2, 3, Outcome.UNKNOWN),
            attempt(3, 4, Outcome.UNKNOWN),
            attempt(4, 5, Outcome.REFUSED));
    assertThat(Loss.of(attempts, Set.of(1L, 2L, 3L)))
        .isEqualTo(new Loss(2, List.of(), 1, 1, List.of()));
    assertThat(Loss.of(attempts, Set.of(1L, 2L, 3L)).none()).isTrue();
    assertThat(Loss.of(attempts, Set.of(1L))).isEqualTo(new Loss(2, List.of(2L), 0, 2, List.of()));
    assertThat(Loss.of(attempts, Set.of(1L)).none()).isFalse();
  }

  @Test
  void aRowThatCannotBeThereMakesTheProofWorthless() {
    List<Attempt> attempts =
        List.of(attempt(0, 1, Outcome.ACKNOWLEDGED), attempt(1, 2, Outcome.REFUSED));
    Loss refused = Loss.of(attempts, Set.of(1L, 2L));
    assertThat(refused.contrary()).containsExactly(2L);
    assertThat(refused.none()).isFalse();
    Loss stranger = Loss.of(attempts, Set.of(1L, 77L));
    assertThat(stranger.contrary()).containsExactly(77L);
    assertThat(stranger.none()).isFalse();
  }

  @Test
  void nothingPromisedIsNoProof() {
    assertThat(Loss.of(List.of(attempt(0, 1, Outcome.REFUSED)), Set.of()).none()).isFalse();
  }

  @ParameterizedTest
  @CsvSource({
    "23505, REFUSED", // the server said no
    "40001, REFUSED",
    "40003, UNKNOWN", // the one of that class that says it does not know
    "08006, UNKNOWN", // the connection went
    "57P01, UNKNOWN", // the server went, perhaps after the commit
    "58000, UNKNOWN",
    ", UNKNOWN"
  })
  void onlyAnAnswerIsAnAnswer(String state, Outcome outcome) {
    assertThat(Probe.outcome(new SQLException("x", state))).isEqualTo(outcome);
  }

  @Test
  void measuresHowFastCommitsWere() {
    List<Attempt> attempts = outage();
    assertThat(Pace.of(attempts, T.minusSeconds(2), T)).isEqualTo(new Pace(10, 5000, 5000));
    assertThat(Pace.of(attempts, T.plusMillis(4000), T.plusMillis(5500)))
        .isEqualTo(new Pace(5, 8000, 8000));
    assertThat(Pace.of(attempts, T.plusMillis(1000), T.plusMillis(4000)))
        .isEqualTo(new Pace(0, 0, 0));
  }
}
