package com.thorbis.backup.application.internal;

import com.thorbis.backup.application.platform.SupabaseSecrets;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.SecretTargetFactory;

/** Opens {@code supabase}: {@code project}, its reference, and a connection. */
public final class SupabaseFactory implements SecretTargetFactory {
  /** For the service loader. */
  public SupabaseFactory() {}

  @Override
  public String type() {
    return SupabaseSecrets.TYPE;
  }

  @Override
  public SecretTarget open(ProviderContext context) {
    Settings settings = context.settings();
    String project = settings.require("project");
    return Connections.open(context, connection -> SupabaseSecrets.of(connection, project));
  }
}
