package com.thorbis.backup.dr.point;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.RestoreReport;
import java.util.List;
import java.util.Optional;

/**
 * What became of each member of a recovery point that was brought back.
 *
 * @param point which
 * @param parts each member, in order
 */
public record PointReport(RecoveryPoint point, List<Part> parts) {
  /** Copies the list. */
  public PointReport {
    parts = List.copyOf(parts);
  }

  /** Whether everything that goes into a folder lies there; whoever does the rest by hand. */
  public boolean done() {
    return parts.stream().allMatch(part -> part.failure().isEmpty());
  }

  /**
   * A member.
   *
   * @param plan what was to be done
   * @param report what was done; empty if a person does it, or it failed
   * @param failure why it is not there; what lies in its folder is not whole then
   */
  public record Part(
      PointPlan.Part plan, Optional<RestoreReport> report, Optional<BackupException> failure) {}
}
