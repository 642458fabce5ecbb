package com.thorbis.backup.postgres.backup;

import com.thorbis.backup.postgres.page.PageChecksums;
import com.thorbis.backup.postgres.wire.BaseBackupListener.Archive;
import com.thorbis.backup.postgres.wire.ReplicationConnection.WalPosition;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/** A way to read a cluster into a backup. For one thread and one backup. */
interface ClusterReader extends AutoCloseable {
  /** The name under which it is configured and recorded. */
  String name();

  /** Whether it can leave out what did not change. */
  default boolean selective() {
    return false;
  }

  /**
   * Writes everything that is of the cluster: its files, the label among them, and in the area META
   * the manifest and the tablespace map. Configuration from elsewhere is not its business. What it
   * wrote need not be settled.
   *
   * @throws UnusableBaseException if there is no building on the base that was chosen
   */
  Outcome read(Reading reading) throws IOException;

  /** Lets go of the server; a backup that was not read to its end is none. */
  @Override
  void close() throws IOException;

  /**
   * What was read.
   *
   * @param stop up to where the log is needed
   * @param tablespaces those that came
   * @param pages what the pages said, when everything is settled; empty if they were not checked
   */
  record Outcome(
      WalPosition start,
      WalPosition stop,
      List<Archive> tablespaces,
      Optional<PageChecksums> pages) {}
}
