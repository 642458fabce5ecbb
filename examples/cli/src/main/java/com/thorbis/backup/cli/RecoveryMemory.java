package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.RecoveryPublicKey;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Optional;

/**
 * Remembers the public half of the recovery key that {@code init} made, where the configuration
 * does not say it. The repository knows it too, but somebody who can write there could put another
 * one in its place.
 */
final class RecoveryMemory {
  private final Config config;
  private final Path folder;
  private final Path file;

  RecoveryMemory(Config config) {
    this.config = config;
    this.folder = config.stateDirectory().resolve("recovery-keys");
    this.file = folder.resolve(name(config) + ".pub");
  }

  Optional<RecoveryPublicKey> recall() {
    try {
      return Optional.of(
          RecoveryPublicKey.parse(Files.readString(file, StandardCharsets.US_ASCII)));
    } catch (NoSuchFileException e) {
      return Optional.empty();
    } catch (IOException | IllegalArgumentException e) {
      throw BackupException.of(
              "state.unusable", FailureKind.PERMANENT, file + ": cannot be read: " + e.getMessage())
          .remedy("Write recovery:FINGERPRINT in the configuration, as init printed it.")
          .cause(e)
          .build();
    }
  }

  void remember(RecoveryPublicKey key) throws IOException {
    PrivateFiles.createFolder(folder);
    PrivateFiles.create(file, (key.text() + "\n").getBytes(StandardCharsets.US_ASCII));
  }

  BackupException unknown(String remedy) {
    return BackupException.of(
            "configuration.recovery-key-unknown",
            FailureKind.CONFIGURATION,
            "recovery: names no key, and this account does not remember the one of "
                + config.copies().get(0).uri())
        .remedy(remedy + " recovery:FINGERPRINT, as init printed it.")
        .build();
  }

  private static String name(Config config) {
    byte[] place = config.copies().get(0).uri().toString().getBytes(StandardCharsets.UTF_8);
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(place), 0, 16);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
