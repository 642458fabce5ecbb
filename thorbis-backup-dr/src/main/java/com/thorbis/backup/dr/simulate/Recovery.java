package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.plan.Scenario;
import com.thorbis.backup.dr.run.RunReport;
import com.thorbis.backup.spi.storage.ObjectStore;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;

/** How an environment is recovered: by the engine that recovers production. */
@FunctionalInterface
public interface Recovery {
  /**
   * What a disaster is recovered by.
   *
   * @param journals the folder of the local half of journals
   * @param store for their other half; stays the caller's
   */
  static Recovery of(Scenario.Simulation disaster, Path journals, ObjectStore store, Clock clock) {
    return switch (disaster) {
      case DATABASE_FAILURE, NETWORK_PARTITION -> new FailoverRecovery(journals, store, clock);
      case DATA_CORRUPTION -> new PointInTimeRecovery(journals, store, clock);
      case APPLICATION_FAILURE -> new ApplicationRecovery(journals, store, clock);
    };
  }

  /**
   * Carries out a run to its end. Called when something was noticed, and told nothing of it: the
   * run's first step finds out.
   *
   * @param incident names the run
   */
  RunReport recover(LocalEnvironment environment, String incident) throws IOException;
}
