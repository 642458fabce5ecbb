package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.Erasure;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.TableName;
import com.thorbis.backup.api.Timeline;

/** Reads what stands on the command line, and says moments in words. */
final class Words {
  private Words() {}

  static BackupId backupId(String text) {
    try {
      return new BackupId(text);
    } catch (IllegalArgumentException e) {
      throw Failure.usage(String.valueOf(e.getMessage()), "See the ids there are with list.");
    }
  }

  static Lsn lsn(String option, String text) {
    try {
      return Lsn.parse(text);
    } catch (IllegalArgumentException e) {
      throw Failure.usage(
          option + ": \"" + text + "\" is not a log position", "Write one such as 16/3002D50.");
    }
  }

  static Timeline timeline(String text) {
    try {
      return new Timeline(Integer.parseUnsignedInt(text));
    } catch (IllegalArgumentException e) {
      throw Failure.usage(
          "--timeline: \"" + text + "\" is neither a number from 1 nor latest", "Write one.");
    }
  }

  static TableName table(String text) {
    try {
      return TableName.parse(text);
    } catch (IllegalArgumentException e) {
      throw Failure.usage(
          "--table: " + e.getMessage(),
          "Write such as orders.public.invoices; a part with a dot in double quotes, and these in"
              + " single ones for the shell.");
    }
  }

  /** What became of a source that is to be erased, or was. */
  static String erasure(Erasure one) {
    Erasure.Act last = one.erased().orElse(one.requested());
    return one.source()
        + switch (one.stage()) {
          case REQUESTED ->
              " may be erased for good from "
                  + Text.time(one.notBefore())
                  + " on; until then keys unerase takes it back";
          case ERASING ->
              " was erased at " + Text.time(last.at()) + "; a copy may still have slots";
          case ERASED -> " was erased at " + Text.time(last.at());
        }
        + ": asked for, or done, by "
        + last.by()
        + " ("
        + one.reason()
        + ")";
  }

  static String target(RecoveryTarget target) {
    if (target instanceof RecoveryTarget.AtTime at) {
      return "time " + at.time() + exclusive(at.inclusive());
    }
    if (target instanceof RecoveryTarget.AtLsn at) {
      return "lsn " + at.position() + exclusive(at.inclusive());
    }
    if (target instanceof RecoveryTarget.AtTransaction at) {
      return "xid " + at.xid() + exclusive(at.inclusive());
    }
    if (target instanceof RecoveryTarget.AtName at) {
      return "name " + at.name();
    }
    return target instanceof RecoveryTarget.Immediate ? "immediate" : "latest";
  }

  static String estimate(RestorePlan.Estimate estimate) {
    StringBuilder text = new StringBuilder("Estimated: about ");
    text.append(Text.span(estimate.files().toMillis())).append(" for the files");
    estimate
        .replay()
        .ifPresent(
            replay -> text.append(", ").append(Text.span(replay.toMillis())).append(" to replay"));
    estimate
        .bytesFetched()
        .ifPresent(bytes -> text.append(", ").append(Text.bytes(bytes)).append(" fetched"));
    return text.append(
            estimate.restores() == 0
                ? " (by figures of another machine: nothing was restored here yet)"
                : " (by the last restores on this host: " + estimate.restores() + ")")
        .toString();
  }

  private static String exclusive(boolean inclusive) {
    return inclusive ? "" : " (exclusive)";
  }
}
