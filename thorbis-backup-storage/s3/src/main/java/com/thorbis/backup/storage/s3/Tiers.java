package com.thorbis.backup.storage.s3;

import com.thorbis.backup.spi.storage.StorageTier;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.services.s3.model.StorageClass;

/** Tiers as storage classes, and back. */
final class Tiers {
  private final StorageClass archive;

  Tiers(StorageClass archive) {
    this.archive = archive;
  }

  StorageClass of(StorageTier tier) {
    return switch (tier) {
      case HOT -> StorageClass.STANDARD;
      case WARM -> StorageClass.STANDARD_IA;
      case COLD -> StorageClass.GLACIER_IR;
      case ARCHIVE -> archive;
    };
  }

  /**
   * The tier of a class.
   *
   * @param name as the server wrote it; none means the standard class
   * @param archived whether an object that moves by itself lies in one of its archives
   */
  static StorageTier tier(@Nullable String name, boolean archived) {
    if (archived) {
      return StorageTier.ARCHIVE;
    }
    return switch (name == null ? "" : name) {
      case "STANDARD_IA", "ONEZONE_IA" -> StorageTier.WARM;
      case "GLACIER_IR" -> StorageTier.COLD;
      case "GLACIER", "DEEP_ARCHIVE" -> StorageTier.ARCHIVE;
      default -> StorageTier.HOT;
    };
  }
}
