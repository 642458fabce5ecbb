package com.thorbis.backup.application.internal;

import com.thorbis.backup.application.platform.EnvFileSecrets;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.SecretTargetFactory;
import java.nio.file.Path;

/** Opens {@code env-file}: {@code path}. */
public final class EnvFileFactory implements SecretTargetFactory {
  /** For the service loader. */
  public EnvFileFactory() {}

  @Override
  public String type() {
    return EnvFileSecrets.TYPE;
  }

  @Override
  public SecretTarget open(ProviderContext context) {
    Settings settings = context.settings();
    return EnvFileSecrets.of(Path.of(settings.require("path")));
  }
}
