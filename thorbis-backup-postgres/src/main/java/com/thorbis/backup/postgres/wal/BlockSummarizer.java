package com.thorbis.backup.postgres.wal;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Notes which blocks the records that a {@link WalReader} reads have changed, in spans of the log
 * that begin at multiples of their length. A record belongs to the span it starts in. Used by the
 * reader's thread.
 */
public final class BlockSummarizer {
  private final ClusterIdentity cluster;
  private final Timeline timeline;
  private final long spanBytes;
  private final Lsn begin;
  private final Consumer<Span> spans;
  private final RecordBlocks record;

  private ChangedBlocks changed = new ChangedBlocks();

  /** From where on every record was read; the present span's, if it is within it. */
  private long from;

  private long previous;
  private long last;
  private boolean following;
  private boolean interrupted;
  private boolean counts;
  private long upTo;

  /**
   * Begins with the first record that is read.
   *
   * @param begin records that start before are left out; not before the segment that reading begins
   *     with
   * @param spanBytes how long spans are, a power of two
   * @param spans given each span, when the record that reaches its end was read
   */
  public BlockSummarizer(
      ClusterIdentity cluster, Timeline timeline, Lsn begin, long spanBytes, Consumer<Span> spans) {
    this.cluster = cluster;
    this.timeline = timeline;
    this.begin = begin;
    this.spanBytes = spanBytes;
    this.spans = spans;
    this.record = new RecordBlocks(cluster.majorVersion());
  }

  /**
   * A span, or the end of one, of which every record was read.
   *
   * @param summary what they changed
   * @param needed the log up to here is what it was made of
   * @param whole whether it begins with the span
   */
  public record Span(BlockSummary summary, Lsn needed, boolean whole) {}

  /** A record begins; {@code before} is the start of the one before it. */
  void begin(long start, long before, int resourceManager, int info, int contentLength) {
    if (!following) {
      following = true;
      // Reading takes up at the beginning of a segment: nothing starts there before this one.
      from = start & -(long) cluster.segmentSize().bytes();
      if (!interrupted || Long.compareUnsigned(from, begin.value()) < 0) {
        from = begin.value();
      }
      previous = before;
      last = before;
      changed = new ChangedBlocks();
      cut(start); // one that began before may have reached over whole spans
    }
    counts = Long.compareUnsigned(start, begin.value()) >= 0;
    last = start;
    if (counts) {
      record.begin(changed, resourceManager, info, contentLength);
    } else {
      previous = start;
    }
  }

  /** The next bytes of the record. */
  void take(byte[] bytes, int offset, int length) {
    if (counts) {
      record.take(bytes, offset, length);
    }
  }

  /** The record was right; the next one can begin at {@code end}. */
  void end(long end) {
    if (counts) {
      record.end();
    }
    upTo = end;
    cut(end);
  }

  private void cut(long end) {
    while (Long.compareUnsigned(spanEnd(), end) <= 0) {
      long next = spanEnd();
      spans.accept(new Span(summary(next), new Lsn(end), (from & (spanBytes - 1)) == 0));
      previous = last;
      from = next;
      changed = new ChangedBlocks();
    }
  }

  private long spanEnd() {
    return (from & -spanBytes) + spanBytes;
  }

  private BlockSummary summary(long end) {
    return new BlockSummary(
        cluster.systemId(),
        timeline,
        new Lsn(from),
        new Lsn(end),
        new Lsn(previous),
        new Lsn(last),
        changed);
  }

  /** The next record follows none that was read. */
  void interrupted() {
    interrupted = true;
    following = false;
    counts = false;
  }

  /**
   * What was read since the last span ended, or since reading began or went on behind a hole; empty
   * if no record was.
   */
  public Optional<BlockSummary> rest() {
    return following && Long.compareUnsigned(upTo, from) >= 0
        ? Optional.of(summary(upTo))
        : Optional.empty();
  }
}
