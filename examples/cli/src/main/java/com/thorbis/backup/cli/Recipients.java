package com.thorbis.backup.cli;

import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.crypto.RecoveryPublicKey;
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
    if (recoveryKeyFile != null) {
      Path file = host.folder().resolve(recoveryKeyFile);
      return config
          .builder()
          .acceptSingleKeyRisk(true)
          .recipient(URI.create("recovery:kit"), Map.of("key-file", file.toString()));
    }
    ThorbisBackup.Builder builder = named(config);
    if (config.makesRecoveryKey()) {
      RecoveryMemory memory = new RecoveryMemory(config);
      builder.recipient(recovery(memory.recall().orElseThrow(memory::unknown)), Map.of());
    }
    return builder;
  }

  /** A builder with everything but the recovery key that {@code init} makes. */
  static ThorbisBackup.Builder named(Config config) {
    ThorbisBackup.Builder builder = config.builder();
    for (Config.Recipient recipient : config.recipients()) {
      recipient.uri().ifPresent(uri -> builder.recipient(uri, recipient.settings()));
    }
    return builder;
  }

  private static URI recovery(RecoveryPublicKey key) {
    return URI.create(RecoveryKeyProvider.SCHEME + ":" + key.text());
  }
}
