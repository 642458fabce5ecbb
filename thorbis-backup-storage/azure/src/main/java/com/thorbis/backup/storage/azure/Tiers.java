package com.thorbis.backup.storage.azure;

import com.azure.storage.blob.models.AccessTier;
import com.thorbis.backup.spi.storage.StorageTier;
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
}
