package com.thorbis.backup.api;

import java.time.Duration;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Whose backups are to be written anew under the key that seals what is new.
 *
 * @param source one source; empty: every one
 * @param beforeEpoch those that lie, even in part, under a key of a lower number, at least 2;
 *     empty: under any but the last
 * @param grace how long what they are replaced by can be taken back, and the old bytes stay
 */
public record RekeyRequest(Optional<String> source, OptionalInt beforeEpoch, Duration grace) {
  /** Checks the ranges. */
  public RekeyRequest {
    if (beforeEpoch.isPresent() && beforeEpoch.getAsInt() < 2) {
      throw new IllegalArgumentException("before epoch " + beforeEpoch.getAsInt());
    }
    if (grace.isNegative()) {
      throw new IllegalArgumentException("grace: " + grace);
    }
  }

  /** Of one source whatever lies under any key but its last, with the grace of a prune. */
  public static RekeyRequest of(String source) {
    return new RekeyRequest(Optional.of(source), OptionalInt.empty(), PruneRequest.GRACE);
  }
}
