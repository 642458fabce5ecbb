package com.thorbis.backup.crypto.internal;

import com.thorbis.backup.crypto.PassphraseKeyProvider;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.KeyProviderFactory;
import java.io.IOException;
import java.net.URI;

/** Opens {@code passphrase:NAME} with the setting {@code passphrase}. */
public final class PassphraseKeyProviderFactory implements KeyProviderFactory {
  /** For the service loader. */
  public PassphraseKeyProviderFactory() {}

  @Override
  public String scheme() {
    return PassphraseKeyProvider.SCHEME;
  }

  @Override
  public KeyProvider open(URI recipient, ProviderContext context) throws IOException {
    return PassphraseKeyProvider.of(
        recipient.getSchemeSpecificPart(),
        Recipients.requireSecret(context.settings(), "passphrase"));
  }
}
