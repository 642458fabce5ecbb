package com.thorbis.backup.postgres.plan;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.postgres.wal.SyntheticLog;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.postgres.wal.WalReader;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalMarks;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/** A random life of a cluster: transactions, backups, promotions, and what of it was stored. */
final class History {
  static final int MIB = 1 << 20;
  static final ClusterIdentity CLUSTER = new ClusterIdentity(42, 15, new WalSegmentSize(MIB));
  static final SourceInfo SOURCE =
      new SourceInfo(
          StoredBackup.SOURCE,
          "postgres",
          List.of(new SourceInfo.Incarnation("0123456789abcdef", CLUSTER, Optional.empty())));

  final MemoryWalArchive archive = new MemoryWalArchive(CLUSTER);
  final List<StoredBackup> backups = new ArrayList<>();
  final List<SyntheticLog> logs = new ArrayList<>();
  final List<TimelineHistory> lines = new ArrayList<>();
  final List<Instant> moments = new ArrayList<>();

  private final Random random;
  private SyntheticLog log;
  private TimelineHistory line;
  private Instant now = Instant.parse("2026-03-01T00:00:00Z");
  private long xid = 700;
  private int backupNumber;

  History(Random random) {
    this.random = random;
    line = TimelineHistory.first(new Timeline(1));
    log = new SyntheticLog(CLUSTER, line.timeline(), new Lsn(3L * MIB));
    logs.add(log);
    lines.add(line);
  }

  static History random(Random random, int steps) {
    History history = new History(random);
    history.backup();
    for (int i = 0; i < steps; i++) {
      switch (random.nextInt(12)) {
        case 0 -> history.backup();
        case 1 -> history.point("p" + random.nextInt(4));
        case 2 -> history.log.switchSegment();
        case 3 -> {
          if (random.nextInt(4) == 0) {
            history.fork();
          }
        }
        case 4, 5 -> history.log.filler(random.nextInt(MIB / 2));
        default -> history.end();
      }
    }
    history.store();
    return history;
  }

  void end() {
    if (random.nextInt(4) > 0) {
      now = now.plus(Duration.ofMillis(random.nextInt(5000))).plusNanos(1000);
    }
    moments.add(now);
    xid++;
    if (random.nextInt(5) == 0) {
      log.abort(xid, now);
    } else {
      log.commit(xid, now);
    }
  }

  void point(String name) {
    now = now.plusMillis(10);
    log.restorePoint(name, now);
  }

  /** Somebody sets the server's clock. */
  void clock(Duration by) {
    now = now.plus(by);
  }

  void filler(int length) {
    log.filler(length);
  }

  void backup() {
    log.filler(100);
    Lsn start = log.records().get(log.records().size() - 1).start();
    Instant startedAt = now;
    for (int i = random.nextInt(4); i > 0; i--) {
      end();
      log.filler(random.nextInt(MIB / 4));
    }
    log.filler(20);
    Lsn stop = log.end();
    now = now.plusMillis(5);
    moments.add(now);
    backups.add(
        new StoredBackup(
            new BackupId("20260301T000000Z-%08x".formatted(++backupNumber)),
            "0123456789abcdef",
            CLUSTER,
            random.nextInt(10) == 0 ? BackupStatus.AWAITING_WAL : BackupStatus.COMPLETE,
            startedAt,
            now,
            start,
            stop,
            log.timeline()));
  }

  /** Promotes at the present end or, as after a recovery to an earlier moment, before it. */
  void fork() {
    List<SyntheticLog.Rec> records = log.records();
    int index = records.size() - 1 - random.nextInt(Math.min(10, records.size() - 1));
    Timeline next = new Timeline(logs.size() + 1);
    Lsn at = records.get(index).end();
    List<TimelineHistory.Ancestor> ancestors = new ArrayList<>(line.ancestors());
    ancestors.add(new TimelineHistory.Ancestor(line.timeline(), at, "promoted"));
    line = new TimelineHistory(next, ancestors);
    log = log.fork(next, index);
    logs.add(log);
    lines.add(line);
    log.filler(30);
  }

  /** Stores everything; a stream says of each stretch when it ended, an archived segment not. */
  void store() {
    for (int i = 0; i < logs.size(); i++) {
      store(logs.get(i), lines.get(i));
    }
  }

  private void store(SyntheticLog from, TimelineHistory of) {
    boolean streamed = random.nextBoolean();
    Lsn begin =
        of.ancestors().isEmpty()
            ? new Lsn(3L * MIB)
            : of.ancestors().get(of.ancestors().size() - 1).switchPoint();
    WalSegment segment = WalSegment.containing(of.timeline(), begin, CLUSTER.segmentSize());
    WalReader reader = new WalReader(CLUSTER, of.timeline(), segment.start());
    while (segment.start().compareTo(from.end()) < 0) {
      byte[] bytes = from.segment(segment);
      reader.feed(bytes, 0, bytes.length);
      WalMarks marks = reader.takeMarks(Optional.empty());
      if (!streamed) {
        reader = new WalReader(CLUSTER, of.timeline(), segment.next().start());
        marks = WalReader.marksOf(CLUSTER, segment, java.nio.ByteBuffer.wrap(bytes));
      } else if (bytes.length < MIB && of.timeline().equals(line.timeline())) {
        marks = asOf(marks, now.plusSeconds(random.nextInt(5)));
      }
      if (streamed || bytes.length == MIB) {
        archive.put(segment, bytes, marks);
      }
      segment = segment.next();
    }
    if (!of.ancestors().isEmpty()) {
      archive.put(of);
    }
  }

  private static WalMarks asOf(WalMarks marks, Instant moment) {
    return new WalMarks(
        marks.firstEnd(),
        marks.lastEnd(),
        marks.leastXid(),
        marks.mostXid(),
        marks.restorePoints(),
        marks.lastRecord(),
        Optional.of(moment));
  }
}
