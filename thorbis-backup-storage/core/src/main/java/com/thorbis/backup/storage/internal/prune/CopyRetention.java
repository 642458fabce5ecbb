package com.thorbis.backup.storage.internal.prune;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.PrunePlan;
import com.thorbis.backup.api.RetentionPlan;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Narrowing;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.catalog.StoredBackup;
import com.thorbis.backup.storage.internal.retention.Candidate;
import com.thorbis.backup.storage.internal.retention.Retention;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Decides what copies with a retention of their own let go of, of what the repository keeps. A
 * backup counts as verified on a copy if it was read back from there. What no other copy keeps
 * stays, and so does what was never read back from one that does: that an object is there says
 * nothing of its bytes, and a good copy is not given for one that nobody ever read.
 */
public final class CopyRetention {
  /** Where no copy has a retention of its own. */
  static final CopyRetention NONE = new CopyRetention(List.of(), false);

  private static final String ONLY_HERE = "no other copy keeps it";
  private static final String UNREAD = "never read back from another copy that keeps it";

  private final List<Copy> copies;
  private final boolean confirmed;

  /**
   * Of the copies that are configured.
   *
   * @param confirmed whether somebody agreed to let go of an unusual share of all
   */
  public CopyRetention(List<Copy> copies, boolean confirmed) {
    this.copies = List.copyOf(copies);
    this.confirmed = confirmed;
  }

  /** What the copies that could be asked would do, and why some could not. */
  record Plans(List<PrunePlan.CopyPlan> plans, List<String> alarms) {}

  /**
   * Plans for each copy.
   *
   * @param live every backup of the source that was not deleted
   * @param going those of them that the whole repository gives up
   */
  Plans plan(
      Services services,
      String source,
      Catalog catalog,
      List<Catalog.Kept> live,
      Set<BackupId> going,
      Instant now)
      throws IOException {
    requireOneWhole();
    List<PrunePlan.CopyPlan> plans = new ArrayList<>();
    List<String> alarms = new ArrayList<>();
    if (copies.stream().allMatch(copy -> copy.retention().isEmpty())) {
      return new Plans(plans, alarms);
    }
    Histories histories = new Histories(services, source);
    Map<Copy, ObjectId> places = places(services, alarms);
    if (!alarms.isEmpty()) {
      return new Plans(plans, alarms); // it may be the one that keeps what others let go of
    }
    Set<ObjectId> known = new LinkedHashSet<>();
    catalog.copies().forEach(place -> known.add(place.id()));
    places.forEach(
        (copy, place) -> {
          if (!known.contains(place)) {
            alarms.add(
                "prune.copy-unrecorded: "
                    + copy.name()
                    + " keeps everything until init has recorded it");
          }
        });
    places.values().retainAll(known);
    Map<BackupId, Set<ObjectId>> gone = new LinkedHashMap<>();
    for (Catalog.Kept kept : live) {
      gone.put(kept.entry().backup().id(), without(kept));
    }
    for (Map.Entry<Copy, ObjectId> one : places.entrySet()) {
      ObjectId place = one.getValue();
      Optional<RetentionPolicy> policy = one.getKey().retention();
      if (policy.isEmpty()) {
        continue;
      }
      List<Catalog.Kept> held =
          live.stream()
              .filter(kept -> !going.contains(kept.entry().backup().id()))
              .filter(kept -> kept.fate().parting(place).isEmpty())
              .toList();
      List<Candidate> candidates = new ArrayList<>();
      for (Catalog.Kept kept : held) {
        Set<ObjectId> elsewhere = new LinkedHashSet<>(places.values());
        elsewhere.remove(place);
        elsewhere.removeAll(gone.getOrDefault(kept.entry().backup().id(), Set.of()));
        candidates.add(candidate(kept, place, elsewhere, now));
      }
      RetentionPlan plan =
          usual(
              Retention.plan(
                  confirmed ? policy.get().withMostDeletedPercent(100) : policy.get(),
                  source,
                  candidates,
                  histories.branches(held),
                  now),
              held,
              policy.get());
      plans.add(
          new PrunePlan.CopyPlan(one.getKey().name(), place.toString(), plan, bytes(held, plan)));
      for (BackupId id : plan.deleted()) {
        gone.computeIfAbsent(id, any -> new LinkedHashSet<>()).add(place);
      }
    }
    return new Plans(plans, alarms);
  }

