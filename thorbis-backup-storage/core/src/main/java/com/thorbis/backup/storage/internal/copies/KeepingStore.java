package com.thorbis.backup.storage.internal.copies;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ForwardingObjectStore;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageTier;
import com.thorbis.backup.spi.storage.StoreCapability;
import com.thorbis.backup.spi.storage.WriteOptions;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Keeps what is written to a copy in the tier, and under the lock, that its owner asked for. */
public final class KeepingStore extends ForwardingObjectStore {
  /** A lock begins longer by this part of itself, so that it need not be renewed every day. */
  private static final int SLACK = 10;

  private final ObjectStore store;
  private final StorageTier tier;
  private final @Nullable Duration lock;
  private final Clock clock;

  private KeepingStore(ObjectStore store, StorageTier tier, @Nullable Duration lock, Clock clock) {
    this.store = store;
    this.tier = tier;
    this.lock = lock;
    this.clock = clock;
  }

  /**
   * The copies as they are to be written to.
   *
   * @param clock tells when locks end, give or take what it is off
   */
  public static List<Copy> over(List<Copy> copies, Clock clock) {
    return copies.stream().map(copy -> over(copy, clock)).toList();
  }

  private static Copy over(Copy copy, Clock clock) {
    if (copy.tier() == StorageTier.HOT && copy.lock().isEmpty()) {
      return copy;
    }
    return copy.through(
        new KeepingStore(copy.store(), copy.tier(), copy.lock().orElse(null), clock));
  }

  /** Refuses a store that says itself that it cannot keep things so. */
  public static void requireOffered(Copy copy) throws IOException {
    Set<StoreCapability> offered = copy.store().capabilities();
    if (copy.lock().isPresent() && !offered.contains(StoreCapability.LOCK)) {
      throw cannot(copy, "lock objects", "lock");
    }
    if (copy.tier() != StorageTier.HOT && !offered.contains(StoreCapability.TIERS)) {
      throw cannot(copy, "keep objects in tier " + copy.tier(), "tier");
    }
    if (!copy.tiers().isEmpty() && !offered.contains(StoreCapability.TIERS)) {
      throw cannot(copy, "move objects to another tier", "tiers");
    }
  }

  private static RepositoryException cannot(Copy copy, String what, String setting) {
    return new RepositoryException(
        "configuration.copies",
        FailureKind.CONFIGURATION,
        "repository.copies: " + copy.name() + " cannot " + what,
        Map.of("copy", copy.name()),
        "Remove " + setting + " there, or use a store that can.",
        null);
  }

  /** How long what is written is locked at least. */
  public Optional<Duration> lock() {
    return Optional.ofNullable(lock);
  }

  /** How old an object is at least whose lock can be too short. */
  Duration renewedAfter() {
    return lock == null ? Duration.ZERO : lock.dividedBy(SLACK);
  }

  /**
   * Locks an object for as long as if it were written now. Says nothing of one that is not there.
   *
   * @return whether its lock was shorter
   */
  boolean renew(ObjectKey key) throws IOException {
    Optional<ObjectInfo> there = store.head(key);
    if (lock == null || there.isEmpty()) {
      return false;
    }
    Instant least = clock.instant().plus(lock);
    if (there.get().lockedUntil().filter(until -> !until.isBefore(least)).isPresent()) {
      return false;
    }
    store.extendLock(key, least.plus(renewedAfter()));
    return true;
  }

  /** Leases, probes and checkpoints are of no use once newer ones are there. */
  static boolean isLocked(ObjectKey key) {
    return !key.value().startsWith(ObjectNames.LEASES)
        && !key.value().startsWith(ObjectNames.PROBE)
        && !key.value().startsWith(ObjectNames.CHECKPOINTS);
  }

  private WriteOptions options(ObjectKey key) {
    WriteOptions options = WriteOptions.plain().in(ObjectNames.deepest(key, tier));
    return lock == null || !isLocked(key)
        ? options
        : options.lockedUntil(clock.instant().plus(lock).plus(renewedAfter()));
  }

  @Override
  public String describe() {
    return store.describe();
  }

  @Override
  protected ObjectStore delegate() {
    return store;
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
    return store.put(key, content, options(key));
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key) throws IOException {
    return store.startUpload(key, options(key));
  }
}
