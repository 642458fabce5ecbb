package com.thorbis.backup.cli;

import com.thorbis.backup.dr.run.DryRun;
import com.thorbis.backup.dr.run.JournalRecord;
import com.thorbis.backup.dr.run.Message;
import com.thorbis.backup.dr.run.Result;
import com.thorbis.backup.dr.run.RunReport;
import com.thorbis.backup.dr.run.RunReport.TaskReport;
import com.thorbis.backup.dr.run.RunReport.Waiting;
import com.thorbis.backup.dr.run.RunStatus;
import com.thorbis.backup.dr.run.TaskStatus;
import java.io.PrintStream;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** How people and scripts see runs. */
final class DrView {
  private static final DateTimeFormatter CLOCK =
      DateTimeFormatter.ofPattern("HH:mm:ss'Z'", Locale.ROOT).withZone(ZoneOffset.UTC);
  private static final int WORD = 8;

  /** How a command begins that is to be typed. */
  private final String command;

  private final Instant now;

  /** Whom to name where a command cannot tell who speaks. */
  private final Optional<String> someone;

  DrView(Thorbis thorbis) {
    this.now = thorbis.clock().instant();
    DrConfig dr = thorbis.config().dr();
    this.someone =
        dr.person().isPresent() || dr.keys().size() == 1
            ? Optional.empty()
            : Optional.of(dr.keys().keySet().stream().sorted().findFirst().orElse("NAME"));
    this.command = "thorbis" + (thorbis.configFile == null ? "" : " -c " + thorbis.configFile);
  }

  /** What can be typed now, and why one would. */
  record Next(String why, String type) {}

  /** One line of what happened; empty: nothing that people need to know. */
  static Optional<String> line(JournalRecord record) {
    String task = text(record, "task");
    String detail = text(record, "detail");
    String about = task + (detail.isEmpty() ? "" : ": " + detail);
    return switch (record.kind()) {
      case "run.planned" -> line("asked", "for by " + text(record, "requester"));
      case "owner.taken" ->
          line("owner", text(record, "owner") + " carries it out: " + text(record, "why"));
      case "owner.released" -> line("left", "by " + record.actor());
      case "task.started" -> line("begins", task + attempt(record));
      case "task.returned" ->
          text(record, "outcome").equals(Result.Outcome.DONE.label())
                  || text(record, "outcome").equals(Result.Outcome.WAITING.label())
              ? Optional.empty()
              : line(text(record, "outcome"), about);
      case "task.checked" -> line("unclear", about);
      case "task.waiting" ->
          line(
              "WAITS",
              task
                  + " for "
                  + text(record, "for")
                  + (text(record, "until").isEmpty() ? "" : " until " + text(record, "until"))
                  + ": "
                  + detail);
      case "task.ended" -> {
        String outcome = text(record, "outcome");
        yield line(
            outcome.equals(Result.Outcome.DONE.label())
                ? outcome
                : outcome.toUpperCase(Locale.ROOT),
            about);
      }
      case "undo.started" -> line("undoes", task + attempt(record));
      case "undo.ended" -> line("undone", text(record, "outcome") + ": " + about);
      case "window.opened" ->
          line(
              "WAITS",
              "it counts when it is committed; otherwise "
                  + text(record, "then")
                  + " at "
                  + text(record, "until"));
      case "run.state" ->
          text(record, "state").equals(RunStatus.RUNNING.label())
                  && text(record, "reason").isEmpty()
              ? Optional.empty()
              : line(
                  "run",
                  text(record, "state")
                      + (text(record, "reason").isEmpty() ? "" : ": " + text(record, "reason")));
      case "message" ->
          line(
              "said",
              record.actor()
                  + ": "
                  + text(record, "what")
                  + (task.isEmpty() ? "" : " " + task)
                  + (text(record, "text").isEmpty() ? "" : ": " + text(record, "text")));
      case "message.refused" ->
          line(
              "REFUSED",
              text(record, "what") + " by " + text(record, "by") + ": " + text(record, "reason"));
      case "observer.failed" -> Optional.empty();
      case "task.undo" -> Optional.empty();
      default -> line("journal", record.kind());
    };
  }

