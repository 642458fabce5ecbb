package com.thorbis.backup.postgres.plan;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** WAL in memory; each segment whole or as far as its first bytes. */
final class MemoryWalArchive implements WalArchive {
  private final ClusterIdentity cluster;
  private final Map<WalSegment, byte[]> segments =
      new TreeMap<>(
          Comparator.comparing(WalSegment::timeline).thenComparingLong(WalSegment::number));
  private final Map<WalSegment, WalMarks> marks = new HashMap<>();
  private final Map<Timeline, byte[]> histories = new HashMap<>();

  /** How often marks were asked for. */
  final AtomicInteger asked = new AtomicInteger();

  /** Why what is written down of missing log cannot be read. */
  @Nullable RepositoryException gapsUnreadable;

  MemoryWalArchive(ClusterIdentity cluster) {
    this.cluster = cluster;
  }

  void put(WalSegment segment, byte[] bytes, WalMarks says) {
    segments.put(segment, bytes);
    marks.put(segment, says);
  }

  void remove(WalSegment segment) {
    segments.remove(segment);
    marks.remove(segment);
  }

  void put(TimelineHistory history) {
    histories.put(history.timeline(), history.format());
  }

  void removeHistory(Timeline timeline) {
    histories.remove(timeline);
  }

  /** How many bytes of a segment are there. */
  int stored(WalSegment segment) {
    byte[] bytes = segments.get(segment);
    return bytes == null ? 0 : bytes.length;
  }

  List<WalSegment> segments() {
    return List.copyOf(segments.keySet());
  }

  @Override
  public String incarnation() {
    return "0123456789abcdef";
  }

  @Override
  public ClusterIdentity cluster() {
    return cluster;
  }

  @Override
  public Stored storeSegment(WalSegment segment, ByteBuffer content, WalMarks says) {
    throw new UnsupportedOperationException();
  }

  @Override
  public Stored storePart(WalSegment segment, int offset, ByteBuffer content, WalMarks says) {
    throw new UnsupportedOperationException();
  }

  @Override
  public Stored storeHistory(Timeline timeline, byte[] content) {
    throw new UnsupportedOperationException();
  }

  @Override
  public Optional<WalGap> recordedGap(Timeline timeline, Lsn start) throws RepositoryException {
    if (gapsUnreadable != null) {
      throw gapsUnreadable;
    }
    return Optional.empty();
  }

  @Override
  public Optional<WalContent> open(WalSegment segment) {
    byte[] bytes = segments.get(segment);
    return Optional.ofNullable(bytes)
        .map(
            b ->
                new WalContent(
                    ByteBuffer.wrap(b).asReadOnlyBuffer(),
                    b.length == cluster.segmentSize().bytes()));
  }

  @Override
  public Optional<WalMarks> marks(WalSegment segment) {
    asked.incrementAndGet();
    return Optional.ofNullable(marks.get(segment));
  }

  @Override
  public Optional<byte[]> history(Timeline timeline) {
    return Optional.ofNullable(histories.get(timeline));
  }

  @Override
  public List<Timeline> timelines() {
    TreeSet<Timeline> all = new TreeSet<>(histories.keySet());
    segments.keySet().forEach(segment -> all.add(segment.timeline()));
    return List.copyOf(all);
  }

  @Override
  public List<WalRange> ranges(Timeline timeline) {
    List<WalRange> ranges = new ArrayList<>();
    segments.forEach(
        (segment, bytes) -> {
          if (segment.timeline().equals(timeline) && bytes.length > 0) {
            WalRange last = ranges.isEmpty() ? null : ranges.get(ranges.size() - 1);
            WalRange next =
                new WalRange(timeline, segment.start(), segment.start().plus(bytes.length));
            if (last != null && last.end().equals(next.start())) {
              ranges.set(ranges.size() - 1, new WalRange(timeline, last.start(), next.end()));
            } else {
              ranges.add(next);
            }
          }
        });
    return ranges;
  }
}
