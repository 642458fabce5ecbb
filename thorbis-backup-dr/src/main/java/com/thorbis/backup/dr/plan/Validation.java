package com.thorbis.backup.dr.plan;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;

/** Whether a plan can work. */
public final class Validation {
  private final PlanDraft draft;
  private final List<Finding> findings;
  private final List<Prediction> predictions;

  private Validation(PlanDraft draft, List<Finding> findings, List<Prediction> predictions) {
    this.draft = draft;
    this.findings =
        findings.stream().sorted(Comparator.comparing(Finding::severity)).distinct().toList();
    this.predictions = List.copyOf(predictions);
  }

  /** Checks a draft against itself and what was measured. */
  public static Validation of(PlanDraft draft, PlanFacts facts) {
    if (draft.unread().stream().anyMatch(Rule::stops)) {
      return new Validation(draft, draft.unread(), List.of());
    }
    Checks checks = new Checks(draft, facts);
    checks.run();
    return new Validation(draft, checks.findings(), checks.predictions());
  }

  /**
   * Checks a draft by itself alone, for a recovery: what would be measured may be what is down, so
   * that not even a strict plan is refused for what could not be checked.
   */
  public static Validation inRecovery(PlanDraft draft, Instant asOf) {
    Validation lenient = of(draft.lenient(), PlanFacts.none(asOf));
    return new Validation(draft, lenient.findings, lenient.predictions);
  }

  /** What does not work, and then what somebody has to look at. */
  public List<Finding> findings() {
    return findings;
  }

  /** How long each tier would be away, for every way a scenario can go. */
  public List<Prediction> predictions() {
    return predictions;
  }

  /** Whether nothing keeps the plan from loading. */
  public boolean loads() {
    return findings.stream().noneMatch(it -> it.severity() == Finding.Severity.ERROR);
  }

  /** The plan. */
  public RecoveryPlan require() {
    if (loads()) {
      return new RecoveryPlan(draft, findings);
    }
    Finding first = findings.get(0);
    long errors = findings.stream().filter(it -> it.severity() == Finding.Severity.ERROR).count();
    throw BackupException.of(
            "plan.cannot-work",
            FailureKind.CONFIGURATION,
            first.position().map(at -> at + ": ").orElse("")
                + (first.path().isEmpty() ? "" : first.path() + ": ")
                + first.message()
                + ": "
                + first.reason()
                + (errors > 1 ? " (and " + (errors - 1) + " more errors)" : ""))
        .remedy(first.remedy())
        .detail("plan", draft.id())
        .detail("code", first.code())
        .detail("path", first.path())
        .detail("errors", Long.toString(errors))
        .build();
  }

  /**
   * How long a tier would be away.
   *
   * @param scenario the disaster
   * @param trigger what started it
   * @param variant whether what is left behind still answers
   * @param tier the tier
   * @param detection until it is noticed
   * @param decision until somebody has decided
   * @param recovery until the tier is served again
   * @param rto what is promised
   */
  public record Prediction(
      String scenario,
      String trigger,
      Scenario.Variant variant,
      String tier,
      Duration detection,
      Duration decision,
      Duration recovery,
      Duration rto) {
    /** From the outage until the tier is served again. */
    public Duration total() {
      return detection.plus(decision).plus(recovery);
    }
  }
}
