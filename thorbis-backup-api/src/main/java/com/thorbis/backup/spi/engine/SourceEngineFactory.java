package com.thorbis.backup.spi.engine;

import com.thorbis.backup.spi.ProviderContext;

/**
 * Opens engines of one type of source. The service type: needs a public constructor without
 * arguments.
 */
public interface SourceEngineFactory {
  /** The type, such as {@code postgres}; persisted with every source. */
  String type();

  /**
   * Opens an engine for one source. Reads all its settings and contacts nobody: a source that is
   * gone can be restored.
   *
   * @param name the host's name for the source
   */
  SourceEngine open(String name, ProviderContext context);
}
