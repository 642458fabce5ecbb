package com.thorbis.backup.crypto.pkcs11;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.KeyProviderFactory;
import java.net.URI;
import java.nio.file.Path;
import java.util.OptionalInt;

/**
 * Opens {@code pkcs11:KEY} or {@code pkcs11:TOKEN/KEY}, where KEY is the label of an AES key.
 * Settings: {@code library} (the path of the PKCS#11 library), {@code pin}, and {@code slot} (a
 * number) or {@code slot-index} (a place in the list of slots with a token, 0 if not given).
 */
public final class Pkcs11KeyProviderFactory implements KeyProviderFactory {
  /** For the service loader. */
  public Pkcs11KeyProviderFactory() {}

  @Override
  public String scheme() {
    return Pkcs11KeyProvider.SCHEME;
  }

  @Override
  public KeyProvider open(URI recipient, ProviderContext context) {
    Settings settings = context.settings();
    Path library = Path.of(settings.require("library"));
    // The JDK reads it from a text of lines, in which it fills in what looks like ${this}.
    if (!library.isAbsolute()
        || library.toString().contains("$")
        || library.toString().chars().anyMatch(Character::isISOControl)) {
      throw invalid(settings.describe("library") + ": \"" + library + "\" is no absolute path");
    }
    SecretValue pin =
        settings
            .findSecret("pin")
            .orElseThrow(() -> invalid(settings.describe("pin") + " is missing"));
    int slot = settings.integer("slot", -1, 0, Integer.MAX_VALUE);
    int index = settings.integer("slot-index", 0, 0, Integer.MAX_VALUE);
    String key = recipient.getSchemeSpecificPart().replaceFirst("^/+", "");
    return Pkcs11KeyProvider.builder()
        .source(
            new Slot(
                library,
                slot < 0 ? OptionalInt.empty() : OptionalInt.of(slot),
                index,
                Pkcs11KeyProvider.SCHEME + " " + key))
        .pin(pin)
        .key(key)
        .build();
  }

  private static BackupException invalid(String problem) {
    return BackupException.of("configuration.invalid", FailureKind.CONFIGURATION, problem)
        .remedy("Set library to the absolute path of the token's PKCS#11 library, and pin.")
        .build();
  }
}
