package com.thorbis.backup.dr.plan;

import com.thorbis.backup.dr.plan.Scenario.Branch;
import com.thorbis.backup.dr.plan.Scenario.Variant;
import com.thorbis.backup.dr.plan.Trigger.Cause;
import com.thorbis.backup.spi.Names;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Holds a draft against itself and against what was measured. */
final class Checks {
  private static final String EXAMPLE = PlanReader.example();
  private static final Pattern ID = Pattern.compile("[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?");

  private final PlanDraft draft;
  private final PlanFacts facts;
  private final Report report;
  private final TimeChecks times;
  private final Map<String, Procedure> procedures = new LinkedHashMap<>();
  private final Map<String, ProtectedSource> sources = new LinkedHashMap<>();
  private final Map<String, Tier> tiers = new LinkedHashMap<>();
  private final Map<String, Scenario> scenarios = new LinkedHashMap<>();
  private final Set<String> owners = new LinkedHashSet<>();

  Checks(PlanDraft draft, PlanFacts facts) {
    this.draft = draft;
    this.facts = facts;
    this.report = new Report(draft);
    draft.procedures().forEach(it -> procedures.putIfAbsent(it.id(), it));
    draft.sources().forEach(it -> sources.putIfAbsent(it.id(), it));
    draft.tiers().forEach(it -> tiers.putIfAbsent(it.id(), it));
    draft.scenarios().forEach(it -> scenarios.putIfAbsent(it.id(), it));
    for (Person person : draft.people()) {
      owners.add(person.id());
      owners.addAll(person.roles());
    }
    this.times = new TimeChecks(draft, facts, report, procedures, tiers, sources);
  }

  List<Finding> findings() {
    return report.findings();
  }

  List<Validation.Prediction> predictions() {
    return times.predictions();
  }

  void run() {
    ids();
    owner("", draft.owner(), "The plan has no owner");
    people();
    sources();
    environments();
    tiers();
    draft.scenarios().forEach(this::scenario);
    ProcedureChecks steps =
        new ProcedureChecks(draft, facts, report, procedures, sources, tiers, owners);
    draft.procedures().forEach(this::procedure);
    draft.procedures().forEach(steps::check);
    exercises();
    times.run();
  }

  private void ids() {
    ids("people", draft.people(), Person::id);
    ids("sources", draft.sources(), ProtectedSource::id);
    ids("environments", draft.environments(), Environment::id);
    ids("tiers", draft.tiers(), Tier::id);
    ids("scenarios", draft.scenarios(), Scenario::id);
    ids("procedures", draft.procedures(), Procedure::id);
    ids("exercises", draft.exercises(), Exercise::id);
    ids(
        "applications",
        draft.tiers().stream().flatMap(tier -> tier.applications().stream()).toList(),
        Tier.Application::id);
    for (Scenario scenario : draft.scenarios()) {
      ids("scenarios." + scenario.id() + ".triggers", scenario.triggers(), Trigger::id);
    }
    for (Procedure procedure : draft.procedures()) {
      ids("procedures." + procedure.id() + ".steps", procedure.steps(), PlanStep::id);
    }
    id("plan", draft.id());
  }

  private <T> void ids(String path, List<T> all, Function<T, String> id) {
    Set<String> seen = new LinkedHashSet<>();
    for (int i = 0; i < all.size(); i++) {
      String name = id.apply(all.get(i));
      id(path + "." + name, name);
      if (!seen.add(name)) {
        report.add(
            Rule.ID_DUPLICATE,
            path + "[" + i + "]",
            "\"" + name + "\" is there twice",
            "Give one of them another id.");
      }
    }
  }

  private void id(String path, String id) {
    if (!ID.matcher(id).matches()) {
      report.add(
          Rule.ID_MALFORMED,
          path,
          "\"" + id + "\" is not an id",
          "Take up to 63 of a-z, 0-9, \"-\" and \"_\", a letter or digit first and last.");
    }
  }

  /** Whether something is there under a name. */
  private boolean known(String path, String what, String name, Collection<String> all) {
    return known(report, path, what, name, all);
  }

  static boolean known(
      Report report, String path, String what, String name, Collection<String> all) {
    if (all.contains(name)) {
      return true;
    }
    report.add(
        Rule.REFERENCE_DANGLING,
        path,
        "There is no " + what + " \"" + name + "\"",
        Names.nearest(name, all)
            .map(near -> "Did you mean " + near + "?")
            .orElse("Define it, or remove the reference."));
    return false;
  }

