package com.thorbis.backup.storage.internal.prune;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.RekeyReport.LogState;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Parallel;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.wal.SealedWalArchive;
import com.thorbis.backup.storage.internal.wal.StoredWal;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Seals the log of a source anew. Names of log are never written over, so that what is sealed anew
 * goes into a folder of its own, which a commit names before there is anything in it: whoever is
 * interrupted leaves what the next run goes on with. Each segment is read back and compared; then a
 * commit says from where to where the log lies in the new folder, and the old one is given up as
 * far.
 *
 * <p>A segment that is not whole stays: somebody may still add to it where it lies.
 */
final class LogRekeyer {
  private static final Logger LOG = LoggerFactory.getLogger(LogRekeyer.class);

  private static final String BRING_BACK =
      ": bring it back with verify --thaw, then run this again";

  /** Of each segment there are several copies in memory. */
  private static final int MOST_AT_ONCE = 2;

  /** Whoever has read the log as long ago as this looks again before it says "absent". */
  private static final Duration LEAST_GRACE = Duration.ofMinutes(1);

  private final Services services;
  private final Catalog.Source source;
  private final int before;
  private final Duration grace;
  private final RunControl control;
  private final OlderLog.Sums sums;
  private final Set<String> problems = new ConcurrentSkipListSet<>();
  private final AtomicLong copied = new AtomicLong();

  /**
   * A run.
   *
   * @param before keys of lower numbers are to be left
   * @param sums takes what was sealed anew
   */
  LogRekeyer(
      Services services,
      Catalog.Source source,
      int before,
      Duration grace,
      RunControl control,
      OlderLog.Sums sums) {
    this.services = services;
    this.source = source;
    this.before = before;
    this.grace = grace.compareTo(LEAST_GRACE) < 0 ? LEAST_GRACE : grace;
    this.control = control;
    this.sums = sums;
  }

  /** Some of one life's log in one folder. */
  private record Place(String life, String folder) {
    static Place of(OlderLog.Found found) {
      return new Place(found.what().incarnation(), found.what().folder());
    }
  }

  /** A segment, and what there is of it in a folder. */
  private record Segment(WalSegment segment, List<OlderLog.Found> objects) {}

  /** What went wrong with what stays. */
  List<String> problems() {
    return List.copyOf(problems);
  }

  void run(List<OlderLog.Found> older) throws IOException {
    long expected = older.stream().mapToLong(OlderLog.Found::length).sum();
    control.progress().begin("rekey-log", expected);
    Map<Place, List<OlderLog.Found>> places = new LinkedHashMap<>();
    older.forEach(
        found -> places.computeIfAbsent(Place.of(found), place -> new ArrayList<>()).add(found));
    for (Map.Entry<Place, List<OlderLog.Found>> each : places.entrySet()) {
      reseal(each.getKey(), each.getValue(), expected);
    }
    control.progress().end("rekey-log");
  }

  private void reseal(Place place, List<OlderLog.Found> found, long expected) throws IOException {
    SealedWalArchive from = SealedWalArchive.folder(services, source, place.life(), place.folder());
    List<Segment> segments = segments(found);
    List<OlderLog.Found> others = found.stream().filter(one -> !isLog(one.what())).toList();
    if (segments.isEmpty() && others.isEmpty()) {
      return;
    }
    String folder = folder(place);
    SealedWalArchive to = SealedWalArchive.folder(services, source, place.life(), folder);
    int batch = services.tuning().sweepBatch();
    boolean large = from.cluster().segmentSize().bytes() > SealedWalArchive.MOST_WHOLE;
    int threads = large ? 1 : Math.min(MOST_AT_ONCE, services.parallelism());
    for (int at = 0; at < segments.size(); at += batch) {
      List<Segment> part = segments.subList(at, Math.min(segments.size(), at + batch));
      Set<WalSegment> done = ConcurrentHashMap.newKeySet();
      Parallel.forEach(
          part,
          threads,
          () -> (Parallel.Worker) () -> {},
          (worker, one) -> {
            control.cancellation().check();
            if (reseal(one.segment(), from, to)) {
              done.add(one.segment());
            }
            long length = one.objects().stream().mapToLong(OlderLog.Found::length).sum();
            long so = copied.addAndGet(length);
            control.progress().advance(so, Math.max(so, expected));
          });
      List<Segment> anew = part.stream().filter(one -> done.contains(one.segment())).toList();
      commit(place.life(), folder, ranges(anew), List.of());
      anew.forEach(one -> one.objects().forEach(this::count));
    }
    for (int at = 0; at < others.size(); at += batch) {
      List<OlderLog.Found> anew = new ArrayList<>();
      for (OlderLog.Found one : others.subList(at, Math.min(others.size(), at + batch))) {
        control.cancellation().check();
        if (resealOther(one, from, to)) {
          anew.add(one);
        }
      }
      List<String> names = anew.stream().map(one -> one.what().key().name()).toList();
      commit(place.life(), folder, List.of(), names);
      anew.forEach(this::count);
    }
  }

