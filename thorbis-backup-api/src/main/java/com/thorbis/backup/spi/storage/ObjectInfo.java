package com.thorbis.backup.spi.storage;

import java.time.Duration;
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
  private final boolean requested;
  private final Duration thaw;
  private final @Nullable Instant tierSince;
  private final @Nullable Instant lockedUntil;

  private ObjectInfo(
      ObjectKey key,
      long length,
      Instant modifiedAt,
      StorageTier tier,
      boolean readable,
      boolean requested,
      Duration thaw,
      @Nullable Instant tierSince,
      @Nullable Instant lockedUntil) {
    this.key = key;
    this.length = length;
    this.modifiedAt = modifiedAt;
    this.tier = tier;
    this.readable = readable;
    this.requested = requested;
    this.thaw = thaw;
    this.tierSince = tierSince;
    this.lockedUntil = lockedUntil;
  }

  /** The facts every store has: hot, readable, not known to be locked. */
  public static ObjectInfo of(ObjectKey key, long length, Instant modifiedAt) {
    return new ObjectInfo(
        key, length, modifiedAt, StorageTier.HOT, true, false, Duration.ZERO, null, null);
  }

  /** The same in another tier, which can or can not be read at once. */
  public ObjectInfo in(StorageTier tier, boolean readable) {
    return new ObjectInfo(
        key, length, modifiedAt, tier, readable, false, Duration.ZERO, tierSince, lockedUntil);
  }

  /**
   * The same in another tier, from which it must be brought back first.
   *
   * @param thaw how long that takes at most by what the vendor says, from being asked for on
   * @param requested whether somebody asked for it already
   */
  public ObjectInfo offline(StorageTier tier, Duration thaw, boolean requested) {
    return new ObjectInfo(
        key, length, modifiedAt, tier, false, requested, thaw, tierSince, lockedUntil);
  }

  /** The same, in its tier since a time that is not when the store took it. */
  public ObjectInfo tierSince(Instant since) {
    return new ObjectInfo(
        key, length, modifiedAt, tier, readable, requested, thaw, since, lockedUntil);
  }

  /** The same with a lock. */
  public ObjectInfo lockedUntil(Instant until) {
    return new ObjectInfo(
        key, length, modifiedAt, tier, readable, requested, thaw, tierSince, until);
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

  /**
   * Since when it has been kept there, as far as the store tells; otherwise {@link #modifiedAt}.
   */
  public Instant tierSince() {
    return tierSince == null ? modifiedAt : tierSince;
  }

  /**
   * False if it must be asked for before it can be read: {@link ObjectStore#requestReadable}.
   * Listings may say so of what was brought back already; {@link ObjectStore#head} does not.
   */
  public boolean readable() {
    return readable;
  }

  /**
   * Whether it was asked for and cannot be read yet. Listings need not tell; {@link
   * ObjectStore#head} does.
   */
  public boolean requested() {
    return requested;
  }

  /**
   * How long it takes at most, from being asked for on, until it can be read, by what the vendor
   * says; zero if it can be read, or nobody knows.
   */
  public Duration thaw() {
    return thaw;
  }

  /**
   * Until when it can be neither removed nor replaced. Listings and reads of content need not tell;
   * {@link ObjectStore#head} does.
   */
  public Optional<Instant> lockedUntil() {
    return Optional.ofNullable(lockedUntil);
  }
}
