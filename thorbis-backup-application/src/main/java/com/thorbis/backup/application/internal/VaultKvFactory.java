package com.thorbis.backup.application.internal;

import com.thorbis.backup.application.platform.VaultKvSecrets;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.SecretTargetFactory;
import java.util.Optional;

/**
 * Opens {@code vault-kv2}: {@code mount} (else {@code secret}), {@code path} (else all), {@code
 * namespace}, and a connection.
 */
public final class VaultKvFactory implements SecretTargetFactory {
  /** For the service loader. */
  public VaultKvFactory() {}

  @Override
  public String type() {
    return VaultKvSecrets.TYPE;
  }

  @Override
  public SecretTarget open(ProviderContext context) {
    Settings settings = context.settings();
    String mount = settings.find("mount").orElse("secret");
    String path = settings.find("path").orElse("");
    Optional<String> namespace = settings.find("namespace");
    return Connections.open(
        context,
        connection ->
            namespace.isPresent()
                ? VaultKvSecrets.ofNamespace(connection, namespace.get(), mount, path)
                : VaultKvSecrets.of(connection, mount, path));
  }
}
