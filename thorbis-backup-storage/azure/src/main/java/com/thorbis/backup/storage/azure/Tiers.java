package com.thorbis.backup.storage.azure;

import com.azure.storage.blob.models.AccessTier;
import com.azure.storage.blob.models.ArchiveStatus;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.StorageTier;
import java.time.Duration;
import java.time.OffsetDateTime;
import org.jspecify.annotations.Nullable;

/** Which access tier is which of ours. */
final class Tiers {
  private Tiers() {}

  static AccessTier accessTier(StorageTier tier) {
    return switch (tier) {
      case HOT -> AccessTier.HOT;
      case WARM -> AccessTier.COOL;
      case COLD -> AccessTier.COLD;
      case ARCHIVE -> AccessTier.ARCHIVE;
    };
  }

  /** The tier of an object; one that has none, as in premium accounts, is hot. */
  static StorageTier of(@Nullable AccessTier tier) {
    if (AccessTier.COOL.equals(tier)) {
      return StorageTier.WARM;
    }
    if (AccessTier.COLD.equals(tier)) {
      return StorageTier.COLD;
    }
    return AccessTier.ARCHIVE.equals(tier) ? StorageTier.ARCHIVE : StorageTier.HOT;
  }

  /**
   * How long it takes at most to bring back what lies in Archive, by "Blob rehydration from the
   * archive tier" of Azure Storage: 15 hours with standard priority, an hour with high priority for
   * objects below 10 GB.
   */
  static Duration thaw(boolean highPriority) {
    return Duration.ofHours(highPriority ? 1 : 15);
  }

  /**
   * How long is charged at least, by "Access tiers for blob data" of Azure Storage: 30 days in
   * Cool, 90 in Cold, 180 in Archive.
   */
  static Duration minimumStay(StorageTier tier) {
    return Duration.ofDays(
        switch (tier) {
          case HOT -> 0;
          case WARM -> 30;
          case COLD -> 90;
          case ARCHIVE -> 180;
        });
  }

  /** The same facts, and where the object lies. */
  static ObjectInfo keep(
      ObjectInfo info,
      @Nullable AccessTier tier,
      @Nullable OffsetDateTime since,
      @Nullable ArchiveStatus status,
      boolean highPriority) {
    ObjectInfo kept =
        AccessTier.ARCHIVE.equals(tier)
            ? info.offline(StorageTier.ARCHIVE, thaw(highPriority), status != null)
            : info.in(of(tier), true);
    return since == null ? kept : kept.tierSince(since.toInstant());
  }
}
