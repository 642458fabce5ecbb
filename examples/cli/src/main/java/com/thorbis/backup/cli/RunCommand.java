package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.drill.DrillJob;
import com.thorbis.backup.dr.notify.Watch;
import com.thorbis.backup.dr.schedule.Claims;
import com.thorbis.backup.dr.schedule.ContinuousJob;
import com.thorbis.backup.dr.schedule.JobPlan;
import com.thorbis.backup.dr.schedule.ScheduleEvent;
import com.thorbis.backup.dr.schedule.Scheduler;
import com.thorbis.backup.dr.simulate.Environments;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.io.PrintStream;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
    name = "run",
    description =
        "Do what is due when it is due, and capture log all the time, until SIGTERM. Prints a line"
            + " for each event; with --json these go to stderr, and stdout has their number at the"
            + " end.")
final class RunCommand extends Job {
  private static final Duration MAX_DELAY = Duration.ofMinutes(15);

  @Option(names = "--once", description = "Do what is due now, and end: for cron or a timer.")
  boolean once;

  @Option(names = "--plan", description = "Show when everything is due next, and do nothing.")
  boolean planOnly;

  @Option(
      names = "--moments",
      paramLabel = "COUNT",
      description = "With --plan: how many moments of each, 3 by default.")
  @Nullable Integer moments;

  @Override
  public Integer call() {
    if (once && planOnly) {
      throw Failure.usage("--once and --plan exclude each other", "Take one.");
    }
    if (moments != null && (!planOnly || moments < 1 || moments > 1000)) {
      throw Failure.usage("--moments goes with --plan, and is from 1 to 1000", "Correct it.");
    }
    Config config = thorbis().config();
    if (planOnly) {
      return plan(
          config
              .timetable()
              .plans(
                  RunCommand::unopened,
                  (name, verify, control) -> unopened(),
                  source -> Timetable.idle(DrillJob.name(source))),
          moments == null ? 3 : moments);
    }
    if (config.sealed().isPresent()) {
      throw BackupException.of(
              "repository.sealed",
              FailureKind.REFUSED,
              "This host is a sealed writer of the repository: it opens nothing, and cannot tell"
                  + " what is done")
          .remedy("Start its backups from cron or a timer.")
          .build();
    }
    return thorbis().writing(opened -> thorbis().followed(control -> run(opened, config, control)));
  }

  private int run(ThorbisBackup opened, Config config, RunControl control) {
    List<String> streamed =
        once ? List.of() : config.sources().keySet().stream().filter(this::streams).toList();
    Events events = new Events(control.progress());
    Upkeep upkeep = new Upkeep(opened, config, thorbis().clock());
    List<JobPlan> plans =
        config
            .timetable()
            .plans(
                () -> opened, upkeep::run, source -> DrillCommand.job(thorbis(), opened, source));
    if (plans.isEmpty() && streamed.isEmpty() && config.dr().triggers().isEmpty()) {
      throw Failure.usage(
          "Nothing is due at any time",
          "Set sources.NAME.schedule, wal.mode: stream of a source, maintenance, or dr.triggers.");
    }
    requireRepository(opened);
    new HostEvidence(config, thorbis().clock(), opened::repository, events::warning).expected();
    Claims claims = (name, lasts) -> opened.repository().claim(name, lasts);
    Scheduler.Builder builder =
        Scheduler.builder(claims, config.stateDirectory())
            .clock(thorbis().clock())
            .progress(events)
            .listener(events::happened);
    plans.forEach(builder::plan);
    try (Scheduler scheduler = builder.build()) {
      Environments environments = new Environments(config.stateDirectory(), thorbis().clock());
      sweep(environments, events);
      if (once) {
        runDue(scheduler, control.cancellation());
      } else {
        try (DrTriggers triggers = new DrTriggers(thorbis(), claims, events::note);
            Watch watch = config.watching().watch(thorbis(), opened, triggers, thorbis().clock())) {
          runOn(
              scheduler,
              captures(opened, streamed, upkeep, claims, events),
              triggers,
              () -> {
                look(watch, events);
                sweep(environments, events);
              },
              control.cancellation());
        }
      }
    }
    thorbis().print(events.summary(), events::showSummary);
    return once && events.anyFailed() ? Exit.FAILED : Exit.DONE;
  }

