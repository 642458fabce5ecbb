package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.failover.Detector;
import com.thorbis.backup.dr.failover.Failover;
import com.thorbis.backup.dr.failover.FailoverActions;
import com.thorbis.backup.dr.failover.ServerAccess;
import com.thorbis.backup.dr.failover.Signals;
import com.thorbis.backup.dr.run.Actions;
import com.thorbis.backup.dr.run.RunEngine;
import com.thorbis.backup.dr.run.RunPlan;
import com.thorbis.backup.dr.run.RunReport;
import com.thorbis.backup.dr.run.Task;
import com.thorbis.backup.dr.traffic.PgBouncerSwitch;
import com.thorbis.backup.dr.traffic.TrafficActions;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.storage.ObjectStore;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * The standby takes over: the primary's end is established by two signals, it is fenced, the
 * standby promoted, and PgBouncer led there; by the engine and the steps that do it in production.
 */
public final class FailoverRecovery implements Recovery {
  /** The source's name in the run's steps. */
  static final String SOURCE = "database";

  private static final String POOL = "pool";
  private static final String HOST = "127.0.0.1";
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  private final Path journals;
  private final ObjectStore store;
  private final Clock clock;

  /**
   * Prepares one.
   *
   * @param journals the folder of the local half of journals
   * @param store for their other half; stays the caller's
   */
  public FailoverRecovery(Path journals, ObjectStore store, Clock clock) {
    this.journals = journals;
    this.store = store;
    this.clock = clock;
  }

  @Override
  public RunReport recover(LocalEnvironment environment, String incident) throws IOException {
    try (SecretValue password = environment.password()) {
      try (RunEngine engine =
          RunEngine.builder(journals, store, actions(environment, password), owner())
              .clock(clock)
              .patience(Duration.ofMinutes(2))
              .build()) {
        return engine.start(plan(environment), incident, owner());
      }
    }
  }

  private static String owner() {
    return "simulation in process " + ProcessHandle.current().pid();
  }

  /** What acts on this environment, and on nothing else. */
  static Actions actions(LocalEnvironment environment, SecretValue password) {
    ServerAccess primary = access(environment, environment.front());
    ServerAccess standby = access(environment, environment.standby());
    Failover failover =
        Failover.builder(SOURCE, primary, standby)
            .detector(
                Detector.builder()
                    .signal(Signals.port("port", "clients", primary, Duration.ofSeconds(1)))
                    .signal(
                        Signals.standby(
                            "replication", standby.name(), standby, Duration.ofSeconds(1)))
                    .looks(3, Duration.ofMillis(200))
                    .build())
            .patience(PATIENCE)
            .build();
    PgBouncerSwitch pool =
        PgBouncerSwitch.builder()
            .file(environment.poolerFile())
            .database(LocalEnvironment.DATABASE)
            .console(HOST, environment.poolerPort())
            .user(LocalEnvironment.POOLER_ADMIN)
            .password(password)
            .pause(Duration.ofSeconds(3))
            .timeout(Duration.ofSeconds(5))
            .kill(true)
            .build();
    Actions.Builder actions = Actions.builder();
    FailoverActions.of(List.of(failover), Map.of()).forEach(actions::add);
    TrafficActions.of(Map.of(POOL, pool)).forEach(actions::add);
    return actions.build();
  }

  private static ServerAccess access(LocalEnvironment environment, LocalEnvironment.Node node) {
    return ServerAccess.builder(
            node.name(), HOST, node.port(), () -> environment.connect(node, "postgres"))
        .cluster(node.dataDirectory(), environment.programs())
        .build();
  }

  static RunPlan plan(LocalEnvironment environment) {
    return RunPlan.of(
        "database-failure",
        "The standby of environment " + environment.name() + " takes over.",
        List.of(
            task("detect", "detect", Map.of("source", SOURCE)).build(),
            task("fence", "fence", Map.of("source", SOURCE)).needs(List.of("detect")).build(),
            // How far the log of a killed server went nobody knows; clients know what they were
            // told.
            task("promote", "promote", Map.of("source", SOURCE, "max-loss", "any"))
                .needs(List.of("fence"))
                .build(),
            task(
                    "switch",
                    "switch-pgbouncer",
                    Map.of(
                        "switch", POOL,
                        "from", environment.front().address(),
                        "to", environment.standby().address()))
                .needs(List.of("promote"))
                .build()));
  }

  private static Task.Builder task(String id, String action, Map<String, String> inputs) {
    return Task.builder(id, action)
        .inputs(inputs)
        .attempts(10)
        .backoff(Duration.ofMillis(200))
        .timeout(Duration.ofSeconds(30))
        .deadline(Duration.ofMinutes(1));
  }
}
