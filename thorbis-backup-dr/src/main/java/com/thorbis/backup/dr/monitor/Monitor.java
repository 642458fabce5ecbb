package com.thorbis.backup.dr.monitor;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.KeysReport;
import com.thorbis.backup.api.ServerLog;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.monitor.Evidence.Taken;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Looks whether everything that is expected is there. Alarms come from what is stored and from the
 * clock alone, so a process that was stopped raises them when it looks again, and so does any other
 * that looks at the same repository. Two things are remembered between looks, and only make fewer
 * requests or a closer bound: when all recipients opened all keys, and how far servers were.
 *
 * <p>What cannot be looked at is an alarm, and never counts as well. Each part of a look has a
 * limit; one that does not heed it is left behind, and its part stays unseen until it ends. Safe
 * for several threads, which look one after another.
 */
public final class Monitor {
  static final String REPOSITORY = "repository";
  static final String COPIES = "copies";
  static final String RECIPIENTS = "recipients";
  static final String WRITERS = "writers";
  static final String CLOCKS = "clocks";
  static final String DRILLS = "drills";
  static final String RUNS = "runs";
  static final String RECOVERIES = "recoveries";
  static final String TIERS = "tiers";

  private final Evidence evidence;
  private final Map<String, Expectation> expectations;
  private final Supplier<List<DrillFact>> drills;
  private final Supplier<List<RunFact>> runs;
  private final Supplier<List<RecoveryFact>> recoveries;
  private final Supplier<List<TierFact>> tiers;
  private final Map<String, Supplier<List<Alarm>>> parts;
  private final Clock clock;
  private final Duration limit;
  private final Duration recipientsEvery;
  private final boolean live;
  private final boolean recipients;
  private final Map<String, Thread> leftBehind = new ConcurrentHashMap<>();
  private final Map<String, Mark> marks = new HashMap<>();
  private @Nullable Instant tried;
  private volatile @Nullable Look last;

  private Monitor(Builder builder, Evidence evidence, Map<String, Expectation> expectations) {
    this.evidence = evidence;
    this.expectations = expectations;
    this.drills = builder.drills;
    this.runs = builder.runs;
    this.recoveries = builder.recoveries;
    this.tiers = builder.tiers;
    this.parts = Collections.unmodifiableMap(new LinkedHashMap<>(builder.parts));
    this.clock = builder.clock;
    this.limit = builder.limit;
    this.recipientsEvery = builder.recipientsEvery;
    this.live = builder.live;
    this.recipients = builder.recipients;
  }

  /** How far a server was, and until when everything it had written is known to be stored. */
  private record Mark(Instant at, ServerLog log, Optional<Instant> storedUntil) {}

  /** Looks at a host's sources and its repository; stays the host's. */
  public static Builder builder(ThorbisBackup thorbis) {
    return new Builder(new StoredEvidence(thorbis), thorbis.sources());
  }

  static Builder builder(Evidence evidence, List<String> sources) {
    return new Builder(evidence, sources);
  }

  /** Looks now. Never throws for what it finds or cannot find. */
  public synchronized Look look() {
    Finding finding = new Finding(clock.instant());
    Optional<KeysReport> keys = finding.part(REPOSITORY, "the repository", evidence::keys);
    if (keys.isPresent()) {
      finding.add(RepositoryJudge.keyAges(keys.get(), finding.now));
      finding
          .part(COPIES, "copies", evidence::checkCopies)
          .ifPresent(items -> finding.add(RepositoryJudge.copies(items)));
      finding
          .part(WRITERS, "writers", evidence::checkWriters)
          .ifPresent(items -> finding.add(RepositoryJudge.writers(items)));
      finding
          .part(CLOCKS, "clocks", evidence::clockSkew)
          .ifPresent(skew -> finding.add(RepositoryJudge.clock(skew)));
      if (recipients) {
        recipients(finding);
      }
    } else {
      // One failure is one alarm: all of it lies behind what did not open.
      finding.unseen.addAll(List.of(COPIES, WRITERS, CLOCKS, RECIPIENTS, DRILLS, RUNS));
    }
    Optional<List<DrillFact>> drilled =
        keys.isPresent() ? finding.part(DRILLS, "drills", drills::get) : Optional.empty();
    Optional<List<RunFact>> ran = finding.part(RUNS, "runs", runs::get);
    for (Expectation expected : expectations.values()) {
      if (keys.isEmpty()) {
        finding.unseen.add(SourceJudge.area(expected.source()));
        finding.unseen.add(SourceJudge.liveArea(expected.source()));
      } else {
        source(finding, expected, begun(keys.get(), expected.source()), drilled, ran);
      }
    }
    finding
        .part(RECOVERIES, "recoveries", recoveries::get)
        .ifPresent(facts -> finding.add(RecoveryJudge.runs(facts, finding.now)));
    finding
        .part(TIERS, "the tiers of the plan", tiers::get)
        .ifPresent(facts -> judge(finding, facts));
    parts.forEach((area, judged) -> finding.part(area, area, judged::get).ifPresent(finding::add));
    Look look = finding.look();
    last = look;
    return look;
  }

