package com.thorbis.backup.dr.drill;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport.Reached;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.SourceStatus.Window;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.dr.drill.Checks.Finding;
import com.thorbis.backup.dr.drill.Checks.Scope;
import com.thorbis.backup.dr.drill.DrillCheck.Category;
import com.thorbis.backup.dr.drill.DrillCheck.Outcome;
import com.thorbis.backup.dr.drill.DrillReport.Choice;
import com.thorbis.backup.dr.drill.DrillReport.Loss;
import com.thorbis.backup.dr.drill.DrillReport.Problem;
import com.thorbis.backup.dr.drill.DrillReport.Status;
import com.thorbis.backup.dr.drill.DrillReport.Verdict;
import com.thorbis.backup.dr.internal.ThisHost;
import com.thorbis.backup.spi.engine.Trial;
import com.thorbis.backup.spi.engine.TrialEngine;
import com.thorbis.backup.spi.engine.TrialRequest;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Tries whether a source comes back: restores it apart from everything, starts its server, replays
 * the log to a moment, looks at what is there, damages it on purpose to see that the looking finds
 * it, and throws it away. What was seen is kept, whatever came of it. Used by one thread.
 */
public final class Drill {
  /** How far back a random drill looks. */
  private static final Duration WITHIN = Duration.ofDays(30);

  private static final Duration SHIPPING = Duration.ofSeconds(30);
  private static final long POLL_MILLIS = 250;

  /** A copy may be far away. */
  private static final long COPY_POLL_MILLIS = 2000;

  /** How a drill of the latest moment says that it was chosen. */
  static final String LATEST = "latest";

