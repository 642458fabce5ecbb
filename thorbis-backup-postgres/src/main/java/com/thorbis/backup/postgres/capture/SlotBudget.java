package com.thorbis.backup.postgres.capture;

import java.time.Duration;

/**
 * How much WAL the slot makes the server keep, against what it may. It is exceeded when there is
 * more, and has not become less for a while: whoever catches up is not stopped. Safe for several
 * threads.
 */
final class SlotBudget {
  private static final int ALARM_PERCENT = 75;
  private static final int CALM_PERCENT = 50;

  private final long bytes;
  private final long patienceNanos;

  private boolean alarmed;
  private boolean over;
  private long most;
  private long since;

  /**
   * A budget.
   *
   * @param bytes how much; 0 or less for any amount
   * @param patience for how long there may be more without becoming less
   */
  SlotBudget(long bytes, Duration patience) {
    this.bytes = bytes;
    this.patienceNanos = patience.toNanos();
  }

  /** What a look at the slot shows. */
  enum Finding {
    /** Nothing new. */
    NOTHING,
    /** It is near the budget; said once until it was far from it again. */
    NEAR,
    /** It has been over the budget for a while and did not become less. */
    EXCEEDED
  }

  /**
   * Judges a look.
   *
   * @param kept how many bytes the server keeps
   * @param nanos when, as {@link System#nanoTime} counts
   */
  synchronized Finding look(long kept, long nanos) {
    if (bytes <= 0) {
      return Finding.NOTHING;
    }
    if (kept <= bytes) {
      over = false;
    } else if (!over || kept < most) {
      over = true;
      most = kept;
      since = nanos;
    } else if (nanos - since >= patienceNanos) {
      return Finding.EXCEEDED;
    }
    long percent = percent(kept);
    if (percent < CALM_PERCENT) {
      alarmed = false;
    } else if (percent >= ALARM_PERCENT && !alarmed) {
      alarmed = true;
      return Finding.NEAR;
    }
    return Finding.NOTHING;
  }

  /** Begins anew, for another slot. */
  synchronized void reset() {
    over = false;
    alarmed = false;
  }

  /** How much of the budget an amount is. */
  long percent(long kept) {
    return kept / Math.max(1, bytes / 100);
  }

  /** The budget. */
  long bytes() {
    return bytes;
  }
}