  /** The alarms that recoveries are, for who is told of one as it ends. */
  public static List<Alarm> alarms(List<RecoveryFact> recoveries, Instant now) {
    return RecoveryJudge.runs(recoveries, now);
  }

  private void judge(Finding finding, List<TierFact> facts) {
    Map<String, Look.SourceFigures> figures = new HashMap<>();
    finding.figures.forEach(one -> figures.put(one.name(), one));
    boolean hidden =
        facts.stream()
            .flatMap(fact -> fact.sources().stream())
            .anyMatch(source -> finding.unseen.contains(SourceJudge.area(source)));
    if (hidden || finding.unseen.contains(COPIES)) {
      finding.unseen.add(TIERS); // what is wrong with them may lie in what was not seen
    }
    finding.add(
        RecoveryJudge.tiers(facts, figures, expectations.keySet(), List.copyOf(finding.alarms)));
  }

  /** What the last look found; empty before the first. Never waits for a store. */
  public Optional<Look> lastLook() {
    return Optional.ofNullable(last);
  }

  /**
   * The health by the last look.
   *
   * @param fresh how long ago that may be: one that is older says nothing
   */
  public Health health(Duration fresh) {
    Look look = last;
    Instant now = clock.instant();
    if (look != null && !look.at().plus(fresh).isBefore(now)) {
      return Health.of(look.alarms(), Optional.of(look.at()));
    }
    List<Alarm> alarms = new ArrayList<>();
    alarms.add(
        notLooked(
            REPOSITORY,
            "everything",
            "a look within " + Said.span(fresh),
            look == null ? "there was none" : "the last one was at " + Said.time(look.at()),
            "See whether the process that looks still runs."));
    if (look != null) {
      alarms.addAll(look.alarms());
    }
    return Health.of(alarms, Optional.ofNullable(look).map(Look::at));
  }

  /** When the repository came to know a source; when it began itself, if it does not know it. */
  private static Instant begun(KeysReport keys, String source) {
    Optional<Instant> known =
        keys.trees().stream()
            .filter(tree -> tree.source().filter(source::equals).isPresent())
            .flatMap(tree -> tree.epochs().stream().limit(1))
            .map(KeysReport.Epoch::since)
            .findFirst();
    return known
        .or(
            () ->
                keys.trees().stream()
                    .filter(tree -> tree.source().isEmpty())
                    .flatMap(tree -> tree.epochs().stream().limit(1))
                    .map(KeysReport.Epoch::since)
                    .findFirst())
        .orElse(Instant.EPOCH);
  }

  private void source(
      Finding finding,
      Expectation expected,
      Instant begun,
      Optional<List<DrillFact>> drilled,
      Optional<List<RunFact>> ran) {
    String name = expected.source();
    Optional<List<Taken>> backups =
        finding.part(SourceJudge.area(name), name, () -> evidence.backups(name));
    SourceJudge judge = new SourceJudge(expected, finding.now, backups.orElse(List.of()));
    drilled.ifPresent(facts -> judge.drills(facts, begun));
    if (backups.isEmpty()) {
      finding.unseen.add(SourceJudge.liveArea(name));
      finding.unseen.add(RUNS); // what of them counts is not known without the backups
      finding.add(judge.alarms());
      return;
    }
    judge.backups(begun);
    ran.ifPresent(judge::runs);
    Optional<SourceStatus> status =
        finding.part(SourceJudge.area(name), name, () -> evidence.status(name));
    status.ifPresent(judge::status);
    Optional<ServerLog> log =
        !live
            ? Optional.empty()
            : finding
                .part(
                    SourceJudge.liveArea(name),
                    "the server of " + name,
                    () -> evidence.serverLog(name))
                .flatMap(answer -> answer);
    log.flatMap(ServerLog::slot).ifPresent(judge::slot);
    Optional<Duration> lag = status.flatMap(stored -> unstored(name, finding.now, stored, log));
    boolean server = status.filter(stored -> !stored.windows().isEmpty()).isPresent();
    if (server) {
      judge.lag(lag, log.isPresent());
    }
    finding.add(judge.alarms());
    Optional<Taken> good = judge.lastGood();
    finding.figures.add(
        new Look.SourceFigures(
            name,
            good.map(backup -> Duration.between(backup.stoppedAt(), finding.now)),
            lag,
            good.map(Taken::bytes),
            good.map(Taken::duration)));
  }

