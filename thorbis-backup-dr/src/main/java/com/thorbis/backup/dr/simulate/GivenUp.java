package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.simulate.Attempt.Outcome;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What a recovery to an earlier moment gave up of what clients were promised.
 *
 * @param commits acknowledged ones that came after the moment
 * @param span from the moment to the last of what was acknowledged before the outage
 * @param bytes of log
 * @param others acknowledged ones of before the moment, or after the recovery, that are gone, and
 *     rows that must not be there: there may be none
 */
public record GivenUp(long commits, Duration span, long bytes, long others) {
  static GivenUp of(
      Loss loss, List<Attempt> attempts, RecoveredPoint point, Instant moment, Instant last) {
    Set<Long> lost = new HashSet<>(loss.lost());
    long commits =
        attempts.stream()
            .filter(it -> it.outcome() == Outcome.ACKNOWLEDGED && lost.contains(it.number()))
            .filter(it -> it.ended().isAfter(moment) && !it.ended().isAfter(last))
            .count();
    return new GivenUp(
        commits,
        Duration.between(moment, last),
        point.bytesGivenUp(),
        lost.size() - commits + loss.contrary().size());
  }

  /** Whether nothing else is lost. */
  boolean holds() {
    return others == 0;
  }
}
