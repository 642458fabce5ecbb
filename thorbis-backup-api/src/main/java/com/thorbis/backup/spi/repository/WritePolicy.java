package com.thorbis.backup.spi.repository;

/**
 * When an object counts as written. Whatever the policy, the first copy decides and must have it.
 */
public enum WritePolicy {
  /** Every copy must have it. */
  ALL("all"),
  /** More than half of the copies must have it, the first among them. */
  QUORUM("quorum"),
  /** The first must have it; the others catch up by a sync. */
  PRIMARY("primary");

  private final String label;

  WritePolicy(String label) {
    this.label = label;
  }

  /** The name in configurations; never changes. */
  public String label() {
    return label;
  }

  /** How many of so many copies must have an object. */
  public int required(int copies) {
    return switch (this) {
      case ALL -> copies;
      case QUORUM -> copies / 2 + 1;
      case PRIMARY -> 1;
    };
  }
}
