package com.thorbis.backup.api;

import java.util.Optional;

/**
 * What to verify.
 *
 * @param backup one backup; empty for every object of every copy, referenced or not
 * @param level how closely
 * @param samplePercent 1 to 100: which share of the pieces is opened at level {@code DATA}
 */
public record VerifyRequest(Optional<BackupId> backup, Level level, int samplePercent) {
  /** Checks the range. */
  public VerifyRequest {
    if (samplePercent < 1 || samplePercent > 100) {
      throw new IllegalArgumentException("sample: " + samplePercent + " (1 to 100 percent)");
    }
  }

  /** How closely to look. Constants may be added. */
  public enum Level {
    /** Presence and length. */
    OBJECTS,
    /** Every byte is opened and compared. */
    DATA
  }
}
