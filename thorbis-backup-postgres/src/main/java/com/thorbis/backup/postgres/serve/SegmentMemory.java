package com.thorbis.backup.postgres.serve;

import java.io.InterruptedIOException;
import java.lang.ref.SoftReference;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.Semaphore;

/**
 * Memory for the files that are being pushed and fetched. One for the process and not for each
 * server, because what it bounds is the process's heap. Safe for several threads.
 */
final class SegmentMemory {
  private static final int MEBIBYTE = 1 << 20;
  private static final int LEAST = 16;
  private static final int MOST = 1024;

  /** Of a heap of 256 MiB, five segments of 16 MiB, and as much again if they do not compress. */
  private static final int PERMITS =
      (int) Math.max(LEAST, Math.min(MOST, Runtime.getRuntime().maxMemory() * 2 / 5 / MEBIBYTE));

  private static final Semaphore FREE = new Semaphore(PERMITS);

  /** A new array of that size costs as much as compressing a quarter of it. */
  private static final Deque<SoftReference<byte[]>> IDLE = new ArrayDeque<>();

  private SegmentMemory() {}

  /** Lends an array of at least {@code length} bytes; waits while too much is lent. */
  static byte[] take(int length) throws InterruptedIOException {
    try {
      FREE.acquire(permits(length));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while waiting for memory");
    }
    synchronized (IDLE) {
      while (!IDLE.isEmpty()) {
        byte[] idle = IDLE.removeLast().get();
        if (idle != null && idle.length == length) {
          return idle;
        }
      }
    }
    boolean lent = false;
    try {
      byte[] fresh = new byte[length];
      lent = true;
      return fresh;
    } finally {
      if (!lent) {
        FREE.release(permits(length));
      }
    }
  }

  /**
   * Waits until an array of {@code length} bytes may be made by somebody else; whoever closes what
   * this returns holds it no more.
   */
  static Reserved reserve(int length) throws InterruptedIOException {
    int permits = permits(length);
    try {
      FREE.acquire(permits);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while waiting for memory");
    }
    return () -> FREE.release(permits);
  }

  /** A part of the memory. */
  @FunctionalInterface
  interface Reserved extends AutoCloseable {
    @Override
    void close();
  }

  /** Takes an array back that nobody reads any more. */
  static void give(byte[] bytes) {
    synchronized (IDLE) {
      if (IDLE.size() < PERMITS / LEAST) {
        IDLE.addLast(new SoftReference<>(bytes));
      }
    }
    FREE.release(permits(bytes.length));
  }

  private static int permits(int length) {
    return Math.min(PERMITS, length / MEBIBYTE + 1);
  }
}
