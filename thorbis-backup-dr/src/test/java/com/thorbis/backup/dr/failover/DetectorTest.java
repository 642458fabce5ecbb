package com.thorbis.backup.dr.failover;

import static com.thorbis.backup.dr.failover.Sighting.Reading.CANNOT_TELL;
import static com.thorbis.backup.dr.failover.Sighting.Reading.DOWN;
import static com.thorbis.backup.dr.failover.Sighting.Reading.UP;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.dr.failover.Sighting.Reading;
import com.thorbis.backup.dr.run.Result;
import com.thorbis.backup.dr.run.Step;
import com.thorbis.backup.dr.run.Task;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DetectorTest {
  private final List<Duration> rests = new ArrayList<>();

  /** One that says one thing after the other, and then the last of it. */
  private static Signal says(String id, String from, Reading... readings) {
    Iterator<Reading> left = Arrays.asList(readings).iterator();
    return new Signal() {
      private Reading last = CANNOT_TELL;

      @Override
      public String id() {
        return id;
      }

      @Override
      public String from() {
        return from;
      }

      @Override
      public Sighting look() {
        last = left.hasNext() ? left.next() : last;
        return new Sighting(last, "is " + last.label());
      }
    };
  }

  private Detector detector(int looks, Signal... signals) {
    Detector.Builder builder =
        Detector.builder().looks(looks, Duration.ofSeconds(2)).pause(rests::add);
    List.of(signals).forEach(builder::signal);
    return builder.build();
  }

  @ParameterizedTest
  @CsvSource({
    "UP,UP,UP",
    "UP,DOWN,UP",
    "DOWN,UP,UP",
    "UP,CANNOT_TELL,UP",
    "DOWN,DOWN,DOWN",
    "DOWN,CANNOT_TELL,CANNOT_TELL",
    "CANNOT_TELL,DOWN,CANNOT_TELL",
    "CANNOT_TELL,CANNOT_TELL,CANNOT_TELL"
  })
  void itIsDownOnlyIfTwoPlacesSeeItAndUpIfOneSeesIt(Reading one, Reading two, Reading all)
      throws Exception {
    Detector detector = detector(1, says("port", "here", one), says("standby", "db2", two));
    assertThat(detector.look().reading()).isEqualTo(all);
  }

  @Test
  void twoSignalsFromOnePlaceAreOne() throws Exception {
    Detector detector =
        detector(
            1,
            says("port", "here", DOWN),
            says("query", "here", DOWN),
            says("standby", "db2", CANNOT_TELL));
    assertThat(detector.look().reading()).isEqualTo(CANNOT_TELL);
    assertThatThrownBy(() -> detector(1, says("a", "here"), says("b", "here")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("1 places (here)");
    assertThatThrownBy(() -> Detector.builder().places(1).signal(says("a", "x")).build())
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> detector(1, says("a", "here"), says("a", "there")))
        .hasMessageContaining("Two signals are called a");
  }

  @Test
  void downTakesEveryLookAndAnythingElseEndsIt() throws Exception {
    assertThat(detector(3, says("a", "x", DOWN), says("b", "y", DOWN)).decide().reading())
        .isEqualTo(DOWN);
    assertThat(rests).containsExactly(Duration.ofSeconds(2), Duration.ofSeconds(2));
    rests.clear();
    assertThat(detector(3, says("a", "x", DOWN), says("b", "y", DOWN, DOWN, UP)).decide().reading())
        .isEqualTo(UP);
    assertThat(
            detector(3, says("a", "x", DOWN), says("b", "y", DOWN, CANNOT_TELL, DOWN))
                .decide()
                .reading())
        .isEqualTo(CANNOT_TELL);
    assertThat(rests).hasSize(3);
  }

  @Test
  void aSignalThatBreaksTellsNothing() throws Exception {
    Signal broken =
        new Signal() {
          @Override
          public String id() {
            return "broken";
          }

          @Override
          public String from() {
            return "there";
          }

          @Override
          public Sighting look() {
            throw new IllegalStateException("is broken");
          }
        };
    Detector.Verdict verdict = detector(1, broken, says("a", "here", DOWN)).look();
    assertThat(verdict.reading()).isEqualTo(CANNOT_TELL);
    assertThat(verdict.toString()).contains("broken cannot-tell").contains("is broken");
  }

  @ParameterizedTest
  @CsvSource({"DOWN,DONE", "UP,FAILED", "CANNOT_TELL,UNKNOWN"})
  void theStepLooksInItsOwnRunAndSaysWhatItSaw(Reading seen, Result.Outcome outcome)
      throws Exception {
    Task task = Task.builder("detect", "detect").inputs(Map.of("source", "database")).build();
    Failover failover =
        Failover.builder(
                "database",
                new FakeServer("db1", false).access(),
                new FakeServer("db2", true).access())
            .detector(detector(1, says("port", "here", seen), says("standby", "db2", seen)))
            .build();
    Step step = FailoverActions.of(List.of(failover), Map.of()).get(0).open(task);
    FakeContext context = new FakeContext(task);
    assertThat(step.check(context).outcome()).isEqualTo(Result.Outcome.NOT_DONE);
    Result result = step.execute(context);
    assertThat(result.outcome()).isEqualTo(outcome);
    assertThat(result.facts())
        .containsEntry(FailoverFacts.VERDICT, seen.label())
        .containsEntry(FailoverFacts.SERVER, "db1")
        .containsEntry("signal/port", seen.label());
    context.attempt = 1;
    assertThat(step.check(context).outcome()).isEqualTo(outcome);
  }

  @Test
  void aStandbyTellsWhatItHearsAndNoMore() {
    ServerAccess standby = new FakeServer("db2", true).access();
    ServerView silent =
        new ServerView(true, 1, 1, new com.thorbis.backup.api.Lsn(0), true, Optional.empty());
    Duration fresh = Duration.ofSeconds(10);
    assertThat(Signals.hears(standby, silent, fresh).reading()).isEqualTo(DOWN);
    ServerView alone =
        new ServerView(true, 1, 1, new com.thorbis.backup.api.Lsn(0), false, Optional.empty());
    assertThat(Signals.hears(standby, alone, fresh).reading()).isEqualTo(CANNOT_TELL);
    ServerView primary =
        new ServerView(false, 1, 1, new com.thorbis.backup.api.Lsn(0), true, Optional.empty());
    assertThat(Signals.hears(standby, primary, fresh).reading()).isEqualTo(CANNOT_TELL);
    assertThat(Signals.hears(standby, heard(true, 3_000L), fresh).reading()).isEqualTo(UP);
    assertThat(Signals.hears(standby, heard(true, 30_000L), fresh).reading())
        .isEqualTo(CANNOT_TELL);
    assertThat(Signals.hears(standby, heard(true, null), fresh).reading()).isEqualTo(CANNOT_TELL);
    assertThat(Signals.hears(standby, heard(false, 1L), fresh).reading()).isEqualTo(CANNOT_TELL);
  }

  private static ServerView heard(
      boolean streams, @org.jspecify.annotations.Nullable Long silence) {
    return new ServerView(
        true,
        1,
        1,
        new com.thorbis.backup.api.Lsn(0),
        true,
        Optional.of(
            new ServerView.Receiver(
                streams, Optional.ofNullable(silence).map(Duration::ofMillis))));
  }
}
