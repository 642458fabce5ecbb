package com.thorbis.backup.dr.plan;

import com.thorbis.backup.dr.plan.Finding.Position;
import com.thorbis.backup.dr.plan.Finding.Severity;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Everything that a plan is checked for. docs/plans.md lists them. */
enum Rule {
  TEXT_UNREADABLE("text.unreadable", Severity.ERROR, "nothing of it was read"),
  TEXT_MALFORMED("text.malformed", Severity.ERROR, "without it nothing can be calculated"),
  TEXT_UNKNOWN_KEY("text.unknown-key", Severity.ERROR, "what it says would have no effect"),
  ID_MALFORMED("id.malformed", Severity.ERROR, "ids go into records and file names"),
  ID_DUPLICATE("id.duplicate", Severity.ERROR, "nobody could tell which one is meant"),
  REFERENCE_DANGLING("reference.dangling", Severity.ERROR, "a run would do nothing there"),
  OWNER_MISSING("owner.missing", Severity.ERROR, "nobody would do it"),
  PERSON_UNREACHABLE("person.unreachable", Severity.ERROR, "nobody could call them"),
  PERSON_KEY_INVALID("person.key-invalid", Severity.ERROR, "nothing that they sign would count"),
  PERSON_KEY_SHARED("person.key-shared", Severity.ERROR, "one of them could agree for the other"),
  PERSON_KEY_EXAMPLE("person.key-example", Severity.WARN, "nobody holds its other half"),
  OBJECTIVE_PLAN_WIDE("objective.plan-wide", Severity.ERROR, "a late tier would count as in time"),
  TIER_PRIORITY_INVERTED(
      "tier.priority-inverted", Severity.WARN, "what is more urgent would come back later"),
  TIER_DEPENDENCY_SLOWER(
      "tier.dependency-slower", Severity.ERROR, "an application is back when what it needs is"),
  TIER_WITHOUT_SCENARIO("tier.without-scenario", Severity.ERROR, "nothing would bring it back"),
  SOURCE_UNPROTECTED("source.unprotected", Severity.ERROR, "the loss has no bound"),
  SOURCE_DELAY_DIFFERS(
      "source.delay-differs", Severity.ERROR, "the plan counts on more than is configured"),
  SOURCE_SCHEDULE_DIFFERS(
      "source.schedule-differs",
      Severity.WARN,
      "the plan counts on backups that are not configured so often"),
  SOURCE_WINDOWS_OVERLAP(
      "source.windows-overlap", Severity.ERROR, "two backups would read the same source at a time"),
  RPO_EXCEEDED("rpo.exceeded", Severity.ERROR, "more may be lost than is promised"),
  RPO_LAG("rpo.lag", Severity.ERROR, "more would be lost now than is promised"),
  RPO_UNCHECKED("rpo.unchecked", Severity.WARN, "the loss could not be checked"),
  RTO_EXCEEDED("rto.exceeded", Severity.ERROR, "it takes longer than is promised"),
  RTO_TIGHT("rto.tight", Severity.WARN, "nothing may go wrong"),
  RTO_ALLOWANCE("rto.allowance", Severity.WARN, "a longer absence is accepted here"),
  RTO_UNCHECKED("rto.unchecked", Severity.WARN, "the time of a restore could not be checked"),
  TRIGGER_TIMES_UNDECLARED(
      "trigger.times-undeclared", Severity.ERROR, "the clock runs from the outage, not the alarm"),
  TRIGGER_SINGLE_SIGNAL("trigger.single-signal", Severity.WARN, "what looks may be what is broken"),
  TRIGGER_AUTOMATIC_UNSURE(
      "trigger.automatic-unsure", Severity.ERROR, "a false alarm would fail over by itself"),
  TRIGGER_AUTOMATIC_UNPRACTISED(
      "trigger.automatic-unpractised", Severity.ERROR, "what was never practised must not start"),
  TRIGGER_UNANSWERED("trigger.unanswered", Severity.ERROR, "nothing would be done"),
  BRANCH_AMBIGUOUS("branch.ambiguous", Severity.ERROR, "nobody could tell which one runs"),
  BRANCH_EMPTY("branch.empty", Severity.ERROR, "it would succeed without doing anything"),
  BRANCH_CAUSES_MIXED(
      "branch.causes-mixed", Severity.ERROR, "what helps against one does not against the other"),
  BRANCH_PROMOTES_DAMAGE(
      "branch.promotes-damage", Severity.ERROR, "a standby holds the same damage"),
  BRANCH_FAILOVER_AND_RESTORE(
      "branch.failover-and-restore", Severity.ERROR, "they are alternatives, chosen by the cause"),
  BRANCH_ORDER("branch.order", Severity.ERROR, "procedures run as they are listed"),
  BRANCH_NOTHING_CRITICAL(
      "branch.nothing-critical", Severity.ERROR, "it would succeed whatever fails"),
  BRANCH_SETTLEMENTS_DIFFER(
      "branch.settlements-differ", Severity.ERROR, "one run is settled in one way"),
  PROCEDURE_CRITICAL_UNDECLARED(
      "procedure.critical-undeclared", Severity.ERROR, "nobody could tell what its failure means"),
  PROCEDURE_EMPTY("procedure.empty", Severity.ERROR, "it would succeed without doing anything"),
  PROCEDURE_UNUSED("procedure.unused", Severity.WARN, "nothing leads to it"),
  PROCEDURE_CYCLE("procedure.cycle", Severity.ERROR, "each would wait for the other"),
  PROCEDURE_NO_FAILBACK("procedure.no-failback", Severity.ERROR, "there would be no way back"),
  PROCEDURE_ESTIMATE_SHORT("procedure.estimate-short", Severity.ERROR, "its own steps take longer"),
  STEP_UNKNOWN_ACTION("step.unknown-action", Severity.ERROR, "nothing can do it"),
  STEP_CYCLE("step.cycle", Severity.ERROR, "each would wait for the other"),
  STEP_UNREACHABLE("step.unreachable", Severity.ERROR, "it would wait for ever"),
  STEP_NO_DURATION("step.no-duration", Severity.ERROR, "the time to recover cannot be added up"),
  STEP_NO_DEADLINE("step.no-deadline", Severity.ERROR, "it could hang for ever"),
  STEP_MANUAL_NO_DEADLINE(
      "step.manual-no-deadline", Severity.ERROR, "nobody would notice that nobody did it"),
  STEP_DEADLINE_SHORT("step.deadline-short", Severity.ERROR, "it would be given up while it works"),
  STEP_NO_INSTRUCTION("step.no-instruction", Severity.ERROR, "nobody would know what to do"),
  STEP_UNDO_UNCRITICAL(
      "step.undo-uncritical", Severity.ERROR, "what is not critical is left as it is"),
  STEP_UNDO_PROMOTED(
      "step.undo-promoted", Severity.ERROR, "nothing is undone once a server may be promoted"),
  STEP_RESTORE_SHORT(
      "step.restore-short", Severity.ERROR, "what was measured is longer than its deadline"),
  STEP_UNAPPROVED("step.unapproved", Severity.ERROR, "it cannot be taken back"),
  APPROVAL_MISSING("approval.missing", Severity.ERROR, "nobody is asked"),
  APPROVAL_TOO_FEW("approval.too-few", Severity.ERROR, "it could never be given"),
  APPROVAL_SINGLE_PERSON(
      "approval.single-person", Severity.ERROR, "one who does not answer stops the recovery"),
  APPROVAL_UNSIGNED("approval.unsigned", Severity.ERROR, "nobody could prove who agreed"),
  PROMOTE_UNFENCED("promote.unfenced", Severity.ERROR, "two servers could accept writes"),
  RESTORE_UNFENCED("restore.unfenced", Severity.ERROR, "two servers could accept writes"),
  FENCE_FAILURE_IGNORED("fence.failure-ignored", Severity.ERROR, "two servers could accept writes"),
  TRAFFIC_BEFORE_PROMOTION(
      "traffic.before-promotion", Severity.ERROR, "clients would write to two servers"),
  TRAFFIC_UNPROVEN("traffic.unproven", Severity.ERROR, "nobody would know whether clients arrive"),
  RESTORE_UNVALIDATED("restore.unvalidated", Severity.ERROR, "nobody would know what came back"),
  NOTIFY_BLOCKS("notify.blocks", Severity.ERROR, "recovery would wait for what may be down"),
  SCENARIO_UNTESTED("scenario.untested", Severity.WARN, "nobody knows whether it works"),
  SCENARIO_NO_SIMULATION(
      "scenario.no-simulation", Severity.ERROR, "nothing says how to make it happen"),
  PLAN_UNTESTED("plan.untested", Severity.ERROR, "nobody knows whether it works"),
  EXERCISE_NO_DATE("exercise.no-date", Severity.ERROR, "it would never be due"),
  EXERCISE_LITERAL_DATE(
      "exercise.literal-date", Severity.ERROR, "a date in a file is no evidence of a test"),
  EXERCISE_OVERDUE("exercise.overdue", Severity.WARN, "it was due and has no evidence"),
  EXERCISE_OVERLAP("exercise.overlap", Severity.ERROR, "both need the same at a time"),
  EXERCISE_NO_ENVIRONMENT(
      "exercise.no-environment", Severity.ERROR, "a disaster needs a place to happen in"),
  ENVIRONMENT_EXPOSED(
      "environment.exposed", Severity.ERROR, "personal data would be less protected there"),
  ENVIRONMENT_NO_LEASE("environment.no-lease", Severity.ERROR, "it would never be removed"),
  ENVIRONMENT_LEASE_SHORT(
      "environment.lease-short", Severity.ERROR, "it would be removed under an exercise");

