package com.thorbis.backup.storage.internal.lease;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.Outcomes;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import java.io.IOException;
import java.lang.ref.WeakReference;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Says that a run works. All times are the store's: a lease counts from the moment at which the
 * store took it, so nobody's clock matters. It is renewed by another object and never overwritten.
 * Safe for several threads.
 *
 * <p>Leases keep others from work that would be in vain. That nothing which is needed is removed
 * does not rest on them: what a sweep removes stands in a commit first, and commits are one
 * sequence.
 */
public final class Lease implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Lease.class);
  private static final int BEATS = 3;

  private final ObjectStore store;
  private final LeaseFacts facts;
  private final boolean exclusive;
  private Heartbeat.@Nullable Beating beating;
  private long number;
  private @Nullable Instant startedAt;
  private Instant takenAt = Instant.EPOCH;
  private boolean lapsed;
  private boolean ended;

  private Lease(ObjectStore store, LeaseFacts facts, boolean exclusive, long before) {
    this.store = store;
    this.facts = facts;
    this.exclusive = exclusive;
    this.number = before;
  }

  /**
   * Takes a lease for a run of its own.
   *
   * @param run drawn at random
   * @param pins backups whose bytes the run refers to
   */
  public static Lease take(Services services, String run, String purpose, List<BackupId> pins)
      throws IOException {
    LeaseFacts facts =
        new LeaseFacts(
            run, Holder.name(), purpose, pins, services.tuning().leaseLasts(), Optional.empty());
    return begin(services, new Lease(services.store(), facts, false, 0));
  }

  /**
   * Takes the lease that only one run has at a time.
   *
   * @throws RepositoryException code {@code prune.busy} if another has it, which is named
   */
  public static Lease takeExclusive(Services services, String run, String purpose)
      throws IOException {
    LeaseFacts facts =
        new LeaseFacts(
            run,
            Holder.name(),
            purpose,
            List.of(),
            services.tuning().leaseLasts(),
            Optional.empty());
    Instant now = services.store().now();
    long before = 0;
    for (Leases.Held held : Leases.of(services.store(), purpose)) {
      if (held.alive(now)) {
        throw busy(held);
      }
      before = Math.max(before, held.number());
    }
    return begin(services, new Lease(services.store(), facts, true, before));
  }

  private static Lease begin(Services services, Lease lease) throws IOException {
    try {
      lease.put();
    } catch (StorageException.AlreadyExists e) {
      throw busy(Leases.of(services.store(), lease.folder()).stream().findFirst().orElse(null));
    }
    Duration period = lease.facts.lasts().dividedBy(BEATS);
    // A run that was dropped without an end must not be kept alive, and its lease not either.
    WeakReference<Lease> held = new WeakReference<>(lease);
    lease.beating =
        services
            .tuning()
            .heartbeat()
            .every(
                period,
                () -> {
                  Lease there = held.get();
                  if (there == null) {
                    throw new CancellationException();
                  }
                  there.beat();
                });
    return lease;
  }

  /** When the store took it first. */
  public synchronized Instant startedAt() {
    return startedAt == null ? takenAt : startedAt;
  }

  /**
   * Renews it now.
   *
   * @return the store's time
   * @throws RepositoryException code {@code lease.lost} if it lapsed, or another took it
   */
  public synchronized Instant renew() throws IOException {
    if (!lapsed) {
      Instant end = takenAt.plus(facts.lasts());
      try {
        put();
        lapsed = takenAt.isAfter(end);
      } catch (StorageException.AlreadyExists e) {
        lapsed = true;
      }
    }
    if (lapsed) {
      throw new RepositoryException(
          "lease.lost",
          FailureKind.REFUSED,
          "The lease of this " + facts.purpose() + " run lapsed before it was renewed",
          Map.of("run", facts.run()),
          "Run it again. Find out what held it up: a machine that slept, or a store that could not"
              + " be reached.",
          null);
    }
    return takenAt;
  }

  /** Ends it; what cannot be removed lapses by itself. */
  @Override
  public void close() {
    Heartbeat.Beating stopped = beating;
    if (stopped != null) {
      stopped.close();
    }
    synchronized (this) {
      if (!ended) {
        ended = true;
        discard(number);
      }
    }
  }

  private void beat() {
    synchronized (this) {
      if (ended || lapsed) {
        return;
      }
      try {
        renew();
      } catch (IOException e) {
        LOG.warn("The lease of run {} could not be renewed: {}", facts.run(), e.toString());
      }
    }
  }

  /** Writes the next number and removes the one before. */
  private void put() throws IOException {
    ObjectKey key = ObjectNames.lease(folder(), number + 1);
    byte[] bytes = facts.since(Optional.ofNullable(startedAt)).encode();
    ObjectInfo[] taken = new ObjectInfo[1];
    Outcomes.settle(
        store,
        key,
        bytes.length,
        () -> taken[0] = store.put(key, ObjectSource.of(bytes)),
        () -> isOurs(key, bytes));
    ObjectInfo info = taken[0];
    if (info == null) {
      info = store.head(key).orElseThrow(() -> new StorageException.NotFound(key, null));
    }
    takenAt = info.modifiedAt();
    startedAt = startedAt == null ? takenAt : startedAt;
    number++;
    if (number > 1) {
      discard(number - 1);
    }
  }

  private Optional<Boolean> isOurs(ObjectKey key, byte[] bytes) throws IOException {
    try {
      return Optional.of(
          Arrays.equals(SealedObjects.fetch(store, key, LeaseFacts.MOST_BYTES), bytes));
    } catch (StorageException.NotFound e) {
      return Optional.empty();
    }
  }

  private void discard(long old) {
    try {
      store.delete(ObjectNames.lease(folder(), old));
    } catch (IOException e) {
      LOG.debug("Lease {} of run {} stays until it lapses", old, facts.run(), e);
    }
  }

  private String folder() {
    return exclusive ? facts.purpose() : facts.run();
  }

  private static RepositoryException busy(Leases.@Nullable Held held) {
    String holder = held == null ? "another run" : held.facts().map(LeaseFacts::holder).orElse("?");
    return new RepositoryException(
        "prune.busy",
        FailureKind.REFUSED,
        "Another run removes things from this repository: " + holder,
        Map.of("holder", holder),
        "Wait until it has ended. The lease of a run that died lapses by itself.",
        null);
  }
}
