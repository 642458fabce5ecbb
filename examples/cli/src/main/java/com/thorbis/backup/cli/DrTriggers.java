package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.failover.Sighting;
import com.thorbis.backup.dr.failover.TriggerWatch;
import com.thorbis.backup.dr.failover.TriggerWatch.Seen;
import com.thorbis.backup.dr.monitor.Alarm;
import com.thorbis.backup.dr.monitor.AlarmKind;
import com.thorbis.backup.dr.monitor.Severity;
import com.thorbis.backup.dr.plan.Incident;
import com.thorbis.backup.dr.plan.RecoveryPlan;
import com.thorbis.backup.dr.plan.Scenario;
import com.thorbis.backup.dr.plan.Trigger;
import com.thorbis.backup.dr.run.RunEngine;
import com.thorbis.backup.dr.run.RunReport;
import com.thorbis.backup.dr.schedule.Claims;
import com.thorbis.backup.spi.repository.Claim;
import java.io.IOException;
import java.io.PrintStream;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Watches what may start a recovery, and says so or begins it. One that goes on is never joined by
 * a second, of several hosts one begins, and steps that need people wait for them. Used by one
 * thread.
 */
final class DrTriggers implements AutoCloseable {
  private static final Duration CLAIMED = Duration.ofMinutes(2);
  private static final Duration BETWEEN = Duration.ofMinutes(1);
  private static final long ENDS_WITHIN_MILLIS = 60_000;

  private final Thorbis thorbis;
  private final Claims claims;
  private final Consumer<String> tell;
  private final List<Watched> watched = new ArrayList<>();
  private volatile boolean stays = true;

  /** One that is watched. */
  private static final class Watched {
    final DrConfig.Begins settings;
    final TriggerWatch watch;
    @Nullable Thread recovery;
    @Nullable Seen seen;
    volatile String problem = "";
    volatile boolean seenTo;
    Instant again = Instant.EPOCH;

    Watched(DrConfig.Begins settings, TriggerWatch watch) {
      this.settings = settings;
      this.watch = watch;
    }
  }

  /**
   * Watches what the settings name.
   *
   * @param claims decide which of several hosts begins
   * @param tell is told what people may want to read
   * @throws BackupException of kind CONFIGURATION if the plan has no such trigger, or does not let
   *     it begin
   */
  DrTriggers(Thorbis thorbis, Claims claims, Consumer<String> tell) {
    this.thorbis = thorbis;
    this.claims = claims;
    this.tell = tell;
    List<DrConfig.Begins> all = thorbis.config().dr().triggers();
    if (all.isEmpty()) {
      return;
    }
    RecoveryPlan plan = DrRuns.plan(thorbis);
    DrServers servers = new DrServers(thorbis);
    for (DrConfig.Begins one : all) {
      requireAllowed(plan, one);
      requireFresh(one);
      watched.add(
          new Watched(
              one,
              new TriggerWatch(
                  servers.detector(one),
                  one.held(),
                  one.every().multipliedBy(3).plusMinutes(1),
                  thorbis.clock())));
    }
  }

  private static void requireAllowed(RecoveryPlan plan, DrConfig.Begins one) {
    Trigger trigger =
        plan.scenario(one.scenario()).triggers().stream()
            .filter(it -> it.id().equals(one.trigger()))
            .findFirst()
            .orElseThrow(
                () ->
                    invalid(
                        one, "the scenario has no such trigger", "Name one that the plan has."));
    if (one.begins() && !trigger.automatic()) {
      throw invalid(
          one,
          "the plan does not let it begin a recovery by itself",
          "Set automatic of the trigger in the plan, or mode: announce.");
    }
    // What has no answer is told now, and not when it is needed.
    var unused = plan.runPlan(incident(one, Optional.empty()));
  }

