package com.thorbis.backup.spi.secret;

/** What has to be so for a secret to be written. */
public sealed interface WriteCondition {
  /** Only if there is none of that name. */
  record IfAbsent() implements WriteCondition {}

  /**
   * Only if it is still at that version.
   *
   * @param version as the same target listed it
   */
  record IfVersion(String version) implements WriteCondition {
    /** Refuses what would hold whatever stands there. */
    public IfVersion {
      if (version.isEmpty()) {
        throw new IllegalArgumentException("A secret without a version fulfils no condition");
      }
    }
  }
}
