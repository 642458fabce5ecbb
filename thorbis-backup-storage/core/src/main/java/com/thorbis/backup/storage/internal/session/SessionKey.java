package com.thorbis.backup.storage.internal.session;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyContext;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.WrappedKey;
import java.util.HashMap;
import java.util.Map;

/**
 * Lets the process of a sealed writer open what it drew itself. It holds the keys instead of
 * wrapping them: its wraps say nothing, and open nothing once it is closed.
 */
final class SessionKey implements KeyProvider {
  private final Map<KeyContext, DataKey> drawn = new HashMap<>();

  @Override
  public String scheme() {
    return "session";
  }

  @Override
  public String keyId() {
    return "ended";
  }

  @Override
  public String describe() {
    return "the session's own process";
  }

  @Override
  public boolean canUnwrap() {
    return true;
  }

  @Override
  public synchronized WrappedKey wrap(DataKey key, KeyContext context) {
    DataKey before = drawn.put(context, key.use(DataKey::copyOf));
    if (before != null) {
      before.close();
    }
    return WrappedKey.of(scheme(), keyId(), new byte[0]);
  }

  @Override
  public synchronized DataKey unwrap(WrappedKey wrapped, KeyContext context) throws KeyException {
    DataKey key = drawn.get(context);
    if (key == null) {
      throw new KeyException(
          "key.refused",
          FailureKind.PERMANENT,
          "The session has ended",
          describe(),
          "Open it with one of its recipients.",
          null);
    }
    return key.use(DataKey::copyOf);
  }

  @Override
  public synchronized void close() {
    drawn.values().forEach(DataKey::close);
    drawn.clear();
  }
}
