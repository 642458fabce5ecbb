package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.run.RunReport;
import java.io.IOException;

/** How an environment is recovered: by the engine that recovers production. */
@FunctionalInterface
public interface Recovery {
  /**
   * Carries out a run to its end. Called when a client has noticed something, and told nothing of
   * it: the run's first step finds out.
   *
   * @param incident names the run
   */
  RunReport recover(LocalEnvironment environment, String incident) throws IOException;
}
