package com.thorbis.backup.api;

import java.time.Duration;
import java.util.Optional;
import java.util.Set;

/**
 * Which trees get a new key.
 *
 * @param sources of these alone; empty: of every source, and of the repository
 * @param olderThan only those whose last key is older, by the store's time; empty: all of them
 */
public record RotateRequest(Set<String> sources, Optional<Duration> olderThan) {
  /** How long a key is used, unless chosen otherwise. Later is never a reason to stop. */
  public static final Duration INTERVAL = Duration.ofDays(30);

  /** Copies the set. */
  public RotateRequest {
    sources = Set.copyOf(sources);
  }

  /** Every tree, now. */
  public static RotateRequest all() {
    return new RotateRequest(Set.of(), Optional.empty());
  }

  /** Every tree whose last key is older than {@link #INTERVAL}. */
  public static RotateRequest due() {
    return new RotateRequest(Set.of(), Optional.of(INTERVAL));
  }
}
