package com.thorbis.backup.dr.run;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.util.LinkedHashMap;
import java.util.Map;

/** The kinds of steps that can be carried out, by name. Immutable. */
public final class Actions {
  private final Map<String, Action> byKind;

  private Actions(Map<String, Action> byKind) {
    this.byKind = Map.copyOf(byKind);
  }

  /** Starts with none. */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * The step that a task is carried out by.
   *
   * @throws BackupException code {@code run.action-unknown} or {@code run.action-invalid}
   */
  Step step(Task task) {
    Action action = byKind.get(task.action());
    if (action == null) {
      throw BackupException.of(
              "run.action-unknown",
              FailureKind.CONFIGURATION,
              "Step "
                  + task.id()
                  + " is of the kind "
                  + task.action()
                  + ", and nothing here carries that out; known: "
                  + String.join(", ", byKind.keySet().stream().sorted().toList()))
          .remedy("Correct the kind, or add what provides it.")
          .detail("step", task.id())
          .build();
    }
    try {
      return action.open(task);
    } catch (IllegalArgumentException e) {
      throw BackupException.of(
              "run.action-invalid",
              FailureKind.CONFIGURATION,
              "Step " + task.id() + ": " + e.getMessage())
          .remedy("Correct the step in the plan.")
          .detail("step", task.id())
          .cause(e)
          .build();
    }
  }

  /** Collects kinds of steps. */
  public static final class Builder {
    private final Map<String, Action> byKind = new LinkedHashMap<>();

    private Builder() {}

    /**
     * One more.
     *
     * @throws BackupException of kind CONFIGURATION if there is one of the name
     */
    public Builder add(Action action) {
      if (byKind.putIfAbsent(action.kind(), action) != null) {
        throw BackupException.of(
                "configuration.provider-twice",
                FailureKind.CONFIGURATION,
                "Two actions are of the kind \"" + action.kind() + "\"")
            .remedy("Keep one of them.")
            .build();
      }
      return this;
    }

    /** Those that need nothing but this SDK; notes go to {@code notifier}. */
    public Builder builtIn(Notifier notifier) {
      BuiltIn.all(notifier).forEach(this::add);
      return this;
    }

    /** The registry. */
    public Actions build() {
      return new Actions(byKind);
    }
  }
}
