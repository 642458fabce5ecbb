package com.thorbis.backup.cli;

import com.thorbis.backup.api.RecoveryTarget;
import java.time.Instant;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The moment to go to, as it stands on the command line: one of these. */
final class Moment {
  @Option(names = "--latest", description = "As far as the stored log reaches.")
  boolean latest;

  @Option(
      names = "--to-time",
      paramLabel = "TIME",
      description = "With a zone, such as 2026-01-02T03:04:05Z.")
  @Nullable String time;

  @Option(names = "--to-lsn", paramLabel = "LSN", description = "Such as 16/3002D50.")
  @Nullable String lsn;

  @Option(names = "--to-xid", paramLabel = "XID", description = "The end of a transaction.")
  @Nullable Long xid;

  @Option(
      names = "--to-name",
      paramLabel = "NAME",
      description = "A restore point made with pg_create_restore_point.")
  @Nullable String name;

  @Option(
      names = "--immediate",
      description = "The first moment at which the backup is consistent.")
  boolean immediate;

  /** The latest moment where none is given. */
  static RecoveryTarget target(@Nullable Moment given, boolean exclusive) {
    boolean inclusive = !exclusive;
    if (given != null && given.time != null) {
      Instant time = Times.parse("--to-time", given.time);
      return new RecoveryTarget.AtTime(time, inclusive);
    }
    if (given != null && given.lsn != null) {
      return new RecoveryTarget.AtLsn(Words.lsn("--to-lsn", given.lsn), inclusive);
    }
    if (given != null && given.xid != null) {
      try {
        return new RecoveryTarget.AtTransaction(given.xid, inclusive);
      } catch (IllegalArgumentException e) {
        throw Failure.usage("--to-xid: " + e.getMessage(), "Write one in that range.");
      }
    }
    if (exclusive) {
      throw Failure.usage(
          "--exclusive says nothing without a time, position or transaction",
          "Add --to-time, --to-lsn or --to-xid, or leave it out.");
    }
    if (given != null && given.name != null) {
      try {
        return new RecoveryTarget.AtName(given.name);
      } catch (IllegalArgumentException e) {
        throw Failure.usage("--to-name: " + e.getMessage(), "Write the name it was made with.");
      }
    }
    return given != null && given.immediate
        ? new RecoveryTarget.Immediate()
        : new RecoveryTarget.Latest();
  }
}
