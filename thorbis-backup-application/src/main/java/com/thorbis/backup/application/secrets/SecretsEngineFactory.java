package com.thorbis.backup.application.secrets;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.application.internal.PartContext;
import com.thorbis.backup.spi.Endpoints;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Providers;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.engine.SourceEngine;
import com.thorbis.backup.spi.engine.SourceEngineFactory;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.SecretTargetFactory;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.Optional;

/**
 * Opens engines for sources of the type {@code secrets}: {@code places} names the places, separated
 * by commas, and {@code places.NAME.kind} what each is; below {@code places.NAME} stand the
 * settings of its kind, which are read when the place is needed. Likewise {@code probes} names
 * probes, and each has the {@code name} of a secret and either an {@code url} with a {@code
 * header}, or a {@code command} with an argument on each line, and perhaps a {@code deadline} (20
 * s).
 */
public final class SecretsEngineFactory implements SourceEngineFactory {
  private static final String[] NONE = {};

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
    for (String probe : settings.find("probes").map(names -> names.split(",", -1)).orElse(NONE)) {
      Settings own = new PartContext(context, "probes." + probe.strip() + ".").settings();
      engine.probe(own.require("name"), probe(own));
      own.requireAllRead();
    }
    return engine.build();
  }

  private static SecretProbe probe(Settings settings) {
    Duration deadline = settings.duration("deadline", Duration.ofSeconds(20));
    Optional<String> command = settings.find("command");
    Optional<URI> address = Endpoints.find(settings, "url");
    if (command.isPresent() == address.isPresent()) {
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              settings.describe("name") + ": has to be tried with a url or with a command")
          .remedy("Give one of the two.")
          .build();
    }
    return address
        .map(url -> SecretProbe.http(url, settings.require("header"), deadline))
        .orElseGet(() -> SecretProbe.command(command.orElseThrow().lines().toList(), deadline));
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
