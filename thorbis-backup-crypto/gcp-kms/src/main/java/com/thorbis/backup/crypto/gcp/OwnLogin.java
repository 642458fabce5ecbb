package com.thorbis.backup.crypto.gcp;

import com.google.auth.Credentials;
import com.google.auth.oauth2.GoogleCredentials;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Credentials that settings describe, found when first needed: that may ask a service. */
final class OwnLogin implements Calls.Login {
  private static final String SCOPE = "https://www.googleapis.com/auth/cloudkms";

  private final Optional<Path> file;
  private @Nullable Credentials found;

  private OwnLogin(Optional<Path> file) {
    this.file = file;
  }

  static OwnLogin of(Optional<Path> file) {
    return new OwnLogin(file);
  }

  @Override
  public synchronized Credentials credentials() throws IOException {
    if (found == null) {
      found = read().createScoped(SCOPE);
    }
    return found;
  }

  private GoogleCredentials read() throws IOException {
    if (file.isEmpty()) {
      return GoogleCredentials.getApplicationDefault();
    }
    try (InputStream in = Files.newInputStream(file.get())) {
      return GoogleCredentials.fromStream(in);
    }
  }
}
