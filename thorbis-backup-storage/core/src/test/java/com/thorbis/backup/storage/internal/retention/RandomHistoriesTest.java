package com.thorbis.backup.storage.internal.retention;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RetentionPlan;
import com.thorbis.backup.api.RetentionPlan.Decision;
import com.thorbis.backup.api.RetentionPlan.WalKeep;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.RetentionPolicy.Frequency;
import com.thorbis.backup.api.RetentionPolicy.Overlap;
import com.thorbis.backup.api.RetentionPolicy.Representative;
import com.thorbis.backup.api.RetentionPolicy.Rule;
import com.thorbis.backup.api.RetentionPolicy.Window;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Many made-up histories, each against the oracle and against what must hold for all of them. */
class RandomHistoriesTest {
  private static final boolean RELEASE = Boolean.getBoolean("thorbis.release");
  private static final int HISTORIES = RELEASE ? 100_000 : 5_000;
  private static final List<ZoneId> ZONES =
      List.of(
          ZoneId.of("UTC"),
          ZoneId.of("Europe/Berlin"),
          ZoneId.of("America/Sao_Paulo"),
          ZoneId.of("Australia/Lord_Howe"),
          ZoneId.of("Pacific/Apia"));

  private record Case(
      RetentionPolicy policy, History history, List<Branch> known, boolean stepped, Instant now) {
    List<Candidate> backups() {
      return history.backups();
    }

    RetentionPlan plan() {
      return plan(policy, backups());
    }

    RetentionPlan plan(RetentionPolicy other, List<Candidate> candidates) {
      return Retention.plan(other, History.SOURCE, candidates, known, now);
    }
  }

  @Test
  void r9WhatStaysIsWhatTheOracleSaysAndEveryPointOfItCanBeRestored() {
    forEachHistory(
        HISTORIES,
        (made, random) -> {
          RetentionPlan plan = made.plan();
          RetentionOracle oracle = new RetentionOracle(made.policy(), made.backups(), made.now());
          Set<BackupId> bases = new HashSet<>();
          for (Decision decision : plan.decisions()) {
            assertThat(decision.reasons()).isNotEmpty();
            if (decision.reasons().contains("pitr base")) {
              bases.add(decision.backup());
            }
          }
          assertThat(bases).isSubsetOf(oracle.verifiedOnes().stream().map(Candidate::id).toList());
          assertThat(new HashSet<>(plan.kept())).isEqualTo(oracle.kept(bases));
          assertEveryKeptPointHasItsLog(made, plan);
          assertTheWindowIsReachable(made, plan);
        });
  }

  /** Where all branches are known, nothing is kept for want of knowing better. */
  @Test
  void r9AroundAChangeOfTimelineNoMoreLogAndNoMoreBasesStayThanAreNeeded() {
    AtomicInteger judged = new AtomicInteger();
    AtomicInteger changed = new AtomicInteger();
    forEachHistory(
        HISTORIES,
        (made, random) -> {
          List<Branch> branches = made.history().branches();
          RetentionPlan plan =
              Retention.plan(made.policy(), History.SOURCE, made.backups(), branches, made.now());
          boolean stopped =
              plan.alarms().stream()
                  .anyMatch(
                      alarm ->
                          alarm.matches("retention\\.(below-minimum|not-fresh|most-deleted):.*"));
          if (stopped || made.policy().pitr().isEmpty() || made.backups().isEmpty()) {
            return;
          }
          assertNoMoreThanNeeded(made, plan);
          judged.incrementAndGet();
          changed.addAndGet(branches.isEmpty() ? 0 : 1);
        });
    assertThat(changed.get()).isGreaterThan(HISTORIES / 50);
    System.out.println("descent: plans judged: " + judged + ", with branches: " + changed);
  }

