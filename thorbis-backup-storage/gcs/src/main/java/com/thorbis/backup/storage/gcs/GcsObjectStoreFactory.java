package com.thorbis.backup.storage.gcs;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectStoreFactory;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.StoreRole;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.time.Duration;
import java.util.Optional;

/**
 * Opens {@code gs://bucket/prefix}. Settings, all optional:
 *
 * <ul>
 *   <li>{@code credentials}: the JSON of a service account or of workload identity, a secret;
 *       {@code credentials-file}: a file with it; neither: those of the environment
 *   <li>{@code anonymous}: {@code true} for no credentials at all, as with an emulator
 *   <li>{@code endpoint}: another address than Google's own; plain HTTP only on this machine, or
 *       with {@code dangerous-plain-http: true}
 *   <li>{@code piece-size} (8MiB), {@code connect-timeout} (10s), {@code read-timeout} (60s),
 *       {@code retry-for} (2m)
 *   <li>{@code lock-mode}: {@code locked}, which nobody can end before its time, or {@code
 *       unlocked}, which an account with a right of its own can
 * </ul>
 */
public final class GcsObjectStoreFactory implements ObjectStoreFactory {
  /** For the service loader. */
  public GcsObjectStoreFactory() {}

  @Override
  public String scheme() {
    return "gs";
  }

  @Override
  public Optional<String> policy(URI location, StoreRole role) throws IOException {
    return Optional.of(Policies.of(bucket(location), prefix(location), role));
  }

  private static String bucket(URI location) throws IOException {
    String bucket = location.getRawAuthority();
    if (location.isOpaque()
        || bucket == null
        || location.getRawQuery() != null
        || location.getRawFragment() != null) {
      throw refused(
          location.getScheme() + "://" + bucket + " is not the address of a bucket",
          "Write gs://bucket or gs://bucket/prefix.");
    }
    return bucket;
  }

  private static String prefix(URI location) throws IOException {
    String prefix = location.getPath().replaceAll("^/|/$", "");
    try {
      return prefix.isEmpty() ? "" : new ObjectKey(prefix).value();
    } catch (IllegalArgumentException e) {
      throw refused(
          location.getScheme()
              + "://"
              + location.getRawAuthority()
              + " has a prefix of other characters",
          "Write it with A-Z a-z 0-9 . _ = - and /.");
    }
  }

  @Override
  public ObjectStore open(URI location, ProviderContext context) throws IOException {
    String bucket = bucket(location);
    Settings settings = context.settings();
    GcsObjectStore.Builder builder =
        GcsObjectStore.builder()
            .bucket(bucket)
            .prefix(prefix(location))
            .connectTimeout(settings.duration("connect-timeout", Duration.ofSeconds(10)))
            .readTimeout(settings.duration("read-timeout", Duration.ofSeconds(60)))
            .retryFor(settings.duration("retry-for", Duration.ofMinutes(2)))
            .pieceBytes((int) Math.min(Integer.MAX_VALUE, settings.bytes("piece-size", 8 << 20)));
    Optional<String> endpoint = settings.find("endpoint");
    if (endpoint.isPresent()) {
      try {
        builder.endpoint(new URI(endpoint.get()));
      } catch (URISyntaxException e) { // which quotes it, with what may be a password
        throw refused(
            settings.describe("endpoint") + " is not an address", "Write https://host[:port].");
      }
    }
    if (settings.flag("dangerous-plain-http", false)) {
      builder.dangerousPlainHttp();
    }
    String mode = settings.find("lock-mode").orElse("locked");
    if (mode.equals("unlocked")) {
      builder.unlockedRetention();
    } else if (!mode.equals("locked")) {
      throw refused(
          settings.describe("lock-mode") + ": \"" + mode + "\" is neither locked nor unlocked",
          "Write locked or unlocked.");
    }
    Login.find(settings, builder);
    settings.requireAllRead(); // before anything is asked with them
    return builder.build();
  }

  static StorageException refused(String problem, String remedy) {
    return new StorageException(
        "storage.location", FailureKind.CONFIGURATION, problem, "gs", remedy, null);
  }
}
