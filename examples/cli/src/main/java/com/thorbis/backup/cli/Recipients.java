package com.thorbis.backup.cli;

import com.thorbis.backup.api.ThorbisBackup;
import java.net.URI;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Gives a builder those who can open the repository. */
final class Recipients {
  private Recipients() {}

  /**
   * A builder with everything that is configured.
   *
   * @param recoveryKeyFile holds the recovery key that opens instead of the configured recipients
   */
  static ThorbisBackup.Builder addTo(Config config, Host host, @Nullable Path recoveryKeyFile) {
    ThorbisBackup.Builder builder = config.builder();
    if (recoveryKeyFile != null) {
      Path file = host.folder().resolve(recoveryKeyFile);
      return builder
          .acceptSingleKeyRisk(true)
          .recipient(URI.create("recovery:kit"), Map.of("key-file", file.toString()));
    }
    for (Config.Recipient recipient : config.recipients()) {
      builder.recipient(
          recipient.uri().orElseThrow(() -> RecoveryMemory.unknown(config)), recipient.settings());
    }
    return builder;
  }
}
