package com.thorbis.backup.cli;

import java.time.Duration;
import java.util.Optional;

/**
 * What is promised of a source.
 *
 * @param owner who answers for it
 * @param rpo how much of its past may be lost
 * @param rto how long it may be away
 */
record Objectives(Optional<String> owner, Optional<Duration> rpo, Optional<Duration> rto) {
  static final Objectives NONE =
      new Objectives(Optional.empty(), Optional.empty(), Optional.empty());

  /** Reads {@code objectives} of a source. */
  static Objectives read(Section source) {
    Optional<Section> section = source.section("objectives");
    if (section.isEmpty()) {
      return NONE;
    }
    Objectives read =
        new Objectives(
            section.get().find("owner"),
            section.get().duration("rpo"),
            section.get().duration("rto"));
    section.get().finish();
    return read;
  }
}
