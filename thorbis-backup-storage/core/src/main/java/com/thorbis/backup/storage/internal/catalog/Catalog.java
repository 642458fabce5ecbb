package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** What all commits add up to. Safe for several threads. */
public final class Catalog {
  private final Map<String, Source> sources = new LinkedHashMap<>();
  private final Map<BackupId, Kept> backups = new LinkedHashMap<>();
  private final List<Operation.WalMark> walMarks = new ArrayList<>();
  private final List<Operation.WalExpire> walExpiries = new ArrayList<>();
  private final Map<WalLine, Said<Operation.WalExpire>> walGone = new LinkedHashMap<>();
  private final Map<String, Said<Operation.Sweep>> sweeps = new LinkedHashMap<>();
  private final List<SlotRef> plainObjects = new ArrayList<>();
  private List<Operation.Copies.Place> copies = List.of();

  /**
   * A source.
   *
   * @param info what everybody may know
   * @param tree its key tree
   */
  public record Source(SourceInfo info, ObjectId tree) {
    /** The incarnation of this id. */
    public Optional<SourceInfo.Incarnation> incarnation(String id) {
      return info.incarnations().stream().filter(life -> life.id().equals(id)).findFirst();
    }
  }

  /**
   * A backup.
   *
   * @param backup what is said of it
   * @param manifest where its manifest lies, and its hash
   */
  public record Entry(StoredBackup backup, SlotRef manifest) {}

  /**
   * What has become of a backup since it was made.
   *
   * @param sequence the commit that made it
   * @param proofs when it was proven whole on each copy, the last proof last
   * @param holds in the order they were placed
   * @param deleted if it was given up and did not come back
   * @param sweeping whether its bytes are being removed: it can no longer come back
   */
  public record Fate(
      long sequence,
      List<Operation.Verified> proofs,
      List<Operation.Hold> holds,
      Optional<Operation.Delete> deleted,
      boolean sweeping) {
    /** Copies the lists. */
    public Fate {
      proofs = List.copyOf(proofs);
      holds = List.copyOf(holds);
    }

    /** When it was last proven whole, wherever. */
    public Optional<Operation.Verified> verified() {
      return proofs.isEmpty() ? Optional.empty() : Optional.of(proofs.get(proofs.size() - 1));
    }

    /** When it was last proven whole in a place of this id; in the only one if that has none. */
    public Optional<Operation.Verified> proof(Optional<String> place) {
      return proofs.stream().filter(proof -> proof.copy().equals(place)).findFirst();
    }

    /** Whether it counts as a backup. */
    public boolean live() {
      return deleted.isEmpty();
    }

    /** Whether a hold keeps it. */
    public boolean held(Instant now) {
      return holds.stream().anyMatch(hold -> hold.active(now));
    }

    private Fate with(Operation.Verified proof) {
      List<Operation.Verified> now = new ArrayList<>(proofs);
      now.removeIf(earlier -> earlier.copy().equals(proof.copy()));
      now.add(proof);
      return new Fate(sequence, now, holds, deleted, sweeping);
    }

    private Fate with(List<Operation.Hold> now) {
      return new Fate(sequence, proofs, now, deleted, sweeping);
    }

    private Fate with(Optional<Operation.Delete> deletion) {
      return new Fate(sequence, proofs, holds, deletion, sweeping);
    }

    private Fate swept() {
      return new Fate(sequence, proofs, holds, deleted, true);
    }
  }

  /** A backup whose bytes are not all gone, and what has become of it. */
  public record Kept(Entry entry, Fate fate) {}

  /** One timeline of an incarnation. */
  private record WalLine(String source, String incarnation, Timeline timeline) {}

  /** What a commit of this number said. */
  private record Said<T>(long sequence, T what) {}

  /**
   * Operations that a commit of this number could have made.
   *
   * @param sequence 1 for those of the first
   */
  record Step(long sequence, List<Operation> operations) {}

  Catalog() {}

  /** What it holds now, and goes its own way from here. */
  public synchronized Catalog copy() {
    Catalog copy = new Catalog();
    copy.sources.putAll(sources);
    copy.backups.putAll(backups);
    copy.walMarks.addAll(walMarks);
    copy.walExpiries.addAll(walExpiries);
    copy.walGone.putAll(walGone);
    copy.sweeps.putAll(sweeps);
    copy.plainObjects.addAll(plainObjects);
    copy.copies = copies;
    return copy;
  }

