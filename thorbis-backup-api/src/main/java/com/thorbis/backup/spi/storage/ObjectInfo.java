package com.thorbis.backup.spi.storage;

import java.time.Instant;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What a store knows about an object. Immutable. */
public final class ObjectInfo {
  private final ObjectKey key;
  private final long length;
  private final Instant modifiedAt;
  private final StorageTier tier;
  private final boolean readable;
  private final @Nullable Instant lockedUntil;

  private ObjectInfo(
      ObjectKey key,
      long length,
      Instant modifiedAt,
      StorageTier tier,
      boolean readable,
      @Nullable Instant lockedUntil) {
    this.key = key;
    this.length = length;
    this.modifiedAt = modifiedAt;
    this.tier = tier;
    this.readable = readable;
    this.lockedUntil = lockedUntil;
  }

  /** The facts every store has: hot, readable, not known to be locked. */
  public static ObjectInfo of(ObjectKey key, long length, Instant modifiedAt) {
    return new ObjectInfo(key, length, modifiedAt, StorageTier.HOT, true, null);
  }

  /** The same in another tier, which can or can not be read at once. */
  public ObjectInfo in(StorageTier tier, boolean readable) {
    return new ObjectInfo(key, length, modifiedAt, tier, readable, lockedUntil);
  }

  /** The same with a lock. */
  public ObjectInfo lockedUntil(Instant until) {
    return new ObjectInfo(key, length, modifiedAt, tier, readable, until);
  }

  /** Its name. */
  public ObjectKey key() {
    return key;
  }

  /** Its length in bytes. */
  public long length() {
    return length;
  }

  /** When the store took it, by the store's clock. */
  public Instant modifiedAt() {
    return modifiedAt;
  }

  /** Where it is kept. */
  public StorageTier tier() {
    return tier;
  }

  /** False if it must be asked for before it can be read: {@link ObjectStore#requestReadable}. */
  public boolean readable() {
    return readable;
  }

  /**
   * Until when it can be neither removed nor replaced. Listings and reads of content need not tell;
   * {@link ObjectStore#head} does.
   */
  public Optional<Instant> lockedUntil() {
    return Optional.ofNullable(lockedUntil);
  }
}
