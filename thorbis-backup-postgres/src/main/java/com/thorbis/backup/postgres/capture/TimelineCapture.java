package com.thorbis.backup.postgres.capture;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.postgres.wal.BlockSummarizer;
import com.thorbis.backup.postgres.wal.WalReader;
import com.thorbis.backup.postgres.wire.ProtocolException;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Cuts one timeline's log, as it comes, into segments and parts of the open one, and hands them to
 * a shipper. Starts at the beginning of a segment. Used by one thread. Holds a fixed number of
 * buffers, none larger than {@value #LARGEST_BUFFER} bytes.
 */
final class TimelineCapture {
  /** Larger segments are stored in parts only. */
  static final int LARGEST_BUFFER = 64 << 20;

  private static final int PART_BYTES = 16 << 20;
  private static final int LARGE_BUFFER = 32 << 20;

  private final ClusterIdentity cluster;
  private final Timeline timeline;
  private final Shipper shipper;
  private final WalReader reader;
  private final BlockingQueue<byte[]> free;
  private final int capacity;
  private final boolean wholeSegments;
  private final long spanBytes;

  private byte[] buffer;

  /** Where {@link #buffer} begins. */
  private Lsn base;

  private int filled;

  /** Up to where the log was handed over, or was stored before. */
  private Lsn shipped;

  private WalMarks segmentMarks = WalMarks.NONE;

  /** What is stored of the first segment already. */
  private @Nullable ByteBuffer overlap;

  private Optional<Instant> lastMessage = Optional.empty();

  /** A moment at which the server's log reached no further than {@link #pendingEnd}. */
  private Optional<Instant> pending = Optional.empty();

  private Lsn pendingEnd = new Lsn(0);

  /** A moment at which it reached no further than what was received. */
  private Optional<Instant> asOf = Optional.empty();

  /**
   * Starts at the beginning of {@code first}.
   *
   * @param archive what is stored; the beginning of the first segment may be among it
   */
  TimelineCapture(ClusterIdentity cluster, WalSegment first, WalArchive archive, Shipper shipper)
      throws IOException {
    this.cluster = cluster;
    this.timeline = first.timeline();
    this.shipper = shipper;
    this.spanBytes = archive.summarySpan();
    int segmentBytes = cluster.segmentSize().bytes();
    this.wholeSegments = segmentBytes <= LARGEST_BUFFER;
    this.capacity = wholeSegments ? segmentBytes : PART_BYTES;
    int buffers = capacity >= LARGE_BUFFER ? 2 : 3;
    this.free = new ArrayBlockingQueue<>(buffers);
    this.buffer = new byte[capacity];
    for (int i = 1; i < buffers; i++) {
      free.add(new byte[0]);
    }
    this.base = first.start();
    this.shipped = base;
    if (wholeSegments) {
      this.reader = primed(first, archive);
      Optional<WalArchive.WalContent> stored = archive.open(first);
      if (stored.isPresent()) {
        overlap = stored.get().bytes().slice();
        shipped = base.plus(overlap.remaining());
      }
    } else {
      this.reader = reader(base, base);
    }
  }

  /**
   * A reader that knows the record which reaches over the start, if the segment before is stored.
   */
  private WalReader primed(WalSegment first, WalArchive archive) throws IOException {
    if (first.number() > 0) {
      WalSegment before = new WalSegment(timeline, first.number() - 1, first.size());
      Optional<WalArchive.WalContent> stored = archive.open(before);
      if (stored.isPresent() && stored.get().complete()) {
        WalReader primed = reader(before.start(), first.start());
        primed.feed(stored.get().bytes());
        primed.takeMarks(Optional.empty());
        return primed;
      }
    }
    return reader(base, base);
  }

  private WalReader reader(Lsn start, Lsn begin) {
    return new WalReader(
        cluster,
        timeline,
        start,
        new BlockSummarizer(cluster, timeline, begin, spanBytes, shipper::summarize));
  }

  /** For large segments: up to where they are stored already. */
  void skipTo(Lsn stored) {
    if (!wholeSegments && stored.compareTo(shipped) > 0) {
      shipped = stored;
    }
  }

  Timeline timeline() {
    return timeline;
  }

  /** The position after the last byte taken. */
  Lsn received() {
    return base.plus(filled);
  }

  /** Up to where the log was handed over or stored before. */
  Lsn shipped() {
    return shipped;
  }

  /** Whether something was taken and not handed over. */
  boolean holdsNew() {
    return received().compareTo(shipped) > 0;
  }

  /** Takes the bytes that follow. */
  void accept(Lsn at, byte[] bytes, int offset, int length) throws IOException {
    if (!at.equals(received())) {
      throw new ProtocolException("WAL from " + at + " where " + received() + " follows");
    }
    int position = offset;
    int end = offset + length;
    while (position < end) {
      long untilShipped = shipped.value() - received().value();
      int count = Math.min(end - position, capacity - filled);
      if (untilShipped > 0) {
        count = (int) Math.min(count, untilShipped);
      }
      compare(bytes, position, count);
      reader.feed(bytes, position, count);
      System.arraycopy(bytes, position, buffer, filled, count);
      filled += count;
      position += count;
      if (count == untilShipped) {
        // What is stored already keeps its marks; a whole segment has them all.
        takeMarks();
      }
      if (filled == capacity) {
        turnPage();
      }
    }
  }

  /** Told how far the server's log reached when it said so. */
  void heard(Lsn serverEnd, Instant serverTime) {
    // The server sends one message after the other, and looks at its log after the clock of the
    // message before: at that moment the log cannot have been longer.
    if (pending.isEmpty()) {
      pending = lastMessage;
      pendingEnd = serverEnd;
    }
    lastMessage = Optional.of(serverTime);
    if (pending.isPresent() && pendingEnd.compareTo(received()) <= 0) {
      asOf = pending;
      pending = Optional.empty();
    }
  }

  /** Hands over what was taken of the open segment. */
  void ship() throws IOException {
    if (!holdsNew()) {
      return;
    }
    WalSegment segment = WalSegment.containing(timeline, shipped, cluster.segmentSize());
    int from = (int) (shipped.value() - base.value());
    WalMarks marks = takeMarks();
    int inSegment = (int) (shipped.value() - segment.start().value());
    ByteBuffer content = ByteBuffer.wrap(buffer, from, filled - from).asReadOnlyBuffer();
    shipped = received();
    shipper.submit(new Shipper.Shipment(segment, inSegment, content, false, marks, () -> {}));
  }

  private void turnPage() throws IOException {
    Lsn next = received();
    byte[] full = buffer;
    Runnable recycle = () -> free.add(full);
    WalSegment segment = WalSegment.containing(timeline, base, cluster.segmentSize());
    if (wholeSegments) {
      takeMarks();
      shipper.submit(
          new Shipper.Shipment(
              segment, 0, ByteBuffer.wrap(full).asReadOnlyBuffer(), true, segmentMarks, recycle));
    } else if (holdsNew()) {
      int from = (int) (shipped.value() - base.value());
      shipper.submit(
          new Shipper.Shipment(
              segment,
              (int) (shipped.value() - segment.start().value()),
              ByteBuffer.wrap(full, from, capacity - from).asReadOnlyBuffer(),
              false,
              takeMarks(),
              recycle));
    } else {
      // All of it went out in parts; the shipper is done with them only in its own time.
      shipper.await();
      recycle.run();
    }
    if (shipped.compareTo(next) < 0) {
      shipped = next;
    }
    base = next;
    filled = 0;
    overlap = null;
    if ((next.value() & (cluster.segmentSize().bytes() - 1)) == 0) {
      segmentMarks = WalMarks.NONE;
    }
    buffer = freeBuffer();
  }

  private byte[] freeBuffer() throws IOException {
    try {
      byte[] next = null;
      while (next == null) {
        shipper.check();
        next = free.poll(200, TimeUnit.MILLISECONDS);
      }
      return next.length == capacity ? next : new byte[capacity];
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new java.io.InterruptedIOException("Interrupted while storing WAL");
    }
  }

  private WalMarks takeMarks() {
    WalMarks marks = reader.takeMarks(asOf);
    segmentMarks = MarksSum.of(segmentMarks, marks);
    return marks;
  }

  private void compare(byte[] bytes, int offset, int length) {
    ByteBuffer stored = overlap;
    if (stored == null || filled >= stored.limit()) {
      return;
    }
    int count = Math.min(length, stored.limit() - filled);
    byte[] before = new byte[count];
    stored.get(filled, before);
    if (!Arrays.equals(before, 0, count, bytes, offset, offset + count)) {
      throw BackupException.of(
              "wal.conflict",
              FailureKind.REFUSED,
              "The server's WAL at "
                  + received()
                  + " of timeline "
                  + timeline
                  + " is not what is stored of it: it is another cluster, or one that was restored"
                  + " and took a way of its own")
          .remedy(
              "If it was restored on purpose, adopt it; otherwise check which server the URL"
                  + " names.")
          .detail("lsn", received().toString())
          .build();
    }
  }
}
