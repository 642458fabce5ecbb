package com.thorbis.backup.api;

import java.util.List;
import java.util.Optional;

/**
 * What verifying and repairing every copy did.
 *
 * @param checked how many objects were looked at, on all copies
 * @param repairs every damaged or missing object, repaired or not
 * @param problems the copies that could not be looked at, and why
 * @param durationMillis how long it took
 */
public record HealReport(
    long checked, List<Repair> repairs, List<String> problems, long durationMillis) {
  /** Copies the lists. */
  public HealReport {
    repairs = List.copyOf(repairs);
    problems = List.copyOf(problems);
  }

  /** Whether nothing that backups need is damaged any more. */
  public boolean whole() {
    return problems.isEmpty()
        && repairs.stream().allMatch(repair -> repair.healed() || !repair.referenced());
  }

  /**
   * One object on one copy.
   *
   * @param object its key
   * @param copy which copy
   * @param kind what was wrong, such as {@code altered}
   * @param referenced whether a backup or a recovery needs it
   * @param healed whether the copy has it whole now
   * @param from the copy that it was taken from
   * @param problem why it is not healed; empty if it is
   */
  public record Repair(
      String object,
      String copy,
      String kind,
      boolean referenced,
      boolean healed,
      Optional<String> from,
      String problem) {}
}
