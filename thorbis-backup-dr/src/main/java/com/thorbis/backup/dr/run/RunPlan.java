package com.thorbis.backup.dr.run;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.internal.Sha256;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What a run carries out: one scenario of a plan for one cause, frozen when it starts.
 *
 * @param scenario which disaster
 * @param cause which branch of it; empty if it has one way only
 * @param variant {@code graceful} or {@code ungraceful}
 * @param text the plan it was taken from, whole
 * @param tasks its steps
 * @param window how long the result can be looked at and undone; empty: it counts at once
 * @param undoOnFailure whether a critical failure undoes what was done
 * @param outage since when something is down, where somebody or something could tell
 * @param objectives what is promised of what comes back
 */
public record RunPlan(
    String scenario,
    String cause,
    String variant,
    String text,
    List<Task> tasks,
    Optional<Window> window,
    boolean undoOnFailure,
    Optional<Instant> outage,
    List<Objective> objectives) {
  /** The variant in which what is left behind is asked to end well. */
  public static final String GRACEFUL = "graceful";

  /** The variant that waits for nothing which may be gone. */
  public static final String UNGRACEFUL = "ungraceful";

  private static final String COMMIT = "commit";
  private static final String ROLLBACK = "rollback";

  /**
   * The time to look before it counts.
   *
   * @param lasts from the end of the last step
   * @param commits what happens if nobody says anything: it counts, or it is undone
   */
  public record Window(Duration lasts, boolean commits) {}

  /** Copies the list. */
  public RunPlan {
    tasks = List.copyOf(tasks);
    objectives = List.copyOf(objectives);
    outage = outage.map(at -> Instant.ofEpochMilli(at.toEpochMilli()));
  }

  /** One that promises nothing, about something of which nobody knows since when it is down. */
  public RunPlan(
      String scenario,
      String cause,
      String variant,
      String text,
      List<Task> tasks,
      Optional<Window> window,
      boolean undoOnFailure) {
    this(scenario, cause, variant, text, tasks, window, undoOnFailure, Optional.empty(), List.of());
  }

  /** A plan without a window that is not undone by itself. */
  public static RunPlan of(String scenario, String text, List<Task> tasks) {
    return new RunPlan(scenario, "", UNGRACEFUL, text, tasks, Optional.empty(), false);
  }

  /** What names it and all of its content: SHA-256 in hexadecimal. */
  public String digest() {
    return Sha256.hex(Json.write(document()));
  }

  /**
   * Refuses what cannot be carried out.
   *
   * @throws BackupException code {@code run.plan-invalid}
   */
  void validate(Actions actions) {
    if (tasks.isEmpty()) {
      throw invalid("has no step: nothing would be done");
    }
    Set<String> before = new HashSet<>();
    Set<String> all = tasks.stream().map(Task::id).collect(Collectors.toSet());
    for (Task task : tasks) {
      for (String need : task.needs()) {
        if (!before.contains(need)) {
          throw invalid(
              "has step "
                  + task.id()
                  + " after "
                  + need
                  + (all.contains(need) ? ", which comes later" : ", which is no step of it"));
        }
      }
      if (!before.add(task.id())) {
        throw invalid("has two steps " + task.id());
      }
      actions.step(task);
    }
  }

  private BackupException invalid(String problem) {
    return BackupException.of(
            "run.plan-invalid", FailureKind.CONFIGURATION, "Scenario " + scenario + " " + problem)
        .remedy("Correct the plan; nothing was started.")
        .detail("scenario", scenario)
        .build();
  }

  Map<String, Object> document() {
    Map<String, Object> document =
        Json.object(
            "scenario", scenario,
            "cause", cause,
            "variant", variant,
            "text", text,
            "tasks", tasks.stream().map(Task::document).toList(),
            "undoOnFailure", undoOnFailure);
    window.ifPresent(
        open ->
            document.put(
                "window",
                Json.object("lasts", open.lasts(), "then", open.commits() ? COMMIT : ROLLBACK)));
    outage.ifPresent(at -> document.put("outage", at));
    if (!objectives.isEmpty()) {
      document.put("objectives", objectives.stream().map(Objective::document).toList());
    }
    return document;
  }

  static RunPlan read(Fields fields) {
    RunPlan plan =
        new RunPlan(
            fields.text("scenario"),
            fields.text("cause"),
            fields.text("variant"),
            fields.text("text"),
            fields.nodes("tasks").stream().map(Task::read).toList(),
            fields
                .node("window")
                .map(
                    open -> {
                      Window window =
                          new Window(open.duration("lasts"), open.text("then").equals(COMMIT));
                      open.finish();
                      return window;
                    }),
            fields.flag("undoOnFailure"),
            fields.instant("outage"),
            fields.nodes("objectives").stream().map(Objective::read).toList());
    fields.finish();
    return plan;
  }
}
