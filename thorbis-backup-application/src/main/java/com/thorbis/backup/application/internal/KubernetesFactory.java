package com.thorbis.backup.application.internal;

import com.thorbis.backup.application.platform.KubernetesSecrets;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.SecretTargetFactory;

/** Opens {@code kubernetes}: {@code namespace}, and a connection. */
public final class KubernetesFactory implements SecretTargetFactory {
  /** For the service loader. */
  public KubernetesFactory() {}

  @Override
  public String type() {
    return KubernetesSecrets.TYPE;
  }

  @Override
  public SecretTarget open(ProviderContext context) {
    Settings settings = context.settings();
    String namespace = settings.require("namespace");
    return Connections.open(context, connection -> KubernetesSecrets.of(connection, namespace));
  }
}
