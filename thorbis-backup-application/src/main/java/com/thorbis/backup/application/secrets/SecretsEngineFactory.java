package com.thorbis.backup.application.secrets;

import com.thorbis.backup.application.internal.PartContext;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Providers;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.engine.SourceEngine;
import com.thorbis.backup.spi.engine.SourceEngineFactory;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.SecretTargetFactory;
import java.io.IOException;

/**
 * Opens engines for sources of the type {@code secrets}: {@code places} names the places, separated
 * by commas, and {@code places.NAME.kind} what each is; below {@code places.NAME} stand the
 * settings of its kind, which are read when the place is needed.
 */
public final class SecretsEngineFactory implements SourceEngineFactory {
  /** Called by the service loader. */
  public SecretsEngineFactory() {}

  @Override
  public String type() {
    return SecretsEngine.TYPE;
  }

  @Override
  public SourceEngine open(String name, ProviderContext context) {
    Settings settings = context.settings();
    SecretsEngine.Builder engine = SecretsEngine.builder(name).clock(context.clock());
    for (String place : settings.require("places").split(",", -1)) {
      String own = place.strip();
      String kind = settings.require("places." + own + ".kind");
      PartContext about = new PartContext(context, "places." + own + ".");
      engine.place(own, () -> open(kind, about));
    }
    return engine.build();
  }

  private static SecretTarget open(String kind, PartContext about) {
    SecretTarget place =
        Providers.load(
                SecretTargetFactory.class,
                "kind of place",
                SecretTargetFactory::type,
                about.providers())
            .require(kind)
            .open(about);
    try {
      about.settings().requireAllRead();
    } catch (RuntimeException e) {
      try {
        place.close();
      } catch (IOException second) {
        e.addSuppressed(second);
      }
      throw e;
    }
    return place;
  }
}
