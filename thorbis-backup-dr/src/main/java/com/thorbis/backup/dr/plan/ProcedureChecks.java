package com.thorbis.backup.dr.plan;

import com.thorbis.backup.spi.Names;
import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;

/** Looks at the steps of procedures and at their order. */
final class ProcedureChecks {
  private final PlanDraft draft;
  private final PlanFacts facts;
  private final Report report;
  private final Map<String, Procedure> procedures;
  private final Map<String, ProtectedSource> sources;
  private final Map<String, Tier> tiers;
  private final Set<String> owners;

  ProcedureChecks(
      PlanDraft draft,
      PlanFacts facts,
      Report report,
      Map<String, Procedure> procedures,
      Map<String, ProtectedSource> sources,
      Map<String, Tier> tiers,
      Set<String> owners) {
    this.draft = draft;
    this.facts = facts;
    this.report = report;
    this.procedures = procedures;
    this.sources = sources;
    this.tiers = tiers;
    this.owners = owners;
  }

  void check(Procedure procedure) {
    String path = "procedures." + procedure.id();
    if (procedure.steps().isEmpty()) {
      report.add(Rule.PROCEDURE_EMPTY, path, "It has no steps", "Say what is to be done.");
    }
    Map<String, PlanStep> steps = new LinkedHashMap<>();
    procedure.steps().forEach(step -> steps.putIfAbsent(step.id(), step));
    for (PlanStep step : steps.values()) {
      String at = path + ".steps." + step.id();
      step(procedure, step, at, steps);
      graph(step, at, steps);
      approved(procedure, step, at, steps);
      order(procedure, step, at, steps);
    }
    wayBack(procedure, path);
  }

  private void step(Procedure procedure, PlanStep step, String path, Map<String, PlanStep> steps) {
    if (!facts.actions().contains(step.action())) {
      report.add(
          Rule.STEP_UNKNOWN_ACTION,
          path + ".action",
          "There is no action \"" + step.action() + "\"",
          Names.nearest(step.action(), facts.actions())
              .map(near -> "Did you mean " + near + "?")
              .orElse("Take one that is known, or register it."));
    }
    if (!step.owner().isEmpty()) {
      Checks.known(report, path + ".owner", "person or role", step.owner(), owners);
    }
    for (String before : step.after()) {
      Checks.known(report, path + ".after", "step", before, steps.keySet());
    }
    for (String tier : step.serves()) {
      Checks.known(report, path + ".serves", "tier", tier, tiers.keySet());
    }
    Optional.ofNullable(step.settings().get("source"))
        .ifPresent(
            it -> Checks.known(report, path + ".with.source", "source", it, sources.keySet()));
    if (step.expected().isEmpty() && !step.tells()) {
      report.add(
          Rule.STEP_NO_DURATION,
          path,
          "It does not say how long it takes",
          "Set expected; as it was measured, if it was.");
    }
    if (step.deadline().isEmpty()) {
      report.add(
          step.mode() == PlanStep.Mode.MANUAL
              ? Rule.STEP_MANUAL_NO_DEADLINE
              : Rule.STEP_NO_DEADLINE,
          path,
          "It has no deadline",
          "Set deadline, after which it counts as failed.");
    } else if (step.expected().isPresent()
        && step.expected().get().compareTo(step.deadline().get()) > 0) {
      report.add(
          Rule.STEP_DEADLINE_SHORT,
          path + ".deadline",
          "It takes longer than it may",
          Spans.text(step.expected().get()) + " against " + Spans.text(step.deadline().get()),
          "Lengthen deadline, or correct expected.");
    }
    if (step.mode() != PlanStep.Mode.FULL && step.instruction().isEmpty()) {
      report.add(
          Rule.STEP_NO_INSTRUCTION,
          path,
          "A person is needed, and it does not say for what",
          "Set instruction to what they do or look at.");
    }
    if (step.tells() && step.onFailure() != PlanStep.OnFailure.CONTINUE) {
      report.add(
          Rule.NOTIFY_BLOCKS,
          path + ".on-failure",
          "The recovery ends if nobody can be told",
          "Set on-failure: continue.");
    }
    if (!step.tells()) {
      for (String before : step.after()) {
        PlanStep waitedFor = steps.get(before);
        if (waitedFor != null && waitedFor.tells()) {
          report.add(
              Rule.NOTIFY_BLOCKS,
              path + ".after",
              "It waits for " + before + ", which only tells",
              "Wait for what " + before + " waits for.");
        }
      }
    }
    if (step.onFailure() == PlanStep.OnFailure.UNDO
        && procedure.critical().equals(Optional.of(false))) {
      report.add(
          Rule.STEP_UNDO_UNCRITICAL,
          path + ".on-failure",
          "Its procedure is not critical, and nothing of that is taken back",
          "Set critical: true of the procedure, or on-failure: stop.");
    }
    if (Set.of(ActionNames.FENCE, ActionNames.PROMOTE).contains(step.action())
        && step.onFailure() == PlanStep.OnFailure.CONTINUE) {
      report.add(
          Rule.FENCE_FAILURE_IGNORED,
          path + ".on-failure",
          "What comes after goes on when " + step.action() + " has failed",
          "Set on-failure: stop.");
    }
    approval(step, path);
  }