  private static final String BEHIND = "drill.copy-behind";
  private static final String UNREACHABLE = "restore.unreachable";
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final DateTimeFormatter ID =
      DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);

  private final ThorbisBackup opened;
  private final String source;
  private final TrialEngine engine;
  private final DrillSettings settings;
  private final DrillHistory history;
  private final Consumer<DrillReport> recorder;
  private final boolean verification;
  private final Clock clock;
  private final Basis basis;
  private final boolean negativeControl;
  private final Duration shipping;
  private final @Nullable BackupId backup;
  private final @Nullable Instant to;
  private final @Nullable RecoveryTarget target;
  private final OptionalLong seed;
  private final @Nullable String copy;

  private Drill(Builder builder) {
    this.opened = builder.opened;
    this.source = builder.source;
    this.engine = opened.engine(source, TrialEngine.class);
    this.settings = builder.settings;
    this.history = new DrillHistory(Objects.requireNonNull(builder.state), source);
    this.recorder = builder.recorder;
    this.verification = builder.verification;
    this.clock = builder.clock;
    this.basis =
        new Basis(
            builder.product,
            Optional.ofNullable(builder.plan),
            Optional.of(builder.environment != null ? builder.environment : environment(settings)));
    this.negativeControl = builder.negativeControl;
    this.shipping = builder.shipping;
    this.backup = builder.backup;
    this.to = builder.to;
    this.target = builder.target;
    this.seed = builder.seed;
    this.copy = builder.copy == null ? null : opened.configuredCopy(builder.copy).name();
  }

  /**
   * Starts one.
   *
   * @param opened stays the caller's
   * @param stateDirectory where reports are kept
   */
  public static Builder builder(ThorbisBackup opened, String source, Path stateDirectory) {
    return new Builder(opened, source, stateDirectory);
  }

  /** Where drills with these settings are done unless it is said otherwise, in words. */
  public static String environment(DrillSettings settings) {
    return ThisHost.words() + settings.workDirectory().map(it -> ", in " + it).orElse("");
  }

  /**
   * What would be tried, and why it should be.
   *
   * @param plan the way there
   * @param choice what was chosen
   * @param retest why the last passed drill does not speak for the source any more; empty if it
   *     does
   */
  public record Plan(RestorePlan plan, Choice choice, List<String> retest) {
    /** Copies the list. */
    public Plan {
      retest = List.copyOf(retest);
    }
  }

  /** Says what would be tried. Writes nothing, also no sentinel. */
  public Plan plan() throws IOException {
    try (Reading reading = reading()) {
      return plan(reading);
    }
  }

  private Plan plan(Reading reading) throws IOException {
    Selector chosen = select(reading);
    RestorePlan plan = engine.planTrial(request(chosen), reading.repository());
    return new Plan(
        plan,
        choice(chosen, Optional.of(plan)),
        DrillHistory.needsRetest(
            history.reports(),
            plan.backup().type().label(),
            plan.backup().cluster().majorVersion(),
            basis,
            settings.digest()));
  }

  /**
   * Writes a sentinel to the live source.
   *
   * @return when, by the source's clock
   */
  public Instant writeSentinel() throws IOException {
    return sentinels()
        .orElseThrow(
            () ->
                BackupException.of(
                        "drill.no-sentinel",
                        FailureKind.CONFIGURATION,
                        "Source " + source + " has no table for sentinels")
                    .remedy("Set drill.sentinel.table.")
                    .build())
        .write(engine)
        .at();
  }

  private Optional<Sentinels> sentinels() throws IOException {
    return settings.sentinel().isEmpty()
        ? Optional.empty()
        : Optional.of(new Sentinels(history.folder(), settings.sentinel().get()));
  }

  private String selection() {
    return seed.isPresent() ? "random" : latest() ? LATEST : "given";
  }

  private boolean latest() {
    return backup == null && to == null && target == null && seed.isEmpty();
  }

  /**
   * What is read: all copies, or the one that was named.
   *
   * @param own whether it was opened for this drill
   */
  private record Reading(Repository repository, boolean own) implements AutoCloseable {
    @Override
    public void close() throws IOException {
      if (own) {
        repository.close();
      }
    }
  }

  private Reading reading() throws IOException {
    return copy == null
        ? new Reading(opened.repository(), false)
        : new Reading(opened.openCopy(copy), true);
  }

  private Selector select(Reading reading) throws IOException {
    if (seed.isPresent()) {
      return Selector.random(
          source,
          reading.repository().backups(Optional.of(source)),
          engine.status(reading.repository()).windows(),
          WITHIN,
          clock.instant(),
          Optional.ofNullable(to),
          seed.getAsLong());
    }
    RecoveryTarget moment =
        target != null
            ? target
            : to == null ? new RecoveryTarget.Latest() : new RecoveryTarget.AtTime(to, true);
    return new Selector(Optional.ofNullable(backup), moment, Optional.empty());
  }

  private TrialRequest request(Selector chosen) {
    TrialRequest.Builder request = TrialRequest.builder(source).target(chosen.target());
    chosen.backup().ifPresent(request::backup);
    chosen.timeline().ifPresent(request::timeline);
    settings.workDirectory().ifPresent(request::workDirectory);
    settings.server().forEach(request::server);
    return request.build();
  }

  private Choice choice(Selector chosen, Optional<RestorePlan> plan) {
    Optional<BackupDescriptor> from = plan.map(RestorePlan::backup);
    return new Choice(
        selection(),
        seed,
        words(chosen.target()),
        from.map(it -> it.id().value()).or(() -> chosen.backup().map(BackupId::value)),
        from.map(it -> it.type().label()),
        from.map(it -> OptionalLong.of(it.cluster().majorVersion())).orElse(OptionalLong.empty()),
        plan.flatMap(RestorePlan::timeline).or(chosen::timeline),
        from.map(BackupDescriptor::copies).orElse(List.of()),
        Optional.ofNullable(copy));
  }

  private static String words(RecoveryTarget target) {
    if (target instanceof RecoveryTarget.AtTime at) {
      return at.time().toString();
    }
    return target instanceof RecoveryTarget.Latest ? LATEST : "the end of the backup";
  }

  /** Tries it. What stands in the way is in the report, which is kept before this returns. */
  public DrillReport run(RunControl control) throws IOException {
    Cancellation enough = new Cancellation();
    AtomicBoolean late = new AtomicBoolean();
    Thread timer = timer(enough, late);
    Attempt attempt = new Attempt(new RunControl(enough, control.progress()));
    try (Cancellation.Registration registered = control.cancellation().onCancel(enough::cancel)) {
      attempt.run();
    } catch (BackupException e) {
      attempt.ended(e, late.get());
    } catch (IOException e) {
      attempt.ended(BackupException.from(e), late.get());
    } catch (SQLException e) {
      attempt.ended(
          BackupException.of(
                  "drill.server-silent",
                  FailureKind.PERMANENT,
                  "The restored server does not answer: " + Checks.words(e))
              .cause(e)
              .build(),
          late.get());
    } catch (RuntimeException e) {
      attempt.ended(
          BackupException.of("drill.unexpected", FailureKind.PERMANENT, "The drill broke off: " + e)
              .cause(e)
              .build(),
          late.get());
    } finally {
      timer.interrupt();
    }
    DrillReport report = attempt.report();
    // A full disk here must not keep the evidence from where it can be written.
    recorder.accept(report);
    if (!verification) {
      history.add(report);
    }
    return report;
  }

  private Thread timer(Cancellation enough, AtomicBoolean late) {
    Thread timer =
        new Thread(
            () -> {
              try {
                TimeUnit.MILLISECONDS.sleep(settings.deadline().toMillis());
                late.set(true);
                enough.cancel();
              } catch (InterruptedException e) {
                return; // it was in time
              }
            },
            "drill-deadline");
    timer.setDaemon(true);
    timer.start();
    return timer;
  }

  /**
   * Where the live source is.
   *
   * @param timeline empty if it only follows
   */
  private record Position(
      Lsn lsn, long nextTransaction, Instant time, Optional<Timeline> timeline) {}

  /** A check that may fail as the server or its files do. */
  @FunctionalInterface
  private interface Look {
    Finding look() throws SQLException, IOException;
  }

  /** One run, and what it has seen so far. */
  private final class Attempt {
    private final RunControl control;
    private final Instant startedAt = clock.instant().truncatedTo(ChronoUnit.MILLIS);
    private final long start = System.nanoTime();
    private final Map<String, Long> stages = new LinkedHashMap<>();
    private final List<DrillCheck> checks = new ArrayList<>();
    private List<Plant> plants = List.of();
    private List<CheckItem> isolation = List.of();
    private @Nullable Choice choice;
    private @Nullable Reached reached;
    private @Nullable Loss loss;
    private @Nullable Problem problem;
    private Status status = Status.COMPLETED;
    private Verdict verdict = Verdict.NONE;
    private long bytesFetched;
    private String unwritten = "";

    Attempt(RunControl control) {
      this.control = control;
    }

    void run() throws IOException, SQLException {
      Optional<Sentinels> sentinels = sentinels();
      Optional<Position> live = Optional.empty();
      if (latest()) {
        if (sentinels.isPresent()) {
          live = written(sentinels.get());
        }
        live = live.or(this::position);
      }
      if (copy == null) {
        Reading all = reading();
        remember(all.repository().id());
        run(all, opened.status(source), live, sentinels);
      } else {
        try (Reading reading = reading()) {
          run(reading, compared(reading.repository()), live, sentinels);
        }
      }
      judge();
    }

    /** What all copies have; of the copy alone, where they cannot be asked together. */
    private SourceStatus compared(Repository alone) throws IOException {
      String id;
      SourceStatus stored;
      try {
        stored = opened.status(source);
        id = opened.repository().id();
      } catch (BackupException | IOException e) {
        control.cancellation().check();
        Optional<String> known = history.repository();
        if (known.isPresent()) {
          requireSame(alone, known.get());
        }
        looked(
            Checks.COPY,
            Category.AVAILABILITY,
            Finding.notPerformed("what all copies have could not be told: " + e.getMessage()),
            0);
        return engine.status(alone);
      }
      requireSame(alone, id);
      remember(id);
      compare(alone, stored);
      return stored;
    }

    private void requireSame(Repository alone, String id) {
      if (!alone.id().equals(id)) {
        throw BackupException.of(
                "repository.other",
                FailureKind.PERMANENT,
                "It holds the repository " + alone.id() + ", not " + id)
            .remedy("Name the right place, or an empty one and run copies sync.")
            .build();
      }
    }

    /** For when the others cannot be asked which repository it is. */
    private void remember(String id) throws IOException {
      if (!verification) {
        history.repository(id);
      }
    }

    /** Whether the copy has what all of them have; gives it time to follow. */
    private void compare(Repository alone, SourceStatus stored) throws IOException {
      long begun = System.nanoTime();
      long end = begun + shipping.toNanos();
      Finding finding = Checks.behind(stored, engine.status(alone), settings.mostLoss());
      while (finding.outcome() == Outcome.FAILED && System.nanoTime() - end < 0) {
        control.cancellation().check();
        pause(Math.min(COPY_POLL_MILLIS, 1 + (end - System.nanoTime()) / 1_000_000));
        alone.refresh();
        finding = Checks.behind(stored, engine.status(alone), settings.mostLoss());
      }
      looked(Checks.COPY, Category.AVAILABILITY, finding, (System.nanoTime() - begun) / 1_000_000);
    }

    private void run(
        Reading reading,
        SourceStatus stored,
        Optional<Position> live,
        Optional<Sentinels> sentinels)
        throws IOException, SQLException {
      Selector chosen = select(reading);
      choice = choice(chosen, Optional.empty());
      SourceStatus before = reading.own() ? engine.status(reading.repository()) : stored;
      try (Trial trial = begun(chosen, reading)) {
        choice = choice(chosen, Optional.of(trial.plan()));
        isolation = trial.isolation();
        Reached at = trial.reached();
        reached = at;
        stages.putAll(trial.stages());
        bytesFetched = trial.bytesFetched();
        looked(
            Checks.STARTED,
            Category.AVAILABILITY,
            Finding.passed("the server was started and recovered"),
            stages.values().stream().mapToLong(Long::longValue).sum());
        validate(trial, at, before, stored, live, sentinels, chosen.target());
      }
    }

    /** Fails as a restore would. */
    private Trial begun(Selector chosen, Reading reading) throws IOException {
      control
          .progress()
          .note(
              "Drill of "
                  + source
                  + ": "
                  + words(chosen.target())
                  + (copy == null ? "" : ", from " + copy + " alone"));
      return engine.begin(request(chosen), reading.repository(), control);
    }

    /** Writes a sentinel, and gives it time to be stored. */
    private Optional<Position> written(Sentinels sentinels) throws IOException {
      Sentinels.Written one;
      try {
        one = sentinels.write(engine);
      } catch (BackupException e) {
        unwritten = "; none was written for this drill: " + e.getMessage();
        control.progress().warning("No sentinel was written: " + e.getMessage());
        return Optional.empty();
      }
      Optional<Position> position = position();
      long end = System.nanoTime() + shipping.toNanos();
      String missing = "is not stored yet";
      while (System.nanoTime() - end < 0) {
        control.cancellation().check();
        try {
          if (stored(one)) {
            return position;
          }
          missing = "is not stored yet";
          pause(POLL_MILLIS);
        } catch (BackupException e) {
          if (copy == null) {
            throw e;
          }
          // The copy that is tried was not asked, and need not be what is in the way.
          missing = "could not be looked for: " + e.getMessage();
          pause(Math.min(COPY_POLL_MILLIS, 1 + shipping.toMillis()));
        }
      }
      control.progress().note("The log of the sentinel " + missing + "; going on without it");
      return position;
    }

    private boolean stored(Sentinels.Written one) {
      return opened.status(source).windows().stream()
          .anyMatch(window -> window.toLsn().compareTo(one.after()) >= 0);
    }

    private void pause(long millis) throws InterruptedIOException {
      try {
        TimeUnit.MILLISECONDS.sleep(Math.max(1, millis));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("Interrupted while log was stored");
      }
    }

    private Optional<Position> position() {
      try (Sql live = new Sql(engine.connectSource(Optional.empty()), control.cancellation())) {
        return live
            .rows(
                row ->
                    new Position(
                        Lsn.parse(row.getString(1)),
                        row.getLong(2),
                        row.getTimestamp(3).toInstant(),
                        Optional.ofNullable(row.getString(4))
                            .map(hex -> new Timeline(Integer.parseUnsignedInt(hex, 16)))),
                "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE"
                    + " pg_current_wal_lsn() END::text,"
                    + " pg_snapshot_xmax(pg_current_snapshot())::text, clock_timestamp(), CASE WHEN"
                    + " NOT pg_is_in_recovery() THEN"
                    + " left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END")
            .stream()
            .findFirst();
      } catch (SQLException | BackupException e) {
        control.cancellation().check();
        return Optional.empty(); // a drill must not need what it stands in for
      }
    }

    private void validate(
        Trial trial,
        Reached at,
        SourceStatus before,
        SourceStatus stored,
        Optional<Position> live,
        Optional<Sentinels> sentinels,
        RecoveryTarget target)
        throws IOException, SQLException {
      long begun = System.nanoTime();
      control.progress().begin("validate", -1);
      Checks looks = new Checks(trial, control);
      if (target instanceof RecoveryTarget.Latest) {
        loss = lost(looks, at, stored, live, trial.plan().backup().cluster().segmentSize());
      }
      Instant moment = target instanceof RecoveryTarget.Latest ? startedAt : recovered(trial, at);
      List<Sentinels.Written> known = sentinels.isPresent() ? sentinels.get().known() : List.of();
      Timeline planned = trial.plan().timeline().orElseThrow();
      look(Checks.CLUSTER, Category.INTEGRITY, () -> looks.cluster(planned));
      Optional<Timeline> now = live.flatMap(Position::timeline);
      if (now.isPresent()) {
        look(Checks.TIMELINE, Category.INTEGRITY, () -> Checks.timeline(planned, now.get()));
      } else if (target instanceof RecoveryTarget.Latest) {
        // Told only: a drill must not need what it stands in for.
        checks.add(
            new DrillCheck(
                Checks.TIMELINE,
                Category.INTEGRITY,
                false,
                DrillCheck.Outcome.NOT_PERFORMED,
                "the source does not answer, or is no primary",
                0));
      }
      look(Checks.TARGET, Category.AVAILABILITY, () -> Checks.target(trial.plan(), at));
      look(Checks.LOG, Category.INTEGRITY, () -> Checks.log(before.gaps(), trial.plan()));
      look(Checks.TABLES, Category.INTEGRITY, () -> looks.tables(Scope.ALL, settings.readBudget()));
      look(Checks.INDEXES, Category.INTEGRITY, () -> looks.indexes(Scope.ALL));
      look(Checks.HEAP, Category.INTEGRITY, () -> looks.heap(Scope.ALL));
      look(Checks.CONSTRAINTS, Category.INTEGRITY, () -> looks.constraints(Scope.ALL));
      if (sentinels.isPresent()) {
        look(Checks.SENTINEL, Category.INTEGRITY, () -> found(looks, sentinels.get(), known, at));
      }
      Loss measured = loss;
      if (measured != null && settings.mostLoss().isPresent()) {
        look(
            Checks.LOSS,
            Category.AVAILABILITY,
            () -> withinLoss(measured, settings.mostLoss().get()));
      }
      for (Assertion each : settings.assertions()) {
        look(
            each.name(),
            Category.BUSINESS,
            () -> looks.assertion(each, moment, settings.statementTimeout()));
      }
      for (Assertion.Pace each : settings.paces()) {
        pace(looks, each);
      }
      advise(Checks.ROLES, looks::roles);
      advise(Checks.REACH, looks::reach);
      stage("validate", begun);

      begun = System.nanoTime();
      Plants negative = new Plants(looks, place(looks));
      boolean controlled = negativeControl && checks.stream().allMatch(DrillCheck::holds);
      if (controlled) {
        control.progress().begin("negative-control", -1);
        plant(negative, trial, at, stored, sentinels, known, moment);
        stage("negative-control", begun);
      }

      begun = System.nanoTime();
      control.progress().begin("pages", -1);
      trial.stop();
      look(Checks.PAGES, Category.INTEGRITY, looks::pages);
      if (controlled && passed(Checks.PAGES)) {
        negative.changedPage(trial);
      }
      stage("pages", begun);
      plants = negative.plants();
    }

    private String place(Checks looks) throws SQLException {
      List<String> databases = looks.databases();
      return databases.stream()
          .filter(name -> !name.equals("postgres"))
          .findFirst()
          .or(() -> databases.stream().findFirst())
          .orElse(Checks.MAINTENANCE);
    }

    private void plant(
        Plants plants,
        Trial trial,
        Reached at,
        SourceStatus stored,
        Optional<Sentinels> sentinels,
        List<Sentinels.Written> known,
        Instant moment)
        throws SQLException {
      plants.told(trial.plan(), at);
      Timeline planned = trial.plan().timeline().orElseThrow();
      Timeline other = new Timeline(planned.number() + 1);
      if (passed(Checks.TIMELINE)) {
        plants.judged(
            Checks.TIMELINE,
            "the live source is on timeline " + other,
            Checks.timeline(planned, other),
            "on timeline " + other);
      }
      if (passed(Checks.COPY)) {
        plants.judged(
            Checks.COPY,
            "nothing lies on the copy",
            Checks.behind(
                stored, SourceStatus.nothing(source, stored.fenced()), settings.mostLoss()),
            "behind");
      }
      if (passed(Checks.TABLES)) {
        plants.lostFile(settings.readBudget());
      }
      if (passed(Checks.INDEXES)) {
        plants.missingEntry();
      }
      if (passed(Checks.HEAP)) {
        plants.tooOldRow();
      }
      if (passed(Checks.CONSTRAINTS)) {
        plants.brokenConstraints();
      }
      if (sentinels.isPresent() && passed(Checks.SENTINEL)) {
        plants.sentinels(sentinels.get(), known, at);
      }
      Loss measured = loss;
      if (measured != null && settings.mostLoss().isPresent()) {
        Duration most = settings.mostLoss().get();
        plants.judged(
            Checks.LOSS,
            "more than " + most + " were lost",
            withinLoss(
                new Loss(
                    true,
                    1,
                    OptionalLong.of(1),
                    OptionalLong.of(1),
                    Optional.of(most.plusMillis(1))),
                most),
            "more than");
      }
      for (Assertion each : settings.assertions()) {
        if (passed(each.name())) {
          plants.assertion(each, moment, settings.statementTimeout());
        }
      }
      for (Assertion.Pace each : settings.paces()) {
        plants.judged(
            each.name(),
            "it takes a hundred times as long",
            inPace(100L * each.mostPercent(), OptionalLong.of(100), each.mostPercent()),
            "not more than");
      }
    }

    private Finding found(
        Checks looks, Sentinels sentinels, List<Sentinels.Written> known, Reached at)
        throws SQLException {
      try (Sql session = looks.session(sentinels.table().database())) {
        Finding finding = sentinels.judge(session, known, at.lsn());
        return new Finding(finding.outcome(), finding.detail() + unwritten);
      }
    }

    private void look(String name, Category category, Look look) {
      long begun = System.nanoTime();
      Finding finding;
      try {
        control.cancellation().check();
        finding = look.look();
      } catch (SQLException e) {
        control.cancellation().check();
        finding = Finding.failed("the restored server does not answer: " + Checks.words(e));
      } catch (IOException e) {
        finding = Finding.failed("its files cannot be read: " + e.getMessage());
      }
      looked(name, category, finding, (System.nanoTime() - begun) / 1_000_000);
    }

    private void looked(String name, Category category, Finding finding, long millis) {
      // A cluster without checksums, and others that are gone: what a copy is kept for.
      boolean cannot =
          finding.outcome() == Outcome.NOT_PERFORMED
              && (name.equals(Checks.PAGES) || name.equals(Checks.COPY));
      checks.add(
          new DrillCheck(
              name,
              category,
              !cannot && !settings.advisory().contains(name),
              finding.outcome(),
              finding.detail(),
              millis));
    }

    private void advise(String name, Look look) {
      look(name, Category.SECURITY, look);
      DrillCheck last = checks.remove(checks.size() - 1);
      checks.add(
          new DrillCheck(
              name, last.category(), false, last.outcome(), last.detail(), last.millis()));
    }

    private void pace(Checks looks, Assertion.Pace pace) throws IOException {
      OptionalLong usual = DrillHistory.usual(history.reports(), pace.name());
      long took = 0;
      Finding finding;
      try {
        took = looks.pace(pace, settings.statementTimeout());
        finding = inPace(took, usual, pace.mostPercent());
      } catch (SQLException e) {
        control.cancellation().check();
        finding = Finding.failed("the query fails: " + Checks.words(e));
      }
      checks.add(
          new DrillCheck(
              pace.name(),
              Category.PERFORMANCE,
              finding.outcome() != Outcome.NOT_PERFORMED
                  && !settings.advisory().contains(pace.name()),
              finding.outcome(),
              finding.detail(),
              took));
    }

    private boolean passed(String check) {
      return checks.stream()
          .anyMatch(it -> it.name().equals(check) && it.outcome() == Outcome.PASSED);
    }

    private void stage(String name, long begun) {
      control.progress().end(name);
      stages.put(name, (System.nanoTime() - begun) / 1_000_000);
    }

    private Instant recovered(Trial trial, Reached at) {
      return at.time().orElse(trial.plan().backup().stoppedAt());
    }

    private Loss lost(
        Checks looks, Reached at, SourceStatus stored, Optional<Position> live, WalSegmentSize size)
        throws SQLException {
      Lsn end =
          live.map(Position::lsn)
              .or(() -> stored.windows().stream().map(Window::toLsn).max(Lsn::compareTo))
              .orElse(at.lsn());
      long bytes = Math.max(0, end.value() - at.lsn().value());
      OptionalLong files = OptionalLong.of(files(at.lsn(), bytes, size));
      if (live.isEmpty()) {
        return new Loss(
            false,
            bytes,
            files,
            OptionalLong.empty(),
            at.time().map(time -> since(time, startedAt)));
      }
      long next;
      try (Sql session = looks.session(Checks.MAINTENANCE)) {
        next = Long.parseLong(session.text("SELECT pg_snapshot_xmax(pg_current_snapshot())"));
      }
      long transactions = bytes == 0 ? 0 : Math.max(0, live.get().nextTransaction() - next);
      return new Loss(
          true,
          bytes,
          files,
          OptionalLong.of(transactions),
          transactions == 0
              ? Optional.of(Duration.ZERO)
              : at.time().map(time -> since(time, live.get().time())));
    }

    private Duration since(Instant from, Instant to) {
      return from.isAfter(to) ? Duration.ZERO : Duration.between(from, to);
    }

    /** Puts what was seen together. */
    private void judge() {
      List<DrillCheck> failed = checks.stream().filter(check -> !check.holds()).toList();
      if (!failed.isEmpty()) {
        verdict = Verdict.FAILED;
        problem =
            new Problem(
                lags() ? BEHIND : "drill.check-failed",
                from()
                    + failed.stream()
                        .map(it -> it.name() + " " + it.outcome().label() + ": " + it.detail())
                        .collect(Collectors.joining("; ")),
                "Until it is mended, do not count on restoring " + source + ".");
        return;
      }
      List<Plant> blind = blind(checks, plants);
      if (!blind.isEmpty()) {
        verdict = Verdict.FAILED;
        problem =
            new Problem(
                "drill.blind",
                blind.stream()
                    .map(
                        it ->
                            it.check()
                                + " did not notice: "
                                + it.damage()
                                + " ("
                                + it.detail()
                                + ")")
                    .collect(Collectors.joining("; ")),
                "A check that cannot fail proves nothing: mend it, or make it advisory.");
        return;
      }
      verdict = Verdict.PASSED;
    }

    void ended(BackupException e, boolean late) {
      boolean cancelled = e.kind() == FailureKind.CANCELLED;
      if (cancelled && late) {
        status = Status.ABORTED;
        verdict = Verdict.FAILED;
        problem =
            new Problem(
                "drill.deadline",
                from() + "It was not done within " + settings.deadline(),
                "Give it more time with drill.deadline, or find what became slow.");
        return;
      }
      if (copy != null && e.kind() == FailureKind.TRANSIENT && e.code().startsWith("storage.")) {
        // Whether it has everything nobody knows; that it gives nothing back now is known.
        status = Status.ABORTED;
        verdict = Verdict.FAILED;
        problem =
            new Problem(
                "drill.copy-unreachable",
                from() + "it could not be asked: " + e.getMessage(),
                "Bring it back, and try it again.");
        return;
      }
      boolean proves = !cancelled && proves(e);
      status = proves ? Status.COMPLETED : Status.ABORTED;
      verdict = proves ? Verdict.FAILED : Verdict.NONE;
      boolean lacks = e.kind() == FailureKind.NOT_FOUND || e.code().equals(UNREACHABLE);
      problem =
          lacks && lags()
              ? new Problem(
                  BEHIND,
                  from()
                      + copyCheck().orElseThrow().detail()
                      + "; "
                      + e.code()
                      + ": "
                      + e.getMessage(),
                  "Run copies sync.")
              : new Problem(e.code(), from() + e.getMessage(), e.remedy());
      if (proves && !looked(Checks.STARTED)) {
        looked(
            Checks.STARTED,
            Category.AVAILABILITY,
            Finding.failed(e.code() + ": " + e.getMessage()),
            (System.nanoTime() - start) / 1_000_000);
      }
    }

    /** How a problem with one copy begins. */
    private String from() {
      return copy == null ? "" : "From " + copy + " alone: ";
    }

    private Optional<DrillCheck> copyCheck() {
      return checks.stream().filter(it -> it.name().equals(Checks.COPY)).findFirst();
    }

    private boolean lags() {
      return copyCheck().filter(it -> it.required() && it.outcome() == Outcome.FAILED).isPresent();
    }

    private boolean looked(String check) {
      return checks.stream().anyMatch(it -> it.name().equals(check));
    }

    DrillReport report() {
      byte[] random = new byte[4];
      RANDOM.nextBytes(random);
      return new DrillReport(
          "drill-" + ID.format(startedAt) + "-" + HexFormat.of().formatHex(random),
          source,
          startedAt,
          (System.nanoTime() - start) / 1_000_000,
          status,
          verdict,
          Optional.ofNullable(problem),
          choice != null
              ? choice
              : new Choice(
                  selection(),
                  seed,
                  "",
                  Optional.empty(),
                  Optional.empty(),
                  OptionalLong.empty(),
                  Optional.empty(),
                  List.of(),
                  Optional.ofNullable(copy)),
          Optional.ofNullable(reached),
          stages,
          bytesFetched,
          isolation,
          checks,
          plants,
          Optional.ofNullable(loss),
          basis,
          settings.digest());
    }
  }

  /** Planted damage that a required check passed over. */
  static List<Plant> blind(List<DrillCheck> checks, List<Plant> plants) {
    return plants.stream()
        .filter(plant -> plant.result() == Plant.Result.UNDETECTED)
        .filter(
            plant ->
                checks.stream()
                    .anyMatch(check -> check.required() && check.name().equals(plant.check())))
        .toList();
  }

  /** Whether a failure says something of the source, and not of this host or its settings. */
  static boolean proves(BackupException e) {
    return switch (e.kind()) {
      case DAMAGED, NOT_FOUND -> true;
      case PERMANENT -> !e.code().startsWith("file.");
      default -> e.code().equals(UNREACHABLE);
    };
  }

  /** How many files of log have any of so many bytes behind a position. */
  static long files(Lsn from, long bytes, WalSegmentSize size) {
    long first = Long.divideUnsigned(from.value(), size.bytes());
    long last = Long.divideUnsigned(from.value() + bytes - 1, size.bytes());
    return bytes == 0 ? 0 : last - first + 1;
  }

  static Finding withinLoss(Loss loss, Duration most) {
    if (loss.time().isEmpty()) {
      return Finding.notPerformed("no commit was replayed, so nobody knows how much was lost");
    }
    Duration lost = loss.time().get();
    return lost.compareTo(most) > 0
        ? Finding.failed("up to " + lost + " would have been lost, more than " + most)
        : Finding.passed("up to " + lost + " would have been lost");
  }

  static Finding inPace(long took, OptionalLong usual, int mostPercent) {
    if (usual.isEmpty()) {
      return Finding.notPerformed("it took " + took + " ms, with nothing to compare it with yet");
    }
    // Below some milliseconds a clock measures chance.
    long most = Math.max(50, usual.getAsLong() * mostPercent / 100);
    return took > most
        ? Finding.failed("it took " + took + " ms, not more than " + most + " were expected")
        : Finding.passed("it took " + took + " ms, usually " + usual.getAsLong());
  }

  /** Collects a drill. */
  public static final class Builder {
    private final ThorbisBackup opened;
    private final String source;
    private final Path state;
    private DrillSettings settings = DrillSettings.builder().build();
    private Consumer<DrillReport> recorder = report -> {};
    private boolean verification;
    private Clock clock = Clock.systemUTC();
    private String product = "";
    private @Nullable String plan;
    private @Nullable String environment;
    private boolean negativeControl = true;
    private Duration shipping = SHIPPING;
    private @Nullable BackupId backup;
    private @Nullable Instant to;
    private @Nullable RecoveryTarget target;
    private OptionalLong seed = OptionalLong.empty();
    private @Nullable String copy;

    private Builder(ThorbisBackup opened, String source, Path state) {
      this.opened = opened;
      this.source = source;
      this.state = state;
    }

    /** Chooses how it is tried. */
    public Builder settings(DrillSettings settings) {
      this.settings = settings;
      return this;
    }

    /**
     * Tries a backup and not the way back: no drill of the source, as it is not held to what the
     * settings ask of one, and is not among those that this host remembers.
     */
    public Builder verification() {
      this.verification = true;
      return toEndOfBackup();
    }

    /** Told the report of each run, whatever came of it, after it was kept. */
    public Builder recorder(Consumer<DrillReport> recorder) {
      this.recorder = recorder;
      return this;
    }

    /** Replaces the system's clock. */
    public Builder clock(Clock clock) {
      this.clock = clock;
      return this;
    }

    /** The version of the host's build, for reports. */
    public Builder product(String version) {
      this.product = version;
      return this;
    }

    /** The digest of the recovery plan that the source belongs to. */
    public Builder plan(String digest) {
      this.plan = digest;
      return this;
    }

    /**
     * Where it is done, in words: where they are others than those of the last drill that passed,
     * the source should be tried again. This host, its system and the work directory if not called.
     */
    public Builder environment(String words) {
      this.environment = words;
      return this;
    }

    /** Whether damage is planted to see that the checks find it; true if not called. */
    public Builder negativeControl(boolean planted) {
      this.negativeControl = planted;
      return this;
    }

    /** Waits so long for the log of a sentinel to be stored; 30 seconds if not called. */
    public Builder shipping(Duration wait) {
      this.shipping = wait;
      return this;
    }

    /** Starts from this backup. */
    public Builder backup(BackupId backup) {
      this.backup = backup;
      return this;
    }

    /** Recovers to this moment instead of the latest. */
    public Builder to(Instant moment) {
      this.to = moment;
      return this;
    }

    /** Recovers to the end of the backup alone. */
    public Builder toEndOfBackup() {
      this.target = new RecoveryTarget.Immediate();
      return this;
    }

    /**
     * Reads one copy of the repository alone, by the name that it is configured by: what it lacks,
     * no other makes up for. {@link #build} fails with {@code copy.not-configured} if there is none
     * of this name.
     */
    public Builder copy(String name) {
      this.copy = name;
      return this;
    }

    /** Tries a backup and a moment that chance chooses. */
    public Builder random() {
      return random(RANDOM.nextLong());
    }

    /** The same, with what an earlier drill had as its seed. */
    public Builder random(long seed) {
      this.seed = OptionalLong.of(seed);
      return this;
    }

    /** The drill. */
    public Drill build() {
      return new Drill(this);
    }
  }
}
