package com.thorbis.backup.storage.gcs;

import com.thorbis.backup.spi.storage.StorageTier;
import java.time.Duration;

/** Which storage class is which tier. */
final class Tiers {
  private Tiers() {}

  static String storageClass(StorageTier tier) {
    return switch (tier) {
      case HOT -> "STANDARD";
      case WARM -> "NEARLINE";
      case COLD -> "COLDLINE";
      case ARCHIVE -> "ARCHIVE";
    };
  }

  /**
   * How long is charged at least, by the page on storage classes of Google Cloud Storage: 30 days
   * in Nearline, 90 in Coldline, 365 in Archive. All of them are read at once.
   */
  static Duration minimumStay(StorageTier tier) {
    return Duration.ofDays(
        switch (tier) {
          case HOT -> 0;
          case WARM -> 30;
          case COLD -> 90;
          case ARCHIVE -> 365;
        });
  }

  /** The tier of a class; what is older than the classes of today is hot. */
  static StorageTier of(String storageClass) {
    return switch (storageClass) {
      case "NEARLINE" -> StorageTier.WARM;
      case "COLDLINE" -> StorageTier.COLD;
      case "ARCHIVE" -> StorageTier.ARCHIVE;
      default -> StorageTier.HOT;
    };
  }
}