  private void approval(PlanStep step, String path) {
    if (step.action().equals(ActionNames.APPROVE) && step.approval().isEmpty()) {
      report.add(
          Rule.APPROVAL_MISSING,
          path,
          "It waits for people to agree and names none",
          "Set approval with people, required and deadline.");
    }
    if (step.approval().isEmpty()) {
      return;
    }
    PlanApproval approval = step.approval().get();
    Set<String> people = new LinkedHashSet<>();
    for (String name : approval.people()) {
      Checks.known(report, path + ".approval.people", "person or role", name, owners);
      draft.people().stream()
          .filter(it -> it.id().equals(name) || it.roles().contains(name))
          .forEach(it -> people.add(it.id()));
    }
    if (approval.required() < 1 || approval.required() > people.size()) {
      report.add(
          Rule.APPROVAL_TOO_FEW,
          path + ".approval",
          approval.required() + " have to agree, and " + people.size() + " can",
          "Name more people, or lower required.");
    } else if (people.size() == 1) {
      report.add(
          Rule.APPROVAL_SINGLE_PERSON,
          path + ".approval",
          "Only " + people.iterator().next() + " can agree",
          "Name at least two people.");
    }
  }

  private void graph(PlanStep step, String path, Map<String, PlanStep> steps) {
    Set<String> before = before(step, steps);
    if (before.contains(step.id())) {
      report.add(
          Rule.STEP_CYCLE,
          path + ".after",
          "It comes after itself, through " + String.join(", ", step.after()),
          "Remove one of the steps from after.");
    } else if (before.stream()
        .anyMatch(
            it ->
                !steps.containsKey(it)
                    || before(steps.getOrDefault(it, step), steps).contains(it))) {
      report.add(
          Rule.STEP_UNREACHABLE,
          path,
          "It comes after what can never be done",
          "Correct what it comes after.");
    }
  }

  private void approved(
      Procedure procedure, PlanStep step, String path, Map<String, PlanStep> steps) {
    boolean asked =
        step.approval().isPresent()
            || earlier(procedure, step, steps, it -> it.approval().isPresent());
    if (step.destructive() && !asked) {
      report.add(
          Rule.STEP_UNAPPROVED,
          path,
          "Nobody is asked before " + step.action(),
          "Set approval, or come after a step that has one.");
    }
    if (step.destructive()) {
      signed(step, path);
      if (step.approval().isEmpty()) {
        steps.values().stream()
            .filter(it -> before(step, steps).contains(it.id()))
            .forEach(it -> signed(it, "procedures." + procedure.id() + ".steps." + it.id()));
      }
    }
  }

