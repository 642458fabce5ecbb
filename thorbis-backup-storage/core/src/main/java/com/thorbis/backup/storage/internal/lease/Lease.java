package com.thorbis.backup.storage.internal.lease;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.ObjectId;
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
  private final String folder;
  private LeaseFacts facts;
  private Heartbeat.@Nullable Beating beating;
  private long number;
  private @Nullable Instant startedAt;
  private Instant takenAt = Instant.EPOCH;
  private boolean lapsed;
  private boolean taken;
  private boolean ended;

  private Lease(ObjectStore store, LeaseFacts facts, String folder, long before) {
    this.store = store;
    this.facts = facts;
    this.folder = folder;
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
        new LeaseFacts(run, Holder.name(), purpose, pins, services.tuning().leaseLasts());
    return begin(services, new Lease(services.store(), facts, run, 0));
  }

  /**
   * Takes a lease for a backup.
   *
   * @param pins backups whose bytes it refers to
   * @param packs what the text of the ids of all its packs begins with
   * @param head the last commit
   */
  public static Lease take(
      Services services,
      BackupId backup,
      List<BackupId> pins,
      ObjectId tree,
      String packs,
      long head)
      throws IOException {
    LeaseFacts facts =
        new LeaseFacts(
                backup.value(),
                Holder.name(),
                LeaseFacts.BACKUP,
                pins,
                services.tuning().leaseLasts())
            .trace(new LeaseFacts.Trace(tree, packs, head, Holder.process(), Optional.empty()));
    return begin(services, new Lease(services.store(), facts, backup.value(), 0));
  }

  /**
   * Takes what another run left, so that neither it nor anybody else goes on with it. Only one can:
   * whoever writes the next lease of that run.
   *
   * @param left the last of that run
   * @param by which run has it from now on
   * @return whether this one got it
   */
  public static boolean takeOver(ObjectStore store, Leases.Held left, String by)
      throws IOException {
    LeaseFacts facts = left.facts().orElseThrow().taken(Holder.name(), left.startedAt(), by);
    ObjectKey key = ObjectNames.lease(left.folder(), left.number() + 1);
    byte[] bytes = facts.encode();
    try {
      Outcomes.settle(
          store,
          key,
          bytes.length,
          () -> store.put(key, ObjectSource.of(bytes)),
          () -> isOurs(store, key, bytes));
      return true;
    } catch (StorageException.AlreadyExists e) {
      return false;
    } catch (StorageException.OutcomeUnknown e) {
      if (e.getCause() instanceof StorageException.AlreadyExists taken
          && taken.getSuppressed().length == 0) {
        return false; // taken and gone: its run lives, and has written the next one since
      }
      throw e;
    }
  }

  /**
   * Takes the lease that only one run has at a time.
   *
   * @throws RepositoryException code {@code prune.busy} if another has it, which is named
   */
  public static Lease takeExclusive(Services services, String run, String purpose)
      throws IOException {
    LeaseFacts facts =
        new LeaseFacts(run, Holder.name(), purpose, List.of(), services.tuning().leaseLasts());
    return alone(services, facts, purpose).orElseThrow(() -> busy(services, purpose));
  }

  /**
   * Takes the lease of a name, which one run has at a time; empty if another has it.
   *
   * @param run drawn at random
   * @param name what it is for
   */
  public static Optional<Lease> claim(Services services, String run, String name, Duration lasts)
      throws IOException {
    LeaseFacts facts = new LeaseFacts(run, Holder.name(), LeaseFacts.CLAIM, List.of(), lasts);
    return alone(services, facts, LeaseFacts.claim(name));
  }

  private static Optional<Lease> alone(Services services, LeaseFacts facts, String folder)
      throws IOException {
    Instant now = services.store().now();
    long before = 0;
    for (Leases.Held held : Leases.of(services.store(), folder)) {
      if (held.alive(now)) {
        return Optional.empty();
      }
      before = Math.max(before, held.number());
    }
    Lease lease = new Lease(services.store(), facts, folder, before);
    try {
      return Optional.of(begin(services, lease));
    } catch (StorageException.AlreadyExists e) {
      return Optional.empty();
    }
  }

  private static Lease begin(Services services, Lease lease) throws IOException {
    lease.put();
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
        taken = true;
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

  /** Whether another run has taken what this one leaves. */
  public synchronized boolean taken() {
    return taken;
  }

  /** From now on says that the run refers to what a run left that began then; renews it. */
  public synchronized void reachTo(Instant oldest) throws IOException {
    facts = facts.reachingTo(oldest);
    renew();
  }

  /** Ends it; what cannot be removed lapses by itself. */
  @Override
  public void close() {
    end(false);
  }

  /**
   * Ends it, and says what the run leaves to others. If that cannot be said, it lapses by itself.
   */
  public void leave() {
    end(true);
  }

  private void end(boolean leaves) {
    Heartbeat.Beating stopped = beating;
    if (stopped != null) {
      stopped.close();
    }
    synchronized (this) {
      if (ended) {
        return;
      }
      ended = true;
      if (!leaves) {
        discard(number);
      } else if (!lapsed) {
        facts = facts.ended();
        try {
          renew();
        } catch (IOException e) {
          LOG.debug("Run {} does not say that it has ended", facts.run(), e);
        }
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
    ObjectKey key = ObjectNames.lease(folder, number + 1);
    byte[] bytes = facts.since(Optional.ofNullable(startedAt)).encode();
    ObjectInfo[] taken = new ObjectInfo[1];
    Outcomes.settle(
        store,
        key,
        bytes.length,
        () -> taken[0] = store.put(key, ObjectSource.of(bytes)),
        () -> isOurs(store, key, bytes));
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

  private static Optional<Boolean> isOurs(ObjectStore store, ObjectKey key, byte[] bytes)
      throws IOException {
    try {
      return Optional.of(
          Arrays.equals(SealedObjects.fetch(store, key, LeaseFacts.MOST_BYTES), bytes));
    } catch (StorageException.NotFound e) {
      return Optional.empty();
    }
  }

  private void discard(long old) {
    try {
      store.delete(ObjectNames.lease(folder, old));
    } catch (IOException e) {
      LOG.debug("Lease {} of run {} stays until it lapses", old, facts.run(), e);
    }
  }

  private static RepositoryException busy(Services services, String folder) {
    String holder = holder(services, folder);
    return new RepositoryException(
        "prune.busy",
        FailureKind.REFUSED,
        "Another run removes things from this repository: " + holder,
        Map.of("holder", holder),
        "Wait until it has ended. The lease of a run that died lapses by itself.",
        null);
  }

  private static String holder(Services services, String folder) {
    try {
      return Leases.of(services.store(), folder).stream()
          .reduce((older, newer) -> newer)
          .map(held -> held.facts().map(LeaseFacts::holder).orElse("?"))
          .orElse("another run");
    } catch (IOException e) {
      LOG.debug("Nobody knows who has lease {}", folder, e);
      return "another run";
    }
  }
}
