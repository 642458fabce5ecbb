package com.thorbis.backup.crypto.pkcs11;

import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyException;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.Key;
import java.security.KeyStore;
import java.security.Provider;
import java.security.ProviderException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import org.jspecify.annotations.Nullable;

/** A token that is opened when first needed, and again after it was away. */
final class Token {
  /** The length of a tag. */
  static final int TAG = 16;

  private final Source source;
  private final SecretValue pin;
  private final Failures failures;
  private @Nullable Provider provider;
  private @Nullable KeyStore keys;
  private @Nullable KeyException refused;
  private boolean closed;

  Token(Source source, SecretValue pin, Failures failures) {
    this.source = source;
    this.pin = pin;
    this.failures = failures;
  }

  /** Makes a provider for one slot. */
  interface Source {
    Provider provider() throws KeyException;
  }

  byte[] seal(String label, byte[] nonce, byte[] facts, DataKey plain) throws KeyException {
    Cipher cipher = cipher(Cipher.ENCRYPT_MODE, label, nonce, facts);
    try {
      return plain.use(
          bytes -> {
            try {
              return cipher.doFinal(bytes);
            } catch (GeneralSecurityException e) {
              throw new ProviderException(e);
            }
          });
    } catch (ProviderException e) {
      throw away("wrap a key", e);
    }
  }

  byte[] open(String label, byte[] nonce, byte[] facts, byte[] sealed) throws KeyException {
    Cipher cipher = cipher(Cipher.DECRYPT_MODE, label, nonce, facts);
    try {
      return cipher.doFinal(sealed);
    } catch (GeneralSecurityException | ProviderException e) {
      throw away("open a wrap", e);
    }
  }

  synchronized void require(String label) throws KeyException {
    Key unused = key(label);
  }

  synchronized void close() {
    closed = true;
    pin.close();
    keys = null;
    provider = null;
  }

  private synchronized Cipher cipher(int mode, String label, byte[] nonce, byte[] facts)
      throws KeyException {
    Key key = key(label);
    try {
      Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding", opened());
      cipher.init(mode, key, new GCMParameterSpec(TAG * 8, nonce));
      cipher.updateAAD(facts);
      return cipher;
    } catch (GeneralSecurityException | ProviderException e) {
      throw away("use its key", e);
    }
  }

  private Key key(String label) throws KeyException {
    if (closed) {
      throw new IllegalStateException("The recipient was closed");
    }
    if (refused != null) {
      // A few wrong PINs lock a token: one that was refused is not tried again.
      throw refused;
    }
    try {
      KeyStore store = keys == null ? login() : keys;
      keys = store;
      Key key = store.getKey(label, null);
      if (key == null || !key.getAlgorithm().equals("AES")) {
        List<String> labels = new ArrayList<>();
        for (String each : Collections.list(store.aliases())) {
          if (store.isKeyEntry(each)) {
            labels.add(each);
          }
        }
        // What was made since the token was opened shows when it is opened anew.
        keys = null;
        throw failures.lost(label, labels);
      }
      return key;
    } catch (GeneralSecurityException | ProviderException e) {
      throw away("look for its key", e);
    }
  }

  private KeyStore login() throws KeyException, GeneralSecurityException {
    KeyStore store = KeyStore.getInstance("PKCS11", opened());
    char[] lent = pin.useChars(char[]::clone);
    try {
      store.load(null, lent);
      return store;
    } catch (IOException e) {
      KeyException failure = failures.translate("log in", e);
      if (failure.code().equals("key.refused")) {
        refused = failure;
      } else {
        forget();
      }
      throw failure;
    } finally {
      Arrays.fill(lent, '\0');
    }
  }

  private Provider opened() throws KeyException {
    Provider known = provider;
    if (known == null) {
      known = source.provider();
      provider = known;
    }
    return known;
  }

  private KeyException away(String action, Exception e) {
    KeyException failure = failures.translate(action, e);
    if (failure.code().equals("key.unreachable")) {
      forget();
    }
    return failure;
  }

  private synchronized void forget() {
    keys = null;
    provider = null;
  }
}
