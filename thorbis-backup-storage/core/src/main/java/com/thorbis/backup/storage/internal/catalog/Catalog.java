package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.crypto.KeySlots;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.storage.internal.catalog.LostLog.Said;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** What all commits add up to. Safe for several threads. */
public final class Catalog {
  private final Map<String, Source> sources = new LinkedHashMap<>();
  private final Map<BackupId, Kept> backups = new LinkedHashMap<>();
  private final List<Operation.WalMark> walMarks = new ArrayList<>();
  private final LostLog lost;
  private final ResealedLog resealed;
  private final Map<ObjectId, LostLog> lostAt = new LinkedHashMap<>();
  private final Map<String, Said<Operation.Sweep>> sweeps = new LinkedHashMap<>();
  private final Map<String, Said<Operation.SweepCopy>> copySweeps = new LinkedHashMap<>();
  private final Map<String, Said<Operation.SweepKeys>> keySweeps = new LinkedHashMap<>();
  private final Map<ObjectId, NavigableMap<Integer, KeyEpoch>> trees = new LinkedHashMap<>();
  private final Map<ObjectKey, Instant> retired = new LinkedHashMap<>();
  private final Erasures erasures;
  private Operation.@Nullable Init begin; // as the first commit said it
  private @Nullable ObjectId here; // of the copy that this is seen from; null: of all
  private List<Operation.Copies.Place> copies = List.of();
  private Operation.@Nullable Writers writers; // as the last commit that names any said it
  private Operation.@Nullable Session session; // where this is one
  private boolean sessionEnded;
  private final Map<ObjectId, Operation.Taken> taken = new LinkedHashMap<>();

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
   * @param place the commit that made the first of this content: its place in history. Another only
   *     if it was sealed anew since
   * @param proofs when it was proven whole on each copy, the last proof last
   * @param holds in the order they were placed
   * @param deleted if it was given up and did not come back
   * @param sweeping whether its bytes are being removed: it can no longer come back
   * @param partings the copies that let go of it by a retention of their own
   */
  public record Fate(
      long sequence,
      long place,
      List<Operation.Verified> proofs,
      List<Operation.Hold> holds,
      Optional<Operation.Delete> deleted,
      boolean sweeping,
      List<Parting> partings) {
    /** Copies the lists. */
    public Fate {
      proofs = List.copyOf(proofs);
      holds = List.copyOf(holds);
      partings = List.copyOf(partings);
    }

    /** How a copy let go of it; empty if it did not. */
    public Optional<Parting> parting(ObjectId copy) {
      return partings.stream().filter(one -> one.letGo().copy().equals(copy)).findFirst();
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
      return new Fate(sequence, place, now, holds, deleted, sweeping, partings);
    }

    private Fate with(List<Operation.Hold> now) {
      return new Fate(sequence, place, proofs, now, deleted, sweeping, partings);
    }

    private Fate with(Optional<Operation.Delete> deletion) {
      return new Fate(sequence, place, proofs, holds, deletion, sweeping, partings);
    }

    private Fate at(long earlier) {
      return new Fate(sequence, earlier, proofs, holds, deleted, sweeping, partings);
    }

    private Fate swept() {
      return new Fate(sequence, place, proofs, holds, deleted, true, partings);
    }

    private Fate with(Parting parting) {
      ObjectId copy = parting.letGo().copy();
      List<Parting> now = new ArrayList<>(partings);
      now.replaceAll(earlier -> earlier.letGo().copy().equals(copy) ? parting : earlier);
      if (parting(copy).isEmpty()) {
        now.add(parting);
      }
      return new Fate(sequence, place, proofs, holds, deleted, sweeping, now);
    }
  }

  /**
   * A copy lets go of a backup that stays elsewhere.
   *
   * @param letGo what was said, of this backup alone
   * @param removing the commit that says that its bytes are being removed there; 0 if none does
   */
  public record Parting(Operation.LetGo letGo, long removing) {
    /** Whether its bytes are being removed there, or are gone. */
    public boolean sweeping() {
      return removing > 0;
    }
  }

  /** A backup whose bytes are not all gone, and what has become of it. */
  public record Kept(Entry entry, Fate fate) {}

  /**
   * A key of a tree.
   *
   * @param number 1 for the first
   * @param since store time; empty for a first one of early builds
   * @param slots that count; each alone opens it
   */
  public record KeyEpoch(int number, Optional<Instant> since, List<SlotRef> slots) {
    /** Copies the list. */
    public KeyEpoch {
      slots = List.copyOf(slots);
    }
  }

  /**
   * Operations that a commit of this number could have made.
   *
   * @param sequence 1 for those of the first
   */
  record Step(long sequence, List<Operation> operations) {}

