package com.thorbis.backup.storage.s3;

import com.thorbis.backup.spi.storage.StorageTier;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.services.s3.model.StorageClass;
import software.amazon.awssdk.services.s3.model.Tier;

/** Tiers as storage classes, and back. */
final class Tiers {
  private final StorageClass archive;
  private final Tier retrieval;

  Tiers(StorageClass archive, Tier retrieval) {
    this.archive = archive;
    this.retrieval = retrieval;
  }

  /** How fast something is brought back: the deepest archives know no fast way. */
  Tier retrieval(@Nullable String name, @Nullable String archiveStatus) {
    boolean deep = isDeep(name, archiveStatus);
    return deep && retrieval == Tier.EXPEDITED ? Tier.STANDARD : retrieval;
  }

  private static boolean isDeep(@Nullable String name, @Nullable String archiveStatus) {
    return "DEEP_ARCHIVE".equals(name) || "DEEP_ARCHIVE_ACCESS".equals(archiveStatus);
  }

  /**
   * How long that takes at most, by "Understanding archive retrieval options" in the user guide of
   * S3: from Glacier Flexible Retrieval and Archive Access 1 to 5 minutes expedited, 3 to 5 hours
   * standard, 5 to 12 hours in bulk; from Glacier Deep Archive and Deep Archive Access 12 and 48
   * hours.
   */
  Duration thaw(@Nullable String name, @Nullable String archiveStatus) {
    boolean deep = isDeep(name, archiveStatus);
    return switch (retrieval(name, archiveStatus)) {
      case EXPEDITED -> Duration.ofMinutes(5);
      case BULK -> Duration.ofHours(deep ? 48 : 12);
      default -> Duration.ofHours(deep ? 12 : 5);
    };
  }

  /**
   * How long is charged at least, by the comparison of storage classes in the user guide of S3: 30
   * days in Standard-IA, 90 in Glacier Instant and Flexible Retrieval, 180 in Glacier Deep Archive.
   */
  Duration minimumStay(StorageTier tier) {
    return Duration.ofDays(
        switch (tier) {
          case HOT -> 0;
          case WARM -> 30;
          case COLD -> 90;
          case ARCHIVE -> archive == StorageClass.DEEP_ARCHIVE ? 180 : 90;
        });
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
