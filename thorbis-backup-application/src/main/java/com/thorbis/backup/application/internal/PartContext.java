package com.thorbis.backup.application.internal;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.Names;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.ProviderLoader;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/** What a part of a source is opened with: those of the source's settings that are its own. */
public final class PartContext implements ProviderContext {
  private static final String KIND = "kind";

  private final ProviderContext source;
  private final Part settings;

  /** Counts all settings of the part as read: whoever opens it looks whether they are. */
  public PartContext(ProviderContext source, String prefix) {
    this.source = source;
    this.settings = new Part(source.settings(), prefix);
  }

  @Override
  public Settings settings() {
    return settings;
  }

  @Override
  public Clock clock() {
    return source.clock();
  }

  @Override
  public Path stateDirectory() {
    return source.stateDirectory();
  }

  @Override
  public ProviderLoader providers() {
    return source.providers();
  }

  private static final class Part implements Settings {
    private final Settings all;
    private final String prefix;
    private final Set<String> read = new TreeSet<>(Set.of(KIND));

    Part(Settings all, String prefix) {
      this.all = all;
      this.prefix = prefix;
      keys().forEach(key -> all.findSecret(prefix + key));
    }

    private String own(String key) {
      read.add(key);
      return prefix + key;
    }

    @Override
    public String require(String key) {
      return all.require(own(key));
    }

    @Override
    public Optional<String> find(String key) {
      return all.find(own(key));
    }

    @Override
    public Optional<SecretValue> findSecret(String key) {
      return all.findSecret(own(key));
    }

    @Override
    public int integer(String key, int fallback, int least, int most) {
      return all.integer(own(key), fallback, least, most);
    }

    @Override
    public boolean flag(String key, boolean fallback) {
      return all.flag(own(key), fallback);
    }

    @Override
    public long bytes(String key, long fallback) {
      return all.bytes(own(key), fallback);
    }

    @Override
    public Duration duration(String key, Duration fallback) {
      return all.duration(own(key), fallback);
    }

    @Override
    public List<String> keys() {
      return all.keys().stream()
          .filter(key -> key.startsWith(prefix))
          .map(key -> key.substring(prefix.length()))
          .toList();
    }

    @Override
    public String describe(String key) {
      return all.describe(prefix + key);
    }

    @Override
    public void requireAllRead() {
      for (String key : keys()) {
        if (!read.contains(key)) {
          throw BackupException.of(
                  "configuration.invalid",
                  FailureKind.CONFIGURATION,
                  "Unknown setting " + describe(key))
              .remedy(
                  Names.nearest(key, read)
                      .map(near -> "Did you mean " + describe(near) + "?")
                      .orElse("Remove it."))
              .build();
        }
      }
    }
  }
}
