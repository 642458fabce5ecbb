package com.thorbis.backup.dr.notify;

import com.thorbis.backup.spi.ProviderContext;

/** Makes notifiers of one kind by name; found by the service loader. */
public interface NotifierFactory {
  /** The kind, such as {@code webhook}. */
  String kind();

  /**
   * A notifier; contacts nobody yet.
   *
   * @throws com.thorbis.backup.api.BackupException of kind CONFIGURATION if a setting is wrong
   */
  Notifier open(ProviderContext context);
}
