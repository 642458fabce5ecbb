package com.thorbis.backup.spi.crypto;

import com.thorbis.backup.spi.ProviderContext;
import java.io.IOException;
import java.net.URI;

/**
 * Opens recipients of one URI scheme. The service type: needs a public constructor without
 * arguments.
 */
public interface KeyProviderFactory {
  /** The scheme, such as {@code keystore}. */
  String scheme();

  /** Opens the recipient with the settings beside its URI. */
  KeyProvider open(URI recipient, ProviderContext context) throws IOException;
}