  private static void assertNoMoreThanNeeded(Case made, RetentionPlan plan) {
    RetentionOracle oracle = new RetentionOracle(made.policy(), made.backups(), made.now());
    List<Candidate> verified = oracle.verifiedOnes();
    Instant start =
        verified.isEmpty()
            ? Instant.MIN
            : verified.get(verified.size() - 1).stoppedAt().minus(made.policy().pitr().get());
    List<Candidate> before =
        verified.stream().filter(one -> one.stoppedAt().isBefore(start)).toList();
    Map<Line, List<Lsn[]>> needed = new HashMap<>();
    Set<BackupId> kept = new HashSet<>(plan.kept());
    for (Candidate one : made.backups()) {
      if (kept.contains(one.id())) {
        need(needed, one.line(), one.backup().startLsn(), one.backup().stopLsn());
      }
    }
    long since = before.isEmpty() ? 0 : before.get(before.size() - 1).sequence();
    Set<BackupId> bases = new HashSet<>();
    for (Candidate live : made.backups()) {
      if (live.sequence() >= since && !verified.isEmpty()) {
        // Of all that lead to the end of the line, the one with the least log to read.
        Candidate best = null;
        List<Leg> shortest = List.of();
        for (Candidate base : before) {
          List<Leg> legs = way(made.history(), base, live.line(), WalKeep.END).orElse(List.of());
          if (!legs.isEmpty() && (best == null || legs.size() <= shortest.size())) {
            best = base;
            shortest = legs;
          }
        }
        if (best != null) {
          bases.add(best.id());
        } else {
          shortest = wayFromTheRoot(made.history(), live.line());
        }
        for (Leg leg : shortest) {
          boolean begins = best != null && leg.line().equals(best.line());
          need(needed, leg.line(), begins ? leg.from() : new Lsn(0), leg.to());
        }
      }
    }
    for (Decision decision : plan.decisions()) {
      assertThat(decision.reasons().contains("pitr base"))
          .as("%s begins a way", decision.backup())
          .isEqualTo(bases.contains(decision.backup()));
    }
    for (WalKeep keep : plan.wal()) {
      Line line = new Line(keep.incarnation(), keep.timeline());
      keep.stretches()
          .forEach(
              stretch ->
                  assertThat(covered(needed.getOrDefault(line, List.of()), stretch.start()))
                      .as("%s of %s is needed by something", stretch, line)
                      .isGreaterThanOrEqualTo(stretch.end()));
    }
  }

  private static void need(Map<Line, List<Lsn[]>> needed, Line line, Lsn from, Lsn to) {
    // A byte more keeps the segment that begins there.
    Lsn end = to.equals(WalKeep.END) ? to : to.plus(1);
    needed.computeIfAbsent(line, any -> new ArrayList<>()).add(new Lsn[] {from, end});
  }

  /** How far all is needed from a position on. */
  private static Lsn covered(List<Lsn[]> needed, Lsn from) {
    Lsn end = from;
    for (boolean further = true; further; ) {
      further = false;
      for (Lsn[] one : needed) {
        if (one[0].compareTo(end) <= 0 && one[1].compareTo(end) > 0) {
          end = one[1];
          further = true;
        }
      }
    }
    return end;
  }

  private static List<Leg> wayFromTheRoot(History history, Line line) {
    Map<Line, Branch> parents = new HashMap<>();
    history.branches().forEach(branch -> parents.put(branch.line(), branch));
    List<Leg> legs = new ArrayList<>();
    Lsn end = WalKeep.END;
    legs.add(new Leg(line, new Lsn(0), end));
    for (Branch at = parents.get(line); at != null; at = parents.get(at.parent())) {
      end = at.position().compareTo(end) < 0 ? at.position() : end;
      legs.add(new Leg(at.parent(), new Lsn(0), end));
    }
    return legs;
  }

