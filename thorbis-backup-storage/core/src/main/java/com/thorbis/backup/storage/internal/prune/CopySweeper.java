package com.thorbis.backup.storage.internal.prune;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Narrowing;
import com.thorbis.backup.storage.internal.Parallel;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.copies.CopySet;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.lease.Lease;
import com.thorbis.backup.storage.internal.lease.Leases;
import com.thorbis.backup.storage.internal.wal.StoredWal;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Removes from single copies what they let go of by a retention of their own, when its grace is
 * over: packs that no backup needs which the copy keeps, and log. As in a sweep of all copies, what
 * goes is named in a commit first, so that no backup that refers to it can commit later. And no
 * object is removed before another copy, which keeps it, was seen to hold it.
 */
final class CopySweeper {
  private static final Logger LOG = LoggerFactory.getLogger(CopySweeper.class);

  private static final String ONLY = "prune.only-copy: ";

  private final Services services;
  private final Narrowing narrowing;
  private final Catalog.Source source;
  private final Lease lease;
  private final Instant now;
  private final RunControl control;
  private final Function<Integer, String> ids;
  private final Map<ObjectId, Set<BackupId>> past = new HashMap<>();
  private final Map<ObjectId, Set<Operation.WalExpire>> pastLog = new HashMap<>();
  private final Map<Copy, ObjectId> places = new LinkedHashMap<>();
  private final Map<ObjectId, Reach> needs = new HashMap<>();
  private final Map<String, Freed> removed = new LinkedHashMap<>();
  private final Set<String> alarms = new LinkedHashSet<>();
  private final StillLocked locked = new StillLocked();
  private final Map<Copy, Stays> onlyHere = new LinkedHashMap<>();

  /** What was removed from a copy. */
  record Freed(long objects, long bytes) {
    static final Freed NOTHING = new Freed(0, 0);

    private Freed plus(Freed other) {
      return new Freed(objects + other.objects, bytes + other.bytes);
    }
  }

  /** So many objects that are nowhere else, and one of them. */
  private record Stays(int objects, String example) {}

  /**
   * A sweep of each copy, of what it let go of by now.
   *
   * @param lease must stay alive
   * @param now the store's time; stands still for the whole run
   * @param ids draws ids of so many hexadecimal digits
   */
  CopySweeper(
      Services services,
      Catalog.Source source,
      Lease lease,
      Instant now,
      RunControl control,
      Function<Integer, String> ids) {
    this.services = services;
    this.narrowing = new Narrowing(services);
    this.source = source;
    this.lease = lease;
    this.now = now;
    this.control = control;
    this.ids = ids;
    Catalog catalog = services.log().catalog();
    for (ObjectId place : catalog.narrowed()) {
      Set<BackupId> due = new HashSet<>();
      for (Catalog.Kept kept : ours(catalog)) {
        if (isDue(kept, place) && !isSweeping(kept, place)) {
          due.add(kept.entry().backup().id());
        }
      }
      past.put(place, due);
      pastLog.put(
          place,
          new HashSet<>(
              catalog.letGoLog(place).stream()
                  .filter(expiry -> expiry.source().equals(source.info().name()))
                  .filter(expiry -> !now.isBefore(expiry.sweepAfter()))
                  .toList()));
    }
  }

  /** What was removed, by the name of the copy. */
  Map<String, Freed> removed() {
    return removed;
  }

  List<String> alarms() {
    List<String> all = new ArrayList<>(alarms);
    all.addAll(locked.problems());
    return all;
  }

  void run() throws IOException {
    if (past.isEmpty()) {
      return;
    }
    endLost();
    for (Copy copy : CopySet.places(services.store())) {
      try {
        narrowing.place(copy.store()).ifPresent(place -> places.put(copy, place));
      } catch (StorageException | RepositoryException e) {
        unreached(copy, e);
      }
    }
    Set<BackupId> pinned = pinned();
    for (Map.Entry<Copy, ObjectId> one : List.copyOf(places.entrySet())) {
      if (past.containsKey(one.getValue())) {
        try {
          run(one.getKey(), one.getValue(), pinned);
        } catch (RepositoryException e) {
          if (!e.code().equals(Reach.UNKNOWN)) {
            throw e;
          }
          alarms.add("prune.manifest-unreadable: " + e.getMessage());
        } catch (StorageException e) {
          if (one.getKey().store() == CopySet.deciding(services.store())) {
            throw e;
          }
          unreached(one.getKey(), e);
        }
      }
    }
    onlyHere.forEach(
        (copy, stays) ->
            alarms.add(
                ONLY
                    + copy.name()
                    + " keeps "
                    + stays.objects()
                    + " objects that it let go of, such as "
                    + stays.example()
                    + ": no other copy was seen to hold them. Run copies sync, then prune again"));
  }