  Catalog() {
    this(new LostLog(), new ResealedLog(), new Erasures());
  }

  private Catalog(LostLog lost, ResealedLog resealed, Erasures erasures) {
    this.lost = lost;
    this.resealed = resealed;
    this.erasures = erasures;
  }

  /** What it holds now, and goes its own way from here. */
  public synchronized Catalog copy() {
    Catalog copy = new Catalog(lost.copy(), resealed.copy(), erasures.copy());
    copy.sources.putAll(sources);
    copy.backups.putAll(backups);
    copy.walMarks.addAll(walMarks);
    lostAt.forEach((place, losses) -> copy.lostAt.put(place, losses.copy()));
    copy.sweeps.putAll(sweeps);
    copy.copySweeps.putAll(copySweeps);
    copy.keySweeps.putAll(keySweeps);
    trees.forEach((tree, epochs) -> copy.trees.put(tree, new TreeMap<>(epochs)));
    copy.retired.putAll(retired);
    copy.begin = begin;
    copy.copies = copies;
    copy.writers = writers;
    copy.session = session;
    copy.sessionEnded = sessionEnded;
    copy.taken.putAll(taken);
    copy.here = here;
    return copy;
  }

  /** What of it a copy is to hold: without the backups, and the log, that it let go of. */
  public Catalog at(ObjectId copy) {
    return at(copy, kept -> kept.fate().parting(copy).isPresent());
  }

  /** What of it a copy cannot do without: it lacks only what is being removed there. */
  public Catalog leftAt(ObjectId copy) {
    return at(copy, kept -> kept.fate().parting(copy).filter(Parting::sweeping).isPresent());
  }

  private Catalog at(ObjectId copy, Predicate<Kept> without) {
    Catalog seen = copy();
    seen.here = copy;
    seen.backups.values().removeIf(without);
    return seen;
  }

  /** The copies that let go of anything by a retention of their own. */
  public synchronized Set<ObjectId> narrowed() {
    Set<ObjectId> narrowed = new LinkedHashSet<>(lostAt.keySet());
    for (Kept kept : backups.values()) {
      kept.fate().partings().forEach(parting -> narrowed.add(parting.letGo().copy()));
    }
    return narrowed;
  }

  /** Whether a copy let go of any backup of a source by a retention of its own. */
  public synchronized boolean letGo(ObjectId copy, ObjectId tree) {
    return backups.values().stream()
        .filter(kept -> kept.fate().parting(copy).isPresent())
        .anyMatch(
            kept -> {
              Source source = sources.get(kept.entry().backup().source());
              return source != null && source.tree().equals(tree);
            });
  }

