package com.thorbis.backup.dr.schedule;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Finds what cannot work in plans, before anything is started by them. */
public final class PlanCheck {
  private static final Instant FROM = Instant.parse("2026-01-01T00:00:00Z");
  private static final Instant TO = FROM.plus(Duration.ofDays(800));
  private static final int MOST = 2000;

  private PlanCheck() {}

  /**
   * What cannot work.
   *
   * @param job the job's name
   * @param problem why
   * @param remedy what to change
   */
  public record Finding(String job, String problem, String remedy) {
    /** In one line. */
    @Override
    public String toString() {
      return job + ": " + problem;
    }
  }

  /** Everything that is wrong with these plans of one host; empty if they can work. */
  public static List<Finding> of(List<JobPlan> plans) {
    List<Finding> findings = new ArrayList<>();
    for (int i = 0; i < plans.size(); i++) {
      JobPlan plan = plans.get(i);
      alone(plan, findings);
      for (JobPlan other : plans.subList(0, i)) {
        together(other, plan, findings);
      }
    }
    return findings;
  }

  private static void alone(JobPlan plan, List<Finding> findings) {
    String name = plan.job().name();
    if (!name.matches("[a-z0-9][a-z0-9._-]{0,99}")) {
      findings.add(
          new Finding(
              name,
              "\"" + name + "\" cannot name a job",
              "Take up to 100 of a-z, 0-9, \".\", \"_\" and \"-\"."));
    }
    Duration window = plan.window();
    if (window.isNegative() || window.isZero()) {
      findings.add(
          new Finding(name, "its window is " + text(window), "Write a length such as 4h."));
      return;
    }
    if (window.compareTo(plan.shortestInterval()) > 0) {
      findings.add(
          new Finding(
              name,
              "its window of "
                  + text(window)
                  + " is longer than "
                  + text(plan.shortestInterval())
                  + ", the shortest time between two moments of \""
                  + plan.schedule()
                  + "\"",
              "Write a window of at most " + text(plan.shortestInterval()) + "."));
    }
    plan.finishWithin()
        .filter(finish -> finish.compareTo(window) < 0)
        .ifPresent(
            finish ->
                findings.add(
                    new Finding(
                        name,
                        "it is to be finished within "
                            + text(finish)
                            + ", before its window of "
                            + text(window)
                            + " ends: one that starts late would be cancelled at once",
                        "Write a longer finish-within, or a shorter window.")));
    if (plan.jitter().isNegative() || plan.jitter().compareTo(window) >= 0) {
      findings.add(
          new Finding(
              name,
              "its jitter of "
                  + text(plan.jitter())
                  + " does not lie within its window of "
                  + text(window),
              "Write a jitter that is shorter than the window."));
    }
    if (neverOpen(plan)) {
      findings.add(
          new Finding(
              name,
              "every window of it lies within a blackout, so it would never run",
              "Move the schedule, or shorten the blackout."));
    }
  }

  private static boolean neverOpen(JobPlan plan) {
    if (plan.blackouts().isEmpty()) {
      return false;
    }
    Instant due = plan.schedule().next(FROM);
    for (int i = 0; i < MOST && due.isBefore(TO); i++) {
      Instant last = plan.lastStart(due);
      if (plan.blackedOutUntil(plan.start(due)).filter(until -> until.isAfter(last)).isEmpty()) {
        return false;
      }
      due = plan.schedule().next(due);
    }
    return true;
  }

  private static void together(JobPlan one, JobPlan other, List<Finding> findings) {
    if (one.job().name().equals(other.job().name())) {
      findings.add(
          new Finding(other.job().name(), "there are two plans for it", "Remove one of them."));
      return;
    }
    if (!one.job().subject().equals(other.job().subject())
        || one.shortestInterval().compareTo(other.window()) < 0
        || other.shortestInterval().compareTo(one.window()) < 0) {
      return; // one that comes more often than the other's window is long has to wait at times
    }
    overlap(one, other)
        .or(() -> overlap(other, one))
        .ifPresent(
            at ->
                findings.add(
                    new Finding(
                        other.job().name(),
                        "its window overlaps that of "
                            + one.job().name()
                            + ": at "
                            + at
                            + " both may start, and one would hold up the other",
                        "Leave such days out, as in \"Mon-Sat 01:00 UTC\" beside \"Sun 02:00"
                            + " UTC\", move one, shorten a window, or let both be due at the same"
                            + " moment where one covers the other.")));
  }

  /** The first moment at which the second becomes due while the window of the first is open. */
  private static Optional<Instant> overlap(JobPlan first, JobPlan second) {
    boolean yields = first.job().covers(second.job()) || second.job().covers(first.job());
    Instant due = first.schedule().next(FROM);
    for (int i = 0; i < MOST && due.isBefore(TO); i++) {
      Instant other = second.schedule().next(due.minusSeconds(1));
      if (other.equals(due) && yields) {
        other = second.schedule().next(due);
      }
      if (other.isBefore(first.lastStart(due))) {
        return Optional.of(other);
      }
      due = first.schedule().next(due);
    }
    return Optional.empty();
  }

  /** As it is written in a configuration. */
  static String text(Duration span) {
    long seconds = span.toSeconds();
    if (seconds != 0 && seconds % 86_400 == 0) {
      return seconds / 86_400 + "d";
    }
    if (seconds != 0 && seconds % 3600 == 0) {
      return seconds / 3600 + "h";
    }
    return seconds % 60 == 0 ? seconds / 60 + "m" : seconds + "s";
  }
}
