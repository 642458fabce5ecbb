package com.thorbis.backup.postgres;

import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.engine.SourceEngine;
import com.thorbis.backup.spi.engine.SourceEngineFactory;

/** Opens engines for sources of the type {@code postgres}. */
public final class PostgresEngineFactory implements SourceEngineFactory {
  /** Called by the service loader. */
  public PostgresEngineFactory() {}

  @Override
  public String type() {
    return PostgresEngine.TYPE;
  }

  @Override
  public SourceEngine open(String name, ProviderContext context) {
    return new PostgresEngine(PostgresSettings.of(name, context));
  }
}