  /**
   * What the copies are called, by whoever recorded them last, that let go of a backup by a
   * retention of their own. A place that is none any more does not count.
   */
  public synchronized List<String> letGoBy(BackupId id) {
    Kept kept = backups.get(id);
    return kept == null
        ? List.of()
        : copies.stream()
            .filter(place -> kept.fate().parting(place.id()).isPresent())
            .map(Operation.Copies.Place::name)
            .toList();
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

  /** Every backup that was not swept, in whatever state, oldest first. */
  public synchronized List<Kept> kept() {
    return inPlace().toList();
  }

  /** A backup that replaces another stands where that one stood. */
  private Stream<Kept> inPlace() {
    return backups.values().stream().sorted(Comparator.comparingLong(kept -> kept.fate().place()));
  }

  /**
   * Whether what took a backup's place has not been read back yet: until then the bytes of the old
   * one are the only ones that are known.
   */
  public synchronized boolean awaitsProof(BackupId replaced) {
    return backups.values().stream()
        .filter(kept -> kept.fate().live() && kept.fate().verified().isEmpty())
        .anyMatch(kept -> kept.entry().backup().rekeyedFrom().equals(Optional.of(replaced)));
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
    return lost.expiries();
  }

  /** Up to where the log of a timeline was given up, swept or not; zero if none was. */
  public synchronized Lsn walExpired(String source, String incarnation, Timeline timeline) {
    LostLog.Line line = new LostLog.Line(source, incarnation, timeline);
    return losses().map(losses -> losses.expired(line)).max(Lsn::compareTo).orElseThrow();
  }

  /** Up to where the log of a timeline is being removed, or is gone; zero if none was. */
  public synchronized Lsn walGone(String source, String incarnation, Timeline timeline) {
    LostLog.Line line = new LostLog.Line(source, incarnation, timeline);
    return losses().map(losses -> losses.gone(line)).max(Lsn::compareTo).orElseThrow();
  }

  /** Up to where any copy removes the log of a timeline, or removed it; zero if none does. */
  public synchronized Lsn walGoneSomewhere(String source, String incarnation, Timeline timeline) {
    LostLog.Line line = new LostLog.Line(source, incarnation, timeline);
    return Stream.concat(Stream.of(lost), lostAt.values().stream())
        .map(losses -> losses.gone(line))
        .max(Lsn::compareTo)
        .orElseThrow();
  }

  /** The log of a source that is being removed, or is gone. */
  public synchronized List<Operation.WalExpire> walGone(String source) {
    return losses()
        .flatMap(losses -> losses.gone().stream())
        .map(Said::what)
        .filter(gone -> gone.source().equals(source))
        .toList();
  }

  /** The commit that says of such log that it is being removed; 0 if none does. */
  public synchronized long commitOf(Operation.WalExpire gone) {
    return losses().mapToLong(losses -> losses.commitOf(gone)).max().orElse(0);
  }

  /** Whether a segment is being removed, or is gone: it was given up, and no backup needs it. */
  public synchronized boolean isGone(String source, String incarnation, WalSegment segment) {
    LostLog.Line line = new LostLog.Line(source, incarnation, segment.timeline());
    return losses().anyMatch(losses -> losses.takes(line, segment))
        && backups.values().stream()
            .filter(kept -> !kept.fate().sweeping())
            .map(kept -> kept.entry().backup())
            .filter(backup -> backup.physical())
            .filter(
                backup ->
                    backup.source().equals(source) && backup.timeline().equals(segment.timeline()))
            .noneMatch(backup -> overlaps(segment, backup.startLsn(), backup.stopLsn().plus(1)));
  }

  /**
   * Where the log of a life lies: in the folder of its own name, which comes last, and in those
   * that some of it was sealed anew into, the newest first.
   */
  public synchronized List<String> logFolders(String source, String life) {
    return with(resealed.folders(source, life), life);
  }

  /** Where a segment of a life may lie; what counts is the first that has it. */
  public synchronized List<String> logFolders(String source, String life, WalSegment segment) {
    return with(resealed.folders(source, life, segment), life);
  }

  /** Where something else of the log of a life may lie, by its file name. */
  public synchronized List<String> logFolders(String source, String life, String name) {
    return with(resealed.folders(source, life, name), life);
  }

  private static List<String> with(List<String> anew, String own) {
    List<String> folders = new ArrayList<>(anew);
    folders.add(own);
    return folders;
  }

  /** What put a segment of one folder of a life into a newer one. */
  public synchronized Optional<Operation.Resealed> replacing(
      String source, String life, String folder, WalSegment segment) {
    return resealed.replacing(source, life, folder, segment);
  }

  /** What put something else of one folder of a life into a newer one, by its file name. */
  public synchronized Optional<Operation.Resealed> replacing(
      String source, String life, String folder, String name) {
    return resealed.replacing(source, life, folder, name);
  }

  /** Which life of a source a folder of its log belongs to. */
  public synchronized Optional<String> lifeOf(Source source, String folder) {
    return source.incarnation(folder).isPresent()
        ? Optional.of(folder)
        : resealed.lifeOf(source.info().name(), folder);
  }

  /** The log that was sealed anew, oldest commit first. */
  public synchronized List<Operation.Resealed> resealed() {
    return resealed.all().stream().map(Said::what).toList();
  }

  /** The commit that says that log was sealed anew. */
  public synchronized long commitOf(Operation.Resealed said) {
    return resealed.all().stream()
        .filter(one -> one.what().equals(said))
        .mapToLong(Said::sequence)
        .max()
        .orElse(0);
  }

  private static boolean overlaps(WalSegment segment, Lsn start, Lsn end) {
    return segment.start().compareTo(end) < 0 && start.compareTo(segment.end()) < 0;
  }

  /**
   * What counts here: what the repository gave up, and what the copy that this is seen from did.
   */
  private Stream<LostLog> losses() {
    ObjectId place = here;
    return place == null
        ? Stream.of(lost)
        : Stream.concat(Stream.of(lost), Stream.ofNullable(lostAt.get(place)));
  }

  /** Whether an expiry gives up more than was given up before. */
  public synchronized boolean isNews(Operation.WalExpire expiry) {
    return losses().allMatch(losses -> losses.isNews(expiry));
  }

  /** Log that a copy let go of and that is not being removed there. */
  public synchronized List<Operation.WalExpire> letGoLog(ObjectId copy) {
    LostLog losses = lostAt.get(copy);
    return losses == null ? List.of() : losses.expiries();
  }

  /** Whether a copy may lack a segment, by the log or the backups that it let go of. */
  public synchronized boolean mayLack(
      ObjectId copy, String source, String incarnation, WalSegment segment) {
    LostLog losses = lostAt.get(copy);
    LostLog.Line line = new LostLog.Line(source, incarnation, segment.timeline());
    return losses != null && segment.start().compareTo(losses.expired(line)) < 0
        || backups.values().stream()
            .filter(kept -> kept.fate().parting(copy).isPresent())
            .map(kept -> kept.entry().backup())
            .filter(backup -> backup.physical())
            .filter(
                backup ->
                    backup.source().equals(source) && backup.timeline().equals(segment.timeline()))
            .anyMatch(backup -> overlaps(segment, backup.startLsn(), backup.stopLsn().plus(1)));
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

  /** Sweeps of one copy that began and have not said that they ended. */
  public synchronized List<Operation.SweepCopy> copySweeps() {
    return copySweeps.values().stream().map(Said::what).toList();
  }

  /** The commit that began a sweep of one copy; 0 if it has ended. */
  public synchronized long commitOf(Operation.SweepCopy sweep) {
    Said<Operation.SweepCopy> said = copySweeps.get(sweep.sweep());
    return said == null ? 0 : said.sequence();
  }

  /** Where the objects lie that a sweep of one copy removes by name. */
  public synchronized List<ObjectKey> named(Operation.SweepCopy sweep) {
    Source source = sources.get(sweep.source());
    return source == null
        ? List.of()
        : sweep.packs().stream().map(pack -> ObjectNames.pack(source.tree(), pack)).toList();
  }

  /** Header and key slots, which commits vouch for. */
  public synchronized List<SlotRef> plainObjects() {
    List<SlotRef> all = new ArrayList<>();
    if (begin != null) {
      all.add(begin.header());
    }
    trees.values().forEach(epochs -> epochs.values().forEach(one -> all.addAll(one.slots())));
    if (writers != null) {
      all.add(writers.signed());
    }
    return all;
  }

  /** The trees whose keys commits vouch for; the repository's own comes first. */
  public synchronized List<ObjectId> trees() {
    return List.copyOf(trees.keySet());
  }

  /** The epochs of a tree, oldest first; new objects are sealed under the last. */
  public synchronized List<KeyEpoch> epochs(ObjectId tree) {
    NavigableMap<Integer, KeyEpoch> epochs = trees.get(tree);
    return epochs == null ? List.of() : List.copyOf(epochs.values());
  }

  /** Slots that do not count any more and lie there still, and from when on they may go. */
  public synchronized Map<ObjectKey, Instant> retiredSlots() {
    return Map.copyOf(retired);
  }

  /** Sweeps of key slots that began and have not said that they ended. */
  public synchronized List<Operation.SweepKeys> keySweeps() {
    return keySweeps.values().stream().map(Said::what).toList();
  }

  /** The commit that began a sweep of key slots; 0 if it has ended. */
  public synchronized long commitOf(Operation.SweepKeys sweep) {
    Said<Operation.SweepKeys> said = keySweeps.get(sweep.sweep());
    return said == null ? 0 : said.sequence();
  }

  /** Whether, why and from when on the keys of a tree are to be destroyed. */
  public synchronized Optional<Operation.Erase> erasing(ObjectId tree) {
    return erasures.wanted(tree);
  }

  /** Sources that are to be erased. */
  public synchronized List<Operation.Erase> erasing() {
    return erasures.wanted();
  }

  /** Sources that were erased, oldest first. */
  public synchronized List<ErasedSource> erasures() {
    return erasures.done();
  }

  /** The last source of this name that was erased. */
  public Optional<ErasedSource> erased(String source) {
    return erasures().stream()
        .filter(one -> one.what().source().equals(source))
        .reduce((one, other) -> other);
  }

  /** The source that was erased with a backup. */
  public Optional<ErasedSource> erased(BackupId backup) {
    return erasures().stream().filter(one -> one.what().backups().contains(backup)).findFirst();
  }

  /** The source that was erased with a tree. */
  public Optional<ErasedSource> erased(ObjectId tree) {
    return erasures().stream().filter(one -> one.tree().equals(tree)).findFirst();
  }

  /** The places that hold the repository, the deciding one first; empty if that was never said. */
  public synchronized List<Operation.Copies.Place> copies() {
    return copies;
  }

  /** Whose session this is; empty for a repository that is none. */
  public synchronized Optional<Operation.Session> session() {
    return Optional.ofNullable(session);
  }

  /** Whether this is a session, and nobody goes on with it. */
  public synchronized boolean sessionEnded() {
    return sessionEnded;
  }

  /** How far a sealed writer's session was taken in; empty if nothing of it was. */
  public synchronized Optional<Operation.Taken> taken(ObjectId session) {
    return Optional.ofNullable(taken.get(session));
  }

  /** How far each session was taken in. */
  public synchronized List<Operation.Taken> taken() {
    return List.copyOf(taken.values());
  }

  /** Who may write; empty: whoever has the keys. */
  public synchronized List<Operation.Writers.Writer> writers() {
    return writers == null ? List.of() : writers.writers();
  }

  /** Whether any commit ever named writers. */
  public synchronized boolean namedWriters() {
    return writers != null;
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
      boolean begins = operation instanceof Operation.Init;
      boolean beside = operation instanceof Operation.Writers && begin != null;
      if (begins ? sequence != 1 : sequence == 1 && !beside) {
        throw damaged(key, "begins the repository in another place than the first commit");
      }
      if (operation instanceof Operation.Init init) {
        begin = init;
        trees.put(init.tree(), first(init.slots(), init.at()));
      } else if (operation instanceof Operation.Register register) {
        if (sources.containsKey(register.source()) || erased(register.tree()).isPresent()) {
          throw damaged(key, "registers a source twice");
        }
        sources.put(
            register.source(),
            new Source(
                new SourceInfo(register.source(), register.type(), List.of(register.incarnation())),
                register.tree()));
        trees.put(register.tree(), first(register.slots(), register.at()));
      } else if (operation instanceof Operation.Adopt adopt) {
        Source source = sources.get(adopt.source());
        if (source == null) {
          throw damaged(key, "adopts into a source that is not registered");
        }
        if (resealed.lifeOf(adopt.source(), adopt.incarnation().id()).isPresent()) {
          throw damaged(key, "adopts a life under the name of a folder of another's log");
        }
        if (source.info().current().server().isEmpty() || adopt.incarnation().server().isEmpty()) {
          throw damaged(key, "begins another life of a source without a server");
        }
        List<SourceInfo.Incarnation> lives = new ArrayList<>(source.info().incarnations());
        lives.add(adopt.incarnation());
        sources.put(
            adopt.source(),
            new Source(new SourceInfo(adopt.source(), source.info().type(), lives), source.tree()));
      } else if (operation instanceof Operation.Backup made) {
        Source source = sources.get(made.backup().source());
        Fate fate =
            new Fate(sequence, sequence, List.of(), List.of(), Optional.empty(), false, List.of());
        if (source == null
            || source
                .incarnation(made.backup().incarnation())
                .filter(life -> life.server().isPresent() != made.backup().server().isPresent())
                .isPresent()
            || !made.manifest()
                .key()
                .equals(ObjectNames.manifest(source.tree(), made.backup().id()))
            || backups.putIfAbsent(
                    made.backup().id(), new Kept(new Entry(made.backup(), made.manifest()), fate))
                != null) {
          throw damaged(key, "adds a backup that does not fit what came before");
        }
      } else if (operation instanceof Operation.Rekeyed rekeyed) {
        Kept kept = require(rekeyed.backup(), key);
        if (rekeyed.place() >= kept.fate().sequence()
            || kept.entry().backup().rekeyedFrom().isEmpty()) {
          throw damaged(key, "puts a backup in another's place that cannot have it");
        }
        update(kept, kept.fate().at(rekeyed.place()));
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
      } else if (operation instanceof Operation.Writers named) {
        writers = requireWriters(named, key);
      } else if (operation instanceof Operation.Session said) {
        session = said;
      } else if (operation instanceof Operation.SessionEnd) {
        sessionEnded = true;
      } else if (operation instanceof Operation.Taken now) {
        Operation.Taken before = taken.put(now.session(), now);
        if (before != null && before.sequence() > now.sequence()) {
          throw damaged(key, "takes a session back that was taken in");
        }
      } else if (operation instanceof Operation.WalMark mark) {
        requireLog(mark.source(), key);
        mark(mark);
      } else if (operation instanceof Operation.Resealed said) {
        resealed.add(sequence, requireFolder(said, key));
      } else if (operation instanceof Operation.ErasureStep step) {
        applyToErasure(sequence, step, key);
      } else if (!applyToKeys(sequence, operation, key)) {
        applyKeeping(sequence, operation, key);
      }
    }
  }

  private Operation.Resealed requireFolder(Operation.Resealed said, ObjectKey key)
      throws RepositoryException {
    Source source = sources.get(said.source());
    if (source == null
        || source.incarnation(said.incarnation()).isEmpty()
        || !lifeOf(source, said.log()).orElse(said.incarnation()).equals(said.incarnation())
        || said.log().equals(said.incarnation())) {
      throw damaged(key, "seals log anew into a folder that is not for it");
    }
    requireLog(said.source(), key);
    return said;
  }

  private void requireLog(String name, ObjectKey key) throws RepositoryException {
    Source source = sources.get(name);
    if (source != null && source.info().current().server().isEmpty()) {
      throw damaged(key, "speaks of the log of a source without a server");
    }
  }

  private static Operation.Writers requireWriters(Operation.Writers named, ObjectKey key)
      throws RepositoryException {
    List<Operation.Writers.Writer> all = named.writers();
    if (!named.signed().key().equals(ObjectNames.SIGNED)
        || all.stream().map(Operation.Writers.Writer::name).distinct().count() < all.size()
        || all.stream().map(Operation.Writers.Writer::key).distinct().count() < all.size()
        || !all.isEmpty() && all.stream().noneMatch(Operation.Writers.Writer::administrator)) {
      throw damaged(key, "names writers that cannot be");
    }
    return named;
  }

  private static NavigableMap<Integer, KeyEpoch> first(List<SlotRef> slots, Optional<Instant> at) {
    NavigableMap<Integer, KeyEpoch> epochs = new TreeMap<>();
    epochs.put(1, new KeyEpoch(1, at, slots));
    return epochs;
  }

  /** What changes who opens what, and what is sealed under which key. */
  private boolean applyToKeys(long sequence, Operation operation, ObjectKey key)
      throws RepositoryException {
    if (operation instanceof Operation.Rotate rotate) {
      for (Operation.Wraps next : rotate.epochs()) {
        NavigableMap<Integer, KeyEpoch> epochs = trees.get(next.tree());
        if (epochs == null || next.epoch() != epochs.lastKey() + 1) {
          throw damaged(key, "begins an epoch that does not follow the one before");
        }
        requireSlots(next, key);
        epochs.put(
            next.epoch(), new KeyEpoch(next.epoch(), Optional.of(rotate.at()), next.slots()));
      }
    } else if (operation instanceof Operation.Rewrap rewrap) {
      for (Operation.Wraps wraps : rewrap.epochs()) {
        NavigableMap<Integer, KeyEpoch> epochs = trees.get(wraps.tree());
        KeyEpoch before = epochs == null ? null : epochs.get(wraps.epoch());
        if (epochs == null || before == null) {
          throw damaged(key, "wraps a key that is not there");
        }
        requireSlots(wraps, key);
        epochs.put(wraps.epoch(), new KeyEpoch(wraps.epoch(), before.since(), wraps.slots()));
      }
      requireUncounted(rewrap.retired(), key);
      rewrap.retired().forEach(slot -> retired.put(slot, rewrap.sweepAfter()));
    } else if (operation instanceof Operation.SweepKeys sweep) {
      requireUncounted(sweep.slots(), key);
      sweep.slots().forEach(retired::remove);
      keySweeps.put(sweep.sweep(), new Said<>(sequence, sweep));
    } else {
      return false;
    }
    return true;
  }

  /** What becomes of a source that is to be erased. */
  private void applyToErasure(long sequence, Operation.ErasureStep step, ObjectKey key)
      throws RepositoryException {
    Optional<Source> source =
        sources.values().stream().filter(one -> one.tree().equals(step.tree())).findFirst();
    if (step instanceof Operation.Erase erase) {
      if (source.isEmpty() || !source.get().info().name().equals(erase.source())) {
        throw damaged(key, "is to erase a source that is not registered");
      }
      erasures.want(erase);
    } else if (step instanceof Operation.Unerase) {
      if (!erasures.takeBack(step.tree())) {
        throw damaged(key, "takes back what nobody asked for");
      }
    } else if (step instanceof Operation.Erased erased) {
      // One that is not there was erased before the checkpoint that says so.
      if (trees.containsKey(step.tree())) {
        if (source.isEmpty()
            || !erasures.wanted(step.tree()).equals(Optional.of(erased.request()))
            || erased.at().isBefore(erased.request().notBefore())) {
          throw damaged(key, "erases what is not to be erased, or not yet");
        }
        forget(source.get());
      }
      erasures.erase(sequence, erased);
    } else if (step instanceof Operation.EraseEnded ended && !erasures.end(ended)) {
      throw damaged(key, "ends an erasure that did not begin");
    }
  }

  private void forget(Source source) {
    String name = source.info().name();
    sources.remove(name);
    trees.remove(source.tree());
    backups.values().removeIf(kept -> kept.entry().backup().source().equals(name));
    walMarks.removeIf(mark -> mark.source().equals(name));
    lost.forget(name);
    resealed.forget(name);
    lostAt.values().forEach(losses -> losses.forget(name));
    lostAt.values().removeIf(LostLog::isEmpty);
    sweeps.values().removeIf(said -> said.what().source().equals(name));
    copySweeps.values().removeIf(said -> said.what().source().equals(name));
    retired.keySet().removeIf(slot -> ObjectNames.isOf(slot, source.tree()));
  }

  private void requireSlots(Operation.Wraps wraps, ObjectKey key) throws RepositoryException {
    String folder = ObjectNames.slots(wraps.tree(), wraps.epoch());
    Set<ObjectKey> going = new LinkedHashSet<>();
    keySweeps.values().forEach(said -> going.addAll(said.what().slots()));
    if (wraps.slots().isEmpty()
        || wraps.slots().size() > KeySlots.MOST_RECIPIENTS
        || wraps.slots().stream()
            .anyMatch(
                slot -> !slot.key().value().startsWith(folder) || going.contains(slot.key()))) {
      throw damaged(key, "gives a key other slots than it can have");
    }
  }

  private void requireUncounted(List<ObjectKey> slots, ObjectKey key) throws RepositoryException {
    Set<ObjectKey> counted = new LinkedHashSet<>();
    plainObjects().forEach(ref -> counted.add(ref.key()));
    if (slots.stream().anyMatch(counted::contains)) {
      throw damaged(key, "gives up a key slot that counts");
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
        lost.bringBack(kept.entry().backup());
        lostAt.forEach(
            (copy, losses) -> {
              if (kept.fate().parting(copy).isEmpty()) {
                losses.bringBack(kept.entry().backup());
              }
            });
      }
    } else if (operation instanceof Operation.WalExpire expiry) {
      if (!sources.containsKey(expiry.source())) {
        throw damaged(key, "gives up the log of a source that is not registered");
      }
      requireLog(expiry.source(), key);
      lost.expire(expiry);
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
      sweep.wal().forEach(gone -> lost.lose(sequence, gone));
      if (!sweep.sweep().isEmpty()) {
        sweeps.put(sweep.sweep(), new Said<>(sequence, sweep));
      }
    } else if (operation instanceof Operation.Swept swept) {
      Said<Operation.Sweep> ended = sweeps.remove(swept.sweep());
      if (ended != null) {
        ended
            .what()
            .manifests()
            .forEach(backups::remove); // those that no commit ever named are not there
      } else if (copySweeps.remove(swept.sweep()) == null
          && keySweeps.remove(swept.sweep()) == null) {
        throw damaged(key, "ends a sweep that did not begin");
      }
    } else {
      applyToCopy(sequence, operation, key);
    }
  }

