package com.thorbis.backup.storage.internal.retention;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalRange;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** A backup that nobody took. */
record AssumedBackup(
    BackupId id,
    String source,
    String incarnation,
    Optional<ClusterIdentity> server,
    Optional<WalRange> log,
    BackupType type,
    Optional<BackupId> base,
    BackupStatus status,
    Instant startedAt,
    Instant stoppedAt,
    boolean partial)
    implements BackupDescriptor {
  @Override
  public ClusterIdentity cluster() {
    return server.orElseThrow();
  }

  @Override
  public Lsn startLsn() {
    return log.orElseThrow().start();
  }

  @Override
  public Lsn stopLsn() {
    return log.orElseThrow().end();
  }

  @Override
  public Timeline timeline() {
    return log.orElseThrow().timeline();
  }

  @Override
  public Optional<String> label() {
    return Optional.empty();
  }

  @Override
  public long files() {
    return 0;
  }

  @Override
  public long bytesRead() {
    return 0;
  }

  @Override
  public long bytesChanged() {
    return 0;
  }

  @Override
  public long bytesStored() {
    return 0;
  }

  @Override
  public long durationMillis() {
    return 0;
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
