package com.thorbis.backup.postgres.plan;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.postgres.wal.SyntheticLog;
import com.thorbis.backup.postgres.wal.SyntheticLog.Kind;
import com.thorbis.backup.postgres.wal.SyntheticLog.Rec;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import java.time.Instant;
import java.util.List;
import java.util.OptionalInt;

/** Recovers as a server does, record by record, and knows nothing of plans, marks or ledgers. */
final class Oracle {
  private final History history;
  private final SyntheticLog log;
  private final TimelineHistory line;

  Oracle(History history, Timeline timeline) {
    this.history = history;
    this.log = history.logs.get(timeline.number() - 1);
    this.line = history.lines.get(timeline.number() - 1);
  }

  /** Where a recovery ended. */
  enum Outcome {
    REACHED,
    /** Consistency was not reached, or the target was not met: the server fails. */
    FAILED
  }

  /**
   * A recovery.
   *
   * @param replayed how many records of the line were replayed
   */
  record Recovery(Outcome outcome, int replayed) {}

  /** Starts a server on a backup. */
  Recovery recover(StoredBackup backup, RecoveryTarget target) {
    if (!onLine(backup)) {
      return new Recovery(Outcome.FAILED, 0);
    }
    List<Rec> records = log.records();
    boolean consistent = false;
    for (int i = 0; i < records.size(); i++) {
      Rec record = records.get(i);
      if (record.start().compareTo(backup.startLsn()) < 0) {
        continue;
      }
      if (!stored(record)) {
        return new Recovery(
            consistent && target instanceof RecoveryTarget.Latest
                ? Outcome.REACHED
                : Outcome.FAILED,
            i);
      }
      if (stopsBefore(record, target)) {
        return new Recovery(consistent ? Outcome.REACHED : Outcome.FAILED, i);
      }
      consistent |= record.end().compareTo(backup.stopLsn()) >= 0;
      if (stopsAfter(record, target, consistent)) {
        return new Recovery(consistent ? Outcome.REACHED : Outcome.FAILED, i + 1);
      }
    }
    return new Recovery(
        consistent && target instanceof RecoveryTarget.Latest ? Outcome.REACHED : Outcome.FAILED,
        records.size());
  }

  /** The first record from a backup on that cannot be read. */
  int readable(StoredBackup backup) {
    return recover(backup, new RecoveryTarget.Latest()).replayed();
  }

  /** How many records come before the first end of a transaction beyond a time. */
  OptionalInt before(RecoveryTarget.AtTime target) {
    for (int i = 0; i < log.records().size(); i++) {
      if (stopsBefore(log.records().get(i), target)) {
        return OptionalInt.of(i);
      }
    }
    return OptionalInt.empty();
  }

  boolean onLine(StoredBackup backup) {
    List<TimelineHistory.Ancestor> ancestors = line.ancestors();
    for (int i = 0; i <= ancestors.size(); i++) {
      Timeline timeline = i < ancestors.size() ? ancestors.get(i).timeline() : line.timeline();
      if (timeline.equals(backup.timeline())) {
        for (int k = i; k < ancestors.size(); k++) {
          if (backup.stopLsn().compareTo(ancestors.get(k).switchPoint()) > 0) {
            return false;
          }
        }
        return true;
      }
    }
    return false;
  }

  List<Rec> records() {
    return log.records();
  }

  private static boolean stopsBefore(Rec record, RecoveryTarget target) {
    boolean end = record.kind() == Kind.COMMIT || record.kind() == Kind.ABORT;
    if (target instanceof RecoveryTarget.AtTime time) {
      Instant at = record.time();
      return end
          && (time.inclusive() ? at.compareTo(time.time()) > 0 : at.compareTo(time.time()) >= 0);
    } else if (target instanceof RecoveryTarget.AtLsn lsn) {
      return !lsn.inclusive() && record.start().compareTo(lsn.position()) >= 0;
    } else if (target instanceof RecoveryTarget.AtTransaction transaction) {
      return !transaction.inclusive() && end && record.xid() == transaction.xid();
    }
    return false;
  }

  private static boolean stopsAfter(Rec record, RecoveryTarget target, boolean consistent) {
    boolean end = record.kind() == Kind.COMMIT || record.kind() == Kind.ABORT;
    if (target instanceof RecoveryTarget.AtLsn lsn) {
      return lsn.inclusive() && record.start().compareTo(lsn.position()) >= 0;
    } else if (target instanceof RecoveryTarget.AtTransaction transaction) {
      return transaction.inclusive() && end && record.xid() == transaction.xid();
    } else if (target instanceof RecoveryTarget.AtName name) {
      return record.kind() == Kind.RESTORE_POINT && record.name().equals(name.name());
    }
    return target instanceof RecoveryTarget.Immediate && consistent;
  }

  private boolean stored(Rec record) {
    long at = record.start().value();
    while (at < record.end().value()) {
      long next = chunkEnd(at, record.end().value());
      if (!stored(at, next)) {
        return false;
      }
      at = next;
    }
    return true;
  }

  /** How far bytes from a position on are of one segment and one timeline. */
  private long chunkEnd(long from, long limit) {
    long size = History.CLUSTER.segmentSize().bytes();
    long end = Math.min(limit, (from / size + 1) * size);
    for (TimelineHistory.Ancestor ancestor : line.ancestors()) {
      long left = ancestor.switchPoint().value();
      if (left > from && left < end) {
        end = left;
      }
    }
    return end;
  }

  private boolean stored(long from, long to) {
    int owner = owner(from);
    for (int i = owner; i <= line.ancestors().size(); i++) {
      if (i > owner) {
        long begin = line.ancestors().get(i - 1).switchPoint().value();
        long size = History.CLUSTER.segmentSize().bytes();
        if (begin / size > from / size) {
          continue; // as a server does: a later one may have begun earlier
        }
      }
      Timeline timeline =
          i < line.ancestors().size() ? line.ancestors().get(i).timeline() : line.timeline();
      WalSegment segment =
          WalSegment.containing(timeline, new Lsn(from), History.CLUSTER.segmentSize());
      if (to - segment.start().value() <= history.archive.stored(segment)) {
        return true;
      }
    }
    return false;
  }

  private int owner(long position) {
    int owner = 0;
    for (int i = 0; i < line.ancestors().size(); i++) {
      if (line.ancestors().get(i).switchPoint().value() <= position) {
        owner = i + 1;
      }
    }
    return owner;
  }

  Timeline timeline() {
    return line.timeline();
  }

  /** Whether the line is stored without a hole after what was replayed, and into its timeline. */
  boolean endsThere(int replayed) {
    long at = replayed == 0 ? 0 : log.records().get(replayed - 1).end().value();
    long from = at;
    boolean hole = false;
    while (at < log.end().value()) {
      long next = chunkEnd(at, log.end().value());
      if (hole && stored(at, at + 1)) {
        return false;
      }
      hole |= !stored(at, next);
      at = next;
    }
    if (line.ancestors().isEmpty()) {
      return true;
    }
    long begin = line.ancestors().get(line.ancestors().size() - 1).switchPoint().value();
    return from > begin || stored(begin, begin + 1);
  }
}
