package com.thorbis.backup.storage.internal.retention;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * Finds the backups whose times contradict the order of their commits: somebody's clock was set, or
 * a new host's is wrong. No period can be told for those. As few as possible are set aside; where
 * that leaves a choice the newest are believed.
 */
final class Chronology {
  /** Backups that run at the same time may commit in another order than they stop. */
  static final Duration SLACK = Duration.ofHours(1);

  private Chronology() {}

  /** The backups whose times agree with their order, which is that of the list. */
  static List<Candidate> consistent(List<Candidate> ordered) {
    Instant[] times = smoothed(ordered);
    // Longest part without a step back: lengths[i] is that of the longest which ends with i.
    int[] lengths = new int[times.length];
    List<Instant> leastEnds = new ArrayList<>(); // of all parts of each length
    for (int i = 0; i < times.length; i++) {
      int place = placeAfterEquals(leastEnds, times[i]);
      if (place == leastEnds.size()) {
        leastEnds.add(times[i]);
      } else {
        leastEnds.set(place, times[i]);
      }
      lengths[i] = place + 1;
    }
    List<Candidate> consistent = new ArrayList<>();
    int wanted = leastEnds.size();
    Instant next = Instant.MAX;
    for (int i = times.length - 1; i >= 0; i--) {
      if (lengths[i] == wanted && !times[i].isAfter(next)) {
        consistent.add(ordered.get(i));
        next = times[i];
        wanted--;
      }
    }
    Collections.reverse(consistent);
    return consistent;
  }

  private static Instant[] smoothed(List<Candidate> ordered) {
    Instant[] times = ordered.stream().map(Candidate::stoppedAt).toArray(Instant[]::new);
    for (int i = 1; i < times.length; i++) {
      Instant before = times[i - 1];
      if (times[i].isBefore(before) && !times[i].plus(SLACK).isBefore(before)) {
        times[i] = before;
      }
    }
    return times;
  }

  private static int placeAfterEquals(List<Instant> ascending, Instant time) {
    int low = 0;
    int high = ascending.size();
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (ascending.get(middle).isAfter(time)) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }
}
