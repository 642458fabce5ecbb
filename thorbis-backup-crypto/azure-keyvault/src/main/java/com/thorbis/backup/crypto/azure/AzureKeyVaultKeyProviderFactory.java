package com.thorbis.backup.crypto.azure;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.Endpoints;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.KeyProviderFactory;
import java.net.URI;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Opens {@code azure-keyvault://VAULT.vault.azure.net/keys/KEY}. Settings, all optional: {@code
 * tenant-id}, {@code client-id} and {@code client-secret} together (else the environment, a
 * workload identity or a managed identity), {@code authority-host} of another cloud than the public
 * one, {@code timeout} of one attempt (10 s), {@code attempts} (4).
 */
public final class AzureKeyVaultKeyProviderFactory implements KeyProviderFactory {
  private static final Pattern PATH = Pattern.compile("/keys/([^/]+)/?");

  /** For the service loader. */
  public AzureKeyVaultKeyProviderFactory() {}

  @Override
  public String scheme() {
    return AzureKeyVaultKeyProvider.SCHEME;
  }

  @Override
  public KeyProvider open(URI recipient, ProviderContext context) {
    Settings settings = context.settings();
    Matcher path = PATH.matcher(recipient.getPath() == null ? "" : recipient.getPath());
    if (recipient.getHost() == null || recipient.getUserInfo() != null || !path.matches()) {
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              settings.describe("uri") + " does not name a key of a vault")
          .remedy("Write azure-keyvault://VAULT.vault.azure.net/keys/KEY, without a version.")
          .build();
    }
    Duration timeout = settings.duration("timeout", Duration.ofSeconds(10));
    int attempts = settings.integer("attempts", 4, 1, 20);
    return AzureKeyVaultKeyProvider.builder()
        .client(
            OwnClient.open(
                "https://" + recipient.getAuthority(),
                settings.find("tenant-id"),
                settings.find("client-id"),
                settings.findSecret("client-secret"),
                Endpoints.find(settings, "authority-host"),
                timeout,
                attempts))
        .key(path.group(1))
        .clock(context.clock())
        .longest(timeout.plus(OwnClient.LONGEST_PAUSE).multipliedBy(attempts))
        .build();
  }
}
