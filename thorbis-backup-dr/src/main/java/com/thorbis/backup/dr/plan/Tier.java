package com.thorbis.backup.dr.plan;

import java.time.Duration;
import java.util.List;

/**
 * Applications that come back together.
 *
 * @param id its stable id
 * @param name for people
 * @param priority the lowest number comes back first
 * @param rto how long it may be away
 * @param rpo how much of its past may be lost
 * @param applications what it holds
 * @param sources what it needs back, by the names of {@link ProtectedSource}
 */
public record Tier(
    String id,
    String name,
    int priority,
    Duration rto,
    Duration rpo,
    List<Application> applications,
    List<String> sources) {
  /** Copies the lists. */
  public Tier {
    applications = List.copyOf(applications);
    sources = List.copyOf(sources);
  }

  /**
   * One application.
   *
   * @param id its stable id
   * @param dependsOn the applications, of any tier, that it does not work without
   */
  public record Application(String id, List<String> dependsOn) {
    /** Copies the list. */
    public Application {
      dependsOn = List.copyOf(dependsOn);
    }
  }
}
