package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.crypto.MalformedObjectException;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Parallel;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.CommitLog;
import com.thorbis.backup.storage.internal.copies.CopySet;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.lease.Lease;
import com.thorbis.backup.storage.internal.lease.LeaseFacts;
import com.thorbis.backup.storage.internal.lease.Leases;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.KnownPieces;
import com.thorbis.backup.storage.internal.pack.PackReader;
import com.thorbis.backup.storage.internal.pack.PackRef;
import com.thorbis.backup.storage.internal.pack.PieceRef;
import com.thorbis.backup.storage.internal.pack.PieceTable;
import com.thorbis.backup.storage.internal.verify.PackCheck;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What earlier runs of a source stored and did not commit. It is found by what their leases say,
 * and taken for one run alone; it is known by its content, never by a name or a time. Each pack is
 * read back whole, from the store that decides, before the first reference to it.
 *
 * <p>Whatever cannot be found, read or proven is stored again: nothing here makes a backup fail,
 * and no listing is taken for more than it shows. That no other backup has what is taken from here
 * is decided when it commits.
 */
final class Leftovers implements KnownPieces, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Leftovers.class);
  private static final int MOST_CHECKS = 4;
  private static final int MOST_PACKS = 1 << 16;
  private static final int MOST_PIECES_OF_A_PACK = 1 << 15;

  /** Of packs whose pieces are held, so many have the most pieces there are. */
  private static final int HELD_PIECES = 2 * MOST_PIECES_OF_A_PACK;

  private final Services services;
  private final Services deciding;
  private final Catalog.Source source;
  private final BackupId run;
  private final int epoch;
  private final List<Leases.Held> taken = new ArrayList<>();
  private final PieceTable table = new PieceTable();
  private final List<Orphan> orphans = new ArrayList<>();
  private final Map<Integer, List<PieceRef>> held = new LinkedHashMap<>(16, 0.75f, true);
  private final Set<Integer> begun = ConcurrentHashMap.newKeySet();
  private final int threads;
  private final BlockingQueue<PackCheck> checks;
  private final ExecutorService ahead;

  /** A pack, and whether it is whole. */
  private record Orphan(PackRef pack, FutureTask<Boolean> proof) {}

  /**
   * For one run; {@link #find(Lease, CommitLog.Fence)} comes before all else.
   *
   * @param epoch what is sealed under a key of a lower number is left alone
   */
  Leftovers(Services services, Catalog.Source source, BackupId run, int epoch) {
    this.services = services;
    this.deciding = services.on(CopySet.deciding(services.store()), services.log());
    this.source = source;
    this.run = run;
    this.epoch = epoch;
    this.threads = Math.max(1, Math.min(services.parallelism(), MOST_CHECKS));
    this.checks = new ArrayBlockingQueue<>(threads);
    this.ahead =
        Executors.newFixedThreadPool(
            threads,
            work -> {
              Thread thread = new Thread(work, "thorbis-backup-" + run + "-resume");
              thread.setDaemon(true);
              return thread;
            });
  }

  /**
   * Takes what there is.
   *
   * @param lease gets to say so before anything is taken
   * @param fence knows what is being removed
   */
  void find(Lease lease, CommitLog.Fence fence) throws IOException {
    try {
      List<Leases.Held> all = Leases.all(services.store());
      List<Leases.Held> left = left(all, lease.startedAt());
      if (left.isEmpty()) {
        return;
      }
      services.log().refresh();
      left.removeIf(one -> isCommitted(one.folder()));
      Optional<Instant> oldest =
          left.stream().map(Leases.Held::startedAt).min(Comparator.naturalOrder());
      if (oldest.isEmpty()) {
        return;
      }
      // In this order: a sweep that does not get what is taken here must see that it is needed.
      lease.reachTo(oldest.get());
      take(left);
      // Whoever had it before has committed by now, if it ever does.
      services.log().refresh();
      List<ObjectInfo> packs = list(fence);
      if (packs.isEmpty()) {
        return;
      }
      Set<ObjectKey> needed = needed();
      packs.removeIf(pack -> needed.contains(pack.key()));
      for (int i = 0; i < threads; i++) {
        checks.add(new PackCheck(deciding, new PackReader(deciding.store(), deciding.keys()), 100));
      }
      read(packs);
    } catch (StorageException | RepositoryException | MalformedObjectException e) {
      orphans.clear(); // and so no place in the table leads anywhere
      LOG.warn("backup={} cannot look for what an interrupted one left; all is stored", run, e);
    }
  }

  /** What dead backups of this source left. */
  private List<Leases.Held> left(List<Leases.Held> all, Instant now) {
    Map<String, Leases.Held> newest = new TreeMap<>();
    Leases.newest(all).forEach(one -> newest.put(one.folder(), one));
    List<Leases.Held> left = new ArrayList<>();
    for (Leases.Held one : newest.values()) {
      boolean ours =
          one.facts()
              .flatMap(LeaseFacts::trace)
              .filter(trace -> trace.tree().equals(source.tree()))
              .isPresent();
      if (ours && !one.folder().equals(run.value()) && isFree(one, newest, now, newest.size())) {
        left.add(one);
      }
    }
    return left;
  }

  /** Takes from whoever took it before only what that one can no longer commit. */
  private void take(List<Leases.Held> left) throws IOException {
    Set<String> ended = new HashSet<>();
    List<Leases.Held> waiting = new ArrayList<>(left);
    for (boolean more = true; more; ) {
      more = false;
      for (Leases.Held one : List.copyOf(waiting)) {
        if (isTaken(one) && !ended.contains(taker(one))) {
          continue;
        }
        waiting.remove(one);
        if (Lease.takeOver(services.store(), one, run.value())) {
          taken.add(one);
          ended.add(one.folder());
          more = true;
        }
      }
    }
  }

  private static String taker(Leases.Held one) {
    return one.facts().flatMap(LeaseFacts::by).orElse("");
  }

  private boolean isFree(
      Leases.Held one, Map<String, Leases.Held> newest, Instant now, int mostSteps) {
    if (!isTaken(one)) {
      return one.facts().isPresent() && (!one.alive(now) || one.dead());
    }
    Leases.Held taker = newest.get(taker(one));
    return taker != null
        && mostSteps > 0
        && !isCommitted(taker.folder())
        && isFree(taker, newest, now, mostSteps - 1);
  }

  private static boolean isTaken(Leases.Held one) {
    return one.facts().map(LeaseFacts::purpose).orElse("").equals(LeaseFacts.TAKEN);
  }

  private boolean isCommitted(String run) {
    try {
      return services.log().catalog().kept(new BackupId(run)).isPresent();
    } catch (IllegalArgumentException e) {
      return true; // not a backup's lease; whatever it is, it left nothing
    }
  }

  private List<ObjectInfo> list(CommitLog.Fence fence) throws IOException {
    ObjectStore store = deciding.store();
    List<ObjectInfo> packs = new ArrayList<>();
    for (Leases.Held one : taken) {
      String prefix = ObjectNames.PACKS + source.tree() + "/" + trace(one).packs();
      Optional<String> after = Optional.empty();
      do {
        ListPage page = store.list(prefix, after);
        for (ObjectInfo info : page.objects()) {
          if (packs.size() < MOST_PACKS
              && info.key().value().startsWith(prefix)
              && !fence.condemns(info.key())) {
            packs.add(info);
          }
        }
        after = page.next();
      } while (after.isPresent() && packs.size() < MOST_PACKS);
    }
    return packs;
  }

  private static LeaseFacts.Trace trace(Leases.Held one) {
    return one.facts().flatMap(LeaseFacts::trace).orElseThrow();
  }

  /** What backups need that were committed since the first of these runs began. */
  private Set<ObjectKey> needed() throws IOException {
    long head = taken.stream().mapToLong(one -> trace(one).head()).min().orElse(0);
    Set<ObjectKey> needed = new HashSet<>();
    for (Catalog.Kept kept : services.log().catalog().kept()) {
      if (kept.entry().backup().source().equals(source.info().name())
          && kept.fate().sequence() > head) {
        new BackupContents(services, source, kept.entry())
            .packs()
            .forEach(pack -> needed.add(pack.key()));
      }
    }
    return needed;
  }

  private void read(List<ObjectInfo> packs) throws IOException {
    Map<ObjectKey, Found> found = new ConcurrentHashMap<>();
    int most = 4 * MOST_CHECKS; // what is read at once is held at once
    for (int from = 0; from < packs.size(); from += most) {
      List<ObjectInfo> some = packs.subList(from, Math.min(packs.size(), from + most));
      Parallel.forEach(
          some,
          threads,
          () -> () -> {},
          (nothing, info) ->
              with(check -> look(check, info)).ifPresent(one -> found.put(info.key(), one)));
      for (ObjectInfo info : some) {
        Found one = found.remove(info.key());
        if (one != null && !add(one)) {
          return;
        }
      }
    }
  }

  /** A pack and the fingerprints of its pieces. */
  private record Found(PackRef pack, List<Fingerprint> pieces) {}

  private Optional<Found> look(PackCheck check, ObjectInfo info) throws IOException {
    try {
      PackRef pack = check.refer(info.key(), info.length(), source.tree());
      if (pack.sealedWith().epoch() < epoch) {
        return Optional.empty();
      }
      List<PieceRef> pieces = check.pieces(pack);
      return pieces.size() > MOST_PIECES_OF_A_PACK
          ? Optional.empty()
          : Optional.of(new Found(pack, pieces.stream().map(PieceRef::fingerprint).toList()));
    } catch (RepositoryException | MalformedObjectException | StorageException.NotFound e) {
      LOG.warn("backup={} leaves {} alone: {}", run, info.key(), e.toString());
      return Optional.empty();
    }
  }

  private boolean add(Found found) {
    int number = orphans.size();
    orphans.add(new Orphan(found.pack(), new FutureTask<>(() -> prove(found.pack()))));
    int at = 0;
    for (Fingerprint piece : found.pieces()) {
      if (!table.add(piece, number, at++)) {
        LOG.info("backup={} found more than it can keep in mind; the rest is stored again", run);
        return false;
      }
    }
    return true;
  }

  @Override
  public @Nullable PieceRef find(Fingerprint fingerprint, int length) throws IOException {
    long place = orphans.isEmpty() ? PieceTable.NONE : table.find(fingerprint);
    if (place == PieceTable.NONE) {
      return null;
    }
    int number = (int) (place >>> Integer.SIZE);
    if (!isSound(number)) {
      return null;
    }
    try {
      PieceRef piece = pieces(number).get((int) place);
      boolean same = piece.plainLength() == length && piece.fingerprint().equals(fingerprint);
      return same ? piece : null;
    } catch (StorageException | RepositoryException e) {
      LOG.warn("backup={} leaves a piece alone: {}", run, e.toString());
      return null;
    }
  }

  /** Proves it on this thread, unless another one is about to; and some that lie behind it. */
  private boolean isSound(int number) throws IOException {
    begun.add(number);
    int last = Math.min(orphans.size() - 1, number + threads);
    for (int next = number + 1; next <= last; next++) {
      if (begun.add(next)) {
        ahead.execute(orphans.get(next).proof());
      }
    }
    FutureTask<Boolean> proof = orphans.get(number).proof();
    proof.run();
    try {
      return proof.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while a pack was read back");
    } catch (ExecutionException e) {
      throw Parallel.thrown(e.getCause());
    }
  }

  private boolean prove(PackRef pack) throws IOException {
    try {
      boolean sound = with(check -> check.open(pack, Optional.of(pack.sealedLength()))).sound();
      if (sound) {
        CopySet.ensure(services.store(), pack.key());
      } else {
        LOG.warn("backup={} leaves {} alone: it is damaged", run, pack.key());
      }
      return sound;
    } catch (StorageException | RepositoryException | MalformedObjectException e) {
      LOG.warn("backup={} leaves {} alone: {}", run, pack.key(), e.toString());
      return false;
    }
  }

  private List<PieceRef> pieces(int number) throws IOException {
    synchronized (held) {
      List<PieceRef> known = held.get(number);
      if (known != null) {
        return known;
      }
    }
    List<PieceRef> read = with(check -> check.pieces(orphans.get(number).pack()));
    synchronized (held) {
      held.put(number, read);
      int total = held.values().stream().mapToInt(List::size).sum();
      for (var eldest = held.values().iterator(); total > HELD_PIECES; ) {
        total -= eldest.next().size();
        eldest.remove();
      }
    }
    return read;
  }

  private interface Checking<T> {
    T with(PackCheck check) throws IOException;
  }

  private <T> T with(Checking<T> work) throws IOException {
    PackCheck check;
    try {
      check = checks.take();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while a pack was read back");
    }
    try {
      return work.with(check);
    } finally {
      checks.add(check);
    }
  }

  /** The packs of these ids that are from here. */
  List<PackRef> packs(Collection<ObjectId> ids) {
    return orphans.stream().map(Orphan::pack).filter(pack -> ids.contains(pack.id())).toList();
  }

  /** Whether anything was taken from another run. */
  boolean any() {
    return !taken.isEmpty();
  }

  /** Forgets the runs whose packs were taken: whoever comes later finds a commit instead. */
  void forget() {
    for (Leases.Held one : taken) {
      try {
        // The last one goes last: as long as it is there, nobody takes what the run left.
        for (Leases.Held lease : Leases.of(services.store(), one.folder())) {
          services.store().delete(lease.key());
        }
      } catch (IOException e) {
        LOG.debug("backup={} leaves a lease of {}", run, one.folder(), e);
      }
    }
  }

  @Override
  public void close() {
    ahead.shutdownNow();
    Parallel.awaitEnd(ahead);
    checks.forEach(PackCheck::close);
  }
}
