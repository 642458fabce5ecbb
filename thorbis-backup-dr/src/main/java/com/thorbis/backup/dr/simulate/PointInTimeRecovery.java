package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.RestoreReport.Reached;
import com.thorbis.backup.dr.failover.Detector;
import com.thorbis.backup.dr.failover.Failover;
import com.thorbis.backup.dr.failover.FailoverActions;
import com.thorbis.backup.dr.failover.FailoverFacts;
import com.thorbis.backup.dr.failover.Sighting;
import com.thorbis.backup.dr.failover.Signal;
import com.thorbis.backup.dr.run.Actions;
import com.thorbis.backup.dr.run.Result;
import com.thorbis.backup.dr.run.RunPlan;
import com.thorbis.backup.dr.run.Step;
import com.thorbis.backup.dr.run.StepContext;
import com.thorbis.backup.dr.run.Task;
import com.thorbis.backup.dr.traffic.TrafficActions;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.storage.ObjectStore;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Clock;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * The data is brought back to the last moment at which it was sound: damage is established by two
 * signals, the server fenced, the moment found by restoring and looking, and clients are led to
 * what was restored. Where the end of the log is sound, as with pages that were damaged on disk,
 * that is the moment, and nothing is given up.
 */
public final class PointInTimeRecovery extends EngineRecovery {
  /** What was found of the moment: it is sound. */
  static final String SOUND = "sound";

  /** What was found of the moment: the first later one that is known to be damaged. */
  static final String DAMAGED = "damaged";

  /** How often was restored and looked. */
  static final String LOOKS = "looks";

  /** What is wrong at the end of the log. */
  static final String CONTROL = "control";

  /** Where the recovered server left the log. */
  static final String REACHED = "reached-lsn";

  private static final String DAMAGE = "damage";
  private static final String FIND = "find";
  private static final String FENCE = "fence";
  private static final String RESTORE = "restore";
  private static final Duration PATIENCE = Duration.ofSeconds(10);
  private static final Duration SHIPPING = Duration.ofSeconds(20);
  private static final Duration RESOLUTION = Duration.ofMillis(20);

  /**
   * Prepares one.
   *
   * @param journals the folder of the local half of journals
   * @param store for their other half; stays the caller's
   */
  public PointInTimeRecovery(Path journals, ObjectStore store, Clock clock) {
    super(journals, store, clock);
  }

  @Override
  Actions actions(LocalEnvironment environment, SecretValue password) {
    Failover servers =
        Failover.builder(
                SOURCE,
                access(environment, environment.primary()),
                access(environment, environment.successor()))
            .patience(PATIENCE)
            .build();
    Detector damage =
        Detector.builder()
            .signal(new Clients(environment))
            .signal(new Server(environment))
            .looks(3, Duration.ofMillis(200))
            .build();
    Actions.Builder actions = Actions.builder();
    FailoverActions.of(List.of(servers), Map.of(DAMAGE, damage)).forEach(actions::add);
    actions.add(action("find-moment", task -> new Find(environment)));
    actions.add(action("restore", task -> new Restore(environment)));
    actions.add(action("validate", task -> new Validate(environment)));
    TrafficActions.of(Map.of(POOL, pool(environment, password))).forEach(actions::add);
    return actions.build();
  }

  @Override
  RunPlan plan(LocalEnvironment environment) {
    return RunPlan.of(
        "data-corruption",
        "The data of environment " + environment.name() + " is brought back to before its damage.",
        List.of(
            task("detect", "detect", Map.of("detector", DAMAGE)).build(),
            task(FENCE, "fence", Map.of("source", SOURCE)).needs(List.of("detect")).build(),
            longer(task(FIND, "find-moment", Map.of())).needs(List.of(FENCE)).build(),
            longer(task(RESTORE, "restore", Map.of())).needs(List.of(FIND)).build(),
            task("validate", "validate", Map.of()).needs(List.of(RESTORE)).build(),
            switchPool(environment).needs(List.of("validate")).build()));
  }

  private static Task.Builder longer(Task.Builder task) {
    return task.attempts(2).timeout(Duration.ofMinutes(5)).deadline(Duration.ofMinutes(6));
  }

  /** What the application says of its own data, through PgBouncer. */
  private record Clients(LocalEnvironment environment) implements Signal {
    @Override
    public String id() {
      return "assertion";
    }

    @Override
    public String from() {
      return "clients";
    }

    @Override
    public Sighting look() {
      try (Connection session = environment.client(Duration.ofSeconds(2))) {
        return Soundness.problem(session)
            .map(Sighting::down)
            .orElseGet(() -> Sighting.up("what bookings moved adds up"));
      } catch (SQLException e) {
        return Sighting.cannotTell(String.valueOf(e.getMessage()));
      }
    }
  }

  /** What the server itself has counted, and a rule that needs no bookings. */
  private record Server(LocalEnvironment environment) implements Signal {
    private static final String ASK =
        "SELECT (SELECT sum(balance) FROM public."
            + Probe.ACCOUNTS
            + "), (SELECT coalesce(sum(checksum_failures), 0) FROM pg_stat_database)";

    @Override
    public String id() {
      return "counters";
    }

    @Override
    public String from() {
      return "server";
    }