  /** Nobody removes anything any more from what is no place of the repository. */
  private void endLost() throws IOException {
    lease.renew();
    services
        .log()
        .append(
            catalog -> {
              Set<ObjectId> recorded = new HashSet<>();
              catalog.copies().forEach(place -> recorded.add(place.id()));
              return catalog.copySweeps().stream()
                  .filter(sweep -> sweep.source().equals(source.info().name()))
                  .filter(sweep -> !recorded.contains(sweep.copy()))
                  .map(sweep -> new Operation.Swept(sweep.sweep(), 0, 0))
                  .map(Operation.class::cast)
                  .toList();
            });
  }

  private void run(Copy copy, ObjectId place, Set<BackupId> pinned) throws IOException {
    if (places.values().stream().allMatch(place::equals)) {
      if (hasDue(place)) {
        alarms.add(ONLY + copy.name() + " keeps what it let go of: no other copy can be asked");
      }
      return;
    }
    for (Operation.SweepCopy pending : services.log().catalog().copySweeps()) {
      if (pending.copy().equals(place) && pending.source().equals(source.info().name())) {
        lease.renew();
        removeNamed(copy, pending, Map.of());
      }
    }
    Set<BackupId> due = new LinkedHashSet<>();
    for (Catalog.Kept kept : ours(services.log().catalog())) {
      BackupId id = kept.entry().backup().id();
      if (isSweeping(kept, place)
          || isDue(kept, place) && pastAt(place).contains(id) && !pinned.contains(id)) {
        due.add(id);
      }
    }
    removePacks(copy, place, due);
    removeLog(copy, place);
  }

  private boolean hasDue(ObjectId place) {
    return !pastAt(place).isEmpty() || !pastLog.getOrDefault(place, Set.of()).isEmpty();
  }

  private Set<BackupId> pastAt(ObjectId place) {
    return past.getOrDefault(place, Set.of());
  }

  private Set<BackupId> pinned() throws IOException {
    Set<BackupId> pinned = new HashSet<>();
    for (Leases.Held held : Leases.all(services.store())) {
      if (held.alive(now)) {
        held.facts().ifPresent(facts -> pinned.addAll(facts.pins()));
      }
    }
    return pinned;
  }

  private List<Catalog.Kept> ours(Catalog catalog) {
    return catalog.kept().stream()
        .filter(kept -> kept.entry().backup().source().equals(source.info().name()))
        .toList();
  }

  private static boolean isSweeping(Catalog.Kept kept, ObjectId place) {
    return kept.fate().parting(place).filter(Catalog.Parting::sweeping).isPresent();
  }

  private boolean isDue(Catalog.Kept kept, ObjectId place) {
    return kept.fate()
            .parting(place)
            .filter(parting -> !now.isBefore(parting.letGo().sweepAfter()))
            .isPresent()
        && !kept.fate().held(now);
  }

  private void removePacks(Copy copy, ObjectId place, Set<BackupId> due) throws IOException {
    Reach needed = new Reach(services, source);
    Reach letGo = new Reach(services, source);
    Map<ObjectId, Long> going = new LinkedHashMap<>();
    if (!due.isEmpty()) {
      for (Catalog.Kept kept : ours(services.log().catalog())) {
        (due.contains(kept.entry().backup().id()) ? letGo : needed).add(kept.entry());
      }
      going.putAll(listed(copy, pack -> letGo.needs(pack) && !needed.needs(pack)));
    }
    List<ObjectId> packs = List.copyOf(going.keySet());
    int size = services.tuning().sweepBatch();
    int from = 0;
    do { // once without packs: what is let go of is marked all the same
      List<ObjectId> batch = packs.subList(from, Math.min(packs.size(), from + size));
      from += size;
      Optional<Operation.SweepCopy> named = name(place, due, batch, needed);
      if (named.isPresent()) {
        removeNamed(copy, named.get(), going);
      }
    } while (from < packs.size());
  }

