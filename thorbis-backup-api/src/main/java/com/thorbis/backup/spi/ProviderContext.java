package com.thorbis.backup.spi;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.spi.engine.SourceEngine;
import java.nio.file.Path;
import java.time.Clock;

/** What a provider is given when it is opened. Only the SDK implements it, so it can grow. */
public interface ProviderContext {
  /** Its own settings. */
  Settings settings();

  /** The time. */
  Clock clock();

  /** How this provider finds others that it is told of by name. */
  default ProviderLoader providers() {
    return ProviderLoader.none();
  }

  /**
   * Another source of the same host, for a source that is made of others; asked when it is needed,
   * not while sources are opened.
   *
   * @throws BackupException code {@code source.not-configured} if there is none of the name
   */
  default SourceEngine source(String name) {
    throw new UnsupportedOperationException("This host has no other sources");
  }

  /** A folder for local state that may be lost; created with mode 0700 before first use. */
  Path stateDirectory();
}