    @Override
    public Sighting look() {
      try (Connection session =
              environment.connect(environment.primary(), LocalEnvironment.DATABASE);
          Statement statement = session.createStatement();
          ResultSet row = statement.executeQuery(ASK)) {
        if (!row.next()) {
          return Sighting.cannotTell("no answer");
        }
        long sum = row.getLong(1);
        long pages = row.getLong(2);
        return sum == 0 && pages == 0
            ? Sighting.up("balances add up, and every page was as it was written")
            : Sighting.down("balances add up to " + sum + "; " + pages + " reads of damaged pages");
      } catch (SQLException e) {
        return Sighting.cannotTell(String.valueOf(e.getMessage()));
      }
    }
  }

  /** Changes nothing that stays: it may be done again. */
  private record Find(LocalEnvironment environment) implements Step {
    @Override
    public Result check(StepContext context) {
      return environment
          .point()
          .map(Find::told)
          .orElseGet(() -> Result.notDone("nobody has looked"));
    }

    @Override
    public Result execute(StepContext context) throws IOException, InterruptedException {
      String written = context.facts(FENCE).get(FailoverFacts.LSN);
      if (written == null) {
        return Result.failed("the server did not say where its log ends when it was fenced");
      }
      Lsn end = Lsn.parse(written);
      await(end);
      Protection protection = environment.protection();
      Optional<String> atEnd = protection.problem(new RecoveryTarget.Latest());
      if (atEnd.isEmpty()) {
        environment.point(new RecoveredPoint(Optional.empty(), Optional.empty(), 1, "", end, end));
        return check(context);
      }
      Lookout.Seen seen = environment.lookout().seen();
      if (seen.firstSound().isEmpty()
          || seen.lastSound().isEmpty()
          || seen.firstDamaged().isEmpty()) {
        return Result.failed("nobody has seen the data sound, and then damaged");
      }
      MomentSearch.Found found =
          MomentSearch.between(
              seen.firstSound().get(),
              seen.lastSound().get(),
              seen.firstDamaged().get(),
              RESOLUTION,
              moment -> protection.problem(new RecoveryTarget.AtTime(moment, true)).isEmpty());
      environment.point(
          new RecoveredPoint(
              Optional.of(found.sound()),
              Optional.of(found.damaged()),
              found.looks() + 1,
              atEnd.get(),
              end,
              end));
      return check(context);
    }

    /** What the server wrote until it was fenced has to be there to be looked at. */
    private void await(Lsn end) throws IOException, InterruptedException {
      long deadline = System.nanoTime() + SHIPPING.toNanos();
      while (environment.protection().stored().filter(at -> at.compareTo(end) >= 0).isEmpty()) {
        if (System.nanoTime() - deadline > 0) {
          throw new IOException(
              "The log is not stored up to " + end + ": " + environment.protection().ended());
        }
        TimeUnit.MILLISECONDS.sleep(50);
      }
    }

    private static Result told(RecoveredPoint point) {
      Map<String, String> facts = new LinkedHashMap<>();
      point.moment().ifPresent(at -> facts.put(SOUND, at.toString()));
      point.damaged().ifPresent(at -> facts.put(DAMAGED, at.toString()));
      facts.put(LOOKS, Integer.toString(point.looks()));
      if (!point.atEnd().isEmpty()) {
        facts.put(CONTROL, point.atEnd());
      }
      return Result.done(
              point
                  .moment()
                  .map(
                      at ->
                          "sound at "
                              + at
                              + " and damaged at "
                              + point.damaged().orElseThrow()
                              + ", by "
                              + point.looks()
                              + " restores")
                  .orElse("sound at the end of the log"))
          .with(facts);
    }

    @Override
    public String intent() {
      return "find the last moment at which the data was sound, by restoring and looking";
    }
  }

  /** What an attempt has left is removed by the next one. */
  private record Restore(LocalEnvironment environment) implements Step {
    @Override
    public Result check(StepContext context) throws IOException {
      return context.returned() && environment.process(environment.successor()).isPresent()
          ? Result.done(environment.successor().name() + " runs")
          : Result.notDone(environment.successor().name() + " was not restored in this run");
    }

    @Override
    public Result execute(StepContext context) throws IOException {
      RecoveredPoint point = environment.point().orElseThrow();
      RecoveryTarget target =
          point
              .moment()
              .map(at -> (RecoveryTarget) new RecoveryTarget.AtTime(at, true))
              .orElseGet(RecoveryTarget.Latest::new);
      Path folder = environment.successor().dataDirectory();
      Leftover.kill(folder);
      Leftover.remove(folder);
      RestoreReport report = environment.protection().restore(target, folder);
      environment.startRestored();
      Reached reached = report.reached().orElseThrow();
      environment.point(point.reached(reached.lsn()));
      return Result.done("restored to " + reached.lsn() + " on timeline " + reached.timeline())
          .with(Map.of("backup", report.backup().value(), REACHED, reached.lsn().toString()));
    }

    @Override
    public String intent() {
      return "restore the database to the moment that was found, beside the damaged one";
    }
  }

  /** Nobody is led to what is damaged. */
  private record Validate(LocalEnvironment environment) implements Step {
    /** It counts only once it was asked within this run. */
    @Override
    public Result check(StepContext context) {
      return context.returned() ? ask() : Result.notDone("was not asked in this run");
    }

    private Result ask() {
      try (Connection session =
          environment.connect(environment.successor(), LocalEnvironment.DATABASE)) {
        return Soundness.problem(session)
            .map(Result::failed)
            .orElseGet(() -> Result.done("what bookings moved adds up"));
      } catch (SQLException e) {
        return Result.notDone("does not answer: " + e.getMessage());
      }
    }

    @Override
    public Result execute(StepContext context) {
      return ask();
    }

    @Override
    public String intent() {
      return "ask the restored server whether its data is sound";
    }
  }
}
