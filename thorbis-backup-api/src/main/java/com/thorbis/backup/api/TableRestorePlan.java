package com.thorbis.backup.api;

import java.nio.file.Path;
import java.util.List;

/**
 * How tables would be brought back. Whether they existed at that moment shows only when the
 * throw-away server has reached it.
 *
 * @param restore the proven way to the moment, with the files of the tables' database alone
 * @param workDirectory below which the throw-away server would lie
 * @param neededBytes how much room it needs there, as far as can be told
 * @param freeBytes how much there is
 * @param tools which of PostgreSQL's programs would be used
 */
public record TableRestorePlan(
    RestorePlan restore, Path workDirectory, long neededBytes, long freeBytes, List<String> tools) {
  /** Copies the list. */
  public TableRestorePlan {
    tools = List.copyOf(tools);
  }
}
