package com.thorbis.backup.api;

import java.time.Duration;

/**
 * How to wrap every key to the recipients that are configured now.
 *
 * @param anew also for those who open it already, as when a service has a new version of its key
 * @param grace how long the slots that no longer count stay, for processes that have not read the
 *     change
 */
public record RewrapRequest(boolean anew, Duration grace) {
  /** Checks the grace. */
  public RewrapRequest {
    if (grace.isNegative()) {
      throw new IllegalArgumentException("grace: " + grace);
    }
  }

  /** What is missing or too much, with the grace of a prune. */
  public static RewrapRequest standard() {
    return new RewrapRequest(false, PruneRequest.GRACE);
  }
}
