package com.thorbis.backup.storage.internal.retention;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.RetentionPolicy.Frequency;
import com.thorbis.backup.api.RetentionPolicy.Overlap;
import com.thorbis.backup.api.RetentionPolicy.Representative;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Retention as the document describes it, rule by rule, by trying everything. Slow, and shares
 * nothing with what it checks.
 */
final class RetentionOracle {
  private final RetentionPolicy policy;
  private final Instant now;
  private final List<Candidate> all;
  private final List<Candidate> valid = new ArrayList<>();
  private final List<Candidate> verified = new ArrayList<>();

  RetentionOracle(RetentionPolicy policy, List<Candidate> candidates, Instant now) {
    this.policy = policy;
    this.now = now;
    this.all = new ArrayList<>(candidates);
    all.sort(Comparator.comparingLong(Candidate::sequence));
    List<Candidate> past = new ArrayList<>();
    for (Candidate one : all) {
      if (one.backup().status() != BackupStatus.AWAITING_WAL && !one.stoppedAt().isAfter(now)) {
        past.add(one);
      }
    }
    Set<Integer> believed = longestInOrder(times(past));
    for (int i = 0; i < past.size(); i++) {
      if (believed.contains(i)) {
        valid.add(past.get(i));
        if (past.get(i).verifiedAt().isPresent()) {
          verified.add(past.get(i));
        }
      }
    }
  }

  /**
   * What stays.
   *
   * @param otherBases where the recovery window may begin on other timelines, which is checked by
   *     looking for ways through the log
   */
  Set<BackupId> kept(Set<BackupId> otherBases) {
    Set<BackupId> kept = new HashSet<>();
    boolean noRule = policy.pitr().isEmpty();
    for (Frequency frequency : Frequency.values()) {
      noRule &= policy.rule(frequency).count() == 0 && policy.rule(frequency).window().isEmpty();
    }
    if (noRule || verified.size() < policy.minimum()) {
      return ids(all);
    }
    Instant newestTime = valid.get(valid.size() - 1).stoppedAt();
    if (policy.freshWithin().isPresent()
        && newestTime.isBefore(now.minus(policy.freshWithin().get()))) {
      return ids(all);
    }
    for (Candidate one : all) {
      if (!valid.contains(one)) {
        kept.add(one.id()); // Awaits its log, is dated wrongly, or both.
      }
    }
    all.stream()
        .filter(one -> one.backup().status() != BackupStatus.AWAITING_WAL)
        .reduce((a, b) -> b)
        .ifPresent(one -> kept.add(one.id()));
    for (int i = 0; i < policy.minimum(); i++) {
      kept.add(verified.get(verified.size() - 1 - i).id());
    }
    kept.addAll(periodRules(verified));
    kept.addAll(periodRules(valid));
    kept.addAll(otherBases);
    policy.pitr().ifPresent(window -> kept.addAll(recoveryWindow(window)));

    int leaving = all.size() - kept.size();
    if (leaving > 5 && 100.0 * leaving / all.size() > policy.mostDeletedPercent()) {
      return ids(all);
    }
    for (Candidate one : all) {
      if (!one.holds().isEmpty()) {
        kept.add(one.id());
      }
    }
    return kept;
  }

  List<Candidate> valid() {
    return valid;
  }

  List<Candidate> verifiedOnes() {
    return verified;
  }

  private Set<BackupId> recoveryWindow(java.time.Duration window) {
    Instant start = verified.get(verified.size() - 1).stoppedAt().minus(window);
    Candidate base = null;
    for (Candidate one : verified) {
      if (one.stoppedAt().isBefore(start)) {
        base = one;
      }
    }
    Set<BackupId> kept = new HashSet<>();
    for (Candidate one : valid) {
      if (base == null || one.sequence() >= base.sequence() || !one.stoppedAt().isBefore(start)) {
        kept.add(one.id());
      }
    }
    return kept;
  }

