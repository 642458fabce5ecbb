package com.thorbis.backup.postgres.capture;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.postgres.wire.ReplicationConnection.SystemIdentity;
import com.thorbis.backup.postgres.wire.ServerSession;
import com.thorbis.backup.spi.repository.SourceInfo;
import java.io.IOException;

/**
 * Tells the cluster that leads a source's life now from the one that it replaced: both have one
 * system identifier, and only the adopted one left its timeline where it was adopted.
 */
public final class Descent {
  private Descent() {}

  /**
   * Refuses a server that is not of the source's current life.
   *
   * @throws BackupException code {@code source.abandoned}
   */
  public static void require(
      PostgresSettings settings, SourceInfo source, ServerSession connection, SystemIdentity server)
      throws IOException {
    if (source.current().fork().isEmpty()) {
      return;
    }
    SourceInfo.Fork fork = source.current().fork().get();
    TimelineHistory history =
        server.timeline().number() == 1
            ? TimelineHistory.first(server.timeline())
            : TimelineHistory.parse(
                server.timeline(), connection.timelineHistory(server.timeline()));
    boolean descends =
        history.ancestors().stream()
            .anyMatch(
                ancestor ->
                    ancestor.timeline().equals(fork.timeline())
                        && ancestor.switchPoint().equals(fork.position()));
    if (!descends) {
      throw BackupException.of(
              "source.abandoned",
              FailureKind.REFUSED,
              "The server at "
                  + settings.address()
                  + " is not the cluster that was adopted as "
                  + source.name()
                  + ": that one left timeline "
                  + fork.timeline()
                  + " at "
                  + fork.position()
                  + ", this one did not")
          .remedy(
              "Point url at the adopted cluster. If this server lives on as well, give it a source"
                  + " of its own in another repository.")
          .detail("forkTimeline", fork.timeline().toString())
          .detail("forkLsn", fork.position().toString())
          .build();
    }
  }
}
