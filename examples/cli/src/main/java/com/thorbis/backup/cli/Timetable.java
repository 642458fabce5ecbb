package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.dr.drill.DrillJob;
import com.thorbis.backup.dr.monitor.Expectation;
import com.thorbis.backup.dr.report.Population;
import com.thorbis.backup.dr.schedule.BackupJob;
import com.thorbis.backup.dr.schedule.Blackout;
import com.thorbis.backup.dr.schedule.Job;
import com.thorbis.backup.dr.schedule.JobPlan;
import com.thorbis.backup.dr.schedule.PlanCheck;
import com.thorbis.backup.dr.schedule.Schedule;
import com.thorbis.backup.dr.schedule.StandardSchedule;
import com.thorbis.backup.spi.repository.RunControl;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** What the file says about when things are due. */
final class Timetable {
  static final String PRUNE = "prune";
  static final String VERIFY = "verify";
  static final String SYNC = "sync";
  static final String ROTATE = "rotate";

  private static final List<String> MAINTENANCE = List.of(PRUNE, VERIFY, SYNC, ROTATE);
  private static final List<BackupType> TYPES =
      List.of(BackupType.FULL, BackupType.DIFFERENTIAL, BackupType.INCREMENTAL, BackupType.DUMP);
  private static final String STANDARD = "standard";