  /** What one copy alone gives up and removes. */
  private void applyToCopy(long sequence, Operation operation, ObjectKey key)
      throws RepositoryException {
    if (operation instanceof Operation.LetGo letGo) {
      requireSource(letGo.source(), key);
      for (BackupId id : letGo.backups()) {
        Kept kept = require(id, key);
        if (kept.fate().parting(letGo.copy()).isPresent()) {
          throw damaged(key, "lets a copy go of a backup that it let go of");
        }
        update(kept, kept.fate().with(new Parting(letGo.only(id), 0)));
      }
      letGo.wal().forEach(expiry -> lostAt(letGo.copy()).expire(expiry));
    } else if (operation instanceof Operation.SweepCopy sweep) {
      requireSource(sweep.source(), key);
      for (BackupId id : sweep.backups()) {
        Kept kept = require(id, key);
        Parting parting =
            kept.fate()
                .parting(sweep.copy())
                .orElseThrow(() -> damaged(key, "removes a backup from a copy that keeps it"));
        update(kept, kept.fate().with(new Parting(parting.letGo(), sequence)));
      }
      sweep.wal().forEach(gone -> lostAt(sweep.copy()).lose(sequence, gone));
      if (!sweep.sweep().isEmpty()) {
        copySweeps.put(sweep.sweep(), new Said<>(sequence, sweep));
      }
    } else {
      throw new IllegalStateException("Not folded: " + operation);
    }
  }