  @Test
  void theNewestAndTheLastVerifiedAlwaysStay() {
    forEachHistory(
        HISTORIES / 5,
        (made, random) -> {
          RetentionPlan plan = made.plan();
          if (made.backups().isEmpty()) {
            assertThat(plan.decisions()).isEmpty();
            return;
          }
          assertThat(plan.kept()).contains(made.history().last().id());
          Set<BackupId> kept = new HashSet<>(plan.kept());
          long verified =
              made.backups().stream().filter(RandomHistoriesTest::restorableAndVerified).count();
          assertThat(
                  made.backups().stream()
                      .filter(RandomHistoriesTest::restorableAndVerified)
                      .filter(one -> kept.contains(one.id()))
                      .count())
              .isGreaterThanOrEqualTo(Math.min(verified, made.policy().minimum()));
          for (Candidate one : made.backups()) {
            if (one.backup().status() == BackupStatus.AWAITING_WAL
                || one.stoppedAt().isAfter(made.now())) {
              assertThat(kept).contains(one.id());
            }
          }
        });
  }

  @Test
  void oneMoreHoldNeverDeletesMore() {
    forEachHistory(
        HISTORIES / 5,
        (made, random) -> {
          if (!made.backups().isEmpty()) {
            List<Candidate> held = new ArrayList<>(made.backups());
            held.replaceAll(one -> random.nextInt(4) == 0 ? History.hold(one, "case 7") : one);
            RetentionPlan before = made.plan();
            RetentionPlan after = made.plan(made.policy(), held);
            assertThat(after.kept()).containsAll(before.kept());
            assertNoLessLog(before, after);
            held.stream()
                .filter(one -> !one.holds().isEmpty())
                .forEach(one -> assertThat(after.kept()).contains(one.id()));
          }
        });
  }

  @Test
  void aLargerCountOrWindowOrMinimumNeverDeletesMore() {
    forEachHistory(
        HISTORIES / 5,
        (made, random) -> {
          // A guard stops by what would go; with more staying it may stop no longer.
          RetentionPolicy policy = copy(made.policy()).mostDeletedPercent(100).build();
          RetentionPolicy.Builder larger = copy(policy);
          Frequency frequency = List.of(Frequency.values()).get(random.nextInt(5));
          Rule rule = policy.rule(frequency);
          Optional<Window> window =
              rule.window().map(one -> new Window(one.amount() + random.nextInt(3), one.unit()));
          larger.rule(frequency, new Rule(rule.count() + random.nextInt(3), window));
          policy.pitr().ifPresent(one -> larger.pitr(one.plusHours(random.nextInt(50))));
          larger.minimum(policy.minimum() + random.nextInt(2));
          if (!policy.isEmpty()) {
            RetentionPlan before = made.plan(policy, made.backups());
            RetentionPlan after = made.plan(larger.build(), made.backups());
            assertThat(after.kept()).containsAll(before.kept());
            assertNoLessLog(before, after);
          }
        });
  }

  @Test
  void anUnverifiedBackupNeverPushesOutWhatTheVerifiedOnesAloneKeep() {
    forEachHistory(
        HISTORIES / 5,
        (made, random) -> {
          RetentionPolicy policy =
              copy(made.policy()).mostDeletedPercent(100).freshWithin(Duration.ZERO).build();
          List<Candidate> verified =
              made.backups().stream().filter(RandomHistoriesTest::restorableAndVerified).toList();
          if (!verified.isEmpty() && !made.stepped()) {
            RetentionPlan before = made.plan(policy, made.backups());
            RetentionPlan alone = made.plan(policy, verified);
            made.history().add(made.now(), BackupStatus.COMPLETE, false);
            Set<BackupId> after = new HashSet<>(made.plan(policy, made.backups()).kept());
            verified.stream()
                .map(Candidate::id)
                .filter(before.kept()::contains)
                .filter(alone.kept()::contains)
                .filter(one -> !reasons(alone, one).equals(List.of("newest")))
                .forEach(one -> assertThat(after).contains(one));
          }
        });
  }

  @Test
  void theOrderOfTheListDoesNotMatter() {
    forEachHistory(
        HISTORIES / 5,
        (made, random) -> {
          List<Candidate> shuffled = new ArrayList<>(made.backups());
          Collections.shuffle(shuffled, random);
          assertThat(made.plan(made.policy(), shuffled)).isEqualTo(made.plan());
        });
  }

