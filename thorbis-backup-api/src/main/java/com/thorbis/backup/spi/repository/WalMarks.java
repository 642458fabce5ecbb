package com.thorbis.backup.spi.repository;

import com.thorbis.backup.api.Lsn;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What a stretch of WAL says about recovery targets; read from its records by the engine that
 * captured it, stored sealed beside it.
 *
 * @param firstEnd the earliest commit or abort time in it
 * @param lastEnd the latest commit or abort time in it
 * @param leastXid the least id of a transaction that ends in it
 * @param mostXid the greatest id of a transaction that ends in it
 * @param restorePoints the named restore points in it
 * @param lastRecord where its last whole record starts
 * @param asOf a moment by the server's clock at which the log reached no further than the end of
 *     this stretch
 */
public record WalMarks(
    Optional<Instant> firstEnd,
    Optional<Instant> lastEnd,
    OptionalLong leastXid,
    OptionalLong mostXid,
    List<RestorePoint> restorePoints,
    Optional<Lsn> lastRecord,
    Optional<Instant> asOf) {
  /** Nothing is known. */
  public static final WalMarks NONE =
      new WalMarks(
          Optional.empty(),
          Optional.empty(),
          OptionalLong.empty(),
          OptionalLong.empty(),
          List.of(),
          Optional.empty(),
          Optional.empty());

  /** Copies the list. */
  public WalMarks {
    restorePoints = List.copyOf(restorePoints);
  }

  /**
   * A named restore point.
   *
   * @param name as given to {@code pg_create_restore_point}
   * @param position where its record starts
   * @param time when it was made
   */
  public record RestorePoint(String name, Lsn position, Instant time) {}
}
