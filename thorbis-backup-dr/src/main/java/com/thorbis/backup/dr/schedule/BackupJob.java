package com.thorbis.backup.dr.schedule;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.spi.repository.RunControl;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * A backup of one source. Done are those that are stored: of this type, or of one that holds more.
 */
public final class BackupJob implements Job {
  /** Each holds what those after it do. */
  private static final List<BackupType> STRONGEST_FIRST =
      List.of(BackupType.FULL, BackupType.DIFFERENTIAL, BackupType.INCREMENTAL);

  private final Supplier<ThorbisBackup> backup;
  private final String source;
  private final BackupType type;

  private BackupJob(Supplier<ThorbisBackup> backup, String source, BackupType type) {
    this.backup = backup;
    this.source = source;
    this.type = type;
  }

  /**
   * Takes backups of this type.
   *
   * @param backup gives what takes them, when they are due; the caller closes it
   */
  public static BackupJob of(Supplier<ThorbisBackup> backup, String source, BackupType type) {
    return new BackupJob(backup, source, type);
  }

  @Override
  public String name() {
    return source + "." + type.label();
  }

  @Override
  public String subject() {
    return source;
  }

  @Override
  public Optional<Instant> lastDone() {
    return backup.get().backups(Optional.of(source)).stream()
        .filter(one -> one.status().restorable() && !one.partial() && holds(one.type(), type))
        .map(BackupDescriptor::startedAt)
        .max(Comparator.naturalOrder());
  }

  @Override
  public boolean covers(Job other) {
    return other instanceof BackupJob that
        && that.source.equals(source)
        && that.type != type
        && holds(type, that.type);
  }

  @Override
  public void run(RunControl control) {
    backup.get().backup(BackupRequest.builder(source).type(type).build(), control);
  }

  private static boolean holds(BackupType stored, BackupType asked) {
    int at = STRONGEST_FIRST.indexOf(stored);
    return stored == asked || at >= 0 && at < STRONGEST_FIRST.indexOf(asked);
  }
}
