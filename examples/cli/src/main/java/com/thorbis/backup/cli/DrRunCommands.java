package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.SigningKey;
import com.thorbis.backup.dr.plan.Incident;
import com.thorbis.backup.dr.plan.RecoveryPlan;
import com.thorbis.backup.dr.plan.Scenario.Variant;
import com.thorbis.backup.dr.run.JournalRecord;
import com.thorbis.backup.dr.run.Message;
import com.thorbis.backup.dr.run.RunEngine;
import com.thorbis.backup.dr.run.RunPlan;
import com.thorbis.backup.dr.run.RunReport;
import com.thorbis.backup.dr.run.RunStatus;
import com.thorbis.backup.spi.crypto.Signer;
import com.thorbis.backup.spi.repository.RunControl;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The commands that carry out plans, and what people say to runs. */
final class DrRunCommands {
  private DrRunCommands() {}

  /** Carries out a run, and stays for what is waited for. */
  abstract static class Carrying extends Job {
    @Option(
        names = "--no-wait",
        description = "Return where people are waited for, instead of staying for them.")
    boolean noWait;

    /** Works on a run, shows what happens, keeps evidence of its end, and says what came of it. */
    int carry(Function<RunEngine, RunReport> work) {
      return thorbis().followed(control -> carry(work, control));
    }

    private int carry(Function<RunEngine, RunReport> work, RunControl control) {
      DrRuns.Attendance attendance =
          new DrRuns.Attendance(
              List.of(this::show),
              noWait ? Optional.empty() : Optional.of(() -> !control.cancellation().requested()));
      return DrRuns.with(
          thorbis(),
          attendance,
          engine -> {
            RunReport report = work.apply(engine);
            Optional<String> worker = engine.worker(report.run());
            DrView view = new DrView(thorbis());
            thorbis()
                .print(view.json(report, worker), out -> view.people(report, worker, false, out));
            return report.status() == RunStatus.SUCCEEDED ? Exit.DONE : Exit.FAILED;
          });
    }

    private void show(JournalRecord record) {
      boolean calm = record.kind().equals("task.started") || record.kind().equals("owner.released");
      if (!thorbis().quiet || !calm) {
        DrView.happened(record).ifPresent(thorbis().host().err()::println);
      }
    }

    /**
     * Keeps evidence of how a run ended, once: whoever carried it out then may have been killed
     * before that.
     *
     * @param endedBefore when it had ended before it was gone on with
     */
    void recorded(Optional<Instant> endedBefore, RunReport report) {
      boolean sameEnd = report.endedAt().equals(endedBefore);
      if (report.status().ended() && !(sameEnd && DrRuns.recorded(thorbis(), report))) {
        DrRuns.record(thorbis(), report);
        DrNotifier.ended(thorbis(), report);
      }
    }
  }

  @Command(
      name = "run",
      description = {
        "Carry out what the plan says about a disaster, step by step, and stay for what people have",
        "to do. Nothing but the two places of the journal has to be there. It may be interrupted at",
        "any time, and resumed on another machine. Exits 0 if all of it succeeded, else 1."
      })
  static final class Start extends Carrying {
    static final DateTimeFormatter NAME =
        DateTimeFormatter.ofPattern("uuuuMMdd-HHmm").withZone(ZoneOffset.UTC);

    @Parameters(paramLabel = "SCENARIO", description = "The disaster, as the plan names it.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String scenario;

    @Option(
        names = "--cause",
        paramLabel = "TRIGGER",
        description = "What it was noticed by; may be left out where all have one answer.")
    @Nullable String cause;

    @Option(
        names = "--graceful",
        description = "What is left behind still answers, and is asked to hand over.")
    boolean graceful;

    @Option(
        names = "--failback",
        description = "Go back to how it was: carry out what the procedures name as failback.")
    boolean failback;

    @Option(
        names = "--before",
        paramLabel = "TIME",
        description = "Restore to just before this moment where the plan says before-damage.")
    @Nullable String before;

    @Option(
        names = "--outage",
        paramLabel = "TIME",
        description =
            "Since when it is down. Without it nobody can tell whether the time to recover was"
                + " kept.")
    @Nullable String outage;

    @Option(
        names = "--incident",
        paramLabel = "ID",
        description = "Names the run: one incident is recovered from once, however often reported.")
    @Nullable String incident;

    @Option(
        names = "--as",
        paramLabel = "PERSON",
        description = "Who asks for it; else dr.person, else the account's name.")
    @Nullable String person;

    @Option(
        names = "--dry-run",
        description = "Say what would be done, look whether it is, and change nothing.")
    boolean dryRun;

    @Option(names = "--yes", description = "Start without asking.")
    boolean yes;

    @Override
    public Integer call() {
      RecoveryPlan recovery = DrRuns.plan(thorbis());
      Incident what =
          new Incident(
              scenario,
              Optional.ofNullable(cause),
              graceful ? Variant.GRACEFUL : Variant.UNGRACEFUL,
              Optional.ofNullable(before).map(text -> Times.parse("--before", text)),
              Optional.ofNullable(outage).map(this::began));
      RunPlan plan = failback ? recovery.failbackPlan(what) : recovery.runPlan(what);
      return dryRun ? dry(plan) : carry(engine -> start(engine, plan));
    }

    private Instant began(String text) {
      Instant at = Times.parse("--outage", text);
      if (at.isAfter(thorbis().clock().instant())) {
        throw Failure.usage("--outage is yet to come", "Write when it began.");
      }
      return at;
    }

    private int dry(RunPlan plan) {
      return DrRuns.with(
          thorbis(),
          DrRuns.Attendance.none(),
          engine -> {
            var dry = engine.dryRun(plan);
            thorbis().print(DrView.json(dry), out -> DrView.dry(dry, out));
            return Exit.DONE;
          });
    }

    private RunReport start(RunEngine engine, RunPlan plan) {
      String named = incident;
      String run =
          named == null
              ? scenario
                  + (failback ? "-failback-" : "-")
                  + NAME.format(thorbis().clock().instant())
              : named;
      if (engine.runs().contains(run)) {
        thorbis()
            .host()
            .err()
            .println("Run " + run + " was started before: this starts nothing. See dr resume.");
        return engine.look(run);
      }
      DrRuns.requireNoOther(thorbis(), engine, scenario, run);
      if (!yes) {
        DrView.dry(engine.dryRun(plan), thorbis().host().err());
        thorbis().host().confirm("dr.not-confirmed", "dr run " + scenario + " --dry-run");
      }
      RunReport report = engine.start(plan, run, requester());
      recorded(Optional.empty(), report);
      return report;
    }

    private String requester() {
      return Optional.ofNullable(person)
          .or(() -> thorbis().config().dr().person())
          .orElseGet(() -> System.getProperty("user.name", "somebody"));
    }
  }

