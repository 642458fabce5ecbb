package com.thorbis.backup.dr.point;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
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

  /** Whether each member can be brought back, into its folder or by hand. */
  public boolean possible() {
    return parts.stream().allMatch(part -> part.failure().isEmpty());
  }

  /**
   * A member.
   *
   * @param member which
   * @param backup what it is brought back from, under its name now; empty if there is none
   * @param target the folder it goes into; empty if a person brings it back, or nobody can
   * @param plan what would be written there
   * @param command what a person runs where there is no folder
   * @param failure why it cannot be brought back
   */
  public record Part(
      RecoveryPoint.Member member,
      Optional<BackupDescriptor> backup,
      Optional<Path> target,
      Optional<RestorePlan> plan,
      Optional<String> command,
      Optional<BackupException> failure) {
    static Part impossible(RecoveryPoint.Member member, BackupException failure) {
      return new Part(
          member,
          Optional.empty(),
          Optional.empty(),
          Optional.empty(),
          Optional.empty(),
          Optional.of(failure));
    }
  }
}
