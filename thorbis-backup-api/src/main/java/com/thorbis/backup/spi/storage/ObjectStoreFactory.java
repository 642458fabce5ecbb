package com.thorbis.backup.spi.storage;

import com.thorbis.backup.spi.ProviderContext;
import java.io.IOException;
import java.net.URI;

/**
 * Opens stores of one URI scheme. The service type: needs a public constructor without arguments.
 */
public interface ObjectStoreFactory {
  /** The scheme, such as {@code file}. */
  String scheme();

  /**
   * Opens the place. Changes nothing there.
   *
   * @throws StorageException if it cannot be reached or does not enforce what this interface
   *     promises
   */
  ObjectStore open(URI location, ProviderContext context) throws IOException;
}
