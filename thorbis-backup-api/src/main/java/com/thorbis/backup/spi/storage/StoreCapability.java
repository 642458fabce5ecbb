package com.thorbis.backup.spi.storage;

/**
 * What a store offers beyond reading and writing. An adapter claims it; whether the store enforces
 * it is found out by trying.
 */
public enum StoreCapability {
  /** Objects can be kept in another tier than {@link StorageTier#HOT}. */
  TIERS,
  /** An object can be locked until a time, and longer later. */
  LOCK,
  /** What was deleted stays recoverable for as long as the store is set to keep it. */
  UNDELETE,
  /** Uploads that nobody ended can be found and discarded. */
  STALE_UPLOADS
}