  private static Optional<String> line(String word, String rest) {
    return Optional.of(word + " ".repeat(Math.max(1, WORD + 1 - word.length())) + Text.plain(rest));
  }

  private static String attempt(JournalRecord record) {
    return record.data().get("attempt") instanceof Long number && number > 1
        ? " (attempt " + number + ")"
        : "";
  }

  static String text(JournalRecord record, String name) {
    return record.data().get(name) instanceof String text ? text : "";
  }

  /** Whether a person said something. */
  static boolean said(JournalRecord record) {
    return record.kind().equals("message");
  }

  static String at(Instant time) {
    return CLOCK.format(time);
  }

  /** A line as it happens. */
  static Optional<String> happened(JournalRecord record) {
    return line(record).map(text -> at(record.at()) + "  " + text);
  }

  /** What people can do about a run now. */
  List<Next> next(RunReport report, boolean worked) {
    List<Next> next = new ArrayList<>();
    for (TaskReport task : report.waiting()) {
      next(report.run(), task.task().id(), task.waiting().orElseThrow(), next);
    }
    if (report.windowUntil().isPresent()) {
      next.add(new Next("let the result count", byName("commit", report.run())));
      next.add(new Next("take back what was done", byName("abort", report.run())));
    }
    if (report.status() == RunStatus.FAILED) {
      report.tasks().stream()
          .filter(it -> it.task().critical())
          .filter(it -> it.status() == TaskStatus.FAILED || it.status() == TaskStatus.UNKNOWN)
          .forEach(
              it ->
                  next.add(
                      new Next(
                          "try " + it.task().id() + " again, then resume",
                          byName("retry", report.run(), it.task().id()))));
      next.add(new Next("take back what was done, then resume", byName("abort", report.run())));
    } else if (!report.status().ended() && !worked) {
      next.add(new Next("let it go on: nobody carries it out now", dr("resume", report.run())));
    }
    return next;
  }

  private void next(String run, String task, Waiting waiting, List<Next> next) {
    switch (waiting.what()) {
      case Waiting.APPROVAL -> {
        List<String> open =
            waiting.whom().stream().filter(it -> !waiting.agreed().contains(it)).toList();
        open.stream()
            .findFirst()
            .ifPresent(
                person ->
                    next.add(
                        new Next(
                            "agree to "
                                + task
                                + " ("
                                + waiting.need()
                                + " needed, "
                                + waiting.agreed().size()
                                + " so far; "
                                + String.join(" or ", open)
                                + ", each in their own name)",
                            dr("approve", run, task, "--as", person))));
      }
      case Result.Wait.MANUAL ->
          next.add(
              new Next(
                  "say that "
                      + task
                      + " was done"
                      + (waiting.whom().size() > 1
                          ? " (" + String.join(" or ", waiting.whom()) + ")"
                          : ""),
                  dr(
                      "done",
                      run,
                      task,
                      "--as",
                      waiting.whom().isEmpty() ? "PERSON" : waiting.whom().get(0))));
      case Waiting.DECISION -> {
        next.add(new Next("if " + task + " has its effect", dr("done", run, task)));
        next.add(new Next("if it has not", dr("retry", run, task)));
      }
      case Waiting.OWNERSHIP ->
          next.add(
              new Next(
                  "only if nobody else can be carrying this out: go on without the store",
                  dr("override", run)));
      default -> {
        // It ends by itself.
      }
    }
  }

  /** Where several people have keys, and none works at this machine, it takes a name. */
  private String byName(String what, String... words) {
    return dr(what, words) + someone.map(name -> " --as " + name).orElse("");
  }

  private String dr(String what, String... words) {
    return command + " dr " + what + " " + String.join(" ", words);
  }

