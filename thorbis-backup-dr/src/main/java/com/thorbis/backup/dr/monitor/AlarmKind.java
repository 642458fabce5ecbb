package com.thorbis.backup.dr.monitor;

import java.util.Arrays;
import java.util.Optional;

/** What can be wrong. Constants may be added. */
public enum AlarmKind {
  /**
   * A source has no backup that a restore may start from, and never had one that is still there.
   */
  NEVER_SUCCEEDED("backup.never-succeeded"),
  /** The last good backup is older than it may be. */
  LATE("backup.late"),
  /** A time of the schedule and its window have passed, and no backup was taken. */
  MISSED("backup.missed"),
  /** Runs fail, and none has succeeded since. */
  FAILING("backup.failing"),
  /** A backup waits for its log for too long. */
  AWAITING_LOG("backup.awaiting-log"),
  /** A backup is much larger or smaller than those before it. */
  UNUSUAL_SIZE("backup.unusual-size"),
  /** Much more or much less changed than before. */
  UNUSUAL_CHURN("backup.unusual-churn"),
  /** A backup took much longer than those before it. */
  UNUSUAL_DURATION("backup.unusual-duration"),
  /** Log is missing. */
  GAP("wal.gap"),
  /** The newest change that is stored is older than it may be. */
  LAG("wal.lag"),
  /** The slot keeps so much log that it is, or soon will be, given up. */
  SLOT("wal.slot-budget"),
  /** A restored cluster runs and is not protected until it is adopted. */
  FENCED("source.fenced"),
  /** A source is to be erased, or was and is not gone everywhere. */
  ERASURE("source.erasure"),
  /** A recipient does not open every key, or soon will not. */
  KEY_REFUSED("key.does-not-open"),
  /** What wraps a key is missing or damaged. */
  KEY_DAMAGED("key.slot-damaged"),
  /** A key is used for longer than it should be. */
  KEY_OLD("key.too-old"),
  /** A copy lacks what others hold. */
  COPY_BEHIND("copy.behind"),
  /** A copy gives no answer. */
  COPY_UNREACHABLE("copy.unreachable"),
  /** A copy is not what it should be. */
  COPY_WRONG("copy.wrong"),
  /** Somebody wrote to the repository who may not. */
  FOREIGN_COMMIT("repository.foreign-commit"),
  /** No drill was ever done where they are expected. */
  DRILL_NEVER("drill.never"),
  /** The last drill that passed is too long ago. */
  DRILL_STALE("drill.stale"),
  /** Plan, environment or version are others than those of the last drill that passed. */
  DRILL_OUTDATED("drill.outdated"),
  /** The last drill failed. */
  DRILL_FAILING("drill.failing"),
  /** Clocks disagree, so ages cannot be trusted. */
  CLOCK("clock.skew"),
  /** Something could not be looked at: that is not the same as healthy. */
  NOT_LOOKED("monitor.could-not-look"),
  /** Somebody could not be told. */
  NOTIFIER("notify.failed"),
  /** A recovery that is being carried out tells people something. */
  RECOVERY("recovery.message"),
  /** A recovery failed, or was stopped before it ended well. */
  RECOVERY_FAILED("recovery.failed"),
  /** A recovery waits for what is overdue, or nobody carries it out. */
  RECOVERY_BLOCKED("recovery.blocked"),
  /** What a recovery is for has been seen for long enough, and none goes on. */
  TRIGGER("recovery.due"),
  /** A restore failed. */
  RESTORE_FAILED("restore.failed"),
  /** More of a tier would be lost now than is promised. */
  TIER_RPO("tier.loss"),
  /** A tier came back later than is promised when that was last measured. */
  TIER_RTO("tier.time"),
  /** A copy that a tier could be recovered from is not as it should be. */
  TIER_COPIES("tier.copies"),
  /** The signal that others wait for could not be given. */
  HEARTBEAT("heartbeat.failed");

  private final String code;

  AlarmKind(String code) {
    this.code = code;
  }

  /** The name in records and on the command line; never changes. */
  public String code() {
    return code;
  }

  /** The kind of this code; empty if there is none. */
  public static Optional<AlarmKind> ofCode(String code) {
    return Arrays.stream(values()).filter(one -> one.code.equals(code)).findFirst();
  }
}