  /** What is looked at again only after it would have begun was not seen to last. */
  private void requireFresh(DrConfig.Begins one) {
    Duration interval = thorbis.config().watching().interval();
    boolean byAlarm =
        one
            .detector()
            .map(name -> thorbis.config().dr().detectors().getOrDefault(name, List.of()))
            .or(
                () ->
                    one.source()
                        .map(name -> thorbis.config().dr().failovers().get(name))
                        .map(DrConfig.Pair::detect))
            .orElse(List.of())
            .stream()
            .anyMatch(look -> look.alarm().isPresent());
    if (byAlarm && one.held().compareTo(interval) <= 0) {
      throw invalid(
          one,
          "it is to be held for "
              + Text.span(one.held().toMillis())
              + ", and alarms are looked for every "
              + Text.span(interval.toMillis()),
          "Make held longer than monitor.interval.");
    }
  }

  private static BackupException invalid(DrConfig.Begins one, String problem, String remedy) {
    return BackupException.of(
            "configuration.invalid",
            FailureKind.CONFIGURATION,
            "dr.triggers: " + one + ": " + problem)
        .remedy(remedy)
        .build();
  }

  private static Incident incident(DrConfig.Begins one, Optional<Instant> outage) {
    return new Incident(
        one.scenario(),
        Optional.of(one.trigger()),
        Scenario.Variant.UNGRACEFUL,
        Optional.empty(),
        outage);
  }

  boolean none() {
    return watched.isEmpty();
  }

  /** How long to wait between two looks; empty: there is nothing to look at. */
  Optional<Duration> every() {
    return watched.stream().map(one -> one.settings.every()).min(Duration::compareTo);
  }

  /** Looks once at everything; whether people have to hear of something that is new. */
  boolean look() throws InterruptedException {
    boolean changed = false;
    for (Watched one : watched) {
      boolean before = held(one);
      one.seen = one.watch.look();
      boolean now = held(one);
      changed |= before != now;
      Instant time = thorbis.clock().instant();
      if (now && one.settings.begins() && !goesOn(one) && !time.isBefore(one.again)) {
        one.again = time.plus(BETWEEN);
        begin(one);
      }
      if (!now) {
        one.problem = "";
        one.seenTo = false;
        one.again = Instant.EPOCH;
      }
    }
    return changed;
  }

  private static boolean held(Watched one) {
    Seen seen = one.seen;
    return seen != null && seen.held();
  }

  private static boolean goesOn(Watched one) {
    Thread thread = one.recovery;
    return thread != null && thread.isAlive();
  }

  private void begin(Watched one) {
    Optional<Instant> outage = Optional.ofNullable(one.seen).flatMap(Seen::since);
    Thread thread = new Thread(() -> recover(one, outage), "thorbis-recovery");
    thread.setDaemon(true);
    one.recovery = thread;
    thread.start();
  }

  private void recover(Watched one, Optional<Instant> outage) {
    DrConfig.Begins settings = one.settings;
    try (Claim claim = claims.claim("recovery of " + settings.scenario(), CLAIMED).orElse(null)) {
      if (claim == null) {
        one.seenTo = true; // another host begins it
        return;
      }
      RecoveryPlan plan = DrRuns.plan(thorbis);
      DrRuns.Attendance attendance =
          new DrRuns.Attendance(
              List.of(record -> DrView.happened(record).ifPresent(tell)), Optional.of(() -> stays));
      DrRuns.with(
          thorbis,
          attendance,
          engine -> {
            one.seenTo = goesOn(engine, settings);
            Optional<String> why = one.seenTo ? Optional.empty() : keeps(engine, settings);
            one.problem = why.orElse("");
            if (!one.seenTo && why.isEmpty()) {
              Instant now = thorbis.clock().instant();
              String run = settings.scenario() + "-" + DrRunCommands.Start.NAME.format(now);
              tell.accept(settings + " is held: recovery " + run + " begins");
              RunReport report =
                  engine.start(
                      plan.runPlan(incident(settings, outage)),
                      run,
                      "trigger " + settings.trigger());
              if (report.status().ended()) {
                DrRuns.record(thorbis, report);
                DrNotifier.ended(thorbis, report);
              }
            }
            return true;
          });
    } catch (IOException | RuntimeException e) {
      one.problem = "it could not be begun: " + e.getMessage();
      tell.accept(settings + ": " + one.problem);
    }
  }

  /** Its runs; the store of journals has to answer for that. */
  private static List<RunReport> runs(RunEngine engine, DrConfig.Begins settings) {
    return engine.everyRun().stream()
        .map(engine::look)
        .filter(report -> report.plan().scenario().equals(settings.scenario()))
        .toList();
  }

