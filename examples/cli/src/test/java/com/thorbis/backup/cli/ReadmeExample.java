package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.repository.RunControl;
import java.net.URI;
import java.nio.file.Path;
import java.util.Map;

/** What the README shows. */
final class ReadmeExample {
  private ReadmeExample() {}

  static void backUp(
      Path state, String url, String user, SecretValue password, SecretValue passphrase) {
    // README: begin
    ThorbisBackup.Builder builder =
        ThorbisBackup.builder()
            .stateDirectory(state)
            .copy(URI.create("file:///srv/backup"), Map.of())
            .recipient(URI.create("passphrase:main"), Map.of("passphrase", passphrase))
            .acceptSingleKeyRisk(true)
            .source("orders", "postgres", Map.of("url", url, "user", user, "password", password));
    try (ThorbisBackup thorbis = builder.build()) {
      thorbis.init();
      thorbis.backup(BackupRequest.builder("orders").build(), RunControl.unattended());
    }
    // README: end
  }
}
