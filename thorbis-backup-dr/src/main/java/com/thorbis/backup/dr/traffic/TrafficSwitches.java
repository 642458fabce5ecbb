package com.thorbis.backup.dr.traffic;

import com.thorbis.backup.spi.ProviderLoader;
import com.thorbis.backup.spi.Providers;
import com.thorbis.backup.spi.Settings;

/** Opens switches by type and settings. */
public final class TrafficSwitches {
  private TrafficSwitches() {}

  /**
   * A switch of a type, such as {@code connection-file}, {@code pgbouncer}, {@code haproxy}, or
   * what else is on the class path.
   *
   * @throws com.thorbis.backup.api.BackupException of kind CONFIGURATION if there is no such type,
   *     or a setting is wrong
   */
  public static TrafficSwitch open(String type, Settings settings, ProviderLoader loader) {
    TrafficSwitch found =
        Providers.load(TrafficSwitchFactory.class, "switch", TrafficSwitchFactory::type, loader)
            .require(type)
            .open(settings);
    settings.requireAllRead();
    return found;
  }
}
