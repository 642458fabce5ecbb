package com.thorbis.backup.api;

import java.time.Instant;
import java.util.regex.Pattern;

/** The moment that a restore recovers to (PostgreSQL 26.3.5). */
public sealed interface RecoveryTarget {

  /** As far as the archived log reaches. */
  record Latest() implements RecoveryTarget {}

  /** The first moment at which the backup is consistent. */
  record Immediate() implements RecoveryTarget {}

  /**
   * A moment in time.
   *
   * @param time compared with the commit times in the log, in microseconds
   * @param inclusive whether transactions that ended exactly then are kept
   */
  record AtTime(Instant time, boolean inclusive) implements RecoveryTarget {}

  /**
   * A log position.
   *
   * @param position the start of a log record
   * @param inclusive whether that record is replayed
   */
  record AtLsn(Lsn position, boolean inclusive) implements RecoveryTarget {}

  /**
   * The end of a transaction.
   *
   * @param xid its 32-bit id, 3 or more
   * @param inclusive whether that transaction is kept
   */
  record AtTransaction(long xid, boolean inclusive) implements RecoveryTarget {
    /** Checks the range. */
    public AtTransaction {
      if (xid < 3 || xid > 0xFFFFFFFFL) {
        throw new IllegalArgumentException("Not a transaction id: " + xid + " (3 to 4294967295)");
      }
    }
  }

  /**
   * A restore point made with {@code pg_create_restore_point}.
   *
   * @param name 1 to 63 bytes in UTF-8, no control characters
   */
  record AtName(String name) implements RecoveryTarget {
    private static final Pattern CONTROL = Pattern.compile("\\p{Cntrl}");

    /** Checks that PostgreSQL can have a restore point of this name. */
    public AtName {
      int length = name.getBytes(java.nio.charset.StandardCharsets.UTF_8).length;
      if (length == 0 || length > 63 || CONTROL.matcher(name).find()) {
        throw new IllegalArgumentException(
            "Not a restore point name: 1 to 63 bytes without control characters");
      }
    }
  }
}