  @Command(
      name = "resume",
      description = {
        "Go on with a run at the exact step, here, wherever it was begun. Takes in what people said",
        "meanwhile."
      })
  static final class Resume extends Carrying {
    @Parameters(paramLabel = "RUN", description = "The run, which is its incident's name.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String run;

    @Option(
        names = "--take-over",
        description =
            "Take it from whoever carries it out: that one is stopped at its next record.")
    boolean takeOver;

    @Option(names = "--as", paramLabel = "PERSON", description = "Who takes it over.")
    @Nullable String person;

    @Override
    public Integer call() {
      return carry(
          engine -> {
            Optional<Instant> ended = engine.look(run).endedAt();
            RunReport report =
                takeOver
                    ? engine.takeOver(run, DrRuns.person(thorbis(), Optional.ofNullable(person)))
                    : engine.resume(run);
            recorded(ended, report);
            return report;
          });
    }
  }

  /** Says something to a run. */
  abstract static class Saying extends Job {
    @Parameters(index = "0", paramLabel = "RUN", description = "The run.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String run;

    @Option(
        names = "--as",
        paramLabel = "PERSON",
        description = "Who says it; else dr.person, or the only one who has a key here.")
    @Nullable String person;

    @Option(names = "--text", paramLabel = "TEXT", description = "Why, or what is worth knowing.")
    String text = "";

    String speaker() {
      return DrRuns.person(thorbis(), Optional.ofNullable(person));
    }

    /** Leaves a message, and says who takes it in. */
    int say(String what, String task, String words) {
      return DrRuns.with(
          thorbis(),
          DrRuns.Attendance.none(),
          engine -> {
            engine.say(run, what, speaker(), task, words);
            return left(engine, DrView.saidWord(what));
          });
    }

    int left(RunEngine engine, String said) {
      Optional<String> worker = engine.worker(run);
      thorbis()
          .print(
              Json.object("run", run, "said", said, "by", speaker(), "worker", worker),
              out ->
                  out.println(
                      speaker()
                          + " says "
                          + said
                          + worker
                              .map(name -> "; " + name + " takes it in")
                              .orElse(
                                  "; nobody carries the run out now: type thorbis dr resume "
                                      + run)));
      return Exit.DONE;
    }
  }

  @Command(
      name = "approve",
      description = {
        "Agree to a step that waits for it. Signs that with the key of the person, where the plan has",
        "its public half: the run, the step, the plan and the request as they are, until the deadline."
      })
  static final class Approve extends Saying {
    @Parameters(index = "1", paramLabel = "STEP", description = "The step.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String step;

    @Option(
        names = "--key-file",
        paramLabel = "FILE",
        description = "The key to sign with; else the one of dr.keys.")
    @Nullable Path keyFile;

    @Override
    public Integer call() {
      String by = speaker();
      return DrRuns.with(
          thorbis(),
          DrRuns.Attendance.none(),
          engine -> {
            boolean signs =
                engine
                    .look(run)
                    .task(step)
                    .flatMap(it -> it.task().approval())
                    .map(it -> !it.people().getOrDefault(by, "").isEmpty())
                    .orElse(false);
            if (!signs) {
              engine.approve(run, step, by, text, Optional.empty());
              return left(engine, "yes to " + step);
            }
            try (SigningKey key = Recipients.signingKey(key(by))) {
              engine.approve(run, step, by, text, Optional.<Signer>of(key));
            }
            return left(engine, "yes to " + step + ", signed");
          });
    }

    private Path key(String by) {
      Path named = keyFile;
      return named != null
          ? thorbis().host().folder().resolve(named)
          : Optional.ofNullable(thorbis().config().dr().keys().get(by))
              .orElseThrow(
                  () ->
                      BackupException.of(
                              "dr.key-missing",
                              FailureKind.CONFIGURATION,
                              "The plan has a key of "
                                  + by
                                  + ", and none is known here to sign with")
                          .remedy("Set dr.keys." + by + " to its file, or name it with --key-file.")
                          .build());
    }
  }

