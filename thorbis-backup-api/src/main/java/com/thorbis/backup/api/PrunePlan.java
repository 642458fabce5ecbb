package com.thorbis.backup.api;

import java.util.List;

/**
 * What pruning a source would do: the exact input of the run that does it. It lapses after half an
 * hour, and when commits made since would change it.
 *
 * @param retention what stays and goes, and why; as of the store's time
 * @param head the commit that it was made from
 * @param sweeps backups that were deleted earlier and whose grace is over
 * @param bytes about as many will come free when what goes is swept
 */
public record PrunePlan(RetentionPlan retention, long head, List<BackupId> sweeps, long bytes) {
  /** Copies the list. */
  public PrunePlan {
    sweeps = List.copyOf(sweeps);
  }
}
