package com.thorbis.backup.postgres.wal;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.spi.repository.WalMarks;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Follows one timeline's log through any number of segments, in pieces of any length: joins the
 * records over pages and segments, checks the CRC of each, and notes what they say of recovery
 * targets. Memory is bounded: no record is held. Not safe for several threads.
 *
 * <p>Bytes that are no valid log never throw: reading {@link #stop stops} there and takes up again
 * at the next segment. A record counts only once its last byte came and its CRC is right, so no
 * mark is ever wrong. Bytes of <em>another cluster</em> do throw.
 */
public final class WalReader {
  /** The length of a log page: every server that is distributed was built with it. */
  public static final int PAGE = 8192;

  static final int SHORT_HEADER = 24;
  static final int LONG_HEADER = 40;
  static final int RECORD_HEADER = 24;

  /** PostgreSQL's XLogRecordMaxSize; earlier majors stop at its allocator's limit, 1 GiB. */
  private static final int MAX_RECORD = 1 << 30;

  private static final int FIRST_IS_CONTRECORD = 0x01;
  private static final int IS_LONG = 0x02;
  private static final int FIRST_IS_OVERWRITE_CONTRECORD = 0x08;
  private static final int ALL_FLAGS = 0x0F;

  private static final int RM_XLOG = 0;
  private static final int XLOG_SWITCH = 0x40;
  private static final int LAST_BUILTIN_RM = 21;
  private static final int FIRST_CUSTOM_RM = 128;

  private static final VarHandle SHORT =
      MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle INT =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private final ClusterIdentity cluster;
  private final Timeline timeline;
  private final int segmentSize;
  private final int magic;
  private final WalListener listener;

  private final CRC32C crc = new CRC32C();
  private final byte[] pageHeader = new byte[LONG_HEADER];
  private final byte[] recordHeader = new byte[RECORD_HEADER];
  private final RecordProbe probe;
  private final @Nullable BlockSummarizer blocks;

  /** The position of the next byte to come. */
  private long position;

  private Mode mode = Mode.SEARCH;
  private int pageHeaderGot;
  private int pageTimeline;

  /** Bytes of a record that began before reading did, or of one whose header is still coming. */
  private long skip;

  private int headerGot;
  private int remaining;
  private long recordStart;
  private int recordLength;
  private int recordXid;
  private int recordInfo;
  private int recordRm;
  private int recordCrc;
  private boolean probing;

  private boolean anyRecord;

  /** Whether the next record must follow the last one that was read. */
  private boolean chained;

  private long lastStart;
  private long lastEnd;
  private @Nullable Stop stop;

  private boolean anyEnd;
  private long firstTime;
  private long lastTime;
  private long leastXid;
  private long mostXid;
  private boolean recordInStretch;
  private final List<WalMarks.RestorePoint> restorePoints = new ArrayList<>();

  private enum Mode {
    /** Between segments: nothing is read until the next one starts. */
    SEARCH,
    /** The rest of a record whose beginning was not seen. */
    SKIP,
    /** At the start of a record or in its header. */
    HEADER,
    /** In a record after its header. */
    BODY
  }

  /**
   * Where reading ended before the bytes did.
   *
   * @param position the first byte that is not part of the log
   * @param reason why
   * @param damage false for the unused rest of a segment, which is in order
   */
  public record Stop(Lsn position, String reason, boolean damage) {}

  /**
   * Starts before the byte at {@code start}; records are read from the first segment that begins
   * there or later.
   */
  public WalReader(ClusterIdentity cluster, Timeline timeline, Lsn start) {
    this(cluster, timeline, start, WalListener.NONE);
  }

  /** Also tells {@code listener} about each end of a transaction and each restore point. */
  public WalReader(ClusterIdentity cluster, Timeline timeline, Lsn start, WalListener listener) {
    this(cluster, timeline, start, listener, null);
  }

  /** Also lets {@code blocks} see which blocks each record changes. */
  public WalReader(ClusterIdentity cluster, Timeline timeline, Lsn start, BlockSummarizer blocks) {
    this(cluster, timeline, start, WalListener.NONE, blocks);
  }

  private WalReader(
      ClusterIdentity cluster,
      Timeline timeline,
      Lsn start,
      WalListener listener,
      @Nullable BlockSummarizer blocks) {
    this.cluster = cluster;
    this.timeline = timeline;
    this.segmentSize = cluster.segmentSize().bytes();
    this.magic = WalVersion.magic(cluster.majorVersion());
    this.probe = new RecordProbe(cluster.majorVersion());
    this.position = start.value();
    this.listener = listener;
    this.blocks = blocks;
  }

  /**
   * The marks of one whole segment, read alone: a record that began before it is not in them.
   *
   * @param content one segment's bytes; its position does not move
   * @throws BackupException code {@code wal.identity-mismatch} if it is another cluster's
   */
  public static WalMarks marksOf(ClusterIdentity cluster, WalSegment segment, ByteBuffer content) {
    WalReader reader = new WalReader(cluster, segment.timeline(), segment.start());
    reader.feed(content.duplicate());
    return reader.takeMarks(Optional.empty());
  }

  /** Where a record starts that follows one which ends at {@code end}: behind a page's header. */
  public static Lsn nextRecord(Lsn end, WalSegmentSize size) {
    if ((end.value() & (PAGE - 1)) != 0) {
      return end;
    }
    return end.plus((end.value() & (size.bytes() - 1)) == 0 ? LONG_HEADER : SHORT_HEADER);
  }

  /** The position of the next byte to come. */
  public Lsn position() {
    return new Lsn(position);
  }

  /** Where the last whole record that was read starts. */
  public Optional<Lsn> lastRecord() {
    return anyRecord ? Optional.of(new Lsn(lastStart)) : Optional.empty();
  }

  /** Where the last whole record that was read ends, which is where the next one may start. */
  public Optional<Lsn> lastRecordEnd() {
    return anyRecord ? Optional.of(new Lsn(lastEnd)) : Optional.empty();
  }

  /** Why nothing is read now; empty while records are, and again from the next segment on. */
  public Optional<Stop> stop() {
    return Optional.ofNullable(stop);
  }

  /**
   * What was read since the last call. A record that ends in this stretch belongs to it, wherever
   * it began.
   *
   * @param asOf when, by the server's clock, the log reached no further than here
   */
  public WalMarks takeMarks(Optional<Instant> asOf) {
    WalMarks marks =
        new WalMarks(
            anyEnd ? Optional.of(WalVersion.instant(firstTime)) : Optional.empty(),
            anyEnd ? Optional.of(WalVersion.instant(lastTime)) : Optional.empty(),
            anyEnd ? OptionalLong.of(leastXid) : OptionalLong.empty(),
            anyEnd ? OptionalLong.of(mostXid) : OptionalLong.empty(),
            restorePoints,
            recordInStretch ? Optional.of(new Lsn(lastStart)) : Optional.empty(),
            asOf);
    anyEnd = false;
    recordInStretch = false;
    restorePoints.clear();
    return marks;
  }

  /**
   * Takes the bytes that follow.
   *
   * @param bytes read from its position, which moves to its limit
   * @throws BackupException code {@code wal.identity-mismatch} if they are of another cluster,
   *     another major version or a later timeline
   */
  public void feed(ByteBuffer bytes) {
    if (bytes.hasArray()) {
      feed(bytes.array(), bytes.arrayOffset() + bytes.position(), bytes.remaining());
      bytes.position(bytes.limit());
      return;
    }
    byte[] chunk = new byte[Math.min(bytes.remaining(), 8 * PAGE)];
    while (bytes.hasRemaining()) {
      int length = Math.min(bytes.remaining(), chunk.length);
      bytes.get(chunk, 0, length);
      feed(chunk, 0, length);
    }
  }

  /** Takes the bytes that follow. */
  public void feed(byte[] bytes, int offset, int length) {
    int at = offset;
    int end = offset + length;
    while (at < end) {
      int inPage = (int) (position & (PAGE - 1));
      boolean segmentStart = (position & (segmentSize - 1)) == 0;
      if (mode == Mode.SEARCH && !(segmentStart || pageHeaderGot > 0)) {
        long toSegment = segmentSize - (position & (segmentSize - 1));
        int step = (int) Math.min(toSegment, end - at);
        at += step;
        position += step;
        continue;
      }
      if (inPage == 0) {
        pageHeaderGot = 0;
      }
      int headerLength = (position - inPage & (segmentSize - 1)) == 0 ? LONG_HEADER : SHORT_HEADER;
      if (inPage < headerLength) {
        int step = Math.min(headerLength - inPage, end - at);
        System.arraycopy(bytes, at, pageHeader, inPage, step);
        at += step;
        position += step;
        pageHeaderGot = inPage + step;
        if (pageHeaderGot == headerLength) {
          openPage(position - headerLength, headerLength == LONG_HEADER);
          pageHeaderGot = 0;
        }
        continue;
      }
      int step = Math.min(PAGE - inPage, end - at);
      body(bytes, at, step);
      at += step;
    }
  }

  /** Checks a page's header and how the record at its start joins the page before. */
  private void openPage(long page, boolean segmentStart) {
    int pageMagic = (short) SHORT.get(pageHeader, 0) & 0xFFFF;
    int flags = (short) SHORT.get(pageHeader, 2) & 0xFFFF;
    int tli = (int) INT.get(pageHeader, 4);
    long address = (long) LONG.get(pageHeader, 8);
    long left = (int) INT.get(pageHeader, 16) & 0xFFFFFFFFL;
    if (pageMagic == 0 && address == 0) {
      halt(page, "the rest is unused", expected() > 0);
      return;
    }
    if (pageMagic != magic) {
      if (segmentStart) {
        refuseVersion(pageMagic);
      }
      halt(page, "page magic %04X".formatted(pageMagic), true);
      return;
    }
    boolean isLong = (flags & IS_LONG) != 0;
    if ((flags & ~ALL_FLAGS) != 0 || isLong != segmentStart) {
      halt(page, "page flags %04X".formatted(flags), true);
      return;
    }
    if (address != page) {
      // A recycled segment that was not overwritten this far still holds pages of an earlier one.
      halt(page, "the page belongs to " + new Lsn(address), true);
      return;
    }
    if (segmentStart) {
      checkIdentity();
      if (mode == Mode.SEARCH) {
        stop = null;
        pageTimeline = chained ? pageTimeline : 0;
      }
    }
    if (Integer.compareUnsigned(tli, timeline.number()) > 0) {
      throw mismatch(
          "timeline", timeline.toString(), Integer.toUnsignedString(tli), "Check the file name.");
    }
    if (tli == 0 || Integer.compareUnsigned(tli, pageTimeline) < 0) {
      halt(page, "timeline " + Integer.toUnsignedString(tli) + " after a later one", true);
      return;
    }
    pageTimeline = tli;
    join(page, flags, left);
  }

  private void join(long page, int flags, long left) {
    boolean continued = (flags & FIRST_IS_CONTRECORD) != 0;
    long expected = expected();
    if ((flags & FIRST_IS_OVERWRITE_CONTRECORD) != 0 && !continued && left == 0) {
      // The server crashed in the middle of a record and never wrote the rest.
      beginRecord();
    } else if (mode == Mode.SEARCH) {
      if (continued != (left > 0) || (continued && chained)) {
        halt(page, "a page that continues nothing", true);
      } else if (continued) {
        mode = Mode.SKIP;
        skip = left;
      } else {
        beginRecord();
      }
    } else if (continued != (expected > 0) || left != expected) {
      halt(page, "%d bytes of a record go on where %d are left".formatted(left, expected), true);
    }
  }

  /** How many bytes of the open record are still to come. */
  private long expected() {
    return switch (mode) {
      case SKIP -> skip;
      case BODY -> remaining;
      case HEADER -> headerGot == 0 ? 0 : recordLength - headerGot;
      case SEARCH -> 0;
    };
  }

  private void checkIdentity() {
    long systemId = (long) LONG.get(pageHeader, 24);
    if (systemId != cluster.systemId()) {
      throw mismatch(
          "system identifier",
          cluster.systemIdText(),
          Long.toUnsignedString(systemId),
          "Register the other cluster as its own source.");
    }
    int size = (int) INT.get(pageHeader, 32);
    if (size != segmentSize) {
      throw mismatch(
          "segment size",
          Integer.toString(segmentSize),
          Integer.toUnsignedString(size),
          "After pg_resetwal --wal-segsize, register the cluster again and take a full backup.");
    }
    int blockSize = (int) INT.get(pageHeader, 36);
    if (blockSize != PAGE) {
      throw mismatch(
          "WAL page size",
          Integer.toString(PAGE),
          Integer.toUnsignedString(blockSize),
          "Servers built with another WAL page size are not supported.");
    }
  }

  private void refuseVersion(int pageMagic) {
    WalVersion.majorOf(pageMagic)
        .ifPresent(
            major -> {
              throw mismatch(
                  "major version",
                  Integer.toString(cluster.majorVersion()),
                  Integer.toString(major),
                  "After pg_upgrade, register the cluster again and take a full backup.");
            });
  }

  private BackupException mismatch(String what, String ours, String theirs, String remedy) {
    Lsn page = new Lsn(position & -PAGE);
    return BackupException.of(
            "wal.identity-mismatch",
            FailureKind.REFUSED,
            "WAL at "
                + page
                + " of timeline "
                + timeline
                + " is of another cluster: "
                + what
                + " "
                + theirs
                + ", expected "
                + ours)
        .remedy(remedy)
        .detail("position", page.toString())
        .detail("expected", ours)
        .detail("found", theirs)
        .build();
  }

  /** The bytes of one page, or some of them, after its header. */
  private void body(byte[] bytes, int offset, int length) {
    int at = offset;
    int end = offset + length;
    while (at < end) {
      switch (mode) {
        case SEARCH -> {
          position += end - at;
          at = end;
        }
        case SKIP -> {
          int step = (int) Math.min(skip, end - at);
          skip -= step;
          at += step;
          position += step;
          if (skip == 0) {
            beginRecord();
          }
        }
        case HEADER -> at = header(bytes, at, end);
        case BODY -> {
          int step = Math.min(remaining, end - at);
          crc.update(bytes, at, step);
          if (probing) {
            probe.take(bytes, at, step);
          }
          if (blocks != null) {
            blocks.take(bytes, at, step);
          }
          remaining -= step;
          at += step;
          position += step;
          if (remaining == 0) {
            crc.update(recordHeader, 0, 20);
            finishRecord();
          }
        }
      }
    }
  }

  /** Returns where it has read to. */
  private int header(byte[] bytes, int offset, int end) {
    int at = offset;
    if (headerGot == 0) {
      int padding = (int) (-position & 7);
      if (padding > 0) {
        int step = Math.min(padding, end - at);
        position += step;
        return at + step;
      }
      recordStart = position;
      if (end - at >= RECORD_HEADER) {
        if (!readHeader(bytes, at)) {
          return at;
        }
        int length = recordLength;
        if (length <= end - at) { // and so on this page
          crc.reset();
          crc.update(bytes, at + RECORD_HEADER, length - RECORD_HEADER);
          if (probing) {
            probe.take(bytes, at + RECORD_HEADER, length - RECORD_HEADER);
          }
          if (blocks != null) {
            blocks.take(bytes, at + RECORD_HEADER, length - RECORD_HEADER);
          }
          crc.update(bytes, at, 20);
          position += length;
          finishRecord();
          return at + length;
        }
        System.arraycopy(bytes, at, recordHeader, 0, RECORD_HEADER);
        headerGot = RECORD_HEADER;
        position += RECORD_HEADER;
        openBody();
        return at + RECORD_HEADER;
      }
    }
    int step = Math.min(RECORD_HEADER - headerGot, end - at);
    System.arraycopy(bytes, at, recordHeader, headerGot, step);
    int before = headerGot;
    headerGot += step;
    position += step;
    at += step;
    if (before < 4 && headerGot >= 4) {
      // A page may end here, and the next one tells how much of the record is left.
      recordLength = (int) INT.get(recordHeader, 0);
      if (!plausibleLength()) {
        return at;
      }
    }
    if (headerGot == RECORD_HEADER && readHeader(recordHeader, 0)) {
      openBody();
    }
    return at;
  }

  private boolean plausibleLength() {
    if (recordLength == 0) {
      halt(recordStart, "the rest is unused", false);
      return false;
    }
    if (recordLength < RECORD_HEADER || recordLength > MAX_RECORD) {
      halt(recordStart, "a record of " + Integer.toUnsignedString(recordLength) + " bytes", true);
      return false;
    }
    return true;
  }

  private boolean readHeader(byte[] bytes, int at) {
    recordLength = (int) INT.get(bytes, at);
    if (!plausibleLength()) {
      return false;
    }
    recordXid = (int) INT.get(bytes, at + 4);
    long previous = (long) LONG.get(bytes, at + 8);
    recordInfo = bytes[at + 16] & 0xFF;
    recordRm = bytes[at + 17] & 0xFF;
    recordCrc = (int) INT.get(bytes, at + 20);
    boolean linked =
        chained ? previous == lastStart : Long.compareUnsigned(previous, recordStart) < 0;
    if (!linked) {
      halt(recordStart, "the record before it would be at " + new Lsn(previous), true);
      return false;
    }
    if (recordRm > LAST_BUILTIN_RM && recordRm < FIRST_CUSTOM_RM) {
      halt(recordStart, "resource manager " + recordRm, true);
      return false;
    }
    probing = probe.begin(recordRm, recordInfo, recordXid);
    if (blocks != null) {
      blocks.begin(recordStart, previous, recordRm, recordInfo, recordLength - RECORD_HEADER);
    }
    return true;
  }

  private void openBody() {
    crc.reset();
    remaining = recordLength - RECORD_HEADER;
    mode = Mode.BODY;
    if (remaining == 0) {
      crc.update(recordHeader, 0, 20);
      finishRecord();
    }
  }

  private void finishRecord() {
    if ((int) crc.getValue() != recordCrc) {
      halt(recordStart, "the record's checksum is wrong", true);
      return;
    }
    anyRecord = true;
    chained = true;
    recordInStretch = true;
    lastStart = recordStart;
    lastEnd = position + 7 & ~7;
    if (probing) {
      note();
    }
    beginRecord();
    if (recordRm == RM_XLOG && (recordInfo & 0xF0) == XLOG_SWITCH) {
      // The rest of the segment is unused; records go on in the next one.
      mode = (position & (segmentSize - 1)) == 0 ? Mode.HEADER : Mode.SEARCH;
      lastEnd = position + segmentSize - 1 & -(long) segmentSize;
    }
    if (blocks != null) {
      blocks.end(lastEnd);
    }
  }

  private void beginRecord() {
    mode = Mode.HEADER;
    headerGot = 0;
    probing = false;
  }

  private void note() {
    switch (probe.result()) {
      case NOTHING -> {}
      case RESTORE_POINT -> {
        WalMarks.RestorePoint point =
            new WalMarks.RestorePoint(
                probe.name(), new Lsn(recordStart), WalVersion.instant(probe.time()));
        restorePoints.add(point);
        listener.restorePoint(point);
      }
      case COMMIT, ABORT -> {
        long time = probe.time();
        long xid = probe.xid();
        firstTime = anyEnd ? Math.min(firstTime, time) : time;
        lastTime = anyEnd ? Math.max(lastTime, time) : time;
        leastXid = anyEnd ? Math.min(leastXid, xid) : xid;
        mostXid = anyEnd ? Math.max(mostXid, xid) : xid;
        anyEnd = true;
        listener.transactionEnded(
            new Lsn(recordStart),
            xid,
            WalVersion.instant(time),
            probe.result() == RecordProbe.Result.COMMIT);
      }
    }
  }

  private void halt(long at, String reason, boolean damage) {
    Stop here = new Stop(new Lsn(at), reason, damage);
    stop = here;
    mode = Mode.SEARCH;
    headerGot = 0;
    probing = false;
    chained = false;
    if (blocks != null) {
      blocks.interrupted();
    }
    listener.stopped(here);
  }
}