  private void count(OlderLog.Found one) {
    sums.of(one, LogState.ANEW).add(one);
  }

  private static boolean isLog(StoredWal stored) {
    return stored.segment() != null && stored.about().isEmpty();
  }

  private static List<Segment> segments(List<OlderLog.Found> found) {
    Map<WalSegment, List<OlderLog.Found>> objects = new LinkedHashMap<>();
    for (OlderLog.Found one : found) {
      WalSegment segment = one.what().segment();
      if (segment != null && isLog(one.what())) {
        objects.computeIfAbsent(segment, each -> new ArrayList<>()).add(one);
      }
    }
    return objects.entrySet().stream()
        .map(each -> new Segment(each.getKey(), List.copyOf(each.getValue())))
        .sorted(
            Comparator.comparing((Segment one) -> one.segment().timeline())
                .thenComparing(one -> one.segment().start()))
        .toList();
  }

  /** Where it goes: on with what an earlier run began, if that was under a key to keep. */
  private String folder(Place place) throws IOException {
    requireKey();
    int epoch = services.keys().current(source.tree()).slot().epoch();
    String drawn = HexFormat.of().toHexDigits(services.random().nextLong());
    services
        .log()
        .append(
            catalog ->
                isThere(catalog) && begun(catalog, place).isEmpty()
                    ? List.of(
                        new Operation.Resealed(
                            source.info().name(),
                            place.life(),
                            drawn,
                            epoch,
                            List.of(),
                            List.of(),
                            services.store().now()))
                    : List.of());
    return begun(services.log().catalog(), place)
        .orElseThrow(
            () ->
                new RepositoryException(
                    "source.not-registered",
                    FailureKind.NOT_FOUND,
                    "Source " + source.info().name() + " was erased meanwhile",
                    Map.of("source", source.info().name()),
                    "",
                    null));
  }

  /** Where the last key cannot be asked for, the one before it would go on. */
  private void requireKey() throws IOException {
    if (services.keys().current(source.tree()).slot().epoch() < before) {
      throw new RepositoryException(
          "rekey.key-not-open",
          FailureKind.TRANSIENT,
          "No recipient that can be asked now opens a key of source "
              + source.info().name()
              + " from number "
              + before
              + " on: no log is sealed anew under an older one",
          Map.of("source", source.info().name()),
          "Look with keys check, and run it again.",
          null);
    }
  }

  private boolean isThere(Catalog catalog) {
    return catalog
        .source(source.info().name())
        .filter(one -> one.tree().equals(source.tree()))
        .isPresent();
  }

  /** The newest folder of a life, if it was begun under a key to keep, and is not to be left. */
  private Optional<String> begun(Catalog catalog, Place place) {
    String newest = catalog.logFolders(source.info().name(), place.life()).get(0);
    return catalog.resealed().stream()
        .filter(said -> said.source().equals(source.info().name()) && said.log().equals(newest))
        .filter(said -> !newest.equals(place.folder()))
        .filter(said -> said.epoch() >= before)
        .map(Operation.Resealed::log)
        .findFirst();
  }

  private boolean reseal(WalSegment segment, SealedWalArchive from, SealedWalArchive to)
      throws IOException {
    try {
      Optional<WalArchive.WalContent> content = from.open(segment);
      if (content.isEmpty() || !content.get().complete()) {
        return false;
      }
      WalMarks marks = from.marks(segment).orElse(WalMarks.NONE);
      to.storeSegment(segment, content.get().bytes().duplicate(), marks);
      Optional<WalArchive.WalContent> there = to.open(segment);
      if (there.isPresent() && there.get().bytes().equals(content.get().bytes())) {
        return true;
      }
      problem(segment.fileName(), "could not be read back from where it was sealed anew");
    } catch (RepositoryException e) {
      requireOfItself(e);
      problem(segment.fileName(), String.valueOf(e.getMessage()));
    } catch (StorageException e) {
      requireOffline(e);
      problem(segment.fileName(), e.getMessage() + BRING_BACK);
    }
    return false;
  }

