package com.thorbis.backup.storage.internal.prune;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Parallel;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.CommitLog;
import com.thorbis.backup.storage.internal.catalog.Membership;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.copies.CopySet;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.lease.Lease;
import com.thorbis.backup.storage.internal.lease.LeaseFacts;
import com.thorbis.backup.storage.internal.lease.Leases;
import com.thorbis.backup.storage.internal.wal.StoredWal;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Removes what was given up and is past its grace, and what crashed writers left. Each batch is
 * named in a commit that is decided on all commits before it, so it holds nothing that a committed
 * backup needs, and no backup that needs any of it can commit later. Only then its bytes go. What
 * an interrupted sweep has named, the next one removes.
 */
final class Sweeper {
  private static final Logger LOG = LoggerFactory.getLogger(Sweeper.class);
  private static final Duration LAPSED_LONG_AGO = Duration.ofDays(1);

  private final Services services;
  private final Catalog.Source source;
  private final Lease lease;
  private final Instant now;
  private final Duration grace;
  private final RunControl control;
  private final Function<Integer, String> ids;
  private final Reach reach;
  private final Map<ObjectKey, Long> lengths = new HashMap<>();
  private final Set<String> unknown = new LinkedHashSet<>();
  private final Set<String> alarms = new LinkedHashSet<>();
  private final Set<String> behind = new LinkedHashSet<>();
  private final List<BackupId> swept = new ArrayList<>();
  private final Set<BackupId> past = new HashSet<>();
  private final Set<Operation.WalExpire> pastLog = new HashSet<>();
  private final Set<Operation.Resealed> pastAnew = new HashSet<>();
  private final Set<BackupId> finished = new LinkedHashSet<>();
  private final Set<ObjectKey> unfinished = new HashSet<>();
  private Set<BackupId> due = Set.of();
  private final AtomicLong objects = new AtomicLong();
  private final AtomicLong bytes = new AtomicLong();

  /** What one sweep did that its commit does not say yet. */
  private record Done(String sweep, long objects, long bytes) {
    Operation.Swept operation() {
      return new Operation.Swept(sweep, objects, bytes);
    }
  }

  /** What goes together. */
  private record Batch(List<ObjectId> packs, List<BackupId> manifests) {}

  /**
   * A sweep of one source, of what was given up by now.
   *
   * @param lease must stay alive
   * @param now the store's time; stands still for the whole run
   * @param ids draws ids of so many hexadecimal digits
   */
  Sweeper(
      Services services,
      Catalog.Source source,
      Lease lease,
      Instant now,
      Duration grace,
      RunControl control,
      Function<Integer, String> ids) {
    this.services = services;
    this.source = source;
    this.lease = lease;
    this.now = now;
    this.grace = grace;
    this.control = control;
    this.ids = ids;
    this.reach = new Reach(services, source);
    Catalog catalog = services.log().catalog();
    catalog.kept().stream()
        .filter(kept -> isDue(catalog, kept, now))
        .forEach(kept -> past.add(kept.entry().backup().id()));
    catalog.walExpiries().stream()
        .filter(expiry -> !now.isBefore(expiry.sweepAfter()))
        .forEach(pastLog::add);
    catalog.resealed().stream()
        .filter(said -> said.source().equals(source.info().name()))
        .filter(said -> !now.isBefore(said.sweepAfter()))
        .forEach(pastAnew::add);
  }

  List<BackupId> swept() {
    return swept;
  }

  long objects() {
    return objects.get();
  }

  long bytes() {
    return bytes.get();
  }

  List<String> unknown() {
    return List.copyOf(unknown);
  }

  List<String> alarms() {
    return List.copyOf(alarms);
  }

  void run() throws IOException {
    List<Leases.Held> leases = Leases.all(services.store());
    List<Done> done = finish();
    due = due(services.log().catalog(), leases);
    Optional<RepositoryException> stopped = Optional.empty();
    try {
      for (Batch batch : batches(leases)) {
        done = sweep(batch, done);
      }
    } catch (RepositoryException e) {
      if (!e.code().equals(Reach.UNKNOWN)) {
        throw e;
      }
      stopped = Optional.of(e); // what no manifest tells can go all the same
    }
    List<Done> last = done;
    if (!last.isEmpty()) {
      lease.renew();
      services.log().append(catalog -> ended(catalog, last));
    }
    Stream.concat(finished.stream(), due.stream())
        .distinct()
        .filter(id -> services.log().catalog().kept(id).isEmpty())
        .forEach(swept::add);
    removeLog();
    removeReplacedLog();
    removeCheckpoints();
    removeLapsed(leases);
    if (stopped.isPresent()) {
      throw stopped.get();
    }
  }

