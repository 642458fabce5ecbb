package com.thorbis.backup.dr.failover;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Sees whether something stays down for long enough to start a recovery. A single look that does
 * not find it down begins the wait anew, and so does a time without looks. Used by one thread.
 */
public final class TriggerWatch {
  /** How many looks in a row must find it down, however short the wait is. */
  public static final int LEAST_LOOKS = 3;

  private final Detector detector;
  private final Duration held;
  private final Duration apart;
  private final Clock clock;
  private @Nullable Instant notDown;
  private @Nullable Instant began;
  private @Nullable Instant last;
  private int looks;

  /**
   * One that has seen nothing yet.
   *
   * @param detector tells by independent signals
   * @param held for how long it must be down
   * @param apart what may lie between two looks at most
   */
  public TriggerWatch(Detector detector, Duration held, Duration apart, Clock clock) {
    this.detector = detector;
    this.held = held;
    this.apart = apart;
    this.clock = clock;
  }

  /**
   * What is known after a look.
   *
   * @param verdict of this look
   * @param since since when it is down, at the latest: the last look that did not find it so, or
   *     the first of all; empty if it is not down
   * @param held whether it is down for long enough
   */
  public record Seen(Detector.Verdict verdict, Optional<Instant> since, boolean held) {}

  /** Looks once. */
  public Seen look() throws InterruptedException {
    Instant now = clock.instant();
    if (last != null && last.plus(apart).isBefore(now)) {
      notDown = null;
      forget();
    }
    last = now;
    Detector.Verdict verdict = detector.look();
    if (verdict.reading() != Sighting.Reading.DOWN) {
      notDown = now;
      forget();
      return new Seen(verdict, Optional.empty(), false);
    }
    looks++;
    began = began == null ? now : began;
    Instant since = notDown == null ? began : notDown;
    boolean longEnough = looks >= LEAST_LOOKS && !now.isBefore(began.plus(held));
    return new Seen(verdict, Optional.of(since), longEnough);
  }

  private void forget() {
    began = null;
    looks = 0;
  }
}
