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
  private static final int FOLDER_BYTES = 8;

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
    this.grace = grace;
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
    String folder = folder(place.life());
    SealedWalArchive to = SealedWalArchive.folder(services, source, place.life(), folder);
    int batch = services.tuning().sweepBatch();
    // Of a large one two copies are as much as memory should be asked for.
    boolean large = from.cluster().segmentSize().bytes() > SealedWalArchive.MOST_WHOLE;
    int threads = large ? 1 : services.parallelism();
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
    List<OlderLog.Found> anew = new ArrayList<>();
    for (OlderLog.Found one : others) {
      control.cancellation().check();
      if (resealOther(one, from, to)) {
        anew.add(one);
      }
    }
    commit(
        place.life(),
        folder,
        List.of(),
        anew.stream().map(one -> one.what().key().name()).toList());
    anew.forEach(this::count);
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
  private String folder(String life) throws IOException {
    String drawn = HexFormat.of().formatHex(bytes());
    int epoch = services.keys().current(source.tree()).slot().epoch();
    services
        .log()
        .append(
            catalog ->
                isThere(catalog) && begun(catalog, life).isEmpty()
                    ? List.of(
                        new Operation.Resealed(
                            source.info().name(),
                            life,
                            drawn,
                            epoch,
                            List.of(),
                            List.of(),
                            services.store().now()))
                    : List.of());
    return begun(services.log().catalog(), life)
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

  private byte[] bytes() {
    byte[] bytes = new byte[FOLDER_BYTES];
    services.random().nextBytes(bytes);
    return bytes;
  }

  private boolean isThere(Catalog catalog) {
    return catalog
        .source(source.info().name())
        .filter(one -> one.tree().equals(source.tree()))
        .isPresent();
  }

  /** The newest folder of a life, if everything in it lies under a key to keep. */
  private Optional<String> begun(Catalog catalog, String life) {
    String newest = catalog.logFolders(source.info().name(), life).get(0);
    return catalog.resealed().stream()
        .filter(said -> said.source().equals(source.info().name()) && said.log().equals(newest))
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
      if (e.kind() != FailureKind.DAMAGED) {
        throw e;
      }
      problem(segment.fileName(), String.valueOf(e.getMessage()));
    }
    return false;
  }

  private boolean resealOther(OlderLog.Found one, SealedWalArchive from, SealedWalArchive to)
      throws IOException {
    StoredWal what = one.what();
    WalSegment segment = what.segment();
    try {
      if (segment == null) {
        Timeline timeline = one.timeline();
        Optional<byte[]> content = from.history(timeline);
        if (content.isEmpty()) {
          return false;
        }
        to.storeHistory(timeline, content.get());
        return to.history(timeline)
            .filter(there -> Arrays.equals(there, content.get()))
            .isPresent();
      }
      if (what.about().equals(Optional.of(ObjectType.WAL_SUMMARY))) {
        Optional<byte[]> content = from.summary(segment.timeline(), segment.start());
        if (content.isEmpty()) {
          return false;
        }
        to.storeSummary(segment.timeline(), segment.start(), content.get());
        return to.summary(segment.timeline(), segment.start())
            .filter(there -> Arrays.equals(there, content.get()))
            .isPresent();
      }
      Optional<WalGap> gap = from.recordedGap(segment.timeline(), segment.start());
      if (gap.isEmpty()) {
        return false;
      }
      to.recordGap(
          gap.get().range(),
          gap.get().noticedAt().orElse(services.clock().instant()),
          gap.get().reason().orElse(""));
      return to.recordedGap(segment.timeline(), segment.start()).equals(gap);
    } catch (RepositoryException e) {
      if (e.kind() != FailureKind.DAMAGED) {
        throw e;
      }
      problem(what.key().name(), String.valueOf(e.getMessage()));
      return false;
    }
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
