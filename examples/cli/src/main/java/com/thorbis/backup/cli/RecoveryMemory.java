package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;

/** Remembers which recovery key a repository was made with, where the file does not say. */
final class RecoveryMemory {
  private RecoveryMemory() {}

  static BackupException unknown(Config config) {
    return BackupException.of(
            "configuration.recovery-key-unknown",
            FailureKind.CONFIGURATION,
            "recovery: names no key, and this account does not remember one for "
                + config.copies().get(0).uri())
        .remedy("Run init, or write recovery:FINGERPRINT as init printed it.")
        .build();
  }
}
