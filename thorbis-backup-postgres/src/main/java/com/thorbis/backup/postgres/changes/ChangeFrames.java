package com.thorbis.backup.postgres.changes;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;

/** Messages one after the other, each behind its length in four bytes. */
public final class ChangeFrames {
  /** The longest message that is stored or read: one that fits into memory beside the rest. */
  public static final int LONGEST =
      (int) Math.min((1L << 30) - 1, Runtime.getRuntime().maxMemory() / 4);

  private static final int HEAD = Integer.BYTES;

  private byte[] held = new byte[1 << 16];
  private int length;

  /** What takes messages. */
  @FunctionalInterface
  public interface Target {
    /** One message, readable until this returns. */
    void message(ByteBuffer message) throws IOException;
  }

  /** What goes in front of a message of this length. */
  public static byte[] head(int length) {
    return ByteBuffer.allocate(HEAD).putInt(length).array();
  }

  /** Takes the next bytes, and hands every message on that is whole. */
  public void take(ByteBuffer bytes, Target target) throws IOException {
    while (bytes.hasRemaining()) {
      int wanted = wanted();
      int taken = Math.min(wanted - length, bytes.remaining());
      if (wanted > held.length) {
        held = Arrays.copyOf(held, wanted);
      }
      bytes.get(held, length, taken);
      length += taken;
      if (length == wanted() && length > HEAD) {
        int end = length;
        length = 0;
        target.message(ByteBuffer.wrap(held, HEAD, end - HEAD).slice());
      }
    }
  }

  private int wanted() throws IOException {
    if (length < HEAD) {
      return HEAD;
    }
    int message = ByteBuffer.wrap(held).getInt();
    if (message <= 0 || message > LONGEST) {
      throw new IOException(
          "A change of "
              + message
              + " bytes, more than the "
              + LONGEST
              + " that this program's memory allows");
    }
    return HEAD + message;
  }

  /**
   * That was all.
   *
   * @throws IOException if it broke off within a message
   */
  public void end() throws IOException {
    if (length != 0) {
      throw new IOException("Changes that break off within one");
    }
  }
}
