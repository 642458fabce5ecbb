package com.thorbis.backup.storage.gcs;

import com.thorbis.backup.spi.storage.StorageTier;

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