  private void owner(String path, String owner, String message) {
    if (owner.isEmpty()) {
      report.add(
          Rule.OWNER_MISSING,
          path,
          message,
          "Set owner to one of people or to one of their roles.");
    } else {
      known(path.isEmpty() ? "owner" : path + ".owner", "person or role", owner, owners);
    }
  }

  private void people() {
    for (Person person : draft.people()) {
      if (person.contacts().isEmpty()) {
        report.add(
            Rule.PERSON_UNREACHABLE,
            "people." + person.id(),
            "There is no way to reach " + person.name(),
            "Add contacts, such as a telephone number, that work while all is down.");
      }
      person.signsWith().ifPresent(key -> key(person, key));
    }
  }

  private void key(Person person, String key) {
    String path = "people." + person.id() + ".signs-with";
    String remedy = "Write the line that keys signing-key prints where the person keeps the key.";
    if (PublicKeyText.hex(key).isEmpty()) {
      report.add(Rule.PERSON_KEY_INVALID, path, "It is no public key, or mistyped", remedy);
    } else if (draft.people().stream()
        .anyMatch(
            it -> !it.id().equals(person.id()) && it.signsWith().equals(person.signsWith()))) {
      report.add(Rule.PERSON_KEY_SHARED, path, "Somebody else has the same key", remedy);
    } else if (EXAMPLE.contains(key)) {
      report.add(Rule.PERSON_KEY_EXAMPLE, path, "It is a key of the example", remedy);
    }
  }

  private void sources() {
    for (ProtectedSource source : draft.sources()) {
      if (source.maxDelay().isEmpty() && source.backups().isEmpty()) {
        report.add(
            Rule.SOURCE_UNPROTECTED,
            "sources." + source.id(),
            "Nothing says how it is backed up",
            "Set max-delay, or list backups.");
      }
    }
  }

  private void environments() {
    for (Environment environment : draft.environments()) {
      String path = "environments." + environment.id();
      if (environment.isolation() != Environment.Isolation.COMPLETE && !environment.masked()) {
        report.add(
            Rule.ENVIRONMENT_EXPOSED,
            path,
            "It shares more than nothing with others, and personal data is not masked",
            "Isolate it completely, or mask and say masked: true.");
      }
      if (environment.lease().isZero()) {
        report.add(
            Rule.ENVIRONMENT_NO_LEASE,
            path,
            "Nothing says how long it is kept",
            "Set lease to a duration, such as 24h.");
      }
    }
  }

  private void tiers() {
    Map<String, Tier> homes = new HashMap<>();
    for (Tier tier : draft.tiers()) {
      tier.applications().forEach(application -> homes.putIfAbsent(application.id(), tier));
      for (String source : tier.sources()) {
        known("tiers." + tier.id() + ".sources", "source", source, sources.keySet());
      }
    }
    for (Tier tier : draft.tiers()) {
      String path = "tiers." + tier.id();
      for (Tier.Application application : tier.applications()) {
        String at = path + ".applications." + application.id();
        for (String other : application.dependsOn()) {
          if (known(at + ".depends-on", "application", other, homes.keySet())) {
            slower(at, tier, application.id(), Objects.requireNonNull(homes.get(other)), other);
          }
        }
      }
      for (Tier other : draft.tiers()) {
        if (tier.priority() < other.priority() && tier.rto().compareTo(other.rto()) > 0) {
          report.add(
              Rule.TIER_PRIORITY_INVERTED,
              path + ".priority",
              tier.id() + " comes before " + other.id() + " and may be away for longer",
              Spans.text(tier.rto()) + " against " + Spans.text(other.rto()),
              "Exchange the priorities, or correct the objectives.");
        }
      }
      if (draft.scenarios().stream()
          .noneMatch(it -> it.tiers().isEmpty() || it.tiers().contains(tier.id()))) {
        report.add(
            Rule.TIER_WITHOUT_SCENARIO,
            path,
            "No scenario takes it away",
            "Name it below tiers of a scenario.");
      }
      if (draft.objectives().verdict() == Objectives.Verdict.PLAN_WIDE
          && (tier.rto().compareTo(draft.objectives().rto()) < 0
              || tier.rpo().compareTo(draft.objectives().rpo()) < 0)) {
        report.add(
            Rule.OBJECTIVE_PLAN_WIDE,
            "objectives.verdict",
            "Recoveries are measured against the plan's objectives, and "
                + tier.id()
                + " has others",
            "a recovery in "
                + Spans.text(draft.objectives().rto())
                + " with a loss of "
                + Spans.text(draft.objectives().rpo())
                + " would count, and "
                + tier.id()
                + " promises "
                + Spans.text(tier.rto())
                + " and "
                + Spans.text(tier.rpo()),
            "Set verdict: per-tier.");
      }
    }
  }

