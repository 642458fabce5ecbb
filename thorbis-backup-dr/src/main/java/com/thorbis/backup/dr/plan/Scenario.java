package com.thorbis.backup.dr.plan;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** A disaster that the plan is for. */
public final class Scenario {
  private final Builder parts;

  private Scenario(Builder parts) {
    this.parts = parts;
  }

  /**
   * Starts one.
   *
   * @param id its stable id
   * @param name for people
   */
  public static Builder builder(String id, String name) {
    return new Builder(id, name);
  }

  /** Its stable id. */
  public String id() {
    return parts.id;
  }

  /** For people. */
  public String name() {
    return parts.name;
  }

  /** What has happened then; may be empty. */
  public String description() {
    return parts.description;
  }

  /** The person or role that declares it. */
  public String owner() {
    return parts.owner;
  }

  /** How likely it is. */
  public Likelihood likelihood() {
    return parts.likelihood;
  }

  /** How bad it is. */
  public Impact impact() {
    return parts.impact;
  }

  /** What starts it. */
  public List<Trigger> triggers() {
    return parts.triggers;
  }

  /** What is done, by what started it. */
  public List<Branch> branches() {
    return parts.branches;
  }

  /** The tiers that it takes away; empty: all. */
  public List<String> tiers() {
    return parts.tiers;
  }

  /** Where a tier may be away for longer than it promises otherwise. */
  public List<Allowance> allowances() {
    return parts.allowances;
  }

  /** How it is made for a test. */
  public Optional<Simulation> simulation() {
    return parts.simulation;
  }

  /** What is done for a trigger, if the plan has an answer. */
  public Optional<Branch> branch(String trigger, Variant variant) {
    return parts.branches.stream()
        .filter(branch -> branch.when().contains(trigger) && branch.variant().covers(variant))
        .findFirst();
  }

  @Override
  public String toString() {
    return parts.id;
  }

  /** How likely a disaster is. */
  public enum Likelihood {
    /** Not expected. */
    LOW("low"),

    /** Expected at some time. */
    MEDIUM("medium"),

    /** Expected soon. */
    HIGH("high");

    private final String label;

    Likelihood(String label) {
      this.label = label;
    }

    /** As it is written in plans. */
    public String label() {
      return label;
    }
  }

  /** How bad a disaster is. */
  public enum Impact {
    /** Hardly noticed. */
    LOW("low"),

    /** Noticed. */
    MEDIUM("medium"),

    /** Work stands still. */
    HIGH("high"),

    /** The business is at stake. */
    CRITICAL("critical");

    private final String label;

    Impact(String label) {
      this.label = label;
    }

    /** As it is written in plans. */
    public String label() {
      return label;
    }
  }

  /** Whether what is left behind still answers. */
  public enum Variant {
    /** It does, and can be asked to hand over. */
    GRACEFUL("graceful"),

    /** It does not. */
    UNGRACEFUL("ungraceful"),

    /** Either way. */
    EITHER("either");

    private final String label;

    Variant(String label) {
      this.label = label;
    }

    /** As it is written in plans. */
    public String label() {
      return label;
    }

    boolean covers(Variant other) {
      return this == EITHER || other == EITHER || this == other;
    }
  }

  /** The kinds of disaster that can be made in an environment. */
  public enum Simulation {
    /** The database is killed. */
    DATABASE_FAILURE("database-failure"),

    /** The application does not answer. */
    APPLICATION_FAILURE("application-failure"),

    /** Parts do not reach each other. */
    NETWORK_PARTITION("network-partition"),

    /** What is on disk is wrong. */
    DATA_CORRUPTION("data-corruption");

    private final String label;

    Simulation(String label) {
      this.label = label;
    }

    /** As it is written in plans. */
    public String label() {
      return label;
    }
  }

  /**
   * What is done for some triggers. Its procedures run one after the other as they are listed.
   *
   * @param when the triggers, by id
   * @param variant whether what is left behind still answers
   * @param procedures what is done, by id
   */
  public record Branch(List<String> when, Variant variant, List<String> procedures) {
    /** Copies the lists. */
    public Branch {
      when = List.copyOf(when);
      procedures = List.copyOf(procedures);
    }
  }

  /**
   * A longer absence that somebody has accepted.
   *
   * @param tier the tier
   * @param rto how long it may be away in this scenario
   * @param reason why
   * @param acceptedBy the person or role that answers for it
   */
  public record Allowance(String tier, Duration rto, String reason, String acceptedBy) {}

  /** Collects a scenario. */
  public static final class Builder {
    private final String id;
    private final String name;
    private String description = "";
    private String owner = "";
    private Likelihood likelihood = Likelihood.MEDIUM;
    private Impact impact = Impact.HIGH;
    private List<Trigger> triggers = List.of();
    private List<Branch> branches = List.of();
    private List<String> tiers = List.of();
    private List<Allowance> allowances = List.of();
    private Optional<Simulation> simulation = Optional.empty();

    private Builder(String id, String name) {
      this.id = id;
      this.name = name;
    }

    private Builder(Builder other) {
      this(other.id, other.name);
      description = other.description;
      owner = other.owner;
      likelihood = other.likelihood;
      impact = other.impact;
      triggers = other.triggers;
      branches = other.branches;
      tiers = other.tiers;
      allowances = other.allowances;
      simulation = other.simulation;
    }

    /** What has happened then. */
    public Builder description(String text) {
      this.description = text;
      return this;
    }

    /** The person or role that declares it. */
    public Builder owner(String personOrRole) {
      this.owner = personOrRole;
      return this;
    }

    /** How likely it is. */
    public Builder likelihood(Likelihood level) {
      this.likelihood = level;
      return this;
    }

    /** How bad it is. */
    public Builder impact(Impact level) {
      this.impact = level;
      return this;
    }

    /** What starts it. */
    public Builder triggers(List<Trigger> all) {
      this.triggers = List.copyOf(all);
      return this;
    }

    /** What is done, by what started it. */
    public Builder branches(List<Branch> all) {
      this.branches = List.copyOf(all);
      return this;
    }

    /** The tiers that it takes away; without this call, all. */
    public Builder tiers(List<String> some) {
      this.tiers = List.copyOf(some);
      return this;
    }

    /** Where a tier may be away for longer than it promises otherwise. */
    public Builder allowances(List<Allowance> all) {
      this.allowances = List.copyOf(all);
      return this;
    }

    /** How it is made for a test. */
    public Builder simulation(Simulation kind) {
      this.simulation = Optional.of(kind);
      return this;
    }

    /** The scenario. */
    public Scenario build() {
      return new Scenario(new Builder(this));
    }
  }
}
