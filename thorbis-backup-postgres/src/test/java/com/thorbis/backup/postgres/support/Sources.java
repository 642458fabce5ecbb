package com.thorbis.backup.postgres.support;

import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import java.nio.file.Path;
import java.time.Clock;
import java.util.HashMap;
import java.util.Map;

/** Settings for tests. */
public final class Sources {
  private Sources() {}

  /** Settings of a source, as pairs of key and value. */
  public static PostgresSettings settings(Path state, String url, String user, String... pairs) {
    Map<String, Object> values = new HashMap<>(Map.of("url", url, "user", user));
    for (int i = 0; i < pairs.length; i += 2) {
      values.put(pairs[i], pairs[i + 1]);
    }
    Settings settings = Settings.of("sources.orders", values);
    PostgresSettings read =
        PostgresSettings.of(
            "orders",
            new ProviderContext() {
              @Override
              public Settings settings() {
                return settings;
              }

              @Override
              public Clock clock() {
                return Clock.systemUTC();
              }

              @Override
              public Path stateDirectory() {
                return state;
              }
            });
    settings.requireAllRead();
    return read;
  }
}
