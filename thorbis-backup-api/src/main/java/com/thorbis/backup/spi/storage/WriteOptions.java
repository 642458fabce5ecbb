package com.thorbis.backup.spi.storage;

import java.time.Instant;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** How an object is to be kept. Immutable. */
public final class WriteOptions {
  private static final WriteOptions PLAIN = new WriteOptions(StorageTier.HOT, null);

  private final StorageTier tier;
  private final @Nullable Instant lockedUntil;

  private WriteOptions(StorageTier tier, @Nullable Instant lockedUntil) {
    this.tier = tier;
    this.lockedUntil = lockedUntil;
  }

  /** Hot and without a lock: every store can do that. */
  public static WriteOptions plain() {
    return PLAIN;
  }

  /** The same in another tier. */
  public WriteOptions in(StorageTier tier) {
    return new WriteOptions(tier, lockedUntil);
  }

  /** The same, locked until a time by the store's clock. */
  public WriteOptions lockedUntil(Instant until) {
    return new WriteOptions(tier, until);
  }

  /** The tier. */
  public StorageTier tier() {
    return tier;
  }

  /** Until when it can be neither removed nor replaced. */
  public Optional<Instant> lockedUntil() {
    return Optional.ofNullable(lockedUntil);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof WriteOptions o
        && tier == o.tier
        && Objects.equals(lockedUntil, o.lockedUntil);
  }

  @Override
  public int hashCode() {
    return Objects.hash(tier, lockedUntil);
  }

  @Override
  public String toString() {
    return tier + (lockedUntil == null ? "" : " locked until " + lockedUntil);
  }
}