  /** The brake of a policy counts backups; here it counts their bytes, too. */
  private RetentionPlan usual(RetentionPlan plan, List<Catalog.Kept> held, RetentionPolicy policy) {
    long all = held.stream().mapToLong(kept -> kept.entry().backup().bytesStored()).sum();
    long gone = bytes(held, plan);
    if (confirmed
        || plan.deleted().size() <= RetentionPolicy.MOST_DELETED_FLOOR
        || gone * 100.0 <= (double) all * policy.mostDeletedPercent()) {
      return plan;
    }
    List<String> alarms = new ArrayList<>(plan.alarms());
    alarms.add(
        Pruner.TOO_MUCH
            + " %d of %d bytes of backups would go, more than %d %%; nothing is deleted; if that is"
                .formatted(gone, all, policy.mostDeletedPercent())
            + " meant, raise most-deleted-percent");
    return new RetentionPlan(
        plan.source(),
        plan.asOf(),
        plan.policyDigest(),
        plan.decisions().stream()
            .map(
                one ->
                    one.keep()
                        ? one
                        : new RetentionPlan.Decision(
                            one.backup(), true, List.of("guard most-deleted")))
            .toList(),
        List.of(),
        alarms);
  }

  /** Such a copy would be the only place of what the others let go of, and let go of it too. */
  private void requireOneWhole() throws RepositoryException {
    if (!copies.isEmpty() && copies.stream().allMatch(copy -> copy.retention().isPresent())) {
      throw new RepositoryException(
          "configuration.copies",
          FailureKind.CONFIGURATION,
          "repository.copies: every copy has a retention of its own, so that a backup could be on"
              + " none: "
              + String.join(", ", copies.stream().map(Copy::name).toList()),
          Map.of(),
          "Take the retention from one of them: that copy holds everything.",
          null);
    }
  }

  private Map<Copy, ObjectId> places(Services services, List<String> alarms) throws IOException {
    Narrowing narrowing = new Narrowing(services);
    Map<Copy, ObjectId> places = new LinkedHashMap<>();
    for (Copy copy : copies) {
      try {
        narrowing.place(copy.store()).ifPresent(place -> places.put(copy, place));
      } catch (StorageException | RepositoryException e) {
        alarms.add(
            "prune.copy-unreachable: no single copy lets go of anything until "
                + copy.name()
                + " can be asked which copy it is: "
                + e.getMessage());
      }
    }
    return places;
  }

  private static Set<ObjectId> without(Catalog.Kept kept) {
    Set<ObjectId> without = new LinkedHashSet<>();
    kept.fate().partings().forEach(parting -> without.add(parting.letGo().copy()));
    return without;
  }

  private static Candidate candidate(
      Catalog.Kept kept, ObjectId place, Set<ObjectId> elsewhere, Instant now) {
    List<String> holds = new ArrayList<>();
    kept.fate().holds().stream()
        .filter(hold -> hold.active(now))
        .map(Operation.Hold::reason)
        .forEach(holds::add);
    if (elsewhere.isEmpty()) {
      holds.add(ONLY_HERE);
    } else if (elsewhere.stream().allMatch(other -> proof(kept, other).isEmpty())) {
      holds.add(UNREAD);
    }
    return new Candidate(kept.entry().backup(), kept.fate().place(), proof(kept, place), holds);
  }

  private static Optional<Instant> proof(Catalog.Kept kept, ObjectId place) {
    return kept.fate().proof(Optional.of(place.toString())).map(Operation.Verified::at);
  }

  private static long bytes(List<Catalog.Kept> held, RetentionPlan plan) {
    Set<BackupId> going = Set.copyOf(plan.deleted());
    return held.stream()
        .map(kept -> kept.entry().backup())
        .filter(backup -> going.contains(backup.id()))
        .mapToLong(StoredBackup::bytesStored)
        .sum();
  }
}
