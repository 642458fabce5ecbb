package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.simulate.Attempt.Outcome;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * When nothing could be committed, as a client saw it from outside.
 *
 * @param lastSuccess the last acknowledgement before it
 * @param firstSuccess the first one after it; empty if none came
 * @param observedUntil until when somebody tried
 * @param refused attempts that failed in between
 * @param unknown attempts in between whose end nobody knows
 */
public record Outage(
    Instant lastSuccess,
    Optional<Instant> firstSuccess,
    Instant observedUntil,
    long refused,
    long unknown) {
  /** The stage from the last mark to the first success. */
  public static final String RECONNECT = "reconnect";

  /**
   * The end of a stage of the recovery.
   *
   * @param stage its name
   * @param end by the journal
   */
  public record Mark(String stage, Instant end) {}

  /**
   * The longest time without an acknowledgement that ended after the disaster, or has not ended.
   *
   * @param disaster when it was made
   * @throws IllegalArgumentException if nothing was acknowledged before: then nothing was there
   *     that could go away
   */
  static Outage of(List<Attempt> attempts, Instant disaster) {
    List<Attempt> acknowledged =
        attempts.stream()
            .filter(it -> it.outcome() == Outcome.ACKNOWLEDGED)
            .sorted(Comparator.comparing(Attempt::ended))
            .toList();
    if (acknowledged.isEmpty() || acknowledged.get(0).ended().isAfter(disaster)) {
      throw new IllegalArgumentException("Nothing was acknowledged before " + disaster);
    }
    Instant end =
        attempts.stream().map(Attempt::ended).max(Comparator.naturalOrder()).orElseThrow();
    Instant last = acknowledged.get(acknowledged.size() - 1).ended();
    Optional<Instant> first = Optional.empty();
    Duration longest = Duration.between(last, end);
    for (int i = 1; i < acknowledged.size(); i++) {
      Instant from = acknowledged.get(i - 1).ended();
      Instant to = acknowledged.get(i).ended();
      Duration gap = Duration.between(from, to);
      if (to.isAfter(disaster) && gap.compareTo(longest) > 0) {
        longest = gap;
        last = from;
        first = Optional.of(to);
      }
    }
    Instant from = last;
    Instant to = first.orElse(end);
    return new Outage(
        from,
        first,
        end,
        count(attempts, from, to, Outcome.REFUSED),
        count(attempts, from, to, Outcome.UNKNOWN));
  }

  private static long count(List<Attempt> attempts, Instant from, Instant to, Outcome outcome) {
    return attempts.stream()
        .filter(it -> it.outcome() == outcome)
        .filter(it -> it.ended().isAfter(from) && !it.ended().isAfter(to))
        .count();
  }

  /** From the last success to the first; without one, to the end of trying: at least that long. */
  public Duration downtime() {
    return Duration.between(lastSuccess, firstSuccess.orElse(observedUntil));
  }

  /**
   * What of the downtime each stage took. The parts together are the downtime: what is left after
   * the last mark is {@link #RECONNECT}, and what a stage did before or after the outage counts
   * nowhere.
   *
   * @param marks the ends of the stages, in order
   */
  public Map<String, Duration> stages(List<Mark> marks) {
    Map<String, Duration> stages = new LinkedHashMap<>();
    Instant end = firstSuccess.orElse(observedUntil);
    Instant from = lastSuccess;
    for (Mark mark : marks) {
      Instant to = mark.end().isBefore(from) ? from : mark.end().isAfter(end) ? end : mark.end();
      stages.merge(mark.stage(), Duration.between(from, to), Duration::plus);
      from = to;
    }
    stages.merge(RECONNECT, Duration.between(from, end), Duration::plus);
    return stages;
  }
}
