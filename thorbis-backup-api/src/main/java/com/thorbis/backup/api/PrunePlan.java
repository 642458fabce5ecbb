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
 * @param copies what copies with a retention of their own let go of besides
 * @param tiers what copies that say so keep elsewhere as it ages, and what they do not, and why
 */
public record PrunePlan(
    RetentionPlan retention,
    long head,
    List<BackupId> sweeps,
    long bytes,
    List<CopyPlan> copies,
    List<TierMoves> tiers) {
  /** Copies the lists. */
  public PrunePlan {
    sweeps = List.copyOf(sweeps);
    copies = List.copyOf(copies);
    tiers = List.copyOf(tiers);
  }

  /** Where nothing moves. */
  public PrunePlan(
      RetentionPlan retention,
      long head,
      List<BackupId> sweeps,
      long bytes,
      List<CopyPlan> copies) {
    this(retention, head, sweeps, bytes, copies, List.of());
  }

  /** The same with what moves. */
  public PrunePlan moving(List<TierMoves> moves) {
    return new PrunePlan(retention, head, sweeps, bytes, copies, moves);
  }

  /**
   * What one copy keeps of what the repository keeps.
   *
   * @param copy what reports call it
   * @param place the id by which the copy is known again, whatever it is called
   * @param retention what stays and goes there, and why: one decision for each backup that the
   *     repository keeps and this copy holds
   * @param bytes about as many will come free there at most
   */
  public record CopyPlan(String copy, String place, RetentionPlan retention, long bytes) {}
}
