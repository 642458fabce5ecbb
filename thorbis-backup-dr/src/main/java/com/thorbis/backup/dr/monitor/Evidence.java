package com.thorbis.backup.dr.monitor;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.KeysReport;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.ServerLog;
import com.thorbis.backup.api.SourceStatus;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** What is stored, as far as alarms are made of it. */
interface Evidence {
  /** A backup. */
  record Taken(
      BackupId id,
      BackupType type,
      Instant startedAt,
      Instant stoppedAt,
      Optional<Lsn> startLsn,
      long bytes,
      long changed,
      Duration duration,
      boolean restorable,
      boolean partial) {
    static Taken of(BackupDescriptor backup) {
      return new Taken(
          backup.id(),
          backup.type(),
          backup.startedAt(),
          backup.stoppedAt(),
          backup.physical() ? Optional.of(backup.startLsn()) : Optional.empty(),
          backup.bytes(),
          backup.bytesChanged(),
          Duration.ofMillis(backup.durationMillis()),
          backup.status().restorable(),
          backup.partial());
    }
  }

  /** Backups of a source that count, oldest first. */
  List<Taken> backups(String source);

  SourceStatus status(String source);

  Optional<ServerLog> serverLog(String source);

  KeysReport keys();

  List<CheckItem> checkKeys();

  List<CheckItem> checkCopies();

  List<CheckItem> checkWriters();

  Duration clockSkew() throws IOException;
}
