package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RecoveryTarget;

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

  private static String exclusive(boolean inclusive) {
    return inclusive ? "" : " (exclusive)";
  }
}