  @Test
  void r6ASecondRunDeletesNothingHoweverMuchLater() {
    forEachHistory(
        HISTORIES / 5,
        (made, random) -> {
          if (!made.stepped()) {
            Set<BackupId> kept = new HashSet<>(made.plan().kept());
            List<Candidate> left =
                made.backups().stream().filter(one -> kept.contains(one.id())).toList();
            boolean future = left.stream().anyMatch(one -> one.stoppedAt().isAfter(made.now()));
            Instant later = future ? made.now() : made.now().plus(Duration.ofDays(3_000));
            assertThat(
                    Retention.plan(made.policy(), History.SOURCE, left, made.known(), later)
                        .deleted())
                .isEmpty();
          }
        });
  }

  /**
   * Retention runs after each backup and the log is cut as it says; the source fails over, is set
   * back and adopted in between. After each run every kept backup has its log, and every moment of
   * the window that any backup ever made possible is still to be had.
   */
  @Test
  void r13AfterEveryRunAllThatWasPromisedCanBeRestored() {
    forEachHistory(
        HISTORIES / 5,
        (made, random) -> {
          RetentionPolicy policy = copy(made.policy()).freshWithin(Duration.ZERO).build();
          double verified = random.nextDouble();
          History history = new History();
          List<Candidate> left = new ArrayList<>();
          Map<Line, List<WalKeep>> cuts = new HashMap<>();
          List<Moment> moments = new ArrayList<>();
          Instant at = Instant.parse("2026-01-01T00:00:00Z");
          for (int i = 0; i < 40; i++) {
            at = at.plus(Duration.ofMinutes(random.nextInt(6_000)));
            left.add(history.add(at, BackupStatus.COMPLETE, random.nextDouble() < verified));
            moments.add(new Moment(history.line(), history.last().backup().stopLsn(), at));
            List<Branch> known =
                made.known().isEmpty()
                    ? List.of()
                    : history.branches().stream().filter(one -> random.nextInt(4) > 0).toList();
            RetentionPlan plan = Retention.plan(policy, History.SOURCE, left, known, at);
            Set<BackupId> kept = new HashSet<>(plan.kept());
            left.removeIf(one -> !kept.contains(one.id()));
            plan.wal()
                .forEach(
                    one ->
                        cuts.computeIfAbsent(
                                new Line(one.incarnation(), one.timeline()),
                                line -> new ArrayList<>())
                            .add(one));
            assertAllThatWasPromised(policy, history, left, moments, cuts);
            if (random.nextInt(4) == 0) {
              // Only what can be restored can be gone back to.
              Instant start = at.minus(policy.pitr().orElse(Duration.ZERO));
              at = at.plus(Duration.ofMinutes(random.nextInt(6_000)));
              moments.add(new Moment(history.line(), history.goOn(), at));
              List<Candidate> ready =
                  left.stream().filter(one -> !one.stoppedAt().isBefore(start)).toList();
              Candidate earlier = ready.get(random.nextInt(ready.size()));
              switch (random.nextInt(4)) {
                case 0 -> history.setBack(earlier);
                case 1 -> history.adopt(earlier);
                case 2 -> history.upgrade();
                default -> history.promote();
              }
            }
          }
        });
  }

  /** When a line had been written so far. */
  private record Moment(Line line, Lsn position, Instant at) {}

  private static void assertAllThatWasPromised(
      RetentionPolicy policy,
      History history,
      List<Candidate> left,
      List<Moment> moments,
      Map<Line, List<WalKeep>> cuts) {
    for (Candidate one : left) {
      List<Leg> legs = way(history, one, one.line(), one.backup().stopLsn()).orElseThrow();
      assertThat(survived(cuts, legs)).as("log of %s", one.id()).isTrue();
    }
    List<Candidate> verified = history.backups().stream().filter(Candidate::verified).toList();
    if (policy.pitr().isEmpty() || verified.isEmpty()) {
      return;
    }
    Instant start = verified.get(verified.size() - 1).stoppedAt().minus(policy.pitr().get());
    for (Candidate one : history.backups()) {
      if (!one.stoppedAt().isBefore(start)) {
        assertThat(left).contains(one);
      }
    }
    for (Moment target : moments) {
      if (!target.at().isBefore(start)) {
        boolean everReachable =
            verified.stream()
                .filter(one -> one.stoppedAt().isBefore(start))
                .anyMatch(one -> way(history, one, target.line(), target.position()).isPresent());
        assertThat(
                !everReachable
                    || left.stream()
                        .filter(one -> one.verified() && one.stoppedAt().isBefore(start))
                        .anyMatch(
                            one ->
                                way(history, one, target.line(), target.position())
                                    .filter(legs -> survived(cuts, legs))
                                    .isPresent()))
            .as(
                "a way from before the window to %s%nbranches %s%ncuts %s%nleft %s",
                target, history.branches(), cuts, left)
            .isTrue();
      }
    }
  }