  private void slower(String path, Tier tier, String name, Tier other, String needed) {
    if (tier.rto().compareTo(other.rto()) < 0 || tier.rpo().compareTo(other.rpo()) < 0) {
      report.add(
          Rule.TIER_DEPENDENCY_SLOWER,
          path,
          name + " needs " + needed + " of " + other.id() + ", which promises less",
          "RTO and RPO are "
              + Spans.text(tier.rto())
              + " and "
              + Spans.text(tier.rpo())
              + " against "
              + Spans.text(other.rto())
              + " and "
              + Spans.text(other.rpo()),
          "Move " + needed + " to " + tier.id() + ", or make " + name + " work without it.");
    }
  }

  private void scenario(Scenario scenario) {
    String path = "scenarios." + scenario.id();
    owner(path, scenario.owner(), "Nobody declares this disaster");
    scenario.tiers().forEach(tier -> known(path + ".tiers", "tier", tier, tiers.keySet()));
    for (Scenario.Allowance allowance : scenario.allowances()) {
      String at = path + ".allowances." + allowance.tier();
      if (known(at, "tier", allowance.tier(), tiers.keySet())) {
        report.add(
            Rule.RTO_ALLOWANCE,
            at,
            allowance.tier()
                + " may be away for "
                + Spans.text(allowance.rto())
                + " instead of "
                + Spans.text(tier(allowance.tier()).rto()),
            allowance.reason(),
            "Have " + allowance.acceptedBy() + " look at it again with every version.");
      }
      known(at + ".accepted-by", "person or role", allowance.acceptedBy(), owners);
    }
    for (Trigger trigger : scenario.triggers()) {
      trigger(scenario, trigger, path + ".triggers." + trigger.id());
    }
    Map<String, Trigger> triggers =
        scenario.triggers().stream()
            .collect(Collectors.toMap(Trigger::id, it -> it, (a, b) -> a, LinkedHashMap::new));
    if (triggers.isEmpty()) {
      report.add(
          Rule.TRIGGER_UNANSWERED, path, "Nothing starts it", "List triggers and their signals.");
    }
    for (int i = 0; i < scenario.branches().size(); i++) {
      branch(scenario, scenario.branches().get(i), path + ".branches[" + i + "]", triggers);
    }
    exercised(scenario, path);
  }

  private Tier tier(String id) {
    return Objects.requireNonNull(tiers.get(id));
  }

  private void trigger(Scenario scenario, Trigger trigger, String path) {
    long independent = trigger.signals().stream().map(Trigger.Signal::from).distinct().count();
    boolean sure = independent >= 2 && trigger.quorum() >= 2;
    if (trigger.quorum() > trigger.signals().size() && !trigger.signals().isEmpty()) {
      report.add(
          Rule.APPROVAL_TOO_FEW,
          path + ".quorum",
          trigger.quorum() + " signals have to agree, and there are " + trigger.signals().size(),
          "Add signals, or lower quorum.");
    }
    if (!sure) {
      report.add(
          trigger.automatic() ? Rule.TRIGGER_AUTOMATIC_UNSURE : Rule.TRIGGER_SINGLE_SIGNAL,
          path,
          "It is noticed from "
              + independent
              + " places, and "
              + trigger.quorum()
              + " has to agree",
          "List two signals with different from, and set quorum: 2.");
    }
    if (trigger.detection().isEmpty() || trigger.decision().isEmpty()) {
      report.add(
          Rule.TRIGGER_TIMES_UNDECLARED,
          path,
          "It does not say how long it takes to notice and to decide",
          "Set detection and decision; 0s where nobody is asked.");
    }
    boolean practised =
        draft.exercises().stream()
            .anyMatch(
                it ->
                    it.kind() == Exercise.Kind.FULL_SIMULATION
                        && it.scenarios().contains(scenario.id()));
    if (trigger.automatic() && !practised) {
      report.add(
          Rule.TRIGGER_AUTOMATIC_UNPRACTISED,
          path + ".automatic",
          "Recovery starts by itself, and no full simulation practises it",
          "Add an exercise of kind full-simulation for " + scenario.id() + ".");
    }
    for (Variant variant : List.of(Variant.GRACEFUL, Variant.UNGRACEFUL)) {
      long answers =
          scenario.branches().stream()
              .filter(it -> it.when().contains(trigger.id()) && it.variant().covers(variant))
              .count();
      if (answers > 1) {
        report.add(
            Rule.BRANCH_AMBIGUOUS,
            path,
            answers + " branches answer it where it is " + variant.label(),
            "Leave it in one of them.");
      }
      if (answers == 0 && variant == Variant.UNGRACEFUL) {
        report.add(
            Rule.TRIGGER_UNANSWERED,
            path,
            "No branch answers it",
            "Name it below when of a branch that is not only graceful.");
      }
    }
  }

