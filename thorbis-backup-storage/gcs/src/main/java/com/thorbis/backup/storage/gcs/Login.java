package com.thorbis.backup.storage.gcs;

import com.google.auth.oauth2.GoogleCredentials;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** Credentials from settings. */
final class Login {
  private Login() {}

  static void find(Settings settings, GcsObjectStore.Builder builder) throws StorageException {
    Optional<SecretValue> given = settings.findSecret("credentials");
    Optional<String> file = settings.find("credentials-file");
    boolean anonymous = settings.flag("anonymous", false);
    if ((given.isPresent() ? 1 : 0) + (file.isPresent() ? 1 : 0) + (anonymous ? 1 : 0) > 1) {
      throw GcsObjectStoreFactory.refused(
          "More than one of "
              + settings.describe("credentials")
              + ", credentials-file and anonymous is set",
          "Set one of them.");
    }
    if (anonymous) {
      builder.anonymous();
    } else if (given.isPresent()) {
      builder.credentials(require(given.get().useBytes(Login::parse), settings, "credentials"));
    } else if (file.isPresent()) {
      byte[] json;
      try {
        json = Files.readAllBytes(Path.of(file.get()));
      } catch (IOException e) {
        throw GcsObjectStoreFactory.refused(
            settings.describe("credentials-file") + ": " + file.get() + " cannot be read: " + e,
            "Let the account of this process read it, or correct the path.");
      }
      builder.credentials(require(parse(json), settings, "credentials-file"));
    }
  }

  /** Empty without the library's reason, which may quote what it read. */
  private static Optional<GoogleCredentials> parse(byte[] json) {
    try {
      return Optional.of(GoogleCredentials.fromStream(new ByteArrayInputStream(json)));
    } catch (IOException | RuntimeException e) {
      return Optional.empty();
    }
  }

  private static GoogleCredentials require(
      Optional<GoogleCredentials> parsed, Settings settings, String key) throws StorageException {
    return parsed.orElseThrow(
        () ->
            GcsObjectStoreFactory.refused(
                settings.describe(key) + " is not the JSON of credentials",
                "Use what Google Cloud gave out for a service account or for workload identity."));
  }
}
