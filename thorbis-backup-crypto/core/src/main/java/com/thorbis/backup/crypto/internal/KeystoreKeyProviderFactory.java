package com.thorbis.backup.crypto.internal;

import com.thorbis.backup.crypto.KeystoreKeyProvider;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.KeyProviderFactory;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;

/** Opens {@code keystore:///path/to/keys.p12} with the settings {@code password}, {@code alias}. */
public final class KeystoreKeyProviderFactory implements KeyProviderFactory {
  /** For the service loader. */
  public KeystoreKeyProviderFactory() {}

  @Override
  public String scheme() {
    return KeystoreKeyProvider.SCHEME;
  }

  @Override
  public KeyProvider open(URI recipient, ProviderContext context) throws IOException {
    String path = recipient.isOpaque() ? recipient.getSchemeSpecificPart() : recipient.getPath();
    if (path.isEmpty() || recipient.getAuthority() != null) {
      throw Recipients.invalid(
          context.settings().describe("uri"),
          "a keystore is written as keystore:///path/to/keys.p12");
    }
    SecretValue password = Recipients.requireSecret(context.settings(), "password");
    return KeystoreKeyProvider.open(Path.of(path), password, context.settings().require("alias"));
  }
}
