package com.thorbis.backup.dr.run;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What is known of a run.
 *
 * @param run its id, which is the incident's
 * @param plan what it carries out
 * @param planDigest what its approvals are bound to
 * @param requester who started it
 * @param status how far it is
 * @param reason why, in words
 * @param startedAt when it was written down
 * @param endedAt when it ended
 * @param windowUntil until when it can still be undone by {@code abort}
 * @param owner who has it, or had it last
 * @param fence the number of that ownership
 * @param proven whether the store knows all of this
 * @param tasks its steps, in order
 * @param timeline who did what when
 */
public record RunReport(
    String run,
    RunPlan plan,
    String planDigest,
    String requester,
    RunStatus status,
    String reason,
    Instant startedAt,
    Optional<Instant> endedAt,
    Optional<Instant> windowUntil,
    String owner,
    long fence,
    boolean proven,
    List<TaskReport> tasks,
    List<JournalRecord> timeline) {
  /** Copies the lists. */
  public RunReport {
    tasks = List.copyOf(tasks);
    timeline = List.copyOf(timeline);
  }

  /**
   * Whether what is promised of each tier is kept, as far as it was measured.
   *
   * @param now ends what has not ended; a run that has is judged by what it was
   */
  public List<TierOutcome> outcomes(Instant now) {
    return plan.objectives().stream().map(one -> TierOutcome.of(this, one, now)).toList();
  }

  /**
   * The approvals in the timeline that counted when they were taken in. Others may stand there, as
   * whoever can write to the store of journals can write them.
   */
  public List<JournalRecord> approvals() {
    return RunState.approvals(run, timeline);
  }

  /** Steps that were never carried out, in order. */
  public List<TaskReport> neverExecuted() {
    return tasks.stream().filter(one -> !one.executed()).toList();
  }

  /** Steps that are not done and that the run could go on without. */
  public List<TaskReport> tolerated() {
    return tasks.stream()
        .filter(one -> !one.task().critical())
        .filter(one -> one.status() == TaskStatus.FAILED || one.status() == TaskStatus.UNKNOWN)
        .toList();
  }

  /** Steps that wait for somebody or something, in order. */
  public List<TaskReport> waiting() {
    return tasks.stream().filter(one -> one.waiting().isPresent()).toList();
  }

  /** The step of this id. */
  public Optional<TaskReport> task(String id) {
    return tasks.stream().filter(one -> one.task().id().equals(id)).findFirst();
  }

  /**
   * A step.
   *
   * @param task what was to be done
   * @param status how far it is
   * @param executed whether an attempt was made
   * @param attempts how many
   * @param startedAt when the first was
   * @param endedAt when it ended
   * @param detail what came of it
   * @param facts what it found
   * @param waiting what it waits for
   */
  public record TaskReport(
      Task task,
      TaskStatus status,
      boolean executed,
      int attempts,
      Optional<Instant> startedAt,
      Optional<Instant> endedAt,
      String detail,
      Map<String, String> facts,
      Optional<Waiting> waiting) {}

  /**
   * What a step waits for.
   *
   * @param what {@code approval}, {@code manual}, {@code time}, {@code condition}, {@code decision}
   *     where nobody could tell how a step ended, or {@code ownership} where the store that tells
   *     who owns the run is away
   * @param since when it began
   * @param until when that ends; empty: not by itself
   * @param whom who can end it; empty: anybody, or nobody
   * @param need how many of them
   * @param agreed who has
   * @param request the number of the record that asks
   * @param detail for people
   */
  public record Waiting(
      String what,
      Instant since,
      Optional<Instant> until,
      List<String> whom,
      int need,
      List<String> agreed,
      long request,
      String detail) {
    /** Others must agree first. */
    public static final String APPROVAL = "approval";

    /** A person must find out how it ended. */
    public static final String DECISION = "decision";

    /** The store must be there, or a person must take it upon themselves. */
    public static final String OWNERSHIP = "ownership";

    /** Copies the lists. */
    public Waiting {
      whom = List.copyOf(whom);
      agreed = List.copyOf(agreed);
    }
  }
}
