package com.thorbis.backup.spi.repository;

import com.thorbis.backup.spi.storage.StorageTier;
import java.time.Duration;

/**
 * Where a copy keeps what is older.
 *
 * @param after how old, since it was written there; a day or more
 * @param tier not hot
 */
public record TierStep(Duration after, StorageTier tier) {
  /** Checks the ranges. */
  public TierStep {
    if (after.compareTo(Duration.ofDays(1)) < 0 || tier == StorageTier.HOT) {
      throw new IllegalArgumentException("After " + after + " to tier " + tier);
    }
  }
}
