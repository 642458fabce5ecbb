package com.thorbis.backup.storage.internal.verify;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.crypto.MalformedObjectException;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.SealedRange;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Parallel;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.catalog.StoredBackup;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.wal.SealedWalArchive;
import com.thorbis.backup.storage.internal.wal.StoredWal;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Looks at the write-ahead log: that what backups need is there, and that all of it opens. */
final class WalCheck {
  private final Services services;
  private final Findings findings;
  private final RunControl control;
  private final Catalog catalog;
  private final Set<ObjectId> locked;
  private final Proofs.Place proofs;
  private final Openings openings;
  private final List<StoredWal> objects = new ArrayList<>();

  /**
   * Looks at nothing yet.
   *
   * @param expected what is to be there
   * @param locked trees whose keys cannot be had
   */
  WalCheck(
      Services services,
      Catalog expected,
      Findings findings,
      RunControl control,
      Set<ObjectId> locked,
      Proofs.Place proofs,
      Openings openings) {
    this.proofs = proofs;
    this.openings = openings;
    this.services = services;
    this.findings = findings;
    this.control = control;
    this.catalog = expected;
    this.locked = locked;
  }

  void check(
      List<Catalog.Entry> entries, boolean everything, boolean data, Map<ObjectKey, Long> listed)
      throws IOException {
    for (Catalog.Entry entry : entries) {
      if (entry.backup().status() != BackupStatus.AWAITING_WAL && entry.backup().physical()) {
        requireReach(entry.backup(), data && !everything);
      }
    }
    if (everything) {
      checkListed(listed, data);
    }
  }

  /** What was listed and can be opened. */
  List<StoredWal> objects() {
    return objects;
  }

  /** What a backup needs of it to become consistent. */
  List<ObjectKey> needed(StoredBackup backup, Map<ObjectKey, Long> listed) {
    return objects.stream()
        .filter(
            object ->
                object.segment() != null
                    && isNeeded(backup, object.incarnation(), object.segment())
                    && !superseded(object, listed))
        .map(StoredWal::key)
        .toList();
  }

  /** The whole segments that a backup needs to become consistent, stored so or in parts. */
  static List<ObjectKey> segments(Catalog catalog, StoredBackup backup) {
    if (!backup.physical()) {
      return List.of();
    }
    Catalog.Source source = catalog.source(backup.source()).orElseThrow();
    List<ObjectKey> keys = new ArrayList<>();
    WalSegment segment =
        WalSegment.containing(backup.timeline(), backup.startLsn(), backup.cluster().segmentSize());
    for (; segment.start().compareTo(backup.stopLsn()) < 0; segment = segment.next()) {
      keys.add(place(catalog, source, backup.incarnation(), segment));
    }
    return keys;
  }

  /** Where a whole segment is to lie. */
  private static ObjectKey place(
      Catalog catalog, Catalog.Source source, String life, WalSegment segment) {
    String folder = catalog.logFolders(source.info().name(), life, segment).get(0);
    return ObjectNames.segment(source.tree(), folder, segment);
  }

  private static boolean isNeeded(StoredBackup backup, String incarnation, WalSegment segment) {
    return backup.physical()
        && backup.incarnation().equals(incarnation)
        && backup.timeline().equals(segment.timeline())
        && backup.startLsn().compareTo(segment.end()) < 0
        && segment.start().compareTo(backup.stopLsn()) < 0;
  }

  /** A backup without the log from its start to its stop cannot become consistent. */
  private void requireReach(StoredBackup backup, boolean open) throws IOException {
    Catalog.Source source = catalog.source(backup.source()).orElseThrow();
    SealedWalArchive archive = new SealedWalArchive(services, source, backup.incarnation());
    Timeline timeline = backup.timeline();
    WalSegment segment =
        WalSegment.containing(timeline, backup.startLsn(), backup.cluster().segmentSize());
    while (segment.start().compareTo(backup.stopLsn()) < 0) {
      control.cancellation().check();
      Lsn until = backup.stopLsn().compareTo(segment.end()) < 0 ? backup.stopLsn() : segment.end();
      Lsn from =
          backup.startLsn().compareTo(segment.start()) > 0 ? backup.startLsn() : segment.start();
      ObjectKey key = place(catalog, source, backup.incarnation(), segment);
      WalSegment looked = segment;
      List<Optional<Lsn>> reached = new ArrayList<>();
      boolean read = !open || openings.open(key, () -> reached.add(archive.reach(looked, true)));
      Optional<Lsn> end = open && read ? reached.get(0) : archive.reach(segment, false);
      if (end.isEmpty() || end.get().compareTo(until) < 0) {
        findings.add(
            key.value(),
            Findings.MISSING,
            true,
            Set.of(backup.id()),
            Optional.of(segment.fileName()),
            Optional.of((end.isPresent() ? end.get() : from) + "-" + until));
      }
      findings.looked();
      segment = segment.next();
    }
  }

