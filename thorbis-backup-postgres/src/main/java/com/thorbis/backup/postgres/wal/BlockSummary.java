package com.thorbis.backup.postgres.wal;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.postgres.wal.ChangedBlocks.Relation;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What every record that starts in a stretch of one timeline's log has changed.
 *
 * @param systemId the cluster's
 * @param timeline whose log
 * @param start the first position
 * @param end the position after the last
 * @param previous where the last record before the stretch starts
 * @param last where the last record of the stretch starts; {@code previous} if none does
 * @param changed what changed
 */
public record BlockSummary(
    long systemId,
    Timeline timeline,
    Lsn start,
    Lsn end,
    Lsn previous,
    Lsn last,
    ChangedBlocks changed) {
  /** Goes up whenever other blocks would be found in the same log. */
  static final int VERSION = 1;

  private static final int EVERYTHING = 1;
  private static final int HEAD = 1 + 8 + 4 + 4 * 8 + 1;

  /**
   * As bytes: version (u8), system identifier (u64), timeline (u32), start, end, previous, last
   * (u64 each), 1 if everything may have changed or 0 (u8); then, as numbers of 1 to 10 bytes of
   * seven bits, the lowest first: the count of whole tablespaces and each one's number; the count
   * of whole databases and of each its tablespace and number; the count of relations and of each,
   * in order, its tablespace, database and number, its limit and 1, or 0, and the count of runs of
   * blocks, each as the distance from the end of the run before and its length less 1.
   */
  public byte[] encode() {
    ByteArrayOutputStream out = new ByteArrayOutputStream(256);
    ByteBuffer head = ByteBuffer.allocate(HEAD);
    head.put((byte) VERSION).putLong(systemId).putInt(timeline.number());
    head.putLong(start.value()).putLong(end.value());
    head.putLong(previous.value()).putLong(last.value());
    head.put((byte) (changed.isEverything() ? EVERYTHING : 0));
    out.writeBytes(head.array());
    List<Integer> tablespaces = changed.wholeTablespaces();
    number(out, tablespaces.size());
    tablespaces.forEach(tablespace -> number(out, Integer.toUnsignedLong(tablespace)));
    List<Long> databases = changed.wholeDatabases();
    number(out, databases.size());
    for (long database : databases) {
      number(out, database >>> 32);
      number(out, database & 0xFFFF_FFFFL);
    }
    List<Relation> relations = changed.relations();
    Map<Relation, int[]> segments = changed.segments();
    number(out, relations.size());
    for (Relation relation : relations) {
      number(out, Integer.toUnsignedLong(relation.tablespace()));
      number(out, Integer.toUnsignedLong(relation.database()));
      number(out, Integer.toUnsignedLong(relation.number()));
      number(out, changed.limit(relation) + 1);
      runs(out, relation, segments.getOrDefault(relation, new int[0]));
    }
    return out.toByteArray();
  }

  private void runs(ByteArrayOutputStream out, Relation relation, int[] segments) {
    ByteArrayOutputStream runs = new ByteArrayOutputStream();
    long count = 0;
    long before = 0;
    for (int segment : segments) {
      long base = Integer.toUnsignedLong(segment) * ChangedBlocks.SEGMENT_BLOCKS;
      BitSet pages = changed.pages(relation, segment);
      for (int at = pages.nextSetBit(0); at >= 0; ) {
        int behind = pages.nextClearBit(at);
        number(runs, base + at - before);
        number(runs, behind - at - 1L);
        before = base + behind;
        count++;
        at = pages.nextSetBit(behind);
      }
    }
    number(out, count);
    out.writeBytes(runs.toByteArray());
  }

  private static void number(ByteArrayOutputStream out, long value) {
    long rest = value;
    while ((rest & ~0x7FL) != 0) {
      out.write((int) (rest & 0x7F) | 0x80);
      rest >>>= 7;
    }
    out.write((int) rest);
  }

  /**
   * Takes bytes apart.
   *
   * @return empty if they are of a version that counts otherwise, or not whole
   */
  public static Optional<BlockSummary> decode(byte[] bytes) {
    if (bytes.length < HEAD || bytes[0] != VERSION) {
      return Optional.empty();
    }
    Input in = new Input(bytes);
    try {
      return Optional.of(in.summary());
    } catch (Malformed e) {
      return Optional.empty();
    }
  }

  private static final class Malformed extends Exception {
    private static final long serialVersionUID = 1L;
  }

  private static final class Input {
    private final ByteBuffer bytes;

    Input(byte[] bytes) {
      this.bytes = ByteBuffer.wrap(bytes);
    }

    BlockSummary summary() throws Malformed {
      bytes.get();
      long systemId = bytes.getLong();
      int timeline = bytes.getInt();
      Lsn start = new Lsn(bytes.getLong());
      Lsn end = new Lsn(bytes.getLong());
      Lsn previous = new Lsn(bytes.getLong());
      Lsn last = new Lsn(bytes.getLong());
      int flags = bytes.get();
      if (timeline == 0 || end.compareTo(start) < 0 || (flags & ~EVERYTHING) != 0) {
        throw new Malformed();
      }
      ChangedBlocks changed = new ChangedBlocks();
      if (flags == EVERYTHING) {
        changed.everything();
      }
      for (long left = count(); left > 0; left--) {
        changed.tablespace(oid());
      }
      for (long left = count(); left > 0; left--) {
        changed.database(oid(), oid());
      }
      for (long left = count(); left > 0; left--) {
        relation(changed);
      }
      if (bytes.hasRemaining()) {
        throw new Malformed();
      }
      return new BlockSummary(
          systemId, new Timeline(timeline), start, end, previous, last, changed);
    }

    private void relation(ChangedBlocks changed) throws Malformed {
      int tablespace = oid();
      int database = oid();
      int relation = oid();
      long limit = number();
      if (limit > 0) {
        changed.limit(tablespace, database, relation, block(limit - 1));
      }
      long at = 0;
      for (long runs = count(); runs > 0; runs--) {
        at += block(number()) & 0xFFFF_FFFFL;
        long behind = at + 1 + (block(number()) & 0xFFFF_FFFFL);
        block(behind - 1);
        for (; at < behind; at++) {
          changed.block(tablespace, database, relation, (int) at);
        }
      }
    }

    /** How many of something follow, each of at least a byte. */
    private long count() throws Malformed {
      long count = number();
      if (count < 0 || count > bytes.remaining()) {
        throw new Malformed();
      }
      return count;
    }

    private int oid() throws Malformed {
      return block(number());
    }

    private static int block(long number) throws Malformed {
      if (number < 0 || number > 0xFFFF_FFFFL) {
        throw new Malformed();
      }
      return (int) number;
    }

    private long number() throws Malformed {
      long value = 0;
      for (int shift = 0; shift < 64; shift += 7) {
        if (!bytes.hasRemaining()) {
          throw new Malformed();
        }
        int next = bytes.get();
        value |= (long) (next & 0x7F) << shift;
        if (next >= 0) {
          return value;
        }
      }
      throw new Malformed();
    }
  }
}
