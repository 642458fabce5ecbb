package com.thorbis.backup.postgres.wal;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.spi.repository.WalMarks;
import java.time.Instant;

/** Told what the records of a log say, in the log's order. */
public interface WalListener {
  /** Listens to nothing. */
  WalListener NONE = new WalListener() {};

  /**
   * A transaction committed or aborted.
   *
   * @param record where its record starts
   * @param xid the 32-bit id recovery compares: of a prepared transaction, its own
   * @param time when, as recovery compares it
   */
  default void transactionEnded(Lsn record, long xid, Instant time, boolean committed) {}

  /** A named restore point. */
  default void restorePoint(WalMarks.RestorePoint point) {}

  /** Nothing is read before the next segment. */
  default void stopped(WalReader.Stop stop) {}
}