  void people(RunReport report, Optional<String> worker, boolean timeline, PrintStream out) {
    out.println(
        "Run "
            + report.run()
            + ": "
            + report.plan().scenario()
            + (report.plan().cause().isEmpty() ? "" : ", " + report.plan().cause())
            + ", "
            + report.plan().variant());
    out.println(
        "  "
            + report.status().label()
            + (report.reason().isEmpty() ? "" : ": " + Text.plain(report.reason())));
    out.println(
        "  asked for by "
            + Text.plain(report.requester())
            + " at "
            + Text.time(report.startedAt())
            + report
                .endedAt()
                .map(
                    end ->
                        ", ended after "
                            + Text.span(Duration.between(report.startedAt(), end).toMillis()))
                .orElse(
                    worker
                        .map(name -> ", carried out by " + Text.plain(name))
                        .orElse(", carried out by nobody now")));
    if (!report.proven()) {
      out.println("  the store of the journal does not answer, or lacks part of this");
    }
    out.println();
    List<List<String>> rows = new ArrayList<>();
    rows.add(List.of("STATE", "STEP", "TOOK", "WHAT"));
    report
        .tasks()
        .forEach(task -> rows.add(List.of(state(task), task.task().id(), took(task), what(task))));
    Text.table(rows).forEach(out::println);
    DrTiers.people(report, now, out);
    List<Next> next = next(report, worker.isPresent());
    if (!next.isEmpty()) {
      out.println();
      out.println("What can be typed now:");
      for (Next one : next) {
        out.println("  to " + one.why() + ":");
        out.println("    " + one.type());
      }
    }
    if (timeline) {
      out.println();
      out.println("What happened, from " + Text.time(report.startedAt()) + " on:");
      for (JournalRecord record : report.timeline()) {
        happened(record).ifPresent(line -> out.println("  " + line));
      }
    }
  }

  private static String state(TaskReport task) {
    return task.status() == TaskStatus.FAILED || task.status() == TaskStatus.UNKNOWN
        ? task.status().label().toUpperCase(Locale.ROOT)
        : task.status().label();
  }

  private static String took(TaskReport task) {
    return task.startedAt()
        .flatMap(start -> task.endedAt().map(end -> Duration.between(start, end)))
        .map(span -> Text.span(span.toMillis()))
        .orElse("");
  }

  private static String what(TaskReport task) {
    if (task.waiting().isEmpty()) {
      return task.detail().isEmpty() ? task.task().title() : task.detail();
    }
    Waiting waiting = task.waiting().get();
    String until = waiting.until().map(time -> " until " + Text.time(time)).orElse("");
    return switch (waiting.what()) {
      case Waiting.APPROVAL ->
          "for "
              + waiting.need()
              + " of "
              + String.join(", ", waiting.whom())
              + " to agree"
              + until
              + (waiting.agreed().isEmpty()
                  ? ""
                  : "; agreed: " + String.join(", ", waiting.agreed()))
              + ": "
              + task.task().title();
      case Result.Wait.MANUAL ->
          "for "
              + (waiting.whom().isEmpty() ? "anybody" : String.join(" or ", waiting.whom()))
              + " to do it"
              + until
              + ": "
              + task.task().title();
      default -> "for " + waiting.what() + until + ": " + waiting.detail();
    };
  }

  Map<String, @Nullable Object> json(RunReport report, Optional<String> worker) {
    Map<String, @Nullable Object> json = brief(report);
    json.put("requester", report.requester());
    json.put("planDigest", report.planDigest());
    json.put("owner", report.owner());
    json.put("worker", worker);
    json.put("fence", report.fence());
    json.put("proven", report.proven());
    json.put("windowUntil", report.windowUntil());
    json.put("outage", report.plan().outage());
    json.put("tiers", report.outcomes(now).stream().map(DrTiers::json).toList());
    json.put("validation", DrTiers.validations(report).stream().map(DrView::json).toList());
    json.put("steps", report.tasks().stream().map(DrView::json).toList());
    json.put(
        "next",
        next(report, worker.isPresent()).stream()
            .map(it -> Json.object("why", it.why(), "command", it.type()))
            .toList());
    json.put(
        "timeline",
        report.timeline().stream()
            .map(
                it ->
                    Json.object(
                        "sequence", it.sequence(),
                        "at", it.at(),
                        "actor", it.actor(),
                        "kind", it.kind(),
                        "step", text(it, "task").isEmpty() ? null : text(it, "task"),
                        "line", line(it)))
            .toList());
    return json;
  }

