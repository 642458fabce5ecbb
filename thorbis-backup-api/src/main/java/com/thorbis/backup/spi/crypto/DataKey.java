package com.thorbis.backup.spi.crypto;

import java.security.SecureRandom;
import java.util.Arrays;
import java.util.function.Function;

/**
 * Key material that is lent, never printed, and erased on {@link #close}. Safe for several threads.
 */
public final class DataKey implements AutoCloseable {
  private final byte[] bytes;
  private boolean closed;

  private DataKey(byte[] bytes) {
    this.bytes = bytes;
  }

  /** Draws a new key of {@code length} bytes. */
  public static DataKey generate(SecureRandom random, int length) {
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    return new DataKey(bytes);
  }

  /** Copies {@code key}; the caller erases its own copy. */
  public static DataKey copyOf(byte[] key) {
    return new DataKey(key.clone());
  }

  /** The length in bytes. */
  public int length() {
    return bytes.length;
  }

  /**
   * Lends a copy, which is erased when {@code use} returns.
   *
   * @throws IllegalStateException if the key was closed
   */
  public <R> R use(Function<byte[], R> use) {
    byte[] lent;
    synchronized (bytes) {
      if (closed) {
        throw new IllegalStateException("The key was erased");
      }
      lent = bytes.clone();
    }
    try {
      return use.apply(lent);
    } finally {
      Arrays.fill(lent, (byte) 0);
    }
  }

  @Override
  public void close() {
    synchronized (bytes) {
      closed = true;
      Arrays.fill(bytes, (byte) 0);
    }
  }

  /** Says only that it is a key. */
  @Override
  public String toString() {
    return "DataKey";
  }
}
