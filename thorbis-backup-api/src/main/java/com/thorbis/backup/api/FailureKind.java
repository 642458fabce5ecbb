package com.thorbis.backup.api;

/** What may be done about a failure. Constants may be added. */
public enum FailureKind {
  /** Not done; the same call may succeed later. */
  TRANSIENT,
  /** Not done; the same call fails again until something is changed. */
  PERMANENT,
  /** May have been done: look before doing anything else. Never repeat blindly, never clean up. */
  OUTCOME_UNKNOWN,
  /** Refused by a guard or a policy; nothing was changed. */
  REFUSED,
  /** What was asked for positively does not exist. */
  NOT_FOUND,
  /** Stored bytes are not what was stored. */
  DAMAGED,
  /** The request or the configuration is wrong. */
  CONFIGURATION,
  /** Stopped because the caller asked for it. */
  CANCELLED
}
