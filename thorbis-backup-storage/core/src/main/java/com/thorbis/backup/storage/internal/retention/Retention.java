package com.thorbis.backup.storage.internal.retention;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RetentionForecast;
import com.thorbis.backup.api.RetentionPlan;
import com.thorbis.backup.api.RetentionPlan.Decision;
import com.thorbis.backup.api.RetentionPlan.WalKeep;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.RetentionPolicy.Frequency;
import com.thorbis.backup.api.WalRange;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Decides which backups of a source stay, and gives a reason for each. Looks at nothing but its
 * arguments and changes nothing: the same arguments give the same plan.
 *
 * <p>Every backup is complete by itself, so none is kept for the sake of another's data; the log
 * is. What cannot be judged stays: a backup whose log is not stored yet, one dated after {@code
 * now}, one whose date contradicts the order of commits.
 *
 * <p>The period rules are applied twice, to the verified backups alone and to all, and what either
 * keeps stays. So a backup that nobody verified never displaces one that was, and a verification
 * that was left out never deletes what the rules would have kept. With fewer verified backups than
 * the policy's minimum nothing is deleted at all: until one was read back, none is known to be
 * good.
 *
 * <p>Dumps and the other backups are judged apart, each by the whole policy: neither brings back
 * what the other does, so neither displaces the other. Dumps need no log, nor do backups of a
 * source without a server, of which there are no others. Whole dumps are judged among themselves,
 * and partial ones among all dumps: a whole one displaces those, and never the other way round.
 */
public final class Retention {
  private static final int NAMED_IN_ALARMS = 3;

  private final RetentionPolicy policy;
  private final String source;
  private final Instant now;
  private final boolean physical;
  private final List<Candidate> all;
  private final List<Candidate> valid;
  private final List<Candidate> trusted;
  private final Map<Line, Branch> branches = new HashMap<>();
  private final Map<BackupId, Set<String>> reasons = new HashMap<>();
  private final List<String> alarms = new ArrayList<>();
  private @Nullable Recovery recovery;

  private Retention(
      RetentionPolicy policy,
      String source,
      List<Candidate> candidates,
      List<Branch> branches,
      Instant now,
      boolean physical) {
    this.physical = physical;
    this.policy = policy;
    this.source = source;
    this.now = now;
    branches.forEach(branch -> this.branches.put(branch.line(), branch));
    this.all = candidates.stream().sorted(Comparator.comparingLong(Candidate::sequence)).toList();
    for (Candidate one : all) {
      if (!one.backup().source().equals(source)) {
        throw new IllegalArgumentException(
            "Backup " + one.id() + " is of " + one.backup().source() + ", not of " + source);
      }
      if (reasons.put(one.id(), new LinkedHashSet<>()) != null) {
        throw new IllegalArgumentException("Backup " + one.id() + " is given twice");
      }
    }
    this.valid = Chronology.consistent(all.stream().filter(this::datedInThePast).toList());
    this.trusted = valid.stream().filter(Candidate::verified).toList();
  }

  /** Plans while it is not known how the source's timelines descend from each other. */
  public static RetentionPlan plan(
      RetentionPolicy policy, String source, List<Candidate> candidates, Instant now) {
    return plan(policy, source, candidates, List.of(), now);
  }

  /**
   * Plans.
   *
   * @param candidates every backup of the source that the catalogue has and no earlier plan
   *     deleted; those of one commit in the order of the commit
   * @param branches what is known of the descent of timelines. Without it log, and a backup on each
   *     line, is kept wherever one may descend from another
   * @param now the moment of the whole run
   * @throws IllegalArgumentException if a backup is of another source, or given twice
   */
  public static RetentionPlan plan(
      RetentionPolicy policy,
      String source,
      List<Candidate> candidates,
      List<Branch> branches,
      Instant now) {
    List<Candidate> dumps = candidates.stream().filter(one -> !one.backup().physical()).toList();
    if (dumps.isEmpty()) {
      return new Retention(policy, source, candidates, branches, now, true).plan();
    }
    List<Candidate> others = candidates.stream().filter(one -> one.backup().physical()).toList();
    RetentionPlan ofDumps = planDumps(policy, source, dumps, now);
    if (others.isEmpty()) {
      return ofDumps;
    }
    return together(
        candidates, ofDumps, new Retention(policy, source, others, branches, now, true).plan());
  }

  private static RetentionPlan planDumps(
      RetentionPolicy policy, String source, List<Candidate> dumps, Instant now) {
    RetentionPlan ofAll = new Retention(policy, source, dumps, List.of(), now, false).plan();
    List<Candidate> whole = dumps.stream().filter(one -> !one.backup().partial()).toList();
    if (whole.isEmpty() || whole.size() == dumps.size()) {
      return ofAll;
    }
    return together(
        dumps, ofAll, new Retention(policy, source, whole, List.of(), now, false).plan());
  }