  private void branch(
      Scenario scenario, Branch branch, String path, Map<String, Trigger> triggers) {
    Set<Cause> causes = new LinkedHashSet<>();
    for (String name : branch.when()) {
      if (known(path + ".when", "trigger", name, triggers.keySet())) {
        causes.add(Objects.requireNonNull(triggers.get(name)).cause());
      }
    }
    if (branch.procedures().isEmpty()) {
      report.add(Rule.BRANCH_EMPTY, path, "It runs no procedure", "List some, or remove it.");
    }
    if (causes.contains(Cause.OUTAGE) && causes.size() > 1) {
      report.add(
          Rule.BRANCH_CAUSES_MIXED,
          path + ".when",
          "The same is done whether something is away or what it holds is wrong",
          "Make one branch for each cause.");
    }
    List<Procedure> run =
        branch.procedures().stream()
            .filter(it -> known(path + ".procedures", "procedure", it, procedures.keySet()))
            .flatMap(it -> Stream.ofNullable(procedures.get(it)))
            .toList();
    if (!run.isEmpty()
        && run.size() == branch.procedures().size()
        && run.stream().allMatch(it -> it.critical().equals(Optional.of(false)))) {
      report.add(
          Rule.BRANCH_NOTHING_CRITICAL,
          path,
          "None of its procedures is critical",
          "Say critical: true of what has to work.");
    }
    if (run.stream()
            .flatMap(it -> it.settlement().stream())
            .map(Procedure.Settlement::otherwise)
            .distinct()
            .count()
        > 1) {
      report.add(
          Rule.BRANCH_SETTLEMENTS_DIFFER,
          path,
          "Some of its procedures stay if nobody says anything, and some are taken back",
          "Set the same otherwise for all of them.");
    }
    alternatives(scenario, path, causes, run);
    order(branch, path, run);
  }

  private void alternatives(
      Scenario scenario, String path, Set<Cause> causes, List<Procedure> run) {
    Set<String> promoted = subjects(run, Set.of(ActionNames.PROMOTE));
    Set<String> restored = subjects(run, Set.of(ActionNames.RESTORE));
    if (!promoted.isEmpty() && causes.stream().anyMatch(it -> it != Cause.OUTAGE)) {
      report.add(
          Rule.BRANCH_PROMOTES_DAMAGE,
          path,
          "A standby is promoted where what is stored is wrong",
          "Restore to a moment before, in a branch of its own, in " + scenario.id() + ".");
    }
    boolean both =
        promoted.stream()
            .anyMatch(
                it ->
                    restored.contains(it)
                        || restored.contains("")
                        || (it.isEmpty() && !restored.isEmpty()));
    if (both) {
      report.add(
          Rule.BRANCH_FAILOVER_AND_RESTORE,
          path,
          "It promotes a standby and restores the same source",
          "Make two branches: promote in an outage, restore after damage.");
    }
  }

  private static Set<String> subjects(List<Procedure> run, Set<String> actions) {
    return run.stream()
        .flatMap(it -> it.steps().stream())
        .filter(it -> actions.contains(it.action()))
        .map(it -> it.settings().getOrDefault("source", ""))
        .collect(Collectors.toCollection(LinkedHashSet::new));
  }

