package com.thorbis.backup.storage.internal.lease;

import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import com.thorbis.backup.storage.internal.lease.LeaseFacts.Trace;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The leases that a store holds. */
public final class Leases {
  /** As long as any lease may last. */
  private static final Duration UNREADABLE = Duration.ofDays(1);

  private static final int ATTEMPTS = 5;

  private Leases() {}

  /**
   * A lease as it was found.
   *
   * @param key the object
   * @param number which renewal
   * @param takenAt when the store took that
   * @param facts what it says; empty if it cannot be read, and then it counts for a day
   */
  public record Held(ObjectKey key, long number, Instant takenAt, Optional<LeaseFacts> facts) {
    /** Whether its run may still work, as far as its time tells. */
    public boolean alive(Instant now) {
      boolean over =
          facts.isPresent()
              && (facts.get().purpose().equals(LeaseFacts.ENDED)
                  || facts.get().purpose().equals(LeaseFacts.TAKEN));
      return !over && !endsAt().isBefore(now);
    }

    /** Until when it counts if it counts at all. */
    public Instant endsAt() {
      return takenAt.plus(facts.map(LeaseFacts::lasts).orElse(UNREADABLE));
    }

    /** Whether its run has ended for certain, whatever its time is. */
    public boolean dead() {
      return facts
          .flatMap(LeaseFacts::trace)
          .filter(left -> Holder.isDead(left.process()))
          .isPresent();
    }

    /** The run's folder, which every lease of it lies in. */
    public String folder() {
      String path = key.value();
      return path.substring(ObjectNames.LEASES.length(), path.lastIndexOf('/'));
    }

    /** When the oldest object began that its run may refer to and no commit names. */
    public Instant reachesTo() {
      Instant started = startedAt();
      Optional<Instant> further = facts.flatMap(LeaseFacts::trace).flatMap(Trace::reachesTo);
      return further.isPresent() && further.get().isBefore(started) ? further.get() : started;
    }

    /** When its run began. */
    public Instant startedAt() {
      return facts.flatMap(LeaseFacts::since).orElse(facts.isPresent() ? takenAt : Instant.EPOCH);
    }

    /** Whether its run may refer to objects that no commit names; of one that is unknown it may. */
    public boolean mayRefer() {
      return facts.isEmpty() || !(serves(LeaseFacts.PRUNE) || serves(LeaseFacts.CLAIM));
    }

    /** Whether it is one of this purpose; what cannot be read is of every purpose. */
    public boolean serves(String purpose) {
      return facts.isEmpty() || facts.get().purpose().equals(purpose);
    }
  }

  /** Every lease object, of a run's folder. */
  public static List<Held> of(ObjectStore store, String folder) throws IOException {
    return list(store, ObjectNames.LEASES + folder + "/");
  }

  /** Every lease object there is, lapsed ones too, newest last within a run. */
  public static List<Held> all(ObjectStore store) throws IOException {
    return list(store, ObjectNames.LEASES);
  }

  /** The last of each run. */
  public static Collection<Held> newest(List<Held> all) {
    Map<String, Held> newest = new LinkedHashMap<>();
    for (Held held : all) {
      newest.merge(
          held.folder(), held, (one, other) -> one.number() > other.number() ? one : other);
    }
    return newest.values();
  }

  private static List<Held> list(ObjectStore store, String prefix) throws IOException {
    // A lease that is renewed meanwhile goes away under one name and appears under the next.
    List<Held> found = List.of();
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
      found = new ArrayList<>();
      if (collect(store, prefix, found)) {
        return found;
      }
    }
    return found;
  }

  /** False if one was gone before it could be read; it then counts as it was listed. */
  private static boolean collect(ObjectStore store, String prefix, List<Held> found)
      throws IOException {
    boolean steady = true;
    Optional<String> after = Optional.empty();
    do {
      ListPage page = store.list(prefix, after);
      for (ObjectInfo info : page.objects()) {
        String name = info.key().name();
        if (!name.matches("[0-7][0-9a-f]{15}")) {
          continue;
        }
        Optional<LeaseFacts> facts = Optional.empty();
        try {
          byte[] bytes = SealedObjects.fetch(store, info.key(), LeaseFacts.MOST_BYTES);
          facts = Optional.of(LeaseFacts.read(bytes, info.key().value()));
        } catch (StorageException.NotFound e) {
          steady = false;
        } catch (RepositoryException e) {
          // Whoever wrote it may still work: it counts as long as any lease can.
        }
        found.add(new Held(info.key(), Long.parseLong(name, 16), info.modifiedAt(), facts));
      }
      after = page.next();
    } while (after.isPresent());
    return steady;
  }
}
