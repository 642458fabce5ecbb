package com.thorbis.backup.storage.internal.pack;

import com.thorbis.backup.crypto.ObjectId;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;

/**
 * The ids of one run's packs: 96 bits drawn at random, which tell them from those of any other run,
 * and a number. Safe for several threads.
 */
public final class PackIds implements Supplier<ObjectId> {
  private final long high;
  private final int middle;
  private final AtomicInteger next = new AtomicInteger();

  /** Draws them. */
  public PackIds(SecureRandom random) {
    this.high = random.nextLong();
    this.middle = random.nextInt();
  }

  /** What the text of each begins with. */
  public String prefix() {
    return HexFormat.of().toHexDigits(high) + HexFormat.of().toHexDigits(middle);
  }

  @Override
  public ObjectId get() {
    int number = next.getAndIncrement();
    if (number < 0) {
      throw new IllegalStateException("A run of more than " + Integer.MAX_VALUE + " packs");
    }
    return new ObjectId(high, (long) middle << Integer.SIZE | number);
  }
}