  /** Every source. */
  public synchronized List<Source> sources() {
    return List.copyOf(sources.values());
  }

  /** One source. */
  public synchronized Optional<Source> source(String name) {
    return Optional.ofNullable(sources.get(name));
  }

  /** Every backup that was not deleted, oldest first. */
  public synchronized List<Entry> backups() {
    return entries(kept -> kept.fate().live());
  }

  /** One backup that was not deleted. */
  public synchronized Optional<Entry> backup(BackupId id) {
    return Optional.ofNullable(backups.get(id)).filter(kept -> kept.fate().live()).map(Kept::entry);
  }

  /** Every backup that is whole, deleted ones whose sweep has not begun among them. */
  public synchronized List<Entry> whole() {
    return entries(kept -> !kept.fate().sweeping());
  }

  /** Every backup that was not swept, in whatever state. */
  public synchronized List<Kept> kept() {
    return List.copyOf(backups.values());
  }

  /** One backup that was not swept, in whatever state. */
  public synchronized Optional<Kept> kept(BackupId id) {
    return Optional.ofNullable(backups.get(id));
  }

  /** How far WAL was stored for certain. */
  public synchronized List<Operation.WalMark> walMarks() {
    return List.copyOf(walMarks);
  }

  /** Log that was given up and is not swept. */
  public synchronized List<Operation.WalExpire> walExpiries() {
    return List.copyOf(walExpiries);
  }

  /** Up to where the log of a timeline was given up, swept or not; zero if none was. */
  public synchronized Lsn walExpired(String source, String incarnation, Timeline timeline) {
    return lastExpiry(new WalLine(source, incarnation, timeline))
        .map(Operation.WalExpire::before)
        .orElse(new Lsn(0));
  }

  /** Up to where the log of a timeline is being removed, or is gone; zero if none was. */
  public synchronized Lsn walGone(String source, String incarnation, Timeline timeline) {
    return Optional.ofNullable(walGone.get(new WalLine(source, incarnation, timeline)))
        .map(gone -> gone.what().before())
        .orElse(new Lsn(0));
  }

  /** The log of a source that is being removed, or is gone. */
  public synchronized List<Operation.WalExpire> walGone(String source) {
    return walGone.values().stream()
        .map(Said::what)
        .filter(gone -> gone.source().equals(source))
        .toList();
  }

  /** The commit that says of such log that it is being removed; 0 if none does. */
  public synchronized long commitOf(Operation.WalExpire gone) {
    Said<Operation.WalExpire> said = walGone.get(line(gone));
    return said == null ? 0 : said.sequence();
  }

  /** Whether a segment is being removed, or is gone: it was given up, and no backup needs it. */
  public synchronized boolean isGone(String source, String incarnation, WalSegment segment) {
    Said<Operation.WalExpire> said =
        walGone.get(new WalLine(source, incarnation, segment.timeline()));
    if (said == null || segment.end().compareTo(said.what().before()) > 0) {
      return false;
    }
    return said.what().keep().stream()
            .noneMatch(stretch -> overlaps(segment, stretch.start(), stretch.end()))
        && backups.values().stream()
            .filter(kept -> !kept.fate().sweeping())
            .map(kept -> kept.entry().backup())
            .filter(
                backup ->
                    backup.source().equals(source) && backup.timeline().equals(segment.timeline()))
            .noneMatch(backup -> overlaps(segment, backup.startLsn(), backup.stopLsn().plus(1)));
  }

  private static boolean overlaps(WalSegment segment, Lsn start, Lsn end) {
    return segment.start().compareTo(end) < 0 && start.compareTo(segment.end()) < 0;
  }

  /** Whether an expiry gives up more than was given up before. */
  public synchronized boolean isNews(Operation.WalExpire expiry) {
    return lastExpiry(line(expiry)).map(expiry::exceeds).orElse(true);
  }

  /** Sweeps that began and have not said that they ended. */
  public synchronized List<Operation.Sweep> sweeps() {
    return sweeps.values().stream().map(Said::what).toList();
  }

  /** The commit that began a sweep; 0 if it has ended. */
  public synchronized long commitOf(Operation.Sweep sweep) {
    Said<Operation.Sweep> said = sweeps.get(sweep.sweep());
    return said == null ? 0 : said.sequence();
  }

