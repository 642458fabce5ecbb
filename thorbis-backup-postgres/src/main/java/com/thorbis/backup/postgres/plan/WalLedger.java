package com.thorbis.backup.postgres.plan;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * What the archive knows, asked once: stretches, marks and histories. Follows a line of timelines
 * over what is stored of it. Used by one thread for one question.
 */
final class WalLedger {
  private static final int AT_ONCE = 8;

  private final WalArchive archive;
  private final Map<Timeline, List<WalRange>> ranges = new HashMap<>();
  private final Map<WalSegment, WalMarks> marks = new HashMap<>();
  private final Map<Timeline, Optional<TimelineHistory>> histories = new HashMap<>();

  WalLedger(WalArchive archive) {
    this.archive = archive;
  }

  WalArchive archive() {
    return archive;
  }

  WalSegmentSize segmentSize() {
    return archive.cluster().segmentSize();
  }

  List<WalRange> ranges(Timeline timeline) throws IOException {
    List<WalRange> known = ranges.get(timeline);
    if (known == null) {
      known = List.copyOf(archive.ranges(timeline));
      ranges.put(timeline, known);
    }
    return known;
  }

  /** The line that leads to a timeline; empty if its history file is not stored. */
  Optional<TimelineHistory> history(Timeline timeline) throws IOException {
    Optional<TimelineHistory> known = histories.get(timeline);
    if (known == null) {
      known =
          timeline.number() == 1
              ? Optional.of(TimelineHistory.first(timeline))
              : archive.history(timeline).map(content -> TimelineHistory.parse(timeline, content));
      histories.put(timeline, known);
    }
    return known;
  }

  WalMarks marks(WalSegment segment) throws IOException {
    WalMarks known = marks.get(segment);
    if (known == null) {
      known = archive.marks(segment).orElseThrow(() -> vanished(segment));
      marks.put(segment, known);
    }
    return known;
  }

  /** Asks for the marks of several segments at once, so that a distant store answers as often. */
  void load(List<WalSegment> segments) throws IOException {
    List<WalSegment> unknown =
        segments.stream().filter(segment -> !marks.containsKey(segment)).toList();
    if (unknown.size() < 2) {
      return;
    }
    ExecutorService pool =
        Executors.newFixedThreadPool(
            Math.min(AT_ONCE, unknown.size()),
            task -> {
              Thread thread = new Thread(task, "restore-plan");
              thread.setDaemon(true);
              return thread;
            });
    try {
      List<Future<Optional<WalMarks>>> answers = new ArrayList<>();
      for (WalSegment segment : unknown) {
        answers.add(pool.submit(() -> archive.marks(segment)));
      }
      for (int i = 0; i < unknown.size(); i++) {
        Optional<WalMarks> answer = answers.get(i).get();
        if (answer.isPresent()) {
          marks.put(unknown.get(i), answer.get());
        }
      }
    } catch (ExecutionException e) {
      return; // whoever needs these marks asks for them and gets the failure, if it lasts
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while WAL was looked through");
    } finally {
      pool.shutdownNow();
    }
  }

  WalArchive.WalContent open(WalSegment segment) throws IOException {
    return archive.open(segment).orElseThrow(() -> vanished(segment));
  }

  /**
   * Fails where a segment that no listing shows may be stored all the same: on a copy that could
   * not be asked, or on one that is not configured and keeps what the others let go of.
   */
  void requireAbsent(WalSegment segment) throws IOException {
    try {
      archive.open(segment);
    } catch (RepositoryException e) {
      if (e.kind() != FailureKind.DAMAGED) {
        throw e;
      }
    }
  }

  static BackupException vanished(WalSegment segment) {
    return BackupException.of(
            "wal.missing",
            FailureKind.NOT_FOUND,
            segment + " is listed in the repository and cannot be found in it whole")
        .remedy("Run verify to see what is damaged.")
        .detail("segment", segment.fileName())
        .build();
  }

