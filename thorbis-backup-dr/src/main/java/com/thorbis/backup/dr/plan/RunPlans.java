package com.thorbis.backup.dr.plan;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.plan.Scenario.Branch;
import com.thorbis.backup.dr.run.Approval;
import com.thorbis.backup.dr.run.Objective;
import com.thorbis.backup.dr.run.RunPlan;
import com.thorbis.backup.dr.run.Task;
import com.thorbis.backup.spi.Names;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * Makes one run of what a plan says about one incident: the steps of all procedures of a branch, as
 * {@code procedure.step}, each procedure after the one before.
 */
final class RunPlans {
  private static final Duration ONE_LOOK = Duration.ofSeconds(10);
  private static final Duration UNSAID = Duration.ofMinutes(15);
  private static final String BEFORE_DAMAGE = "before-damage";
  private static final Set<String> BRINGS_BACK =
      Set.of(ActionNames.PROMOTE, ActionNames.RESTORE, ActionNames.RECOVERY_POINT_RESTORE);
  private static final Set<String> TELLS_LOSS =
      Set.of(ActionNames.PROMOTE, ActionNames.RESTORE, ActionNames.RECOVERY_POINT_RESTORE);
  private static final String MOMENT = "moment";
  private static final String MOMENT_FROM = "moment-from";

  private final RecoveryPlan plan;
  private final Incident incident;
  private final List<Task> tasks = new ArrayList<>();
  private final Map<String, List<PlanStep>> ends = new LinkedHashMap<>();

  private RunPlans(RecoveryPlan plan, Incident incident) {
    this.plan = plan;
    this.incident = incident;
  }

  static RunPlan of(RecoveryPlan plan, Incident incident) {
    RunPlans made = new RunPlans(plan, incident);
    Branch branch = made.branch(plan.scenario(incident.scenario()));
    List<Procedure> procedures = branch.procedures().stream().map(plan::procedure).toList();
    return made.build(branch, procedures, true);
  }

  static RunPlan back(RecoveryPlan plan, Incident incident) {
    RunPlans made = new RunPlans(plan, incident);
    Branch branch = made.branch(plan.scenario(incident.scenario()));
    List<Procedure> back =
        branch.procedures().stream()
            .flatMap(it -> plan.procedure(it).failback().stream())
            .distinct()
            .map(plan::procedure)
            .toList();
    if (back.isEmpty()) {
      throw made.refused(
          "run.no-failback",
          "What answers scenario " + incident.scenario() + " names no way back",
          "Set failback of one of its procedures.");
    }
    return made.build(branch, back, false);
  }

  /**
   * Makes the run.
   *
   * @param promises whether tiers are away meanwhile; on the way back they are served
   */
  private RunPlan build(Branch branch, List<Procedure> procedures, boolean promises) {
    List<String> before = List.of();
    for (Procedure procedure : procedures) {
      before = add(procedure, before);
    }
    List<Procedure.Settlement> settlements =
        procedures.stream().flatMap(it -> it.settlement().stream()).toList();
    Optional<RunPlan.Window> window =
        settlements.stream()
            .map(Procedure.Settlement::within)
            .max(Duration::compareTo)
            .map(
                longest ->
                    new RunPlan.Window(
                        longest,
                        settlements.get(0).otherwise() == Procedure.Settlement.Outcome.COMMIT));
    return new RunPlan(
        incident.scenario(),
        incident.trigger().orElse(branch.when().size() == 1 ? branch.when().get(0) : ""),
        incident.variant().label(),
        plan.canonical(),
        tasks,
        window,
        false,
        incident.outage(),
        promises ? objectives(procedures) : List.of());
  }

  private List<Objective> objectives(List<Procedure> procedures) {
    Scenario scenario = plan.scenario(incident.scenario());
    PlanDraft content = plan.content();
    boolean planWide = content.objectives().verdict() == Objectives.Verdict.PLAN_WIDE;
    List<Objective> objectives = new ArrayList<>();
    for (Tier tier : content.tiers()) {
      if (!scenario.tiers().isEmpty() && !scenario.tiers().contains(tier.id())) {
        continue;
      }
      Duration rto =
          scenario.allowances().stream()
              .filter(it -> it.tier().equals(tier.id()))
              .map(Scenario.Allowance::rto)
              .findFirst()
              .orElse(planWide ? content.objectives().rto() : tier.rto());
      objectives.add(
          new Objective(
              tier.id(),
              rto,
              planWide ? content.objectives().rpo() : tier.rpo(),
              served(tier, procedures),
              losses(tier)));
    }
    return objectives;
  }