  /** Header and key slots, which commits vouch for. */
  public synchronized List<SlotRef> plainObjects() {
    return List.copyOf(plainObjects);
  }

  /** The places that hold the repository, the deciding one first; empty if that was never said. */
  public synchronized List<Operation.Copies.Place> copies() {
    return copies;
  }

  /** Where the objects lie that a sweep removes by name. */
  public synchronized List<ObjectKey> named(Operation.Sweep sweep) {
    Source source = sources.get(sweep.source());
    if (source == null) {
      return List.of();
    }
    List<ObjectKey> keys = new ArrayList<>();
    sweep.packs().forEach(pack -> keys.add(ObjectNames.pack(source.tree(), pack)));
    sweep.manifests().forEach(id -> keys.add(ObjectNames.manifest(source.tree(), id)));
    return keys;
  }

  /** Folds the operations of one commit in. */
  synchronized void apply(long sequence, List<Operation> operations, ObjectKey key)
      throws RepositoryException {
    for (Operation operation : operations) {
      if ((operation instanceof Operation.Init) != (sequence == 1)) {
        throw damaged(key, "begins the repository in another place than the first commit");
      }
      if (operation instanceof Operation.Init init) {
        plainObjects.add(init.header());
        plainObjects.addAll(init.slots());
      } else if (operation instanceof Operation.Register register) {
        if (sources.containsKey(register.source())) {
          throw damaged(key, "registers a source twice");
        }
        sources.put(
            register.source(),
            new Source(
                new SourceInfo(register.source(), register.type(), List.of(register.incarnation())),
                register.tree()));
        plainObjects.addAll(register.slots());
      } else if (operation instanceof Operation.Adopt adopt) {
        Source source = sources.get(adopt.source());
        if (source == null) {
          throw damaged(key, "adopts into a source that is not registered");
        }
        List<SourceInfo.Incarnation> lives = new ArrayList<>(source.info().incarnations());
        lives.add(adopt.incarnation());
        sources.put(
            adopt.source(),
            new Source(new SourceInfo(adopt.source(), source.info().type(), lives), source.tree()));
      } else if (operation instanceof Operation.Backup made) {
        Source source = sources.get(made.backup().source());
        Fate fate = new Fate(sequence, List.of(), List.of(), Optional.empty(), false);
        if (source == null
            || !made.manifest()
                .key()
                .equals(ObjectNames.manifest(source.tree(), made.backup().id()))
            || backups.putIfAbsent(
                    made.backup().id(), new Kept(new Entry(made.backup(), made.manifest()), fate))
                != null) {
          throw damaged(key, "adds a backup that does not fit what came before");
        }
      } else if (operation instanceof Operation.Complete complete) {
        Kept kept = require(complete.backup(), key);
        StoredBackup backup = kept.entry().backup();
        if (backup.status() == BackupStatus.AWAITING_WAL) {
          backups.put(
              backup.id(),
              new Kept(
                  new Entry(
                      backup.with(
                          backup.warnings().isEmpty()
                              ? BackupStatus.COMPLETE
                              : BackupStatus.COMPLETED_WITH_WARNING),
                      kept.entry().manifest()),
                  kept.fate()));
        }
      } else if (operation instanceof Operation.Copies places) {
        copies = places.places();
      } else if (operation instanceof Operation.WalMark mark) {
        mark(mark);
      } else {
        applyKeeping(sequence, operation, key);
      }
    }
  }

