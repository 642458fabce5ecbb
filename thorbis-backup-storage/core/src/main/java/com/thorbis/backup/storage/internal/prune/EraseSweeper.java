package com.thorbis.backup.storage.internal.prune;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.StoreCapability;
import com.thorbis.backup.storage.internal.Parallel;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.ErasedSource;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.catalog.SlotRef;
import com.thorbis.backup.storage.internal.copies.CopyIdentity;
import com.thorbis.backup.storage.internal.copies.CopySet;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.lease.Lease;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Removes what is left of sources that were erased: the slots of their keys from every copy, and
 * what those keys sealed once its grace is over. Nothing else lies below the tree of a source, so
 * whatever a listing shows there goes, and a listing that lacks something leaves it to the next
 * run.
 */
final class EraseSweeper {
  private final Services services;
  private final Lease lease;
  private final Instant now;
  private final RunControl control;
  private final Map<ObjectId, List<String>> open = new LinkedHashMap<>();
  private final Set<String> problems = new LinkedHashSet<>();
  private final AtomicLong objects = new AtomicLong();
  private final AtomicLong bytes = new AtomicLong();

  /**
   * A sweep of what was erased by now.
   *
   * @param lease must stay alive
   * @param now the store's time
   */
  EraseSweeper(Services services, Lease lease, Instant now, RunControl control) {
    this.services = services;
    this.lease = lease;
    this.now = now;
    this.control = control;
  }

  long objects() {
    return objects.get();
  }

  long bytes() {
    return bytes.get();
  }

  /** Why a copy may still have slots of a tree. */
  List<String> open(ObjectId tree) {
    return open.getOrDefault(tree, List.of());
  }

  /** What somebody must look at. */
  List<String> problems() {
    List<String> all = new ArrayList<>();
    open.values().forEach(each -> each.forEach(text -> all.add("erase.not-ended: " + text)));
    all.addAll(problems);
    return all;
  }

  /** Removes the slots of those of which a copy may have some, and says so where none has. */
  void removeSlots() throws IOException {
    List<Operation.EraseEnded> ended = new ArrayList<>();
    for (ErasedSource erased : services.log().catalog().erasures()) {
      if (erased.end().isEmpty()) {
        lease.renew();
        removeSlots(erased).ifPresent(ended::add);
      }
    }
    if (!ended.isEmpty()) {
      services
          .log()
          .append(
              catalog -> {
                List<Operation> news = new ArrayList<>();
                for (Operation.EraseEnded one : ended) {
                  if (catalog.erased(one.tree()).filter(is -> is.end().isEmpty()).isPresent()) {
                    news.add(one);
                  }
                }
                return news;
              });
    }
  }

  private Optional<Operation.EraseEnded> removeSlots(ErasedSource erased) throws IOException {
    List<String> reasons = new ArrayList<>();
    List<Operation.EraseEnded.Without> without = new ArrayList<>();
    Set<ObjectId> asked = new HashSet<>();
    for (Copy copy : CopySet.places(services.store())) {
      control.cancellation().check();
      try {
        Optional<ObjectId> id = CopyIdentity.read(copy.store(), services.repository());
        id.ifPresent(asked::add);
        if (copy.store().head(ObjectNames.commit(erased.sequence())).isEmpty()) {
          reasons.add(
              copy.name()
                  + " does not have the commit yet that says so, and keeps its slots: run copies"
                  + " sync, then this or prune again");
          continue;
        }
        Set<ObjectKey> slots = slots(erased, copy.store());
        List<String> staying = remove(slots, copy);
        reasons.addAll(staying);
        if (staying.isEmpty()) {
          without.add(
              new Operation.EraseEnded.Without(
                  copy.name(), id, now, recoverable(erased.tree(), slots.size(), copy.store())));
        }
      } catch (StorageException | RepositoryException e) {
        if (copy.store() == CopySet.deciding(services.store())) {
          throw e;
        }
        asked.addAll(placesNamed(copy.name()));
        reasons.add(copy.name() + " cannot be asked, and may have slots: " + e.getMessage());
      }
    }
    for (Operation.Copies.Place place : services.log().catalog().copies()) {
      if (!asked.contains(place.id())) {
        reasons.add(place.name() + " is a copy that is not configured here, and may have slots");
      }
    }
    if (!reasons.isEmpty()) {
      String source = erased.what().source();
      open.put(erased.tree(), reasons.stream().map(reason -> source + ": " + reason).toList());
      return Optional.empty();
    }
    return Optional.of(
        new Operation.EraseEnded(
            erased.tree(), now, services.log().requireHash(erased.sequence()), without));
  }

