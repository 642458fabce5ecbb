package com.thorbis.backup.postgres.plan;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** A backup in a catalogue. */
record StoredBackup(
    BackupId id,
    String incarnation,
    ClusterIdentity cluster,
    BackupStatus status,
    Instant startedAt,
    Instant stoppedAt,
    Lsn startLsn,
    Lsn stopLsn,
    Timeline timeline,
    BackupType type,
    boolean partial)
    implements BackupDescriptor {
  static final String SOURCE = "orders";

  StoredBackup(
      BackupId id,
      String incarnation,
      ClusterIdentity cluster,
      BackupStatus status,
      Instant startedAt,
      Instant stoppedAt,
      Lsn startLsn,
      Lsn stopLsn,
      Timeline timeline) {
    this(
        id,
        incarnation,
        cluster,
        status,
        startedAt,
        stoppedAt,
        startLsn,
        stopLsn,
        timeline,
        BackupType.FULL,
        false);
  }

  /** A dump that was taken when the log stood where this one ends. */
  StoredBackup dump(String otherId) {
    return dump(otherId, 0, false);
  }

  /** The same, some seconds later, and perhaps without what it was asked to leave out. */
  StoredBackup dump(String otherId, int later, boolean withoutSome) {
    return new StoredBackup(
        new BackupId(otherId),
        incarnation,
        cluster,
        status,
        startedAt.plusSeconds(later),
        stoppedAt.plusSeconds(later),
        stopLsn,
        stopLsn,
        timeline,
        BackupType.DUMP,
        withoutSome);
  }

  @Override
  public String source() {
    return SOURCE;
  }

  @Override
  public Optional<BackupId> base() {
    return Optional.empty();
  }

  @Override
  public Optional<String> label() {
    return Optional.empty();
  }

  @Override
  public long files() {
    return 10;
  }

  @Override
  public long bytesRead() {
    return 1000;
  }

  @Override
  public long bytesChanged() {
    return 1000;
  }

  @Override
  public long bytesStored() {
    return 100;
  }

  @Override
  public long durationMillis() {
    return 1;
  }

  @Override
  public List<String> copies() {
    return List.of();
  }

  @Override
  public List<String> warnings() {
    return List.of();
  }
}