  private void checkListed(Map<ObjectKey, Long> listed, boolean data) throws IOException {
    for (ObjectKey key : listed.keySet()) {
      if (!key.value().startsWith(ObjectNames.WAL)) {
        continue;
      }
      StoredWal object = StoredWal.parse(key, catalog);
      findings.looked();
      control.cancellation().check();
      if (object == null && StoredWal.isOfLaterCommit(key, catalog)) {
        continue; // brought by a sync that has not come to the commits yet
      }
      if (object == null) {
        findings.add(
            key.value(), Findings.UNKNOWN, false, Set.of(), Optional.empty(), Optional.empty());
      } else if (!hasWholeLength(listed.get(key))) {
        damaged(object, Findings.TRUNCATED, listed);
      } else if (!locked.contains(object.tree())) {
        objects.add(object);
      }
    }
    if (data) {
      Parallel.forEach(
          objects,
          services.parallelism(),
          () -> (Parallel.Worker) () -> {},
          (worker, object) -> {
            control.cancellation().check();
            openings.open(
                object.key(),
                () ->
                    proofs.record(
                        object.key(), listed.getOrDefault(object.key(), 0L), open(object, listed)));
          });
    }
    for (Operation.WalMark mark : catalog.walMarks()) {
      if (!locked.contains(catalog.source(mark.source()).orElseThrow().tree())) {
        checkMark(mark);
      }
    }
    for (Catalog.Source source : catalog.sources()) {
      if (locked.contains(source.tree())) {
        continue;
      }
      for (SourceInfo.Incarnation life : source.info().incarnations()) {
        checkHoles(source, life);
      }
    }
  }

  /** Opens one, names it if it is damaged, and says whether it is whole. */
  boolean open(StoredWal object, Map<ObjectKey, Long> listed) throws IOException {
    try {
      object.open(services);
      return true;
    } catch (StorageException.NotFound e) {
      damaged(object, Findings.MISSING, listed);
    } catch (RepositoryException e) {
      damaged(object, Findings.ALTERED, listed);
    }
    return false;
  }

  private static boolean hasWholeLength(@Nullable Long length) {
    try {
      return length != null && SealedRange.plainLength(length) >= 0;
    } catch (MalformedObjectException e) {
      return false;
    }
  }

  private void damaged(StoredWal object, String kind, Map<ObjectKey, Long> listed) {
    WalSegment segment = object.segment();
    boolean superseded = superseded(object, listed);
    findings.add(
        object.key().value(),
        kind,
        !superseded,
        segment == null || superseded ? Set.of() : needing(object.incarnation(), segment),
        Optional.of(object.key().name()),
        segment == null ? Optional.empty() : Optional.of(segment.start() + "-" + segment.end()));
  }

  /**
   * A part that a complete segment has superseded is of no use any more, nor what was sealed anew;
   * what a summary says can be found in the log, and no restore needs to know why log is missing.
   */
  private boolean superseded(StoredWal object, Map<ObjectKey, Long> listed) {
    WalSegment segment = object.segment();
    return object.about().isPresent()
        || object.replacedBy(catalog, listed::containsKey).isPresent()
        || segment != null
            && !object.whole()
            && listed.containsKey(ObjectNames.segment(object.tree(), object.folder(), segment));
  }