  /** What cannot be taken back is agreed to with signatures. */
  private void signed(PlanStep step, String path) {
    Set<String> unsigned = new LinkedHashSet<>();
    for (String name : step.approval().map(PlanApproval::people).orElse(List.of())) {
      draft.people().stream()
          .filter(it -> it.id().equals(name) || it.roles().contains(name))
          .filter(it -> it.signsWith().isEmpty())
          .forEach(it -> unsigned.add(it.id()));
    }
    if (!unsigned.isEmpty()) {
      report.add(
          Rule.APPROVAL_UNSIGNED,
          path + ".approval",
          "It opens the way to what cannot be taken back, and "
              + String.join(", ", unsigned)
              + " could agree without a key",
          "Set signs-with of each of them, or take them out.");
    }
  }

  private void order(Procedure procedure, PlanStep step, String path, Map<String, PlanStep> steps) {
    boolean served =
        step.action().equals(ActionNames.RESTORE) && step.settings().containsKey("server");
    if ((served || step.action().equals(ActionNames.PROMOTE))
        && !earlier(
            procedure,
            step,
            steps,
            it -> it.action().equals(ActionNames.FENCE) && sameSource(it, step))) {
      report.add(
          served ? Rule.RESTORE_UNFENCED : Rule.PROMOTE_UNFENCED,
          path,
          "Nothing proves before that the old primary takes no more writes",
          "Let it come after a step with action: fence.");
    }
    if (step.onFailure() == PlanStep.OnFailure.UNDO && promoted(procedure, step, steps)) {
      report.add(
          Rule.STEP_UNDO_PROMOTED,
          path + ".on-failure",
          "A promotion comes before it, and from there on there is only forward",
          "Set on-failure: stop; who repairs what failed goes on with retry.");
    }
    if (ActionNames.SWITCHES.contains(step.action())) {
      traffic(procedure, step, path, steps);
    }
    if (ActionNames.RESTORES.contains(step.action())) {
      boolean validated =
          steps.values().stream()
              .anyMatch(it -> validates(it, step) && before(it, steps).contains(step.id()));
      Optional<PlanStep> early =
          steps.values().stream()
              .filter(
                  it ->
                      (ActionNames.SWITCHES.contains(it.action())
                              || it.action().equals(ActionNames.ADOPT))
                          && before(it, steps).contains(step.id()))
              .filter(
                  it ->
                      before(it, steps).stream()
                          .flatMap(name -> Optional.ofNullable(steps.get(name)).stream())
                          .noneMatch(
                              check ->
                                  validates(check, step)
                                      && before(check, steps).contains(step.id())))
              .findFirst();
      if (!validated || early.isPresent()) {
        report.add(
            Rule.RESTORE_UNVALIDATED,
            path,
            validated
                ? early.map(PlanStep::id).orElse("")
                    + " uses what was restored before it is checked"
                : "What it brings back is not checked",
            "Let a step with action: validate come after it, and all others after that.");
      }
    }
  }

  private static boolean validates(PlanStep check, PlanStep restore) {
    return Set.of(ActionNames.VALIDATE, ActionNames.SQL_CHECK).contains(check.action())
        && sameSource(check, restore);
  }

  private void traffic(
      Procedure procedure, PlanStep step, String path, Map<String, PlanStep> steps) {
    Optional<PlanStep> promotion =
        procedure.steps().stream()
            .filter(it -> it.action().equals(ActionNames.PROMOTE))
            .filter(it -> !before(step, steps).contains(it.id()))
            .findFirst();
    if (promotion.isPresent()) {
      report.add(
          Rule.TRAFFIC_BEFORE_PROMOTION,
          path,
          "Clients may be sent elsewhere before " + promotion.get().id() + " is done",
          "Let it come after " + promotion.get().id() + ".");
    }
    boolean proven =
        steps.values().stream()
            .anyMatch(
                it ->
                    ActionNames.CHECKS.contains(it.action())
                        && before(it, steps).contains(step.id()));
    if (!proven) {
      report.add(
          Rule.TRAFFIC_UNPROVEN,
          path,
          "Nothing looks afterwards whether clients arrive",
          "Let an http-check, sql-check or validate come after it.");
    }
  }

