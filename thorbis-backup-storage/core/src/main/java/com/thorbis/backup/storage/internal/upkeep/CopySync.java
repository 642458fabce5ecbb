package com.thorbis.backup.storage.internal.upkeep;

import com.thorbis.backup.api.SyncReport;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Narrowing;
import com.thorbis.backup.storage.internal.Parallel;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.CommitLog;
import com.thorbis.backup.storage.internal.catalog.SlotRef;
import com.thorbis.backup.storage.internal.copies.CopySet;
import com.thorbis.backup.storage.internal.copies.Proof;
import com.thorbis.backup.storage.internal.copies.Transfer;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Gives every copy what it lacks: data first, then manifests, then commits in order, the header
 * last. So whatever moment it stops at, a copy's commits are the beginning of the log, and what
 * they refer to is there; and a copy without a header is not taken for a repository.
 */
public final class CopySync {
  private static final int AT_ONCE = 4;
  private static final int BATCH = 256;
  private static final int MOST_PROBLEMS = 3;

  private final Services services;
  private final Narrowing narrowing;
  private final RunControl control;
  private final Transfer transfer;
  private final List<Copy> copies;
  private final Map<Copy, Target> targets = new LinkedHashMap<>();
  private final AtomicLong moved = new AtomicLong();
  private long unknown;
  private CommitLog.@Nullable Fence sweeps;

  /** Something a copy lacks. */
  private record Missing(ObjectKey key, List<Copy> sources, Target target) {}

  private static final class Target {
    final Copy copy;
    final List<String> problems = new ArrayList<>();
    Optional<ObjectId> place = Optional.empty();
    long objects;
    long bytes;
    boolean stopped;
    private int refusals;

    Target(Copy copy) {
      this.copy = copy;
    }

    synchronized void got(long length) {
      objects++;
      bytes += length;
    }

    /** Keeps it from getting what refers to other things. */
    synchronized void problem(String text) {
      if (problems.size() < MOST_PROBLEMS) {
        problems.add(text);
      }
    }

    /** Keeps it from getting anything more. */
    synchronized void stop(String text) {
      problem(text);
      stopped = true;
    }

    /** One object could not be brought; a store that fails each time is left alone. */
    synchronized void failed(String text, boolean byStore) {
      problem(text);
      refusals += byStore ? 1 : 0;
      stopped |= refusals == MOST_PROBLEMS;
    }

    /** Whether more of the same kind may be tried. */
    synchronized boolean goesOn() {
      return !stopped;
    }

    /** Whether it has got everything so far: what refers to it may follow. */
    synchronized boolean whole() {
      return problems.isEmpty();
    }
  }

  /** Between the copies of an open repository. */
  public CopySync(
      Services services, Narrowing narrowing, CopySet set, Proof proof, RunControl control) {
    this.services = services;
    this.narrowing = narrowing;
    this.control = control;
    this.transfer = new Transfer(proof);
    this.copies = set.copies();
    copies.forEach(copy -> targets.put(copy, new Target(copy)));
  }

  /** Brings all copies up to what was committed when it began. */
  public SyncReport run() throws IOException {
    long started = System.nanoTime();
    // What is committed from now on may refer to data that is listed too late.
    long last = services.log().sequence();
    control.progress().begin("sync", -1);
    Belongings belongings = new Belongings(services);
    for (Target target : targets.values()) {
      find(target);
      requireSameHistory(target, last);
    }
    for (SlotRef ref : services.log().catalog().plainObjects()) {
      if (!ref.key().equals(ObjectNames.HEADER)) {
        bringPlain(ref.key());
      }
    }
    try (CommitLog.Fence fence = services.log().fence()) {
      sweeps = fence;
      bringListed(ObjectNames.PACKS, belongings);
      bringListed(ObjectNames.WAL, belongings);
      bringListed(ObjectNames.MANIFESTS, belongings);
    }
    for (long sequence = 1; sequence <= last; sequence++) {
      bringPlain(ObjectNames.commit(sequence));
    }
    bringPlain(ObjectNames.HEADER);
    bringListed(ObjectNames.CHECKPOINTS, belongings);
    if (unknown > 0) {
      control.progress().note(unknown + " objects of unknown names were left where they are");
    }
    control.progress().end("sync");
    return new SyncReport(
        targets.values().stream()
            .map(
                target ->
                    new SyncReport.CopySync(
                        target.copy.name(), target.objects, target.bytes, target.problems))
            .toList(),
        (System.nanoTime() - started) / 1_000_000);
  }

  /** What a copy let go of is told by its id. */
  private void find(Target target) {
    try {
      target.place = narrowing.narrowed(target.copy.store());
    } catch (IOException e) {
      target.stop("cannot be asked which copy it is: " + e.getMessage());
    }
  }

  /** A copy whose last commit is another than the log's was written to by itself. */
  private void requireSameHistory(Target target, long last) throws IOException {
    try {
      long there = CommitLog.lastOn(target.copy.store(), last);
      if (there == 0) {
        return;
      }
      ObjectKey key = ObjectNames.commit(there);
      if (!transfer.isWhole(key, target.copy.store())) {
        target.stop(key + " is damaged there. Run copies heal");
      }
    } catch (RepositoryException e) {
      target.stop(e.getMessage() + ". " + e.remedy());
    } catch (StorageException e) {
      target.stop("cannot be asked: " + e.getMessage());
    }
  }