  /** Names a batch in a commit that is decided on all commits there are. */
  private Optional<Operation.SweepCopy> name(
      ObjectId place, Set<BackupId> due, List<ObjectId> batch, Reach needed) throws IOException {
    control.cancellation().check();
    lease.renew();
    String id = batch.isEmpty() ? "" : ids.apply(32);
    services
        .log()
        .append(
            catalog -> {
              if (catalog.copySweeps().stream().anyMatch(sweep -> sweep.sweep().equals(id))) {
                return List.of();
              }
              List<BackupId> marked = new ArrayList<>();
              for (Catalog.Kept kept : ours(catalog)) {
                BackupId backup = kept.entry().backup().id();
                boolean gone = isSweeping(kept, place);
                if (!gone && due.contains(backup) && isDue(kept, place)) {
                  marked.add(backup);
                } else if (!gone && !batch.isEmpty()) {
                  needed.add(kept.entry());
                }
              }
              List<ObjectId> packs = batch.stream().filter(pack -> !needed.needs(pack)).toList();
              Map<String, Operation.WalExpire> log = new LinkedHashMap<>();
              for (Operation.WalExpire expiry : catalog.letGoLog(place)) {
                if (pastLog.getOrDefault(place, Set.of()).contains(expiry)) {
                  log.put(expiry.incarnation() + "/" + expiry.timeline().hex(), expiry);
                }
              }
              return marked.isEmpty() && packs.isEmpty() && log.isEmpty()
                  ? List.of()
                  : List.of(
                      new Operation.SweepCopy(
                          place,
                          source.info().name(),
                          packs.isEmpty() ? "" : id,
                          marked,
                          packs,
                          List.copyOf(log.values())));
            });
    return services.log().catalog().copySweeps().stream()
        .filter(sweep -> sweep.sweep().equals(id))
        .findFirst();
  }

  /** Goes on in the next run where anything of it stays. */
  private void removeNamed(Copy copy, Operation.SweepCopy sweep, Map<ObjectId, Long> lengths)
      throws IOException {
    if (!hasCommit(copy, services.log().catalog().commitOf(sweep))) {
      return;
    }
    Map<ObjectKey, Optional<Long>> keys = new LinkedHashMap<>();
    for (ObjectId pack : sweep.packs()) {
      keys.put(ObjectNames.pack(source.tree(), pack), Optional.ofNullable(lengths.get(pack)));
    }
    Optional<Freed> freed = remove(copy, keys, this::keepsPack);
    if (freed.isEmpty()) {
      return;
    }
    lease.renew();
    services
        .log()
        .append(
            catalog ->
                catalog.commitOf(sweep) == 0
                    ? List.of()
                    : List.of(
                        new Operation.Swept(
                            sweep.sweep(), freed.get().objects(), freed.get().bytes())));
  }

  /** A copy that lags is a repository as of its last commit: all that this knows of stays. */
  private boolean hasCommit(Copy copy, long sequence) throws IOException {
    if (copy.store().head(ObjectNames.commit(sequence)).isPresent()) {
      return true;
    }
    control
        .progress()
        .note(
            copy.name()
                + " keeps what it let go of until copies sync has brought it the commits that say"
                + " so, and prune runs again");
    return false;
  }

  /** Whether another copy keeps an object, as far as commits say. */
  @FunctionalInterface
  private interface Keeps {
    boolean on(ObjectId other, ObjectKey key) throws IOException;
  }

  /** What went; empty if any of it stays for being nowhere else. */
  private Optional<Freed> remove(Copy copy, Map<ObjectKey, Optional<Long>> keys, Keeps keeps)
      throws IOException {
    Set<String> stays = ConcurrentHashMap.newKeySet();
    AtomicLong objects = new AtomicLong();
    AtomicLong bytes = new AtomicLong();
    Parallel.forEach(
        List.copyOf(keys.keySet()),
        services.tuning().removalsAtOnce(),
        () -> (Parallel.Worker) () -> {},
        (worker, key) -> {
          control.cancellation().check();
          Optional<Long> length = keys.getOrDefault(key, Optional.empty());
          if (length.isEmpty()) {
            length = copy.store().head(key).map(ObjectInfo::length);
          }
          if (length.isEmpty()) {
            return; // an earlier run came so far
          }
          if (!isElsewhere(copy, key, length.get(), keeps)) {
            stays.add(key.value());
          } else if (delete(copy, key)) {
            objects.incrementAndGet();
            bytes.addAndGet(length.get());
          }
        });
    Freed freed = new Freed(objects.get(), bytes.get());
    removed.merge(copy.name(), freed, Freed::plus);
    if (stays.isEmpty()) {
      return Optional.of(freed);
    }
    onlyHere.merge(
        copy,
        new Stays(stays.size(), stays.iterator().next()),
        (one, other) -> new Stays(one.objects() + other.objects(), one.example()));
    return Optional.empty();
  }

  /** Never the last: what nobody could be asked about counts as nowhere else. */
  private boolean isElsewhere(Copy copy, ObjectKey key, long length, Keeps keeps)
      throws IOException {
    for (Map.Entry<Copy, ObjectId> other : places.entrySet()) {
      // One place under two names is one.
      if (other.getValue().equals(places.get(copy)) || !keeps.on(other.getValue(), key)) {
        continue;
      }
      try {
        Optional<ObjectInfo> there = other.getKey().store().head(key);
        if (there.isPresent() && there.get().length() == length) {
          return true;
        }
      } catch (StorageException e) {
        LOG.debug("{} cannot be asked for {}", other.getKey().name(), key, e);
      }
    }
    return false;
  }