  /** The steps that say so; else a tier is served when everything critical is done. */
  private List<String> served(Tier tier, List<Procedure> procedures) {
    List<String> said = new ArrayList<>();
    for (Procedure procedure : procedures) {
      procedure.steps().stream()
          .filter(it -> it.serves().contains(tier.id()))
          .forEach(it -> said.add(id(procedure, it.id())));
    }
    return said.isEmpty()
        ? tasks.stream()
            .filter(Task::critical)
            .filter(it -> !ActionNames.TELLING.contains(it.action()))
            .map(Task::id)
            .toList()
        : said;
  }

  private Map<String, List<String>> losses(Tier tier) {
    Map<String, List<String>> losses = new LinkedHashMap<>();
    for (String source : tier.sources()) {
      losses.put(
          source,
          tasks.stream()
              .filter(it -> TELLS_LOSS.contains(it.action()))
              .filter(it -> it.inputs().getOrDefault("source", source).equals(source))
              .map(Task::id)
              .toList());
    }
    return losses;
  }

  private Branch branch(Scenario scenario) {
    List<String> triggers = scenario.triggers().stream().map(Trigger::id).toList();
    if (incident.trigger().isPresent()) {
      String trigger = incident.trigger().get();
      if (!triggers.contains(trigger)) {
        throw refused(
            "run.cause-unknown",
            "Scenario " + scenario.id() + " has no trigger \"" + trigger + "\"",
            Names.nearest(trigger, triggers)
                .map(near -> "Did you mean " + near + "?")
                .orElse("It has " + String.join(", ", triggers) + "."));
      }
      return scenario
          .branch(trigger, incident.variant())
          .orElseThrow(() -> unanswered(scenario, "trigger " + trigger));
    }
    Set<Branch> answers = new LinkedHashSet<>();
    triggers.forEach(it -> scenario.branch(it, incident.variant()).ifPresent(answers::add));
    if (answers.size() > 1) {
      throw refused(
          "run.cause-missing",
          "Scenario " + scenario.id() + " is answered in more than one way, by what causes it",
          "Name what it was noticed by: " + String.join(", ", triggers) + ".");
    }
    return answers.stream()
        .findFirst()
        .orElseThrow(() -> unanswered(scenario, "any of its triggers"));
  }

  private BackupException unanswered(Scenario scenario, String what) {
    return refused(
        "run.cause-unanswered",
        "Scenario "
            + scenario.id()
            + " has no answer to "
            + what
            + " where it is "
            + incident.variant().label(),
        "Take the other variant, or add a branch for it.");
  }

  private BackupException refused(String code, String message, String remedy) {
    return BackupException.of(code, FailureKind.CONFIGURATION, message)
        .remedy(remedy)
        .detail("scenario", incident.scenario())
        .build();
  }

  /** Whether somebody was inside, as far as the plan tells what it was noticed by. */
  private boolean compromised() {
    Scenario scenario = plan.scenario(incident.scenario());
    List<Trigger> seen =
        scenario.triggers().stream()
            .filter(it -> incident.trigger().map(it.id()::equals).orElse(true))
            .toList();
    return seen.stream().anyMatch(it -> it.cause() == Trigger.Cause.COMPROMISE);
  }

