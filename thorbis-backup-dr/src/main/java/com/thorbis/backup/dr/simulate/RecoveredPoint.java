package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.api.Lsn;
import java.time.Instant;
import java.util.Optional;

/**
 * The moment that damaged data was brought back to. Nobody has told it: it was found by restoring
 * and looking.
 *
 * @param moment at which the data is sound; empty: it is at the end of the log, and nothing was
 *     given up
 * @param damaged the first later moment that is known to be damaged
 * @param looks how often was restored and looked
 * @param atEnd what is wrong at the end of the log, which shows that looking finds the damage
 * @param reached where the recovered server left the log
 * @param end where the damaged server's log ends
 */
public record RecoveredPoint(
    Optional<Instant> moment,
    Optional<Instant> damaged,
    int looks,
    String atEnd,
    Lsn reached,
    Lsn end) {
  /** How much log was given up. */
  public long bytesGivenUp() {
    return moment.isEmpty() ? 0 : Math.max(0, end.value() - reached.value());
  }

  RecoveredPoint at(Instant other) {
    return new RecoveredPoint(Optional.of(other), damaged, looks, atEnd, reached, end);
  }

  RecoveredPoint reached(Lsn position) {
    return new RecoveredPoint(moment, damaged, looks, atEnd, position, end);
  }
}
