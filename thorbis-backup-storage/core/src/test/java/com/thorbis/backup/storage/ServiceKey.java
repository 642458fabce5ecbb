package com.thorbis.backup.storage;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyContext;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.WrappedKey;
import java.util.concurrent.atomic.AtomicInteger;

/** A recipient whose key a service keeps, which can be down. */
final class ServiceKey implements KeyProvider {
  private final String name;
  final AtomicInteger asked = new AtomicInteger();
  volatile boolean down;

  ServiceKey(String name) {
    this.name = name;
  }

  @Override
  public String scheme() {
    return "service";
  }

  @Override
  public String keyId() {
    return name;
  }

  @Override
  public String describe() {
    return "service " + name;
  }

  @Override
  public boolean canUnwrap() {
    return true;
  }

  @Override
  public WrappedKey wrap(DataKey key, KeyContext context) throws KeyException {
    ask();
    return WrappedKey.of("service", name, key.use(bytes -> hide(bytes, context)));
  }

  @Override
  public DataKey unwrap(WrappedKey wrapped, KeyContext context) throws KeyException {
    ask();
    if (!wrapped.keyId().equals(name)) {
      throw failure("key.refused", FailureKind.PERMANENT);
    }
    return DataKey.copyOf(hide(wrapped.ciphertext(), context));
  }

  private void ask() throws KeyException {
    asked.incrementAndGet();
    if (down) {
      throw failure("key.unreachable", FailureKind.TRANSIENT);
    }
  }

  private KeyException failure(String code, FailureKind kind) {
    return new KeyException(code, kind, name + ": " + code, name, "Look at it.", null);
  }

  @Override
  public void close() {}

  private static byte[] hide(byte[] bytes, KeyContext context) {
    byte[] hidden = bytes.clone();
    for (int i = 0; i < hidden.length; i++) {
      hidden[i] ^= (byte) context.hashCode();
    }
    return hidden;
  }
}