  /** One that cannot be reached now may come back; one that is not there does not. */
  private static void requireRepository(ThorbisBackup opened) {
    try {
      opened.repository();
    } catch (IOException e) {
      BackupException failure = BackupException.from(e);
      if (failure.kind() != FailureKind.TRANSIENT) {
        throw failure;
      }
    }
  }

  private static void runDue(Scheduler scheduler, Cancellation cancellation) {
    // Closing waits for what it cancels, which whoever cancels need not.
    cancellation.onCancel(() -> new Thread(scheduler::close, "thorbis-stop").start());
    try {
      scheduler.runDue();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /**
   * One that fails stops nothing: the next round may work, and the heartbeat is silent till then.
   */
  private static void look(Watch watch, Events events) {
    try {
      int unused = watch.round().size();
    } catch (RuntimeException e) {
      events.warning("Alarms could not be looked for: " + e.getMessage());
    }
  }

  /** What a killed test has left would run on until somebody begins another one. */
  private static void sweep(Environments environments, Events events) {
    try {
      for (Environments.Removed each : environments.sweep()) {
        events.note(
            "Removed environment "
                + each.name()
                + " of "
                + Text.plain(each.owner())
                + ", which nobody uses any more, with "
                + each.processes()
                + " processes that still ran");
      }
    } catch (IOException | BackupException e) {
      events.warning(
          "Environments that tests have left could not be looked for: " + e.getMessage());
    }
  }

  private void runOn(
      Scheduler scheduler,
      List<ContinuousJob> captures,
      DrTriggers triggers,
      Runnable look,
      Cancellation cancellation) {
    CountDownLatch stopped = new CountDownLatch(1);
    cancellation.onCancel(stopped::countDown);
    Duration interval = thorbis().config().watching().interval();
    long pause =
        triggers.every().filter(it -> it.compareTo(interval) < 0).orElse(interval).toMillis();
    long looked = System.nanoTime();
    try {
      scheduler.start();
      captures.forEach(ContinuousJob::start);
      while (!stopped.await(pause, TimeUnit.MILLISECONDS)) {
        boolean due = System.nanoTime() - looked >= interval.minusMillis(pause / 2).toNanos();
        if (triggers.look() || due) {
          looked = System.nanoTime();
          look.run();
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      captures.forEach(ContinuousJob::close);
    }
  }

  private List<ContinuousJob> captures(
      ThorbisBackup opened, List<String> sources, Upkeep upkeep, Claims claims, Events events) {
    List<ContinuousJob> captures = new ArrayList<>();
    for (String source : sources) {
      Settings settings = settings(source);
      captures.add(
          ContinuousJob.builder(upkeep.capture(source), claims)
              .clock(thorbis().clock())
              .progress(events)
              .listener(events::happened)
              .maxDelay(
                  () -> lag(opened.status(source)), settings.duration("wal.max-delay", MAX_DELAY))
              .build());
    }
    return captures;
  }

  private static Optional<Duration> lag(SourceStatus status) {
    return status.windows().isEmpty() ? Optional.empty() : status.lag();
  }

  private boolean streams(String source) {
    return settings(source).find("wal.mode").filter("stream"::equals).isPresent();
  }

  private Settings settings(String source) {
    Config.SourceConfig configured = thorbis().config().sources().get(source);
    return Settings.of("sources." + source, configured == null ? Map.of() : configured.settings());
  }

  private int plan(List<JobPlan> plans, int count) {
    Instant now = thorbis().clock().instant();
    List<Map<String, @Nullable Object>> items = new ArrayList<>();
    List<List<String>> rows = new ArrayList<>();
    rows.add(List.of("JOB", "DUE", "LOCAL TIME", "STARTS", "NOT AFTER"));
    for (JobPlan plan : plans) {
      Instant due = plan.schedule().next(now);
      for (int i = 0; i < count; i++, due = plan.schedule().next(due)) {
        Instant first = plan.start(due);
        Instant start = plan.blackedOutUntil(first).orElse(first);
        Instant last = due.plus(plan.window());
        boolean starts = !start.isAfter(last);
        String local =
            due.atZone(plan.schedule().zone()).toLocalDateTime().truncatedTo(ChronoUnit.MINUTES)
                + " "
                + plan.schedule().zone();
        items.add(
            Json.object(
                "job",
                plan.job().name(),
                "schedule",
                plan.schedule().toString(),
                "due",
                due,
                "local",
                local,
                "start",
                starts ? start : null,
                "lastStart",
                last));
        rows.add(
            List.of(
                plan.job().name(),
                due.toString(),
                local,
                starts ? start.toString() : "never: blackout",
                last.toString()));
      }
    }
    thorbis().print(Json.object("items", items), out -> Text.table(rows).forEach(out::println));
    return Exit.DONE;
  }

  private static ThorbisBackup unopened() {
    throw new IllegalStateException("A plan does nothing");
  }

  /** Prints what happens as it happens, and counts it. Several jobs tell at the same time. */
  private final class Events implements Progress {
    private final Progress shown;
    private final Map<ScheduleEvent.Kind, Integer> counts = new EnumMap<>(ScheduleEvent.Kind.class);

    Events(Progress shown) {
      this.shown = shown;
    }

    synchronized void happened(ScheduleEvent event) {
      counts.merge(event.kind(), 1, Integer::sum);
      if (thorbis().json) {
        thorbis().host().err().println(Json.text(json(event)));
      } else {
        thorbis().host().out().println(line(event));
        thorbis().host().out().flush();
      }
    }

    @Override
    public synchronized void note(String message) {
      if (!thorbis().json) {
        shown.note(message);
      } else if (!thorbis().quiet) {
        thorbis().host().err().println(Json.text(Json.object("note", message)));
      }
    }

    @Override
    public synchronized void warning(String message) {
      if (thorbis().json) {
        thorbis().host().err().println(Json.text(Json.object("warning", message)));
      } else {
        shown.warning(message);
      }
    }

    private static Map<String, @Nullable Object> json(ScheduleEvent event) {
      Optional<Throwable> failure = event.failure();
      return Json.object(
          "event", event.kind().label(),
          "job", event.job(),
          "due", event.due(),
          "at", event.at(),
          "reason", event.reason().isEmpty() ? null : event.reason(),
          "durationMillis", event.took(),
          "retryAt", event.retryAt(),
          "code",
              failure
                  .filter(ClassifiedFailure.class::isInstance)
                  .map(each -> ((ClassifiedFailure) each).code()));
    }

    private static String line(ScheduleEvent event) {
      StringBuilder line = new StringBuilder();
      line.append(Text.time(event.at())).append(' ').append(event.kind().label());
      line.append(' ').append(event.job());
      event.took().ifPresent(took -> line.append(" after ").append(Text.span(took.toMillis())));
      if (!event.reason().isEmpty()) {
        line.append(": ").append(event.reason());
      }
      event.retryAt().ifPresent(at -> line.append("; next try at ").append(Text.time(at)));
      return line.toString();
    }

    synchronized boolean anyFailed() {
      return counts.containsKey(ScheduleEvent.Kind.FAILED)
          || counts.containsKey(ScheduleEvent.Kind.MISSED);
    }

    synchronized Map<String, @Nullable Object> summary() {
      Map<String, @Nullable Object> summary = new LinkedHashMap<>();
      summary.put("stopped", thorbis().stopped());
      for (ScheduleEvent.Kind kind : ScheduleEvent.Kind.values()) {
        summary.put(
            kind == ScheduleEvent.Kind.CAUGHT_UP ? "caughtUp" : kind.label(),
            counts.getOrDefault(kind, 0));
      }
      return summary;
    }

    synchronized void showSummary(PrintStream out) {
      List<String> parts = new ArrayList<>();
      counts.forEach((kind, count) -> parts.add(count + " " + kind.label()));
      out.println(parts.isEmpty() ? "Nothing was due" : String.join(", ", parts));
    }
  }
}
