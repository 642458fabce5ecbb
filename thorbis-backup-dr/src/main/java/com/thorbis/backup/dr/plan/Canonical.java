package com.thorbis.backup.dr.plan;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** A plan as JSON with sorted keys, without what is empty: YAML that the reader reads. */
final class Canonical {
  private Canonical() {}

  static String text(PlanDraft plan) {
    Fields fields =
        new Fields()
            .put(Keys.FORMAT, Integer.toString(Keys.VERSION_OF_FORMAT))
            .put(Keys.PLAN, plan.id())
            .put(Keys.VERSION, Integer.toString(plan.version()))
            .put(Keys.TITLE, plan.title())
            .put(Keys.OWNER, plan.owner())
            .flag(Keys.STRICT, plan.strict())
            .put(
                Keys.OBJECTIVES,
                new Fields()
                    .put(Keys.RTO, plan.objectives().rto())
                    .put(Keys.RPO, plan.objectives().rpo())
                    .put(Keys.VERDICT, plan.objectives().verdict().label()))
            .list(Keys.PEOPLE, plan.people().stream().map(Canonical::person).toList())
            .list(Keys.SOURCES, plan.sources().stream().map(Canonical::source).toList())
            .list(
                Keys.ENVIRONMENTS,
                plan.environments().stream().map(Canonical::environment).toList())
            .list(Keys.TIERS, plan.tiers().stream().map(Canonical::tier).toList())
            .list(Keys.SCENARIOS, plan.scenarios().stream().map(Canonical::scenario).toList())
            .list(Keys.PROCEDURES, plan.procedures().stream().map(Canonical::procedure).toList())
            .list(Keys.EXERCISES, plan.exercises().stream().map(Canonical::exercise).toList());
    StringBuilder out = new StringBuilder();
    write(out, fields.values);
    return out.toString();
  }

  private static Fields person(Person person) {
    return new Fields()
        .put(Keys.ID, person.id())
        .put(Keys.NAME, person.name())
        .list(Keys.CONTACTS, person.contacts())
        .list(Keys.ROLES, person.roles())
        .put(Keys.SIGNS_WITH, person.signsWith().orElse(""));
  }

  private static Fields source(ProtectedSource source) {
    return new Fields()
        .put(Keys.ID, source.id())
        .put(Keys.MAX_DELAY, source.maxDelay())
        .list(
            Keys.BACKUPS,
            source.backups().stream()
                .map(
                    backup ->
                        new Fields()
                            .put(Keys.TYPE, backup.type())
                            .put(Keys.AT, backup.at().toString())
                            .put(Keys.WINDOW, backup.window()))
                .toList());
  }

  private static Fields environment(Environment environment) {
    return new Fields()
        .put(Keys.ID, environment.id())
        .put(Keys.PURPOSE, environment.purpose())
        .put(Keys.ISOLATION, environment.isolation().label())
        .flag(Keys.MASKED, environment.masked())
        .put(Keys.LEASE, environment.lease());
  }

  private static Fields tier(Tier tier) {
    return new Fields()
        .put(Keys.ID, tier.id())
        .put(Keys.NAME, tier.name())
        .put(Keys.PRIORITY, Integer.toString(tier.priority()))
        .put(Keys.RTO, tier.rto())
        .put(Keys.RPO, tier.rpo())
        .list(
            Keys.APPLICATIONS,
            tier.applications().stream()
                .map(
                    application ->
                        new Fields()
                            .put(Keys.ID, application.id())
                            .list(Keys.DEPENDS_ON, application.dependsOn()))
                .toList())
        .list(Keys.SOURCES, tier.sources());
  }

  private static Fields scenario(Scenario scenario) {
    return new Fields()
        .put(Keys.ID, scenario.id())
        .put(Keys.NAME, scenario.name())
        .put(Keys.DESCRIPTION, scenario.description())
        .put(Keys.OWNER, scenario.owner())
        .put(Keys.LIKELIHOOD, scenario.likelihood().label())
        .put(Keys.IMPACT, scenario.impact().label())
        .put(Keys.SIMULATION, scenario.simulation().map(Scenario.Simulation::label).orElse(""))
        .list(Keys.TIERS, scenario.tiers())
        .list(
            Keys.ALLOWANCES,
            scenario.allowances().stream()
                .map(
                    allowance ->
                        new Fields()
                            .put(Keys.TIER, allowance.tier())
                            .put(Keys.RTO, allowance.rto())
                            .put(Keys.REASON, allowance.reason())
                            .put(Keys.ACCEPTED_BY, allowance.acceptedBy()))
                .toList())
        .list(Keys.TRIGGERS, scenario.triggers().stream().map(Canonical::trigger).toList())
        .list(
            Keys.BRANCHES,
            scenario.branches().stream()
                .map(
                    branch ->
                        new Fields()
                            .list(Keys.WHEN, branch.when())
                            .put(Keys.VARIANT, branch.variant().label())
                            .list(Keys.PROCEDURES, branch.procedures()))
                .toList());
  }