  /** The backups of a source whose grace is over and that nothing keeps. */
  static boolean isDue(Catalog catalog, Catalog.Kept kept, Instant now) {
    Catalog.Fate fate = kept.fate();
    return fate.sweeping()
        || fate.deleted().isPresent()
            && !now.isBefore(fate.deleted().get().sweepAfter())
            && !fate.held(now)
            && !catalog.awaitsProof(kept.entry().backup().id());
  }

  private Set<BackupId> due(Catalog catalog, List<Leases.Held> leases) {
    Set<BackupId> pinned = new LinkedHashSet<>();
    for (Leases.Held held : leases) {
      if (held.alive(now)) {
        held.facts().ifPresent(facts -> pinned.addAll(facts.pins()));
      }
    }
    Set<BackupId> found = new LinkedHashSet<>();
    for (Catalog.Kept kept : ours(catalog)) {
      BackupId id = kept.entry().backup().id();
      if (past.contains(id)
          && isDue(catalog, kept, now)
          && (kept.fate().sweeping() || !pinned.contains(id))) {
        found.add(id);
      }
    }
    return found;
  }

  private List<Catalog.Kept> ours(Catalog catalog) {
    return catalog.kept().stream()
        .filter(kept -> kept.entry().backup().source().equals(source.info().name()))
        .filter(kept -> !finished.contains(kept.entry().backup().id()))
        .toList();
  }

  /** Removes what sweeps have named that did not come to their end. */
  private List<Done> finish() throws IOException {
    List<Done> done = new ArrayList<>();
    for (Operation.Sweep pending : services.log().catalog().sweeps()) {
      if (pending.source().equals(source.info().name())) {
        lease.renew();
        Optional<Done> ended = remove(pending);
        if (ended.isPresent()) {
          done.add(ended.get());
        } else {
          unfinished.addAll(services.log().catalog().named(pending));
        }
      }
    }
    return done;
  }

  private List<Batch> batches(List<Leases.Held> leases) throws IOException {
    for (Catalog.Kept kept : ours(services.log().catalog())) {
      if (!due.contains(kept.entry().backup().id())) {
        reach.add(kept.entry());
      }
    }
    Set<ObjectId> packs = new LinkedHashSet<>();
    Set<BackupId> manifests = new LinkedHashSet<>(due);
    for (BackupId id : due) {
      Catalog.Entry entry = services.log().catalog().kept(id).orElseThrow().entry();
      if (unfinished.contains(entry.manifest().key())) {
        continue; // the last of it that is named, and a copy still waits for that
      }
      lengths.put(entry.manifest().key(), entry.manifest().length());
      try {
        Reach.packs(services, source, entry)
            .forEach(
                (pack, length) -> {
                  packs.add(pack);
                  lengths.put(ObjectNames.pack(source.tree(), pack), length);
                });
      } catch (RepositoryException e) {
        // Its packs are found by their age, as those that no manifest names.
        if (!(e.getCause() instanceof StorageException.NotFound)) {
          alarms.add("prune.manifest-unreadable: " + e.getMessage());
        }
      }
    }
    addStale(packs, manifests, leases);
    packs.removeIf(
        pack -> reach.needs(pack) || unfinished.contains(ObjectNames.pack(source.tree(), pack)));
    manifests.removeIf(id -> unfinished.contains(ObjectNames.manifest(source.tree(), id)));
    List<Batch> batches = new ArrayList<>();
    // Manifests last: as long as one is there, it names the packs of its backup.
    for (List<ObjectId> part : parts(packs)) {
      batches.add(new Batch(part, List.of()));
    }
    for (List<BackupId> part : parts(manifests)) {
      batches.add(new Batch(List.of(), part));
    }
    return joined(batches);
  }

  /** A small sweep is one commit. */
  private List<Batch> joined(List<Batch> batches) {
    if (batches.size() != 2) {
      return batches;
    }
    return batches.get(0).manifests().isEmpty() && batches.get(1).packs().isEmpty()
        ? List.of(new Batch(batches.get(0).packs(), batches.get(1).manifests()))
        : batches;
  }