  /** Adds the steps of a procedure; returns what the next one comes after. */
  private List<String> add(Procedure procedure, List<String> before) {
    for (PlanStep step : ordered(procedure)) {
      if (step.action().equals(ActionNames.SECRETS_RESTORE) && compromised()) {
        throw refused(
            "run.secrets-burned",
            "Step "
                + id(procedure, step.id())
                + " restores secrets that somebody inside may have read",
            "Have them issued again by a manual step; secrets restore SET --breach lists them.");
      }
      Set<String> needs = new LinkedHashSet<>();
      Set<String> requires = new LinkedHashSet<>();
      if (step.after().isEmpty()) {
        needs.addAll(before);
        for (String other : procedure.dependsOn()) {
          required(plan.procedure(other), requires);
        }
        needs.addAll(requires);
      }
      for (String name : step.after()) {
        String need = id(procedure, name);
        needs.add(need);
        if (stopsItsProcedureOnly(procedure, procedure.step(name).orElseThrow())) {
          requires.add(need);
        }
      }
      boolean looks =
          step.mode() == PlanStep.Mode.ASSISTED && !step.action().equals(ActionNames.MANUAL);
      if (looks) {
        Task look = look(procedure, step, needs, requires);
        tasks.add(look);
        needs = new LinkedHashSet<>(Set.of(look.id()));
        requires = look.critical() ? Set.of() : needs;
      }
      tasks.add(task(procedure, step, List.copyOf(needs), List.copyOf(requires)));
    }
    List<PlanStep> last =
        procedure.steps().stream()
            .filter(it -> !it.tells())
            .filter(
                it ->
                    procedure.steps().stream()
                        .noneMatch(other -> !other.tells() && other.after().contains(it.id())))
            .toList();
    ends.put(procedure.id(), last);
    return last.isEmpty() ? before : last.stream().map(it -> id(procedure, it.id())).toList();
  }

  /**
   * What has to be done, and not only over, of a procedure that may fail without ending the run.
   */
  private void required(Procedure procedure, Set<String> requires) {
    for (PlanStep step : ends.getOrDefault(procedure.id(), List.of())) {
      if (stopsItsProcedureOnly(procedure, step)) {
        requires.add(id(procedure, step.id()));
      }
    }
  }

  private static boolean stopsItsProcedureOnly(Procedure procedure, PlanStep step) {
    return !critical(procedure) && step.onFailure() != PlanStep.OnFailure.CONTINUE;
  }

  private static boolean critical(Procedure procedure) {
    return procedure.critical().orElse(true);
  }

  private static String id(Procedure procedure, String step) {
    return procedure.id() + "." + step;
  }

  /** Steps so that each stands after those that it comes after. */
  private static List<PlanStep> ordered(Procedure procedure) {
    Map<String, PlanStep> ordered = new LinkedHashMap<>();
    while (ordered.size() < procedure.steps().size()) {
      PlanStep next =
          procedure.steps().stream()
              .filter(it -> !ordered.containsKey(it.id()))
              .filter(it -> ordered.keySet().containsAll(it.after()))
              .findFirst()
              .orElseThrow(); // a plan that loads has no circles
      ordered.put(next.id(), next);
    }
    return List.copyOf(ordered.values());
  }

  private Task look(Procedure procedure, PlanStep step, Set<String> needs, Set<String> requires) {
    return Task.builder(id(procedure, step.id()) + "/look", ActionNames.MANUAL)
        .procedure(procedure.id())
        .title(step.instruction())
        .needs(List.copyOf(needs))
        .requires(List.copyOf(requires))
        .people(people(procedure, step))
        .critical(critical(procedure) && step.onFailure() != PlanStep.OnFailure.CONTINUE)
        .deadline(step.deadline().orElse(UNSAID))
        .build();
  }

  private Task task(Procedure procedure, PlanStep step, List<String> needs, List<String> requires) {
    Duration deadline = step.deadline().orElse(UNSAID);
    boolean byHand = step.mode() == PlanStep.Mode.MANUAL;
    String action = byHand ? ActionNames.MANUAL : step.action();
    Task.Builder task =
        Task.builder(id(procedure, step.id()), action)
            .procedure(procedure.id())
            .title(title(step))
            .inputs(action.equals(ActionNames.MANUAL) ? Map.of() : inputs(procedure, step, needs))
            .needs(needs)
            .requires(requires)
            .people(people(procedure, step))
            .critical(critical(procedure) && step.onFailure() != PlanStep.OnFailure.CONTINUE)
            .destructive(step.destructive())
            .undoOnFailure(step.onFailure() == PlanStep.OnFailure.UNDO)
            .timeout(timeout(action, deadline))
            .deadline(deadline);
    step.approval().map(this::approval).ifPresent(task::approval);
    return task.build();
  }

