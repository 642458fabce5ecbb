package com.thorbis.backup.api;

import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What to verify.
 *
 * @param backup one backup; empty for every object of every copy, referenced or not
 * @param level how closely
 * @param samplePercent 1 to 100: which share of the pieces is opened at level {@code DATA}
 * @param budget how much is opened at most; only where everything is verified at level {@code DATA}
 *     and nothing is sampled
 * @param thaw whether what must be brought back before it can be read is asked for and waited for,
 *     which costs time and money; otherwise it is not opened and the report says so. Only at level
 *     {@code DATA} and without a budget
 */
public record VerifyRequest(
    Optional<BackupId> backup,
    Level level,
    int samplePercent,
    Optional<Budget> budget,
    boolean thaw) {
  /** Checks the range. */
  public VerifyRequest {
    if (samplePercent < 1 || samplePercent > 100) {
      throw new IllegalArgumentException("sample: " + samplePercent + " (1 to 100 percent)");
    }
    if (budget.isPresent() && (backup.isPresent() || level != Level.DATA || samplePercent != 100)) {
      throw new IllegalArgumentException(
          "A budget is for every byte of everything, not for one backup, a level or a sample");
    }
    if (thaw && (budget.isPresent() || level != Level.DATA)) {
      throw new IllegalArgumentException("Bringing back is for what is read, and has no budget");
    }
  }

  /** Of what can be read at once. */
  public VerifyRequest(
      Optional<BackupId> backup, Level level, int samplePercent, Optional<Budget> budget) {
    this(backup, level, samplePercent, budget, false);
  }

  /** The same, and what must be brought back before it can be read is brought back. */
  public VerifyRequest thawing() {
    return new VerifyRequest(backup, level, samplePercent, budget, true);
  }

  /** Without a budget. */
  public VerifyRequest(Optional<BackupId> backup, Level level, int samplePercent) {
    this(backup, level, samplePercent, Optional.empty());
  }

  /** Every byte of everything, some of it in each run: what was proven longest ago comes first. */
  public static VerifyRequest within(Budget budget) {
    return new VerifyRequest(Optional.empty(), Level.DATA, 100, Optional.of(budget));
  }

  /** How closely to look. Constants may be added. */
  public enum Level {
    /** Presence and length. */
    OBJECTS,
    /** Every byte is opened and compared. */
    DATA
  }

  /**
   * How much a run opens. It ends with the object that reaches either limit; each copy gets its
   * share, and at least one object.
   *
   * @param bytes sealed bytes, at least 1; empty for any number
   * @param time more than zero; empty for as long as it takes
   */
  public record Budget(OptionalLong bytes, Optional<Duration> time) {
    /** Checks the ranges. */
    public Budget {
      if (bytes.isPresent() && bytes.getAsLong() < 1
          || time.isPresent() && (time.get().isNegative() || time.get().isZero())) {
        throw new IllegalArgumentException("A budget of " + bytes + " and " + time);
      }
    }

    /** So many bytes, however long they take. */
    public static Budget ofBytes(long bytes) {
      return new Budget(OptionalLong.of(bytes), Optional.empty());
    }

    /** For so long. */
    public static Budget ofTime(Duration time) {
      return new Budget(OptionalLong.empty(), Optional.of(time));
    }
  }
}
