package com.thorbis.backup.api;

import java.time.Instant;
import java.util.List;

/**
 * What retention will have left of a source at a date to come, if every backup until then succeeds
 * and is verified.
 *
 * @param at the date
 * @param backups what is left, in the order of commits. Those to come have made-up ids
 * @param plan what retention decides then. Its log is not foretold
 */
public record RetentionForecast(Instant at, List<BackupDescriptor> backups, RetentionPlan plan) {
  /** Copies the list. */
  public RetentionForecast {
    backups = List.copyOf(backups);
  }
}