  private static boolean survived(Map<Line, List<WalKeep>> cuts, List<Leg> legs) {
    return legs.stream()
        .allMatch(
            leg ->
                cuts.getOrDefault(leg.line(), List.of()).stream()
                    .allMatch(keep -> covers(keep, leg)));
  }

  private interface Check {
    void run(Case made, Random random);
  }

  private static void forEachHistory(int count, Check check) {
    long seed = Long.getLong("thorbis.seed", System.nanoTime());
    System.out.println("RandomHistoriesTest: -Dthorbis.seed=" + seed);
    long[] seeds = new Random(seed).longs(count).toArray();
    IntStream all = IntStream.range(0, count);
    (RELEASE ? all.parallel() : all)
        .forEach(
            i -> {
              Random random = new Random(seeds[i]);
              Case made = history(random);
              try {
                check.run(made, random);
              } catch (AssertionError | RuntimeException e) {
                throw new AssertionError(
                    "History %d of seed %d: %s%n%s%n%s"
                        .formatted(i, seed, made.policy(), describe(made), e.getMessage()),
                    e);
              }
            });
  }

  private static String describe(Case made) {
    return made.backups().stream()
            .map(
                one ->
                    "%s %s %s %s %s/%s %s-%s"
                        .formatted(
                            one.id(),
                            one.stoppedAt(),
                            one.backup().status().label(),
                            one.verified() ? "verified" : "-",
                            one.backup().incarnation(),
                            one.backup().timeline(),
                            one.backup().startLsn(),
                            one.backup().stopLsn()))
            .collect(Collectors.joining("\n"))
        + "\n"
        + made.plan().decisions()
        + "\n"
        + made.plan().wal()
        + "\nbranches "
        + made.history().branches()
        + "\nknown "
        + made.known();
  }

  private static Case history(Random random) {
    History history = new History();
    Instant at =
        Instant.parse("2015-12-20T00:00:00Z").plus(Duration.ofHours(random.nextInt(80_000)));
    Duration pace =
        List.of(
                Duration.ofMinutes(17),
                Duration.ofHours(5),
                Duration.ofDays(1),
                Duration.ofDays(6),
                Duration.ofDays(40))
            .get(random.nextInt(5));
    double verified = List.of(0.0, 0.2, 0.7, 1.0, 1.0).get(random.nextInt(5));
    boolean changes = random.nextBoolean();
    boolean stepping = random.nextInt(4) == 0;
    boolean stepped = false;
    int count = random.nextInt(random.nextInt(8) == 0 ? 90 : 28);
    for (int i = 0; i < count; i++) {
      at = at.plus(Duration.ofSeconds((long) (pace.toSeconds() * random.nextDouble() * 2)));
      Instant stop = at;
      if (stepping && random.nextInt(6) == 0) {
        stop = at.plus(Duration.ofHours(random.nextInt(4_000) - 2_000));
        stepped = true;
        at = random.nextInt(4) == 0 ? stop : at;
      }
      history.add(
          stop,
          random.nextInt(15) == 0
              ? BackupStatus.AWAITING_WAL
              : random.nextInt(9) == 0
                  ? BackupStatus.COMPLETED_WITH_WARNING
                  : BackupStatus.COMPLETE,
          random.nextDouble() < verified);
      if (changes && random.nextInt(5) == 0) {
        Candidate earlier = history.backups().get(random.nextInt(i + 1));
        switch (random.nextInt(4)) {
          case 0 -> history.setBack(earlier);
          case 1 -> history.adopt(earlier);
          case 2 -> history.upgrade();
          default -> history.promote();
        }
      }
    }
    Instant latest = at;
    for (Candidate one : history.backups()) {
      latest = one.stoppedAt().isAfter(latest) ? one.stoppedAt() : latest;
    }
    Instant now =
        random.nextInt(10) == 0
            ? at.minus(pace.multipliedBy(random.nextInt(5)))
            : latest.plus(Duration.ofHours(random.nextInt(200)));
    List<Branch> known =
        switch (random.nextInt(3)) {
          case 0 -> List.of();
          case 1 -> history.branches();
          default -> history.branches().stream().filter(one -> random.nextBoolean()).toList();
        };
    return new Case(policy(random), history, known, stepped, now);
  }

