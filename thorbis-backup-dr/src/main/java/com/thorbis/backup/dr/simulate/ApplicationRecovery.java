package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.failover.Detector;
import com.thorbis.backup.dr.failover.FailoverActions;
import com.thorbis.backup.dr.failover.Sighting;
import com.thorbis.backup.dr.failover.Signal;
import com.thorbis.backup.dr.failover.Signals;
import com.thorbis.backup.dr.run.Actions;
import com.thorbis.backup.dr.run.Result;
import com.thorbis.backup.dr.run.RunPlan;
import com.thorbis.backup.dr.run.Step;
import com.thorbis.backup.dr.run.StepContext;
import com.thorbis.backup.dr.traffic.TrafficActions;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.storage.ObjectStore;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The application is laid down from its backup and started in another place: its end is established
 * by two signals, its endpoints are asked, and HAProxy leads clients there. Nothing touches the
 * database.
 */
public final class ApplicationRecovery extends EngineRecovery {
  private static final String DOWN = "application";
  private static final String BALANCER = "balancer";

  /**
   * Prepares one.
   *
   * @param journals the folder of the local half of journals
   * @param store for their other half; stays the caller's
   */
  public ApplicationRecovery(Path journals, ObjectStore store, Clock clock) {
    super(journals, store, clock);
  }

  @Override
  Actions actions(LocalEnvironment environment, SecretValue password) {
    Site site = environment.site();
    Detector detector =
        Detector.builder()
            .signal(
                Signals.http(
                    "health",
                    "clients",
                    site.url().resolve("/api/health"),
                    200,
                    503,
                    Duration.ofSeconds(2)))
            .signal(new Host(site))
            .looks(3, Duration.ofMillis(200))
            .build();
    Actions.Builder actions = Actions.builder().builtIn((to, text, key) -> {});
    FailoverActions.of(List.of(), Map.of(DOWN, detector)).forEach(actions::add);
    actions.add(action("app-restore", task -> new Restore(site)));
    actions.add(action("start", task -> new Start(site)));
    TrafficActions.of(Map.of(BALANCER, site.balancerSwitch())).forEach(actions::add);
    return actions.build();
  }

  @Override
  RunPlan plan(LocalEnvironment environment) {
    Site site = environment.site();
    return RunPlan.of(
        "application-failure",
        "The application of environment " + environment.name() + " is restored and started.",
        List.of(
            task("detect", "detect", Map.of("detector", DOWN)).build(),
            task("restore", "app-restore", Map.of()).needs(List.of("detect")).build(),
            task("start", "start", Map.of()).needs(List.of("restore")).build(),
            task(
                    "validate",
                    "http-check",
                    Map.of("url", site.next().url().toString(), "paths", "standard"))
                .needs(List.of("start"))
                .build(),
            task(
                    "switch",
                    "switch-haproxy",
                    Map.of("switch", BALANCER, "from", site.place(false), "to", site.place(true)))
                .needs(List.of("validate"))
                .build()));
  }

  /** Whether the process is there, and something listens at its port. */
  private record Host(Site site) implements Signal {
    @Override
    public String id() {
      return "process";
    }

    @Override
    public String from() {
      return "host";
    }

    @Override
    public Sighting look() {
      try {
        boolean listens = Site.listens(site.current());
        return site.runs() || listens
            ? Sighting.up("it runs" + (listens ? "" : ", and does not listen"))
            : Sighting.down("no process of it runs, and nothing listens at its port");
      } catch (IOException e) {
        return Sighting.cannotTell(String.valueOf(e.getMessage()));
      }
    }
  }

  private record Restore(Site site) implements Step {
    @Override
    public Result check(StepContext context) {
      Optional<Path> files = site.restored();
      return files.isPresent()
          ? Result.done("it lies in " + files.get())
          : Result.notDone("nothing is restored");
    }

    @Override
    public Result execute(StepContext context) throws IOException {
      return Result.done("restored into " + site.restore());
    }

    @Override
    public String intent() {
      return "lay the application down from its backup";
    }
  }

  private record Start(Site site) implements Step {
    @Override
    public Result check(StepContext context) {
      return site.nextRuns() ? Result.done("it runs") : Result.notDone("it does not run");
    }

    @Override
    public Result execute(StepContext context) throws IOException {
      site.startNext();
      return Result.done("was started");
    }

    @Override
    public String intent() {
      return "start the restored application";
    }
  }
}