  private void wayBack(Procedure procedure, String path) {
    boolean leadsBack =
        draft.procedures().stream()
            .anyMatch(it -> it.failback().filter(procedure.id()::equals).isPresent());
    boolean promotes =
        procedure.steps().stream().anyMatch(it -> it.action().equals(ActionNames.PROMOTE));
    boolean switches =
        procedure.steps().stream().anyMatch(it -> ActionNames.SWITCHES.contains(it.action()));
    boolean undone =
        procedure.failback().filter(it -> !it.equals(procedure.id())).isPresent()
            || (!promotes && procedure.settlement().isPresent());
    if ((promotes || switches) && !leadsBack && !undone) {
      report.add(
          Rule.PROCEDURE_NO_FAILBACK,
          path,
          promotes
              ? "It promotes a standby, and nothing leads back"
              : "It sends clients elsewhere, and nothing takes that back",
          promotes
              ? "Set failback to another procedure."
              : "Set failback to another procedure, or settlement.");
    }
  }

  /** Whether some step that is always done before matches, also in procedures it depends on. */
  private boolean earlier(
      Procedure procedure, PlanStep step, Map<String, PlanStep> steps, Predicate<PlanStep> wanted) {
    boolean here =
        before(step, steps).stream()
            .filter(it -> !it.equals(step.id()))
            .flatMap(it -> Optional.ofNullable(steps.get(it)).stream())
            .anyMatch(wanted);
    if (here) {
      return true;
    }
    Set<String> seen = new LinkedHashSet<>(procedure.dependsOn());
    ArrayDeque<String> open = new ArrayDeque<>(seen);
    while (!open.isEmpty()) {
      Procedure other = procedures.get(open.remove());
      if (other != null) {
        if (other.steps().stream().anyMatch(wanted)) {
          return true;
        }
        other.dependsOn().stream().filter(seen::add).forEach(open::add);
      }
    }
    return false;
  }

  /** Whether a promotion is always done before a step, whatever leads to its procedure. */
  private boolean promoted(Procedure procedure, PlanStep step, Map<String, PlanStep> steps) {
    Predicate<PlanStep> promotes = it -> it.action().equals(ActionNames.PROMOTE);
    if (earlier(procedure, step, steps, promotes)) {
      return true;
    }
    List<List<String>> runs =
        draft.scenarios().stream()
            .flatMap(scenario -> scenario.branches().stream())
            .map(Scenario.Branch::procedures)
            .filter(listed -> listed.contains(procedure.id()))
            .toList();
    return !runs.isEmpty()
        && runs.stream()
            .allMatch(
                listed ->
                    listed.subList(0, listed.indexOf(procedure.id())).stream()
                        .flatMap(name -> Optional.ofNullable(procedures.get(name)).stream())
                        .flatMap(before -> before.steps().stream())
                        .anyMatch(promotes));
  }

  private static boolean sameSource(PlanStep one, PlanStep other) {
    String first = one.settings().getOrDefault("source", "");
    String second = other.settings().getOrDefault("source", "");
    return first.isEmpty() || second.isEmpty() || first.equals(second);
  }

  /** Everything that has to be done before a step; itself too if it goes round. */
  static Set<String> before(PlanStep step, Map<String, PlanStep> steps) {
    Set<String> before = new LinkedHashSet<>(step.after());
    ArrayDeque<String> open = new ArrayDeque<>(before);
    while (!open.isEmpty()) {
      PlanStep next = steps.get(open.remove());
      if (next != null) {
        next.after().stream().filter(before::add).forEach(open::add);
      }
    }
    return before;
  }
}