  private static RetentionPolicy policy(Random random) {
    RetentionPolicy.Builder policy =
        RetentionPolicy.builder()
            .zone(ZONES.get(random.nextInt(ZONES.size())))
            .overlap(random.nextInt(3) == 0 ? Overlap.ADDITIONAL : Overlap.SHARED)
            .representative(random.nextInt(3) == 0 ? Representative.OLDEST : Representative.NEWEST)
            .minimum(1 + random.nextInt(random.nextInt(3) + 1))
            .mostDeletedPercent(List.of(0, 50, 80, 100, 100).get(random.nextInt(5)));
    List<ChronoUnit> units =
        List.of(
            ChronoUnit.HOURS,
            ChronoUnit.DAYS,
            ChronoUnit.WEEKS,
            ChronoUnit.MONTHS,
            ChronoUnit.YEARS);
    for (Frequency frequency : Frequency.values()) {
      int count = random.nextInt(2) == 0 ? 0 : random.nextInt(6);
      Optional<Window> window =
          random.nextInt(6) == 0
              ? Optional.of(new Window(1 + random.nextInt(9), units.get(random.nextInt(5))))
              : Optional.empty();
      policy.rule(frequency, new Rule(count, window));
    }
    if (random.nextInt(2) == 0) {
      policy.pitr(Duration.ofHours(1 + random.nextInt(24 * 30)));
    }
    if (random.nextInt(6) == 0) {
      policy.freshWithin(Duration.ofHours(1 + random.nextInt(300)));
    }
    return policy.build();
  }

  private static RetentionPolicy.Builder copy(RetentionPolicy policy) {
    RetentionPolicy.Builder copy =
        RetentionPolicy.builder()
            .zone(policy.zone())
            .overlap(policy.overlap())
            .representative(policy.representative())
            .minimum(policy.minimum())
            .mostDeletedPercent(policy.mostDeletedPercent());
    for (Frequency frequency : Frequency.values()) {
      copy.rule(frequency, policy.rule(frequency));
    }
    policy.pitr().ifPresent(copy::pitr);
    policy.freshWithin().ifPresent(copy::freshWithin);
    return copy;
  }

  private static boolean restorableAndVerified(Candidate one) {
    return one.verified() && one.backup().status().restorable();
  }

  private static List<String> reasons(RetentionPlan plan, BackupId backup) {
    return plan.decisions().stream()
        .filter(one -> one.backup().equals(backup))
        .findFirst()
        .orElseThrow()
        .reasons();
  }

  /** What a replay reads: a line, from a position, to a position. */
  private record Leg(Line line, Lsn from, Lsn to) {}

