package com.thorbis.backup.application.secrets;

import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyContext;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.WrappedKey;

/**
 * The recipient of a set that lies in a backup: it wraps nothing, and the set carries its key. Who
 * reads it is what the repository says, which seals the whole set.
 */
final class CarriedKey implements KeyProvider {
  private static final String SCHEME = "carried";

  @Override
  public String scheme() {
    return SCHEME;
  }

  @Override
  public String keyId() {
    return "repository";
  }

  @Override
  public String describe() {
    return "the key that a set in a backup carries";
  }

  @Override
  public boolean canUnwrap() {
    return true;
  }

  @Override
  public WrappedKey wrap(DataKey key, KeyContext context) {
    return key.use(bytes -> WrappedKey.of(SCHEME, keyId(), bytes));
  }

  @Override
  public DataKey unwrap(WrappedKey wrapped, KeyContext context) {
    return DataKey.copyOf(wrapped.ciphertext());
  }

  @Override
  public void close() {}
}