  /** What proves, keeps, gives up and removes backups. */
  private void applyKeeping(long sequence, Operation operation, ObjectKey key)
      throws RepositoryException {
    if (operation instanceof Operation.Verified proof) {
      update(require(proof.backup(), key), require(proof.backup(), key).fate().with(proof));
    } else if (operation instanceof Operation.Hold hold) {
      Kept kept = require(hold.backup(), key);
      if (kept.fate().sweeping()) {
        throw damaged(key, "holds a backup that is being removed");
      }
      List<Operation.Hold> holds = without(kept, hold.reason());
      holds.add(hold);
      update(kept, kept.fate().with(holds));
    } else if (operation instanceof Operation.Release release) {
      Kept kept = require(release.backup(), key);
      update(kept, kept.fate().with(without(kept, release.reason())));
    } else if (operation instanceof Operation.Delete delete) {
      for (BackupId id : delete.backups()) {
        Kept kept = require(id, key);
        if (!kept.fate().live()) {
          throw damaged(key, "deletes a backup that is deleted");
        }
        update(kept, kept.fate().with(Optional.of(delete.only(id))));
      }
    } else if (operation instanceof Operation.Undelete undelete) {
      for (BackupId id : undelete.backups()) {
        Kept kept = require(id, key);
        if (kept.fate().live() || kept.fate().sweeping()) {
          throw damaged(key, "brings a backup back that is not there to come back");
        }
        update(kept, kept.fate().with(Optional.empty()));
        bringBackLog(kept.entry().backup());
      }
    } else if (operation instanceof Operation.WalExpire expiry) {
      if (!sources.containsKey(expiry.source())) {
        throw damaged(key, "gives up the log of a source that is not registered");
      }
      if (isNews(expiry)) {
        walExpiries.add(expiry);
      }
    } else if (operation instanceof Operation.Sweep sweep) {
      for (BackupId id : sweep.backups()) {
        Kept kept = require(id, key);
        if (kept.fate().live()) {
          throw damaged(key, "removes a backup that is not deleted");
        }
        update(kept, kept.fate().swept());
      }
      for (BackupId id : sweep.manifests()) {
        Kept kept = backups.get(id);
        if (kept != null && !kept.fate().sweeping()) {
          throw damaged(key, "removes the manifest of a backup that stays");
        }
      }
      sweep.wal().forEach(gone -> loseLog(sequence, gone));
      if (!sweep.sweep().isEmpty()) {
        sweeps.put(sweep.sweep(), new Said<>(sequence, sweep));
      }
    } else if (operation instanceof Operation.Swept swept) {
      Said<Operation.Sweep> ended = sweeps.remove(swept.sweep());
      if (ended == null) {
        throw damaged(key, "ends a sweep that did not begin");
      }
      ended
          .what()
          .manifests()
          .forEach(backups::remove); // those that no commit ever named are not there
    } else {
      throw new IllegalStateException("Not folded: " + operation);
    }
  }

  /**
   * Operations that add up to the same catalogue: what was undone, replaced or removed is left out.
   */
  synchronized List<Step> compacted() {
    List<Step> steps = new ArrayList<>();
    for (SlotRef header : plainObjects) {
      if (header.key().equals(ObjectNames.HEADER)) {
        ObjectId tree = treeOf(plainObjects.get(1));
        steps.add(new Step(1, List.of(new Operation.Init(header, tree, slots(tree)))));
      }
    }
    List<Operation> operations = new ArrayList<>();
    for (Source source : sources.values()) {
      List<SourceInfo.Incarnation> lives = source.info().incarnations();
      operations.add(
          new Operation.Register(
              source.info().name(),
              source.info().type(),
              source.tree(),
              slots(source.tree()),
              lives.get(0)));
      for (SourceInfo.Incarnation life : lives.subList(1, lives.size())) {
        operations.add(new Operation.Adopt(source.info().name(), life));
      }
    }
    steps.add(new Step(2, List.copyOf(operations)));
    backups.values().forEach(kept -> steps.add(compacted(kept)));
    operations.clear();
    if (!copies.isEmpty()) {
      operations.add(new Operation.Copies(copies));
    }
    operations.addAll(walMarks);
    steps.add(new Step(2, List.copyOf(operations)));
    for (Said<Operation.WalExpire> said : walGone.values()) {
      Operation.WalExpire gone = said.what();
      steps.add(
          new Step(said.sequence(), List.of(marker(gone.source(), List.of(), List.of(gone)))));
    }
    steps.add(new Step(2, List.copyOf(walExpiries)));
    sweeps.values().forEach(said -> steps.add(new Step(said.sequence(), List.of(said.what()))));
    return steps;
  }

  private static Step compacted(Kept kept) {
    StoredBackup backup = kept.entry().backup();
    Fate fate = kept.fate();
    List<Operation> operations = new ArrayList<>();
    operations.add(new Operation.Backup(backup, kept.entry().manifest()));
    operations.addAll(fate.proofs());
    operations.addAll(fate.holds());
    fate.deleted().ifPresent(operations::add);
    if (fate.sweeping()) {
      operations.add(marker(backup.source(), List.of(backup.id()), List.of()));
    }
    return new Step(fate.sequence(), List.copyOf(operations));
  }

