package com.thorbis.backup.storage.internal.pack;

import java.nio.ByteBuffer;
import net.openhft.hashing.LongTupleHashFunction;

/**
 * The keyed hash of plain bytes: XXH3 of 128 bits under a secret seed. Tells equal bytes from
 * others at the speed of memory; proves nothing against somebody who knows the seed.
 *
 * @param high the upper 64 bits
 * @param low the lower 64 bits
 */
public record Fingerprint(long high, long low) {
  /** The length in bytes. */
  public static final int LENGTH = 16;

  /** The fingerprint of nothing in particular: where none was taken. */
  public static final Fingerprint ZERO = new Fingerprint(0, 0);

  /** Takes fingerprints under one seed. Safe for several threads. */
  public static final class Function {
    private final LongTupleHashFunction hash;

    /** With a tree's seed. */
    public Function(long seed) {
      this.hash = LongTupleHashFunction.xx128(seed);
    }

    /** The fingerprint of what a buffer holds from its position to its limit. */
    public Fingerprint of(ByteBuffer bytes) {
      if (bytes.hasArray()) {
        return of(bytes.array(), bytes.arrayOffset() + bytes.position(), bytes.remaining());
      }
      // The library reaches into other buffers in ways that newer runtimes refuse.
      byte[] copy = new byte[bytes.remaining()];
      bytes.duplicate().get(copy);
      return of(copy, 0, copy.length);
    }

    /** The fingerprint of a part of an array. */
    public Fingerprint of(byte[] bytes, int offset, int length) {
      long[] result = hash.hashBytes(bytes, offset, length);
      return new Fingerprint(result[1], result[0]);
    }
  }

  /** Reads the next 16 bytes. */
  public static Fingerprint read(ByteBuffer from) {
    return new Fingerprint(from.getLong(), from.getLong());
  }

  /** Writes 16 bytes. */
  public void write(ByteBuffer to) {
    to.putLong(high).putLong(low);
  }
}
