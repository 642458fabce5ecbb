package com.thorbis.backup.api;

import java.time.Duration;
import java.util.Optional;

/**
 * Which source's keys are to be destroyed, so that nothing of it can ever be read again.
 *
 * @param source its name
 * @param by who wants it, for the record
 * @param reason why, for the record; empty: only goes on with what was asked for before
 * @param delay how long it can be taken back, from when it is asked for
 */
public record EraseRequest(String source, String by, Optional<String> reason, Duration delay) {
  /** How long it can be taken back unless somebody says otherwise. */
  public static final Duration DELAY = Duration.ofDays(7);

  private static final int MOST_TEXT = 1000;

  /** Checks the texts and the delay. */
  public EraseRequest {
    require("by", by);
    reason.ifPresent(text -> require("reason", text));
    if (delay.isNegative()) {
      throw new IllegalArgumentException("delay: " + delay);
    }
  }

  private static void require(String name, String text) {
    if (text.isBlank() || text.length() > MOST_TEXT) {
      throw new IllegalArgumentException(name + ": not 1 to " + MOST_TEXT + " characters");
    }
  }
}
