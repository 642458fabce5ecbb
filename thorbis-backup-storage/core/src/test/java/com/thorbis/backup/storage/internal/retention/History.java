package com.thorbis.backup.storage.internal.retention;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegmentSize;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Makes up the backups of a source, and remembers how its timelines really descend. */
final class History {
  static final String SOURCE = "orders";

  private final List<Candidate> backups = new ArrayList<>();
  private final List<Branch> branches = new ArrayList<>();
  private final Map<String, Integer> highest = new HashMap<>();
  private long position = 0x2000000;
  private long systemId = 7_000_000_000L;
  private int lives = 1;
  private Line line = new Line("%016x".formatted(1), new Timeline(1));

  History() {
    highest.put(line.incarnation(), 1);
  }

  List<Candidate> backups() {
    return List.copyOf(backups);
  }

  List<Branch> branches() {
    return List.copyOf(branches);
  }

  Candidate last() {
    return backups.get(backups.size() - 1);
  }

  Candidate verified(String time) {
    return verified(Instant.parse(time));
  }

  Candidate verified(Instant stop) {
    return add(stop, BackupStatus.COMPLETE, true);
  }

  Candidate unverified(String time) {
    return add(Instant.parse(time), BackupStatus.COMPLETE, false);
  }

  Candidate add(Instant stop, BackupStatus status, boolean verified) {
    return add(stop, status, verified, Optional.empty());
  }

  /** A dump: it is where the log is, and brings none about. */
  Candidate dump(String time) {
    return add(
        Instant.parse(time), BackupStatus.COMPLETE, true, Optional.empty(), BackupType.DUMP, false);
  }

  /** A dump that was asked to leave tables out. */
  Candidate partialDump(String time) {
    return add(
        Instant.parse(time), BackupStatus.COMPLETE, true, Optional.empty(), BackupType.DUMP, true);
  }

  Candidate add(Instant stop, BackupStatus status, boolean verified, Optional<BackupId> base) {
    return add(stop, status, verified, base, BackupType.FULL, false);
  }

  private Candidate add(
      Instant stop,
      BackupStatus status,
      boolean verified,
      Optional<BackupId> base,
      BackupType type,
      boolean partial) {
    long sequence = backups.size() + 2L;
    position += 0x1000000;
    Lsn start = new Lsn(position);
    position += 0x10000;
    AssumedBackup backup =
        new AssumedBackup(
            id(sequence),
            SOURCE,
            line.incarnation(),
            Optional.of(new ClusterIdentity(systemId, 15, WalSegmentSize.DEFAULT)),
            Optional.of(new WalRange(line.timeline(), start, new Lsn(position))),
            type,
            base,
            status,
            stop.minus(Duration.ofMinutes(5)),
            stop,
            partial);
    backups.add(
        new Candidate(
            backup,
            sequence,
            verified ? Optional.of(stop.plusSeconds(60)) : Optional.empty(),
            List.of()));
    return last();
  }

  /** Names sort against the order of commits, so that nothing can come to rest on them. */
  private static BackupId id(long sequence) {
    return new BackupId("2020%04dT000000Z-%08x".formatted(9999 - sequence % 9999, sequence));
  }

  /** The source goes on and writes log; returns how far it came. */
  Lsn goOn() {
    position += 0x900000;
    return new Lsn(position);
  }

  Line line() {
    return line;
  }

  /** A standby takes over. */
  void promote() {
    position += 0x3000000;
    leave(line, new Lsn(position), nextTimeline(line.incarnation()));
  }

  /** The cluster is set back to a moment after this backup, and goes on from there. */
  void setBack(Candidate to) {
    position = to.backup().stopLsn().plus(0x500000).value();
    systemId = to.backup().cluster().systemId();
    leave(to.line(), new Lsn(position), nextTimeline(to.backup().incarnation()));
  }

  /** A restored copy is adopted: another life of the same system. */
  void adopt(Candidate restored) {
    position = restored.backup().stopLsn().plus(0x700000).value();
    String life = "%016x".formatted(++lives);
    highest.put(life, restored.backup().timeline().number());
    leave(restored.line(), new Lsn(position), nextTimeline(life));
    systemId = restored.backup().cluster().systemId();
  }

  /** A new system: other identifier, first timeline, log from the beginning. */
  void upgrade() {
    systemId = 7_000_000_000L + lives;
    position = 0x1000000;
    line = new Line("%016x".formatted(++lives), new Timeline(1));
    highest.put(line.incarnation(), 1);
  }

  private Line nextTimeline(String life) {
    return new Line(life, new Timeline(highest.merge(life, 1, Integer::sum)));
  }

  private void leave(Line parent, Lsn at, Line next) {
    branches.add(new Branch(next, parent, at));
    line = next;
  }

  static Candidate hold(Candidate one, String hold) {
    return new Candidate(one.backup(), one.sequence(), one.verifiedAt(), List.of(hold));
  }
}
