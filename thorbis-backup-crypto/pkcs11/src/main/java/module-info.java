import com.thorbis.backup.crypto.pkcs11.Pkcs11KeyProviderFactory;
import com.thorbis.backup.spi.crypto.KeyProviderFactory;

/** A recipient whose key a hardware security module keeps. */
@SuppressWarnings("module") // the standard's own name ends with digits
module com.thorbis.backup.crypto.pkcs11 {
  requires transitive com.thorbis.backup.api;
  requires static org.jspecify;

  exports com.thorbis.backup.crypto.pkcs11;

  provides KeyProviderFactory with
      Pkcs11KeyProviderFactory;
}
