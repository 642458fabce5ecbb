package com.thorbis.backup.dr.schedule;

import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ThorbisBackup;
import java.time.Duration;
import java.util.List;
import java.util.function.Supplier;

/** When a source is backed up where nobody has other wishes. */
public final class StandardSchedule {
  /** A full backup every week. */
  public static final Schedule FULL = Schedule.parse("Sun 02:00 UTC");

  /** How long after that one may start. */
  public static final Duration FULL_WINDOW = Duration.ofHours(4);

  /** An incremental one on each other day: on Sundays its window would overlap the other. */
  public static final Schedule INCREMENTAL = Schedule.parse("Mon-Sat 01:00 UTC");

  /** How long after that one may start. */
  public static final Duration INCREMENTAL_WINDOW = Duration.ofHours(2);

  private StandardSchedule() {}

  /** Plans of one source. */
  public static List<JobPlan> of(Supplier<ThorbisBackup> backup, String source) {
    return List.of(
        JobPlan.builder(BackupJob.of(backup, source, BackupType.FULL), FULL)
            .window(FULL_WINDOW)
            .build(),
        JobPlan.builder(BackupJob.of(backup, source, BackupType.INCREMENTAL), INCREMENTAL)
            .window(INCREMENTAL_WINDOW)
            .build());
  }
}
