import com.thorbis.backup.crypto.internal.KeystoreKeyProviderFactory;
import com.thorbis.backup.crypto.internal.PassphraseKeyProviderFactory;
import com.thorbis.backup.crypto.internal.RecoveryKeyProviderFactory;
import com.thorbis.backup.spi.crypto.KeyProviderFactory;

/** Sealing, key trees, and the recipients that need no service. */
module com.thorbis.backup.crypto {
  requires transitive com.thorbis.backup.api;
  requires org.bouncycastle.provider;
  requires static org.jspecify;

  exports com.thorbis.backup.crypto;

  provides KeyProviderFactory with
      KeystoreKeyProviderFactory,
      PassphraseKeyProviderFactory,
      RecoveryKeyProviderFactory;
}
