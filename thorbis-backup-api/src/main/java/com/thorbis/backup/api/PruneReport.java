package com.thorbis.backup.api;

import java.util.List;

/**
 * What pruning did.
 *
 * @param plan what it carried out
 * @param deleted backups that were given up; whole, and able to come back, until their grace is
 *     over
 * @param swept backups that were given up earlier and whose bytes are gone now
 * @param objectsRemoved how many objects were removed
 * @param bytesFreed how many bytes they had
 * @param unknown names in the source's folders that no repository uses: left alone
 * @param alarms what somebody must look at, the plan's own among them
 */
public record PruneReport(
    PrunePlan plan,
    List<BackupId> deleted,
    List<BackupId> swept,
    long objectsRemoved,
    long bytesFreed,
    List<String> unknown,
    List<String> alarms) {
  /** Copies the lists. */
  public PruneReport {
    deleted = List.copyOf(deleted);
    swept = List.copyOf(swept);
    unknown = List.copyOf(unknown);
    alarms = List.copyOf(alarms);
  }
}
