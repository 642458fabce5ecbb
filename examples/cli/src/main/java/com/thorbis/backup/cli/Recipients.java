package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.crypto.SigningKey;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** Builders with those who can open the repository. */
final class Recipients {
  private Recipients() {}

  /** Every recipient: whoever writes wraps new keys for all of them. */
  static ThorbisBackup.Builder all(Config config) {
    ThorbisBackup.Builder builder = known(config);
    if (config.makesRecoveryKey() && new RecoveryMemory(config).recall().isEmpty()) {
      throw new RecoveryMemory(config).unknown("Run init, or write");
    }
    config.signingKey().ifPresent(file -> builder.signer(signingKey(file)));
    return builder;
  }

  /** Every recipient that can be named; enough to read with. */
  static ThorbisBackup.Builder known(Config config) {
    ThorbisBackup.Builder builder = named(config);
    if (config.makesRecoveryKey()) {
      new RecoveryMemory(config)
          .recall()
          .ifPresent(
              key ->
                  builder.recipient(
                      URI.create(RecoveryKeyProvider.SCHEME + ":" + key.text()), Map.of()));
    }
    // Whoever only reads may be another account, from which the key is kept.
    config
        .signingKey()
        .filter(Files::isReadable)
        .ifPresent(file -> builder.signer(signingKey(file)));
    return builder;
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw BackupException.of(
              "configuration.file-unreadable",
              FailureKind.CONFIGURATION,
              "repository.sealed-writer: " + file + " cannot be read: " + e)
          .remedy("Bring what keys sealed-writer made here.")
          .cause(e)
          .build();
    }
  }

  static SigningKey signingKey(Path file) {
    try {
      return SigningKey.read(file);
    } catch (IOException e) {
      throw BackupException.from(e);
    }
  }

  /** Every recipient but the recovery key that {@code init} makes. */
  static ThorbisBackup.Builder named(Config config) {
    ThorbisBackup.Builder builder = config.builder();
    config.sealed().ifPresent(file -> builder.sealed(read(file)));
    for (Config.Recipient recipient : config.recipients()) {
      recipient.uri().ifPresent(uri -> builder.recipient(uri, recipient.settings()));
    }
    return builder;
  }

  /** The recovery key alone, from a file; the configured recipients may be lost. */
  static ThorbisBackup.Builder recoveryKey(Config config, Path file) {
    return config
        .builder()
        .acceptSingleKeyRisk(true)
        .readOnly(true)
        .recipient(
            URI.create(RecoveryKeyProvider.SCHEME + ":file"), Map.of("key-file", file.toString()));
  }
}
