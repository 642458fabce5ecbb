package com.thorbis.backup.api;

import java.util.List;
import java.util.Optional;

/**
 * What verifying found.
 *
 * @param checked how many objects were looked at
 * @param damaged what is missing or is not what was stored; empty if all is well
 * @param durationMillis how long it took
 */
public record VerifyReport(long checked, List<Damage> damaged, long durationMillis) {
  /** Copies the list. */
  public VerifyReport {
    damaged = List.copyOf(damaged);
  }

  /**
   * One damaged or missing object, or a place in one.
   *
   * @param object its key
   * @param copy which copy, described
   * @param kind such as {@code missing}, {@code altered}, {@code truncated}, {@code unknown-object}
   * @param referenced whether a backup or a recovery needs it
   * @param backups which backups need it
   * @param file a file of a backup that needs it, where known
   * @param range the damaged stretch of that file or object, such as {@code 8192+1048576}, where
   *     known
   * @param healable whether another copy has it whole
   */
  public record Damage(
      String object,
      String copy,
      String kind,
      boolean referenced,
      List<BackupId> backups,
      Optional<String> file,
      Optional<String> range,
      boolean healable) {
    /** Copies the list. */
    public Damage {
      backups = List.copyOf(backups);
    }
  }
}
