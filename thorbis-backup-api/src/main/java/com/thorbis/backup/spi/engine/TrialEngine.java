package com.thorbis.backup.spi.engine;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.sql.Connection;
import java.util.Optional;

/** An engine that can bring its source back apart from everything, to be tried and thrown away. */
public interface TrialEngine extends SourceEngine {
  /** The way to the moment, as {@link #begin} would go it. Changes nothing. */
  RestorePlan planTrial(TrialRequest request, Repository repository) throws IOException;

  /**
   * Restores into a folder of its own, proves before a server is started there that it can reach
   * nothing, starts it, and returns when it has reached the target. What is left of a process that
   * was killed meanwhile is removed by the next one.
   *
   * @return the caller's to close, which removes all of it
   * @throws BackupException code {@code trial.not-isolated} if the server could do harm; it was not
   *     started then
   */
  Trial begin(TrialRequest request, Repository repository, RunControl control) throws IOException;

  /**
   * A session on the live source, as the configured role.
   *
   * @param database empty for the one that is configured
   * @return the caller's to close
   * @throws BackupException if it does not answer, or lets nobody in
   */
  Connection connectSource(Optional<String> database);
}
