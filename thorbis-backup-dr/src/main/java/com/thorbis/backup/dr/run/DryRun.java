package com.thorbis.backup.dr.run;

import java.util.List;

/**
 * What a run would do, as far as looking tells.
 *
 * @param plan what would be carried out
 * @param planDigest what its approvals would be bound to
 * @param steps in order
 */
public record DryRun(RunPlan plan, String planDigest, List<Planned> steps) {
  /** Copies the list. */
  public DryRun {
    steps = List.copyOf(steps);
  }

  /**
   * A step that would be carried out.
   *
   * @param task the step
   * @param would what would be done
   * @param found what its check found now; a step that follows others may find more when they are
   *     done
   * @param undoes whether it could be undone
   */
  public record Planned(Task task, String would, Result found, boolean undoes) {}
}
