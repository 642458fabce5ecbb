package com.thorbis.backup.postgres.capture;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.postgres.wire.ReplicationConnection;
import com.thorbis.backup.postgres.wire.ReplicationConnection.SystemIdentity;
import com.thorbis.backup.postgres.wire.ReplicationConnection.WalPosition;
import com.thorbis.backup.postgres.wire.ServerException;
import com.thorbis.backup.spi.repository.WalArchive;
import java.io.IOException;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/** Finds where capturing goes on, so that nothing is left out. */
final class StartPoint {
  private static final String UNDEFINED_FILE = "58P01";

  private StartPoint() {}

  /** The server's line of timelines; stores the history files that it has. */
  static TimelineHistory history(
      ReplicationConnection connection, WalArchive archive, Timeline timeline) throws IOException {
    if (timeline.number() == 1) {
      return TimelineHistory.first(timeline);
    }
    byte[] content = connection.timelineHistory(timeline);
    TimelineHistory history = TimelineHistory.parse(timeline, content);
    archive.storeHistory(timeline, content);
    for (TimelineHistory.Ancestor ancestor : history.ancestors()) {
      Timeline earlier = ancestor.timeline();
      if (earlier.number() != 1 && archive.history(earlier).isEmpty()) {
        try {
          archive.storeHistory(earlier, connection.timelineHistory(earlier));
        } catch (ServerException e) {
          // The file of an earlier timeline may be gone; the newest one holds all lines of it.
          if (!e.sqlState().equals(UNDEFINED_FILE)) {
            throw e;
          }
        }
      }
    }
    return history;
  }

  /** Where the archive ends on its newest timeline; empty if it holds no WAL. */
  static Optional<WalPosition> archiveEnd(WalArchive archive) throws IOException {
    List<Timeline> timelines =
        archive.timelines().stream().sorted(Comparator.reverseOrder()).toList();
    for (Timeline timeline : timelines) {
      Optional<Lsn> end =
          archive.ranges(timeline).stream().map(WalRange::end).max(Comparator.naturalOrder());
      if (end.isPresent()) {
        return Optional.of(new WalPosition(end.get(), timeline));
      }
    }
    return Optional.empty();
  }

  /**
   * Where to go on.
   *
   * @param stored where the archive ends, if it holds something
   * @param fallback where to start otherwise
   */
  static WalPosition next(
      SystemIdentity server,
      TimelineHistory history,
      Optional<WalPosition> stored,
      Lsn fallback,
      WalSegmentSize size) {
    if (stored.isEmpty()) {
      return new WalPosition(segmentStart(fallback, size), history.owner(fallback));
    }
    Timeline timeline = stored.get().timeline();
    Lsn end = stored.get().lsn();
    if (!history.contains(timeline)) {
      throw BackupException.of(
              "wal.timeline-diverged",
              FailureKind.REFUSED,
              "WAL is stored up to "
                  + end
                  + " of timeline "
                  + timeline
                  + ", which is no ancestor of the server's timeline "
                  + server.timeline())
          .remedy(
              "Point the URL at the current primary; if this cluster was restored on purpose, adopt"
                  + " it.")
          .detail("storedTimeline", timeline.toString())
          .detail("serverTimeline", server.timeline().toString())
          .build();
    }
    Optional<Lsn> left = history.switchPoint(timeline);
    if (left.isPresent() && end.compareTo(left.get()) >= 0) {
      return new WalPosition(segmentStart(left.get(), size), history.owner(left.get()));
    }
    if (segmentStart(end, size).compareTo(server.position()) > 0) {
      throw BackupException.of(
              "wal.server-behind",
              FailureKind.TRANSIENT,
              "WAL is stored up to " + end + ", the server's log ends at " + server.position())
          .remedy("Point the URL at the current primary, or wait until this standby has caught up.")
          .build();
    }
    return new WalPosition(end, timeline);
  }

  static Lsn segmentStart(Lsn position, WalSegmentSize size) {
    return new Lsn(position.value() & -(long) size.bytes());
  }
}
