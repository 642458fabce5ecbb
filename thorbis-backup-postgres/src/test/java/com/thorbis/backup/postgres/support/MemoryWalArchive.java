package com.thorbis.backup.postgres.support;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import org.jspecify.annotations.Nullable;

/** A WAL archive in memory that takes nothing twice in two forms. */
public final class MemoryWalArchive implements WalArchive {
  private final Map<Lsn, WalGap> recorded = new ConcurrentHashMap<>();

  private final String incarnation;
  private final ClusterIdentity cluster;
  private final Map<WalSegment, Stretch> segments =
      new TreeMap<>(Comparator.comparing(WalSegment::timeline).thenComparing(WalSegment::number));
  private final Map<Timeline, byte[]> histories = new TreeMap<>();
  private final Map<String, byte[]> summaries = new TreeMap<>();
  private int parts;

  private record Stretch(byte[] bytes, boolean complete, WalMarks marks) {}

  /** Whether it takes anything. */
  public volatile boolean reachable = true;

  /** How often it takes something; any number of times where there is none. */
  public volatile @Nullable Semaphore taking;

  public MemoryWalArchive(String incarnation, ClusterIdentity cluster) {
    this.incarnation = incarnation;
    this.cluster = cluster;
  }

  @Override
  public String incarnation() {
    return incarnation;
  }

  @Override
  public ClusterIdentity cluster() {
    return cluster;
  }

  @Override
  public Stored storeSegment(WalSegment segment, ByteBuffer content, WalMarks marks)
      throws RepositoryException {
    reach();
    return put(segment, content, marks);
  }

  private synchronized Stored put(WalSegment segment, ByteBuffer content, WalMarks marks)
      throws RepositoryException {
    byte[] bytes = new byte[content.remaining()];
    content.get(bytes);
    if (bytes.length != segment.size().bytes()) {
      throw new IllegalArgumentException("A segment of " + bytes.length + " bytes");
    }
    Stretch before = segments.get(segment);
    if (before != null
        && !Arrays.equals(before.bytes, 0, before.bytes.length, bytes, 0, before.bytes.length)) {
      throw conflict(segment);
    }
    segments.put(segment, new Stretch(bytes, true, marks));
    return before != null && before.complete ? Stored.ALREADY_PRESENT : Stored.WRITTEN;
  }

  @Override
  public Stored storePart(WalSegment segment, int offset, ByteBuffer content, WalMarks marks)
      throws RepositoryException {
    reach();
    return put(segment, offset, content, marks);
  }

  private synchronized Stored put(
      WalSegment segment, int offset, ByteBuffer content, WalMarks marks)
      throws RepositoryException {
    byte[] bytes = new byte[content.remaining()];
    content.get(bytes);
    parts++;
    Stretch before = segments.get(segment);
    byte[] old = before == null ? new byte[0] : before.bytes;
    int end = offset + bytes.length;
    if (offset > old.length || bytes.length == 0) {
      throw new IllegalArgumentException("A part from " + offset + " after " + old.length);
    }
    int shared = Math.min(old.length - offset, bytes.length);
    if (!Arrays.equals(old, offset, offset + shared, bytes, 0, shared)) {
      throw conflict(segment);
    }
    if (end <= old.length) {
      return Stored.ALREADY_PRESENT;
    }
    byte[] all = Arrays.copyOf(old, end);
    System.arraycopy(bytes, 0, all, offset, bytes.length);
    segments.put(segment, new Stretch(all, end == segment.size().bytes(), marks));
    return Stored.WRITTEN;
  }

  private void reach() throws RepositoryException {
    Semaphore turns = taking;
    if (turns != null) {
      turns.acquireUninterruptibly();
    }
    if (!reachable) {
      throw new RepositoryException(
          "store.unavailable", FailureKind.TRANSIENT, "nobody answers", Map.of(), "", null);
    }
  }

  private static RepositoryException conflict(WalSegment segment) {
    return new RepositoryException(
        "wal.conflict", FailureKind.REFUSED, segment + " is other", Map.of(), "", null);
  }

  @Override
  public synchronized Stored storeHistory(Timeline timeline, byte[] content)
      throws RepositoryException {
    byte[] before = histories.putIfAbsent(timeline, content.clone());
    if (before != null && !Arrays.equals(before, content)) {
      throw new RepositoryException(
          "wal.conflict", FailureKind.REFUSED, "history is other", Map.of(), "", null);
    }
    return before == null ? Stored.WRITTEN : Stored.ALREADY_PRESENT;
  }

  @Override
  public synchronized Optional<WalContent> open(WalSegment segment) {
    return Optional.ofNullable(segments.get(segment))
        .map(
            stretch ->
                new WalContent(
                    ByteBuffer.wrap(stretch.bytes).asReadOnlyBuffer(), stretch.complete));
  }

  @Override
  public synchronized Optional<WalMarks> marks(WalSegment segment) {
    return Optional.ofNullable(segments.get(segment)).map(Stretch::marks);
  }

  @Override
  public synchronized Optional<byte[]> history(Timeline timeline) {
    return Optional.ofNullable(histories.get(timeline)).map(byte[]::clone);
  }

  @Override
  public synchronized List<Timeline> timelines() {
    TreeSet<Timeline> all = new TreeSet<>(histories.keySet());
    segments.keySet().forEach(segment -> all.add(segment.timeline()));
    return List.copyOf(all);
  }

  @Override
  public synchronized List<WalRange> ranges(Timeline timeline) {
    List<WalRange> ranges = new ArrayList<>();
    segments.forEach(
        (segment, stretch) -> {
          if (!segment.timeline().equals(timeline)) {
            return;
          }
          Lsn start = segment.start();
          Lsn end = start.plus(stretch.bytes.length);
          int last = ranges.size() - 1;
          if (last >= 0 && ranges.get(last).end().equals(start)) {
            ranges.set(last, new WalRange(timeline, ranges.get(last).start(), end));
          } else {
            ranges.add(new WalRange(timeline, start, end));
          }
        });
    return ranges;
  }

  /** Short, so that a test has several. */
  @Override
  public long summarySpan() {
    return cluster.segmentSize().bytes() * 2L;
  }

  @Override
  public synchronized Stored storeSummary(Timeline timeline, Lsn start, byte[] summary) {
    return summaries.putIfAbsent(timeline.hex() + "/" + start, summary.clone()) == null
        ? Stored.WRITTEN
        : Stored.ALREADY_PRESENT;
  }

  @Override
  public synchronized Optional<byte[]> summary(Timeline timeline, Lsn start) {
    return Optional.ofNullable(summaries.get(timeline.hex() + "/" + start)).map(byte[]::clone);
  }

  /** How many summaries are stored. */
  public synchronized int summaries() {
    return summaries.size();
  }

  /** Loses a segment. */
  public synchronized void remove(WalSegment segment) {
    segments.remove(segment);
  }

  /** Every segment that something is stored of. */
  public synchronized List<WalSegment> segments() {
    return List.copyOf(segments.keySet());
  }

  /** How often a part was stored. */
  public synchronized int parts() {
    return parts;
  }

  @Override
  public void recordGap(WalRange range, Instant noticedAt, String reason) {
    recorded.putIfAbsent(
        range.start(), new WalGap(range, Optional.of(noticedAt), Optional.of(reason)));
  }

  @Override
  public Optional<WalGap> recordedGap(Timeline timeline, Lsn start) {
    return Optional.ofNullable(recorded.get(start));
  }
}
