package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import java.nio.file.Path;
import java.time.Clock;
import java.util.LinkedHashMap;
import java.util.Map;

/** Settings of a source for tests of what does not contact it. */
public final class TestSettings {
  private TestSettings() {}

  /** Pairs of keys and values over sensible ones. */
  public static PostgresSettings of(Path state, Map<String, String> more) {
    return of(state, more, Clock.systemUTC());
  }

  /** The same with another clock. */
  public static PostgresSettings of(Path state, Map<String, String> more, Clock clock) {
    Map<String, String> values = new LinkedHashMap<>();
    values.put("url", "jdbc:postgresql://127.0.0.1:5432/postgres");
    values.put("user", "postgres");
    if ("root".equals(System.getProperty("user.name"))) {
      values.put("server-user", "root");
    }
    values.putAll(more);
    return PostgresSettings.of(
        "orders",
        new ProviderContext() {
          @Override
          public Settings settings() {
            return Settings.of("sources.orders", values);
          }

          @Override
          public Clock clock() {
            return clock;
          }

          @Override
          public Path stateDirectory() {
            return state;
          }
        });
  }
}
