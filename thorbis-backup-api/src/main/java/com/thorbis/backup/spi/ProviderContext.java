package com.thorbis.backup.spi;

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

  /** A folder for local state that may be lost; created with mode 0700 before first use. */
  Path stateDirectory();
}