  private void order(Branch branch, String path, List<Procedure> run) {
    Set<String> done = new LinkedHashSet<>();
    boolean told = false;
    for (Procedure procedure : run) {
      for (String before : procedure.dependsOn()) {
        if (!done.contains(before) && procedures.containsKey(before)) {
          report.add(
              Rule.BRANCH_ORDER,
              path + ".procedures",
              procedure.id() + " needs " + before + " done before, and it is not",
              branch.procedures().contains(before)
                  ? "List " + before + " before it."
                  : "Add " + before + " before it.");
        }
      }
      boolean tells = procedure.steps().stream().allMatch(PlanStep::tells);
      if (told && !tells) {
        report.add(
            Rule.NOTIFY_BLOCKS,
            path + ".procedures",
            procedure.id() + " comes after a procedure that only tells people",
            "List what only tells last.");
      }
      told |= tells && !procedure.steps().isEmpty();
      done.add(procedure.id());
    }
  }

  private void exercised(Scenario scenario, String path) {
    List<Exercise> exercises =
        draft.exercises().stream().filter(it -> it.scenarios().contains(scenario.id())).toList();
    if (exercises.isEmpty()) {
      report.add(
          Rule.SCENARIO_UNTESTED, path, "No exercise practises it", "Add it to an exercise.");
    }
    if (scenario.simulation().isEmpty()
        && exercises.stream().anyMatch(it -> it.kind() == Exercise.Kind.FULL_SIMULATION)) {
      report.add(
          Rule.SCENARIO_NO_SIMULATION,
          path,
          "A full simulation is planned, and it has no simulation",
          "Set simulation to what is to be made to happen.");
    }
  }

  private void procedure(Procedure procedure) {
    String path = "procedures." + procedure.id();
    owner(path, procedure.owner(), "Nobody answers for it");
    if (procedure.critical().isEmpty()) {
      report.add(
          Rule.PROCEDURE_CRITICAL_UNDECLARED,
          path,
          "It does not say whether it is critical",
          "Set critical to true or false.");
    }
    procedure
        .dependsOn()
        .forEach(it -> known(path + ".depends-on", "procedure", it, procedures.keySet()));
    procedure
        .failback()
        .ifPresent(it -> known(path + ".failback", "procedure", it, procedures.keySet()));
    if (before(procedure.id()).contains(procedure.id())) {
      report.add(
          Rule.PROCEDURE_CYCLE,
          path + ".depends-on",
          "It depends on itself, through " + String.join(", ", procedure.dependsOn()),
          "Remove one of the dependencies.");
    }
    boolean used =
        draft.scenarios().stream()
                .flatMap(it -> it.branches().stream())
                .anyMatch(it -> it.procedures().contains(procedure.id()))
            || draft.procedures().stream()
                .anyMatch(
                    it ->
                        it != procedure
                            && (it.dependsOn().contains(procedure.id())
                                || it.failback().filter(procedure.id()::equals).isPresent()));
    if (!used) {
      report.add(
          Rule.PROCEDURE_UNUSED,
          path,
          "No branch, dependency or failback names it",
          "Use it in a branch, or remove it.");
    }
  }

  private Set<String> before(String procedure) {
    Set<String> before = new LinkedHashSet<>();
    ArrayDeque<String> open = new ArrayDeque<>(List.of(procedure));
    while (!open.isEmpty()) {
      Procedure next = procedures.get(open.remove());
      if (next != null) {
        next.dependsOn().stream().filter(before::add).forEach(open::add);
      }
    }
    return before;
  }

  private void exercises() {
    Set<String> environments =
        draft.environments().stream().map(Environment::id).collect(Collectors.toSet());
    if (draft.exercises().isEmpty()) {
      report.add(Rule.PLAN_UNTESTED, "", "The plan has no exercises", "Add exercises.");
    }
    for (Exercise exercise : draft.exercises()) {
      String path = "exercises." + exercise.id();
      owner(path, exercise.owner(), "Nobody holds it");
      exercise
          .scenarios()
          .forEach(it -> known(path + ".scenarios", "scenario", it, scenarios.keySet()));
      exercise
          .environment()
          .ifPresent(it -> known(path + ".environment", "environment", it, environments));
      if (exercise.kind() == Exercise.Kind.FULL_SIMULATION && exercise.environment().isEmpty()) {
        report.add(
            Rule.EXERCISE_NO_ENVIRONMENT,
            path,
            "A full simulation has no environment",
            "Set environment to one of the plan.");
      }
    }
  }
}
