package com.thorbis.backup.spi.storage;

import com.thorbis.backup.spi.ProviderContext;
import java.io.IOException;
import java.net.URI;
import java.util.Optional;

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

  /**
   * What to give a role of a place, in the vendor's own language, with what to do about it. Asks
   * nobody.
   *
   * @return empty if the vendor has no such language, as a folder
   */
  default Optional<String> policy(URI location, StoreRole role) throws IOException {
    return Optional.empty();
  }
}
