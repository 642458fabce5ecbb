package com.thorbis.backup.api;

import java.util.List;

/**
 * What bringing the copies up to each other did.
 *
 * @param copies each copy, in the order of the configuration
 * @param durationMillis how long it took
 */
public record SyncReport(List<CopySync> copies, long durationMillis) {
  /** Copies the list. */
  public SyncReport {
    copies = List.copyOf(copies);
  }

  /** Whether every copy holds everything now. */
  public boolean complete() {
    return copies.stream().allMatch(copy -> copy.problems().isEmpty());
  }

  /**
   * One copy.
   *
   * @param name what reports call it
   * @param objects how many objects it was given
   * @param bytes how many bytes those have
   * @param problems what keeps it from holding everything; empty if it does
   */
  public record CopySync(String name, long objects, long bytes, List<String> problems) {
    /** Copies the list. */
    public CopySync {
      problems = List.copyOf(problems);
    }
  }
}
