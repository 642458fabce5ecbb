package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.simulate.Attempt.Outcome;
import java.time.Duration;
import java.time.Instant;
import java.util.List;

/**
 * How fast commits were in a span of time.
 *
 * @param commits how many were acknowledged
 * @param medianMicros how long the middle one took
 * @param slowMicros how long 95 of 100 took at most
 */
public record Pace(long commits, long medianMicros, long slowMicros) {
  static Pace of(List<Attempt> attempts, Instant from, Instant to) {
    List<Long> took =
        attempts.stream()
            .filter(it -> it.outcome() == Outcome.ACKNOWLEDGED)
            .filter(it -> !it.begun().isBefore(from) && it.ended().isBefore(to))
            .map(it -> Duration.between(it.begun(), it.ended()).toNanos() / 1000)
            .sorted()
            .toList();
    return took.isEmpty()
        ? new Pace(0, 0, 0)
        : new Pace(took.size(), took.get(took.size() / 2), took.get(took.size() * 95 / 100));
  }
}