  private List<ObjectId> placesNamed(String name) {
    return services.log().catalog().copies().stream()
        .filter(place -> place.name().equals(name))
        .map(Operation.Copies.Place::id)
        .toList();
  }

  /** Those that are known by name, as a listing may lack them, and whatever else lies there. */
  private static Set<ObjectKey> slots(ErasedSource erased, ObjectStore store) throws IOException {
    Set<ObjectKey> slots = new LinkedHashSet<>();
    erased.what().slots().stream().map(SlotRef::key).forEach(slots::add);
    slots.addAll(erased.what().unread());
    slots.addAll(listed(erased.tree(), store));
    return slots;
  }

  /** The slots of a tree that a store lists. */
  static List<ObjectKey> listed(ObjectId tree, ObjectStore store) throws IOException {
    List<ObjectKey> found = new ArrayList<>();
    Optional<String> after = Optional.empty();
    do {
      ListPage page = store.list(ObjectNames.KEYS + tree + "/", after);
      page.objects().forEach(info -> found.add(info.key()));
      after = page.next();
    } while (after.isPresent());
    return found;
  }

  /** Why some of them stay. */
  private List<String> remove(Set<ObjectKey> slots, Copy copy) throws IOException {
    List<String> staying = new ArrayList<>();
    for (ObjectKey slot : slots) {
      Optional<ObjectInfo> there = copy.store().head(slot);
      if (there.isEmpty()) {
        continue;
      }
      String reason = "it was removed, and is there";
      try {
        copy.store().delete(slot);
      } catch (StorageException e) {
        if (e.kind() != FailureKind.REFUSED && e.kind() != FailureKind.PERMANENT) {
          throw e;
        }
        reason =
            there
                .get()
                .lockedUntil()
                .map(until -> "it is locked until " + until)
                .orElse(String.valueOf(e.getMessage()));
      }
      if (copy.store().head(slot).isPresent()) {
        staying.add(copy.name() + " keeps " + slot + ": " + reason);
      } else {
        objects.incrementAndGet();
        bytes.addAndGet(there.get().length());
      }
    }
    return staying;
  }

  /** How many slots a store may be able to bring back. */
  private static long recoverable(ObjectId tree, long most, ObjectStore store) throws IOException {
    if (!store.capabilities().contains(StoreCapability.UNDELETE)) {
      return 0;
    }
    long count = 0;
    Optional<String> after = Optional.empty();
    do {
      ListPage page;
      try {
        page = store.listDeleted(ObjectNames.KEYS + tree + "/", after);
      } catch (StorageException e) {
        if (e.kind() != FailureKind.REFUSED && e.kind() != FailureKind.PERMANENT) {
          throw e;
        }
        return most; // whoever may not look does not know that there is none
      }
      count += page.objects().size();
      after = page.next();
    } while (after.isPresent());
    return count;
  }

  /**
   * Removes what lies below erased trees: slots at once, should any have come back, and the rest
   * once it is past its grace.
   */
  void removeRest(Duration grace) throws IOException {
    Catalog catalog = services.log().catalog();
    for (ErasedSource erased : catalog.erasures()) {
      boolean past = !now.isBefore(erased.what().at().plus(grace));
      Removal removal = new Removal(services.store(), erased.sequence());
      for (String prefix : ObjectNames.below(erased.tree())) {
        boolean slots = prefix.startsWith(ObjectNames.KEYS);
        if (slots ? erased.end().isPresent() : past) {
          removeBelow(prefix, removal);
        }
      }
      problems.addAll(removal.problems());
    }
  }

  private void removeBelow(String prefix, Removal removal) throws IOException {
    Optional<String> after = Optional.empty();
    do {
      ListPage page = services.store().list(prefix, after);
      after = page.next();
      if (page.objects().isEmpty()) {
        continue;
      }
      lease.renew();
      Parallel.forEach(
          page.objects(),
          services.tuning().removalsAtOnce(),
          () -> (Parallel.Worker) () -> {},
          (worker, info) -> {
            control.cancellation().check();
            OptionalLong length = removal.remove(info.key(), Optional.of(info.length()));
            if (length.isPresent()) {
              objects.incrementAndGet();
              long freed = bytes.addAndGet(length.getAsLong());
              control.progress().advance(freed, freed);
            }
          });
    } while (after.isPresent());
  }
}
