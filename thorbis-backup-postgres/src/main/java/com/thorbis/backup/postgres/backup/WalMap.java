package com.thorbis.backup.postgres.backup;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.postgres.capture.WalTail;
import com.thorbis.backup.postgres.wal.BlockSummarizer;
import com.thorbis.backup.postgres.wal.BlockSummary;
import com.thorbis.backup.postgres.wal.ChangedBlocks;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.postgres.wal.WalReader;
import com.thorbis.backup.spi.repository.WalArchive;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds which blocks the log changed between two positions: from the summaries that are stored, and
 * where there are none from the log itself, of which the last part may still be with the server.
 * Whole spans that had to be read are summarized in the archive. Used by one thread.
 */
final class WalMap {
  private static final Logger LOG = LoggerFactory.getLogger(WalMap.class);

  private final WalArchive archive;
  private final ClusterIdentity cluster;
  private final Optional<WalTail> tail;
  private final Cancellation cancellation;
  private final long spanBytes;
  private final ChangedBlocks changed = new ChangedBlocks();

  /** Where the last record that was seen starts; null before the first. */
  private @Nullable Lsn last;

  private @Nullable WalSegment openedSegment;
  private Optional<WalArchive.WalContent> opened = Optional.empty();
  private long bytesRead;
  private int summariesUsed;

  /**
   * Reads nothing yet.
   *
   * @param tail where log comes from that is not stored; empty if nowhere
   */
  WalMap(WalArchive archive, Optional<WalTail> tail, Cancellation cancellation) {
    this.archive = archive;
    this.cluster = archive.cluster();
    this.tail = tail;
    this.cancellation = cancellation;
    this.spanBytes = archive.summarySpan();
  }

  /** Why what changed cannot be said. */
  static final class Unknown extends Exception {
    private static final long serialVersionUID = 1L;

    Unknown(String reason) {
      super(reason);
    }

    String reason() {
      return String.valueOf(getMessage());
    }
  }

  /**
   * What the records that start from {@code from} on and before {@code to} have changed.
   *
   * @param history the line of the timeline that {@code to} lies on
   * @throws Unknown if not every one of them can be read
   */
  ChangedBlocks between(TimelineHistory history, Lsn from, Lsn to) throws IOException, Unknown {
    for (TimelineHistory.Piece piece : history.pieces()) {
      Lsn begin = from.compareTo(piece.begin()) > 0 ? from : piece.begin();
      Lsn end = piece.end().filter(limit -> limit.compareTo(to) < 0).orElse(to);
      if (begin.compareTo(end) < 0) {
        piece(piece.timeline(), begin, end);
      }
    }
    if (changed.isEverything()) {
      throw new Unknown(
          "the log between "
              + from
              + " and "
              + to
              + " says of nothing that it is unchanged: too much changed, or wal_level was"
              + " minimal");
    }
    LOG.info(
        "source map from={} to={} summaries={} logBytesRead={}",
        from,
        to,
        summariesUsed,
        bytesRead);
    return changed;
  }

  private void piece(Timeline timeline, Lsn begin, Lsn end) throws IOException, Unknown {
    Lsn at = begin;
    while (at.compareTo(end) < 0 && !changed.isEverything()) {
      cancellation.check();
      Lsn next = new Lsn((at.value() & -spanBytes) + spanBytes);
      boolean wholeSpan = (at.value() & (spanBytes - 1)) == 0 && next.compareTo(end) <= 0;
      Optional<BlockSummary> stored = wholeSpan ? stored(timeline, at, next) : Optional.empty();
      if (stored.isPresent()) {
        add(stored.get());
        summariesUsed++;
      } else {
        read(timeline, at, next.compareTo(end) < 0 ? next : end, end);
      }
      at = next;
    }
  }

  private Optional<BlockSummary> stored(Timeline timeline, Lsn start, Lsn end) throws IOException {
    Optional<byte[]> found;
    try {
      found = archive.summary(timeline, start);
    } catch (InterruptedIOException e) {
      throw e;
    } catch (IOException e) {
      LOG.warn("A summary of the log is not usable: {}", e.getMessage());
      return Optional.empty();
    }
    return found
        .flatMap(BlockSummary::decode)
        .filter(
            summary ->
                summary.systemId() == cluster.systemId()
                    && summary.timeline().equals(timeline)
                    && summary.start().equals(start)
                    && summary.end().equals(end)
                    && (last == null || summary.previous().equals(last)));
  }

  private void add(BlockSummary summary) throws Unknown {
    if (last != null && !summary.previous().equals(last)) {
      throw new Unknown(
          "the record behind the one at "
              + last
              + " says that it follows one at "
              + summary.previous());
    }
    changed.add(summary.changed());
    last = summary.last();
  }