  /**
   * A hole where a commit says that the log was stored is loss. Any other was never captured, which
   * the status of the source tells.
   */
  private void checkHoles(Catalog.Source source, SourceInfo.Incarnation life) throws IOException {
    if (life.server().isEmpty()) {
      return;
    }
    SealedWalArchive archive = new SealedWalArchive(services, source, life.id());
    for (Timeline timeline : archive.timelines()) {
      List<WalRange> ranges = archive.ranges(timeline);
      Optional<Lsn> first = firstStart(source, timeline);
      for (int i = 1; i < ranges.size(); i++) {
        Lsn from = ranges.get(i - 1).end();
        Lsn to = ranges.get(i).start();
        Lsn expired = catalog.walExpired(source.info().name(), life.id(), timeline);
        if (first.isEmpty() || to.compareTo(first.get()) <= 0 || to.compareTo(expired) <= 0) {
          continue; // no backup reaches over it, or it was given up
        }
        from = from.compareTo(expired) < 0 ? expired : from;
        from = reach(archive, timeline, from, to, life);
        Lsn hole = from;
        if (hole.compareTo(to) >= 0
            || catalog.walMarks().stream()
                .noneMatch(
                    mark ->
                        mark.source().equals(source.info().name())
                            && mark.incarnation().equals(life.id())
                            && mark.timeline().equals(timeline)
                            && mark.covers(hole, to))) {
          continue;
        }
        WalSegment segment = WalSegment.containing(timeline, from, life.cluster().segmentSize());
        findings.add(
            place(catalog, source, life.id(), segment).value(),
            Findings.MISSING,
            true,
            needing(life.id(), segment),
            Optional.of(segment.fileName()),
            Optional.of(from + "-" + to));
      }
    }
  }

  /** What a commit says was stored up to here must still reach there. */
  private void checkMark(Operation.WalMark mark) throws IOException {
    Catalog.Source source = catalog.source(mark.source()).orElseThrow();
    SourceInfo.Incarnation life = source.incarnation(mark.incarnation()).orElseThrow();
    SealedWalArchive archive = new SealedWalArchive(services, source, life.id());
    if (mark.position()
            .compareTo(catalog.walExpired(mark.source(), mark.incarnation(), mark.timeline()))
        <= 0) {
      return;
    }
    List<WalRange> ranges = archive.ranges(mark.timeline());
    Lsn end =
        ranges.isEmpty()
            ? firstStart(source, mark.timeline()).orElse(mark.position().plus(-1))
            : ranges.get(ranges.size() - 1).end();
    end = reach(archive, mark.timeline(), end, mark.position(), life);
    if (end.compareTo(mark.position()) < 0) {
      WalSegment segment =
          WalSegment.containing(mark.timeline(), end, life.cluster().segmentSize());
      findings.add(
          place(catalog, source, life.id(), segment).value(),
          Findings.MISSING,
          true,
          needing(life.id(), segment),
          Optional.of(segment.fileName()),
          Optional.of(end + "-" + mark.position()));
    }
  }

  /** How far the log is there after all: a listing that lacks a segment proves nothing. */
  private Lsn reach(
      SealedWalArchive archive, Timeline timeline, Lsn from, Lsn to, SourceInfo.Incarnation life)
      throws IOException {
    Lsn at = from;
    while (at.compareTo(to) < 0) {
      control.cancellation().check();
      WalSegment segment = WalSegment.containing(timeline, at, life.cluster().segmentSize());
      Optional<Lsn> end = archive.reach(segment, false);
      if (end.isEmpty() || end.get().compareTo(at) <= 0) {
        break;
      }
      at = end.get();
    }
    return at;
  }

  private Optional<Lsn> firstStart(Catalog.Source source, Timeline timeline) {
    return catalog.whole().stream()
        .map(Catalog.Entry::backup)
        .filter(
            backup ->
                backup.physical()
                    && backup.source().equals(source.info().name())
                    && backup.timeline().compareTo(timeline) <= 0)
        .map(StoredBackup::startLsn)
        .min(Lsn::compareTo);
  }

  private Set<BackupId> needing(String incarnation, WalSegment segment) {
    Set<BackupId> backups = new LinkedHashSet<>();
    for (Catalog.Entry entry : catalog.whole()) {
      if (isNeeded(entry.backup(), incarnation, segment)) {
        backups.add(entry.backup().id());
      }
    }
    return backups;
  }
}