  private <T> List<List<T>> parts(Collection<T> all) {
    List<List<T>> parts = new ArrayList<>();
    List<T> items = List.copyOf(all);
    int size = services.tuning().sweepBatch();
    for (int from = 0; from < items.size(); from += size) {
      parts.add(items.subList(from, Math.min(items.size(), from + size)));
    }
    return parts;
  }

  /** What no commit names and no running backup can be writing. */
  private void addStale(
      Set<ObjectId> packs, Set<BackupId> manifests, List<Leases.Held> leasesBefore)
      throws IOException {
    takeWhatRunsLeft(leasesBefore);
    List<ObjectInfo> listed = new ArrayList<>();
    list(ObjectNames.PACKS + source.tree() + "/", listed);
    list(ObjectNames.MANIFESTS + source.tree() + "/", listed);
    List<Leases.Held> leases = new ArrayList<>(leasesBefore);
    leases.addAll(Leases.all(services.store())); // after the listing: whose objects it shows
    Instant bound = now.minus(grace);
    for (Leases.Held held : leases) {
      if (held.mayRefer() && held.alive(now) && held.reachesTo().isBefore(bound)) {
        bound = held.reachesTo();
      }
    }
    Catalog catalog = services.log().catalog();
    for (ObjectInfo info : listed) {
      String name = info.key().name();
      lengths.put(info.key(), info.length());
      boolean stale = info.modifiedAt().isBefore(bound);
      Optional<ObjectId> pack = parse(name, ObjectId::parse);
      Optional<BackupId> manifest = parse(name, BackupId::new);
      if (pack.isPresent() && info.key().equals(ObjectNames.pack(source.tree(), pack.get()))) {
        if (stale) {
          packs.add(pack.get());
        }
      } else if (manifest.isPresent()
          && info.key().equals(ObjectNames.manifest(source.tree(), manifest.get()))) {
        if (stale && catalog.kept(manifest.get()).isEmpty()) {
          manifests.add(manifest.get());
        }
      } else {
        unknown.add(info.key().value());
      }
    }
  }

  /**
   * From now on no backup goes on with what a dead one left before the grace began. Of one that was
   * faster, the leases that are listed after this say what it needs.
   */
  private void takeWhatRunsLeft(List<Leases.Held> leases) throws IOException {
    Collection<Leases.Held> newest = Leases.newest(leases);
    Set<String> working = new HashSet<>();
    newest.stream().filter(held -> held.alive(now)).forEach(held -> working.add(held.folder()));
    for (Leases.Held held : newest) {
      Optional<String> taker = held.facts().flatMap(LeaseFacts::by);
      boolean ours =
          held.facts()
              .flatMap(LeaseFacts::trace)
              .filter(trace -> trace.tree().equals(source.tree()))
              .isPresent();
      if (ours
          && !held.alive(now)
          && held.startedAt().isBefore(now.minus(grace))
          && !taker.equals(Optional.of(LeaseFacts.PRUNE))
          && taker.filter(working::contains).isEmpty()) {
        Lease.takeOver(services.store(), held, LeaseFacts.PRUNE);
      }
    }
  }

