package com.thorbis.backup.dr.plan;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** A plan as somebody wrote it; {@link Validation} says whether it can work. */
public final class PlanDraft {
  private final Builder parts;

  private PlanDraft(Builder parts) {
    this.parts = parts;
  }

  /**
   * Starts one.
   *
   * @param id its stable id
   * @param version counted up by whoever changes it
   */
  public static Builder builder(String id, int version) {
    return new Builder(id, version);
  }

  /** Its stable id. */
  public String id() {
    return parts.id;
  }

  /** Counted up by whoever changes it. */
  public int version() {
    return parts.version;
  }

  /** For people. */
  public String title() {
    return parts.title;
  }

  /** The person or role that answers for it. */
  public String owner() {
    return parts.owner;
  }

  /** Whether what could not be checked keeps it from loading. */
  public boolean strict() {
    return parts.strict;
  }

  /** What the whole plan promises. */
  public Objectives objectives() {
    return parts.objectives;
  }

  /** Who does and decides things. */
  public List<Person> people() {
    return parts.people;
  }

  /** What has backups. */
  public List<ProtectedSource> sources() {
    return parts.sources;
  }

  /** Where recovery is practised. */
  public List<Environment> environments() {
    return parts.environments;
  }

  /** What comes back together. */
  public List<Tier> tiers() {
    return parts.tiers;
  }

  /** The disasters that it is for. */
  public List<Scenario> scenarios() {
    return parts.scenarios;
  }

  /**
   * What evidence may be about that an exercise was held: the exercise, one of its scenarios, or
   * the disaster that is made where one of them is simulated.
   */
  public List<String> practised(Exercise exercise) {
    Stream<String> simulated =
        scenarios().stream()
            .filter(it -> exercise.kind() == Exercise.Kind.FULL_SIMULATION)
            .filter(it -> exercise.scenarios().contains(it.id()))
            .flatMap(it -> it.simulation().stream())
            .map(Scenario.Simulation::label);
    return Stream.of(Stream.of(exercise.id()), exercise.scenarios().stream(), simulated)
        .flatMap(it -> it)
        .distinct()
        .toList();
  }

  /** What can be done. */
  public List<Procedure> procedures() {
    return parts.procedures;
  }

  /** How it is tested. */
  public List<Exercise> exercises() {
    return parts.exercises;
  }

  /** The same, where what could not be checked is only said. */
  PlanDraft lenient() {
    return new Builder(parts).strict(false).build();
  }

  /** What was wrong with its text already. */
  List<Finding> unread() {
    return parts.unread;
  }

  /** Where its parts stand in its text, by their paths. */
  Map<String, Finding.Position> positions() {
    return parts.positions;
  }

  /** Collects a plan. */
  public static final class Builder {
    private final String id;
    private final int version;
    private String title = "";
    private String owner = "";
    private boolean strict;
    private Objectives objectives =
        new Objectives(Duration.ofHours(1), Duration.ofMinutes(15), Objectives.Verdict.PER_TIER);
    private List<Person> people = List.of();
    private List<ProtectedSource> sources = List.of();
    private List<Environment> environments = List.of();
    private List<Tier> tiers = List.of();
    private List<Scenario> scenarios = List.of();
    private List<Procedure> procedures = List.of();
    private List<Exercise> exercises = List.of();
    private List<Finding> unread = List.of();
    private Map<String, Finding.Position> positions = Map.of();

    private Builder(String id, int version) {
      this.id = id;
      this.version = version;
    }

    private Builder(Builder other) {
      this(other.id, other.version);
      title = other.title;
      owner = other.owner;
      strict = other.strict;
      objectives = other.objectives;
      people = other.people;
      sources = other.sources;
      environments = other.environments;
      tiers = other.tiers;
      scenarios = other.scenarios;
      procedures = other.procedures;
      exercises = other.exercises;
      unread = other.unread;
      positions = other.positions;
    }

    /** For people. */
    public Builder title(String text) {
      this.title = text;
      return this;
    }

    /** The person or role that answers for it. */
    public Builder owner(String personOrRole) {
      this.owner = personOrRole;
      return this;
    }

    /** Whether what could not be checked keeps it from loading. */
    public Builder strict(boolean all) {
      this.strict = all;
      return this;
    }

    /** What the whole plan promises; one hour and 15 minutes without this call. */
    public Builder objectives(Objectives promised) {
      this.objectives = promised;
      return this;
    }

    /** Who does and decides things. */
    public Builder people(List<Person> all) {
      this.people = List.copyOf(all);
      return this;
    }

    /** What has backups. */
    public Builder sources(List<ProtectedSource> all) {
      this.sources = List.copyOf(all);
      return this;
    }

    /** Where recovery is practised. */
    public Builder environments(List<Environment> all) {
      this.environments = List.copyOf(all);
      return this;
    }

    /** What comes back together. */
    public Builder tiers(List<Tier> all) {
      this.tiers = List.copyOf(all);
      return this;
    }

    /** The disasters that it is for. */
    public Builder scenarios(List<Scenario> all) {
      this.scenarios = List.copyOf(all);
      return this;
    }

    /** What can be done. */
    public Builder procedures(List<Procedure> all) {
      this.procedures = List.copyOf(all);
      return this;
    }

    /** How it is tested. */
    public Builder exercises(List<Exercise> all) {
      this.exercises = List.copyOf(all);
      return this;
    }

    Builder readFrom(List<Finding> problems, Map<String, Finding.Position> where) {
      this.unread = List.copyOf(problems);
      this.positions = Map.copyOf(where);
      return this;
    }

    /** The draft. */
    public PlanDraft build() {
      return new PlanDraft(new Builder(this));
    }
  }
}
