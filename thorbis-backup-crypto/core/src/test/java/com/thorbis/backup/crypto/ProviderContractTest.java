package com.thorbis.backup.crypto;

import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.testkit.KeyProviderContract;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.io.TempDir;

class ProviderContractTest {
  private static final SecureRandom RANDOM = new SecureRandom();

  @Nested
  class Keystore extends KeyProviderContract {
    @TempDir private Path folder;

    @BeforeEach
    void create() throws IOException {
      for (String name : new String[] {"own", "strange"}) {
        KeystoreKeyProvider.create(
            folder.resolve(name), SecretValue.ofText("correct horse"), "backup");
      }
    }

    @Override
    protected KeyProvider openProvider() throws IOException {
      return open("own");
    }

    @Override
    protected KeyProvider openStranger() throws IOException {
      return open("strange");
    }

    private KeyProvider open(String name) throws IOException {
      return KeystoreKeyProvider.open(
          folder.resolve(name), SecretValue.ofText("correct horse"), "backup");
    }
  }

  @Nested
  class Passphrase extends KeyProviderContract {
    private final PassphraseKeyProvider.Cost cheap = new PassphraseKeyProvider.Cost(64, 1, 1);

    @Override
    protected KeyProvider openProvider() throws IOException {
      return PassphraseKeyProvider.of("p", SecretValue.ofText("correct horse"), cheap);
    }

    @Override
    protected KeyProvider openStranger() throws IOException {
      return PassphraseKeyProvider.of("p", SecretValue.ofText("battery staple"), cheap);
    }
  }

  @Nested
  class Recovery extends KeyProviderContract {
    private final RecoveryKey key = RecoveryKey.generate(RANDOM);

    @Override
    protected KeyProvider openProvider() {
      return RecoveryKeyProvider.ofRecoveryKey(key);
    }

    @Override
    protected KeyProvider openStranger() {
      return RecoveryKeyProvider.ofRecoveryKey(RecoveryKey.generate(RANDOM));
    }
  }
}
