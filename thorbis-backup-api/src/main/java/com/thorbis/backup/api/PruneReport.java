package com.thorbis.backup.api;

import java.util.List;
import java.util.stream.Stream;

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
 * @param copies what went from single copies that have a retention of their own
 * @param moved what copies keep in another tier now
 */
public record PruneReport(
    PrunePlan plan,
    List<BackupId> deleted,
    List<BackupId> swept,
    long objectsRemoved,
    long bytesFreed,
    List<String> unknown,
    List<String> alarms,
    List<CopyReport> copies,
    List<TierMoves> moved) {
  /** Copies the lists. */
  public PruneReport {
    deleted = List.copyOf(deleted);
    swept = List.copyOf(swept);
    unknown = List.copyOf(unknown);
    alarms = List.copyOf(alarms);
    copies = List.copyOf(copies);
    moved = List.copyOf(moved);
  }

  /** Where nothing moved. */
  public PruneReport(
      PrunePlan plan,
      List<BackupId> deleted,
      List<BackupId> swept,
      long objectsRemoved,
      long bytesFreed,
      List<String> unknown,
      List<String> alarms,
      List<CopyReport> copies) {
    this(plan, deleted, swept, objectsRemoved, bytesFreed, unknown, alarms, copies, List.of());
  }

  /** The same with what moved, and what somebody must look at about that. */
  public PruneReport moving(List<TierMoves> moves, List<String> more) {
    return new PruneReport(
        plan,
        deleted,
        swept,
        objectsRemoved,
        bytesFreed,
        unknown,
        Stream.concat(alarms.stream(), more.stream()).toList(),
        copies,
        moves);
  }

  /**
   * What went from one copy, and from no other.
   *
   * @param copy what reports call it
   * @param letGo backups that it let go of; their bytes stay there until the grace is over
   * @param objectsRemoved how many objects were removed there
   * @param bytesFreed how many bytes they had
   */
  public record CopyReport(
      String copy, List<BackupId> letGo, long objectsRemoved, long bytesFreed) {
    /** Copies the list. */
    public CopyReport {
      letGo = List.copyOf(letGo);
    }
  }
}
