package com.thorbis.backup.postgres.wal;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32C;

/** Writes a log as a server does: pages, headers, records and their checksums. */
public final class SyntheticLog {
  private static final Instant EPOCH = Instant.parse("2000-01-01T00:00:00Z");
  private static final int PAGE = WalReader.PAGE;

  private final ClusterIdentity cluster;
  private final Timeline timeline;
  private final long base;
  private final List<Rec> records;
  private byte[] bytes;
  private long position;
  private long previous;

  /** One record. */
  public record Rec(Lsn start, Lsn end, Kind kind, long xid, Instant time, String name) {}

  /** What a record is. */
  public enum Kind {
    COMMIT,
    ABORT,
    RESTORE_POINT,
    OTHER
  }

  /** Begins at a segment's start. */
  public SyntheticLog(ClusterIdentity cluster, Timeline timeline, Lsn start) {
    this(cluster, timeline, start.value(), new byte[1 << 20], start.value(), 0, new ArrayList<>());
  }

  private SyntheticLog(
      ClusterIdentity cluster,
      Timeline timeline,
      long base,
      byte[] bytes,
      long position,
      long previous,
      List<Rec> records) {
    this.cluster = cluster;
    this.timeline = timeline;
    this.base = base;
    this.bytes = bytes;
    this.position = position;
    this.previous = previous;
    this.records = records;
  }

  /** A branch that leaves after record {@code index}. */
  public SyntheticLog fork(Timeline next, int index) {
    Rec last = records.get(index);
    long end = last.end().value();
    byte[] shared = Arrays.copyOf(bytes, (int) (end - base) + (1 << 20));
    Arrays.fill(shared, (int) (end - base), shared.length, (byte) 0);
    return new SyntheticLog(
        cluster,
        next,
        base,
        shared,
        end,
        last.start().value(),
        new ArrayList<>(records.subList(0, index + 1)));
  }

  public Timeline timeline() {
    return timeline;
  }

  public List<Rec> records() {
    return records;
  }

  public Lsn end() {
    return new Lsn(position);
  }

  public Rec commit(long xid, Instant time) {
    return append(Kind.COMMIT, 1, 0x00, xid, time(time, 0).array(), xid, time, "");
  }

  public Rec abort(long xid, Instant time) {
    return append(Kind.ABORT, 1, 0x20, xid, time(time, 0).array(), xid, time, "");
  }

  /** Ends a prepared transaction, whose id is not the record's and comes after its children's. */
  public Rec commitPrepared(long xid, Instant time, int children) {
    ByteBuffer data = time(time, 4 + 8 + 4 + 4 * children + 4);
    data.putInt(1 | 2 | 16).putLong(7).putInt(children);
    for (int i = 0; i < children; i++) {
      data.putInt(1_000_000 + i);
    }
    data.putInt((int) xid);
    return append(Kind.COMMIT, 1, 0x30 | 0x80, 0, data.array(), xid, time, "");
  }

  public Rec restorePoint(String name, Instant time) {
    ByteBuffer data = time(time, 64);
    data.put(name.getBytes(StandardCharsets.UTF_8));
    return append(Kind.RESTORE_POINT, 0, 0x70, 0, data.array(), 0, time, name);
  }

  public Rec filler(int length) {
    byte[] data = new byte[length];
    Arrays.fill(data, (byte) 0x5A);
    return append(Kind.OTHER, 21, 0, 99, data, 0, EPOCH, "");
  }

  /** Any record, by what follows its header. */
  public Rec raw(int rm, int info, byte[] content) {
    ByteBuffer record = ByteBuffer.allocate(24 + content.length).order(ByteOrder.LITTLE_ENDIAN);
    record.putInt(record.capacity()).putInt(0).putLong(previous);
    record.put((byte) info).put((byte) rm).putShort((short) 0).putInt(0).put(content);
    CRC32C crc = new CRC32C();
    crc.update(content, 0, content.length);
    crc.update(record.array(), 0, 20);
    record.putInt(20, (int) crc.getValue());
    long start = place(record.array(), record.capacity());
    Rec written = new Rec(new Lsn(start), new Lsn(position), Kind.OTHER, 0, EPOCH, "");
    records.add(written);
    return written;
  }

