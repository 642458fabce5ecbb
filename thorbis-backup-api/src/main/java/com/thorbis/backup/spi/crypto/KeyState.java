package com.thorbis.backup.spi.crypto;

import java.time.Instant;
import java.util.Optional;

/** What a recipient's service says of its key. */
public sealed interface KeyState {
  /** It wraps and opens. */
  record Usable() implements KeyState {}

  /**
   * It opens nothing until somebody changes that.
   *
   * @param reason for people, such as {@code version 3 is disabled}
   */
  record Disabled(String reason) implements KeyState {}

  /**
   * Its destruction is scheduled. Once that is done, what it wrapped never opens again.
   *
   * @param at until when it can be called off; empty if the service does not tell
   */
  record PendingDeletion(Optional<Instant> at) implements KeyState {}
}