  /** What is wrong with one object stops no other. */
  private static void requireOfItself(RepositoryException e) throws RepositoryException {
    if (e.kind() != FailureKind.DAMAGED && !e.code().equals("wal.conflict")) {
      throw e;
    }
  }

  private static void requireOffline(StorageException e) throws StorageException {
    if (!StorageException.isOffline(e)) {
      throw e;
    }
  }

  private boolean resealOther(OlderLog.Found one, SealedWalArchive from, SealedWalArchive to)
      throws IOException {
    String name = one.what().key().name();
    try {
      Optional<Boolean> same = resealOther(one.what(), from, to);
      if (same.equals(Optional.of(false))) {
        problem(name, "could not be read back from where it was sealed anew");
      }
      return same.orElse(false);
    } catch (RepositoryException e) {
      requireOfItself(e);
      problem(name, String.valueOf(e.getMessage()));
    } catch (StorageException e) {
      requireOffline(e);
      problem(name, e.getMessage() + BRING_BACK);
    }
    return false;
  }

  /** Whether it was read back as it was; empty if it is not there any more. */
  private static Optional<Boolean> resealOther(
      StoredWal what, SealedWalArchive from, SealedWalArchive to) throws IOException {
    Timeline timeline = what.timeline();
    WalSegment segment = what.segment();
    if (segment == null) {
      Optional<byte[]> content = from.history(timeline);
      if (content.isEmpty()) {
        return Optional.empty();
      }
      to.storeHistory(timeline, content.get());
      return Optional.of(Arrays.equals(content.get(), to.history(timeline).orElse(null)));
    }
    if (what.about().equals(Optional.of(ObjectType.WAL_SUMMARY))) {
      if (segment.start().value() % from.summarySpan() != 0) {
        return Optional.empty(); // nobody would look for it there
      }
      Optional<byte[]> content = from.summary(timeline, segment.start());
      if (content.isEmpty()) {
        return Optional.empty();
      }
      to.storeSummary(timeline, segment.start(), content.get());
      return Optional.of(
          Arrays.equals(content.get(), to.summary(timeline, segment.start()).orElse(null)));
    }
    Optional<WalGap> gap = from.recordedGap(timeline, segment.start());
    if (gap.isEmpty()) {
      return Optional.empty();
    }
    to.recordGap(
        gap.get().range(), gap.get().noticedAt().orElseThrow(), gap.get().reason().orElse(""));
    return Optional.of(to.recordedGap(timeline, segment.start()).equals(gap));
  }

  private void problem(String name, String reason) {
    problems.add("Log " + name + " stays as it is: " + reason);
    LOG.warn("Log {} is not sealed anew: {}", name, reason);
  }

  private static List<WalRange> ranges(List<Segment> segments) {
    List<WalRange> ranges = new ArrayList<>();
    for (Segment one : segments) {
      WalSegment segment = one.segment();
      WalRange last = ranges.isEmpty() ? null : ranges.get(ranges.size() - 1);
      if (last != null
          && last.timeline().equals(segment.timeline())
          && last.end().equals(segment.start())) {
        ranges.set(
            ranges.size() - 1, new WalRange(segment.timeline(), last.start(), segment.end()));
      } else {
        ranges.add(new WalRange(segment.timeline(), segment.start(), segment.end()));
      }
    }
    return ranges;
  }

  private void commit(String life, String folder, List<WalRange> wal, List<String> others)
      throws IOException {
    if (wal.isEmpty() && others.isEmpty()) {
      return;
    }
    requireKey();
    int epoch =
        services.log().catalog().resealed().stream()
            .filter(said -> said.log().equals(folder))
            .mapToInt(Operation.Resealed::epoch)
            .findFirst()
            .orElse(before);
    Instant sweepAfter = services.store().now().plus(grace);
    services
        .log()
        .append(
            catalog ->
                isThere(catalog)
                        && catalog.resealed().stream()
                            .noneMatch(
                                said ->
                                    said.log().equals(folder)
                                        && said.wal().equals(wal)
                                        && said.others().equals(others))
                    ? List.of(
                        new Operation.Resealed(
                            source.info().name(), life, folder, epoch, wal, others, sweepAfter))
                    : List.of());
  }
}