  /** Two plans, in the order of commits; where both decide, and of the log, the second counts. */
  private static RetentionPlan together(
      List<Candidate> candidates, RetentionPlan first, RetentionPlan second) {
    Map<BackupId, Decision> decisions = new HashMap<>();
    Stream.of(first, second)
        .flatMap(plan -> plan.decisions().stream())
        .forEach(decision -> decisions.put(decision.backup(), decision));
    return new RetentionPlan(
        second.source(),
        second.asOf(),
        second.policyDigest(),
        candidates.stream()
            .sorted(Comparator.comparingLong(Candidate::sequence))
            .flatMap(one -> Stream.ofNullable(decisions.get(one.id())))
            .toList(),
        second.wal(),
        Stream.of(second, first).flatMap(plan -> plan.alarms().stream()).distinct().toList());
  }

  /**
   * What will be left, as long as every backup succeeds and is verified, and retention runs after
   * each and at each of the dates.
   *
   * @param history the backups there are now
   * @param schedule when backups to come will stop, in order
   * @param dates when to look, in order
   * @return what is left at each date
   */
  public static List<RetentionForecast> simulate(
      RetentionPolicy policy,
      String source,
      List<Candidate> history,
      List<Instant> schedule,
      List<Instant> dates) {
    return new Simulation(policy, source, history).run(schedule, dates);
  }

  private RetentionPlan plan() {
    if (policy.isEmpty()) {
      all.forEach(one -> keep(one, "policy empty"));
      alarms.add(
          "retention.policy-empty: no rule says what to let go of, so everything is kept; set one"
              + " such as \"daily: 30\"");
    }
    newest(all.stream().filter(one -> one.backup().status().restorable()).toList(), 1)
        .forEach(one -> keep(one, "newest"));
    newest(trusted, policy.minimum()).forEach(one -> keep(one, "minimum"));
    keepWhatCannotBeJudged();
    PeriodRules ofTrusted = new PeriodRules(policy, trusted);
    PeriodRules ofValid = new PeriodRules(policy, valid);
    ofTrusted.forEachKept((one, period) -> keep(one, period.toString()));
    ofValid.forEachKept(
        (one, period) -> keep(one, one.verified() ? period.toString() : period + " unverified"));
    policy.pitr().ifPresent(this::keepWindow);

    // Holds come last and do not count here: one more must never let a plan through that was
    // stopped.
    Optional<String> stop = guard();
    for (Candidate one : all) {
      one.holds().forEach(hold -> keep(one, "hold: " + hold));
    }
    stop.ifPresent(
        guard ->
            all.stream()
                .filter(one -> !kept(one))
                .toList()
                .forEach(one -> keep(one, "guard " + guard)));
    return new RetentionPlan(
        source,
        now,
        policy.digest(),
        all.stream().map(one -> decision(one, ofValid)).toList(),
        !physical
            ? List.of()
            : stop.isPresent() || policy.isEmpty() ? Lines.everything(all) : log(),
        alarms);
  }

  private boolean datedInThePast(Candidate one) {
    return one.backup().status().restorable() && !one.stoppedAt().isAfter(now);
  }

  private void keepWhatCannotBeJudged() {
    Set<BackupId> judged = new HashSet<>();
    valid.forEach(one -> judged.add(one.id()));
    keepWithAlarm(
        one -> !one.backup().status().restorable(),
        "awaiting-wal",
        "cannot be restored yet; see that their log arrives");
    keepWithAlarm(
        one -> one.stoppedAt().isAfter(now),
        "future-dated",
        "stopped after now; compare the clocks of this host and of the server");
    keepWithAlarm(
        one -> datedInThePast(one) && !judged.contains(one.id()),
        "clock-step",
        "were dated against the order of their commits, so no rule can let go of them; look"
            + " whether a clock was set, and delete them by hand when they are not needed");
  }

  private void keepWithAlarm(Predicate<Candidate> which, String reason, String problem) {
    List<Candidate> found = all.stream().filter(which).toList();
    found.forEach(one -> keep(one, reason));
    if (!found.isEmpty()) {
      alarms.add("retention." + reason + ": " + named(found) + " " + problem);
    }
  }