  private LostLog lostAt(ObjectId copy) {
    return lostAt.computeIfAbsent(copy, place -> new LostLog());
  }

  private void requireSource(String source, ObjectKey key) throws RepositoryException {
    if (!sources.containsKey(source)) {
      throw damaged(key, "says something of a source that is not registered");
    }
  }

  /**
   * Operations that add up to the same catalogue: what was undone, replaced or removed is left out.
   */
  synchronized List<Step> compacted() {
    List<Step> steps = new ArrayList<>();
    Operation.Init init = begin;
    if (init != null) {
      KeyEpoch first = firstOf(init.tree());
      steps.add(
          new Step(
              1,
              List.of(
                  new Operation.Init(init.header(), init.tree(), first.slots(), first.since()))));
    }
    List<Operation> operations = new ArrayList<>();
    for (Source source : sources.values()) {
      List<SourceInfo.Incarnation> lives = source.info().incarnations();
      KeyEpoch first = firstOf(source.tree());
      operations.add(
          new Operation.Register(
              source.info().name(),
              source.info().type(),
              source.tree(),
              first.slots(),
              lives.get(0),
              first.since()));
      for (SourceInfo.Incarnation life : lives.subList(1, lives.size())) {
        operations.add(new Operation.Adopt(source.info().name(), life));
      }
    }
    operations.addAll(laterEpochs());
    steps.add(new Step(2, List.copyOf(operations)));
    backups.values().forEach(kept -> steps.add(compacted(kept)));
    backups.values().forEach(kept -> steps.addAll(removals(kept)));
    operations.clear();
    if (!copies.isEmpty()) {
      operations.add(new Operation.Copies(copies));
    }
    if (writers != null) {
      operations.add(writers);
    }
    if (session != null) {
      operations.add(session);
    }
    if (sessionEnded) {
      operations.add(new Operation.SessionEnd());
    }
    operations.addAll(taken.values());
    operations.addAll(walMarks);
    steps.add(new Step(2, List.copyOf(operations)));
    resealed.all().forEach(said -> steps.add(new Step(said.sequence(), List.of(said.what()))));
    for (Said<Operation.WalExpire> said : lost.gone()) {
      Operation.WalExpire gone = said.what();
      steps.add(
          new Step(said.sequence(), List.of(marker(gone.source(), List.of(), List.of(gone)))));
    }
    steps.add(new Step(2, List.copyOf(lost.expiries())));
    sweeps.values().forEach(said -> steps.add(new Step(said.sequence(), List.of(said.what()))));
    lostAt.forEach((copy, losses) -> steps.addAll(compacted(copy, losses)));
    copySweeps.values().forEach(said -> steps.add(new Step(said.sequence(), List.of(said.what()))));
    keySweeps.values().forEach(said -> steps.add(new Step(said.sequence(), List.of(said.what()))));
    steps.addAll(erasures.compacted());
    return steps;
  }

