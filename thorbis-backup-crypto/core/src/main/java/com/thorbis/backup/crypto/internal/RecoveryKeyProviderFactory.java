package com.thorbis.backup.crypto.internal;

import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.KeyProviderFactory;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;

/**
 * Opens {@code recovery:KEY}, where KEY is a public key, or the fingerprint of one. With the
 * setting {@code public-key-file} or {@code key-file} it may be any label.
 */
public final class RecoveryKeyProviderFactory implements KeyProviderFactory {
  /** For the service loader. */
  public RecoveryKeyProviderFactory() {}

  @Override
  public String scheme() {
    return RecoveryKeyProvider.SCHEME;
  }

  @Override
  public KeyProvider open(URI recipient, ProviderContext context) throws IOException {
    return RecoveryKeyProvider.open(
        recipient.getSchemeSpecificPart(),
        context.settings().find("public-key-file").map(Path::of),
        context.settings().find("key-file").map(Path::of));
  }
}
