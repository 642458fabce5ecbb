package com.thorbis.backup.dr.notify;

import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.ProviderLoader;
import com.thorbis.backup.spi.Providers;
import com.thorbis.backup.spi.Settings;
import java.nio.file.Path;
import java.time.Clock;

/** Opens notifiers by name. */
public final class Notifiers {
  private Notifiers() {}

  /**
   * A notifier of a kind, such as {@code webhook}, {@code log} or {@code exec}.
   *
   * @throws com.thorbis.backup.api.BackupException of kind CONFIGURATION if there is no such kind,
   *     or a setting is wrong
   */
  public static Notifier open(
      String kind, Settings settings, Path stateDirectory, Clock clock, ProviderLoader loader) {
    Notifier notifier =
        Providers.load(NotifierFactory.class, "notifier", NotifierFactory::kind, loader)
            .require(kind)
            .open(new Context(settings, clock, stateDirectory));
    settings.requireAllRead();
    return notifier;
  }

  private record Context(Settings settings, Clock clock, Path stateDirectory)
      implements ProviderContext {}
}
