package com.thorbis.backup.storage.internal.upkeep;

import com.thorbis.backup.spi.repository.TierStep;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.StorageTier;
import com.thorbis.backup.storage.internal.copies.Thawing;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * Decides where an object belongs by its age. A function of what it is given: nothing goes up, and
 * nothing moves for which its vendor would charge a stay that it does not have, at either end.
 */
final class TierRule {
  private final List<TierStep> steps;
  private final StorageTier written;
  private final Map<StorageTier, Duration> minimumStays;

  /**
   * What becomes of an object.
   *
   * @param to the tier it belongs in; its own if it stays
   * @param reason why, for people; the same for many objects
   */
  record Decision(StorageTier to, String reason) {}

  /**
   * A rule of one copy.
   *
   * @param steps youngest first
   * @param written the tier that objects are written to
   * @param minimumStays for how long each tier is charged at least
   */
  TierRule(List<TierStep> steps, StorageTier written, Map<StorageTier, Duration> minimumStays) {
    this.steps = List.copyOf(steps);
    this.written = written;
    this.minimumStays = Map.copyOf(minimumStays);
  }

  /**
   * Decides on one object.
   *
   * @param stays whether retention is expected to keep it for the least stay of a tier
   */
  Decision decide(ObjectInfo object, Predicate<StorageTier> stays, Instant now) {
    StorageTier lies = object.tier();
    StorageTier due = ObjectNames.deepest(object.key(), written);
    List<TierStep> reached = new ArrayList<>();
    Duration age = age(object, now);
    for (TierStep step : steps) {
      if (step.after().compareTo(age) <= 0) {
        reached.add(step);
        due = ObjectNames.deepest(object.key(), step.tier());
      }
    }
    if (lies.compareTo(due) > 0) {
      return new Decision(lies, "lies deeper than asked for: something else moved it");
    }
    if (lies == due) {
      return new Decision(
          lies,
          reached.size() == steps.size() || steps.isEmpty()
              ? "is where it belongs"
              : "is younger than " + days(steps.get(reached.size()).after()));
    }
    Duration here = Duration.between(object.tierSince(), now);
    if (!object.tierSince().equals(object.modifiedAt()) && here.compareTo(Thawing.KEEP) < 0) {
      return new Decision(lies, "came to this tier lately: whoever had it brought back reads it");
    }
    if (!object.readable()) {
      return new Decision(lies, "must be brought back before it can be moved");
    }
    Duration least = minimumStays.getOrDefault(lies, Duration.ZERO);
    if (here.compareTo(least) < 0) {
      return new Decision(lies, "is charged there for " + days(least) + " anyway");
    }
    for (int i = reached.size() - 1; i >= 0; i--) {
      StorageTier to = ObjectNames.deepest(object.key(), reached.get(i).tier());
      if (to.compareTo(lies) > 0 && stays.test(to)) {
        return new Decision(to, "is older than " + days(reached.get(i).after()));
      }
    }
    if (reached.stream()
        .noneMatch(step -> ObjectNames.deepest(object.key(), step.tier()).compareTo(lies) > 0)) {
      return new Decision(lies, "was written before tier said so, and no step names it");
    }
    return new Decision(
        lies,
        "is expected to go before the "
            + days(minimumStays.getOrDefault(due, Duration.ZERO))
            + " that "
            + due.label()
            + " is charged for");
  }

  /**
   * How long ago an object was written. Where a move writes it anew, its time is that of the move,
   * which came when it had the age of that step.
   */
  private Duration age(ObjectInfo object, Instant now) {
    Duration age = Duration.between(object.modifiedAt(), now);
    boolean anew = object.tierSince().equals(object.modifiedAt());
    if (!anew || object.tier() == ObjectNames.deepest(object.key(), written)) {
      return age;
    }
    return steps.stream()
        .filter(step -> ObjectNames.deepest(object.key(), step.tier()) == object.tier())
        .map(TierStep::after)
        .findFirst()
        .map(age::plus)
        .orElse(age);
  }

  private static String days(Duration time) {
    return time.toDays() + " days";
  }
}
