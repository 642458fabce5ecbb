package com.thorbis.backup.storage.internal.retention;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.RetentionPolicy.Frequency;
import com.thorbis.backup.api.RetentionPolicy.Overlap;
import com.thorbis.backup.api.RetentionPolicy.Representative;
import com.thorbis.backup.api.RetentionPolicy.Rule;
import java.time.Instant;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.BiConsumer;

/** What the period rules of a policy keep of a list of backups. */
final class PeriodRules {
  private final RetentionPolicy policy;
  private final Map<Frequency, NavigableMap<Long, Slot>> slots = new EnumMap<>(Frequency.class);
  private final Set<BackupId> kept = new HashSet<>();

  /** A period that holds a backup. */
  private static final class Slot {
    private final Periods.Period period;
    private Candidate representative;
    private boolean counts;

    private Slot(Periods.Period period, Candidate first) {
      this.period = period;
      this.representative = first;
    }
  }

  /**
   * Applies the rules.
   *
   * @param ordered backups that may stand for their periods, in the order of their commits; windows
   *     end with the last
   */
  PeriodRules(RetentionPolicy policy, List<Candidate> ordered) {
    this.policy = policy;
    for (Frequency frequency : Frequency.values()) {
      if (!ordered.isEmpty() && !policy.rule(frequency).isOff()) {
        NavigableMap<Long, Slot> found = group(frequency, ordered);
        choose(frequency, found, ordered.get(ordered.size() - 1).stoppedAt());
        found.values().stream()
            .filter(slot -> slot.counts)
            .forEach(slot -> kept.add(slot.representative.id()));
        slots.put(frequency, found);
      }
    }
  }

  /** Hands out each backup that is kept, once for each period it is kept for. */
  void forEachKept(BiConsumer<Candidate, Periods.Period> action) {
    for (NavigableMap<Long, Slot> found : slots.values()) {
      for (Slot slot : found.values()) {
        if (slot.counts) {
          action.accept(slot.representative, slot.period);
        }
      }
    }
  }

  /** Why the rule of a frequency does not keep a backup; empty if there is no such rule. */
  Optional<String> reasonAgainst(Frequency frequency, Candidate candidate) {
    NavigableMap<Long, Slot> found = slots.get(frequency);
    if (found == null) {
      return Optional.empty();
    }
    Periods.Period period = Periods.of(frequency, candidate.stoppedAt(), policy.zone());
    Slot slot = found.get(period.ordinal());
    return Optional.of(
        slot != null && kept.contains(slot.representative.id())
            ? "replaced " + period + " by " + slot.representative.id()
            : "expired " + period);
  }

  private NavigableMap<Long, Slot> group(Frequency frequency, List<Candidate> ordered) {
    NavigableMap<Long, Slot> found = new TreeMap<>();
    for (Candidate candidate : ordered) {
      Periods.Period period = Periods.of(frequency, candidate.stoppedAt(), policy.zone());
      Slot slot = found.computeIfAbsent(period.ordinal(), at -> new Slot(period, candidate));
      if (policy.representative() == Representative.NEWEST) {
        slot.representative = candidate;
      }
    }
    return found;
  }

  private void choose(Frequency frequency, NavigableMap<Long, Slot> found, Instant end) {
    Rule rule = policy.rule(frequency);
    // A period belongs to the window if the window reaches into it, wherever in it its backups lie:
    // else what stands for it would leave the window with those that it stands for.
    Optional<Long> first =
        rule.window()
            .map(window -> window.before(end, policy.zone()))
            .map(start -> Periods.of(frequency, start, policy.zone()).ordinal());
    int left = rule.count();
    for (Slot slot : found.descendingMap().values()) {
      // Passing over what is kept already, rather than over the whole period that it lies in, makes
      // a larger count of a finer rule never delete anything: weeks reach across months.
      boolean free =
          policy.overlap() == Overlap.ADDITIONAL && kept.contains(slot.representative.id());
      if (left > 0 && !free) {
        slot.counts = true;
        left--;
      }
      if (first.isPresent() && slot.period.ordinal() >= first.get()) {
        slot.counts = true;
      }
    }
  }
}
