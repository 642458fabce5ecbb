package com.thorbis.backup.api;

import java.time.Instant;
import java.util.Optional;

/**
 * Log that is missing between what is stored: moments in it cannot be restored.
 *
 * @param range what is missing
 * @param noticedAt when whoever captured the log gave it up; empty if nobody wrote that down
 * @param reason why, for people; empty likewise
 */
public record WalGap(WalRange range, Optional<Instant> noticedAt, Optional<String> reason) {
  /** A hole of which nobody wrote down how it came about. */
  public static WalGap unexplained(WalRange range) {
    return new WalGap(range, Optional.empty(), Optional.empty());
  }
}
