package com.thorbis.backup.dr.run;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** One step of a run: what is to be done, after what, and what may be done about a failure. */
public final class Task {
  private static final Pattern ID = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._/-]{0,159}");

  private final String id;
  private final String procedure;
  private final String title;
  private final String action;
  private final Map<String, String> inputs;
  private final List<String> needs;
  private final List<String> requires;
  private final List<String> people;
  private final boolean critical;
  private final boolean destructive;
  private final boolean undoOnFailure;
  private final int attempts;
  private final Duration backoff;
  private final Duration timeout;
  private final Duration deadline;
  private final @Nullable Approval approval;

  private Task(Builder builder) {
    this.id = builder.id;
    this.procedure = builder.procedure;
    this.title = builder.title.isEmpty() ? builder.id : builder.title;
    this.action = builder.action;
    this.inputs = Map.copyOf(builder.inputs);
    this.needs = List.copyOf(builder.needs);
    this.requires = List.copyOf(builder.requires);
    this.people = List.copyOf(builder.people);
    this.critical = builder.critical;
    this.destructive = builder.destructive;
    this.undoOnFailure = builder.undoOnFailure;
    this.attempts = builder.attempts;
    this.backoff = builder.backoff;
    this.timeout = builder.timeout;
    this.deadline = builder.deadline;
    this.approval = builder.approval;
    if (!ID.matcher(id).matches()) {
      throw new IllegalArgumentException("Not the id of a step: \"" + id + "\"");
    }
    if (!needs.containsAll(requires)) {
      throw new IllegalArgumentException("Step " + id + " requires what it does not need");
    }
    if (attempts < 1 || !positive(backoff) || !positive(timeout) || !positive(deadline)) {
      throw new IllegalArgumentException(
          "Step " + id + ": attempts, back-off, timeout and deadline must be more than none");
    }
    if (destructive && approval != null && approval.people().containsValue("")) {
      throw new IllegalArgumentException(
          "Step " + id + " destroys something: each of its approvers needs a key to sign with");
    }
  }

  private static boolean positive(Duration span) {
    return !span.isNegative() && !span.isZero();
  }

  /**
   * Starts one.
   *
   * @param action the kind of what is done, such as {@code run-command}
   */
  public static Builder builder(String id, String action) {
    return new Builder(id, action);
  }

  /** Unique in its run. */
  public String id() {
    return id;
  }

  /** What it is part of. */
  public String procedure() {
    return procedure;
  }

  /** For people. */
  public String title() {
    return title;
  }

  /** The kind of what is done. */
  public String action() {
    return action;
  }

  /** What the action is told: references to secrets, never secrets. */
  public Map<String, String> inputs() {
    return inputs;
  }

  /**
   * What the plan gives it under a name.
   *
   * @throws IllegalArgumentException if that is nothing
   */
  public String require(String input) {
    String value = inputs.get(input);
    if (value == null || value.isBlank()) {
      throw new IllegalArgumentException(input + " is missing");
    }
    return value;
  }

  /** Steps that must have ended before. */
  public List<String> needs() {
    return needs;
  }

  /** Those of them that must be done: if one is not, this one is not carried out. */
  public List<String> requires() {
    return requires;
  }

  /** Who does it by hand, and who decides about it. */
  public List<String> people() {
    return people;
  }

  /** Whether the run cannot go on without it. */
  public boolean critical() {
    return critical;
  }

  /** Whether it may destroy something, if two do it or the wrong one does. */
  public boolean destructive() {
    return destructive;
  }

  /** Whether what its procedure did is undone where it is critical and fails. */
  public boolean undoOnFailure() {
    return undoOnFailure;
  }

  /** How often it may be tried. */
  public int attempts() {
    return attempts;
  }

  /** How long to wait after the first failure; twice that after each further one. */
  public Duration backoff() {
    return backoff;
  }

  /** How long one call may take. */
  public Duration timeout() {
    return timeout;
  }

  /** How long all attempts together may take, and how long a person has. */
  public Duration deadline() {
    return deadline;
  }

  /** Who must agree first. */
  public Optional<Approval> approval() {
    return Optional.ofNullable(approval);
  }

  Map<String, Object> document() {
    Map<String, Object> document =
        Json.object(
            "id", id,
            "procedure", procedure,
            "title", title,
            "action", action,
            "inputs", new java.util.TreeMap<>(inputs),
            "needs", needs,
            "people", people,
            "critical", critical,
            "destructive", destructive,
            "attempts", attempts,
            "backoff", backoff,
            "timeout", timeout,
            "deadline", deadline);
    if (!requires.isEmpty()) {
      document.put("requires", requires);
    }
    if (undoOnFailure) {
      document.put("undoOnFailure", true);
    }
    if (approval != null) {
      document.put("approval", approval.document());
    }
    return document;
  }

  static Task read(Fields fields) {
    Builder builder =
        builder(fields.text("id"), fields.text("action"))
            .procedure(fields.text("procedure"))
            .title(fields.text("title"))
            .inputs(fields.map("inputs"))
            .needs(fields.texts("needs"))
            .requires(fields.texts("requires"))
            .undoOnFailure(fields.flag("undoOnFailure"))
            .people(fields.texts("people"))
            .critical(fields.flag("critical"))
            .destructive(fields.flag("destructive"))
            .attempts((int) fields.number("attempts"))
            .backoff(fields.duration("backoff"))
            .timeout(fields.duration("timeout"))
            .deadline(fields.duration("deadline"));
    fields.node("approval").map(Approval::read).ifPresent(builder::approval);
    fields.finish();
    return builder.build();
  }

  /** Collects a step. */
  public static final class Builder {
    private final String id;
    private final String action;
    private String procedure = "";
    private String title = "";
    private Map<String, String> inputs = Map.of();
    private List<String> needs = List.of();
    private List<String> requires = List.of();
    private List<String> people = List.of();
    private boolean critical = true;
    private boolean destructive;
    private boolean undoOnFailure;
    private int attempts = 3;
    private Duration backoff = Duration.ofSeconds(2);
    private Duration timeout = Duration.ofMinutes(5);
    private Duration deadline = Duration.ofMinutes(15);
    private @Nullable Approval approval;

    private Builder(String id, String action) {
      this.id = id;
      this.action = action;
    }

    /** What it is part of. */
    public Builder procedure(String name) {
      this.procedure = name;
      return this;
    }

    /** For people; else its id. */
    public Builder title(String text) {
      this.title = text;
      return this;
    }

    /** What the action is told: references to secrets, never secrets. */
    public Builder inputs(Map<String, String> values) {
      this.inputs = values;
      return this;
    }

    /** Steps that must have ended before. */
    public Builder needs(List<String> ids) {
      this.needs = ids;
      return this;
    }

    /** Those of them that must be done: if one is not, this one is not carried out. */
    public Builder requires(List<String> ids) {
      this.requires = ids;
      return this;
    }

    /** Who does it by hand, and who decides about it. */
    public Builder people(List<String> names) {
      this.people = names;
      return this;
    }

    /** Whether the run cannot go on without it; so unless said otherwise. */
    public Builder critical(boolean value) {
      this.critical = value;
      return this;
    }

    /** Whether it may destroy something, if two do it or the wrong one does. */
    public Builder destructive(boolean value) {
      this.destructive = value;
      return this;
    }

    /** Whether what its procedure did is undone where it is critical and fails. */
    public Builder undoOnFailure(boolean value) {
      this.undoOnFailure = value;
      return this;
    }

    /** How often it may be tried; three times unless said otherwise. */
    public Builder attempts(int number) {
      this.attempts = number;
      return this;
    }

    /** How long to wait after the first failure. */
    public Builder backoff(Duration span) {
      this.backoff = span;
      return this;
    }

    /** How long one call may take. */
    public Builder timeout(Duration span) {
      this.timeout = span;
      return this;
    }

    /** How long all attempts together may take, and how long a person has. */
    public Builder deadline(Duration span) {
      this.deadline = span;
      return this;
    }

    /** Who must agree first. */
    public Builder approval(Approval who) {
      this.approval = who;
      return this;
    }

    /**
     * The step.
     *
     * @throws IllegalArgumentException if it cannot be carried out so
     */
    public Task build() {
      return new Task(this);
    }
  }
}