  private final String code;
  private final Severity severity;
  private final String because;

  Rule(String code, Severity severity, String because) {
    this.code = code;
    this.severity = severity;
    this.because = because;
  }

  String code() {
    return code;
  }

  Severity severity() {
    return severity;
  }

  /** Why it cannot work, in general. */
  String because() {
    return because;
  }

  /** Whether what it finds could not be looked at, which a strict plan does not accept. */
  boolean unchecked() {
    return this == RPO_UNCHECKED || this == RTO_UNCHECKED;
  }

  /** Whether what was read does not say what it means, so that nothing can be calculated. */
  static boolean stops(Finding finding) {
    return finding.code().equals(TEXT_UNREADABLE.code)
        || finding.code().equals(TEXT_MALFORMED.code);
  }

  Finding finding(
      String path, String message, String reason, String remedy, @Nullable Position position) {
    return finding(severity, path, message, reason, remedy, position);
  }

  Finding finding(
      Severity as,
      String path,
      String message,
      String reason,
      String remedy,
      @Nullable Position position) {
    return new Finding(code, as, path, message, reason, remedy, Optional.ofNullable(position));
  }

  void add(
      List<Finding> findings,
      String path,
      String message,
      String reason,
      String remedy,
      Position position) {
    findings.add(finding(path, message, reason, remedy, position));
  }
}