  static Map<String, @Nullable Object> brief(RunReport report) {
    return new LinkedHashMap<>(
        Json.object(
            "run", report.run(),
            "scenario", report.plan().scenario(),
            "cause", report.plan().cause().isEmpty() ? null : report.plan().cause(),
            "variant", report.plan().variant(),
            "status", report.status().label(),
            "reason", report.reason().isEmpty() ? null : report.reason(),
            "startedAt", report.startedAt(),
            "endedAt", report.endedAt()));
  }

  private static Map<String, @Nullable Object> json(TaskReport task) {
    return Json.object(
        "id", task.task().id(),
        "procedure", task.task().procedure(),
        "title", task.task().title(),
        "action", task.task().action(),
        "critical", task.task().critical(),
        "destructive", task.task().destructive(),
        "status", task.status().label(),
        "executed", task.executed(),
        "attempts", task.attempts(),
        "startedAt", task.startedAt(),
        "endedAt", task.endedAt(),
        "detail", task.detail(),
        "waiting",
            task.waiting()
                .map(
                    it ->
                        Json.object(
                            "for", it.what(),
                            "since", it.since(),
                            "until", it.until(),
                            "whom", it.whom(),
                            "need", it.need(),
                            "agreed", it.agreed(),
                            "detail", it.detail())));
  }

  static void dry(DryRun dry, PrintStream out) {
    List<List<String>> rows = new ArrayList<>();
    rows.add(List.of("STEP", "AFTER", "WOULD", "NOW"));
    for (DryRun.Planned step : dry.steps()) {
      rows.add(
          List.of(
              step.task().id(),
              step.task().needs().isEmpty() ? "-" : String.join(", ", step.task().needs()),
              step.would()
                  + step.task()
                      .approval()
                      .map(
                          it ->
                              " (when "
                                  + it.need()
                                  + " of "
                                  + String.join(
                                      ", ", it.people().keySet().stream().sorted().toList())
                                  + " agree)")
                      .orElse("")
                  + (step.task().destructive() ? " (cannot be taken back)" : ""),
              step.found().outcome().label() + ": " + step.found().detail()));
    }
    Text.table(rows).forEach(out::println);
    dry.plan()
        .window()
        .ifPresent(
            window ->
                out.println(
                    "Then "
                        + Text.span(window.lasts().toMillis())
                        + " to look; if nobody says anything, "
                        + (window.commits() ? "it counts." : "it is taken back.")));
  }

  static Map<String, @Nullable Object> json(DryRun dry) {
    return Json.object(
        "scenario", dry.plan().scenario(),
        "cause", dry.plan().cause().isEmpty() ? null : dry.plan().cause(),
        "variant", dry.plan().variant(),
        "planDigest", dry.planDigest(),
        "windowMillis", dry.plan().window().map(it -> it.lasts()),
        "steps",
            dry.steps().stream()
                .map(
                    it ->
                        Json.object(
                            "id", it.task().id(),
                            "action", it.task().action(),
                            "needs", it.task().needs(),
                            "would", it.would(),
                            "critical", it.task().critical(),
                            "destructive", it.task().destructive(),
                            "found", it.found().outcome().label(),
                            "detail", it.found().detail(),
                            "undoes", it.undoes()))
                .toList());
  }

  /** What a message is called where people read it. */
  static String saidWord(String what) {
    return switch (what) {
      case Message.DONE -> "that it was done";
      case Message.RETRY -> "to try it again";
      case Message.ABORT -> "to stop and take back what was done";
      case Message.COMMIT -> "that the result counts";
      case Message.OVERRIDE -> "to go on without the store";
      default -> "a note";
    };
  }
}