  private final Map<String, Map<BackupType, Timing>> backups = new LinkedHashMap<>();
  private final Map<String, Timing> drills = new LinkedHashMap<>();
  private final Map<String, Timing> maintenance = new LinkedHashMap<>();
  private final List<Blackout> blackouts = new ArrayList<>();
  private VerifyRequest verify = new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 100);

  private Timetable() {}

  /** When one thing is due, and what else is said of that. */
  private record Timing(
      Schedule schedule,
      Optional<Duration> window,
      Optional<Duration> finishWithin,
      Optional<Duration> jitter) {
    Timing or(Timing others) {
      return new Timing(
          schedule,
          window.or(others::window),
          finishWithin.or(others::finishWithin),
          jitter.or(others::jitter));
    }
  }

  /** Reads {@code maintenance} and {@code blackouts}; {@link #source} reads the rest. */
  static Timetable read(Section root) {
    Timetable timetable = new Timetable();
    for (Section blackout : root.sections("blackouts")) {
      timetable.blackouts.add(blackout(blackout));
    }
    Optional<Section> all = root.section("maintenance");
    if (all.isPresent()) {
      timetable.maintenance(all.get());
    }
    return timetable;
  }

  /** Reads {@code schedule} of a source. */
  void source(String name, Section source) {
    if (!source.has("schedule")) {
      return;
    }
    Map<BackupType, Timing> found = new LinkedHashMap<>();
    if (source.isMap("schedule")) {
      Section section = source.section("schedule").orElseThrow();
      @Nullable ZoneId zone = zone(section);
      Shared shared = Shared.of(section);
      for (BackupType type : TYPES) {
        timing(section, type.label(), zone)
            .ifPresent(timing -> found.put(type, shared.fill(timing)));
      }
      section.finish();
      if (found.isEmpty()) {
        throw source.wrong(
            "schedule", "says of nothing when it is due", "Set full, or write schedule: standard.");
      }
    } else {
      source.choice("schedule", STANDARD, List.of(STANDARD));
      found.put(BackupType.FULL, timing(StandardSchedule.FULL, StandardSchedule.FULL_WINDOW));
      found.put(
          BackupType.INCREMENTAL,
          timing(StandardSchedule.INCREMENTAL, StandardSchedule.INCREMENTAL_WINDOW));
    }
    backups.put(name, found);
    PlanCheck.of(backups(name, Timetable::unopened))
        .forEach(
            finding -> {
              throw source.wrong("schedule", finding.toString(), finding.remedy());
            });
  }

  /** Reads {@code schedule} of a source's drills. */
  void drill(String name, Section drill) {
    timing(drill, "schedule", null)
        .ifPresent(
            timing -> {
              drills.put(name, timing);
              PlanCheck.of(List.of(plan(idle(DrillJob.name(name)), timing)))
                  .forEach(
                      finding -> {
                        throw drill.wrong("schedule", finding.problem(), finding.remedy());
                      });
            });
  }

  /** Something that is due and does nothing. */
  static Job idle(String name) {
    return Job.of(name, control -> {});
  }

  /** Wants of a source what is due of it, within its window. */
  void expect(String source, Expectation.Builder expected) {
    backups
        .getOrDefault(source, Map.of())
        .forEach(
            (type, timing) -> {
              JobPlan plan = plan(BackupJob.of(Timetable::unopened, source, type), timing);
              expected.due(
                  type, timing.schedule()::previous, plan.finishWithin().orElse(plan.window()));
            });
  }

  /** What is due of a source, and within which time after that. */
  List<Population.Due> due(String source) {
    List<Population.Due> due = new ArrayList<>();
    backups
        .getOrDefault(source, Map.of())
        .forEach(
            (type, timing) -> {
              JobPlan plan = plan(BackupJob.of(Timetable::unopened, source, type), timing);
              due.add(
                  new Population.Due(
                      type.label(), timing.schedule(), plan.finishWithin().orElse(plan.window())));
            });
    return due;
  }

  /** Does what keeps the repository in order. */
  @FunctionalInterface
  interface Work {
    /**
     * Does one thing.
     *
     * @param verify what verifying looks at
     */
    void run(String name, VerifyRequest verify, RunControl control);
  }

  /**
   * What is due when.
   *
   * @param drill does the drills of a source
   */
  List<JobPlan> plans(Supplier<ThorbisBackup> opened, Work upkeep, Function<String, Job> drill) {
    List<JobPlan> plans = new ArrayList<>();
    backups.keySet().forEach(name -> plans.addAll(backups(name, opened)));
    drills.forEach((name, timing) -> plans.add(plan(drill.apply(name), timing)));
    maintenance.forEach(
        (name, timing) ->
            plans.add(plan(Job.of(name, control -> upkeep.run(name, verify, control)), timing)));
    return plans;
  }

  /** When full, differential and incremental backups and dumps of a source will be taken. */
  List<Instant> backups(String source, Instant after, Instant until) {
    List<Instant> found = new ArrayList<>();
    backups
        .getOrDefault(source, Map.of())
        .values()
        .forEach(
            timing -> {
              Instant at = timing.schedule().next(after);
              for (; !at.isAfter(until); at = timing.schedule().next(at)) {
                found.add(at);
              }
            });
    return found.stream().distinct().sorted().toList();
  }

  private List<JobPlan> backups(String name, Supplier<ThorbisBackup> opened) {
    List<JobPlan> plans = new ArrayList<>();
    backups
        .getOrDefault(name, Map.of())
        .forEach((type, timing) -> plans.add(plan(BackupJob.of(opened, name, type), timing)));
    return plans;
  }

  private JobPlan plan(Job job, Timing timing) {
    JobPlan.Builder plan = JobPlan.builder(job, timing.schedule());
    timing.window().ifPresent(plan::window);
    timing.finishWithin().ifPresent(plan::finishWithin);
    timing.jitter().ifPresent(plan::jitter);
    blackouts.forEach(plan::blackout);
    return plan.build();
  }

  private void maintenance(Section section) {
    @Nullable ZoneId zone = zone(section);
    Shared shared = Shared.of(section);
    for (String name : MAINTENANCE) {
      if (name.equals(VERIFY) && section.isMap(VERIFY)) {
        section
            .section(VERIFY)
            .orElseThrow()
            .find("budget")
            .ifPresent(text -> verify = VerifyRequest.within(budget(section, text)));
      }
      Optional<Timing> timing = timing(section, name, zone);
      timing.ifPresent(found -> maintenance.put(name, shared.fill(found)));
      if (timing.isPresent()) {
        JobPlan plan = plan(idle(name), shared.fill(timing.get()));
        PlanCheck.of(List.of(plan))
            .forEach(
                finding -> {
                  throw section.wrong(name, finding.problem(), finding.remedy());
                });
      }
    }
    section.finish();
  }

  private static VerifyRequest.Budget budget(Section section, String text) {
    try {
      return VerifyCommand.budget(text);
    } catch (BackupException e) {
      throw section.wrong(
          VERIFY, "budget \"" + text + "\" is neither a size nor a time", e.remedy());
    }
  }

  /** What holds for all of a section that do not say otherwise. */
  private record Shared(
      Optional<Duration> window, Optional<Duration> finishWithin, Optional<Duration> jitter) {
    static Shared of(Section section) {
      return new Shared(
          section.duration("window"),
          section.duration("finish-within"),
          section.duration("jitter"));
    }

    Timing fill(Timing timing) {
      return timing.or(new Timing(timing.schedule(), window, finishWithin, jitter));
    }
  }

  private static Timing timing(Schedule schedule, Duration window) {
    return new Timing(schedule, Optional.of(window), Optional.empty(), Optional.empty());
  }

  /** A schedule, or a map with one under {@code at}. */
  private static Optional<Timing> timing(Section section, String key, @Nullable ZoneId zone) {
    if (!section.has(key)) {
      return Optional.empty();
    }
    if (!section.isMap(key)) {
      return Optional.of(
          new Timing(
              schedule(section, key, zone), Optional.empty(), Optional.empty(), Optional.empty()));
    }
    Section map = section.section(key).orElseThrow();
    Shared own = Shared.of(map);
    Timing timing =
        new Timing(schedule(map, "at", zone), own.window(), own.finishWithin(), own.jitter());
    if (key.equals(VERIFY)) {
      map.find("budget");
    }
    map.finish();
    return Optional.of(timing);
  }

  private static Schedule schedule(Section section, String key, @Nullable ZoneId zone) {
    try {
      return Schedule.parse(section.require(key), zone);
    } catch (BackupException e) {
      if (!e.code().equals("schedule.invalid")) {
        throw e;
      }
      throw section.wrong(key, String.valueOf(e.getMessage()), e.remedy());
    }
  }

  private static @Nullable ZoneId zone(Section section) {
    Optional<String> name = section.find("zone");
    if (name.isEmpty()) {
      return null;
    }
    try {
      return ZoneId.of(name.get());
    } catch (DateTimeException e) {
      throw section.wrong(
          "zone",
          "there is no time zone \"" + name.get() + "\"",
          "Write UTC, or a name such as Europe/Berlin.");
    }
  }

  private static Blackout blackout(Section section) {
    Blackout blackout;
    if (section.has("to")) {
      Instant from = moment(section, "from");
      Instant to = moment(section, "to");
      if (!from.isBefore(to)) {
        throw section.wrong("to", "is not after from", "Write a later moment.");
      }
      blackout = new Blackout.Once(from, to);
    } else {
      Duration length =
          section
              .duration("for")
              .filter(span -> !span.isZero())
              .orElseThrow(
                  () ->
                      section.wrong(
                          "for",
                          "is missing",
                          "Write how long it lasts, such as 8h, or to: with a moment."));
      blackout = new Blackout.Recurring(schedule(section, "from", null), length);
    }
    section.finish();
    return blackout;
  }

  private static Instant moment(Section section, String key) {
    try {
      return Times.parse(key, section.require(key));
    } catch (BackupException e) {
      if (!e.code().equals("usage")) {
        throw e;
      }
      throw section.wrong(key, String.valueOf(e.getMessage()), e.remedy());
    }
  }

  private static ThorbisBackup unopened() {
    throw new IllegalStateException("Nothing is due while the file is read");
  }
}
