package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.drill.DrillCheck;
import com.thorbis.backup.dr.drill.DrillReport.Problem;
import com.thorbis.backup.dr.drill.DrillReport.Status;
import com.thorbis.backup.dr.drill.DrillReport.Verdict;
import com.thorbis.backup.dr.drill.Plant;
import com.thorbis.backup.dr.plan.Scenario;
import com.thorbis.backup.dr.run.RunReport;
import com.thorbis.backup.dr.run.RunReport.TaskReport;
import com.thorbis.backup.dr.run.RunStatus;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.security.SecureRandom;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Makes a disaster in an environment of its own while clients work there, has it recovered, and
 * says what the clients have seen of it. Nothing is broken unless all works before. What it was is
 * told, whatever came of it. Used by one thread.
 */
public final class Simulation {
  /** The stage until a client notices: whoever watches from further away adds to it. */
  public static final String NOTICE = "notice";

  /** The stage in which somebody or something decides about what was detected. */
  public static final String DECIDE = "decide";

  private static final Duration CLIENT_PATIENCE = Duration.ofSeconds(2);
  private static final Duration MOST_STEADY = Duration.ofSeconds(20);
  private static final Duration RECONNECTION = Duration.ofSeconds(30);
  private static final int LEAST_COMMITS = 20;
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final DateTimeFormatter ID =
      DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);

  private final LocalEnvironment.Builder environment;
  private final Fault fault;
  private final Recovery recovery;
  private final Consumer<SimulationReport> recorder;
  private final Clock clock;
  private final String product;
  private final Duration steady;
  private final int clients;
  private final Optional<Duration> objective;
  private final int mostPercent;

  private Simulation(Builder builder) {
    this.environment = builder.environment;
    this.fault = Fault.of(builder.disaster, builder.damage);
    this.recovery = builder.recovery;
    this.recorder = builder.recorder;
    this.clock = builder.clock;
    this.product = builder.product;
    this.steady = builder.steady;
    this.clients = builder.clients;
    this.objective = builder.objective;
    this.mostPercent = builder.mostPercent;
    if (fault.served()) {
      ApplicationKeeper keeper = builder.keeper;
      if (keeper == null) {
        throw BackupException.of(
                "simulation.no-keeper",
                FailureKind.CONFIGURATION,
                "Nothing is there to back the application up and to restore it")
            .remedy("Call keeper.")
            .build();
      }
      environment.served(keeper);
    }
  }

  /**
   * The disaster of a name.
   *
   * @throws BackupException code {@code simulation.unknown}
   */
  public static Scenario.Simulation disaster(String name) {
    return Arrays.stream(Scenario.Simulation.values())
        .filter(it -> it.label().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                BackupException.of(
                        "simulation.unknown",
                        FailureKind.CONFIGURATION,
                        "Unknown disaster scenario: " + name)
                    .remedy(
                        "Name one of "
                            + Arrays.stream(Scenario.Simulation.values())
                                .map(Scenario.Simulation::label)
                                .collect(Collectors.joining(", "))
                            + ".")
                    .build());
  }

  /**
   * Starts one.
   *
   * @param environment where
   */
  public static Builder builder(
      LocalEnvironment.Builder environment, Scenario.Simulation disaster, Recovery recovery) {
    return new Builder(environment, disaster, recovery);
  }

  /**
   * Makes it. What stands in the way is in the report, which the recorder has when this returns.
   */
  public SimulationReport run(RunControl control) {
    Attempted attempted = new Attempted(control);
    try {
      attempted.run();
    } catch (BackupException e) {
      attempted.ended(e);
    } catch (IOException e) {
      attempted.ended(BackupException.from(e));
    } catch (SQLException e) {
      attempted.ended(
          BackupException.of(
                  "simulation.server-silent",
                  FailureKind.PERMANENT,
                  "A server of the environment does not answer: " + e.getMessage())
              .cause(e)
              .build());
    }
    SimulationReport report = attempted.report();
    recorder.accept(report);
    return report;
  }

  /** One simulation, and what it has seen so far. */
  private final class Attempted {
    private final RunControl control;
    private final Instant startedAt = clock.instant().truncatedTo(ChronoUnit.MILLIS);
    private final long start = System.nanoTime();
    private final String id;
    private final List<DrillCheck> checks = new ArrayList<>();
    private @Nullable LocalEnvironment made;
    private @Nullable Instant disasterAt;
    private @Nullable RunReport run;
    private @Nullable Outage outage;
    private Map<String, Duration> stages = Map.of();
    private @Nullable Loss loss;
    private @Nullable GivenUp givenUp;
    private @Nullable Pace before;
    private @Nullable Pace after;
    private List<Plant> plants = List.of();
    private Status status = Status.ABORTED;
    private Verdict verdict = Verdict.NONE;
    private @Nullable Problem problem;

    Attempted(RunControl control) {
      this.control = control;
      byte[] drawn = new byte[4];
      RANDOM.nextBytes(drawn);
      this.id = "simulation-" + ID.format(startedAt) + "-" + HexFormat.of().formatHex(drawn);
    }

    void run() throws IOException, SQLException {
      control.progress().note("An environment is made");
      try (LocalEnvironment there =
          environment
              .relayed(fault.relayed())
              .captured(fault.corrupts())
              .swept(it -> control.progress().note("Removed what was left of " + it.name()))
              .start()) {
        made = there;
        try (Probe probe = probe(there)) {
          broken(there, probe);
        }
      }
    }

    private Probe probe(LocalEnvironment there) throws SQLException {
      Probe.Sessions sessions = () -> there.client(CLIENT_PATIENCE);
      return fault.served()
          ? Probe.start(
              sessions, () -> new WebTeller(there.site().url(), CLIENT_PATIENCE), clock, clients)
          : Probe.start(sessions, clock, clients);
    }

    private void broken(LocalEnvironment there, Probe probe) throws IOException, SQLException {
      if (fault.corrupts()) {
        there.lookOut();
      }
      control.progress().note("Clients commit for " + steady.toSeconds() + " s");
      Instant calm = clock.instant();
      long deadline = System.nanoTime() + MOST_STEADY.toNanos();
      rest(steady);
      while (probe.acknowledgedSince(calm) < LEAST_COMMITS && System.nanoTime() - deadline < 0) {
        rest(Duration.ofMillis(100)); // a slow host is no broken one
      }
      there.requireGoing();
      Instant enough = clock.instant();
      Pace usual = Pace.of(probe.attempts(), calm, enough);
      before = usual;
      if (usual.commits() < LEAST_COMMITS) {
        throw BackupException.of(
                "simulation.not-steady",
                FailureKind.REFUSED,
                "Nothing was broken, as the environment does not work: "
                    + usual.commits()
                    + " commits in "
                    + Duration.between(calm, enough).toSeconds()
                    + " s")
            .remedy("Find out why with less load on this host, and try again.")
            .build();
      }
      EnvironmentLease.Fault noted =
          new EnvironmentLease.Fault(
              fault.label(), clock.instant(), there.until(), fault.undoing(there), false);
      there.note(noted);
      control.progress().note("Disaster: " + fault.label());
      Instant moment = clock.instant();
      disasterAt = moment;
      RunReport recovered;
      List<Outage.Mark> marks = new ArrayList<>();
      try {
        fault.make(there);
        Instant noticed = notice(there, probe, moment);
        status = Status.COMPLETED; // from here on it is about what was tried
        recovered = recovery.recover(there, id);
        run = recovered;
        marks.add(new Outage.Mark(NOTICE, noticed));
        marks.addAll(marks(recovered));
        control.progress().note("The run " + recovered.status().label());
        awaitClients(there, probe, recovered);
      } finally {
        fault.undo(there);
        there.note(
            new EnvironmentLease.Fault(
                noted.disaster(), noted.at(), noted.until(), noted.undo(), true));
      }
      stop(probe);
      there.requireGoing();
      Outage seen = Outage.of(probe.attempts(), moment);
      outage = seen;
      stages = seen.stages(marks);
      validate(there, probe, seen, usual);
      judge(recovered, seen);
    }

    /** Until somebody notices, which is what raises the alarm. */
    private Instant notice(LocalEnvironment there, Probe probe, Instant moment) throws IOException {
      long deadline = System.nanoTime() + RECONNECTION.toNanos();
      while (true) {
        there.requireGoing();
        Optional<Instant> failure = fault.noticed(there, probe, moment);
        if (failure.isPresent()) {
          return failure.get();
        }
        if (System.nanoTime() - deadline > 0) {
          throw BackupException.of(
                  "simulation.unnoticed",
                  FailureKind.PERMANENT,
                  "Nobody noticed that " + fault.label() + " was made")
              .remedy("Find out why it has no effect; it proves nothing so.")
              .build();
        }
        rest(Duration.ofMillis(20));
      }
    }

    /** Until clients have had their way for a while, or it is clear that they do not get it. */
    private void awaitClients(LocalEnvironment there, Probe probe, RunReport recovered)
        throws IOException {
      Instant end = recovered.endedAt().orElseGet(clock::instant);
      long deadline = System.nanoTime() + RECONNECTION.toNanos();
      while (System.nanoTime() - deadline < 0) {
        there.requireGoing();
        if (probe.acknowledgedSince(end) >= LEAST_COMMITS) {
          rest(steady); // it must last
          return;
        }
        rest(Duration.ofMillis(50));
      }
    }

    private void stop(Probe probe) throws IOException {
      try {
        probe.stop();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("Interrupted in a simulation");
      }
    }

    private void rest(Duration span) throws IOException {
      control.cancellation().check();
      try {
        TimeUnit.NANOSECONDS.sleep(span.toNanos());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("Interrupted in a simulation");
      }
      control.cancellation().check();
    }

    private void validate(LocalEnvironment there, Probe probe, Outage seen, Pace usual)
        throws IOException, SQLException {
      Aftermath aftermath = new Aftermath(there, fault, probe.attempts(), probe::found, seen);
      aftermath.paced(usual, mostPercent);
      try {
        checks.addAll(aftermath.checks(control));
      } finally {
        loss = aftermath.loss();
        givenUp = aftermath.givenUp();
        after = aftermath.after();
      }
      if (checks.stream().allMatch(DrillCheck::holds)) {
        control.progress().note("What was looked at is broken on purpose, and looked at again");
        plants = new Controls(there, fault, aftermath, control).plants();
      }
    }

    private void judge(RunReport recovered, Outage seen) {
      List<String> wrong = wrong(recovered, checks, seen.downtime(), objective);
      List<String> blind = blind(plants);
      verdict = wrong.isEmpty() && blind.isEmpty() ? Verdict.PASSED : Verdict.FAILED;
      if (!wrong.isEmpty()) {
        problem =
            new Problem(
                "simulation.failed",
                String.join("; ", wrong),
                "Until it is mended, do not count on recovering from " + fault.label() + ".");
      } else if (!blind.isEmpty()) {
        problem =
            new Problem(
                "simulation.blind",
                String.join("; ", blind),
                "A check that cannot fail proves nothing: find out why on this host, and try"
                    + " again.");
      }
    }

    void ended(BackupException e) {
      boolean cancelled = e.kind() == FailureKind.CANCELLED;
      if (status == Status.COMPLETED) {
        status = cancelled ? Status.ABORTED : Status.COMPLETED;
        verdict = cancelled ? Verdict.NONE : Verdict.FAILED;
      }
      problem = new Problem(e.code(), String.valueOf(e.getMessage()), e.remedy());
    }

    SimulationReport report() {
      LocalEnvironment there = made;
      return new SimulationReport(
          id,
          fault.label(),
          there == null ? "" : there.name(),
          startedAt,
          (System.nanoTime() - start) / 1_000_000,
          status,
          verdict,
          Optional.ofNullable(problem),
          there == null ? List.of() : there.isolation(),
          Optional.ofNullable(disasterAt),
          Optional.ofNullable(run),
          Optional.ofNullable(outage),
          stages,
          objective,
          Optional.ofNullable(loss),
          there == null ? Optional.empty() : there.point(),
          Optional.ofNullable(givenUp),
          Optional.ofNullable(before),
          Optional.ofNullable(after),
          checks,
          plants,
          product);
    }
  }

  /** Why a simulation has not passed. */
  static List<String> wrong(
      RunReport run, List<DrillCheck> checks, Duration downtime, Optional<Duration> objective) {
    List<String> wrong = new ArrayList<>();
    if (run.status() != RunStatus.SUCCEEDED) {
      wrong.add("the run " + run.status().label() + ": " + run.reason());
    }
    checks.stream()
        .filter(it -> !it.holds())
        .forEach(it -> wrong.add(it.name() + " " + it.outcome().label() + ": " + it.detail()));
    if (objective.isPresent() && downtime.compareTo(objective.get()) > 0) {
      wrong.add(
          "it was away for "
              + downtime.toMillis()
              + " ms, longer than "
              + objective.get().toMillis());
    }
    return wrong;
  }

  /** Which checks did not notice what was broken on purpose, or could not be tried so. */
  static List<String> blind(List<Plant> plants) {
    return plants.stream()
        .filter(it -> it.result() != Plant.Result.DETECTED)
        .map(
            it ->
                it.check()
                    + (it.result() == Plant.Result.UNDETECTED
                        ? " did not notice: "
                        : " was not tried with: ")
                    + it.damage()
                    + " ("
                    + it.detail()
                    + ")")
        .toList();
  }

  /**
   * The ends of the run's steps, in order of time. What lies between the first step's end and the
   * next one's begin is spent deciding; between later steps it belongs to the later one.
   */
  static List<Outage.Mark> marks(RunReport run) {
    List<Outage.Mark> marks = new ArrayList<>();
    boolean first = true;
    for (TaskReport each : run.tasks()) {
      if (each.startedAt().isEmpty() || each.endedAt().isEmpty()) {
        continue;
      }
      if (marks.size() == 1 && !first) {
        marks.add(new Outage.Mark(DECIDE, each.startedAt().get()));
      }
      first = false;
      marks.add(new Outage.Mark(each.task().id(), each.endedAt().get()));
    }
    return marks;
  }

  /** Collects a simulation. */
  public static final class Builder {
    private final LocalEnvironment.Builder environment;
    private final Scenario.Simulation disaster;
    private final Recovery recovery;
    private Consumer<SimulationReport> recorder = report -> {};
    private Clock clock = Clock.systemUTC();
    private String product = "";
    private Duration steady = Duration.ofSeconds(3);
    private int clients = 4;
    private Optional<Duration> objective = Optional.empty();
    private Damage damage = Damage.STATEMENT;
    private @Nullable ApplicationKeeper keeper;
    private int mostPercent = 300;

    private Builder(
        LocalEnvironment.Builder environment, Scenario.Simulation disaster, Recovery recovery) {
      this.environment = environment;
      this.disaster = disaster;
      this.recovery = recovery;
    }

    /** Told the report, whatever came of it. */
    public Builder recorder(Consumer<SimulationReport> who) {
      this.recorder = who;
      return this;
    }

    /** Replaces the system's clock, which the run's journal should share. */
    public Builder clock(Clock time) {
      this.clock = time;
      return this;
    }

    /** The version of the host's build, for reports. */
    public Builder product(String version) {
      this.product = version;
      return this;
    }

    /** How long clients work before the disaster, and after the recovery; 3 s unless called. */
    public Builder steady(Duration span) {
      this.steady = span;
      return this;
    }

    /** How many clients work at a time; 4 unless called. */
    public Builder clients(int number) {
      this.clients = number;
      return this;
    }

    /** How long clients may be without it; unless called, as long as it takes. */
    public Builder objective(Duration longest) {
      this.objective = Optional.of(longest);
      return this;
    }

    /** How data is corrupted, where that is the disaster; by a statement unless called. */
    public Builder damage(Damage how) {
      this.damage = how;
      return this;
    }

    /** What backs the application up and restores it, where that fails. */
    public Builder keeper(ApplicationKeeper by) {
      this.keeper = by;
      return this;
    }

    /** The simulation. */
    public Simulation build() {
      return new Simulation(this);
    }
  }
}