  /**
   * How old the oldest change can be that is not stored. By what is stored alone it grows while
   * nothing is written; so where the server tells how far it is, that is marked, and once it is
   * stored nothing older is missing.
   */
  private Optional<Duration> unstored(
      String name, Instant now, SourceStatus status, Optional<ServerLog> log) {
    Mark mark = marks.get(name);
    if (log.isEmpty()) {
      marks.remove(name);
      return status.lag();
    }
    if (SourceJudge.allStored(log.get(), status)) {
      marks.put(name, new Mark(now, log.get(), Optional.of(now)));
      return Optional.of(Duration.ZERO);
    }
    boolean reached = mark != null && SourceJudge.allStored(mark.log(), status);
    Optional<Instant> until =
        mark == null ? Optional.empty() : reached ? Optional.of(mark.at()) : mark.storedUntil();
    if (mark == null || reached) {
      marks.put(name, new Mark(now, log.get(), until));
    }
    Optional<Duration> byMark = until.map(time -> Duration.between(time, now));
    return byMark.isEmpty()
        ? status.lag()
        : status.lag().filter(stored -> stored.compareTo(byMark.get()) < 0).or(() -> byMark);
  }

  private void recipients(Finding finding) {
    Instant before = tried;
    if (before != null && finding.now.isBefore(before.plus(recipientsEvery))) {
      return;
    }
    finding
        .part(RECIPIENTS, "recipients", evidence::checkKeys)
        .map(RepositoryJudge::recipients)
        .ifPresent(
            alarms -> {
              // While one is wrong all are tried at each look: the alarm ends when it is right.
              tried = alarms.isEmpty() ? finding.now : null;
              finding.add(alarms);
            });
  }

  private static Alarm notLooked(
      String area, String subject, String expected, String found, String remedy) {
    return new Alarm(
        AlarmKind.NOT_LOOKED,
        Severity.CRITICAL,
        area,
        subject,
        Optional.empty(),
        expected,
        found,
        remedy);
  }

  /** What a look has found so far. */
  private final class Finding {
    private final Instant now;
    private final List<Alarm> alarms = new ArrayList<>();
    private final List<Look.SourceFigures> figures = new ArrayList<>();
    private final Set<String> unseen = new HashSet<>();

    private Finding(Instant now) {
      this.now = now;
    }

    private void add(List<Alarm> more) {
      alarms.addAll(more);
    }

    /** Does one part within the limit; empty, and an alarm, if that does not work. */
    private <T> Optional<T> part(String area, String subject, Callable<T> work) {
      Thread before = leftBehind.get(area);
      if (before != null && before.isAlive()) {
        return failed(
            area,
            subject,
            "an earlier look at it has not ended",
            "See why its store gives no answer.");
      }
      FutureTask<T> task = new FutureTask<>(work);
      Thread thread = new Thread(task, "monitor " + area);
      thread.setDaemon(true);
      thread.start();
      try {
        return Optional.of(task.get(limit.toMillis(), TimeUnit.MILLISECONDS));
      } catch (TimeoutException e) {
        leftBehind.put(area, thread);
        task.cancel(true);
        return failed(
            area,
            subject,
            "no answer within " + Said.span(limit),
            "See why its store or its server gives no answer.");
      } catch (InterruptedException e) {
        task.cancel(true);
        Thread.currentThread().interrupt();
        return failed(area, subject, "the look was interrupted", "Look again.");
      } catch (ExecutionException e) {
        Throwable cause = e.getCause() == null ? e : e.getCause();
        if (cause instanceof Error error && !(cause instanceof LinkageError)) {
          throw error;
        }
        return failed(area, subject, said(cause), remedy(cause));
      }
    }

    private <T> Optional<T> failed(String area, String subject, String found, String remedy) {
      unseen.add(area);
      alarms.add(notLooked(area, subject, "an answer", found, remedy));
      return Optional.empty();
    }

