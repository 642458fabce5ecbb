package com.thorbis.backup.crypto.pkcs11;

import com.thorbis.backup.spi.crypto.KeyException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.InvalidParameterException;
import java.security.Provider;
import java.security.ProviderException;
import java.security.Security;
import java.util.OptionalInt;

/** A slot of a PKCS#11 library, through the JDK. */
record Slot(Path library, OptionalInt id, int index, String recipient) implements Token.Source {
  @Override
  public Provider provider() throws KeyException {
    Failures failures = new Failures(recipient);
    Provider bridge = Security.getProvider("SunPKCS11");
    if (bridge == null) {
      throw failures.configuration(
          "this Java runtime has no PKCS#11", "Use one with the module jdk.crypto.cryptoki.", null);
    }
    if (!Files.isReadable(library)) {
      throw failures.configuration(
          "there is no library " + library + " that this account can read",
          "Install the token's PKCS#11 library, or correct the path.",
          null);
    }
    String configuration =
        "--name = thorbis\nlibrary = "
            + library
            + "\n"
            + (id.isPresent() ? "slot = " + id.getAsInt() : "slotListIndex = " + index)
            + "\n";
    try {
      Provider provider = bridge.configure(configuration);
      if (provider.getService("KeyStore", "PKCS11") == null) {
        throw failures.translate(
            "open it", new ProviderException("there is no token in the slot, or it was removed"));
      }
      return provider;
    } catch (ProviderException | InvalidParameterException | UnsupportedOperationException e) {
      throw failures.translate("open it", e);
    }
  }
}
