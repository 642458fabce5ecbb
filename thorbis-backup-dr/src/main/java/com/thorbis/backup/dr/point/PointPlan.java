package com.thorbis.backup.dr.point;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.RestorePlan;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * How a recovery point would be brought back, in order.
 *
 * @param point which
 * @param parts each member
 */
public record PointPlan(RecoveryPoint point, List<Part> parts) {
  /** Copies the list. */
  public PointPlan {
    parts = List.copyOf(parts);
  }

  /**
   * A member.
   *
   * @param source whose it is
   * @param backup what it is brought back from, under its name now
   * @param target the folder it goes into; empty if a person brings it back
   * @param plan what would be written there
   * @param command what a person runs where there is no folder
   */
  public record Part(
      String source,
      BackupDescriptor backup,
      Optional<Path> target,
      Optional<RestorePlan> plan,
      Optional<String> command) {}
}