  private KeyEpoch firstOf(ObjectId tree) {
    return Objects.requireNonNull(trees.get(tree)).firstEntry().getValue();
  }

  private List<Operation> laterEpochs() {
    List<Operation> operations = new ArrayList<>();
    trees.forEach(
        (tree, epochs) -> {
          for (KeyEpoch epoch : epochs.tailMap(1, false).values()) {
            operations.add(
                new Operation.Rotate(
                    List.of(new Operation.Wraps(tree, epoch.number(), epoch.slots())),
                    epoch.since().orElseThrow()));
          }
        });
    retired.forEach(
        (slot, sweepAfter) ->
            operations.add(new Operation.Rewrap(List.of(), List.of(slot), sweepAfter)));
    return operations;
  }

  private static List<Step> compacted(ObjectId copy, LostLog losses) {
    List<Step> steps = new ArrayList<>();
    for (Said<Operation.WalExpire> said : losses.gone()) {
      Operation.WalExpire gone = said.what();
      steps.add(
          new Step(
              said.sequence(), List.of(marker(copy, gone.source(), List.of(), List.of(gone)))));
    }
    for (Operation.WalExpire expiry : losses.expiries()) {
      steps.add(new Step(2, List.of(Operation.LetGo.ofLog(copy, expiry))));
    }
    return steps;
  }

