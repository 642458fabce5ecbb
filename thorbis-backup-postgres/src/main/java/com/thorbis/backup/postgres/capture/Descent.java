package com.thorbis.backup.postgres.capture;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.plan.FenceMark;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.postgres.wire.ReplicationConnection.SystemIdentity;
import com.thorbis.backup.postgres.wire.ServerSession;
import com.thorbis.backup.spi.repository.SourceInfo;
import java.io.IOException;
import java.util.Optional;

/**
 * Tells the cluster that leads a source's life now from the one that it replaced: both have one
 * system identifier, and only the adopted one left its timeline where it was adopted.
 */
public final class Descent {
  private Descent() {}

  /**
   * Refuses a server that is not of the source's current life: one that was restored and not
   * adopted, or the one that an adopted one replaced.
   *
   * @throws BackupException code {@code source.fenced} or {@code source.abandoned}
   */
  public static void require(
      PostgresSettings settings, SourceInfo source, ServerSession connection, SystemIdentity server)
      throws IOException {
    if (source.current().fork().isEmpty()) {
      requireNoFence(settings, connection);
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
    // Between being adopted and being let out it is ours already.
    Optional<String> mark = mark(connection);
    if (mark.isPresent() && !mark.get().endsWith("/" + fork.parent())) {
      requireNoFence(settings, connection);
    }
  }

  /**
   * Refuses a restored cluster that writes. One in recovery writes nothing of its own, and one that
   * was restored as a standby goes on with its source's life when it is promoted.
   */
  static void requireNoFence(PostgresSettings settings, ServerSession connection)
      throws IOException {
    Optional<String> mark = mark(connection);
    if (mark.isPresent() && !connection.show("in_hot_standby").equals("on")) {
      throw FenceMark.refusal("The server at " + settings.address(), settings.source(), mark.get());
    }
  }

  private static Optional<String> mark(ServerSession connection) throws IOException {
    return connection.find(FenceMark.SETTING).filter(FenceMark::ownLife);
  }
}
