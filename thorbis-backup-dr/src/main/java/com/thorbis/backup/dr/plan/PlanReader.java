package com.thorbis.backup.dr.plan;

import com.thorbis.backup.dr.plan.Finding.Position;
import com.thorbis.backup.dr.plan.PlanText.Fields;
import com.thorbis.backup.dr.plan.PlanText.Items;
import com.thorbis.backup.dr.plan.PlanText.Text;
import com.thorbis.backup.dr.plan.PlanText.Value;
import com.thorbis.backup.spi.Names;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Reads plans that are written in YAML. What is wrong with a text becomes a finding, all of them at
 * once, and never an exception.
 */
public final class PlanReader {
  private static final Set<String> LITERAL_DATES = Set.of("last", "next");

  private final List<Finding> problems = new ArrayList<>();
  private final Map<String, Position> positions = new LinkedHashMap<>();

  private PlanReader() {}

  /**
   * Reads a plan.
   *
   * @param text YAML, as docs/plans.md describes it, or the canonical form of a plan
   * @param source how findings call the text, such as its file
   */
  public static PlanDraft read(String text, String source) {
    return new PlanReader().draft(text, source);
  }

  /** The text of a plan to start from: one that can work, with everything explained in it. */
  public static String example() {
    try (InputStream in = PlanReader.class.getResourceAsStream("example.yaml")) {
      return new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private PlanDraft draft(String text, String source) {
    try {
      Section root = new Section("", PlanText.parse(source, text));
      PlanDraft.Builder plan =
          PlanDraft.builder(root.text(Keys.PLAN), root.integer(Keys.VERSION, -1))
              .title(root.find(Keys.TITLE))
              .owner(root.find(Keys.OWNER))
              .strict(root.flag(Keys.STRICT).orElse(false))
              .people(root.each(Keys.PEOPLE, Keys.ID, PlanReader::person))
              .sources(root.each(Keys.SOURCES, Keys.ID, PlanReader::source))
              .environments(root.each(Keys.ENVIRONMENTS, Keys.ID, PlanReader::environment))
              .tiers(root.each(Keys.TIERS, Keys.ID, PlanReader::tier))
              .scenarios(root.each(Keys.SCENARIOS, Keys.ID, PlanReader::scenario))
              .procedures(root.each(Keys.PROCEDURES, Keys.ID, PlanReader::procedure))
              .exercises(root.each(Keys.EXERCISES, Keys.ID, PlanReader::exercise));
      root.section(Keys.OBJECTIVES)
          .map(PlanReader::objectives)
          .ifPresentOrElse(plan::objectives, () -> root.missing(Keys.OBJECTIVES));
      if (root.integer(Keys.FORMAT, Keys.VERSION_OF_FORMAT) != Keys.VERSION_OF_FORMAT) {
        root.problem(
            Rule.TEXT_MALFORMED,
            Keys.FORMAT,
            "this version reads format " + Keys.VERSION_OF_FORMAT,
            "Use the version that wrote the plan, or a later one.");
      }
      root.finish();
      return plan.readFrom(problems, positions).build();
    } catch (PlanText.UnreadableException e) {
      problems.add(
          Rule.TEXT_UNREADABLE.finding(
              "", String.valueOf(e.getMessage()), "nothing of it was read", e.remedy(), e.at()));
      return PlanDraft.builder("", 0).readFrom(problems, positions).build();
    }
  }

  private static Objectives objectives(Section section) {
    Objectives objectives =
        new Objectives(
            section.span(Keys.RTO),
            section.span(Keys.RPO),
            section.choice(
                Keys.VERDICT,
                Objectives.Verdict.PER_TIER,
                Objectives.Verdict.values(),
                Objectives.Verdict::label));
    section.finish();
    return objectives;
  }

  private static Person person(Section section, String id) {
    Person person =
        new Person(
            id,
            section.text(Keys.NAME),
            section.texts(Keys.CONTACTS),
            section.texts(Keys.ROLES),
            section.word(Keys.SIGNS_WITH));
    section.finish();
    return person;
  }

  private static ProtectedSource source(Section section, String id) {
    ProtectedSource source =
        new ProtectedSource(
            id,
            section.findSpan(Keys.MAX_DELAY),
            section.each(
                Keys.BACKUPS,
                Keys.TYPE,
                (backup, type) -> {
                  ProtectedSource.Backup read =
                      new ProtectedSource.Backup(
                          type, backup.timetable(Keys.AT), backup.span(Keys.WINDOW));
                  backup.finish();
                  return read;
                }));
    section.finish();
    return source;
  }

  private static Environment environment(Section section, String id) {
    Environment environment =
        new Environment(
            id,
            section.find(Keys.PURPOSE),
            section.choice(
                Keys.ISOLATION, null, Environment.Isolation.values(), Environment.Isolation::label),
            section.flag(Keys.MASKED).orElse(false),
            section.findSpan(Keys.LEASE).orElse(Duration.ZERO));
    section.finish();
    return environment;
  }

  private static Tier tier(Section section, String id) {
    Tier tier =
        new Tier(
            id,
            section.text(Keys.NAME),
            section.integer(Keys.PRIORITY, -1),
            section.span(Keys.RTO),
            section.span(Keys.RPO),
            section.each(
                Keys.APPLICATIONS,
                Keys.ID,
                (application, name) -> {
                  Tier.Application read =
                      new Tier.Application(name, application.texts(Keys.DEPENDS_ON));
                  application.finish();
                  return read;
                }),
            section.texts(Keys.SOURCES));
    section.finish();
    return tier;
  }

  private static Scenario scenario(Section section, String id) {
    Scenario.Builder scenario =
        Scenario.builder(id, section.text(Keys.NAME))
            .description(section.find(Keys.DESCRIPTION))
            .owner(section.find(Keys.OWNER))
            .likelihood(
                section.choice(
                    Keys.LIKELIHOOD,
                    null,
                    Scenario.Likelihood.values(),
                    Scenario.Likelihood::label))
            .impact(
                section.choice(Keys.IMPACT, null, Scenario.Impact.values(), Scenario.Impact::label))
            .tiers(section.texts(Keys.TIERS))
            .allowances(
                section.each(
                    Keys.ALLOWANCES,
                    Keys.TIER,
                    (allowance, tier) -> {
                      Scenario.Allowance read =
                          new Scenario.Allowance(
                              tier,
                              allowance.span(Keys.RTO),
                              allowance.text(Keys.REASON),
                              allowance.text(Keys.ACCEPTED_BY));
                      allowance.finish();
                      return read;
                    }))
            .triggers(section.each(Keys.TRIGGERS, Keys.ID, PlanReader::trigger))
            .branches(section.each(Keys.BRANCHES, "", (branch, none) -> branch(branch)));
    if (section.has(Keys.SIMULATION)) {
      scenario.simulation(
          section.choice(
              Keys.SIMULATION, null, Scenario.Simulation.values(), Scenario.Simulation::label));
    }
    section.finish();
    return scenario.build();
  }

  private static Trigger trigger(Section section, String id) {
    Trigger.Builder trigger =
        Trigger.builder(
                id, section.choice(Keys.CAUSE, null, Trigger.Cause.values(), Trigger.Cause::label))
            .signals(
                section.each(
                    Keys.SIGNALS,
                    Keys.ID,
                    (signal, name) -> {
                      Trigger.Signal read = new Trigger.Signal(name, signal.text(Keys.FROM));
                      signal.finish();
                      return read;
                    }))
            .quorum(section.integer(Keys.QUORUM, 1))
            .automatic(section.flag(Keys.AUTOMATIC).orElse(false));
    section.findSpan(Keys.DETECTION).ifPresent(trigger::detection);
    section.findSpan(Keys.DECISION).ifPresent(trigger::decision);
    section.finish();
    return trigger.build();
  }

  private static Scenario.Branch branch(Section section) {
    Scenario.Branch branch =
        new Scenario.Branch(
            section.texts(Keys.WHEN),
            section.choice(
                Keys.VARIANT,
                Scenario.Variant.EITHER,
                Scenario.Variant.values(),
                Scenario.Variant::label),
            section.texts(Keys.PROCEDURES));
    section.finish();
    return branch;
  }

  private static Procedure procedure(Section section, String id) {
    Procedure.Builder procedure =
        Procedure.builder(id)
            .title(section.find(Keys.TITLE))
            .owner(section.find(Keys.OWNER))
            .dependsOn(section.texts(Keys.DEPENDS_ON));
    section.flag(Keys.CRITICAL).ifPresent(procedure::critical);
    section.findSpan(Keys.EXPECTED).ifPresent(procedure::expected);
    section.word(Keys.FAILBACK).ifPresent(procedure::failback);
    section
        .section(Keys.SETTLEMENT)
        .ifPresent(
            settlement -> {
              procedure.settlement(
                  new Procedure.Settlement(
                      settlement.span(Keys.WITHIN),
                      settlement.choice(
                          Keys.OTHERWISE,
                          null,
                          Procedure.Settlement.Outcome.values(),
                          Procedure.Settlement.Outcome::label)));
              settlement.finish();
            });
    for (Section item : section.sections(Keys.STEPS)) {
      if (item.has(Keys.TOGETHER)) {
        procedure.together(
            item.each(Keys.TOGETHER, Keys.ID, section.path() + "." + Keys.STEPS, PlanReader::step));
        item.finish();
      } else {
        procedure.step(
            section.named(item, Keys.ID, section.path() + "." + Keys.STEPS, PlanReader::step));
      }
    }
    section.finish();
    return procedure.build();
  }

  private static PlanStep step(Section section, String id) {
    PlanStep.Builder step =
        PlanStep.builder(id, section.text(Keys.ACTION))
            .title(section.find(Keys.TITLE))
            .owner(section.find(Keys.OWNER))
            .instruction(section.find(Keys.INSTRUCTION))
            .destructive(section.flag(Keys.DESTRUCTIVE).orElse(false))
            .serves(section.texts(Keys.SERVES))
            .settings(section.settings(Keys.WITH));
    if (section.has(Keys.MODE)) {
      step.mode(section.choice(Keys.MODE, null, PlanStep.Mode.values(), PlanStep.Mode::label));
    }
    if (section.has(Keys.ON_FAILURE)) {
      step.onFailure(
          section.choice(
              Keys.ON_FAILURE, null, PlanStep.OnFailure.values(), PlanStep.OnFailure::label));
    }
    if (section.has(Keys.AFTER)) {
      step.after(section.texts(Keys.AFTER));
    }
    section.findSpan(Keys.EXPECTED).ifPresent(step::expected);
    section.findSpan(Keys.DEADLINE).ifPresent(step::deadline);
    section
        .section(Keys.APPROVAL)
        .ifPresent(
            approval -> {
              step.approval(
                  new PlanApproval(
                      approval.texts(Keys.PEOPLE),
                      approval.integer(Keys.REQUIRED, 1),
                      approval.span(Keys.DEADLINE)));
              approval.finish();
            });
    section.finish();
    return step.build();
  }

  private static Exercise exercise(Section section, String id) {
    Exercise exercise =
        new Exercise(
            id,
            section.choice(Keys.KIND, null, Exercise.Kind.values(), Exercise.Kind::label),
            section.find(Keys.OWNER),
            section.texts(Keys.SCENARIOS),
            section.choice(
                Keys.FREQUENCY, null, Exercise.Frequency.values(), Exercise.Frequency::label),
            section.date(Keys.FIRST),
            section.span(Keys.WINDOW),
            section.word(Keys.ENVIRONMENT));
    section.literalDates();
    section.finish();
    return exercise;
  }

  /** One map of the text, read key by key. */
  private final class Section {
    private final String path;
    private final Fields fields;
    private final Set<String> known = new LinkedHashSet<>();

    Section(String path, Fields fields) {
      this.path = path;
      this.fields = fields;
      positions.putIfAbsent(path, fields.at());
    }

    String path() {
      return path;
    }

    boolean has(String key) {
      known.add(key);
      return fields.fields().containsKey(key);
    }

    /** A value that has to be there. */
    String text(String key) {
      String text = find(key);
      if (text.isEmpty()) {
        missing(key);
      }
      return text;
    }

    /** A value, or nothing. */
    String find(String key) {
      Value value = value(key);
      return value == null ? "" : scalar(path(key), value);
    }

    Optional<String> word(String key) {
      String text = find(key);
      return text.isEmpty() ? Optional.empty() : Optional.of(text);
    }

    List<String> texts(String key) {
      Value value = value(key);
      if (value == null) {
        return List.of();
      }
      if (value instanceof Items items) {
        List<String> texts = new ArrayList<>();
        for (Value item : items.items()) {
          String at = path(key) + "[" + texts.size() + "]";
          positions.putIfAbsent(at, item.at());
          texts.add(scalar(at, item));
        }
        return texts;
      }
      String text = scalar(path(key), value);
      return text.isEmpty() ? List.of() : List.of(text);
    }

    Optional<Boolean> flag(String key) {
      return word(key)
          .flatMap(
              text -> {
                if (text.equals("true") || text.equals("false")) {
                  return Optional.of(text.equals("true"));
                }
                problem(
                    Rule.TEXT_MALFORMED,
                    key,
                    "\"" + text + "\" is not true or false",
                    "Write one of them.");
                return Optional.empty();
              });
    }

    int integer(String key, int fallback) {
      String text = fallback < 0 ? text(key) : find(key);
      if (text.isEmpty()) {
        return fallback;
      }
      if (text.matches("[0-9]{1,6}")) {
        return Integer.parseInt(text);
      }
      problem(
          Rule.TEXT_MALFORMED, key, "\"" + text + "\" is not a whole number", "Write a number.");
      return fallback;
    }

    Duration span(String key) {
      if (find(key).isEmpty()) {
        missing(key);
      }
      return findSpan(key).orElse(Duration.ZERO);
    }

    Optional<Duration> findSpan(String key) {
      return word(key)
          .flatMap(
              text ->
                  parsed(key, text, Spans::parse, "Write a number and a unit, such as 15m or 4h."));
    }

    Timetable timetable(String key) {
      String text = text(key);
      return (text.isEmpty()
              ? Optional.<Timetable>empty()
              : parsed(key, text, Timetable::parse, "Write it as Sun 02:00 UTC, or every 15m."))
          .orElseGet(() -> Timetable.parse("every 7d"));
    }

    Optional<ZonedDateTime> date(String key) {
      return word(key)
          .flatMap(
              text ->
                  parsed(
                      key,
                      text,
                      written -> {
                        try {
                          return ZonedDateTime.parse(written);
                        } catch (DateTimeException e) {
                          throw new IllegalArgumentException(
                              "\"" + written + "\" is not a moment in a zone", e);
                        }
                      },
                      "Write it as 2027-01-15T10:00Z or 2027-01-15T10:00+01:00[Europe/Berlin]."));
    }

    /** One word of few; has to be there unless there is a fallback. */
    <E> E choice(String key, @Nullable E fallback, E[] all, Function<E, String> label) {
      String text = fallback == null ? text(key) : find(key);
      for (E each : all) {
        if (label.apply(each).equals(text)) {
          return each;
        }
      }
      if (!text.isEmpty()) {
        List<String> labels = Arrays.stream(all).map(label).toList();
        problem(
            Rule.TEXT_MALFORMED,
            key,
            "\"" + text + "\" is none of " + String.join(", ", labels),
            Names.nearest(text, labels)
                .map(near -> "Did you mean " + near + "?")
                .orElse("Take one of them."));
      }
      return fallback == null ? all[0] : fallback;
    }

    Optional<Section> section(String key) {
      Value value = value(key);
      if (value instanceof Fields nested) {
        return Optional.of(new Section(path(key), nested));
      }
      if (value != null) {
        problem(Rule.TEXT_MALFORMED, key, "not a map", "Write keys below it, or inside braces.");
      }
      return Optional.empty();
    }

    /** Every map of a list of maps; a plain word stands for a map of its first key. */
    List<Section> sections(String key) {
      Value value = value(key);
      List<Section> sections = new ArrayList<>();
      if (value instanceof Items items) {
        for (Value item : items.items()) {
          String at = path(key) + "[" + sections.size() + "]";
          if (item instanceof Fields nested) {
            sections.add(new Section(at, nested));
          } else if (item instanceof Text word && !word.text().isEmpty()) {
            sections.add(
                new Section(
                    at, new Fields(Map.of(Keys.ID, word), Map.of(Keys.ID, word.at()), word.at())));
          } else {
            malformed(at, item.at(), "not a map", "Write keys below it, or inside braces.");
          }
        }
      } else if (value != null) {
        problem(
            Rule.TEXT_MALFORMED,
            key,
            "not a list",
            "Start each entry with \"- \" on its own line.");
      }
      return sections;
    }

    <T> List<T> each(String key, String name, BiFunction<Section, String, T> read) {
      return each(key, name, path(key), read);
    }

    <T> List<T> each(String key, String name, String below, BiFunction<Section, String, T> read) {
      List<T> all = new ArrayList<>();
      for (Section item : sections(key)) {
        all.add(named(item, name, below, read));
      }
      return all;
    }

    /** Reads an item under the path that its name gives it. */
    <T> T named(Section item, String name, String below, BiFunction<Section, String, T> read) {
      if (name.isEmpty()) {
        return read.apply(item, "");
      }
      String id = item.text(name);
      Section moved = id.isEmpty() ? item : new Section(below + "." + id, item.fields);
      moved.known.add(name);
      return read.apply(moved, id);
    }

    /** A map of any depth as dotted keys. */
    Map<String, String> settings(String key) {
      Map<String, String> flat = new LinkedHashMap<>();
      Value value = value(key);
      if (value instanceof Fields nested) {
        flatten("", nested, path(key), flat);
      } else if (value != null) {
        problem(Rule.TEXT_MALFORMED, key, "not a map", "Write keys below it, or inside braces.");
      }
      return flat;
    }

    private void flatten(String prefix, Fields nested, String at, Map<String, String> flat) {
      nested
          .fields()
          .forEach(
              (name, value) -> {
                String key = prefix + name;
                if (value instanceof Fields deeper) {
                  flatten(key + ".", deeper, at, flat);
                } else {
                  String text =
                      value instanceof Items items
                          ? String.join(
                              "\n",
                              items.items().stream()
                                  .map(item -> scalar(at + "." + key, item))
                                  .toList())
                          : scalar(at + "." + key, value);
                  if (flat.put(key, text) != null) {
                    malformed(at + "." + key, value.at(), "given twice", "Keep one of them.");
                  }
                }
              });
    }

    /** Dates of tests are counted from evidence: nobody writes them down. */
    void literalDates() {
      for (String key : LITERAL_DATES) {
        if (has(key)) {
          problem(
              Rule.EXERCISE_LITERAL_DATE,
              key,
              "the date of a test is written down",
              "Remove it, and set first to when the first one is due.");
        }
      }
    }

    void missing(String key) {
      Rule.TEXT_MALFORMED.add(
          problems,
          path(key),
          "missing",
          "without it nothing can be calculated",
          "Set " + key + ".",
          fields.at());
    }

    /** Reports keys that nobody asked for. */
    void finish() {
      for (Map.Entry<String, Position> key : fields.keys().entrySet()) {
        if (!known.contains(key.getKey())) {
          Rule.TEXT_UNKNOWN_KEY.add(
              problems,
              path(key.getKey()),
              "unknown",
              "what it says would have no effect",
              Names.nearest(key.getKey(), known)
                  .map(near -> "Did you mean " + near + "?")
                  .orElse("Remove it. Known here: " + String.join(", ", known) + "."),
              key.getValue());
        }
      }
    }

    void problem(Rule rule, String key, String message, String remedy) {
      Value value = fields.fields().get(key);
      rule.add(
          problems,
          path(key),
          message,
          rule.because(),
          remedy,
          value == null ? fields.at() : value.at());
    }

    private void malformed(String at, Position position, String message, String remedy) {
      Rule.TEXT_MALFORMED.add(
          problems, at, message, Rule.TEXT_MALFORMED.because(), remedy, position);
    }

    private <T> Optional<T> parsed(
        String key, String text, Function<String, T> parse, String remedy) {
      try {
        return Optional.of(parse.apply(text));
      } catch (IllegalArgumentException e) {
        problem(Rule.TEXT_MALFORMED, key, String.valueOf(e.getMessage()), remedy);
        return Optional.empty();
      }
    }

    private String scalar(String at, Value value) {
      if (value instanceof Text text) {
        return text.text();
      }
      malformed(
          at,
          value.at(),
          "a " + (value instanceof Items ? "list" : "map") + " and not one value",
          "Write one value.");
      return "";
    }

    private @Nullable Value value(String key) {
      known.add(key);
      Value value = fields.fields().get(key);
      if (value != null) {
        positions.putIfAbsent(path(key), fields.keys().getOrDefault(key, value.at()));
      }
      return value;
    }

    private String path(String key) {
      return path.isEmpty() ? key : path + "." + key;
    }
  }
}
