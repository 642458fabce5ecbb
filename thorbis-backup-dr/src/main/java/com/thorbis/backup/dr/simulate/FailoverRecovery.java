package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.failover.Detector;
import com.thorbis.backup.dr.failover.Failover;
import com.thorbis.backup.dr.failover.FailoverActions;
import com.thorbis.backup.dr.failover.ServerAccess;
import com.thorbis.backup.dr.failover.Signals;
import com.thorbis.backup.dr.run.Actions;
import com.thorbis.backup.dr.run.RunPlan;
import com.thorbis.backup.dr.traffic.TrafficActions;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.storage.ObjectStore;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * The standby takes over: the primary's end is established by two signals, it is fenced, the
 * standby promoted, and PgBouncer led there; by the engine and the steps that do it in production.
 */
public final class FailoverRecovery extends EngineRecovery {
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  /**
   * Prepares one.
   *
   * @param journals the folder of the local half of journals
   * @param store for their other half; stays the caller's
   */
  public FailoverRecovery(Path journals, ObjectStore store, Clock clock) {
    super(journals, store, clock);
  }

  @Override
  Actions actions(LocalEnvironment environment, SecretValue password) {
    ServerAccess primary = access(environment, environment.front());
    ServerAccess standby = access(environment, environment.successor());
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
    Actions.Builder actions = Actions.builder();
    FailoverActions.of(List.of(failover), Map.of()).forEach(actions::add);
    TrafficActions.of(Map.of(POOL, pool(environment, password))).forEach(actions::add);
    return actions.build();
  }

  @Override
  RunPlan plan(LocalEnvironment environment) {
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
            switchPool(environment).needs(List.of("promote")).build()));
  }
}
