package com.thorbis.backup.storage.internal;

import com.thorbis.backup.storage.internal.lease.Heartbeat;
import java.time.Duration;

/**
 * Numbers that hosts need not choose and tests do.
 *
 * @param checkpointEvery after how many commits a checkpoint is written
 * @param sweepBatch how many objects a sweep names at once, and removes before it looks again
 * @param removalsAtOnce how many objects a sweep removes at the same time: it waits for answers,
 *     not for a processor
 * @param leaseLasts how long a lease counts that is not renewed
 * @param heartbeat renews leases
 * @param pause waits until what was asked for can be read
 * @param triesStores whether a process has stores tried that its machine knows nothing of
 */
public record Tuning(
    int checkpointEvery,
    int sweepBatch,
    int removalsAtOnce,
    Duration leaseLasts,
    Heartbeat heartbeat,
    Pause pause,
    boolean triesStores) {
  /** What hosts get. */
  public static final Tuning STANDARD =
      new Tuning(100, 1000, 8, Duration.ofMinutes(30), Heartbeat.DAEMON, Pause.REAL, true);
}
