package com.thorbis.backup.postgres.wal;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.time.Instant;
import java.util.OptionalInt;

/** What differs between the major versions' logs. */
final class WalVersion {
  static final int OLDEST = 14;
  static final int NEWEST = 18;

  /** XLOG_PAGE_MAGIC from {@link #OLDEST} on. */
  private static final int[] MAGIC = {0xD10D, 0xD110, 0xD113, 0xD116, 0xD118};

  /** PostgreSQL counts microseconds from 2000-01-01 UTC. */
  private static final long EPOCH_SECONDS = 946_684_800L;

  private WalVersion() {}

  static int magic(int major) {
    if (major < OLDEST || major > NEWEST) {
      throw BackupException.of(
              "postgres.unsupported-version",
              FailureKind.CONFIGURATION,
              "PostgreSQL " + major + " is not supported")
          .remedy("Supported are the major versions " + OLDEST + " to " + NEWEST + ".")
          .detail("major", Integer.toString(major))
          .build();
    }
    return MAGIC[major - OLDEST];
  }

  static OptionalInt majorOf(int magic) {
    for (int i = 0; i < MAGIC.length; i++) {
      if (MAGIC[i] == magic) {
        return OptionalInt.of(OLDEST + i);
      }
    }
    return OptionalInt.empty();
  }

  static Instant instant(long microseconds) {
    return Instant.ofEpochSecond(
        EPOCH_SECONDS + Math.floorDiv(microseconds, 1_000_000L),
        Math.floorMod(microseconds, 1_000_000L) * 1_000L);
  }
}