  private Set<BackupId> periodRules(List<Candidate> list) {
    Set<BackupId> kept = new HashSet<>();
    for (Frequency frequency : Frequency.values()) {
      Set<BackupId> byThisRule = new HashSet<>();
      int counted = 0;
      for (String period : periodsNewestFirst(frequency, list)) {
        List<Candidate> members =
            list.stream().filter(one -> period(frequency, one.stoppedAt()).equals(period)).toList();
        Candidate standsFor =
            policy.representative() == Representative.OLDEST
                ? members.get(0)
                : members.get(members.size() - 1);
        boolean passedOver =
            policy.overlap() == Overlap.ADDITIONAL && kept.contains(standsFor.id());
        if (!passedOver && counted < policy.rule(frequency).count()) {
          counted++;
          byThisRule.add(standsFor.id());
        }
        if (policy.rule(frequency).window().isPresent()
            && reaches(policy.rule(frequency).window().get(), frequency, members.get(0), list)) {
          byThisRule.add(standsFor.id());
        }
      }
      kept.addAll(byThisRule);
    }
    return kept;
  }

  private boolean reaches(
      RetentionPolicy.Window window, Frequency frequency, Candidate one, List<Candidate> list) {
    ZonedDateTime end = list.get(list.size() - 1).stoppedAt().atZone(policy.zone());
    ZonedDateTime start =
        switch (window.unit()) {
          case HOURS -> end.minusHours(window.amount());
          case DAYS -> end.minusDays(window.amount());
          case WEEKS -> end.minusDays(7L * window.amount());
          case MONTHS -> end.minusMonths(window.amount());
          default -> end.minusYears(window.amount());
        };
    return !one.stoppedAt().isBefore(start.toInstant())
        || period(frequency, one.stoppedAt()).equals(period(frequency, start.toInstant()));
  }

  private List<String> periodsNewestFirst(Frequency frequency, List<Candidate> list) {
    List<String> periods = new ArrayList<>();
    List<Candidate> byTime = new ArrayList<>(list);
    byTime.sort(Comparator.comparing(Candidate::stoppedAt).reversed());
    for (Candidate one : byTime) {
      if (!periods.contains(period(frequency, one.stoppedAt()))) {
        periods.add(period(frequency, one.stoppedAt()));
      }
    }
    return periods;
  }

  private String period(Frequency frequency, Instant moment) {
    ZonedDateTime local = moment.atZone(policy.zone());
    return switch (frequency) {
      case HOURLY -> DateTimeFormatter.ofPattern("uuuu-MM-dd HH xxx").format(local);
      case DAILY -> DateTimeFormatter.ofPattern("uuuu-MM-dd").format(local);
      case WEEKLY -> DateTimeFormatter.ISO_WEEK_DATE.format(local).substring(0, 8);
      case MONTHLY -> DateTimeFormatter.ofPattern("uuuu-MM").format(local);
      case YEARLY -> DateTimeFormatter.ofPattern("uuuu").format(local);
    };
  }

  /** Times, a step back of up to an hour made good: backups may run side by side. */
  private static List<Instant> times(List<Candidate> candidates) {
    List<Instant> times = new ArrayList<>();
    for (Candidate one : candidates) {
      Instant time = one.stoppedAt();
      if (!times.isEmpty()) {
        Instant before = times.get(times.size() - 1);
        long back = before.getEpochSecond() - time.getEpochSecond();
        time = back > 0 && back <= 3600 ? before : time;
      }
      times.add(time);
    }
    return times;
  }

  /** The longest part without a step back; of several the one with the newest members. */
  private static Set<Integer> longestInOrder(List<Instant> times) {
    List<List<Integer>> bestEndingAt = new ArrayList<>();
    List<Integer> best = List.of();
    for (int i = 0; i < times.size(); i++) {
      List<Integer> before = List.of();
      for (int j = 0; j < i; j++) {
        if (!times.get(j).isAfter(times.get(i)) && better(bestEndingAt.get(j), before)) {
          before = bestEndingAt.get(j);
        }
      }
      List<Integer> here = new ArrayList<>(before);
      here.add(i);
      bestEndingAt.add(here);
      if (better(here, best)) {
        best = here;
      }
    }
    return new HashSet<>(best);
  }

  private static boolean better(List<Integer> a, List<Integer> b) {
    if (a.size() != b.size()) {
      return a.size() > b.size();
    }
    for (int i = a.size() - 1; i >= 0; i--) {
      if (!a.get(i).equals(b.get(i))) {
        return a.get(i) > b.get(i);
      }
    }
    return false;
  }

  private static Set<BackupId> ids(List<Candidate> candidates) {
    Set<BackupId> ids = new HashSet<>();
    candidates.forEach(one -> ids.add(one.id()));
    return ids;
  }
}
