package com.thorbis.backup.dr.failover;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.testkit.SettableClock;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/** A recovery starts for what stays down, and for nothing shorter. */
class TriggerWatchTest {
  private static final Instant NOW = Instant.parse("2030-01-01T00:00:00Z");

  private final SettableClock clock = SettableClock.at(NOW);
  private final AtomicReference<Sighting> one = new AtomicReference<>(Sighting.down("gone"));
  private final AtomicReference<Sighting> two = new AtomicReference<>(Sighting.down("gone"));
  private final TriggerWatch watch =
      new TriggerWatch(
          Detector.builder().signal(signal("one", one)).signal(signal("two", two)).build(),
          Duration.ofSeconds(60),
          Duration.ofSeconds(45),
          clock);

  private static Signal signal(String id, AtomicReference<Sighting> seen) {
    return new Signal() {
      @Override
      public String id() {
        return id;
      }

      @Override
      public String from() {
        return id;
      }

      @Override
      public Sighting look() {
        return seen.get();
      }
    };
  }

  private TriggerWatch.Seen after(int seconds) throws InterruptedException {
    clock.advance(Duration.ofSeconds(seconds));
    return watch.look();
  }

  @Test
  void itIsHeldWhenEveryLookOfTheWholeTimeFindsItDown() throws InterruptedException {
    one.set(Sighting.up("works"));
    assertThat(after(0).since()).isEmpty();
    one.set(Sighting.down("gone"));
    TriggerWatch.Seen first = after(30);
    assertThat(first.held()).isFalse();
    assertThat(first.since()).contains(NOW);
    assertThat(after(30).held()).isFalse();
    assertThat(after(29).held()).isFalse();
    TriggerWatch.Seen held = after(1);
    assertThat(held.held()).isTrue();
    assertThat(held.since()).contains(NOW);
  }

  @Test
  void oneLookThatDoesNotFindItDownBeginsAnew() throws InterruptedException {
    after(0);
    after(30);
    two.set(Sighting.cannotTell("nobody could look"));
    assertThat(after(30).since()).isEmpty();
    two.set(Sighting.down("gone"));
    assertThat(after(1).held()).isFalse();
    assertThat(after(30).held()).isFalse();
    assertThat(after(30).held()).isTrue();
  }

  @Test
  void aTimeWithoutLooksDoesNotCount() throws InterruptedException {
    after(0);
    after(30);
    TriggerWatch.Seen later = after(600);
    assertThat(later.held()).isFalse();
    assertThat(later.since()).contains(NOW.plusSeconds(630));
  }

  @Test
  void fewLooksAreNotEnough() throws InterruptedException {
    TriggerWatch hasty =
        new TriggerWatch(
            Detector.builder().signal(signal("one", one)).signal(signal("two", two)).build(),
            Duration.ZERO,
            Duration.ofSeconds(45),
            clock);
    assertThat(hasty.look().held()).isFalse();
    assertThat(hasty.look().held()).isFalse();
    assertThat(hasty.look().held()).isTrue();
  }
}
