package com.thorbis.backup.dr.plan;

import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** One thing that is done. */
public final class PlanStep {
  private final Builder parts;
  private final Optional<List<String>> after;

  private PlanStep(Builder parts, Optional<List<String>> after) {
    this.parts = parts;
    this.after = after.map(List::copyOf);
  }

  /**
   * Starts one.
   *
   * @param id its stable id, unique within its procedure
   * @param action what it does, of {@link ActionNames} or of the host's own
   */
  public static Builder builder(String id, String action) {
    return new Builder(id, action);
  }

  /** Its stable id, unique within its procedure. */
  public String id() {
    return parts.id;
  }

  /** What it does, of {@link ActionNames} or of the host's own. */
  public String action() {
    return parts.action;
  }

  /** For people; empty if the id says enough. */
  public String title() {
    return parts.title;
  }

  /** What its action needs to know, by dotted keys; lists are lines. */
  public Map<String, String> settings() {
    return parts.settings;
  }

  /** Who does it. */
  public Mode mode() {
    return parts.mode;
  }

  /** How long it takes. */
  public Optional<Duration> expected() {
    return parts.expected;
  }

  /** How long it may take. */
  public Optional<Duration> deadline() {
    return parts.deadline;
  }

  /** A person or role; empty: the procedure's. */
  public String owner() {
    return parts.owner;
  }

  /** Who has to agree before it runs. */
  public Optional<PlanApproval> approval() {
    return parts.approval;
  }

  /** The steps of its procedure that have to be done before. */
  public List<String> after() {
    return after.orElse(List.of());
  }

  /** What a person is to do or to look at; empty if nobody is needed. */
  public String instruction() {
    return parts.instruction;
  }

  /** What happens when it fails. */
  public OnFailure onFailure() {
    return parts.onFailure.orElse(
        ActionNames.TELLING.contains(parts.action) ? OnFailure.CONTINUE : OnFailure.STOP);
  }

  /** Whether it cannot be taken back. */
  public boolean destructive() {
    return parts.destructive
        || ActionNames.DESTRUCTIVE.contains(parts.action)
        || (parts.action.equals(ActionNames.SECRETS_RESTORE)
            && parts.settings.getOrDefault("mode", "").startsWith("overwrite"));
  }

  /** The tiers that are served again when it is done. */
  public List<String> serves() {
    return parts.serves;
  }

  /** Whether the plan itself says that it cannot be taken back. */
  boolean declaredDestructive() {
    return parts.destructive;
  }

  /** Whether recovery never waits for it, as it only tells or writes down. */
  boolean tells() {
    return ActionNames.TELLING.contains(parts.action);
  }

  boolean placed() {
    return after.isPresent();
  }

  PlanStep placedAfter(List<String> steps) {
    return new PlanStep(parts, Optional.of(steps));
  }

  @Override
  public String toString() {
    return parts.id + " (" + parts.action + ")";
  }

  /** Who does a step. */
  public enum Mode {
    /** The program. */
    FULL("full"),

    /** The program, after a person has looked. */
    ASSISTED("assisted"),

    /** A person. */
    MANUAL("manual");

    private final String label;

    Mode(String label) {
      this.label = label;
    }

    /** As it is written in plans. */
    public String label() {
      return label;
    }
  }

  /** What happens when a step fails. */
  public enum OnFailure {
    /** The procedure has failed. */
    STOP("stop"),

    /** It is written down, and what comes after goes on. */
    CONTINUE("continue"),

    /** What the procedure has done so far is taken back, and it has failed. */
    UNDO("undo");

    private final String label;

    OnFailure(String label) {
      this.label = label;
    }

    /** As it is written in plans. */
    public String label() {
      return label;
    }
  }

  /** Collects a step. */
  public static final class Builder {
    private final String id;
    private final String action;
    private String title = "";
    private Map<String, String> settings = Map.of();
    private Mode mode;
    private Optional<Duration> expected = Optional.empty();
    private Optional<Duration> deadline = Optional.empty();
    private String owner = "";
    private Optional<PlanApproval> approval = Optional.empty();
    private Optional<List<String>> after = Optional.empty();
    private String instruction = "";
    private Optional<OnFailure> onFailure = Optional.empty();
    private boolean destructive;
    private List<String> serves = List.of();

    private Builder(String id, String action) {
      this.id = id;
      this.action = action;
      this.mode = action.equals(ActionNames.MANUAL) ? Mode.MANUAL : Mode.FULL;
    }

    private Builder(Builder other) {
      this(other.id, other.action);
      title = other.title;
      settings = other.settings;
      mode = other.mode;
      expected = other.expected;
      deadline = other.deadline;
      owner = other.owner;
      approval = other.approval;
      after = other.after;
      instruction = other.instruction;
      onFailure = other.onFailure;
      destructive = other.destructive;
      serves = other.serves;
    }

    /** For people. */
    public Builder title(String text) {
      this.title = text;
      return this;
    }

    /** What its action needs to know, by dotted keys; lists are lines. */
    public Builder settings(Map<String, String> values) {
      this.settings = Collections.unmodifiableMap(new TreeMap<>(values));
      return this;
    }

    /** Who does it; the program, unless its action is {@link ActionNames#MANUAL}. */
    public Builder mode(Mode chosen) {
      this.mode = chosen;
      return this;
    }

    /** How long it takes. */
    public Builder expected(Duration span) {
      this.expected = Optional.of(span);
      return this;
    }

    /** How long it may take. */
    public Builder deadline(Duration span) {
      this.deadline = Optional.of(span);
      return this;
    }

    /** A person or role. */
    public Builder owner(String personOrRole) {
      this.owner = personOrRole;
      return this;
    }

    /** Who has to agree before it runs. */
    public Builder approval(PlanApproval needed) {
      this.approval = Optional.of(needed);
      return this;
    }

    /**
     * The steps of its procedure that have to be done before; without this call, those that were
     * added just before it.
     */
    public Builder after(List<String> steps) {
      this.after = Optional.of(List.copyOf(steps));
      return this;
    }

    /** What a person is to do or to look at. */
    public Builder instruction(String text) {
      this.instruction = text;
      return this;
    }

    /** What happens when it fails; {@link OnFailure#STOP}, unless it only tells. */
    public Builder onFailure(OnFailure reaction) {
      this.onFailure = Optional.of(reaction);
      return this;
    }

    /** Says that it cannot be taken back, whatever its action. */
    public Builder destructive(boolean irrevocable) {
      this.destructive = irrevocable;
      return this;
    }

    /** The tiers that are served again when it is done. */
    public Builder serves(List<String> tiers) {
      this.serves = List.copyOf(tiers);
      return this;
    }

    /** The step. */
    public PlanStep build() {
      return new PlanStep(new Builder(this), after);
    }
  }
}
