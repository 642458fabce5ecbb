package com.thorbis.backup.storage.internal.verify;

import com.thorbis.backup.api.VerifyRequest;

/** What is left of a budget. Safe for several threads. */
final class Allowance {
  private final VerifyRequest.Budget budget;
  private final long started = System.nanoTime();
  private long objects;
  private long bytes;

  Allowance(VerifyRequest.Budget budget) {
    this.budget = budget;
  }

  /** Whether one more object may be opened, which counts then; the first one always may. */
  synchronized boolean take(long length) {
    boolean spent =
        budget.bytes().isPresent() && bytes >= budget.bytes().getAsLong()
            || budget.time().isPresent()
                && System.nanoTime() - started >= budget.time().get().toNanos();
    if (spent && objects > 0) {
      return false;
    }
    objects++;
    bytes += length;
    return true;
  }

  synchronized long objects() {
    return objects;
  }

  synchronized long bytes() {
    return bytes;
  }
}