  /**
   * The way to a position on a line from a backup, as the server goes: along the ancestors of the
   * line. Empty if the backup is no beginning of it.
   */
  private static Optional<List<Leg>> way(History history, Candidate from, Line line, Lsn to) {
    Map<Line, Branch> parents = new HashMap<>();
    history.branches().forEach(branch -> parents.put(branch.line(), branch));
    List<Leg> legs = new ArrayList<>();
    Line at = line;
    Lsn end = to;
    while (!at.equals(from.line())) {
      Branch branch = parents.get(at);
      if (branch == null) {
        return Optional.empty();
      }
      if (branch.position().compareTo(end) < 0) {
        legs.add(new Leg(at, branch.position(), end));
        end = branch.position();
      }
      at = branch.parent();
    }
    if (from.backup().stopLsn().compareTo(end) > 0) {
      return Optional.empty();
    }
    legs.add(new Leg(at, from.backup().startLsn(), end));
    return Optional.of(legs);
  }

  private static boolean kept(RetentionPlan plan, List<Leg> legs) {
    Map<Line, WalKeep> wal = new HashMap<>();
    plan.wal().forEach(one -> wal.put(new Line(one.incarnation(), one.timeline()), one));
    return legs.stream()
        .allMatch(leg -> !wal.containsKey(leg.line()) || covers(wal.get(leg.line()), leg));
  }

  private static boolean covers(WalKeep keep, Leg leg) {
    return keep.from().compareTo(leg.from()) <= 0
        && keep.stretches().stream()
            .anyMatch(
                one ->
                    one.start().compareTo(leg.from()) <= 0 && one.end().compareTo(leg.to()) >= 0);
  }

  private static void assertEveryKeptPointHasItsLog(Case made, RetentionPlan plan) {
    Set<BackupId> kept = new HashSet<>(plan.kept());
    for (Candidate one : made.backups()) {
      if (kept.contains(one.id())) {
        List<Leg> legs = way(made.history(), one, one.line(), one.backup().stopLsn()).orElseThrow();
        assertThat(kept(plan, legs)).as("log of %s", one.id()).isTrue();
      }
    }
  }

  private static void assertTheWindowIsReachable(Case made, RetentionPlan plan) {
    RetentionOracle oracle = new RetentionOracle(made.policy(), made.backups(), made.now());
    List<Candidate> verified = oracle.verifiedOnes();
    Set<BackupId> kept = new HashSet<>(plan.kept());
    List<Candidate> left = made.backups().stream().filter(one -> kept.contains(one.id())).toList();
    if (left.isEmpty() || verified.isEmpty()) {
      return;
    }
    if (made.policy().pitr().isEmpty()) { // the log is not cut behind the oldest
      for (Candidate target : oracle.valid()) {
        if (target.sequence() > left.get(0).sequence()) {
          way(made.history(), left.get(0), target.line(), target.backup().stopLsn())
              .ifPresent(legs -> assertThat(kept(plan, legs)).isTrue());
        }
      }
      return;
    }
    Instant start = verified.get(verified.size() - 1).stoppedAt().minus(made.policy().pitr().get());
    for (Candidate target : oracle.valid()) {
      if (!target.stoppedAt().isBefore(start)) {
        List<List<Leg>> ways = new ArrayList<>();
        boolean reachableNow = false;
        for (Candidate base : verified) {
          Optional<List<Leg>> legs =
              base.stoppedAt().isBefore(start)
                  ? way(made.history(), base, target.line(), target.backup().stopLsn())
                  : Optional.empty();
          reachableNow |= legs.isPresent();
          if (kept.contains(base.id())) {
            legs.ifPresent(ways::add);
          }
        }
        if (reachableNow) {
          assertThat(ways.stream().anyMatch(legs -> kept(plan, legs)))
              .as("a way from before the window to %s", target.id())
              .isTrue();
        }
      }
    }
  }

  private static void assertNoLessLog(RetentionPlan before, RetentionPlan after) {
    for (WalKeep had : before.wal()) {
      after.wal().stream()
          .filter(
              one ->
                  one.incarnation().equals(had.incarnation())
                      && one.timeline().equals(had.timeline()))
          .forEach(
              has ->
                  had.stretches()
                      .forEach(
                          part ->
                              assertThat(
                                      has.stretches().stream()
                                          .anyMatch(
                                              one ->
                                                  one.start().compareTo(part.start()) <= 0
                                                      && one.end().compareTo(part.end()) >= 0))
                                  .isTrue()));
    }
  }
}