  private void keepWindow(Duration window) {
    if (trusted.isEmpty()) {
      valid.forEach(one -> keep(one, "pitr unproven"));
      return; // The minimum is not there either, and stops the plan with an alarm of its own.
    }
    Instant start = trusted.get(trusted.size() - 1).stoppedAt().minus(window);
    if (!physical) {
      valid.stream()
          .filter(one -> !one.stoppedAt().isBefore(start))
          .forEach(one -> keep(one, "pitr window"));
      return;
    }
    Recovery found = new Recovery(all, trusted, branches, start);
    recovery = found;
    found.bases().forEach(one -> keep(one, "pitr base"));
    for (Candidate one : valid) {
      if (!one.stoppedAt().isBefore(start)
          || found.base().isPresent() && one.sequence() > found.base().get().sequence()) {
        keep(one, "pitr window");
      }
    }
    if (!found.unknown().isEmpty()) {
      alarms.add(
          "retention.descent-unknown: it is not known where "
              + found.unknown().stream()
                  .map(line -> "timeline " + line.timeline() + " of " + line.incarnation())
                  .collect(Collectors.joining(", "))
              + " began, so every verified backup that it may rest on is kept until it has one from"
              + " before the recovery window");
    }
    List<Candidate> before = valid.stream().filter(one -> one.stoppedAt().isBefore(start)).toList();
    if (found.base().isEmpty() && !before.isEmpty()) {
      before.forEach(one -> keep(one, "pitr unproven"));
      alarms.add(
          "retention.pitr-unproven: no backup from before "
              + start
              + ", where the recovery window begins, was verified, so all of them are kept; verify "
              + before.get(before.size() - 1).id());
    }
  }

  /** The guard that stops this plan, if one does. */
  private Optional<String> guard() {
    if (policy.isEmpty()) {
      return Optional.empty();
    }
    List<Candidate> leaving = all.stream().filter(one -> !kept(one)).toList();
    if (trusted.size() < policy.minimum()) {
      if (!all.isEmpty()) {
        alarms.add(
            ("retention.below-minimum: %d verified backups of at least %d; nothing is deleted;"
                    + " verify some")
                .formatted(trusted.size(), policy.minimum()));
      }
      return Optional.of("below-minimum");
    }
    Candidate last = valid.get(valid.size() - 1);
    if (policy.freshWithin().isPresent()
        && last.stoppedAt().isBefore(now.minus(policy.freshWithin().get()))) {
      alarms.add(
          ("retention.not-fresh: the newest backup, %s, is of %s; nothing is deleted until there"
                  + " is a newer one")
              .formatted(last.id(), last.stoppedAt()));
      return Optional.of("not-fresh");
    }
    if (leaving.size() > RetentionPolicy.MOST_DELETED_FLOOR
        && leaving.size() * 100L > all.size() * (long) policy.mostDeletedPercent()) {
      alarms.add(
          ("retention.most-deleted: %d of %d backups would go, more than %d %%; nothing is"
                  + " deleted; if that is meant, raise most-deleted-percent")
              .formatted(leaving.size(), all.size(), policy.mostDeletedPercent()));
      return Optional.of("most-deleted");
    }
    return Optional.empty();
  }

  private List<WalKeep> log() {
    List<Candidate> kept = all.stream().filter(this::kept).toList();
    if (kept.isEmpty()) {
      return List.of(); // There is no backup at all, so no line to judge.
    }
    if (recovery != null) {
      return Lines.needed(all, kept, branches, recovery.log());
    }
    // Nobody limited the log: any moment since the oldest backup stays reachable.
    Candidate oldest = kept.get(0);
    Map<Line, List<WalRange>> onwards = new LinkedHashMap<>();
    onwards.put(oldest.line(), List.of(from(oldest.line(), oldest.backup().startLsn())));
    all.stream()
        .filter(one -> one.sequence() > oldest.sequence())
        .forEach(one -> onwards.putIfAbsent(one.line(), List.of(from(one.line(), new Lsn(0)))));
    return Lines.needed(all, kept, branches, onwards);
  }

  private static WalRange from(Line line, Lsn position) {
    return new WalRange(line.timeline(), position, Lines.END);
  }

  private Decision decision(Candidate one, PeriodRules rules) {
    Set<String> known = reasonsOf(one);
    if (!known.isEmpty()) {
      return new Decision(one.id(), true, List.copyOf(known));
    }
    List<String> against = new ArrayList<>();
    for (Frequency frequency : Frequency.values()) {
      rules.reasonAgainst(frequency, one).ifPresent(against::add);
    }
    if (policy.pitr().isPresent()) {
      against.add("expired pitr");
    }
    return new Decision(one.id(), false, against);
  }

  private void keep(Candidate one, String reason) {
    reasonsOf(one).add(reason);
  }

  private boolean kept(Candidate one) {
    return !reasonsOf(one).isEmpty();
  }

  private Set<String> reasonsOf(Candidate one) {
    return reasons.computeIfAbsent(one.id(), id -> new LinkedHashSet<>());
  }

  private static List<Candidate> newest(List<Candidate> ordered, int count) {
    return ordered.subList(Math.max(0, ordered.size() - count), ordered.size());
  }

  private static String named(List<Candidate> found) {
    List<String> names =
        newest(found, NAMED_IN_ALARMS).stream().map(one -> one.id().value()).toList();
    int others = found.size() - names.size();
    return String.join(", ", names) + (others == 0 ? "" : " and " + others + " older");
  }
}
