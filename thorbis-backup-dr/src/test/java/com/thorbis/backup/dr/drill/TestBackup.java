package com.thorbis.backup.dr.drill;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegmentSize;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** A backup in a catalogue. */
record TestBackup(BackupId id, Instant stoppedAt, Lsn stopLsn, Timeline timeline, BackupType type)
    implements BackupDescriptor {
  static final Timeline ONE = new Timeline(1);

  static TestBackup of(int number, String stoppedAt, String stopLsn) {
    return new TestBackup(
        new BackupId("20260101T00000%dZ-0000000%d".formatted(number, number)),
        Instant.parse(stoppedAt),
        Lsn.parse(stopLsn),
        ONE,
        BackupType.FULL);
  }

  RestorePlan plan(RecoveryTarget target, Optional<Lsn> until) {
    return new RestorePlan(this, target, ONE, List.of(), 1, 1, List.of(), until, Optional.empty());
  }

  @Override
  public String source() {
    return "orders";
  }

  @Override
  public String incarnation() {
    return "1";
  }

  @Override
  public ClusterIdentity cluster() {
    return new ClusterIdentity(7, 15, new WalSegmentSize(16 << 20));
  }

  @Override
  public Optional<BackupId> base() {
    return Optional.empty();
  }

  @Override
  public BackupStatus status() {
    return BackupStatus.COMPLETE;
  }

  @Override
  public Optional<String> label() {
    return Optional.empty();
  }

  @Override
  public Instant startedAt() {
    return stoppedAt.minusSeconds(1);
  }

  @Override
  public Lsn startLsn() {
    return new Lsn(stopLsn.value() - 256);
  }

  @Override
  public long files() {
    return 1;
  }

  @Override
  public long bytesRead() {
    return 1;
  }

  @Override
  public long bytesChanged() {
    return 1;
  }

  @Override
  public long bytesStored() {
    return 1;
  }

  @Override
  public long durationMillis() {
    return 1;
  }

  @Override
  public List<String> copies() {
    return List.of("here");
  }

  @Override
  public List<String> warnings() {
    return List.of();
  }
}
