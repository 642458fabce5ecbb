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

  /**
   * Where to go on: behind the stretch that the slot's position lies in or follows. What others
   * stored beyond a hole does not count, for acknowledging it would let the server forget the hole.
   *
   * @param kept where the slot keeps WAL from; empty if it keeps none
   */
  static WalPosition next(
      SystemIdentity server,
      TimelineHistory history,
      WalArchive archive,
      Optional<Lsn> kept,
      WalSegmentSize size)
      throws IOException {
    Optional<WalPosition> newest = newest(archive);
    Lsn from = kept.orElse(server.position());
    if (newest.isEmpty()) {
      return new WalPosition(segmentStart(from, size), history.owner(from));
    }
    requireAncestor(newest.get(), history, server);
    Timeline timeline = history.owner(from);
    Lsn limit = from;
    while (true) {
      Optional<Lsn> end = endBefore(archive, timeline, limit);
      if (end.isPresent()) {
        return behind(new WalPosition(end.get(), timeline), server, history, size);
      }
      Optional<TimelineHistory.Ancestor> parent = parent(history, timeline);
      if (parent.isEmpty()) {
        return new WalPosition(segmentStart(from, size), history.owner(from));
      }
      timeline = parent.get().timeline();
      limit = history.switchPoint(timeline).orElse(limit);
    }
  }

  /** The end of the last stretch that begins no later than {@code limit}. */
  private static Optional<Lsn> endBefore(WalArchive archive, Timeline timeline, Lsn limit)
      throws IOException {
    return archive.ranges(timeline).stream()
        .filter(range -> range.start().compareTo(limit) <= 0)
        .map(WalRange::end)
        .max(Comparator.naturalOrder());
  }

  private static Optional<TimelineHistory.Ancestor> parent(
      TimelineHistory history, Timeline timeline) {
    return history.ancestors().stream()
        .filter(ancestor -> ancestor.timeline().compareTo(timeline) < 0)
        .max(Comparator.comparing(TimelineHistory.Ancestor::timeline));
  }

  /** Where the archive ends on its newest timeline; empty if it holds no WAL. */
  private static Optional<WalPosition> newest(WalArchive archive) throws IOException {
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

  private static void requireAncestor(
      WalPosition stored, TimelineHistory history, SystemIdentity server) {
    if (!history.contains(stored.timeline())) {
      throw BackupException.of(
              "wal.timeline-diverged",
              FailureKind.REFUSED,
              "WAL is stored up to "
                  + stored.lsn()
                  + " of timeline "
                  + stored.timeline()
                  + ", which is no ancestor of the server's timeline "
                  + server.timeline())
          .remedy(
              "Point the URL at the current primary; if this cluster was restored on purpose, adopt"
                  + " it.")
          .detail("storedTimeline", stored.timeline().toString())
          .detail("serverTimeline", server.timeline().toString())
          .build();
    }
  }

  private static WalPosition behind(
      WalPosition stored, SystemIdentity server, TimelineHistory history, WalSegmentSize size) {
    Lsn end = stored.lsn();
    Optional<Lsn> left = history.switchPoint(stored.timeline());
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
    return stored;
  }

  static Lsn segmentStart(Lsn position, WalSegmentSize size) {
    return new Lsn(position.value() & -(long) size.bytes());
  }
}