  /**
   * Objects whose names are known are looked for by name: a listing without one proves nothing. A
   * copy that could not be asked or listed before is no source either: others would get commits
   * from it without what those refer to.
   */
  private void bringPlain(ObjectKey key) throws IOException {
    bringPlain(key, target -> true);
  }

  private void bringPlain(ObjectKey key, Predicate<Target> wanted) throws IOException {
    control.cancellation().check();
    List<Copy> sources = new ArrayList<>();
    List<Target> lacking = new ArrayList<>();
    for (Target target : targets.values()) {
      if (!target.goesOn()) {
        continue;
      }
      try {
        Optional<ObjectInfo> info = target.copy.store().head(key);
        if (info.isPresent()) {
          sources.add(target.copy);
        } else {
          lacking.add(target);
        }
      } catch (StorageException e) {
        target.stop("cannot be asked: " + e.getMessage());
      }
    }
    if (!lacking.isEmpty() && key.value().startsWith(ObjectNames.KEYS)) {
      services.log().refresh(); // what was destroyed meanwhile must not come back
      if (services.log().catalog().erasures().stream().anyMatch(each -> each.owns(key))) {
        return;
      }
    }
    for (Target target : lacking) {
      if (target.whole() && wanted.test(target) && !isSwept(key, target.place)) {
        bring(new Missing(key, sources, target));
      }
    }
  }

  /** What no backup refers to stays where it is: it was swept, or nobody has committed it yet. */
  private void bringListed(String prefix, Belongings belongings) throws IOException {
    boolean data = prefix.equals(ObjectNames.PACKS) || prefix.equals(ObjectNames.WAL);
    Holdings holdings =
        new Holdings(
            targets.values().stream().filter(Target::goesOn).map(target -> target.copy).toList(),
            prefix);
    Set<ObjectKey> unlisted = new HashSet<>(belongings.named(prefix));
    List<Missing> batch = new ArrayList<>();
    for (Holdings.Row row = holdings.next(); row != null; row = holdings.next()) {
      control.cancellation().check();
      if (!transfer.covers(row.key())) {
        unknown++;
        continue;
      }
      if (!belongings.has(row.key())) {
        continue;
      }
      unlisted.remove(row.key());
      for (Target target : targets.values()) {
        Long length = row.lengths().get(target.copy);
        if (length != null && length != row.length()) {
          target.problem(row.key() + " has another length there than elsewhere. Run copies heal");
        } else if (length == null
            && belongings.has(row.key(), target.place)
            && !holdings.failures().containsKey(target.copy)
            && (data ? target.goesOn() : target.whole())) {
          batch.add(new Missing(row.key(), List.copyOf(row.lengths().keySet()), target));
        }
      }
      if (batch.size() >= BATCH) {
        bring(batch);
        batch.clear();
      }
    }
    bring(batch);
    services.log().refresh();
    for (ObjectKey key : unlisted) { // a listing that is short is no proof
      if (!isSwept(key, Optional.empty())) {
        bringPlain(key, target -> belongings.has(key, target.place));
      }
    }
    holdings
        .failures()
        .forEach(
            (copy, e) -> {
              Target target = targets.get(copy);
              if (target != null) {
                target.stop("cannot be listed: " + e.getMessage());
              }
            });
  }

  private void bring(List<Missing> batch) throws IOException {
    if (batch.isEmpty()) {
      return;
    }
    services.log().refresh(); // so that what is being swept meanwhile is not brought back
    Parallel.forEach(
        batch,
        AT_ONCE,
        () -> (Parallel.Worker) () -> {},
        (worker, missing) -> {
          control.cancellation().check();
          if (missing.target().goesOn() && !isSwept(missing.key(), missing.target().place)) {
            bring(missing);
          }
        });
  }

  private void bring(Missing missing) throws IOException {
    String problem = missing.key() + ": no copy that can be asked has it";
    boolean byStore = false;
    for (Copy source : missing.sources()) {
      try {
        long length = transfer.copy(missing.key(), source.store(), missing.target().copy.store());
        missing.target().got(length);
        control.progress().advance(moved.addAndGet(length), -1);
        return;
      } catch (RepositoryException | StorageException e) {
        problem = missing.key() + " from " + source.name() + ": " + e.getMessage();
        byStore = e instanceof StorageException && !StorageException.isOffline(e);
        if (StorageException.isOffline(e)) {
          problem += ". Run verify --thaw, and sync again";
        }
      }
    }
    services.log().refresh();
    if (!isSwept(missing.key(), missing.target().place)) {
      missing.target().failed(problem, byStore);
    }
  }

  private boolean isSwept(ObjectKey key, Optional<ObjectId> place) {
    CommitLog.Fence fence = sweeps;
    return fence != null && fence.condemns(key, place);
  }
}