  /** No copy lets go of what it needs for a backup that it keeps. */
  private boolean keepsPack(ObjectId other, ObjectKey key) throws IOException {
    if (!services.log().catalog().letGo(other, source.tree())) {
      return true;
    }
    Reach needed;
    synchronized (needs) {
      needed = needs.get(other);
      if (needed == null) {
        needed = new Reach(services, source);
        for (Catalog.Kept kept : ours(services.log().catalog().at(other))) {
          needed.add(kept.entry());
        }
        needs.put(other, needed);
      }
    }
    return needed.needs(ObjectId.parse(key.name()));
  }

  private boolean delete(Copy copy, ObjectKey key) throws IOException {
    try {
      copy.store().delete(key);
      return true;
    } catch (StorageException e) {
      if (e.kind() != FailureKind.REFUSED && e.kind() != FailureKind.PERMANENT) {
        throw e;
      }
      if (locked.counts(copy, e)) {
        return false;
      }
      synchronized (alarms) {
        alarms.add("prune.object-stays: " + key + " on " + copy.name() + ": " + e.getMessage());
      }
      return false;
    }
  }

  private Map<ObjectId, Long> listed(Copy copy, Predicate<ObjectId> wanted) throws IOException {
    Map<ObjectId, Long> found = new LinkedHashMap<>();
    Optional<String> after = Optional.empty();
    do {
      control.cancellation().check();
      ListPage page = copy.store().list(ObjectNames.PACKS + source.tree() + "/", after);
      for (ObjectInfo info : page.objects()) {
        if (info.key().name().matches("[0-9a-f]{32}")) {
          ObjectId pack = ObjectId.parse(info.key().name());
          if (wanted.test(pack)) {
            found.put(pack, info.length());
          }
        }
      }
      after = page.next();
    } while (after.isPresent());
    return found;
  }

  /** Removes the log that this copy let go of, and that of the backups that it let go of. */
  private void removeLog(Copy copy, ObjectId place) throws IOException {
    Catalog catalog = services.log().catalog();
    Catalog left = catalog.leftAt(place);
    long said =
        ours(catalog).stream()
            .flatMap(kept -> kept.fate().parting(place).stream())
            .mapToLong(Catalog.Parting::removing)
            .max()
            .orElse(0);
    Map<String, Operation.WalExpire> lines = new LinkedHashMap<>();
    for (Operation.WalExpire gone : left.walGone(source.info().name())) {
      lines.merge(
          gone.incarnation() + "/" + gone.timeline().hex(),
          gone,
          (one, other) -> one.before().compareTo(other.before()) < 0 ? other : one);
    }
    for (Operation.WalExpire gone : lines.values()) {
      long sequence = Math.max(said, left.commitOf(gone));
      Map<ObjectKey, Optional<Long>> going = new LinkedHashMap<>();
      for (String folder : catalog.logFolders(gone.source(), gone.incarnation())) {
        Optional<String> after = Optional.empty();
        do {
          ListPage page =
              copy.store().list(ObjectNames.wal(source.tree(), folder, gone.timeline()), after);
          after = page.next();
          for (ObjectInfo info : page.objects()) {
            StoredWal stored = StoredWal.parse(info.key(), catalog);
            WalSegment segment = stored == null ? null : stored.segment();
            if (segment != null && segment.start().compareTo(gone.before()) >= 0) {
              after = Optional.empty();
              break;
            }
            if (segment != null
                && left.isGone(gone.source(), gone.incarnation(), segment)
                && !catalog.isGone(gone.source(), gone.incarnation(), segment)) {
              going.put(info.key(), Optional.of(info.length()));
            }
          }
          if (going.size() >= services.tuning().sweepBatch()) {
            removeLog(copy, going, sequence);
          }
        } while (after.isPresent());
      }
      removeLog(copy, going, sequence);
    }
  }

  private void removeLog(Copy copy, Map<ObjectKey, Optional<Long>> going, long sequence)
      throws IOException {
    if (!going.isEmpty() && hasCommit(copy, sequence)) {
      lease.renew();
      remove(copy, going, this::keepsLog);
    }
    going.clear();
  }

  private boolean keepsLog(ObjectId other, ObjectKey key) {
    Catalog catalog = services.log().catalog();
    StoredWal stored = StoredWal.parse(key, catalog);
    WalSegment segment = stored == null ? null : stored.segment();
    return stored != null
        && segment != null
        && !catalog.mayLack(other, source.info().name(), stored.incarnation(), segment);
  }

  private void unreached(Copy copy, IOException e) {
    alarms.add(
        "prune.copy-unreachable: "
            + copy.name()
            + " keeps what it let go of until it can be asked and prune runs again: "
            + e.getMessage());
  }
}