  /** Leaves the rest of the segment unused. */
  public Rec switchSegment() {
    append(Kind.OTHER, 0, 0x40, 0, new byte[0], 0, EPOCH, "");
    int size = cluster.segmentSize().bytes();
    while (position % size != 0) {
      if (position % PAGE == 0) {
        pageHeader(0, 0);
      } else {
        put(new byte[(int) (PAGE - position % PAGE)]);
      }
    }
    Rec written = records.remove(records.size() - 1);
    Rec whole = new Rec(written.start(), end(), Kind.OTHER, 0, EPOCH, "");
    records.add(whole);
    return whole;
  }

  /** Crashes in the middle of a record of this length and goes on as recovery does. */
  public void abortedRecord(int length, int written) {
    byte[] record = record(21, 0, 99, new byte[length]);
    long before = previous;
    place(record, written);
    previous = before;
    while (position % PAGE != 0) {
      put(new byte[(int) (PAGE - position % PAGE)]);
    }
    pageHeader(0x08, 0);
    ByteBuffer data = time(EPOCH, 8);
    append(Kind.OTHER, 0, 0xD0, 0, data.array(), 0, EPOCH, "");
  }

  /** The bytes of a segment that were written, at most all of it. */
  public byte[] segment(WalSegment segment) {
    int from = (int) (segment.start().value() - base);
    int to = (int) (Math.min(segment.end().value(), position) - base);
    return Arrays.copyOfRange(bytes, from, Math.max(from, to));
  }

  /** A log of one commit. */
  byte[] commitAndAll() {
    commit(3, EPOCH);
    return all();
  }

  public byte[] all() {
    return Arrays.copyOf(bytes, (int) (position - base));
  }

  private static ByteBuffer time(Instant time, int more) {
    long microseconds = Duration.between(EPOCH, time).toNanos() / 1000;
    return ByteBuffer.allocate(8 + more).order(ByteOrder.LITTLE_ENDIAN).putLong(microseconds);
  }

  private Rec append(
      Kind kind, int rm, int info, long recordXid, byte[] data, long xid, Instant at, String name) {
    byte[] record = record(rm, info, recordXid, data);
    long start = place(record, record.length);
    Rec written = new Rec(new Lsn(start), new Lsn(position), kind, xid, at, name);
    records.add(written);
    return written;
  }

  private byte[] record(int rm, int info, long xid, byte[] data) {
    int header = data.length == 0 ? 0 : data.length < 256 ? 2 : 5;
    ByteBuffer record =
        ByteBuffer.allocate(24 + header + data.length).order(ByteOrder.LITTLE_ENDIAN);
    record.putInt(record.capacity()).putInt((int) xid).putLong(previous);
    record.put((byte) info).put((byte) rm).putShort((short) 0).putInt(0);
    if (header == 2) {
      record.put((byte) 255).put((byte) data.length);
    } else if (header == 5) {
      record.put((byte) 254).putInt(data.length);
    }
    record.put(data);
    CRC32C crc = new CRC32C();
    crc.update(record.array(), 24, record.capacity() - 24);
    crc.update(record.array(), 0, 20);
    record.putInt(20, (int) crc.getValue());
    return record.array();
  }

  private long place(byte[] record, int length) {
    if (position % PAGE == 0) {
      pageHeader(0, 0);
    }
    long start = position;
    int at = 0;
    while (at < length) {
      if (position % PAGE == 0) {
        pageHeader(0x01, record.length - at);
      }
      int step = (int) Math.min(length - at, PAGE - position % PAGE);
      put(Arrays.copyOfRange(record, at, at + step));
      at += step;
    }
    put(new byte[(int) (-position & 7)]);
    previous = start;
    return start;
  }

  private void pageHeader(int flags, int left) {
    boolean first = position % cluster.segmentSize().bytes() == 0;
    ByteBuffer header = ByteBuffer.allocate(first ? 40 : 24).order(ByteOrder.LITTLE_ENDIAN);
    header.putShort((short) WalVersion.magic(cluster.majorVersion()));
    header.putShort((short) (flags | (first ? 2 : 0)));
    header.putInt(timeline.number()).putLong(position).putInt(left).putInt(0);
    if (first) {
      header.putLong(cluster.systemId()).putInt(cluster.segmentSize().bytes()).putInt(PAGE);
    }
    put(header.array());
  }

  private void put(byte[] more) {
    int at = (int) (position - base);
    if (at + more.length > bytes.length) {
      bytes = Arrays.copyOf(bytes, 2 * bytes.length + more.length);
    }
    System.arraycopy(more, 0, bytes, at, more.length);
    position += more.length;
  }
}