  /** Follows a line from {@code start} as far as the log is stored without a hole. */
  WalStretch follow(TimelineHistory line, Lsn start) throws IOException {
    List<TimelineHistory.Piece> pieces = line.pieces();
    List<WalRange> path = new ArrayList<>();
    Lsn position = start;
    while (true) {
      Optional<WalRange> next = stored(pieces, position);
      if (next.isEmpty()) {
        next = copied(line, position);
      }
      if (next.isEmpty()) {
        return new WalStretch(this, line, start, path, gap(pieces, position));
      }
      path.add(next.get());
      position = next.get().end();
    }
  }

  /** What is stored of the line from exactly {@code position} on, on one timeline. */
  private Optional<WalRange> stored(List<TimelineHistory.Piece> pieces, Lsn position)
      throws IOException {
    for (int i = owner(pieces, position); i < pieces.size(); i++) {
      TimelineHistory.Piece piece = pieces.get(i);
      if (firstStored(piece).compareTo(position) > 0) {
        break;
      }
      for (WalRange range : ranges(piece.timeline())) {
        if (range.contains(position)) {
          return Optional.of(
              new WalRange(piece.timeline(), position, least(range.end(), piece.end())));
        }
      }
    }
    return Optional.empty();
  }

  /**
   * The same from a timeline that owns nothing of the line: its first segment is such a copy, too,
   * and right up to where the line leaves it or its ancestors.
   */
  private Optional<WalRange> copied(TimelineHistory line, Lsn position) throws IOException {
    List<TimelineHistory.Ancestor> ancestors = line.ancestors();
    Optional<Lsn> left = Optional.empty();
    for (int i = ancestors.size() - 1; i > 0; i--) {
      Lsn end = least(ancestors.get(i).switchPoint(), left);
      left = Optional.of(end);
      TimelineHistory.Piece piece =
          new TimelineHistory.Piece(
              ancestors.get(i).timeline(), ancestors.get(i - 1).switchPoint(), left);
      if (firstStored(piece).compareTo(position) > 0 || position.compareTo(end) >= 0) {
        continue;
      }
      for (WalRange range : ranges(piece.timeline())) {
        if (range.contains(position)) {
          return Optional.of(new WalRange(piece.timeline(), position, least(range.end(), left)));
        }
      }
    }
    return Optional.empty();
  }

  private static Lsn least(Lsn position, Optional<Lsn> bound) {
    return bound.filter(b -> b.compareTo(position) < 0).orElse(position);
  }

  /**
   * The first segment of a timeline begins with a copy of what its parent had in it: there the
   * parent's own segment may be missing, as it is after a crash.
   */
  private Lsn firstStored(TimelineHistory.Piece piece) {
    return WalSegment.containing(piece.timeline(), piece.begin(), segmentSize()).start();
  }

  private static int owner(List<TimelineHistory.Piece> pieces, Lsn position) {
    int owner = 0;
    for (int i = 1; i < pieces.size(); i++) {
      if (pieces.get(i).begin().compareTo(position) <= 0) {
        owner = i;
      }
    }
    return owner;
  }

  /** The hole at {@code position}, if anything of the line is stored after it. */
  private Optional<WalRange> gap(List<TimelineHistory.Piece> pieces, Lsn position)
      throws IOException {
    Lsn end = null;
    for (int i = owner(pieces, position); i < pieces.size(); i++) {
      TimelineHistory.Piece piece = pieces.get(i);
      for (WalRange range : ranges(piece.timeline())) {
        Lsn begin =
            range.start().compareTo(firstStored(piece)) < 0 ? firstStored(piece) : range.start();
        boolean ofPiece =
            begin.compareTo(range.end()) < 0
                && (piece.end().isEmpty() || begin.compareTo(piece.end().get()) < 0);
        if (ofPiece && begin.compareTo(position) > 0 && (end == null || begin.compareTo(end) < 0)) {
          end = begin;
        }
      }
    }
    return end == null
        ? Optional.empty()
        : Optional.of(new WalRange(pieces.get(owner(pieces, position)).timeline(), position, end));
  }
}