  private static boolean goesOn(RunEngine engine, DrConfig.Begins settings) {
    return runs(engine, settings).stream().anyMatch(report -> !report.status().ended());
  }

  /** What keeps a run from being begun now. */
  private Optional<String> keeps(RunEngine engine, DrConfig.Begins settings) {
    Instant now = thorbis.clock().instant();
    for (RunReport report : runs(engine, settings)) {
      Instant again = report.endedAt().orElse(now).plus(settings.coolDown());
      if (now.isBefore(again)) {
        return Optional.of(
            "run "
                + report.run()
                + " ended "
                + report.status().label()
                + ", and none begins by itself before "
                + again);
      }
    }
    return Optional.empty();
  }

  /** What has to be done by people: a condition that is held, and nothing that goes on about it. */
  List<Alarm> alarms() {
    List<Alarm> alarms = new ArrayList<>();
    for (Watched one : watched) {
      Seen seen = one.seen;
      if (seen == null || !seen.held() || goesOn(one) || one.seenTo) {
        continue;
      }
      alarms.add(
          new Alarm(
              AlarmKind.TRIGGER,
              Severity.CRITICAL,
              AREA,
              one.settings.toString(),
              seen.since(),
              "nothing that a recovery from " + one.settings.scenario() + " is for",
              seen.verdict() + (one.problem.isEmpty() ? "" : "; " + one.problem),
              "Type " + command(thorbis, one.settings, seen.since()) + " if it is so."));
    }
    return alarms;
  }

  /** The part of a look that these alarms are of. */
  static final String AREA = "triggers";

  /** What a person types to begin. */
  static String command(Thorbis thorbis, DrConfig.Begins one, Optional<Instant> outage) {
    return "thorbis"
        + (thorbis.configFile == null ? "" : " -c " + thorbis.configFile)
        + " dr run "
        + one.scenario()
        + " --cause "
        + one.trigger()
        + outage.map(at -> " --outage " + at.truncatedTo(ChronoUnit.SECONDS)).orElse("");
  }

  /** What a trigger sees by one look of now. */
  record Now(DrConfig.Begins settings, String reading, String detail, String command) {
    Map<String, @Nullable Object> json() {
      return Json.object(
          "scenario", settings.scenario(),
          "trigger", settings.trigger(),
          "mode", settings.mode(),
          "heldMillis", settings.held(),
          "reading", reading,
          "detail", detail,
          "command", command);
    }
  }

  /** One look at each; what is held, only whoever looks all the time can tell. */
  static List<Now> now(Thorbis thorbis) {
    List<Now> all = new ArrayList<>();
    DrServers servers = new DrServers(thorbis);
    for (DrConfig.Begins one : thorbis.config().dr().triggers()) {
      try {
        var verdict = servers.detector(one).look();
        all.add(
            new Now(
                one,
                verdict.reading().label(),
                verdict.toString(),
                command(thorbis, one, Optional.empty())));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        all.add(
            new Now(
                one,
                Sighting.Reading.CANNOT_TELL.label(),
                "the look was interrupted",
                command(thorbis, one, Optional.empty())));
      }
    }
    return all;
  }

  static void people(List<Now> all, PrintStream out) {
    if (all.isEmpty()) {
      return;
    }
    out.println();
    out.println("What may start a recovery, by one look of now:");
    List<List<String>> rows = new ArrayList<>();
    rows.add(List.of("SCENARIO", "TRIGGER", "MODE", "NOW", "WHAT"));
    all.forEach(
        one ->
            rows.add(
                List.of(
                    one.settings().scenario(),
                    one.settings().trigger(),
                    one.settings().mode(),
                    one.reading(),
                    Text.plain(one.detail()))));
    Text.table(rows).forEach(out::println);
  }

  /** Ends what it carries out at its next step; the run stays, for whoever resumes it. */
  @Override
  public void close() {
    stays = false;
    for (Watched one : watched) {
      Thread thread = one.recovery;
      if (thread != null) {
        try {
          thread.join(ENDS_WITHIN_MILLIS);
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
        }
      }
    }
  }
}
