package com.thorbis.backup.postgres.backup;

import com.thorbis.backup.postgres.wire.ProtocolException;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupWriter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Takes apart what a server of version 17 or later sends instead of a relation's file: the changed
 * blocks. What was not sent is the base's up to the shortest length that the file had since, and
 * zero behind it, as for {@code pg_combinebackup}.
 */
final class IncrementalFile {
  /** Begins the names of such files. */
  static final String PREFIX = "INCREMENTAL.";

  private static final int MAGIC = 0xD3AE1F0D;
  private static final int FIXED = 12;
  private static final int MOST_BLOCKS = 1 << 24;
  private static final int BLOCK = Arrival.PAGE;

  private final String path;
  private final BackupWriter.FileWriter out;
  private final long length;
  private ByteBuffer header = ByteBuffer.allocate(FIXED).order(ByteOrder.LITTLE_ENDIAN);
  private boolean fixedRead;
  private boolean headerRead;
  private int[] blocks = new int[0];
  private long truncation;
  private long baseBlocks;
  private long padding;
  private long received;
  private int block;
  private int inBlock;
  private long position;

  /**
   * Takes one.
   *
   * @param path what messages call it
   * @param out where the file goes
   * @param length how many bytes will come
   */
  IncrementalFile(String path, BackupWriter.FileWriter out, long length) {
    this.path = path;
    this.out = out;
    this.length = length;
  }

  /** Takes the next bytes. */
  void write(byte[] bytes, int offset, int count) throws IOException {
    int at = offset;
    int left = count;
    received += count;
    while (left > 0) {
      int taken;
      if (!headerRead) {
        taken = Math.min(left, header.remaining());
        header.put(bytes, at, taken);
        readHeader();
      } else if (padding > 0) {
        taken = (int) Math.min(left, padding);
        padding -= taken;
      } else {
        taken = content(bytes, at, left);
      }
      at += taken;
      left -= taken;
    }
  }

  /** All has come; gives the file what follows the last changed block. */
  void finish() throws IOException {
    if (!headerRead || padding > 0 || block < blocks.length || received != length) {
      throw malformed("ends too early");
    }
    fill(truncation);
    out.finish();
  }

  private void readHeader() throws IOException {
    if (header.hasRemaining()) {
      return;
    }
    header.flip();
    if (!fixedRead) {
      fixedRead = true;
      if (header.getInt() != MAGIC) {
        throw malformed("does not begin as one");
      }
      int count = header.getInt();
      truncation = header.getInt() & 0xFFFF_FFFFL;
      if (count < 0 || count > MOST_BLOCKS || truncation > MOST_BLOCKS) {
        throw malformed("says " + count + " blocks of " + truncation);
      }
      long head = FIXED + 4L * count;
      padding = count == 0 ? 0 : (BLOCK - head % BLOCK) % BLOCK;
      if (length != head + padding + (long) count * BLOCK) {
        throw malformed("has " + length + " bytes for " + count + " blocks");
      }
      blocks = new int[count];
      header = ByteBuffer.allocate(4 * count).order(ByteOrder.LITTLE_ENDIAN);
      if (count > 0) {
        return;
      }
    }
    for (int i = 0; i < blocks.length; i++) {
      blocks[i] = header.getInt();
      if (blocks[i] < 0 || blocks[i] > MOST_BLOCKS || i > 0 && blocks[i] <= blocks[i - 1]) {
        throw malformed("lists block " + blocks[i] + " out of order");
      }
    }
    headerRead = true;
    if (out.baseLength().isEmpty()) {
      throw new UnusableBaseException(path + " came as changes to a file that the base has not");
    }
    baseBlocks = out.baseLength().getAsLong() / BLOCK;
  }

  private int content(byte[] bytes, int offset, int count) throws IOException {
    if (block == blocks.length) {
      throw malformed("goes on after its end");
    }
    if (inBlock == 0) {
      fill(blocks[block]);
    }
    int taken = Math.min(count, BLOCK - inBlock);
    out.write(bytes, offset, taken);
    inBlock += taken;
    if (inBlock == BLOCK) {
      inBlock = 0;
      position = blocks[block++] + 1L;
    }
    return taken;
  }

  /** The blocks that were not sent, up to one. */
  private void fill(long to) throws IOException {
    long old = Math.min(to, Math.min(truncation, baseBlocks));
    if (old > position) {
      out.unchanged((old - position) * BLOCK);
      position = old;
    }
    if (to > position) {
      out.zeros((to - position) * BLOCK);
      position = to;
    }
  }

  private ProtocolException malformed(String problem) {
    return new ProtocolException("an incremental file " + path + " that " + problem);
  }
}