  private static Step compacted(Kept kept) {
    StoredBackup backup = kept.entry().backup();
    Fate fate = kept.fate();
    List<Operation> operations = new ArrayList<>();
    operations.add(new Operation.Backup(backup, kept.entry().manifest()));
    if (fate.place() != fate.sequence()) {
      operations.add(new Operation.Rekeyed(backup.id(), fate.place()));
    }
    operations.addAll(fate.proofs());
    operations.addAll(fate.holds());
    fate.deleted().ifPresent(operations::add);
    if (fate.sweeping()) {
      operations.add(marker(backup.source(), List.of(backup.id()), List.of()));
    }
    fate.partings().forEach(parting -> operations.add(parting.letGo()));
    return new Step(fate.sequence(), List.copyOf(operations));
  }

  private static List<Step> removals(Kept kept) {
    StoredBackup backup = kept.entry().backup();
    return kept.fate().partings().stream()
        .filter(Parting::sweeping)
        .map(
            parting ->
                new Step(
                    parting.removing(),
                    List.of(
                        marker(
                            parting.letGo().copy(),
                            backup.source(),
                            List.of(backup.id()),
                            List.of()))))
        .toList();
  }

  private static Operation.SweepCopy marker(
      ObjectId copy, String source, List<BackupId> backups, List<Operation.WalExpire> wal) {
    return new Operation.SweepCopy(copy, source, "", backups, List.of(), wal);
  }

  private static Operation.Sweep marker(
      String source, List<BackupId> backups, List<Operation.WalExpire> wal) {
    return new Operation.Sweep(source, "", backups, List.of(), List.of(), wal);
  }

  private List<Entry> entries(Predicate<Kept> wanted) {
    return inPlace().filter(wanted).map(Kept::entry).toList();
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
