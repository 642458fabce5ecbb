package com.thorbis.backup.dr.plan;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What is done in answer to a disaster: steps, of which each waits for others. */
public final class Procedure {
  private final Builder parts;
  private final List<PlanStep> steps;

  private Procedure(Builder parts) {
    this.parts = parts;
    this.steps = List.copyOf(parts.steps);
  }

  /** Starts one. */
  public static Builder builder(String id) {
    return new Builder(id);
  }

  /** Its stable id. */
  public String id() {
    return parts.id;
  }

  /** For people; empty if the id says enough. */
  public String title() {
    return parts.title;
  }

  /** A person or role. */
  public String owner() {
    return parts.owner;
  }

  /** Whether the recovery has failed when this has. Always given in a plan that loads. */
  public Optional<Boolean> critical() {
    return parts.critical;
  }

  /** Procedures that have to be done before. */
  public List<String> dependsOn() {
    return parts.dependsOn;
  }

  /** How long all of it takes, where it was estimated as a whole. */
  public Optional<Duration> expected() {
    return parts.expected;
  }

  /** Its steps, as they were added. */
  public List<PlanStep> steps() {
    return steps;
  }

  /** The procedure that leads back to how it was. */
  public Optional<String> failback() {
    return parts.failback;
  }

  /** How long people may look before what it did is settled. */
  public Optional<Settlement> settlement() {
    return parts.settlement;
  }

  /** A step by id. */
  public Optional<PlanStep> step(String id) {
    return steps.stream().filter(step -> step.id().equals(id)).findFirst();
  }

  @Override
  public String toString() {
    return parts.id;
  }

  /**
   * How long people may look before what a procedure did is settled.
   *
   * @param within how long
   * @param otherwise what happens if nobody has said anything by then
   */
  public record Settlement(Duration within, Outcome otherwise) {
    /** How it is settled. */
    public enum Outcome {
      /** It stays. */
      COMMIT("commit"),

      /** It is taken back. */
      ROLLBACK("rollback");

      private final String label;

      Outcome(String label) {
        this.label = label;
      }

      /** As it is written in plans. */
      public String label() {
        return label;
      }
    }
  }

  /** Collects a procedure. */
  public static final class Builder {
    private final String id;
    private String title = "";
    private String owner = "";
    private Optional<Boolean> critical = Optional.empty();
    private List<String> dependsOn = List.of();
    private Optional<Duration> expected = Optional.empty();
    private final List<PlanStep> steps = new ArrayList<>();
    private List<String> last = List.of();
    private Optional<String> failback = Optional.empty();
    private Optional<Settlement> settlement = Optional.empty();

    private Builder(String id) {
      this.id = id;
    }

    private Builder(Builder other) {
      this(other.id);
      title = other.title;
      owner = other.owner;
      critical = other.critical;
      dependsOn = other.dependsOn;
      expected = other.expected;
      steps.addAll(other.steps);
      failback = other.failback;
      settlement = other.settlement;
    }

    /** For people. */
    public Builder title(String text) {
      this.title = text;
      return this;
    }

    /** A person or role. */
    public Builder owner(String personOrRole) {
      this.owner = personOrRole;
      return this;
    }

    /** Whether the recovery has failed when this has. */
    public Builder critical(boolean decisive) {
      this.critical = Optional.of(decisive);
      return this;
    }

    /** Procedures that have to be done before. */
    public Builder dependsOn(List<String> procedures) {
      this.dependsOn = List.copyOf(procedures);
      return this;
    }

    /** How long all of it takes. */
    public Builder expected(Duration span) {
      this.expected = Optional.of(span);
      return this;
    }

    /**
     * Adds a step. Where it does not say itself what it comes after, it comes after what was added
     * just before; what only tells people is not waited for.
     */
    public Builder step(PlanStep step) {
      return together(List.of(step));
    }

    /** Adds steps that run at the same time. */
    public Builder together(List<PlanStep> group) {
      List<String> waitedFor = new ArrayList<>();
      for (PlanStep step : group) {
        steps.add(step.placed() ? step : step.placedAfter(last));
        if (!step.tells()) {
          waitedFor.add(step.id());
        }
      }
      if (!waitedFor.isEmpty()) {
        last = List.copyOf(waitedFor);
      }
      return this;
    }

    /** The procedure that leads back to how it was. */
    public Builder failback(String procedure) {
      this.failback = Optional.of(procedure);
      return this;
    }

    /** How long people may look before what it did is settled. */
    public Builder settlement(Settlement window) {
      this.settlement = Optional.of(window);
      return this;
    }

    /** The procedure. */
    public Procedure build() {
      return new Procedure(new Builder(this));
    }
  }
}