  private static <T> Optional<T> parse(String name, Function<String, T> parser) {
    try {
      return Optional.of(parser.apply(name));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  private void list(String prefix, List<ObjectInfo> into) throws IOException {
    Optional<String> after = Optional.empty();
    do {
      control.cancellation().check();
      ListPage page = services.store().list(prefix, after);
      into.addAll(page.objects());
      after = page.next();
    } while (after.isPresent());
  }

  /** Names a batch in a commit, then removes it. */
  private List<Done> sweep(Batch batch, List<Done> before) throws IOException {
    control.cancellation().check();
    lease.renew();
    String id = ids.apply(32);
    services
        .log()
        .append(
            catalog -> {
              if (catalog.sweeps().stream().anyMatch(sweep -> sweep.sweep().equals(id))) {
                return List.of();
              }
              List<Operation> operations = new ArrayList<>(ended(catalog, before));
              Operation.Sweep sweep = checked(batch, id, catalog);
              if (!sweep.packs().isEmpty() || !sweep.manifests().isEmpty()) {
                operations.addAll(Membership.releases(sweep.manifests(), catalog));
                operations.add(sweep);
              }
              return operations;
            });
    Optional<Operation.Sweep> named =
        services.log().catalog().sweeps().stream()
            .filter(sweep -> sweep.sweep().equals(id))
            .findFirst();
    return named.isEmpty() ? List.of() : remove(named.get()).stream().toList();
  }

  /** Looks again, with all commits there are. */
  private Operation.Sweep checked(Batch batch, String id, Catalog catalog) throws IOException {
    Set<BackupId> still = new LinkedHashSet<>();
    for (Catalog.Kept kept : ours(catalog)) {
      if (due.contains(kept.entry().backup().id()) && isDue(catalog, kept, now)) {
        still.add(kept.entry().backup().id());
      } else {
        reach.add(kept.entry());
      }
    }
    return new Operation.Sweep(
        source.info().name(),
        id,
        List.copyOf(still),
        batch.packs().stream().filter(pack -> !reach.needs(pack)).toList(),
        batch.manifests().stream()
            .filter(backup -> still.contains(backup) || catalog.kept(backup).isEmpty())
            .toList(),
        List.of());
  }

  private static List<Operation> ended(Catalog catalog, List<Done> done) {
    List<Operation> operations = new ArrayList<>();
    for (Done one : done) {
      if (catalog.sweeps().stream().anyMatch(sweep -> sweep.sweep().equals(one.sweep()))) {
        operations.add(one.operation());
      }
    }
    return operations;
  }

  /** Empty if a copy still has any of it: then the next run goes on. */
  private Optional<Done> remove(Operation.Sweep sweep) throws IOException {
    Catalog catalog = services.log().catalog();
    Removal removal = new Removal(services.store(), catalog.commitOf(sweep));
    long count = objects();
    long freed = bytes();
    remove(catalog.named(sweep), removal);
    tell(removal);
    if (!removal.complete()) {
      return Optional.empty();
    }
    // From the commit on that says so nothing can be said of them any more.
    sweep.manifests().stream().filter(id -> catalog.kept(id).isPresent()).forEach(finished::add);
    return Optional.of(new Done(sweep.sweep(), objects() - count, bytes() - freed));
  }

  private void remove(List<ObjectKey> keys, Removal removal) throws IOException {
    Parallel.forEach(
        keys,
        services.tuning().removalsAtOnce(),
        () -> (Parallel.Worker) () -> {},
        (worker, key) -> {
          control.cancellation().check();
          OptionalLong length = removal.remove(key, Optional.ofNullable(lengths.get(key)));
          if (length.isPresent()) {
            objects.incrementAndGet();
            long freed = bytes.addAndGet(length.getAsLong());
            control.progress().advance(freed, freed);
          }
        });
  }

  private void tell(Removal removal) {
    alarms.addAll(removal.problems());
    removal.behind().stream()
        .filter(behind::add)
        .forEach(
            copy ->
                control
                    .progress()
                    .note(
                        copy
                            + " keeps what is removed until copies sync has brought it the commits"
                            + " that say so, and prune runs again"));
  }

  /** Gives up for good what of the log is past its grace, and removes what is left of it. */
  private void removeLog() throws IOException {
    lease.renew();
    services
        .log()
        .append(
            catalog -> {
              Map<String, Operation.WalExpire> last = new LinkedHashMap<>();
              for (Operation.WalExpire expiry : catalog.walExpiries()) {
                if (expiry.source().equals(source.info().name()) && pastLog.contains(expiry)) {
                  last.put(expiry.incarnation() + "/" + expiry.timeline().hex(), expiry);
                }
              }
              return last.isEmpty()
                  ? List.of()
                  : List.of(
                      new Operation.Sweep(
                          source.info().name(),
                          "",
                          List.of(),
                          List.of(),
                          List.of(),
                          List.copyOf(last.values())));
            });
    Catalog catalog = services.log().catalog();
    for (Operation.WalExpire gone : catalog.walGone(source.info().name())) {
      removeLog(gone, catalog);
    }
  }

  private void removeLog(Operation.WalExpire gone, Catalog catalog) throws IOException {
    Removal removal = new Removal(services.store(), catalog.commitOf(gone));
    List<ObjectKey> going = new ArrayList<>();
    for (String folder : catalog.logFolders(gone.source(), gone.incarnation())) {
      removeLog(gone, folder, catalog, going, removal);
    }
    removeLog(going, removal);
    tell(removal);
  }

  private void removeLog(
      Operation.WalExpire gone,
      String folder,
      Catalog catalog,
      List<ObjectKey> going,
      Removal removal)
      throws IOException {
    Optional<String> after = Optional.empty();
    do {
      ListPage page =
          services.store().list(ObjectNames.wal(source.tree(), folder, gone.timeline()), after);
      after = page.next();
      for (ObjectInfo info : page.objects()) {
        StoredWal stored = StoredWal.parse(info.key(), catalog);
        if (stored == null) {
          unknown.add(info.key().value());
          continue;
        }
        WalSegment segment = stored.segment();
        if (segment == null) {
          continue; // histories stay: they are small, and say where timelines come from
        }
        if (segment.start().compareTo(gone.before()) >= 0) {
          after = Optional.empty();
          break;
        }
        if (!catalog.isGone(gone.source(), gone.incarnation(), segment)) {
          continue;
        }
        lengths.put(info.key(), info.length());
        going.add(info.key());
        if (going.size() == services.tuning().sweepBatch()) {
          removeLog(going, removal);
        }
      }
    } while (after.isPresent());
  }

  /** Removes log that was sealed anew into another folder, if it is seen to be there. */
  private void removeReplacedLog() throws IOException {
    Catalog catalog = services.log().catalog();
    for (SourceInfo.Incarnation life : source.info().incarnations()) {
      List<String> newestFirst = catalog.logFolders(source.info().name(), life.id());
      if (pastAnew.stream().noneMatch(said -> said.incarnation().equals(life.id()))) {
        continue;
      }
      Set<ObjectKey> listed = new HashSet<>();
      for (String folder : newestFirst) {
        List<ObjectInfo> objects = new ArrayList<>();
        list(ObjectNames.wal(source.tree(), folder), objects);
        objects.forEach(info -> listed.add(info.key()));
        removeReplacedLog(objects, listed, catalog);
      }
    }
  }

  private void removeReplacedLog(List<ObjectInfo> objects, Set<ObjectKey> listed, Catalog catalog)
      throws IOException {
    Map<Operation.Resealed, List<ObjectKey>> going = new LinkedHashMap<>();
    for (ObjectInfo info : objects) {
      StoredWal stored = StoredWal.parse(info.key(), catalog);
      Optional<Operation.Resealed> by =
          stored == null ? Optional.empty() : stored.replacedBy(catalog, listed::contains);
      if (by.filter(pastAnew::contains).isPresent()) {
        lengths.put(info.key(), info.length());
        going.computeIfAbsent(by.get(), said -> new ArrayList<>()).add(info.key());
      }
    }
    for (Map.Entry<Operation.Resealed, List<ObjectKey>> each : going.entrySet()) {
      Removal removal = new Removal(services.store(), catalog.commitOf(each.getKey()));
      for (List<ObjectKey> part : parts(each.getValue())) {
        lease.renew();
        remove(part, removal);
      }
      tell(removal);
    }
  }

  private void removeLog(List<ObjectKey> going, Removal removal) throws IOException {
    if (!going.isEmpty()) {
      lease.renew();
      remove(going, removal);
      going.clear();
    }
  }

  /**
   * Removes the checkpoints that newer ones replace; each copy keeps its own newest, as it may have
   * to stand alone. Nobody needs them: who has listed one and finds it gone takes another, or reads
   * the commits, which stay.
   */
  private void removeCheckpoints() throws IOException {
    for (Copy copy : CopySet.places(services.store())) {
      try {
        List<Long> found = CommitLog.checkpoints(copy.store());
        for (long old :
            found.subList(Math.min(CommitLog.KEPT_CHECKPOINTS, found.size()), found.size())) {
          control.cancellation().check();
          copy.store().delete(ObjectNames.checkpoint(old));
        }
      } catch (StorageException e) {
        LOG.debug("Old checkpoints stay on {}", copy.name(), e);
      }
    }
  }

  private void removeLapsed(List<Leases.Held> leases) throws IOException {
    for (Leases.Held held : leases) {
      boolean leads = held.facts().flatMap(LeaseFacts::trace).isPresent();
      Instant before = now.minus(LAPSED_LONG_AGO);
      if (leads && now.minus(grace).isBefore(before)) {
        before = now.minus(grace); // as long as what its run left
      }
      if (held.endsAt().isBefore(before) && held.facts().isPresent()) {
        try {
          services.store().delete(held.key());
        } catch (StorageException e) {
          LOG.debug("{} stays, and is found again", held.key(), e); // locked, say; it keeps nothing
        }
      }
    }
  }
}
