package com.thorbis.backup.benchmarks;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Random;
import java.util.zip.CRC32C;

/** One segment of PostgreSQL 15's log: pages of tables, with short records between. */
final class Segment {
  private static final int PAGE = 8192;
  private static final int RECORD_HEADER = 24;
  private static final int HEAP = 10;

  private final long system;
  private final long start;
  private final ByteBuffer bytes;
  private final Random random = new Random(20_261_101);
  private long previous;

  Segment(long system, long start, int length) {
    this.system = system;
    this.start = start;
    this.bytes = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
  }

  byte[] fill() {
    byte[] pages = Pages.of(16);
    for (int n = 0; ; n++) {
      int length = n % 2 == 0 ? 7000 + random.nextInt(1000) : 40 + random.nextInt(120);
      byte[] record = new byte[RECORD_HEADER + length];
      System.arraycopy(pages, n * 512 % PAGE, record, RECORD_HEADER, length);
      if (bytes.remaining() < 2 * PAGE) {
        return bytes.array();
      }
      append(record, n);
    }
  }

  private void append(byte[] record, int xid) {
    header(0);
    bytes.position(bytes.position() + 7 & -8);
    header(0);
    long position = start + bytes.position();
    ByteBuffer.wrap(record)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt(record.length)
        .putInt(1000 + xid)
        .putLong(previous)
        .put((byte) 0)
        .put((byte) HEAP);
    CRC32C crc = new CRC32C();
    crc.update(record, RECORD_HEADER, record.length - RECORD_HEADER);
    crc.update(record, 0, 20);
    ByteBuffer.wrap(record).order(ByteOrder.LITTLE_ENDIAN).putInt(20, (int) crc.getValue());
    previous = position;
    for (int at = 0; at < record.length; ) {
      header(at == 0 ? 0 : record.length - at);
      int step = Math.min(record.length - at, PAGE - bytes.position() % PAGE);
      bytes.put(record, at, step);
      at += step;
    }
  }

  /** Where a page starts, its header; {@code left} is what a record that goes on has left. */
  private void header(int left) {
    int at = bytes.position();
    if (at % PAGE != 0) {
      return;
    }
    boolean first = at == 0;
    bytes.putShort((short) 0xD110).putShort((short) ((left > 0 ? 1 : 0) | (first ? 2 : 0)));
    bytes.putInt(1).putLong(start + at).putInt(left).putInt(0);
    if (first) {
      bytes.putLong(system).putInt(bytes.capacity()).putInt(PAGE);
    }
  }
}