  /** One question is short, so that it can be asked again before the deadline. */
  private static Duration timeout(String action, Duration deadline) {
    boolean asks = action.equals(ActionNames.HTTP_CHECK) || action.equals(ActionNames.SQL_CHECK);
    return asks && deadline.compareTo(ONE_LOOK) > 0 ? ONE_LOOK : deadline;
  }

  private static String title(PlanStep step) {
    if (step.instruction().isEmpty()) {
      return step.title();
    }
    return step.title().isEmpty() ? step.instruction() : step.title() + ": " + step.instruction();
  }

  private List<String> people(Procedure procedure, PlanStep step) {
    return plan.people(step.owner().isEmpty() ? procedure.owner() : step.owner()).stream()
        .map(Person::id)
        .toList();
  }

  private Approval approval(PlanApproval asked) {
    Map<String, String> people = new LinkedHashMap<>();
    for (String name : asked.people()) {
      for (Person person : plan.people(name)) {
        people.put(person.id(), person.signsWith().flatMap(PublicKeyText::hex).orElse(""));
      }
    }
    return new Approval(people, asked.required(), asked.deadline());
  }

  private Map<String, String> inputs(Procedure procedure, PlanStep step, List<String> needs) {
    Map<String, String> inputs = new TreeMap<>(step.settings());
    String says = step.title().isEmpty() ? procedure.title() : step.title();
    String text = says.isEmpty() ? id(procedure, step.id()) : says;
    switch (step.action()) {
      case ActionNames.NOTIFY -> {
        inputs.putIfAbsent("to", String.join(", ", people(procedure, step)));
        inputs.putIfAbsent("text", text);
      }
      case ActionNames.RECORD -> inputs.putIfAbsent("text", text);
      case ActionNames.PROMOTE -> {
        inputs.computeIfPresent(ActionNames.FENCE, (key, name) -> id(procedure, name));
        if (!inputs.containsKey(ActionNames.FENCE)) {
          nearest(needs, Set.of(ActionNames.FENCE), step)
              .ifPresent(id -> inputs.put(ActionNames.FENCE, id));
        }
      }
      case ActionNames.VALIDATE, ActionNames.SQL_CHECK -> {
        if (!inputs.containsKey("server")) {
          nearest(needs, BRINGS_BACK, step).ifPresent(id -> inputs.put("of", id));
        }
      }
      case ActionNames.WAIT -> inputs.computeIfPresent("for", (key, span) -> span(span));
      case ActionNames.SWITCH_DNS -> inputs.computeIfPresent("ttl", (key, span) -> span(span));
      default -> moment(procedure, step, inputs);
    }
    return inputs;
  }

  /** The last step before, of some kinds and about the same source. */
  private Optional<String> nearest(List<String> needs, Set<String> actions, PlanStep about) {
    String source = about.settings().getOrDefault("source", "");
    Set<String> before = new LinkedHashSet<>(needs);
    for (int at = tasks.size() - 1; at >= 0; at--) {
      Task task = tasks.get(at);
      if (before.contains(task.id())) {
        before.addAll(task.needs());
        String of = task.inputs().getOrDefault("source", "");
        if (actions.contains(task.action())
            && (source.isEmpty() || of.isEmpty() || of.equals(source))) {
          return Optional.of(task.id());
        }
      }
    }
    return Optional.empty();
  }

  static String span(String text) {
    return text.startsWith("P") ? text : Spans.parse(text).toString();
  }

  /** When the damage began is known at the start, or is what a person says in an earlier step. */
  private void moment(Procedure procedure, PlanStep step, Map<String, String> inputs) {
    inputs.computeIfPresent(MOMENT_FROM, (key, name) -> id(procedure, name));
    if (!BEFORE_DAMAGE.equals(inputs.get("target"))) {
      return;
    }
    if (incident.before().isPresent()) {
      inputs.remove(MOMENT_FROM);
      inputs.put(MOMENT, incident.before().get().toString());
    } else if (!inputs.containsKey(MOMENT_FROM)) {
      throw refused(
          "run.moment-missing",
          "Step "
              + id(procedure, step.id())
              + " restores to before the damage, and nothing says when that was",
          "Say from when on what is stored is wrong, with --before TIME.");
    }
  }
}
