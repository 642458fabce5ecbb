package com.thorbis.backup.crypto.internal;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;

/** What the factories share. */
final class Recipients {
  private Recipients() {}

  static SecretValue requireSecret(Settings settings, String key) {
    return settings
        .findSecret(key)
        .orElseThrow(() -> invalid(settings.describe(key), "is missing"));
  }

  static BackupException invalid(String setting, String problem) {
    return BackupException.of(
            "configuration.invalid", FailureKind.CONFIGURATION, setting + " " + problem)
        .remedy("Correct " + setting + ".")
        .build();
  }
}