    private Look look() {
      Map<String, Alarm> byId = new LinkedHashMap<>();
      alarms.stream()
          .sorted(Comparator.comparing(Alarm::severity).reversed())
          .forEach(alarm -> byId.putIfAbsent(alarm.id(), alarm));
      return new Look(now, List.copyOf(byId.values()), figures, unseen);
    }
  }

  private static String said(Throwable failure) {
    return failure instanceof ClassifiedFailure classified
        ? failure.getMessage() + " (" + classified.code() + ")"
        : failure.toString();
  }

  private static String remedy(Throwable failure) {
    return failure instanceof ClassifiedFailure classified && !classified.remedy().isEmpty()
        ? classified.remedy()
        : "See why it gives no answer.";
  }

  /** Collects what to look at. */
  public static final class Builder {
    private final Evidence evidence;
    private final List<String> sources;
    private final Map<String, Expectation> expectations = new LinkedHashMap<>();
    private Supplier<List<DrillFact>> drills = List::of;
    private Supplier<List<RunFact>> runs = List::of;
    private Supplier<List<RecoveryFact>> recoveries = List::of;
    private Supplier<List<TierFact>> tiers = List::of;
    private final Map<String, Supplier<List<Alarm>>> parts = new LinkedHashMap<>();
    private Clock clock = Clock.systemUTC();
    private Duration limit = Duration.ofSeconds(30);
    private Duration recipientsEvery = Duration.ofDays(1);
    private boolean live = true;
    private boolean recipients = true;

    private Builder(Evidence evidence, List<String> sources) {
      this.evidence = evidence;
      this.sources = List.copyOf(sources);
      this.sources.forEach(name -> expectations.put(name, Expectation.builder(name).build()));
    }

    /** Says what is expected of a source; of each other one, that it has a backup. */
    public Builder expect(Expectation expectation) {
      if (expectations.replace(expectation.source(), expectation) == null) {
        throw BackupException.of(
                "source.not-configured",
                FailureKind.CONFIGURATION,
                "Something is expected of source "
                    + expectation.source()
                    + ", and there is none of that name")
            .remedy("Name one of " + String.join(", ", sources) + ".")
            .build();
      }
      return this;
    }

    /** Says where the drills are recorded that were done; there are none, otherwise. */
    public Builder drills(Supplier<List<DrillFact>> recorded) {
      this.drills = recorded;
      return this;
    }

    /**
     * Says where runs are recorded; there is no record, otherwise, and no alarm of failing ones.
     */
    public Builder runs(Supplier<List<RunFact>> recorded) {
      this.runs = recorded;
      return this;
    }

    /** Says where recoveries from disasters are recorded; there are none, otherwise. */
    public Builder recoveries(Supplier<List<RecoveryFact>> recorded) {
      this.recoveries = recorded;
      return this;
    }

    /** Says what a plan promises of its tiers; nothing, otherwise. */
    public Builder tiers(Supplier<List<TierFact>> promised) {
      this.tiers = promised;
      return this;
    }

    /**
     * Adds a part of a look, which somebody else judges.
     *
     * @param area names it; each of its alarms has it as their area
     */
    public Builder part(String area, Supplier<List<Alarm>> judged) {
      this.parts.put(area, judged);
      return this;
    }

    /** Replaces the system's clock. */
    public Builder clock(Clock value) {
      this.clock = value;
      return this;
    }

    /** Limits each part of a look; 30 seconds, otherwise. */
    public Builder limit(Duration perPart) {
      this.limit = perPart;
      return this;
    }

    /** Chooses how often recipients that all answered are tried again; daily, otherwise. */
    public Builder recipientsEvery(Duration interval) {
      this.recipientsEvery = interval;
      return this;
    }

    /**
     * Chooses whether recipients are tried at all; they are, otherwise. It may take a request to
     * each service of keys, or some time of this machine.
     */
    public Builder recipients(boolean tried) {
      this.recipients = tried;
      return this;
    }

    /**
     * Chooses whether servers are asked how far they are and what slots keep; they are, otherwise.
     * Without it there are no alarms of slots, and quiet times look like lag.
     */
    public Builder live(boolean asked) {
      this.live = asked;
      return this;
    }

    /** The monitor. Contacts nobody yet. */
    public Monitor build() {
      return new Monitor(this, evidence, Map.copyOf(expectations));
    }
  }
}
