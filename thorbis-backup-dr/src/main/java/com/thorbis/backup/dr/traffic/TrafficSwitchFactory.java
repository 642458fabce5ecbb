package com.thorbis.backup.dr.traffic;

import com.thorbis.backup.spi.Settings;

/** Makes switches of one type by settings; found by the service loader. */
public interface TrafficSwitchFactory {
  /** The type, such as {@code pgbouncer}. */
  String type();

  /**
   * A switch; contacts nobody yet.
   *
   * @throws com.thorbis.backup.api.BackupException of kind CONFIGURATION if a setting is wrong
   */
  TrafficSwitch open(Settings settings);
}