  private static Fields trigger(Trigger trigger) {
    return new Fields()
        .put(Keys.ID, trigger.id())
        .put(Keys.CAUSE, trigger.cause().label())
        .list(
            Keys.SIGNALS,
            trigger.signals().stream()
                .map(signal -> new Fields().put(Keys.ID, signal.id()).put(Keys.FROM, signal.from()))
                .toList())
        .put(Keys.QUORUM, Integer.toString(trigger.quorum()))
        .put(Keys.DETECTION, trigger.detection())
        .put(Keys.DECISION, trigger.decision())
        .flag(Keys.AUTOMATIC, trigger.automatic());
  }

  private static Fields procedure(Procedure procedure) {
    return new Fields()
        .put(Keys.ID, procedure.id())
        .put(Keys.TITLE, procedure.title())
        .put(Keys.OWNER, procedure.owner())
        .put(Keys.CRITICAL, procedure.critical().map(String::valueOf).orElse(""))
        .list(Keys.DEPENDS_ON, procedure.dependsOn())
        .put(Keys.EXPECTED, procedure.expected())
        .put(Keys.FAILBACK, procedure.failback().orElse(""))
        .put(
            Keys.SETTLEMENT,
            procedure
                .settlement()
                .map(
                    settlement ->
                        new Fields()
                            .put(Keys.WITHIN, settlement.within())
                            .put(Keys.OTHERWISE, settlement.otherwise().label()))
                .orElseGet(Fields::new))
        .list(Keys.STEPS, procedure.steps().stream().map(Canonical::step).toList());
  }

  private static Fields step(PlanStep step) {
    Fields settings = new Fields();
    step.settings().forEach(settings::always);
    return new Fields()
        .put(Keys.ID, step.id())
        .put(Keys.TITLE, step.title())
        .put(Keys.ACTION, step.action())
        .put(Keys.WITH, settings)
        .put(Keys.MODE, step.mode().label())
        .put(Keys.EXPECTED, step.expected())
        .put(Keys.DEADLINE, step.deadline())
        .put(Keys.OWNER, step.owner())
        .put(
            Keys.APPROVAL,
            step.approval()
                .map(
                    approval ->
                        new Fields()
                            .list(Keys.PEOPLE, approval.people())
                            .put(Keys.REQUIRED, Integer.toString(approval.required()))
                            .put(Keys.DEADLINE, approval.deadline()))
                .orElseGet(Fields::new))
        .always(Keys.AFTER, step.after())
        .put(Keys.INSTRUCTION, step.instruction())
        .put(Keys.ON_FAILURE, step.onFailure().label())
        .flag(Keys.DESTRUCTIVE, step.declaredDestructive())
        .list(Keys.SERVES, step.serves());
  }

  private static Fields exercise(Exercise exercise) {
    return new Fields()
        .put(Keys.ID, exercise.id())
        .put(Keys.KIND, exercise.kind().label())
        .put(Keys.OWNER, exercise.owner())
        .list(Keys.SCENARIOS, exercise.scenarios())
        .put(Keys.FREQUENCY, exercise.frequency().label())
        .put(Keys.FIRST, exercise.first().map(String::valueOf).orElse(""))
        .put(Keys.WINDOW, exercise.window())
        .put(Keys.ENVIRONMENT, exercise.environment().orElse(""));
  }

  /** Fields of one object, without those that say nothing. */
  private static final class Fields {
    private final Map<String, Object> values = new TreeMap<>();

    Fields put(String key, String value) {
      return value.isEmpty() ? this : always(key, value);
    }

    Fields put(String key, Duration span) {
      return always(key, Spans.text(span));
    }

    Fields put(String key, Optional<Duration> span) {
      return span.map(value -> put(key, value)).orElse(this);
    }

    Fields put(String key, Fields fields) {
      return fields.values.isEmpty() ? this : always(key, fields);
    }

    Fields flag(String key, boolean set) {
      return set ? always(key, "true") : this;
    }

    Fields list(String key, List<?> items) {
      return items.isEmpty() ? this : always(key, items);
    }

    Fields always(String key, Object value) {
      values.put(key, value);
      return this;
    }
  }

  private static void write(StringBuilder out, Object value) {
    if (value instanceof Fields fields) {
      write(out, fields.values);
    } else if (value instanceof Map<?, ?> map) {
      List<Runnable> parts = new ArrayList<>();
      map.forEach(
          (key, inner) ->
              parts.add(
                  () -> {
                    quote(out, String.valueOf(key));
                    out.append(':');
                    write(out, inner);
                  }));
      join(out, '{', parts, '}');
    } else if (value instanceof Collection<?> items) {
      List<Runnable> parts = new ArrayList<>();
      items.forEach(item -> parts.add(() -> write(out, item)));
      join(out, '[', parts, ']');
    } else {
      quote(out, String.valueOf(value));
    }
  }

  private static void join(StringBuilder out, char open, List<Runnable> parts, char close) {
    out.append(open);
    for (int i = 0; i < parts.size(); i++) {
      if (i > 0) {
        out.append(',');
      }
      parts.get(i).run();
    }
    out.append(close);
  }

  private static void quote(StringBuilder out, String text) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"', '\\' -> out.append('\\').append(c);
        case '\n' -> out.append("\\n");
        default -> {
          // YAML has no other characters that are not printed.
          if (c < 0x20
              || (c >= 0x7f && c < 0xa0)
              || c == '\u2028'
              || c == '\u2029'
              || c == '\ufeff') {
            out.append(String.format("\\u%04x", (int) c));
          } else {
            out.append(c);
          }
        }
      }
    }
    out.append('"');
  }
}