  @Command(
      name = "done",
      description = {
        "Say that a step was done by hand, or that it was looked and its effect is there."
      })
  static final class Done extends Saying {
    @Parameters(index = "1", paramLabel = "STEP", description = "The step.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String step;

    @Override
    public Integer call() {
      DrRuns.with(
          thorbis(),
          DrRuns.Attendance.none(),
          engine -> {
            List<String> askers = new ArrayList<>();
            for (RunReport.TaskReport task : engine.look(run).tasks()) {
              if (step.equals(task.task().inputs().get("moment-from"))) {
                askers.add(task.task().id());
              }
            }
            if (!askers.isEmpty() && text.isEmpty()) {
              throw Failure.usage(
                  String.join(", ", askers) + " restores to the moment that this step finds",
                  "Add it with --text, such as --text 2026-01-02T03:04:05Z.");
            }
            if (!askers.isEmpty()) {
              text = Times.parse("--text", text).toString();
            }
            return true;
          });
      return say(Message.DONE, step, text);
    }
  }

  @Command(
      name = "retry",
      description = "Let a step be tried again that failed, or whose end nobody could tell.")
  static final class Retry extends Saying {
    @Parameters(index = "1", paramLabel = "STEP", description = "The step.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String step;

    @Override
    public Integer call() {
      return say(Message.RETRY, step, text);
    }
  }

  @Command(name = "commit", description = "Let the result count before its window closes.")
  static final class Commit extends Saying {
    @Override
    public Integer call() {
      return say(Message.COMMIT, "", text);
    }
  }

  @Command(
      name = "abort",
      description = "Stop a run, and take back in reverse order what it did and can take back.")
  static final class Abort extends Saying {
    @Option(names = "--yes", description = "Do it without asking.")
    boolean yes;

    @Override
    public Integer call() {
      if (!yes) {
        thorbis().host().confirm("dr.not-confirmed", "dr status " + run);
      }
      return say(Message.ABORT, "", text);
    }
  }

  @Command(
      name = "override",
      description = {
        "Take it upon yourself that nobody else carries out the run while the store of its journal is",
        "away: steps that may destroy something go on."
      })
  static final class OverrideStore extends Saying {
    @Option(names = "--yes", description = "Do it without asking.")
    boolean yes;

    @Override
    public Integer call() {
      if (!yes) {
        thorbis().host().confirm("dr.not-confirmed", "dr status " + run);
      }
      return say(Message.OVERRIDE, "", text);
    }
  }

  @Command(name = "note", description = "Add a note to the timeline of a run.")
  static final class Note extends Saying {
    @Parameters(index = "1", paramLabel = "NOTE", description = "What is worth knowing later.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String note;

    @Override
    public Integer call() {
      return say(Message.NOTE, "", note);
    }
  }

  @Command(
      name = "status",
      description = {
        "Show the runs; or one with its steps, what it waits for, what can be typed, and what",
        "happened."
      })
  static final class Status extends Job {
    @Parameters(arity = "0..1", paramLabel = "RUN", description = "One run; else all.")
    @Nullable String run;

    @Override
    public Integer call() {
      String named = run;
      return DrRuns.with(
          thorbis(),
          DrRuns.Attendance.none(),
          engine -> {
            if (named == null) {
              all(engine);
            } else {
              RunReport report = engine.look(named);
              Optional<String> worker = engine.worker(named);
              DrView view = new DrView(thorbis());
              thorbis()
                  .print(view.json(report, worker), out -> view.people(report, worker, true, out));
            }
            return Exit.DONE;
          });
    }

    private void all(RunEngine engine) {
      List<DrTriggers.Now> triggers = DrTriggers.now(thorbis());
      List<RunReport> reports = DrRuns.readable(thorbis(), engine);
      List<Map<String, @Nullable Object>> items = reports.stream().map(DrView::brief).toList();
      thorbis()
          .print(
              triggers.isEmpty()
                  ? Json.object("items", items)
                  : Json.object(
                      "items",
                      items,
                      "triggers",
                      triggers.stream().map(DrTriggers.Now::json).toList()),
              out -> {
                List<List<String>> rows = new ArrayList<>();
                rows.add(List.of("RUN", "SCENARIO", "STATE", "SINCE", "WHY"));
                reports.forEach(
                    it ->
                        rows.add(
                            List.of(
                                it.run(),
                                it.plan().scenario(),
                                it.status().label(),
                                Text.time(it.startedAt()),
                                it.reason())));
                Text.table(rows).forEach(out::println);
                DrTriggers.people(triggers, out);
              });
    }
  }
}
