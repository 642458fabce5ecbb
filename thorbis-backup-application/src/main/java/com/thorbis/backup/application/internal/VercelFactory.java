package com.thorbis.backup.application.internal;

import com.thorbis.backup.application.platform.VercelSecrets;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.SecretTargetFactory;
import java.util.Optional;

/** Opens {@code vercel}: {@code project}, {@code team}, and a connection. */
public final class VercelFactory implements SecretTargetFactory {
  /** For the service loader. */
  public VercelFactory() {}

  @Override
  public String type() {
    return VercelSecrets.TYPE;
  }

  @Override
  public SecretTarget open(ProviderContext context) {
    Settings settings = context.settings();
    String project = settings.require("project");
    Optional<String> team = settings.find("team");
    return Connections.open(context, connection -> VercelSecrets.of(connection, project, team));
  }
}
