package com.thorbis.backup.application.internal;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.application.platform.Connection;
import com.thorbis.backup.spi.Endpoints;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Function;

/**
 * The settings that all services share: {@code token}, and optionally {@code address}, {@code
 * dangerously-unencrypted-address}, {@code certificate-authority} (a file), {@code timeout} of one
 * attempt (20 s) and {@code attempts} (5).
 */
final class Connections {
  private Connections() {}

  /** Opens a place over the connection that the settings describe. */
  static <T> T open(ProviderContext context, Function<Connection, T> place) {
    Settings settings = context.settings();
    SecretValue token =
        settings
            .findSecret("token")
            .orElseThrow(
                () ->
                    BackupException.of(
                            "configuration.missing",
                            FailureKind.CONFIGURATION,
                            settings.describe("token") + " is missing")
                        .remedy("Set it, as ${file:PATH} or ${env:NAME}.")
                        .build());
    Connection.Builder builder =
        Connection.as(token)
            .clock(context.clock())
            .timeout(settings.duration("timeout", Duration.ofSeconds(20)))
            .attempts(settings.integer("attempts", 5, 1, 20));
    Endpoints.find(settings, "address").ifPresent(builder::endpoint);
    settings
        .find("dangerously-unencrypted-address")
        .map(text -> address(settings, text))
        .ifPresent(builder::dangerouslyUnencryptedEndpoint);
    settings.find("certificate-authority").map(Path::of).ifPresent(builder::certificateAuthority);
    try (Connection connection = builder.build()) {
      return place.apply(connection);
    }
  }

  private static URI address(Settings settings, String text) {
    try {
      return URI.create(text);
    } catch (IllegalArgumentException e) {
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              settings.describe("dangerously-unencrypted-address") + ": is no address")
          .remedy("Write http://HOST.")
          .build();
    }
  }
}