  /** Reads the log from {@code at} until no record that starts before {@code until} is missing. */
  private void read(Timeline timeline, Lsn at, Lsn until, Lsn end) throws IOException, Unknown {
    List<BlockSummarizer.Span> spans = new ArrayList<>();
    BlockSummarizer blocks = new BlockSummarizer(cluster, timeline, at, spanBytes, spans::add);
    WalSegment segment = WalSegment.containing(timeline, at, cluster.segmentSize());
    WalReader reader = new WalReader(cluster, timeline, segment.start(), blocks);
    while (!reached(reader.lastRecordEnd(), at, until)) {
      cancellation.check();
      if (reader.position().compareTo(end) >= 0) {
        throw new Unknown("the log up to " + end + " does not end there with a whole record");
      }
      segment = WalSegment.containing(timeline, reader.position(), cluster.segmentSize());
      try {
        feed(reader, segment, until, end);
      } catch (BackupException e) {
        if (e.kind() == FailureKind.CANCELLED) {
          throw e;
        }
        throw new Unknown("the log cannot be read: " + e.getMessage());
      }
      if (reader.stop().isPresent()) {
        throw new Unknown(
            "the log of timeline "
                + timeline
                + " cannot be read at "
                + reader.stop().get().position()
                + ": "
                + reader.stop().get().reason());
      }
    }
    Optional<BlockSummary> read =
        spans.isEmpty() ? blocks.rest() : Optional.of(spans.get(0).summary());
    if (read.isPresent()) {
      if (!read.get().start().equals(at)) {
        throw new Unknown("the log from " + at + " to " + read.get().start() + " cannot be read");
      }
      add(read.get());
    }
    if (!spans.isEmpty() && spans.get(0).whole()) {
      keep(timeline, spans.get(0).summary());
    }
  }

  /** Whether every record was read that starts before {@code until}. */
  private boolean reached(Optional<Lsn> lastEnd, Lsn at, Lsn until) {
    Lsn upTo = lastEnd.filter(end -> end.compareTo(at) > 0).orElse(at);
    return WalReader.nextRecord(upTo, cluster.segmentSize()).compareTo(until) >= 0;
  }

  private void feed(WalReader reader, WalSegment segment, Lsn until, Lsn end)
      throws IOException, Unknown {
    Lsn from = reader.position();
    Lsn wanted = segment.end().compareTo(end) < 0 ? segment.end() : end;
    Optional<WalArchive.WalContent> stored = open(segment);
    if (stored.isPresent()) {
      ByteBuffer bytes = stored.get().bytes().duplicate();
      int offset = (int) (from.value() - segment.start().value());
      int limit = (int) Math.min(bytes.remaining(), wanted.value() - segment.start().value());
      if (offset < limit) {
        reader.feed(bytes.slice(bytes.position() + offset, limit - offset));
        bytesRead += limit - offset;
        if (reader.position().equals(wanted) || reader.stop().isPresent()) {
          return;
        }
      }
    }
    if (tail.isEmpty()) {
      throw new Unknown("the log from " + reader.position() + " to " + until + " is not stored");
    }
    Lsn missing = reader.position();
    boolean all;
    try {
      all =
          tail.get()
              .read(
                  segment.timeline(),
                  missing,
                  wanted,
                  (bytes, offset, length) -> reader.feed(bytes, offset, length));
    } catch (InterruptedIOException e) {
      if (!(e instanceof SocketTimeoutException)) {
        throw e;
      }
      throw new Unknown("the server does not send the log from " + missing + " on");
    } catch (IOException e) {
      throw new Unknown(
          "the log from "
              + missing
              + " to "
              + until
              + " is not stored, and the server does not send it: "
              + e.getMessage());
    }
    bytesRead += reader.position().value() - missing.value();
    if (!all) {
      throw new Unknown("timeline " + segment.timeline() + " ends before " + until);
    }
  }

  private Optional<WalArchive.WalContent> open(WalSegment segment) throws IOException, Unknown {
    if (!segment.equals(openedSegment)) {
      opened = Optional.empty(); // one in memory is enough
      openedSegment = null;
      try {
        opened = archive.open(segment);
      } catch (InterruptedIOException e) {
        throw e;
      } catch (IOException e) {
        throw new Unknown(segment + " cannot be opened: " + e.getMessage());
      }
      openedSegment = segment;
    }
    return opened;
  }

  private void keep(Timeline timeline, BlockSummary summary) {
    try {
      archive.storeSummary(timeline, summary.start(), summary.encode());
    } catch (IOException | IllegalArgumentException e) { // too long is not kept
      LOG.warn("The summary of the log from {} is not stored: {}", summary.start(), e.toString());
    }
  }
}
