package com.thorbis.backup.api;

import java.io.IOException;
import java.io.InterruptedIOException;

/**
 * Does something once for all who wait for it. Whoever asks while it is done waits for the next
 * time, together with all who ask until then, as this time may have begun too early to see what
 * they have to see. Safe for several threads.
 */
final class SharedRun {
  private long begun;
  private long succeeded;
  private boolean running;
  private int waiting;

  /** What is done. */
  @FunctionalInterface
  interface Work {
    /** Does it; fails for whoever did it alone, and those that wait do it themselves. */
    void run() throws IOException;
  }

  /** Returns when it was begun after this was called, and has succeeded. */
  void run(Work work) throws IOException {
    if (!begin()) {
      return;
    }
    boolean done = false;
    try {
      work.run();
      done = true;
    } finally {
      end(done);
    }
  }

  /** Whether to do it; false if somebody else has. */
  private synchronized boolean begin() throws InterruptedIOException {
    long least = begun + 1;
    waiting++;
    try {
      while (running && succeeded < least) {
        wait();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while waiting for another thread");
    } finally {
      waiting--;
    }
    if (succeeded >= least) {
      return false;
    }
    running = true;
    begun++;
    return true;
  }

  private synchronized void end(boolean done) {
    running = false;
    if (done) {
      succeeded = begun;
    }
    notifyAll();
  }

  /** How many wait now. */
  synchronized int waiting() {
    return waiting;
  }
}
