package com.thorbis.backup.api;

import java.util.Optional;

/**
 * What a live server says of its log.
 *
 * @param written where the log that it has written ends
 * @param slot what keeps log for us; empty if there is no such slot
 */
public record ServerLog(Lsn written, Optional<Slot> slot) {
  /**
   * A replication slot.
   *
   * @param name its name
   * @param active whether somebody reads from it
   * @param lost whether log that it should have kept is gone
   * @param keptBytes how much log it keeps
   * @param budgetBytes how much it may keep before it is given up
   */
  public record Slot(String name, boolean active, boolean lost, long keptBytes, long budgetBytes) {}
}