  private static Operation.Sweep marker(
      String source, List<BackupId> backups, List<Operation.WalExpire> wal) {
    return new Operation.Sweep(source, "", backups, List.of(), List.of(), wal);
  }

  private List<SlotRef> slots(ObjectId tree) {
    String folder = ObjectNames.KEYS + tree + "/";
    return plainObjects.stream().filter(ref -> ref.key().value().startsWith(folder)).toList();
  }

  private static ObjectId treeOf(SlotRef slot) {
    return ObjectId.parse(slot.key().value().split("/", -1)[1]);
  }

  private List<Entry> entries(Predicate<Kept> wanted) {
    return backups.values().stream().filter(wanted).map(Kept::entry).toList();
  }

  private Kept require(BackupId id, ObjectKey key) throws RepositoryException {
    Kept kept = backups.get(id);
    if (kept == null) {
      throw damaged(key, "says something of a backup that is not there");
    }
    return kept;
  }

  private void update(Kept kept, Fate fate) {
    backups.put(kept.entry().backup().id(), new Kept(kept.entry(), fate));
  }

  private static List<Operation.Hold> without(Kept kept, String reason) {
    List<Operation.Hold> holds = new ArrayList<>(kept.fate().holds());
    holds.removeIf(hold -> hold.reason().equals(reason));
    return holds;
  }

  /** A backup that comes back needs the log behind it, as far as that is not being removed. */
  private void bringBackLog(StoredBackup backup) {
    walExpiries.replaceAll(
        expiry ->
            expiry.source().equals(backup.source())
                    && expiry.incarnation().equals(backup.incarnation())
                    && expiry.timeline().equals(backup.timeline())
                    && expiry.before().compareTo(backup.startLsn()) > 0
                ? new Operation.WalExpire(
                    expiry.source(),
                    expiry.incarnation(),
                    expiry.timeline(),
                    backup.startLsn(),
                    expiry.keep(),
                    expiry.sweepAfter())
                : expiry);
    dropVoidExpiries();
  }

  private void loseLog(long sequence, Operation.WalExpire removed) {
    walExpiries.removeIf(
        expiry ->
            line(expiry).equals(line(removed))
                && !expiry.sweepAfter().isAfter(removed.sweepAfter()));
    walGone.merge(
        line(removed),
        new Said<>(sequence, removed),
        (one, other) -> other.what().exceeds(one.what()) ? other : one);
    dropVoidExpiries();
  }

  /** Leaves out what gives up no more than one before it. */
  private void dropVoidExpiries() {
    Map<WalLine, Operation.WalExpire> last = new LinkedHashMap<>();
    walGone.forEach((line, gone) -> last.put(line, gone.what()));
    walExpiries.removeIf(
        expiry -> {
          Operation.WalExpire before = last.get(line(expiry));
          if (before != null && !expiry.exceeds(before)) {
            return true;
          }
          last.put(line(expiry), expiry);
          return false;
        });
  }

  private Optional<Operation.WalExpire> lastExpiry(WalLine line) {
    return Stream.concat(
            Stream.ofNullable(walGone.get(line)).map(Said::what),
            walExpiries.stream().filter(expiry -> line(expiry).equals(line)))
        .reduce((one, other) -> other);
  }

  private static WalLine line(Operation.WalExpire expiry) {
    return new WalLine(expiry.source(), expiry.incarnation(), expiry.timeline());
  }

  /** A mark takes in those that it touches; one that says no beginning is the last of its line. */
  private void mark(Operation.WalMark added) {
    Operation.WalMark mark = added;
    for (Iterator<Operation.WalMark> each = walMarks.iterator(); each.hasNext(); ) {
      Operation.WalMark older = each.next();
      if (!older.ofSameLine(mark)) {
        continue;
      }
      Optional<Operation.WalMark> joined = mark.joined(older);
      if (joined.isPresent()) {
        mark = joined.get();
        each.remove();
      } else if (older.from().isEmpty()) {
        each.remove();
      }
    }
    walMarks.add(mark);
  }

  private static RepositoryException damaged(ObjectKey key, String problem) {
    return RepositoryException.damaged(key.value(), problem, null);
  }
}
