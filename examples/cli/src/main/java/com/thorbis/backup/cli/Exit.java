package com.thorbis.backup.cli;

import com.thorbis.backup.api.FailureKind;

/** What the process ends with. */
final class Exit {
  static final int DONE = 0;
  static final int FAILED = 1;
  static final int USAGE = 2;
  static final int DAMAGED = 3;
  static final int REFUSED = 4;
  static final int NOT_FOUND = 5;

  /**
   * The log file positively does not exist. A virtual machine that cannot start ends with 1, so the
   * launcher turns this one, and only this one, into the 1 that PostgreSQL takes for the end of the
   * log.
   */
  static final int WAL_ABSENT = 81;

  /** Anything else than delivered or absent: above 125, PostgreSQL stops instead of going on. */
  static final int WAL_TROUBLE = 126;

  private Exit() {}

  static int of(FailureKind kind) {
    return switch (kind) {
      case CONFIGURATION -> USAGE;
      case DAMAGED -> DAMAGED;
      case REFUSED -> REFUSED;
      case NOT_FOUND -> NOT_FOUND;
      default -> FAILED;
    };
  }
}
