package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.simulate.Attempt.Outcome;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What became of the rows that clients asked for, by what is there after the recovery.
 *
 * @param acknowledged rows that were promised
 * @param lost those of them that are not there, in order
 * @param unknownThere rows that nobody answered for and that are there: no loss
 * @param unknownGone rows that nobody answered for and that are not: no loss, as nobody was
 *     promised them
 * @param contrary rows that are there although they were refused, or nobody asked for them, in
 *     order: what the client knows is not true, so the rest of this proves nothing
 */
public record Loss(
    long acknowledged, List<Long> lost, long unknownThere, long unknownGone, List<Long> contrary) {
  /** Copies the lists. */
  public Loss {
    lost = List.copyOf(lost);
    contrary = List.copyOf(contrary);
  }

  /** Whether all that was promised is there, and nothing else. */
  public boolean none() {
    return acknowledged > 0 && lost.isEmpty() && contrary.isEmpty();
  }

  static Loss of(List<Attempt> attempts, Set<Long> found) {
    Map<Long, Outcome> known = new HashMap<>();
    for (Attempt each : attempts) {
      if (known.put(each.number(), each.outcome()) != null) {
        throw new IllegalArgumentException("Row " + each.number() + " was asked for twice");
      }
    }
    Set<Long> contrary = new HashSet<>();
    for (Long row : found) {
      Outcome outcome = known.get(row);
      if (outcome == null || outcome == Outcome.REFUSED) {
        contrary.add(row);
      }
    }
    List<Long> lost =
        attempts.stream()
            .filter(it -> it.outcome() == Outcome.ACKNOWLEDGED && !found.contains(it.number()))
            .map(Attempt::number)
            .sorted()
            .toList();
    long there =
        attempts.stream()
            .filter(it -> it.outcome() == Outcome.UNKNOWN && found.contains(it.number()))
            .count();
    return new Loss(
        attempts.stream().filter(it -> it.outcome() == Outcome.ACKNOWLEDGED).count(),
        lost,
        there,
        attempts.stream().filter(it -> it.outcome() == Outcome.UNKNOWN).count() - there,
        contrary.stream().sorted().toList());
  }
}
