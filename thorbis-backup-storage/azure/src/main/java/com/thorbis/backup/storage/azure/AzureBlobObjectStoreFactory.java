package com.thorbis.backup.storage.azure;

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
import java.time.Duration;
import java.util.Optional;

/**
 * Opens {@code azblob://container/prefix}. Settings:
 *
 * <ul>
 *   <li>{@code account}: the storage account; or {@code endpoint}, another address of it; plain
 *       HTTP only on this machine, or with {@code dangerous-plain-http: true}
 *   <li>one of the secrets {@code account-key}, {@code sas} or {@code connection-string}; else the
 *       identity of the environment: its variables, a workload identity, a managed one
 *   <li>{@code block-size} (8MiB), {@code connect-timeout} (10s), {@code read-timeout} (60s),
 *       {@code retry-for} (2m)
 *   <li>{@code version-immutability}: {@code true} if the container has it; {@code lock-mode}:
 *       {@code locked}, which nobody can end before its time, or {@code unlocked}
 *   <li>{@code soft-delete}: {@code true} if the account keeps deleted blobs
 * </ul>
 */
public final class AzureBlobObjectStoreFactory implements ObjectStoreFactory {
  /** For the service loader. */
  public AzureBlobObjectStoreFactory() {}

  @Override
  public String scheme() {
    return "azblob";
  }

  @Override
  public Optional<String> policy(URI location, StoreRole role) throws IOException {
    return Optional.of(Policies.of(container(location), prefix(location), role));
  }

  private static String container(URI location) throws IOException {
    String container = location.getRawAuthority();
    if (location.isOpaque()
        || container == null
        || !container.matches("\\$root|[a-z0-9](-?[a-z0-9]){2,62}")
        || location.getRawQuery() != null
        || location.getRawFragment() != null) {
      throw refused(
          "azblob://" + container + " is not the address of a container",
          "Write azblob://container or azblob://container/prefix, and the account as a setting.");
    }
    return container;
  }

  private static String prefix(URI location) throws IOException {
    String prefix = location.getPath().replaceAll("^/|/$", "");
    try {
      return prefix.isEmpty() ? "" : new ObjectKey(prefix).value();
    } catch (IllegalArgumentException e) {
      throw refused(
          "azblob://" + location.getRawAuthority() + " has a prefix of other characters",
          "Write it with A-Z a-z 0-9 . _ = - and /.");
    }
  }

  @Override
  public ObjectStore open(URI location, ProviderContext context) throws IOException {
    String container = container(location);
    String prefix = prefix(location);
    Settings settings = context.settings();
    AzureBlobObjectStore.Builder builder =
        AzureBlobObjectStore.builder()
            .prefix(prefix)
            .retryFor(settings.duration("retry-for", Duration.ofMinutes(2)))
            .blockBytes((int) Math.min(Integer.MAX_VALUE, settings.bytes("block-size", 8 << 20)));
    if (settings.flag("version-immutability", false)) {
      builder.versionImmutability();
    }
    String mode = settings.find("lock-mode").orElse("locked");
    if (mode.equals("unlocked")) {
      builder.unlockedPolicies();
    } else if (!mode.equals("locked")) {
      throw refused(
          settings.describe("lock-mode") + ": \"" + mode + "\" is neither locked nor unlocked",
          "Write locked or unlocked.");
    }
    String retrieval = settings.find("retrieval").orElse("standard");
    if (retrieval.equals("high")) {
      builder.highPriority();
    } else if (!retrieval.equals("standard")) {
      throw refused(
          settings.describe("retrieval") + ": \"" + retrieval + "\" is neither standard nor high",
          "Write standard or high.");
    }
    if (settings.flag("soft-delete", false)) {
      builder.softDelete();
    }
    builder.client(Login.client(container, settings));
    settings.requireAllRead(); // before anything is asked with them
    return builder.build();
  }

  static StorageException refused(String problem, String remedy) {
    return new StorageException(
        "storage.location", FailureKind.CONFIGURATION, problem, "azblob", remedy, null);
  }
}
